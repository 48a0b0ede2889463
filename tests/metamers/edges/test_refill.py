"""The block of candidates after its exchange, against sets of tuples in Python."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.relax_edges.refill import (
    all_other_pairs,
    refilled,
    uniform_pairs,
    unseen,
)

NODES, BLOCK, FRESH, BASE = 6, 8, 10, 4
refill = jax.jit(refilled)


def pairs_of(tuples):
    return Pairs(*np.array(tuples, np.int32).reshape(-1, 2).T)


def tuples_of(pairs):
    return list(map(tuple, np.stack(pairs, axis=1).tolist()))


def expected_block(block, weight, fresh, base):
    """The exchange in plain Python; `block` holds no pair twice and weights differ."""
    alive = [k for k in range(BLOCK) if weight[k] >= 1e-3 and block[k][0] != block[k][1]]
    kept = sorted(alive, key=lambda k: -weight[k])[: 3 * BLOCK // 4]
    taken = set(base) | {block[k] for k in kept}
    free = [k for k in range(BLOCK) if k not in kept]
    after = [block[k] if k in kept else (0, 0) for k in range(BLOCK)]
    for pair in fresh:
        if pair[0] != pair[1] and pair not in taken and free:
            taken.add(pair)
            after[free.pop(0)] = pair
    return after, kept


NODE = st.integers(0, NODES - 1)
PAIR = st.tuples(NODE, NODE).map(lambda pair: (min(pair), max(pair)))
ALL = [(i, j) for i in range(NODES) for j in range(i + 1, NODES)]


@given(
    st.permutations(ALL).map(lambda pairs: pairs[:BLOCK]),
    st.lists(st.booleans(), min_size=BLOCK, max_size=BLOCK),
    st.permutations([0.0, 0.0005, 0.001, 0.2, 0.3, 0.7, 0.9, 1.0]),
    st.lists(PAIR, min_size=FRESH, max_size=FRESH),
    st.lists(PAIR, min_size=BASE, max_size=BASE),
)
@settings(max_examples=150, deadline=None)
def test_keeps_the_heavy_and_takes_what_is_new_in_order(block, padding, weight, fresh, base):
    block = [(0, 0) if gone else pair for pair, gone in zip(block, padding, strict=True)]
    weight = np.array(weight, np.float32)
    after, kept = expected_block(block, weight, fresh, base)
    key = jax.random.key(0)
    found = refill(key, pairs_of(block), weight, pairs_of(fresh), pairs_of(base))
    assert tuples_of(found.block) == after
    assert np.flatnonzero(~np.asarray(found.replaced)).tolist() == sorted(kept)
    np.testing.assert_array_equal(found.weight, [weight[k] * (k in kept) for k in range(BLOCK)])


def test_gives_fresh_pairs_their_start_weight_and_padding_none():
    block, weight = pairs_of(ALL[:BLOCK]), np.zeros(BLOCK, np.float32)
    fresh = pairs_of([(4, 5)] * FRESH)
    found = refill(jax.random.key(0), block, weight, fresh, pairs_of(ALL[:BASE]), 0.25)
    assert tuples_of(found.block) == [(4, 5)] + [(0, 0)] * (BLOCK - 1)
    assert found.weight.tolist() == [0.25] + [0.0] * (BLOCK - 1)


def test_breaks_ties_by_the_key_so_that_no_slot_always_stays():
    block, weight = pairs_of(ALL[:BLOCK]), np.ones(BLOCK, np.float32)
    fresh, base = pairs_of(ALL[-FRESH:]), pairs_of(ALL[:BASE])
    keys = jax.random.split(jax.random.key(0), 60)
    each = jax.vmap(lambda key: refilled(key, block, weight, fresh, base).replaced)
    found = jax.jit(each)(keys)
    np.testing.assert_array_equal(found.sum(axis=1), BLOCK - 3 * BLOCK // 4)
    assert found.any(axis=0).all()


def test_does_the_same_for_a_seed_alone_and_among_others():
    keys = jax.random.split(jax.random.key(1), 4)
    base = pairs_of(ALL[:BASE])

    @jax.jit
    def one(key):
        *draws, weights, ties = jax.random.split(key, 4)
        drawn = [uniform_pairs(k, FRESH, NODES, False) for k in draws]
        block = Pairs(*(side[:BLOCK] for side in drawn[0]))
        weight = jax.random.uniform(weights, (BLOCK,)) - 0.3
        return refilled(ties, block, weight, drawn[1], base)

    together = jax.vmap(one)(keys)
    for place, key in enumerate(keys):
        among = jax.tree.map(lambda array, at=place: array[at], together)
        jax.tree.map(np.testing.assert_array_equal, one(key), among)


def test_tells_pairs_apart_whose_numbers_are_equal_in_32_bits():
    # 65536 * 65536 = 2^32, so i n + j is 5 for both.
    fresh, seen = pairs_of([(65_536, 65_541), (0, 5)]), pairs_of([(0, 5)])
    assert unseen(fresh, [seen]).tolist() == [True, False]


@pytest.mark.parametrize(("directed", "number"), [(False, 6), (True, 12)])
def test_draws_every_pair_of_different_nodes_equally_often(directed, number):
    pairs = tuples_of(uniform_pairs(jax.random.key(3), 6000, 4, directed))
    counts = np.unique(np.array(pairs), axis=0, return_counts=True)[1]
    assert all(i < j or directed for i, j in pairs)
    assert all(i != j for i, j in pairs)
    assert counts.size == number
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_needs_two_nodes_for_a_pair():
    with pytest.raises(InputError, match="at least 2 nodes"):
        uniform_pairs(jax.random.key(0), 1, 1, directed=True)


@pytest.mark.parametrize("directed", [False, True])
def test_lists_every_pair_but_the_given_ones(directed):
    base = [(0, 1), (2, 2), (1, 4)]
    found = all_other_pairs(pairs_of(base), 5, directed)
    every = [(i, j) for i in range(5) for j in range(5) if i != j and (directed or i < j)]
    assert tuples_of(found) == [pair for pair in every if pair not in base]
    assert found.senders.dtype == np.int32


def test_lists_no_pairs_of_a_large_graph():
    with pytest.raises(InputError, match="uniform_pairs"):
        all_other_pairs(pairs_of([(0, 1)]), 20_000, directed=False)


def test_takes_pairs_of_numpy_inside_a_compiled_function():
    others = all_other_pairs(pairs_of(ALL[:BLOCK]), NODES, directed=False)
    block, base = pairs_of(ALL[:BLOCK]), pairs_of([(0, 0)])
    compiled = jax.jit(functools.partial(refilled, block=block, fresh=others, base=base))
    found = compiled(jax.random.key(0), weight=jnp.zeros(BLOCK))
    assert tuples_of(found.block)[: len(ALL) - BLOCK] == ALL[BLOCK:]
