"""Metamers: what must match, what may vary, how it is found, and whether it holds."""

from jmetamer.metamers.folded_problem import FoldedProblem, folded_problem
from jmetamer.metamers.generate import generate, generate_each, metamer_graph
from jmetamer.metamers.local_problem import LocalProblem, local_problem
from jmetamer.metamers.losses import LOSSES, Complementarity, Cosine, RelativeSquared, Weighted
from jmetamer.metamers.methods.exact.color_swaps import ColorSwaps
from jmetamer.metamers.methods.optimize.optimizers import OPTIMIZERS, SCHEDULES, Optimizer
from jmetamer.metamers.methods.relax_edges import (
    STRUCTURES,
    BinaryEdges,
    FeaturesAndEdges,
    FeaturesGivenEdges,
)
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.result import Metamers
from jmetamer.metamers.solver import Solver, default_solver
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary import (
    DOMAINS,
    PARAMETERIZATIONS,
    BinaryFeatures,
    Box,
    ContinuousFeatures,
    EdgeWeights,
    Free,
    NonNegative,
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
    "OPTIMIZERS",
    "PARAMETERIZATIONS",
    "SCHEDULES",
    "STRUCTURES",
    "BinaryEdges",
    "BinaryFeatures",
    "Box",
    "ColorSwaps",
    "Complementarity",
    "ContinuousFeatures",
    "Cosine",
    "EdgeWeights",
    "FeaturesAndEdges",
    "FeaturesGivenEdges",
    "FoldedProblem",
    "Free",
    "GlobalNoise",
    "LocalProblem",
    "Metamers",
    "NonNegative",
    "Optimizer",
    "PerFeatureNoise",
    "PermutedRows",
    "Problem",
    "RelativeSquared",
    "Solver",
    "Status",
    "Weighted",
    "default_solver",
    "folded_problem",
    "generate",
    "generate_each",
    "local_problem",
    "metamer_graph",
]
