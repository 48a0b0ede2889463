"""Who examines the metamers of a cell, and what is stored of it: success and recognition."""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.config import CellSettings, build_judges
from jmetamer.graphs import Dataset
from jmetamer.measures import NullTest, null_test_of, success_bits
from jmetamer.metamers import Problem
from jmetamer.metamers.block import Block
from jmetamer.metamers.control_graphs import ControlGraphs
from jmetamer.metamers.examination import Examination
from jmetamer.metamers.other_targets import other_targets
from jmetamer.metamers.panel import Panel
from jmetamer.models import TrainedModel, train
from jmetamer.results import Progress
from jmetamer.variables.examined import Examined, recognition_variables, success_variables


def examination(
    cell: CellSettings,
    data: Dataset,
    trained: TrainedModel,
    problem: Problem,
    models: Path | None,
    progress: Callable[[Progress], None],
) -> Examination:
    """Return what the cell's metamers are asked; trains its judges, or reads them from the folder.

    Judges read the target nodes that nobody was trained on; all target nodes where there are none
    of these.

    Args:
      cell: resolved settings.
      data: its dataset.
      trained: its network.
      problem: what its metamers match.
      models: folder in which trained models are kept.
      progress: told of the training.
    """
    judges = []
    plans = build_judges(cell)
    for done, plan in enumerate(plans):
        progress(Progress("judges", done, len(plans)))
        judges.append(train(plan.model, data, plan.seed, plan.settings, cache=models))
    if not judges:
        return Examination(problem)
    nodes = read_nodes(data, problem)
    controls, count = cell.recognition.controls or 0, cell.metamers.count
    seed = cell.metamers.seed or 0
    return Examination(
        problem,
        Panel(trained, judges, nodes),
        np.asarray(data.labels)[nodes],
        ControlGraphs(problem, seed) if controls else None,
        min(controls, count),
    )


def read_nodes(data: Dataset, problem: Problem) -> np.ndarray:
    """Return the target nodes outside the training set; all of them where none is outside.

    Args:
      data: with a training mask.
      problem: with target nodes.

    Returns:
      [t] node numbers.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1", nodes=[0, 1, 2, 3])
      >>> read = read_nodes(data, problem)
      >>> bool(np.isin(read, [0, 1, 2, 3]).all())
      True
    """
    nodes = np.arange(len(data.labels)) if problem.nodes is None else np.asarray(problem.nodes)
    outside = nodes[~np.asarray(data.train_mask)[nodes]]
    return outside if outside.size else nodes


def judged_variables(cell: CellSettings, block: Block, asked: Examination | None) -> Examined:
    """Return what is stored of success and of recognition.

    Args:
      cell: resolved settings.
      block: arrays of all metamers.
      asked: made some of these arrays.
    """
    if asked is None:
        return Examined({}, {})
    given, null = cell.success, _null_test(cell, block, asked)
    bits = success_bits(
        block["loss_hardened"],
        block["worst_node"],
        block["agreement"],
        tolerance=float(np.sqrt(cell.metamers.tolerance or 0.0)),
        worst_node_tolerance=float(given.worst_node or 0.0),
        feature_distance=block.get("feature_distance"),
        edge_distance=block.get("edge_jaccard", block.get("weight_distance")),
        p_value=None if null is None else null.p_value,
        alpha=given.alpha,
        min_agreement=given.agreement,
        min_distance=given.distance,
    )
    found = success_variables(block, bits, null)
    if asked.panel is None:
        return found
    more = recognition_variables(block, asked)
    return Examined(found.variables | more.variables, found.scalars | more.scalars)


def _null_test(cell: CellSettings, block: Block, asked: Examination) -> NullTest | None:
    given, seed = cell.success, cell.metamers.seed or 0
    if not given.null_pairs:
        return None
    others = other_targets(asked.problem, given.null_others, seed)
    if not bool(np.isfinite(others).all()):
        raise InputError(
            "activations of the reference are not finite, so that there is no null distribution; "
            "look for very large features, or write `success.null_pairs: 0`"
        )
    return null_test_of(
        block["match_statistic"], others, num_pairs=given.null_pairs, key=jax.random.key(seed)
    )
