"""Message passing with edge weights against closed forms and the pruned edge list."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer.graphs.message_passing import (
    attention_coefficients,
    max_messages,
    mean_propagation,
    split_self_loops,
    sum_messages,
    symmetric_propagation,
)


def mean_messages(messages, receivers, weight, num_nodes):
    """The mean over edges whose senders are different nodes, each holding its message."""
    senders = jnp.arange(len(messages))
    nodes = jnp.concatenate([messages, jnp.zeros((num_nodes, *messages.shape[1:]))])
    return mean_propagation(nodes.astype(messages.dtype), senders, receivers, weight)[:num_nodes]


AGGREGATIONS = {"sum": sum_messages, "mean": mean_messages, "max": max_messages}


def random_edges(seed, num_nodes=6, num_edges=14):
    rng = np.random.default_rng(seed)
    senders = rng.integers(0, num_nodes, num_edges)
    receivers = rng.integers(0, num_nodes - 1, num_edges)  # the last node receives nothing
    weight = rng.integers(0, 2, num_edges).astype(np.float32)
    messages = rng.normal(size=(num_edges, 3)).astype(np.float32)
    return senders, receivers, weight, messages


@pytest.mark.parametrize("name", AGGREGATIONS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_zero_weight_equals_pruned_edge_list(name, seed):
    _, receivers, weight, messages = random_edges(seed)
    present = weight > 0
    aggregate = AGGREGATIONS[name]
    gated = aggregate(jnp.array(messages), jnp.array(receivers), jnp.array(weight), 6)
    pruned = aggregate(
        jnp.array(messages[present]),
        jnp.array(receivers[present]),
        jnp.ones(int(present.sum())),
        6,
    )
    np.testing.assert_array_equal(gated, pruned)


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("sum", lambda m, w: (m * w).sum(0)),
        ("mean", lambda m, w: (m * w).sum(0) / w.sum()),
        ("max", lambda m, w: m[w[:, 0] > 0].max(0)),
    ],
)
def test_aggregation_is_its_formula_at_every_node(name, oracle):
    _, receivers, _, messages = random_edges(3)
    weight = np.random.default_rng(1).uniform(0.1, 1, len(receivers)).astype(np.float32)
    found = AGGREGATIONS[name](jnp.array(messages), jnp.array(receivers), jnp.array(weight), 6)
    for node in range(6):
        here = receivers == node
        expected = oracle(messages[here], weight[here, None]) if here.any() else np.zeros(3)
        np.testing.assert_allclose(found[node], expected, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_attention_of_present_edges_is_their_softmax(seed):
    _, receivers, weight, messages = random_edges(seed)
    alpha = attention_coefficients(jnp.array(messages), jnp.array(receivers), jnp.array(weight), 6)
    for node in range(6):
        here = (receivers == node) & (weight > 0)
        if here.any():
            np.testing.assert_allclose(
                alpha[here], jax.nn.softmax(messages[here], axis=0), rtol=1e-5
            )
    np.testing.assert_array_equal(alpha[weight == 0], 0)


def test_absent_edge_with_a_huge_score_does_not_disturb_the_present_ones():
    scores = jnp.array([500.0, 0.0, 0.0])
    weight = jnp.array([0.0, 1.0, 1.0])
    at = functools.partial(attention_coefficients, receivers=jnp.zeros(3, int), num_nodes=1)
    np.testing.assert_array_equal(at(scores, weight=weight), [0, 0.5, 0.5])
    gradient = jax.jacobian(lambda s, w: at(s, weight=w), argnums=(0, 1))(scores, weight)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in gradient)


def test_attention_gradient_at_weight_zero_is_the_derivative_of_the_formula():
    scores = jnp.array([0.3, -0.2, 0.9])
    weight = jnp.array([0.0, 1.0, 1.0])

    def alpha(weight):
        return attention_coefficients(scores, jnp.zeros(3, int), weight, 1)

    def formula(weight):
        terms = weight * jnp.exp(scores)
        return terms / terms.sum()

    np.testing.assert_allclose(
        jax.jacobian(alpha)(weight), jax.jacobian(formula)(weight), rtol=1e-5
    )


def dense_propagation(nodes, senders, receivers, weight):
    """D^-1/2 (A + I) D^-1/2 from a dense matrix, loops replaced by the rule of the docstring."""
    n = len(nodes)
    dense = np.zeros((n, n))
    loops = [[] for _ in range(n)]
    for s, r, w in zip(senders, receivers, weight, strict=True):
        if s != r:
            dense[r, s] += w
        elif w > 0:
            loops[s].append(w)
    np.fill_diagonal(dense, [max(found, default=1.0) for found in loops])
    scale = dense.sum(1) ** -0.5
    return (scale[:, None] * dense * scale[None]) @ nodes


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), relaxed=st.booleans())
def test_symmetric_propagation_is_the_dense_matrix(seed, relaxed):
    senders, receivers, weight, _ = random_edges(seed)
    if relaxed:
        weight = np.random.default_rng(seed).uniform(0, 1, len(weight)).astype(np.float32)
    nodes = np.random.default_rng(seed).normal(size=(6, 2)).astype(np.float32)
    found = symmetric_propagation(*map(jnp.array, (nodes, senders, receivers, weight)))
    expected = dense_propagation(nodes, senders, receivers, weight)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5)


def test_of_several_self_loops_the_heaviest_counts():
    loop, between = split_self_loops(
        jnp.array([0, 0, 1, 2]), jnp.array([0, 0, 1, 0]), jnp.array([0.25, 0.5, 0.0, 1.0]), 3
    )
    np.testing.assert_array_equal(loop, [0.5, 1, 1])
    np.testing.assert_array_equal(between, [0, 0, 0, 1])


@pytest.mark.parametrize("name", [*AGGREGATIONS, "attention", "symmetric"])
@pytest.mark.parametrize("present", [0.0, 1.0])
def test_gradients_are_finite_at_every_edge_and_node(name, present):
    senders, receivers, weight, messages = map(jnp.array, random_edges(0))
    weight = weight * present  # with 0 no node has a neighbor
    functions = {
        **AGGREGATIONS,
        "attention": attention_coefficients,
        "symmetric": lambda m, r, w, n: symmetric_propagation(m[:n], senders, r, w),
    }

    def total(messages, weight):
        return (functions[name](messages, receivers, weight, 6) ** 2).sum()

    value, gradients = jax.value_and_grad(total, argnums=(0, 1))(messages, weight)
    assert np.isfinite(value)
    assert all(bool(jnp.isfinite(gradient).all()) for gradient in gradients)


@pytest.mark.parametrize("name", ["sum", "mean"])
def test_gradient_in_the_weight_is_the_finite_difference(name):
    _, receivers, _, messages = map(jnp.array, random_edges(0))
    with jax.enable_x64(True):
        messages = jnp.asarray(messages, jnp.float64)
        weight = jnp.linspace(0.2, 1, len(receivers), dtype=jnp.float64)
        direction = jnp.cos(jnp.arange(len(receivers), dtype=jnp.float64))

        def total(weight):
            return (AGGREGATIONS[name](messages, receivers, weight, 6) ** 2).sum()

        step = 1e-6
        difference = (total(weight + step * direction) - total(weight - step * direction)) / (
            2 * step
        )
        assert float(jax.grad(total)(weight) @ direction) == pytest.approx(float(difference), 1e-7)


@pytest.mark.parametrize("name", [*AGGREGATIONS, "attention"])
def test_float64_stays_float64(name):
    _, receivers, weight, messages = random_edges(0)
    functions = {**AGGREGATIONS, "attention": attention_coefficients}
    with jax.enable_x64(True):
        found = functions[name](
            jnp.array(messages, jnp.float64), jnp.array(receivers), jnp.array(weight), 6
        )
    assert found.dtype == jnp.float64
