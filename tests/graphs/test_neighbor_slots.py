"""Sums over a layout of slots are the scattered sums, and so are their gradients."""

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer.graphs.message_passing import propagate
from jmetamer.graphs.neighbor_slots import neighbor_slots


def hub_graph(seed, num_nodes=150):
    """A directed multigraph with hubs, so that slots and rest are both used, and a lone node."""
    rng = np.random.default_rng(seed)
    pairs = np.array(nx.barabasi_albert_graph(num_nodes - 1, 3, seed=seed).edges)
    repeated = pairs[rng.integers(0, len(pairs), 20)]
    loops = np.repeat(rng.integers(0, num_nodes - 1, 5), 2).reshape(-1, 2)
    edges = np.concatenate([pairs, pairs[::2, ::-1], repeated, loops])
    return edges[:, 0], edges[:, 1], num_nodes


def dense_sum(nodes, senders, receivers, weight):
    total = np.zeros((len(nodes), *nodes.shape[1:]))
    np.add.at(total, receivers, weight * nodes[senders])
    return total


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_edge_is_in_the_layout_once(seed):
    senders, receivers, num_nodes = hub_graph(seed)
    layout = neighbor_slots(senders, receivers, num_nodes)
    for slots, sources in ((layout.into, senders), (layout.out, receivers)):
        edges = np.concatenate([*slots.edges, slots.rest_edges])
        assert sorted(edges) == list(range(len(senders)))
        found = np.concatenate([*slots.sources, slots.rest_sources])
        np.testing.assert_array_equal(found, sources[edges])
        sizes = [len(slot) for slot in slots.sources]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes
        assert len(slots.rest_edges)


@pytest.mark.parametrize("trailing", [(), (5,)])
def test_the_sum_is_that_of_the_edge_list(trailing):
    senders, receivers, num_nodes = hub_graph(1)
    rng = np.random.default_rng(0)
    nodes = rng.normal(size=(num_nodes, *trailing)).astype("f4")
    weight = rng.uniform(0, 1, len(senders)).astype("f4")
    layout = neighbor_slots(senders, receivers, num_nodes)
    found = propagate(jnp.array(nodes), senders, receivers, jnp.array(weight), layout)
    expected = dense_sum(nodes, senders, receivers, weight.reshape(-1, *[1] * len(trailing)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert not np.any(found[-1])


def test_each_head_has_its_own_weights():
    senders, receivers, num_nodes = hub_graph(2)
    rng = np.random.default_rng(0)
    nodes = rng.normal(size=(num_nodes, 3, 4)).astype("f4")
    weight = rng.uniform(0, 1, (len(senders), 3)).astype("f4")
    layout = neighbor_slots(senders, receivers, num_nodes)
    found = propagate(jnp.array(nodes), senders, receivers, jnp.array(weight), layout)
    expected = dense_sum(nodes, senders, receivers, weight[:, :, None])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("heads", [None, 2])
def test_gradients_are_those_without_a_layout(heads):
    senders, receivers, num_nodes = map(jnp.asarray, hub_graph(3))
    shape = (int(num_nodes), 4) if heads is None else (int(num_nodes), heads, 2)
    nodes = jax.random.normal(jax.random.key(0), shape)
    per_edge = (len(senders),) if heads is None else (len(senders), heads)
    weight = jax.random.uniform(jax.random.key(1), per_edge)
    layout = neighbor_slots(senders, receivers, int(num_nodes))

    def total(nodes, weight, layout):
        return jnp.sum(jnp.sin(propagate(nodes, senders, receivers, weight, layout)))

    ours = jax.grad(total, (0, 1))(nodes, weight, layout)
    theirs = jax.grad(total, (0, 1))(nodes, weight, None)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_lanes_may_be_batched():
    senders, receivers, num_nodes = hub_graph(4)
    layout = neighbor_slots(senders, receivers, num_nodes)
    nodes = jax.random.normal(jax.random.key(0), (3, num_nodes, 2))
    weight = jnp.ones(len(senders))
    found = jax.vmap(lambda x: propagate(x, senders, receivers, weight, layout))(nodes)
    for lane in range(3):
        alone = dense_sum(np.asarray(nodes[lane]), senders, receivers, 1.0)
        np.testing.assert_allclose(found[lane], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_graphs_of_hardly_any_edge(count):
    ends = np.zeros(count, np.int32)
    layout = neighbor_slots(ends, ends, 2)
    found = propagate(jnp.array([[3.0], [5.0]]), ends, ends, jnp.ones(count), layout)
    np.testing.assert_array_equal(found, [[3.0 * count], [0.0]])
