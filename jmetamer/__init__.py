"""Model metamers of graph neural networks: what a trained network cannot tell apart.

    import jmetamer as jm
    data     = jm.load_dataset("digits")
    trained  = jm.train(jm.GCN(hidden=64, layers=2), data, seed=0)
    problem  = jm.Problem(trained, data.graph, layer="conv1")
    metamers = jm.generate(problem, count=64)
    spectrum = jm.jacobian_spectrum(problem, nodes=[0, 1, 2])

Names are imported on first use, so `import jmetamer` is light and starts no accelerator.
"""

import importlib
from typing import TYPE_CHECKING, Any

from jmetamer._base.interrupts import interrupts_end_imports_of_commands

_HOMES = {  # module -> names
    "jmetamer._base.errors": "ConfigError DataError InputError JmetamerError StoreError",
    "jmetamer.graphs": "DATASETS Dataset Edges ego_graph load_dataset make_graph save_graph_npz",
    "jmetamer.models": (
        "AdversarialPerturbation GAT GCN GIN GraphSAGE MODELS Model RandomPerturbation "
        "TrainSettings TrainedModel load_model save_model train"
    ),
    "jmetamer.geometry": "Spectrum VolumeChange",
    "jmetamer.measures": "MEASURES Measure deviations edge_deviations",
    "jmetamer.metamers": (
        "BinaryEdges BinaryFeatures Box ColorSwaps Complementarity ContinuousFeatures Cosine "
        "EdgeWeights FoldedProblem Free GaussNewton GlobalNoise LOSSES "
        "LocalProblem METHODS MaxDistance Metamers Method NonNegative NullSpace OPTIMIZERS "
        "Optimize Optimizer PerFeatureNoise PermutedRows Problem RandomEdges Reflect "
        "RelativeSquared RelaxEdges Repel Replace Status SwapSearch VARY Vary Walk Weighted "
        "default_method folded_problem generate local_problem metamer_graph"
    ),
    "jmetamer.evaluation": "remedy",
    "jmetamer.geometry.of_problem": (
        "MapCorrelations NodeMaps jacobian_operator jacobian_spectrum joint_spectrum "
        "leading_spectrum map_correlation map_correlations node_maps rank_ledger_of volume_change "
        "whole_graph_volume"
    ),
    "jmetamer.results": "Run open_run",
}
# Names that are gone -> what took their place.
_SUCCESSORS = {
    "FeaturesAndEdges": "`vary=(jm.ContinuousFeatures(), jm.BinaryEdges())`",
    "FeaturesGivenEdges": "`vary=(jm.ContinuousFeatures(), jm.RandomEdges())`",
    "PARAMETERIZATIONS": "`jm.VARY`",
    "STRUCTURES": "`jm.VARY`",
    "Solver": "a method, as `jm.Optimize(...)`, and `tolerance` and `lanes` of `generate`",
    "default_solver": "`jm.default_method`",
    "generate_each": "`jm.generate` with a list of problems",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)
__version__ = "0.1.0"

interrupts_end_imports_of_commands()

if TYPE_CHECKING:
    from jmetamer._base.errors import *  # noqa: F403
    from jmetamer.evaluation import *  # noqa: F403
    from jmetamer.geometry.of_problem import *  # noqa: F403
    from jmetamer.graphs import *  # noqa: F403
    from jmetamer.measures import *  # noqa: F403
    from jmetamer.metamers import *  # noqa: F403
    from jmetamer.models import *  # noqa: F403
    from jmetamer.results import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name in _SUCCESSORS:
        raise AttributeError(f"`jmetamer.{name}` is gone; use {_SUCCESSORS[name]}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'jmetamer' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
