"""Flips of two pairs at once: the sketch against the Jacobian, the descent against brute force."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer.metamers.methods.relax_edges.flip_sketch import sketched
from jmetamer.metamers.methods.relax_edges.joint_flips import joint_flips
from jmetamer.metamers.methods.relax_edges.moves_by_target import (
    Allowance,
    moves_by_target,
    without_limit,
)

TARGETS, COLUMNS, SIZE = 4, 3, 24
IS_PAIR = np.arange(SIZE) < SIZE - 2
FREE = without_limit(jnp.zeros(SIZE))


def problem(seed, shared=0):
    """Linear residual [t, c]: pair e acts on target e mod t, the first `shared` on all."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(TARGETS, COLUMNS, SIZE)).astype(np.float32)
    acts = (np.arange(SIZE) % TARGETS == np.arange(TARGETS)[:, None]) | (np.arange(SIZE) < shared)
    matrix *= acts[:, None]
    hidden = rng.integers(0, 2, SIZE) * IS_PAIR
    start = (rng.integers(0, 2, SIZE) * IS_PAIR).astype(np.float32)
    return matrix, (matrix @ hidden).astype(np.float32), start


def residual_of(weight, matrix, aim):
    return matrix @ weight - aim


def loss_of(weight, matrix, aim):
    return jnp.sum(jnp.square(residual_of(weight, matrix, aim)))


@functools.partial(jax.jit, static_argnames=("rows", "most"))
def descend(matrix, aim, start, rows=SIZE, most=1000, tolerance=0.0):
    given = {"matrix": matrix, "aim": aim}
    return joint_flips(
        jax.random.key(0),
        start,
        jnp.asarray(IS_PAIR),
        functools.partial(loss_of, **given),
        functools.partial(residual_of, **given),
        rows=rows,
        most=most,
        tolerance=tolerance,
    )


@pytest.mark.parametrize("seed", range(3))
def test_sketch_predicts_single_flips_of_one_target_exactly(seed):
    matrix, aim, start = problem(seed, shared=4)
    given = {"matrix": matrix, "aim": aim}
    sketch = sketched(
        jax.random.key(seed),
        jnp.asarray(start),
        functools.partial(loss_of, **given),
        functools.partial(residual_of, **given),
    )
    here = float(loss_of(start, matrix, aim))
    for e in range(SIZE):
        flipped = start.copy()
        flipped[e] = 1 - flipped[e]
        change = float(loss_of(flipped, matrix, aim)) - here
        if e >= 4:
            assert float(sketch.single[e]) == pytest.approx(change, rel=1e-3, abs=1e-3)
            assert float(sketch.home[e]) == pytest.approx(float(sketch.places[e % 4]), abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_moves_of_a_target_are_the_best_of_all_its_pairs_of_flips(seed):
    matrix, aim, start = problem(seed)
    given = {"matrix": matrix, "aim": aim}
    loss = functools.partial(loss_of, **given)
    sketch = sketched(
        jax.random.key(seed), jnp.asarray(start), loss, functools.partial(residual_of, **given)
    )
    moves = moves_by_target(jax.random.key(1), sketch, jnp.asarray(IS_PAIR), FREE, 1)
    here = float(loss(start))
    for target in range(TARGETS):
        mine = [e for e in range(SIZE) if e % TARGETS == target and IS_PAIR[e]]
        changes = []
        for e, f in itertools.combinations_with_replacement(mine, 2):
            flipped = start.copy()
            for place in {e, f}:
                flipped[place] = 1 - flipped[place]
            changes.append(float(loss(flipped)) - here)
        assert float(moves.promised[0, target]) == pytest.approx(min(changes), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shared", [0, 6, SIZE])
def test_ends_where_neither_one_flip_nor_two_lower_the_loss(seed, shared):
    matrix, aim, start = problem(seed, shared)
    found = descend(matrix, aim, start)
    hard, here = np.asarray(found.hard), float(found.loss)
    assert here == pytest.approx(float(loss_of(hard, matrix, aim)), rel=1e-4, abs=1e-4)
    assert set(np.unique(hard)) <= {0.0, 1.0}
    assert not hard[~IS_PAIR].any()
    # Two flips that act on several targets may be missed: they are told apart by chance.
    pairs = itertools.combinations_with_replacement(np.flatnonzero(IS_PAIR), 2)
    for e, f in pairs if shared == 0 else zip(*[np.flatnonzero(IS_PAIR)] * 2, strict=True):
        flipped = hard.copy()
        for place in {e, f}:
            flipped[place] = 1 - flipped[place]
        assert float(loss_of(flipped, matrix, aim)) >= here - 1e-3


@pytest.mark.parametrize("rows", [1, 5, SIZE])
def test_never_ends_above_its_start(rows):
    matrix, aim, start = problem(3, shared=4)
    found = descend(matrix, aim, start, rows=rows)
    assert float(found.loss) <= float(loss_of(start, matrix, aim))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shared", [0, SIZE])
def test_at_a_limit_flips_are_exchanged_and_the_limit_is_kept(seed, shared):
    matrix, aim, _ = problem(seed, shared)
    start = (np.arange(SIZE) < 12).astype(np.float32)
    given = {"matrix": matrix, "aim": aim}
    loss = functools.partial(loss_of, **given)

    def limited(hard):
        return jnp.where(jnp.sum(hard) <= 12, loss(hard), jnp.inf) + loss(hard) * 0

    def allowance(hard):
        return Allowance(1 - 2 * hard, 12 - jnp.sum(hard))

    residual = functools.partial(residual_of, **given)
    here = joint_flips(
        jax.random.key(0), jnp.asarray(start), jnp.asarray(IS_PAIR), limited, residual, allowance
    )
    assert np.asarray(here.hard).sum() <= 12
    assert int(here.num_flips) >= 2
    assert float(here.loss) < float(loss(start))
    if shared == 0:
        for e, f in itertools.combinations_with_replacement(np.flatnonzero(IS_PAIR), 2):
            flipped = np.asarray(here.hard).copy()
            for place in {e, f}:
                flipped[place] = 1 - flipped[place]
            assert float(limited(flipped)) >= float(here.loss) - 1e-3


def test_does_nothing_at_the_tolerance_or_without_flips():
    matrix, aim, start = problem(0)
    value = float(loss_of(start, matrix, aim))
    assert int(descend(matrix, aim, start, tolerance=1.01 * value).num_flips) == 0
    assert int(descend(matrix, aim, start, most=0).num_flips) == 0


def test_of_a_seed_does_not_depend_on_the_others():
    problems = [problem(seed) for seed in range(4)]
    together = jax.vmap(descend)(*[np.stack(parts) for parts in zip(*problems, strict=True)])
    for place, alone in enumerate(problems):
        np.testing.assert_array_equal(together.hard[place], descend(*alone).hard)
