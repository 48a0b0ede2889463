"""Swap search, against all swaps by brute force."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.relax_edges.swap_search import SwapSearch, swap_search

NODES = 8
COST = np.random.default_rng(0).normal(size=(NODES, NODES)).astype(np.float32)
EDGES = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5), (1, 4), (6, 7)]
DIRECTED = pytest.mark.parametrize("directed", [False, True])


def pairs_of(tuples):
    return Pairs(*np.array(tuples, np.int32).T)


def cost(pairs, weight):
    """A loss of which every edge has a part of its own."""
    return jnp.sum(weight * jnp.asarray(COST)[pairs.senders, pairs.receivers])


def all_swaps(edges, directed):
    """Every simple graph that one double-edge swap makes, as a set of edges."""
    for (a, u), (b, v) in itertools.combinations(edges, 2):
        for c, w in [(b, v)] if directed else [(b, v), (v, b)]:
            new = [(a, w), (c, u)]
            new = new if directed else [tuple(sorted(pair)) for pair in new]
            rest = set(edges) - {(a, u), (b, v)}
            if all(i != j for i, j in new) and not set(new) & set(edges) and len(set(new)) == 2:
                yield rest | set(new)


def graph_of(found):
    present = np.asarray(found.present)
    sides = (np.asarray(side)[present].tolist() for side in found.pairs)
    return set(zip(*sides, strict=True))


def degrees(edges, directed):
    ends = np.array(sorted(edges))
    columns = [ends[:, 0], ends[:, 1]] if directed else [ends.ravel()]
    return [np.bincount(column, minlength=NODES).tolist() for column in columns]


class TestSwapSearch:
    @DIRECTED
    def test_makes_the_best_of_all_swaps_when_it_sees_them_all(self, directed):
        settings = SwapSearch(steps=1, proposals=1000)
        found = swap_search(
            jax.random.key(0), pairs_of(EDGES), np.ones(8), cost, settings, directed
        )
        costs = {frozenset(g): sum(COST[e] for e in g) for g in all_swaps(EDGES, directed)}
        best = min(costs, key=costs.get)
        assert graph_of(found) == best
        assert float(found.loss) == pytest.approx(costs[best], abs=1e-5)
        assert float(found.initial_loss) == pytest.approx(sum(COST[e] for e in EDGES), abs=1e-5)

    @DIRECTED
    def test_keeps_degrees_and_only_falls(self, directed):
        settings = SwapSearch(steps=20, proposals=5)
        present = np.array([1, 1, 1, 1, 1, 1, 1, 0])
        found = swap_search(jax.random.key(1), pairs_of(EDGES), present, cost, settings, directed)
        assert degrees(graph_of(found), directed) == degrees(EDGES[:7], directed)
        assert len(graph_of(found)) == 7
        trace = np.asarray(found.trace)
        assert (np.diff(trace) <= 0).all()
        assert trace[-1] == float(found.loss) < float(found.initial_loss)
        assert int(found.accepted) == (np.diff([found.initial_loss, *trace]) < 0).sum()
        assert float(cost(found.pairs, found.present)) == pytest.approx(trace[-1], abs=1e-5)

    def test_stays_where_no_swap_is_legal(self):
        star = pairs_of([(0, 1), (0, 2), (0, 3)])
        found = swap_search(jax.random.key(0), star, np.ones(3), cost, SwapSearch(3, 4))
        assert graph_of(found) == {(0, 1), (0, 2), (0, 3)}
        assert int(found.accepted) == 0


def test_of_a_seed_does_not_depend_on_the_others():
    keys = jax.random.split(jax.random.key(0), 3)
    pairs = pairs_of(EDGES)

    @jax.jit
    def one(key):
        return swap_search(key, pairs, np.ones(8), cost, SwapSearch(4, 3))

    together = jax.vmap(one)(keys)
    for place in range(3):
        among = jax.tree.map(lambda array, at=place: array[at], together)
        jax.tree.map(np.testing.assert_array_equal, one(keys[place]), among)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SwapSearch(steps=0), "steps"),
        (lambda: SwapSearch(proposals=1.5), "proposals"),
    ],
)
def test_settings_are_checked(make, message):
    with pytest.raises(InputError, match=message):
        make()
