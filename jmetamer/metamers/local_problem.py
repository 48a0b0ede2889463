"""`local_problem`: a problem with few target nodes, on the part of a large graph that they can see.

Let K be the number of message-passing layers, d(v) the number of steps from node v to the nearest
target and B_r the nodes with d(v) <= r. The activations of the targets depend on the features and
the degrees in B_K and on the edges that arrive in B_(K-1), on nothing else. `graphs.local_graph`
cuts out B_h and keeps all edges that arrive in B_(h-1), and all degrees.

Which edges may change. Let edges come and go between nodes of B_s (s is `radius`), in either
direction. A new path of at most r steps to a target follows old edges until its first new edge,
whose sender is in B_s, so it starts in B_(r-1+s) at the farthest, or in B_r if it has no new edge.
What the targets depend on after the change is therefore inside B_h, with all edges in place, for

    h = K - 1 + max(s, 1):

one ring more than K for every unit of s beyond 1. Changes between targets and their neighbors
(s = 1) need no more of the graph than changes of features do. With s = K, so that every node in
sight may get edges to every other, h is 2 K - 1. For single graphs `LocalProblem.is_exact` tells
whether they are lifted exactly, also where they changed edges between other nodes.
"""

import dataclasses
from typing import Literal, cast

import jraph
import numpy as np

from jmetamer._base.arguments import Natural, checked
from jmetamer._base.errors import InputError
from jmetamer.graphs.ego import hop_distances
from jmetamer.graphs.local_graph import LocalGraph, graph_with_local, local_graph
from jmetamer.graphs.pairs import Flips, Pairs, require_nodes
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.vary import BinaryEdges, Vary


@checked
@dataclasses.dataclass(frozen=True, eq=False)
class LocalProblem:
    """A problem on a part of a graph, and the way back to the whole; made by `local_problem`.

    Attributes:
      whole: the problem on the whole graph.
      problem: the same targets, layers, parts that vary and loss on the part.
      local: the part and where it lies in the whole graph.
      radius: edges may come and go between nodes at most that many steps from the targets.
      hops: number K of layers for which the part is exact.
    """

    whole: Problem
    problem: Problem
    local: LocalGraph
    radius: int
    hops: int

    @property
    def node_ids(self) -> np.ndarray:
        """[m] int32: the number in the whole graph of each node of the part, ascending."""
        return self.local.node_ids

    @property
    def inner(self) -> np.ndarray:
        """[p] int32: nodes of the part between which any edges may come and go, ascending."""
        return np.flatnonzero(self.local.distance <= self.radius).astype(np.int32)

    def is_exact(self, graph: jraph.GraphsTuple) -> bool:
        """Whether the targets see the same in a graph of the part and in the lifted graph.

        They do if every edge of the whole graph that arrives at a node from which a target is
        reached in at most K - 1 steps is inside the part.

        Args:
          graph: of the part's nodes, with any features and edges.
        """
        self.problem.require_own(graph)
        if self.hops == 0:
            return True
        steps = self.hops - 1
        near = hop_distances(graph, np.asarray(self.problem.nodes), steps) <= steps
        return bool(self.local.complete[near[: self.local.node_ids.size]].all())

    def lift(self, graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the whole graph with the features and edges of a graph of the part.

        Its activations at the targets, and so its loss, are those of `graph`, to rounding.

        Args:
          graph: of the part's nodes, such as a metamer; host or device arrays.

        Returns:
          Graph of NumPy arrays.

        Raises:
          InputError: the targets would see nodes whose edges were cut off (see `is_exact`), or
            self loops that stand for such edges have changed.
        """
        if not self.is_exact(graph):
            raise InputError(
                "`graph` joins the targets to nodes whose edges were cut off, so the whole graph "
                "would not have its loss; let edges come and go between the nodes `inner` alone, "
                f"or make the part with a larger `radius` than {self.radius}"
            )
        return graph_with_local(self.whole.graph, self.local, graph)

    def lift_flips(self, flips: Flips) -> Flips:
        """Return flips of the part as flips of the whole graph.

        Args:
          flips: edges by which a graph of the part differs from `problem.graph`.
        """
        require_nodes(flips.pairs, self.node_ids.size)
        ends = (self.node_ids[np.asarray(side)] for side in flips.pairs)
        return Flips(Pairs(*ends), np.asarray(flips.added, bool))


@checked
def local_problem(
    problem: Problem, *, radius: Natural = 1, layers: Literal["all", "matched"] = "all"
) -> LocalProblem:
    """Return a problem on the part of a graph that its target nodes can see.

    Every graph of the part that keeps its edges, or changes them between the nodes `inner` alone,
    has the activations at the targets that the lifted graph has. This holds for networks whose
    layers read of a node's neighbors the values of the layer before, and of every node the weights
    of the edges that arrive (GCN, GAT, GraphSAGE, GIN). Which edges may change, and how large the
    part is, is at the top of this file. Where edges vary (`BinaryEdges`) they come and go between
    the nodes `inner` alone, or those of them that its `nodes` name; numbers of edges and `distance`
    are those of edges between these nodes. Starts that are
    drawn from the statistics of the reference's features are drawn from those of the part.

    Args:
      problem: with `nodes`. Its graph is not put on a device.
      radius: s; edges may come and go between nodes at most s steps from the targets.
      layers: "all": exact at every layer of the network, so that all that is reported holds;
        "matched": at the matched layers and those before, where the part may be much smaller, but
        the match of later layers and `agreement` are those of the part; judge the lifted graph.

    Raises:
      InputError: all nodes are targets, an argument is out of range, or edges are to vary that the
        part cannot vary.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("dcsbm")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> whole = jm.Problem(trained, data.graph, layer="conv1", nodes=[3, 14])
      >>> near = local_problem(whole, layers="matched")
      >>> near.problem.graph.nodes.shape, near.node_ids[np.asarray(near.problem.nodes)].tolist()
      ((16, 32), [3, 14])
      >>> near.lift(near.problem.graph).nodes.shape
      (1000, 32)
    """
    if problem.nodes is None:
        raise InputError(
            "`problem` has no `nodes`, so all nodes are targets and no part of the graph will do; "
            "name the target nodes"
        )
    model = problem.trained.model
    names = model.layer_names if layers == "all" else problem.layers
    hops = max(model.num_hops(name) for name in names)
    # Without layers that pass messages (K = 0) no degree matters either.
    local = local_graph(
        problem.graph, np.asarray(problem.nodes), max(radius, hops - 1 + max(radius, 1))
    )
    places = np.searchsorted(local.node_ids, problem.nodes).tolist()
    vary = edges_within(problem, local.node_ids, local.distance, radius)
    near = dataclasses.replace(problem, graph=local.graph, nodes=places, vary=vary)
    return LocalProblem(problem, near, local, radius, hops)


def edges_within(
    problem: Problem, node_ids: np.ndarray, distance: np.ndarray, radius: int
) -> tuple[Vary, ...]:
    """Return what varies on a part: edges that are searched for between its inner nodes alone.

    Args:
      problem: on the whole graph.
      node_ids: [m] number in the whole graph of each node of the part, ascending.
      distance: [m] steps to the nearest target.
      radius: edges may come and go between nodes at most that many steps from the targets.

    Raises:
      InputError: fewer than two nodes so near, or nodes to vary that are farther away.
    """
    edges = problem.simple_edges
    if problem.edge_kind != "simple_edges" or not edges.searched:
        return problem.parts
    inner = np.flatnonzero(distance <= radius)
    if inner.size < 2:
        raise InputError(
            f"only node {node_ids[inner[0]]} is at most {radius} steps from the targets, so "
            "that no edges can come and go; allowed: a `radius` that reaches another node"
        )
    if edges.nodes is not None:
        beyond = np.setdiff1d(edges.nodes, node_ids[inner])
        if beyond.size:
            raise InputError(
                f"`nodes` of the edges names node {beyond[0]} (and {beyond.size - 1} more), which "
                f"is more than `radius`={radius} steps from the targets; name nodes nearer to "
                "them, or raise `radius`"
            )
        inner = np.searchsorted(node_ids, edges.nodes)
    # A part of a directed graph may look undirected.
    own = tuple(inner.tolist())
    directed = problem.directed
    within = dataclasses.replace(cast(BinaryEdges, edges), nodes=own, directed=directed)
    return tuple(within if part.part == "edges" else part for part in problem.parts)
