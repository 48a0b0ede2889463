"""Metamers: what must match, what may vary, how it is found, and whether it holds."""

from jmetamer.metamers.folded_problem import FoldedProblem, folded_problem
from jmetamer.metamers.generate import generate, metamer_graph
from jmetamer.metamers.local_problem import LocalProblem, local_problem
from jmetamer.metamers.losses import LOSSES, Complementarity, Cosine, RelativeSquared, Weighted
from jmetamer.metamers.methods import (
    METHODS,
    ColorSwaps,
    GaussNewton,
    MaxDistance,
    Method,
    NullSpace,
    Optimize,
    Reflect,
    RelaxEdges,
    Repel,
    Replace,
    SwapSearch,
    Walk,
    default_method,
)
from jmetamer.metamers.methods.optimize.optimizers import OPTIMIZERS, SCHEDULES, Optimizer
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.result import Metamers
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary import (
    DOMAINS,
    VARY,
    BinaryEdges,
    BinaryFeatures,
    Box,
    ContinuousFeatures,
    EdgeWeights,
    Free,
    NonNegative,
    RandomEdges,
    Vary,
)
from jmetamer.metamers.vary.initialization import (
    INITIALIZATIONS,
    GlobalNoise,
    PerFeatureNoise,
    PermutedRows,
)

__all__ = [
    "DOMAINS",
    "INITIALIZATIONS",
    "LOSSES",
    "METHODS",
    "OPTIMIZERS",
    "SCHEDULES",
    "VARY",
    "BinaryEdges",
    "BinaryFeatures",
    "Box",
    "ColorSwaps",
    "Complementarity",
    "ContinuousFeatures",
    "Cosine",
    "EdgeWeights",
    "FoldedProblem",
    "Free",
    "GaussNewton",
    "GlobalNoise",
    "LocalProblem",
    "MaxDistance",
    "Metamers",
    "Method",
    "NonNegative",
    "NullSpace",
    "Optimize",
    "Optimizer",
    "PerFeatureNoise",
    "PermutedRows",
    "Problem",
    "RandomEdges",
    "Reflect",
    "RelativeSquared",
    "RelaxEdges",
    "Repel",
    "Replace",
    "Status",
    "SwapSearch",
    "Vary",
    "Walk",
    "Weighted",
    "default_method",
    "folded_problem",
    "generate",
    "local_problem",
    "metamer_graph",
]
