"""Networks with drawn parameters, graphs of six nodes to enumerate, and problems of edges."""

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods import Task
from jmetamer.metamers.methods.relax_edges import programs
from jmetamer.metamers.methods.relax_edges.synthesis import EdgeSynthesis
from jmetamer.oracles.planted import planted_metamers

NUM_FEATURES = 6
SMALL = {"hidden": 8, "num_outputs": 3, "activation": "tanh"}
NETWORKS = {
    "gcn": jm.GCN(**SMALL),
    "gin": jm.GIN(**SMALL),
    "graphsage": jm.GraphSAGE(**SMALL),
    "gat": jm.GAT(heads=2, **SMALL),
}
ROWS = np.random.default_rng(5).normal(size=(6, NUM_FEATURES)).astype(np.float32)
PLANTED = {case.name: case for case in planted_metamers(ROWS)}


class Drawn(NamedTuple):
    """All that a problem needs of a trained model."""

    model: Any
    params: Any


def undirected(features, pairs):
    pairs = np.asarray(pairs, int).reshape(-1, 2)
    return jm.make_graph(features, pairs.T.ravel(), pairs[:, ::-1].T.ravel())


@pytest.fixture(scope="session")
def make_undirected():
    return undirected


@pytest.fixture(scope="session")
def planted():
    """Planted problems by name."""
    return PLANTED


@pytest.fixture(scope="session")
def draw():
    """(architecture, activation) -> network with parameters drawn by NumPy."""

    def build(name, seed=0, **options):
        model = NETWORKS[name].clone(**options)
        rng = np.random.default_rng(seed)
        graph = undirected(ROWS, [])
        shapes = jax.eval_shape(model.init, jax.random.key(0), graph)
        params = jax.tree.map(
            lambda leaf: (rng.normal(size=leaf.shape) / np.sqrt(max(leaf.shape))).astype("f4"),
            shapes,
        )
        return Drawn(model, params)

    return build


@pytest.fixture(scope="session")
def six():
    """Name -> (graph of six nodes, target nodes, kind of each node by its features)."""
    identified = undirected(np.eye(6), [(0, 1), (1, 2), (2, 3), (3, 4), (1, 4)])
    return {
        "ring": (PLANTED["ring_6"].reference, None, [0] * 6),
        "copies": (PLANTED["copies_6"].reference, None, [0, 1, 2] * 2),
        "twins": (PLANTED["twins_6"].reference, (0, 5), [0, 1, 1, 2, 3, 4]),
        "identified": (identified, None, range(6)),
    }


@pytest.fixture(scope="session")
def six_problem(draw, six):
    """(architecture, name of the graph, layer) -> problem."""

    def build(name, graph, layer="conv1"):
        reference, nodes, _ = six[graph]
        return jm.Problem(draw(name), reference, layer=layer, nodes=nodes)

    return build


@pytest.fixture(scope="session")
def six_losses(six_problem):
    """(architecture, name of the graph, layer) -> losses of all 32,768 graphs, enumerated once."""
    from jmetamer.oracles.enumeration import enumerate_losses

    known = {}

    def find(*key):
        if key not in known:
            known[key] = enumerate_losses(six_problem(*key))
        return known[key]

    return find


ARCHITECTURES = {
    "gcn": jm.GCN(hidden=4, num_outputs=3),
    "gin": jm.GIN(hidden=4, num_outputs=3),
    "sage": jm.GraphSAGE(hidden=4, num_outputs=3),
    "gat": jm.GAT(hidden=4, heads=2, num_outputs=3),
}


def legal(graph, reference, directed=False):
    """Whether a graph is what may be reported: simple, its loops and features the reference's."""
    sides = np.asarray(graph.senders).tolist(), np.asarray(graph.receivers).tolist()
    ends = list(zip(*sides, strict=True))
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
    sides = np.asarray(graph.senders).tolist(), np.asarray(graph.receivers).tolist()
    ends = zip(*sides, strict=True)
    return {pair for pair in ends if pair[0] != pair[1] and (directed or pair[0] < pair[1])}


def starts(problem, seeds):
    """The pairs at which seeds start."""
    synthesis = EdgeSynthesis(Task(problem, 0, jm.default_method(problem), 1e-2))
    given = synthesis.plan, np.array(seeds, np.int32), synthesis.data
    drawn, _ = programs.draw_edges(*given, synthesis.numbers.base_seed)
    rows = zip(
        np.asarray(drawn.senders).tolist(), np.asarray(drawn.receivers).tolist(), strict=True
    )
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
