"""Problems of edges on small graphs; each compiles once and runs for a second."""

import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.edges import programs
from jmetamer.metamers.edges.synthesis import EdgeSynthesis

ARCHITECTURES = {
    "gcn": jm.GCN(hidden=4, num_outputs=3),
    "gin": jm.GIN(hidden=4, num_outputs=3),
    "sage": jm.GraphSAGE(hidden=4, num_outputs=3),
    "gat": jm.GAT(hidden=4, heads=2, num_outputs=3),
}


def legal(graph, reference, directed=False):
    """Whether a graph is what may be reported: simple, its loops and features the reference's."""
    ends = list(zip(np.asarray(graph.senders).tolist(), np.asarray(graph.receivers).tolist()))
    weight = np.asarray(graph.edges.weight)
    loops = {i: w for (i, j), w in zip(ends, weight.tolist(), strict=True) if i == j}
    expected = zip(
        np.asarray(reference.senders).tolist(),
        np.asarray(reference.receivers).tolist(),
        np.asarray(reference.edges.weight).tolist(),
        strict=True,
    )
    return (
        len(set(ends)) == len(ends)
        and (directed or set(ends) == {(j, i) for i, j in ends})
        and all(w == 1 for (i, j), w in zip(ends, weight, strict=True) if i != j)
        and loops == {i: w for i, j, w in expected if i == j and w > 0}
        and int(np.sum(graph.n_edge)) == len(ends)
        and np.shape(graph.nodes) == np.shape(reference.nodes)
        and np.isfinite(np.asarray(graph.nodes)).all()
        and max(max(end) for end in ends) < len(reference.nodes)
    )


def pair_set(graph, directed=False):
    """The pairs that are edges, self loops left out."""
    ends = zip(np.asarray(graph.senders).tolist(), np.asarray(graph.receivers).tolist())
    return {pair for pair in ends if pair[0] != pair[1] and (directed or pair[0] < pair[1])}


def starts(problem, seeds):
    """The pairs at which seeds start."""
    synthesis = EdgeSynthesis(problem, 0, jm.default_solver(problem))
    given = synthesis.plan, np.array(seeds, np.int32), synthesis.data
    drawn = programs.draw_edges(*given, synthesis.numbers.base_seed)
    rows = zip(np.asarray(drawn.senders).tolist(), np.asarray(drawn.receivers).tolist(), strict=True)
    return [set(zip(*row, strict=True)) for row in rows]


@pytest.fixture(scope="session")
def start_of():
    return starts


@pytest.fixture(scope="session")
def is_legal():
    return legal


@pytest.fixture(scope="session")
def pairs_in():
    return pair_set


@pytest.fixture(scope="session")
def architectures():
    return ARCHITECTURES


@pytest.fixture(scope="session")
def edge_problem(trained, graph):
    """(settings of the edges) -> the everyday problem: first layer of a GCN, all nodes."""

    def build(**options):
        return jm.Problem(trained, graph, layer="conv1", vary=jm.BinaryEdges(**options))

    return build
