"""Networks of each architecture with drawn parameters, and graphs of six nodes to enumerate."""

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.edges.planted import planted_metamers

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
    from jmetamer.metamers.edges.enumeration import enumerate_losses

    known = {}

    def find(*key):
        if key not in known:
            known[key] = enumerate_losses(six_problem(*key))
        return known[key]

    return find
