"""Planted problems searched as another problem is: how much of what exists does the search find?"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jmetamer.metamers.generate import generate
from jmetamer.metamers.methods import Task
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.status import Status
from jmetamer.oracles.planted import joined_copies, ring_or_triangles

# Apart from the seeds of metamers.
_DRAWS = 0x91A7
_MOST_DRAWS = 1000


class PlantedSearches(NamedTuple):
    """Searches of planted problems, each with the budget of one search.

    Attributes:
      names: of the planted problems.
      converged: [problem] seeds of each that ended with a metamer: a graph that matches within the
        tolerance and is not the reference renamed.
      seeds: seeds of each.
    """

    names: tuple[str, ...]
    converged: tuple[int, ...]
    seeds: int

    @property
    def solved(self) -> int:
        """Number of problems in which some seed ended with a metamer."""
        return sum(count > 0 for count in self.converged)


def search_planted(task: Task, *, problems: int, count: int) -> PlantedSearches:
    """Search planted problems with the network, layers, tolerance and budget of another problem.

    A ring of six equal nodes, which may be two triangles, and two triangles of three unlike nodes,
    which may be a ring, in turns, with features of the problem's own graph. So what is found of
    them says how good the search is on six nodes; in larger graphs it may find less.

    Args:
      task: its edges come and go; its seed draws features, and is the base seed of the first
        search, which the others follow.
      problems: number of planted problems; every two have features drawn anew.
      count: seeds of each, as many as the problem's search has.

    Returns:
      `PlantedSearches`; fewer problems where the network's activations are all zero in the others.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1", vary=jm.BinaryEdges())
      >>> result = search_planted(Task(problem, 0, jm.ColorSwaps(), 1e-2), problems=2, count=24)
      >>> result.names, result.solved
      (('ring_6', 'copies_6'), 2)
    """
    problem, seed, _, tolerance = task
    method = task.method.sized_by(problem)
    searched = itertools.islice(_planted(problem, seed), problems)
    names, converged = [], []
    # Another base seed each: the same draws on graphs alike would be one trial, counted often.
    for place, (name, planted) in enumerate(searched):
        own = seed + place
        metamers = generate(
            planted, count, method=method, tolerance=tolerance, seed=own, keep_theta=False
        )
        names.append(name)
        converged.append(int(np.sum(np.asarray(metamers.status) == Status.CONVERGED)))
    return PlantedSearches(tuple(names), tuple(converged), count)


def _planted(problem: Problem, seed: int) -> Iterator[tuple[str, Problem]]:
    """Yield planted problems of six nodes and six edges, so that one program serves them all."""
    rng = np.random.default_rng([seed, _DRAWS])
    nodes = np.asarray(problem.graph.nodes)
    triangle = [(0, 1), (1, 2), (0, 2)]
    for _ in range(_MOST_DRAWS):
        rows = _different(nodes[rng.permutation(len(nodes))], len(triangle))
        cases = [ring_or_triangles(rows[0])]
        cases += [joined_copies(triangle, rows)] if len(rows) == len(triangle) else []
        for case in cases:
            planted = dataclasses.replace(
                problem, graph=case.reference, nodes=case.nodes, target=None
            )
            if all(bool(np.any(target)) for target in planted.arrays.targets.values()):
                yield case.name, planted


def _different(rows: np.ndarray, count: int) -> np.ndarray:
    """Return the first rows that differ, `count` of them where there are as many."""
    unlike: dict[bytes, np.ndarray] = {}
    for row in rows:
        unlike.setdefault(row.tobytes(), row)
        if len(unlike) == count:
            break
    return np.stack(list(unlike.values()))
