"""Small graphs with every peculiarity, and one network of each architecture."""

import jax.numpy as jnp
import jraph
import numpy as np
import pytest

from jmetamer.graphs.dataset import Dataset, Provenance
from jmetamer.graphs.graph import Edges


def make_graph(senders, receivers, num_nodes, seed=0, num_features=5, weight=None):
    rng = np.random.default_rng(seed)
    weight = np.ones(len(senders)) if weight is None else weight
    return jraph.GraphsTuple(
        nodes=jnp.array(rng.normal(size=(num_nodes, num_features)), jnp.float32),
        edges=Edges(jnp.array(weight, jnp.float32)),
        senders=jnp.array(senders, jnp.int32),
        receivers=jnp.array(receivers, jnp.int32),
        n_node=jnp.array([num_nodes]),
        n_edge=jnp.array([len(senders)]),
        globals=None,
    )


# Node 6 of each graph has no edge. Equal shapes (ten edges, but for the last) compile once.
EDGE_LISTS = {
    "undirected": ([0, 1, 1, 2, 2, 3, 3, 4, 0, 5], [1, 0, 2, 1, 3, 2, 4, 3, 5, 0]),
    "directed": ([0, 1, 2, 3, 4, 0, 5, 4, 1, 2], [1, 2, 3, 4, 0, 3, 2, 1, 5, 0]),
    "self_loops": ([0, 1, 1, 2, 2, 3, 3, 5, 4, 0], [1, 0, 1, 2, 3, 2, 3, 5, 0, 4]),
    "multi_edges": ([0, 0, 1, 1, 2, 2, 2, 4, 4, 5], [1, 1, 0, 0, 3, 3, 3, 5, 5, 4]),
    "no_edges": ([], []),
}


@pytest.fixture(params=list(EDGE_LISTS))
def any_graph(request):
    return make_graph(*EDGE_LISTS[request.param], 7)


@pytest.fixture
def graph():
    """Directed, with a self loop, a double edge and an isolated node at once."""
    return make_graph([0, 0, 1, 2, 2, 3, 5, 4, 4, 1], [1, 1, 2, 0, 2, 4, 3, 5, 0, 3], 7)


@pytest.fixture
def make():
    return make_graph


@pytest.fixture
def two_blocks():
    """Two communities of 30 nodes with features that tell them apart, half of the labels hidden."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    near = rng.uniform(size=(60, 60)) < np.where(labels[:, None] == labels[None], 0.2, 0.02)
    senders, receivers = np.nonzero(np.triu(near, 1))
    graph = make_graph(
        np.concatenate([senders, receivers]), np.concatenate([receivers, senders]), 60
    )
    nodes = rng.normal(size=(60, 5)) + labels[:, None]
    return Dataset(
        name="two blocks",
        graph=graph._replace(nodes=np.asarray(nodes, np.float32)),
        labels=labels.astype(np.int32),
        train_mask=np.arange(60) % 4 == 0,
        val_mask=np.arange(60) % 4 == 1,
        test_mask=np.arange(60) % 4 >= 2,
        num_classes=2,
        feature_kind="continuous",
        provenance=Provenance("generated", "", "", ""),
    )
