"""A graph of 16 nodes, a small GCN with drawn parameters, and its forward pass in NumPy float64."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.models import FirstLayer

NUM_NODES, NUM_FEATURES, NUM_CLASSES, HIDDEN = 16, 10, 3, 4


class Trained(NamedTuple):
    """All that a problem needs of a trained model."""

    model: Any
    params: Any


@dataclasses.dataclass(frozen=True)
class Product:
    """A model that compiles fast: logits = tanh(X W / 2)."""

    layer_names = ("logits",)

    def init(self, key, graph):
        return jax.random.normal(key, (NUM_FEATURES, NUM_CLASSES))

    def activations(self, params, graph, *, entry=None, identity_backward=()):
        return {"logits": jnp.tanh((graph.nodes @ params if entry is None else entry) / 2)}

    def first_layer(self, params):
        return FirstLayer(params, "logits")

    def layer_structure(self, layer):
        return None

    def nonlinearity(self, layer):
        return None

    def num_hops(self, layer):
        return 0


@dataclasses.dataclass(frozen=True)
class Nearby:
    """A start that compiles fast."""

    def __call__(self, key, features):
        return features + jax.random.uniform(key, features.shape) - 0.3


def draw_params(model, graph, seed=0):
    """Parameters of a model with biases that are not zero."""
    rng = np.random.default_rng(seed)
    params = model.init(jax.random.key(seed), graph)
    return jax.tree.map(
        lambda p: np.asarray(p) if p.ndim > 1 else rng.normal(size=p.shape).astype("f4") / 4, params
    )


def random_graph(seed=0, num_nodes=NUM_NODES, binary=False):
    """A connected ring with chords, both directions stored; always the same number of edges."""
    rng = np.random.default_rng(seed)
    ring = [(i, (i + 1) % num_nodes) for i in range(num_nodes)]
    others = [
        (i, j)
        for i in range(num_nodes)
        for j in range(i + 2, num_nodes)
        if (i, j) != (0, num_nodes - 1)
    ]
    picked = rng.choice(len(others), num_nodes // 2, replace=False)
    pairs = np.array(ring + [others[k] for k in picked])
    nodes = rng.normal(size=(num_nodes, NUM_FEATURES))
    if binary:
        nodes = (nodes > 0.8).astype(np.float32)
    senders = np.concatenate([pairs[:, 0], pairs[:, 1]])
    receivers = np.concatenate([pairs[:, 1], pairs[:, 0]])
    return jm.make_graph(nodes, senders, receivers)


def numpy_gcn(params, graph):
    """Two-layer ReLU GCN in float64: S = D^-1/2 (A + I) D^-1/2, z = S h W + b."""
    nodes = np.asarray(graph.nodes, np.float64)
    loops = np.eye(len(nodes))
    np.add.at(loops, (np.asarray(graph.receivers), np.asarray(graph.senders)), 1.0)
    scale = 1 / np.sqrt(loops.sum(axis=1))
    s = scale[:, None] * loops * scale[None]
    first, second = params["params"]["conv1"], params["params"]["conv2"]
    pre = s @ nodes @ np.asarray(first["kernel"], np.float64) + np.asarray(first["bias"])
    post = np.maximum(pre, 0)
    logits = s @ post @ np.asarray(second["kernel"], np.float64) + np.asarray(second["bias"])
    return {"conv1.pre": pre, "conv1": post, "logits": logits}


def numpy_match(found, truth):
    """L_act in float64."""
    return np.sum((found - truth) ** 2) / np.sum(truth**2)


@pytest.fixture(scope="session")
def make_random_graph():
    return random_graph


@pytest.fixture(scope="session")
def oracle():
    """(params, graph) -> activations, by NumPy."""
    return numpy_gcn


@pytest.fixture(scope="session")
def l_act():
    return numpy_match


@pytest.fixture(scope="session")
def graph():
    return random_graph(0)


@pytest.fixture(scope="session")
def binary_graph():
    return random_graph(0, binary=True)


@pytest.fixture(scope="session")
def make_trained():
    def build(model, graph, seed=0):
        return Trained(model, draw_params(model, graph, seed))

    return build


@pytest.fixture(scope="session")
def trained(graph, make_trained):
    return make_trained(jm.GCN(hidden=HIDDEN, num_outputs=NUM_CLASSES), graph)


@pytest.fixture(scope="session")
def problem(trained, graph):
    """The everyday problem: free continuous features, first layer, all nodes."""
    return jm.Problem(trained, graph, layer="conv1")


@pytest.fixture(scope="session")
def small(graph, make_trained):
    """A problem for tests that need a program of their own: it compiles faster."""
    vary = jm.ContinuousFeatures(initialization=Nearby())
    return jm.Problem(make_trained(Product(), graph), graph, layer="logits", vary=vary)


@pytest.fixture(scope="session")
def binary_problem(trained, binary_graph):
    return jm.Problem(trained, binary_graph, layer="logits", vary=jm.BinaryFeatures())


@pytest.fixture(scope="session")
def adam():
    """One program for all tests that do not care about the optimizer."""
    return jm.Optimizer("adam", 0.1, "cosine")
