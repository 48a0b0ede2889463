"""How many seeds of a problem of edges run at once, and what they need on a device."""

from jmetamer._base.live_bytes import tree_bytes
from jmetamer.metamers.methods.relax_edges.searching import makes_color_swaps
from jmetamer.metamers.methods.relax_edges.seeds_at_once import bytes_of_seed, seeds_at_once
from jmetamer.metamers.methods.relax_edges.synthesis import EdgeSynthesis
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.solver import Solver


def edge_footprint(problem: Problem, solver: Solver, count: int) -> tuple[int, int]:
    """Return the number of seeds that run at once, and the bytes that they need on one device.

    Color-preserving swaps are made on the host, one seed after the other: then it is the graph.

    Args:
      problem: its edges come and go.
      solver: how it is solved.
      count: number of metamers.

    Raises:
      InputError: settings that do not apply to the problem, or no memory.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1", vary=jm.BinaryEdges())
      >>> solver = jm.default_solver(problem)
      >>> relaxed = edge_footprint(problem, solver, 8)
      >>> edge_footprint(problem, solver.replace(method="color_swaps"), 8)[1] < relaxed[1]
      True
    """
    if makes_color_swaps(solver.method):
        return 1, tree_bytes(problem.arrays)
    seeds = EdgeSynthesis(problem, 0, solver)
    given = seeds.plan, seeds.data, seeds.numbers
    width = seeds_at_once(*given, solver, count)
    return width, tree_bytes(seeds.data) + width * bytes_of_seed(*given)
