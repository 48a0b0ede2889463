"""Functions that were made alike have one key, and no others have."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jmetamer._base.composition import composition_of

FACTOR = 0.1


class Doubled:
    """Compared by identity, but told by its attributes."""

    def __init__(self, rate):
        self.rate = rate

    def step(self, step):
        return self.rate * step


def by_global(step):
    return FACTOR * step


def schedule(rate):
    return lambda step: rate / (1 + step)


def nested(rate):
    return lambda step: (lambda inner: inner * rate)(step)


def recursive(limit):
    def count(step):
        return 0 if step > limit else count(step + 1)

    return count


ALIKE = {
    "adam": lambda rate: optax.adam(rate),
    "adamw": lambda rate: optax.adamw(1e-2, weight_decay=rate),
    "lbfgs": lambda rate: optax.lbfgs(rate),
    "moments": lambda rate: optax.adam(rate, mu_dtype=jnp.bfloat16),
    "chain": lambda rate: optax.chain(optax.clip_by_global_norm(rate), optax.sgd(0.1)),
    "cosine": lambda rate: optax.sgd(optax.cosine_decay_schedule(rate, 10)),
    "exponential": lambda rate: optax.sgd(optax.exponential_decay(rate, 10, 0.9)),
    "own schedule": lambda rate: optax.sgd(schedule(rate)),
    "masked": lambda rate: optax.masked(optax.sgd(rate), lambda tree: jax.tree.map(bool, tree)),
    "injected": lambda rate: optax.inject_hyperparams(optax.adam)(learning_rate=rate),
    "every other": lambda rate: optax.MultiSteps(optax.adam(rate), 2).gradient_transformation(),
    "nested": nested,
    "recursive": recursive,
    "default": lambda rate: lambda step, rate=rate: rate * step,
    "keyword": lambda rate: lambda step, *, rate=rate: rate * step,
    "partial": lambda rate: functools.partial(schedule, rate=rate),
    "method": lambda rate: Doubled(rate).step,
    "list": lambda rate: [rate, {"a": (rate, None)}],
    "small array": lambda rate: lambda step: jnp.full(3, rate) * step,
    "number of NumPy": lambda rate: optax.sgd(np.float32(rate)),
    "number of JAX": lambda rate: optax.sgd(jnp.float32(rate)),
}


@pytest.mark.parametrize("make", ALIKE.values(), ids=ALIKE)
def test_equal_arguments_make_equal_keys_and_others_do_not(make):
    assert composition_of(make(0.1)) is composition_of(make(0.1))
    assert composition_of(make(0.1)) is not composition_of(make(0.2))


def test_no_two_of_them_are_alike():
    assert len({composition_of(make(0.1)) for make in ALIKE.values()}) == len(ALIKE)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ((1,), [1]), (b"a", "a"), (None, 0)]
)
def test_what_python_calls_equal_but_computes_otherwise_is_told_apart(one, other):
    assert composition_of(lambda: one) is not composition_of(lambda: other)


def test_code_that_differs_is_told_apart():
    assert composition_of(lambda x: x + 1) is not composition_of(lambda x: x + 2)
    assert composition_of(lambda x: jnp.sin(x)) is not composition_of(lambda x: jnp.cos(x))


def test_a_global_that_a_function_names_belongs_to_it(monkeypatch):
    def typed():  # as in a notebook, where a function cannot be imported
        return lambda step: FACTOR * step

    before = composition_of(typed())
    assert composition_of(typed()) is before
    monkeypatch.setitem(globals(), "FACTOR", 0.2)
    assert composition_of(typed()) is not before


@pytest.mark.parametrize("array", [np.zeros(2000), jnp.zeros(2000), np.array([object()])])
def test_what_cannot_be_decided_is_compared_by_identity(array):
    def make():
        return lambda step: array[step]

    one = make()
    assert composition_of(one) is composition_of(one)
    assert composition_of(one) is not composition_of(make())


def test_a_traced_array_is_compared_by_identity():
    keys = []

    @jax.jit
    def traced(x):
        keys.extend(composition_of(lambda step: x * step) for _ in range(2))
        return x

    traced(1.0)
    assert keys[0] is not keys[1]
