"""Sums over neighbors as products with a dense matrix give what sums edge by edge give."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.compiled_programs import recorded_calls
from jmetamer._base.platform import platform, traced_for
from jmetamer.graphs import message_passing
from jmetamer.graphs.message_passing import DENSE, Dense, edge_by_edge, propagate


@pytest.fixture
def edges():
    """Parallel edges, loops, a weight of 0, weights between, a node that nobody reaches."""
    rng = np.random.default_rng(0)
    senders, receivers = rng.integers(0, 12, (2, 40))
    receivers[receivers == 11] = 3
    weight = rng.uniform(0, 1, 40).astype(np.float32)
    weight[:5], weight[5:9] = 0, 1
    return jnp.asarray(senders), jnp.asarray(receivers), jnp.asarray(weight)


@pytest.fixture
def nodes():
    return jnp.asarray(np.random.default_rng(1).normal(size=(12, 6)), jnp.float32)


def products(*args):
    """How many matrix products the sum consists of; traced anew, as JAX keeps what it traced."""
    return str(jax.make_jaxpr(lambda *args: propagate(*args))(*args)).count("dot_general")


def test_the_platform_is_the_one_here_unless_another_is_named():
    assert platform() == jax.default_backend()
    with traced_for("tpu"):
        assert platform() == "tpu"
        with traced_for("gpu"):
            assert platform() == "gpu"
        assert platform() == "tpu"


def test_a_processor_and_what_was_not_asked_sum_edge_by_edge(nodes, edges):
    assert set(DENSE) == {"tpu"}
    assert products(nodes, *edges) == 0
    with traced_for("gpu"):
        assert products(nodes, *edges) == 0


@pytest.mark.parametrize(
    ("limits", "dense"),
    [(Dense(12, 4), True), (Dense(11, 4), False), (Dense(12, 3), False)],
)
def test_size_and_density_decide(nodes, edges, monkeypatch, limits, dense):
    monkeypatch.setitem(DENSE, "tpu", limits)  # 12 nodes, 144 pairs, 40 edges: 3.6 an edge
    with traced_for("tpu"):
        assert products(nodes, *edges) == dense
        with edge_by_edge():
            assert products(nodes, *edges) == 0
        with edge_by_edge(False):
            assert products(nodes, *edges) == dense


def test_values_and_all_derivatives_are_equal(nodes, edges):
    senders, receivers, weight = edges

    def value(nodes, weight):
        return jnp.sum(jnp.sin(propagate(nodes, senders, receivers, weight)))

    every = jax.value_and_grad(value, (0, 1))(nodes, weight)
    second = jax.jvp(jax.grad(value), (nodes, weight), (nodes, weight))
    with traced_for("tpu"):
        dense = jax.value_and_grad(value, (0, 1))(nodes, weight)
        dense_second = jax.jvp(jax.grad(value), (nodes, weight), (nodes, weight))
    for one, other in zip(
        jax.tree.leaves((every, second)), jax.tree.leaves((dense, dense_second)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", jm.MODELS)
def test_weights_of_0_and_1_give_what_the_pruned_list_gives(name, nodes, edges):
    senders, receivers, weight = edges
    weight = jnp.round(weight)
    kept = np.asarray(weight) > 0
    whole = jm.make_graph(nodes, senders, receivers, weight)
    pruned = jm.make_graph(nodes, senders[kept], receivers[kept])
    model = jm.MODELS[name](hidden=8, num_outputs=3)
    params = model.init(jax.random.key(0), whole)
    expected = model.activations(params, pruned)
    with traced_for("tpu"):
        for graph in (whole, pruned):
            for layer, activation in model.activations(params, graph).items():
                np.testing.assert_allclose(activation, expected[layer], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("vary", [jm.ContinuousFeatures(), jm.BinaryFeatures(), jm.EdgeWeights()])
@pytest.mark.parametrize("name", jm.MODELS)
def test_metamers_as_on_a_tpu_reach_the_losses_of_a_processor(name, vary):
    karate = jm.load_dataset("karate")
    trained = jm.train(jm.MODELS[name](hidden=8), karate, settings=jm.TrainSettings(epochs=0))
    problem = jm.Problem(trained, karate.graph, layer="conv1", vary=vary)
    here = jm.generate(problem, 3, steps=6, together=True)
    with traced_for("tpu"), recorded_calls() as calls:
        there = jm.generate(problem, 3, steps=6, together=True)
    assert any(call.name.endswith("lanes.advance") for call in calls)
    np.testing.assert_allclose(here.loss_initial, there.loss_initial, rtol=1e-4)
    np.testing.assert_allclose(here.loss_hardened, there.loss_hardened, rtol=0.05)


def test_lanes_with_edges_of_their_own_have_no_matrix_each(monkeypatch):
    monkeypatch.setattr(message_passing, "DENSE", {"tpu": Dense(1000, 1000)})
    karate = jm.load_dataset("karate")
    trained = jm.train(jm.GCN(hidden=4), karate, settings=jm.TrainSettings(epochs=0))
    weights = np.where(np.arange(156) % 7 == 0, 0.5, 1.0).astype(np.float32)
    edges = karate.graph.edges._replace(weight=weights)
    graphs = karate.graph, karate.graph._replace(edges=edges)
    problems = [jm.Problem(trained, graph, layer="conv1") for graph in graphs]
    scaled = dataclasses.replace(trained, params=jax.tree.map(lambda a: 1.1 * a, trained.params))
    for several, matrix in (
        (problems, False),
        ([problems[0], jm.Problem(scaled, karate.graph, layer="conv1")], True),
    ):
        with traced_for("tpu"), recorded_calls() as calls:
            jm.generate(several, 2, steps=2, together=True)
            (call,) = {c.name: c for c in calls if c.name.endswith("lanes.advance")}.values()
            text = call.lower("tpu").as_text()
        assert ("34x34xf32" in text) is matrix
        assert "x34x34xf32" not in text
