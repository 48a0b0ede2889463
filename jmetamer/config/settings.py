"""Every setting of a sweep, with its default and its meaning.

Any value may also be a list in a configuration file; the lists span the grid of cells. A setting
whose value is itself a list (`metamers.nodes`, `metamers.bounds`, `metamers.edges.candidates`,
`geometry.nodes`, `geometry.layers`, `geometry.channel`, `measures`, `recognition.judges`) takes one
list more for a grid.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from jmetamer._base.arguments import Count, Layers, Natural, NonNegative, Positive, Range, Seed
from jmetamer.config.judging import PlantedSettings, RecognitionSettings, SuccessSettings

# Does not change any number, so it is no part of a cell's identity.
_INCIDENTAL = {"identity": False}


@dataclasses.dataclass(frozen=True)
class DatasetSettings:
    """Which graph is the reference.

    Attributes:
      name: a name of `DATASETS`, or the path of a file or folder that `load_dataset` reads.
      split: number of the split, for datasets that come with several; null takes the first.
      seed: seed of a generated graph or of a random split; null takes the top-level `seed`.
      root: folder in which files are looked for first; null takes the usual places.
      options: further arguments of the loader, as `num_nodes` of a generated graph. A list is a
        grid here too; write `[[1, 2]]` for one value that is a list.
    """

    name: str = "digits"
    split: Natural | None = None
    seed: Seed | None = None
    root: str | None = dataclasses.field(default=None, metadata=_INCIDENTAL)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """The network.

    Settings that name an architecture belong to it alone; given with another they are refused.
    Null takes the model's own default.

    Attributes:
      architecture: a name of `MODELS`: gcn, gat, graphsage, gin.
      hidden: width of the hidden layers.
      layers: number of convolutions, at most 1000; the last one gives the logits.
      activation: a name of `ACTIVATIONS`: relu, elu, leaky_relu, tanh, gelu, softplus, identity.
      residual: add each layer's input before the nonlinearity.
      normalization: none, layer or batch.
      dropout: rate during training, in [0, 1).
      heads: attention heads of the hidden layers, for gat.
      output_heads: attention heads of the last layer, for gat.
      aggregator: mean or max, for graphsage.
    """

    architecture: str = "gcn"
    hidden: Count = 64
    layers: Layers = 2
    activation: str = "relu"
    residual: bool = False
    normalization: str = "none"
    dropout: Annotated[float, Range(0, 1, open_high=True)] = 0.5
    heads: Count | None = None
    output_heads: Count | None = None
    aggregator: str | None = None


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How the network is trained; null takes the default of the architecture.

    Settings that name perturbations belong to them alone; given with another they are refused.

    Attributes:
      epochs: full-batch steps at most; 0 leaves the network untrained.
      learning_rate: step size.
      weight_decay: weight of the decay term.
      decayed: matrices that decay: first (layer only) or all.
      patience: epochs without a better validation accuracy before training stops, or never.
      optimizer: adam, adamw or sgd.
      perturbation: change of all nodes' features in every epoch: none, adversarial, or random,
        its control of the same size. Flips where the dataset's features are 0/1.
      perturbation_size: adversarial, random; of each node, as a share of the root mean square
        length of a node's features, or of the mean number of ones [0.1].
      perturbation_steps: adversarial; gradient steps [5].
      shuffle_labels: permute the labels of training and of validation nodes.
      seed: seed of parameters, dropout, perturbation and shuffled labels; null takes the top-level
        `seed`.
    """

    epochs: Natural | None = None
    learning_rate: NonNegative | None = None
    weight_decay: NonNegative | None = None
    decayed: str | None = None
    patience: Count | Literal["never"] | None = None
    optimizer: str | None = None
    perturbation: Literal["none", "adversarial", "random"] | None = None
    perturbation_size: Positive | None = None
    perturbation_steps: Count | None = None
    shuffle_labels: bool | None = None
    seed: Seed | None = None


@dataclasses.dataclass(frozen=True)
class EdgeSettings:
    """How edges vary.

    Each setting belongs to some values of `metamers.vary`, named first ("all": edges,
    features_and_edges and features_given_edges, with `metamers.method` optimize); given with
    another it is refused; of these, color_swaps keeps `directed` alone. Null takes the default
    named in brackets.

    Attributes:
      start: all, also searches; a random simple graph with as many edges (noise) or with the
        degrees of the reference (rewired); and of what is relaxed also one of a random density
        (any_density), where the block holds all pairs, or the reference, to walk away from it
        [noise].
      block: edges, features_and_edges; candidate pairs beside the edges of the start [four times
        as many, at least 1,000].
      refill: edges, features_and_edges; candidates are found at random (uniform), at random among
        those that the targets would see (near), or where an edge would lower the loss most
        (gradient) [uniform].
      refill_every: edges, features_and_edges; steps between two exchanges of candidates [25].
      budget: edges, features_and_edges; largest number of pairs by which a metamer may differ from
        its start [any].
      penalty: edges, features_and_edges; last weight of the concave penalty mean w (1 - w), which
        drives weights to 0 and 1 [0.3].
      distance: edges, features_and_edges, with start reference; Jaccard distance of the edge sets
        to reach, above 0 and up to 1; must be given there.
      draws: edges, features_and_edges; random roundings, beside the threshold 1/2 and the largest
        weights [20].
      flips: edges, features_and_edges; number of pairs flipped after rounding, beyond which no more
        are [1000].
      kicks: edges, features_and_edges; largest number of times that a few random pairs are flipped
        where no single flip helps [20 where the block holds all pairs, else 0].
      learning_rate: features_and_edges; of Adam on the weights [0.05].
      feature_learning_rate: features_and_edges; of Adam on the features while edges are relaxed
        [0.05].
      directed: all, also searches, and edge_weights; whether (i, j) and (j, i) are two edges [as
        the reference has it; edge_weights: false].
      candidates: edge_weights; pairs [[i, j], ...] that are no edges and may become some [none].
    """

    start: Literal["noise", "any_density", "rewired", "reference"] | None = None
    block: Count | None = None
    refill: Literal["uniform", "near", "gradient"] | None = None
    refill_every: Count | None = None
    budget: Count | None = None
    penalty: NonNegative | None = None
    distance: Annotated[float, Range(0, 1, open_low=True)] | None = None
    draws: Natural | None = None
    flips: Natural | None = None
    kicks: Natural | None = None
    learning_rate: Positive | None = None
    feature_learning_rate: Positive | None = None
    directed: bool | None = None
    candidates: tuple[tuple[Natural, Natural], ...] | None = None


@dataclasses.dataclass(frozen=True)
class MetamerSettings:
    """What varies, what must match, and how it is searched for.

    Settings marked "continuous" or "binary" belong to features of that kind, those marked "weights"
    to edge weights, "joint" to features_and_edges and features_given_edges; given with anything
    else they are refused. Null takes the default named in brackets.

    Attributes:
      vary: continuous_features, binary_features, edges (they come and go), edge_weights (real
        numbers), features_and_edges (together), or features_given_edges (every seed gets random
        edges, and its features are searched for).
      features: joint; how the features vary, continuous_features or binary_features
        [continuous_features].
      edges: how the edges vary, see `EdgeSettings`.
      layer: one of the model's layers ("conv1", "conv1.pre", "logits"), several joined by "+"
        to be matched at once, or "all".
      nodes: the nodes whose activations must match; null means all nodes.
      domain: continuous, weights; free, box or non_negative [free; of weights non_negative].
      bounds: with domain box; [low, high] of every feature or weight [the dataset's range of
        features; of weights they must be given].
      initialization: continuous, binary; start of the features: global, per_feature or permuted
        [global].
      ones: binary; keep the number of ones globally or per row [global].
      slope: binary; steepness of the straight-through sigmoid [1].
      margin: binary; distance from the threshold below which the margin term acts [0.25].
      margin_weight: binary; weight of the margin term [0].
      loss: relative_squared, complementarity, cosine, weighted (its factors, 1 here, are given in
        Python alone), or auto: complementarity, which has no dead zone at a ReLU; with
        `identity_backward` relative_squared.
      method: optimize, or how continuous features with domain free are found without the search:
        reflect, replace, null_space, gauss_newton, walk or max_distance; or a discrete search over
        edges: swap_search, or color_swaps, which is exact.
      repulsion: continuous, binary; weight of a term that pushes the metamers of a cell apart in
        the first two thirds of the steps. 0 leaves it out. With it, all metamers of the cell are
        one group: each depends on all others and on their number, none can be made again alone,
        and an interrupted cell begins anew.
      coordinates: coordinates in which features are searched: features, row_space, entry, or auto.
      identity_backward: let gradients pass the matched layers' nonlinearity unchanged.
      optimizer: a name of `OPTIMIZERS`; null takes the one measured to be fastest, see
        `jmetamer.default_method`.
      learning_rate: of a named optimizer that has one [binary 0.1, otherwise 0.05].
      schedule: of the learning rate of a named optimizer, a name of `SCHEDULES` [cosine].
      moments: type in which a named optimizer keeps the running mean of the gradient, for those
        that have one (adam, amsgrad, nadam, lion, momentum, nesterov): float32 or bfloat16
        [float32].
      precision: of the search's matrix products: default (the device's own: TF32 on recent
        NVIDIA GPUs, bfloat16 on TPUs, float32 on processors), high or highest. References and
        final numbers are always computed at the highest.
      steps: steps at most; null takes that of `default_method`.
      tolerance: relative squared error at which a metamer counts [binary, and edges alone 1e-2;
        otherwise 1e-4].
      patience: steps without improvement after which a metamer is given up [edges alone: never,
        otherwise 200].
      improvement: relative decrease of the loss that counts as improvement, below 1.
      count: number of metamers.
      seed: base seed of the metamers; null takes the top-level `seed`.
      lanes: metamers computed at the same time; null takes as many as are useful and fit the
        memory. Changes no number.
    """

    vary: Literal[
        "continuous_features",
        "binary_features",
        "edges",
        "edge_weights",
        "features_and_edges",
        "features_given_edges",
    ] = "continuous_features"
    features: Literal["continuous_features", "binary_features"] | None = None
    edges: EdgeSettings = dataclasses.field(default_factory=EdgeSettings)
    layer: str = "conv1"
    nodes: tuple[Natural, ...] | None = None
    domain: str | None = None
    bounds: tuple[float, float] | None = None
    initialization: str | None = None
    ones: Literal["global", "row"] | None = None
    slope: Positive | None = None
    margin: Annotated[float, Range(0, 1)] | None = None
    margin_weight: NonNegative | None = None
    loss: str = "auto"
    method: str = "optimize"
    repulsion: NonNegative = 0.0
    coordinates: str = "auto"
    identity_backward: bool = False
    optimizer: str | None = None
    learning_rate: Positive | None = None
    schedule: str | None = None
    moments: str | None = None
    precision: str = "default"
    steps: Count | None = None
    tolerance: Positive | None = None
    patience: Count | None = None
    improvement: Annotated[float, Range(0, 1, open_high=True)] = 0.01
    count: Count = 64
    seed: Seed | None = None
    lanes: Count | None = dataclasses.field(default=None, metadata=_INCIDENTAL)


@dataclasses.dataclass(frozen=True)
class GeometrySettings:
    """The local geometry of the map from inputs to the layers.

    Attributes:
      enabled: compute it at all; when false, the others are set to null.
      nodes: how many target nodes (drawn with the metamers' seed), or a list of nodes.
      inputs: features that vary in spectra: of the node itself, of the ball the network sees, or
        all; rank and dimension by the node's own features are kept in any case.
      layers: spectra before and after each activation of which layers: "matched" those that the
        metamers match, "all" of the network, or a list of names.
      maps: rank, dimension and blind fraction of the matched layer at every node of the graph;
        "auto" where that takes seconds (2.5e8 numbers in all Jacobians together).
      ledger: for how many of the target nodes to account for the dimension layer by layer (nodes
        with more than 512 units of one layer in sight are passed over); true for all of them.
      channel: [standard deviation of the input, of the noise on the activation] for information
        and effective dimension, which may be compared across architectures; null for none. Only
        their ratio counts; it is fixed and not taken from the data, so that all networks are
        compared at the same noise: a direction stands out where its singular value exceeds 0.1.
    """

    enabled: bool = True
    nodes: Count | tuple[Natural, ...] | None = 8
    inputs: Literal["node", "ball", "all"] | None = "ball"
    layers: Literal["matched", "all"] | tuple[str, ...] | None = "all"
    maps: bool | Literal["auto"] | None = "auto"
    ledger: bool | Natural | None = 2
    channel: tuple[Positive, Positive] | None = (1.0, 0.1)


@dataclasses.dataclass(frozen=True)
class StoreSettings:
    """What is kept.

    Attributes:
      metamers: features, flips of edges or edge weights of how many metamers are stored, or "all";
        distances among metamers (diversity) are of those stored, and need two that converged.
    """

    metamers: Natural | Literal["all"] = "all"


@dataclasses.dataclass(frozen=True)
class Settings:
    """One configuration, or one block of `runs`; each leaf a value here, in a file also a list.

    Attributes:
      seed: base seed; the three seeds of the sections are this one unless they are given.
      dataset, model, training, metamers, geometry, success, recognition, planted, store: see
        there.
      measures: names of `MEASURES`, or "all": every one that applies and is not costly
        (`Measure.default`); costly ones, as "structure/netlsd", are taken where they are named. A
        record is without those that need labels, a linear entry of the network or a tiny graph
        where there is none.
    """

    seed: Seed = 0
    dataset: DatasetSettings = dataclasses.field(default_factory=DatasetSettings)
    model: ModelSettings = dataclasses.field(default_factory=ModelSettings)
    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    metamers: MetamerSettings = dataclasses.field(default_factory=MetamerSettings)
    geometry: GeometrySettings = dataclasses.field(default_factory=GeometrySettings)
    measures: tuple[str, ...] | Literal["all"] = "all"
    success: SuccessSettings = dataclasses.field(default_factory=SuccessSettings)
    recognition: RecognitionSettings = dataclasses.field(default_factory=RecognitionSettings)
    planted: PlantedSettings = dataclasses.field(default_factory=PlantedSettings)
    store: StoreSettings = dataclasses.field(default_factory=StoreSettings)
