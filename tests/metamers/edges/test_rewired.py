"""Random graphs: simple, of the right degrees or number of edges, and uniformly distributed."""

import collections
import math

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
import scipy.stats

from jmetamer._base.errors import InputError
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.relax_edges.rewired import random_pairs, rewired_pairs

DIRECTED = pytest.mark.parametrize("directed", [False, True])


def edges_of(pairs):
    return np.stack([np.asarray(side) for side in pairs], axis=-1)


def assert_simple(pairs, directed):
    edges = edges_of(pairs)
    edges = edges[edges[:, 0] != edges[:, 1]]
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert directed or (edges[:, 0] < edges[:, 1]).all()


def frequencies(pairs):
    """How often each graph of a batch occurs, whatever the order of its edges."""
    batch = edges_of(pairs).tolist()
    return collections.Counter(tuple(sorted(map(tuple, edges))) for edges in batch)


def some_graph(directed, num=40):
    graph = nx.gnm_random_graph(20, num, seed=1, directed=directed)
    edges = np.array([e if directed else sorted(e) for e in graph.edges], np.int32)
    padded = np.concatenate([edges, np.full((3, 2), 7, np.int32)])
    return Pairs(*padded.T)


class TestRewiring:
    @DIRECTED
    def test_keeps_every_degree_and_the_graph_simple(self, directed):
        pairs = some_graph(directed)
        keys = jax.random.split(jax.random.key(0), 5)
        found = jax.jit(jax.vmap(lambda key: rewired_pairs(key, pairs, 200, directed)))(keys)
        for place in range(5):
            one = Pairs(found.senders[place], found.receivers[place])
            assert_simple(one, directed)
            before, after = edges_of(pairs)[:-3], edges_of(one)[:-3]
            columns = [(0,), (1,)] if directed else [(0, 1)]
            for ends in columns:
                degrees = [np.bincount(e[:, ends].ravel(), minlength=20) for e in (before, after)]
                np.testing.assert_array_equal(*degrees)
            np.testing.assert_array_equal(edges_of(one)[-3:], 7)
            same = set(map(tuple, before)) & set(map(tuple, after))
            assert len(same) < 25  # of 40

    def test_reaches_every_graph_of_the_degrees_equally_often(self):
        # Two edges a node on five nodes: the 4! / 2 cycles through all of them.
        ring = Pairs(jnp.array([0, 1, 2, 3, 0]), jnp.array([1, 2, 3, 4, 4]))
        keys = jax.random.split(jax.random.key(2), 3000)
        counts = frequencies(jax.vmap(lambda key: rewired_pairs(key, ring, 60))(keys))
        assert len(counts) == math.factorial(4) // 2
        assert scipy.stats.chisquare(list(counts.values())).pvalue > 1e-3

    def test_leaves_a_graph_without_a_legal_swap_as_it_is(self):
        star = Pairs(jnp.array([0, 0, 0]), jnp.array([1, 2, 3]))
        found = rewired_pairs(jax.random.key(0), star, 30)
        np.testing.assert_array_equal(edges_of(found), edges_of(star))
        one = Pairs(jnp.array([0]), jnp.array([1]))
        np.testing.assert_array_equal(edges_of(rewired_pairs(jax.random.key(0), one, 9)), [[0, 1]])


class TestRandomGraphs:
    @pytest.mark.parametrize(("directed", "num"), [(False, 3), (True, 2)])
    def test_are_all_equally_likely(self, directed, num):
        keys = jax.random.split(jax.random.key(5), 4000)
        counts = frequencies(jax.vmap(lambda key: random_pairs(key, num, 4, directed))(keys))
        assert len(counts) == math.comb(12 if directed else 6, num)
        assert scipy.stats.chisquare(list(counts.values())).pvalue > 1e-3

    @DIRECTED
    def test_may_have_all_edges_or_none(self, directed):
        every = 9 * 8 // (1 if directed else 2)
        found = random_pairs(jax.random.key(0), every, 9, directed)
        assert_simple(found, directed)
        assert bool(found.is_pair.all())
        assert random_pairs(jax.random.key(0), 0, 9, directed).senders.shape == (0,)
        with pytest.raises(InputError, match=f"0 to {every}"):
            random_pairs(jax.random.key(0), every + 1, 9, directed)

    def test_have_exactly_the_number_of_edges_also_where_indices_overflow_32_bits(self):
        found = random_pairs(jax.random.key(0), 5000, 200_000)
        assert_simple(found, directed=False)
        assert bool(found.is_pair.all())
        assert int(found.receivers.max()) > 190_000

    def test_of_a_seed_do_not_depend_on_the_others(self):
        keys = jax.random.split(jax.random.key(0), 4)
        together = jax.vmap(lambda key: random_pairs(key, 12, 6))(keys)
        for place, key in enumerate(keys):
            np.testing.assert_array_equal(
                edges_of(random_pairs(key, 12, 6)), edges_of(together)[place]
            )
