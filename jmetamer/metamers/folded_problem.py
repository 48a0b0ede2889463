"""`folded_problem`: edges near few targets of a large graph, where what does not change is folded.

Let K be the number of layers, B_r the nodes at most r steps from a target, and let edges come and
go between nodes of B_s (s is `radius`). The targets see the first layer at B_D with
D = K - 2 + max(s, 1), later layers nearer, and the features at B_(D+1) (see `local_problem`). In a
graph with hubs B_(D+1) soon is the whole graph, but most of its edges arrive at nodes of distance D
from nodes that do not change. `graphs.local_graph.folded_graph` adds these up once.
"""

import dataclasses

import jraph
import numpy as np

from jmetamer._base.arguments import Natural, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.local_graph import FOLDS, folded_graph
from jmetamer.graphs.pairs import Flips, Pairs, flipped, flips_between, require_nodes
from jmetamer.metamers.local_problem import edges_within
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.vary.movable import are_inside
from jmetamer.models.structure import linear_aggregation


@checked
@dataclasses.dataclass(frozen=True, eq=False)
class FoldedProblem:
    """A problem on a folded part of a graph, and the way back; made by `folded_problem`.

    Attributes:
      whole: the problem on the whole graph.
      problem: the same targets, layers and loss on the part, whose last nodes are stand-ins.
      node_ids: [m] int32: the number in the whole graph of each node of the part but the stand-ins.
      radius: edges come and go between nodes at most that many steps from the targets.
    """

    whole: Problem
    problem: Problem
    node_ids: np.ndarray
    radius: int

    def lift_flips(self, flips: Flips) -> Flips:
        """Return flips of the part as flips of the whole graph.

        Args:
          flips: edges by which a graph of the part differs from `problem.graph`.

        Raises:
          InputError: edges changed that may not, so that the targets see something else.
        """
        require_nodes(flips.pairs, self.node_ids.size)
        total = self.problem.graph.nodes.shape[0]
        if not are_inside(flips.pairs, self.problem.simple_edges.nodes, total).all():
            raise InputError(
                "`flips` change edges between other nodes than those in `problem.vary.nodes`; what "
                "the targets see of the part would not be what they see of the whole graph"
            )
        return Flips(Pairs(*(self.node_ids[np.asarray(side)] for side in flips.pairs)), flips.added)

    def lift(self, graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the whole graph with the changed edges of a graph of the part.

        Its activations at the targets, and so its loss, are those of `graph`, to rounding.

        Args:
          graph: a metamer of the part; host or device arrays.

        Returns:
          Graph of NumPy arrays.

        Raises:
          InputError: edges changed that may not.
        """
        self.problem.require_own(graph)
        directed = self.whole.directed
        flips = flips_between(self.problem.graph, graph, directed=directed)
        return flipped(self.whole.graph, self.lift_flips(flips), directed=directed)


@checked
def folded_problem(problem: Problem, *, radius: Natural = 1) -> FoldedProblem:
    """Return a problem of edges on the part of a graph that targets can see, the rest folded.

    As `local_problem`, for edges alone and networks that aggregate neighbors linearly (GCN, GIN,
    GraphSAGE with the mean), and much smaller where the graph has hubs. The activations of the
    targets at every layer are those of the whole graph, to rounding, for every graph that changes
    edges between nodes at most `radius` steps from the targets.

    Args:
      problem: with `nodes`, and `BinaryEdges` as `vary`; its features stay.
      radius: s; edges come and go between nodes at most s steps from the targets.

    Raises:
      InputError: no target nodes, something else that varies, attention or a maximum, too few
        layers or too large a radius for anything to be folded.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("dcsbm")
      >>> settings = jm.TrainSettings(epochs=0)
      >>> trained = jm.train(jm.GCN(hidden=4, layers=3), data, settings=settings)
      >>> whole = jm.Problem(trained, data.graph, "logits", jm.BinaryEdges(), nodes=[3, 14])
      >>> folded = folded_problem(whole)
      >>> folded.problem.graph.senders.size < data.graph.senders.size / 3
      True
    """
    model, only_edges = problem.trained.model, problem.features is None
    if problem.nodes is None or problem.edge_kind != "simple_edges" or not only_edges:
        raise InputError(
            f"`problem` has nodes={problem.nodes!r} and vary={problem.vary!r}; a part is "
            "folded around target `nodes` for `BinaryEdges` alone; name targets, or use "
            "`local_problem`"
        )
    aggregation = linear_aggregation(model)
    if aggregation not in FOLDS:
        raise InputError(
            f"{type(model).__name__} does not add up its neighbors linearly, so that they cannot "
            "be folded; use `local_problem`"
        )
    hops = max(model.num_hops(name) for name in model.layer_names)
    depth = hops - 2 + max(radius, 1)
    if depth <= radius:
        raise InputError(
            f"`radius` is {radius}; a network of {hops} layers has nothing to fold there; "
            "allowed are radii from 0 with three layers or more; else use `local_problem`"
        )
    targets = np.asarray(problem.nodes)
    folded = folded_graph(problem.graph, targets, depth, radius, aggregation)
    vary = edges_within(problem, folded.node_ids, folded.distance, radius)
    places = np.searchsorted(folded.node_ids, targets).tolist()
    near = dataclasses.replace(problem, graph=folded.graph, nodes=places, vary=vary)
    return FoldedProblem(problem, near, folded.node_ids, radius)
