"""Whatever the reference, the start and the seed: what is handed out is a legal simple graph."""

import jax
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jmetamer as jm

NUM_NODES, NUM_EDGES = 8, 10
# Few steps and a high rate: graphs in disorder, not good ones.
DISORDER = {"learning_rate": 0.3, "refill_every": 2, "flips": 3, "draws": 2, "block": 12}
KINDS = {
    "noise": jm.BinaryEdges(),
    "rewired": jm.BinaryEdges(start="rewired"),
    "walk": jm.BinaryEdges(start="reference", distance=0.4),
    "budget": jm.BinaryEdges(budget=3),
    "directed": jm.BinaryEdges(directed=True),
    "joint": (jm.ContinuousFeatures(), jm.BinaryEdges()),
    "given": (jm.ContinuousFeatures(), jm.RandomEdges(start="rewired")),
}
MODEL = jm.GCN(hidden=3, num_outputs=2)


def reference(number):
    """A random graph of 8 nodes and 10 edges, with a self loop and an entry of weight 0."""
    rng = np.random.default_rng(number)
    pairs = np.array(nx.gnm_random_graph(NUM_NODES, NUM_EDGES, seed=number).edges)
    loop, absent = rng.permutation(NUM_NODES)[:2]
    senders = np.r_[pairs[:, 0], loop, pairs[:, 1], absent]
    receivers = np.r_[pairs[:, 1], loop, pairs[:, 0], absent]
    weight = np.r_[np.ones(2 * NUM_EDGES + 1), 0]
    return jm.make_graph(rng.normal(size=(NUM_NODES, 3)), senders, receivers, weight)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None)
@given(number=st.integers(0, 10**6), seed=st.integers(0, 10**6))
def test_every_metamer_is_legal(make_trained, is_legal, kind, number, seed):
    graph = reference(number)
    trained = make_trained(MODEL, graph)
    problem = jm.Problem(trained, graph, layer="conv1", vary=KINDS[kind])
    refill = "gradient" if kind == "rewired" else "uniform"
    method = jm.RelaxEdges(steps=6, refill=refill, **DISORDER)
    made = jm.generate(problem, seeds=[seed], method=method)
    found = jm.metamer_graph(problem, made, 0)
    assert is_legal(found, graph, directed=kind == "directed")
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
    jm.Problem(trained, found, layer="conv1", vary=KINDS[kind])  # legal for the library too
