"""Settings of success and recognition: what a metamer must fulfill, and who else reads it."""

import dataclasses
from typing import Annotated, Literal

from jmetamer._base.arguments import Count, Natural, OneOf, Positive, Range, Seed, Share, SomeShare
from jmetamer.measures.success import MIN_DISTANCE
from jmetamer.models import MODELS


@dataclasses.dataclass(frozen=True)
class NullSettings:
    """The null-distribution test of success: random pairs of other targets match no better.

    Attributes:
      alpha: largest p-value.
      pairs: random pairs, at most as many as there are different ones, so that p-values are
        multiples of 1 / (1 + pairs).
      others: other targets from which the pairs are drawn; of fewer than 30, p-values are too small
        too often. r of them hold r (r - 1) different pairs: 32 are enough for a correction over up
        to 49 cells, 72 (and 4999 pairs) for one over 250.
    """

    alpha: SomeShare = 0.05
    pairs: Annotated[int, Range(1, 2**30)] = 4999
    others: Annotated[int, Range(2)] = 32


@dataclasses.dataclass(frozen=True)
class SuccessSettings:
    """What a metamer must fulfill beside `metamers.tolerance`; every criterion is stored apart.

    Attributes:
      share: share of the target nodes at which the error of a node and its class are judged, as of
        thousands single ones lie at a class boundary; null takes 0.99 where there are a hundred or
        more target nodes, else 1. The worst node is stored beside it.
      worst_node: largest relative error of a node; null takes ten times the root of
        `metamers.tolerance`, which is what all target nodes together may be off.
      agreement: least share of target nodes that keep their predicted class; null takes `share`.
      distance: least distance of features (normalized Euclidean) or edges (Jaccard) from the
        reference; what is nearer is trivial.
      null_test: the test against random pairs; null leaves it out.
    """

    share: SomeShare | None = None
    worst_node: Positive | None = None
    agreement: Share | None = None
    distance: Share = MIN_DISTANCE
    null_test: NullSettings | None = NullSettings()


@dataclasses.dataclass(frozen=True)
class RecognitionSettings:
    """Which other models read the metamers.

    Judges are trained on the cell's dataset and kept beside the run's models. What differs between
    cells, as the activation of the model whose metamers they are, does not change the judges, so
    that cells are comparable. A judge is therefore the model with another seed only where that
    model has the settings of the judges; the settings of each judge are stored beside what it read.

    Attributes:
      judges: architectures, names of `MODELS`, or "all" of them.
      seeds: training seeds of each.
      first_seed: the first of them; the others follow. No judge may have the seed of the model
        whose metamers it reads.
      hidden: width of the hidden layers of judges.
      epochs: at most, of the training of judges; null takes the default.
      controls: for how many metamers controls are read too: the start, the reference moved as far
        in random directions, nearest neighbors, what the first matrix cannot see, random edges.
    """

    judges: Literal["all"] | tuple[Annotated[str, OneOf(MODELS)], ...] = "all"
    seeds: Count = 2
    first_seed: Seed = 1000
    hidden: Count = 64
    epochs: Natural | None = None
    controls: Natural = 4


@dataclasses.dataclass(frozen=True)
class PlantedSettings:
    """Planted problems, in which a metamer is known by proof: what a search for edges misses.

    They are searched with the network, layer, method, tolerance, steps and number of seeds of the
    cell. Only where edges come and go: `binary_edges` or `random_edges`, alone or beside features.

    Attributes:
      problems: number of planted problems, 0 for none; graphs of six nodes, each searched with as
        many seeds as the cell has metamers. Where all are solved, at most 31 % of such metamers are
        missed for 8 problems, 14 % for 20 (95 % limit).
    """

    problems: Natural = 0
