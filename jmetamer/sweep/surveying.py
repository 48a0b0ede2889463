"""The geometry of a cell: at which nodes it is taken, and what."""

import time

import numpy as np

from jmetamer.config import CellSettings
from jmetamer.geometry.of_problem.survey import GeometrySurvey, survey
from jmetamer.graphs import Dataset
from jmetamer.metamers import Problem


def geometry_nodes(cell: CellSettings, problem: Problem) -> list[int] | None:
    """Return the target nodes of the geometry, or None where none is wanted.

    Nodes that are given as a number are drawn with the seed of the metamers, so that networks of
    other seeds are compared at the same nodes.

    Args:
      cell: resolved settings.
      problem: what its metamers match.

    Raises:
      InputError: a node that the graph does not have.
    """
    geometry = cell.geometry
    if geometry is None:
        return None
    if not isinstance(geometry.nodes, int):
        checked = Problem(problem.trained, problem.graph, problem.layer, nodes=geometry.nodes)
        return list(checked.nodes or ())
    n = len(problem.graph.nodes)
    candidates = np.arange(n) if problem.nodes is None else np.asarray(problem.nodes)
    size = min(geometry.nodes, len(candidates))
    drawn = np.random.default_rng(cell.metamers.seed).choice(candidates, size, replace=False)
    return sorted(int(node) for node in drawn)


def cell_geometry(
    cell: CellSettings, data: Dataset, problem: Problem, nodes: list[int] | None
) -> tuple[GeometrySurvey | None, float]:
    """Return the geometry of a cell and the seconds that it took.

    Args:
      cell: resolved settings.
      data: its dataset.
      problem: what its metamers match.
      nodes: from `geometry_nodes`; None takes no geometry.
    """
    geometry = cell.geometry
    if nodes is None or geometry is None:
        return None, 0.0
    started = time.perf_counter()
    result = survey(
        problem,
        nodes,
        geometry.inputs,
        layers=geometry.layers,
        maps=geometry.maps,
        ledger=geometry.ledger,
        labels=data.labels,
        channel=geometry.channel,
    )
    return result, time.perf_counter() - started
