"""The sections of a configuration; what an object can be told, its own class says.

Any value may also be a list in a configuration file; the lists span the grid of cells. A setting
whose value is itself a list (`metamers.nodes`, `geometry.nodes`, `geometry.layers`,
`geometry.channel`, `measures`, `recognition.judges`) takes one list more for a grid. Several names
that belong together are `{together: [conv1, logits]}`.
"""

import dataclasses
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, cast

from jmetamer._base.arguments import Count, Natural, Positive, Seed
from jmetamer.config.families import Source
from jmetamer.config.judging import PlantedSettings, RecognitionSettings, SuccessSettings
from jmetamer.config.leaf import TOGETHER
from jmetamer.config.places import FAMILIES, Section, Tree, name_of
from jmetamer.metamers.losses import Loss
from jmetamer.metamers.methods import Method
from jmetamer.metamers.vary import VARY, ContinuousFeatures, Vary
from jmetamer.models import GCN, MODELS, Network, TrainSettings
from jmetamer.results.record import hash_settings


@dataclasses.dataclass(frozen=True)
class TrainingSettings(TrainSettings):
    """How the network is trained, as `TrainSettings` says.

    Attributes:
      seed: seed of parameters, dropout, perturbation and shuffled labels; null takes the top-level
        `seed`.
    """

    seed: Seed | None = None

    def of_network(self) -> TrainSettings:
        """Return all but the seed."""
        fields = dataclasses.fields(TrainSettings)
        return TrainSettings(**{field.name: getattr(self, field.name) for field in fields})


@dataclasses.dataclass(frozen=True)
class MetamerSettings:
    """What varies, what must match, and how it is searched for.

    Attributes:
      vary: a part of the graph, or several together: `{together: [continuous_features,
        binary_edges]}`.
      layer: one of the model's layers ("conv1", "conv1.pre", "logits"), several to be matched at
        once as `{together: [conv1, logits]}`, or "all".
      nodes: target nodes; null means all nodes.
      loss: what is minimized; null takes `complementarity`, and `relative_squared` with
        `identity_backward`.
      method: how metamers are found; null takes the one that was fastest in our measurements, and
        what a method leaves null is chosen for the problem.
      identity_backward: gradients pass the nonlinearity as if it were the identity.
      tolerance: relative squared error below which a metamer counts as matched; null takes 1e-4,
        and 1e-2 where what varies is whole numbers.
      count: number of metamers.
      seed: base seed of the metamers; null takes the top-level `seed`.
      lanes: metamers computed at the same time; null takes as many as are useful and fit the
        memory. Changes no number.
    """

    vary: Annotated[Vary | tuple[Vary, ...], TOGETHER] = ContinuousFeatures()
    layer: Annotated[str | tuple[str, ...], TOGETHER] = "conv1"
    nodes: tuple[Natural, ...] | None = None
    loss: Loss | None = None
    method: Method | None = None
    identity_backward: bool = False
    tolerance: Positive | None = None
    count: Count = 64
    seed: Seed | None = None
    lanes: Count | None = dataclasses.field(default=None, metadata={"decides": False})


@dataclasses.dataclass(frozen=True)
class GeometrySettings:
    """The local geometry of the map from inputs to the layers.

    Attributes:
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

    nodes: Count | tuple[Natural, ...] = 8
    inputs: Literal["node", "ball", "all"] = "ball"
    layers: Literal["matched", "all"] | tuple[str, ...] = "all"
    maps: bool | Literal["auto"] = "auto"
    ledger: bool | Natural = 2
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
class CellSettings:
    """One point of the grid. `jmetamer.config.cells` fills in every default that it can know.

    Attributes:
      dataset: which graph is the reference: a name of `DATASETS`, or the path of a file or folder
        that `load_dataset` reads.
      model: the network.
      training, metamers, success, planted, store: see there.
      geometry: null leaves it out.
      recognition: which other models read the metamers; null for none.
      measures: names of `MEASURES`, or "all": every one that applies and is not costly
        (`Measure.default`); costly ones, as "structure/netlsd", are taken where they are named. A
        record is without those that need labels, a linear entry of the network or a tiny graph
        where there is none.
    """

    dataset: Source = FAMILIES[Source]["digits"]()
    model: Network = GCN()
    training: TrainingSettings = TrainingSettings()
    metamers: MetamerSettings = MetamerSettings()
    geometry: GeometrySettings | None = GeometrySettings()
    measures: tuple[str, ...] | Literal["all"] = "all"
    success: SuccessSettings = SuccessSettings()
    recognition: RecognitionSettings | None = None
    planted: PlantedSettings = PlantedSettings()
    store: StoreSettings = StoreSettings()

    @cached_property
    def settings(self) -> Tree:
        """What the cell's numbers depend on, as JSON holds it; the `settings` of its record.

        Left out are the folder of the data and `metamers.lanes`, which change no number.
        """
        return cast(Tree, Section(CellSettings).plain(self))

    @cached_property
    def hash(self) -> str:
        """Hex digest of `settings`; the `settings_hash` of the cell's record."""
        return hash_settings(self.settings)

    @cached_property
    def id(self) -> str:
        """Readable name with the first eight digits of `hash`; names the cell's folder.

        Example:
          >>> CellSettings(measures=("features/cosine",)).id.startswith("digits-gcn-relu-conv1-")
          True
        """
        layers = self.metamers.layer
        pieces = [Path(self.dataset.name).stem, name_of(self.model, MODELS), self.model.activation]
        pieces.append(layers if isinstance(layers, str) else "+".join(layers))
        vary = self.metamers.vary
        parts = [name_of(p, VARY) for p in (vary if isinstance(vary, tuple) else (vary,))]
        if parts != ["continuous_features"]:
            pieces.append("+".join(part.removesuffix("_features") for part in parts))
        readable = re.sub(r"[^A-Za-z0-9._+-]+", "_", "-".join(pieces))
        return f"{readable[:80]}-{self.hash[:8]}"


@dataclasses.dataclass(frozen=True)
class Settings(CellSettings):
    """One configuration, or one block of `runs`.

    Attributes:
      seed: base seed; the three seeds of dataset, training and metamers are this one unless they
        are given.
    """

    seed: Seed = 0
