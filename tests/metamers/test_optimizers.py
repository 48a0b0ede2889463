"""Every optimizer by name with every schedule, and optax objects."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jmetamer as jm
from jmetamer.metamers import OPTIMIZERS, SCHEDULES

SELF_PACED = ("lbfgs", "lane_lbfgs")
RATES = {"sgd": 0.5, "momentum": 0.1, "nesterov": 0.1, "feather": 0.5}
NAMED = [name for name in OPTIMIZERS if name not in SELF_PACED]


def named(name, schedule="constant"):
    return jm.Optimizer(name, RATES.get(name, 0.05), schedule)


@pytest.mark.mixes_types
def test_every_name_with_every_schedule_lowers_a_quadratic():
    scales = jnp.array([1.0, 3.0, 10.0])

    def loss(x):
        return jnp.sum(scales * x**2)

    pairs = [(name, schedule) for name in NAMED for schedule in SCHEDULES]

    @jax.jit
    def run(rates, steps):
        found = []
        for (name, schedule), rate in zip(pairs, rates, strict=True):
            method = named(name, schedule).build(rate, steps)
            x = jnp.ones(3)
            state = method.init(x)

            def body(_, carry, method=method):
                updates, state = method.update(jax.grad(loss)(carry[0]), carry[1], carry[0])
                return optax.apply_updates(carry[0], updates), state

            found.append(loss(jax.lax.fori_loop(0, 30, body, (x, state))[0]))
        return jnp.stack(found)

    rates = jnp.array([min(RATES.get(name, 0.05), 0.05) for name, _ in pairs])
    for pair, value in zip(pairs, np.asarray(run(rates, jnp.int32(30))), strict=True):
        assert value < 0.9 * 14.0, pair


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("cosine", [1, np.cos(np.pi / 8) ** 2, 0.5, np.cos(3 * np.pi / 8) ** 2, 0]),
        ("exponential", [1, 10**-0.5, 0.1, 10**-1.5, 0.01]),
        ("halved_in_blocks", [1, 0.25, 2**-4, 2**-6, 2**-7]),
    ],
)
def test_a_schedule_scales_the_steps(schedule, expected):
    # With gradient -1 the update of gradient descent is the learning rate itself.
    method = jm.Optimizer("sgd", 0.3, schedule).build(jnp.float32(0.3), jnp.int32(40))
    state, found = method.init(jnp.zeros(())), []
    for _ in range(41):
        update, state = method.update(-jnp.ones(()), state, jnp.zeros(()))
        found.append(float(update))
    np.testing.assert_allclose(found[::10], 0.3 * np.array(expected), atol=1e-6)


def test_the_feather_preset_takes_steps_of_fixed_length():
    method = jm.Optimizer("feather", 0.3).build(jnp.float32(0.3), jnp.int32(10))
    for gradient in ([3.0, 4.0], [3e-2, -4e-2], [300.0, 0.0]):
        update, _ = method.update(jnp.array(gradient), method.init(jnp.zeros(2)), jnp.zeros(2))
        direction = np.array(gradient) / np.linalg.norm(gradient)
        np.testing.assert_allclose(update, -0.3 * direction, rtol=1e-4)


# The loop above has seen the others; each name here has a state or a rule of its own.
@pytest.mark.parametrize("name", ["rmsprop", "feather", "lbfgs", "lane_lbfgs"])
def test_optimizers_of_every_kind_make_metamers(small, name):
    optimizer = jm.Optimizer(name) if name in SELF_PACED else named(name)
    made = jm.generate(small, count=3, lanes=3, steps=25, optimizer=optimizer, tolerance=1e-6)
    share = 0.05 if name in SELF_PACED else 0.8
    assert (made.loss_hardened < share * made.loss_initial).all()


def test_optax_lbfgs_passes_as_an_object(small):
    made = jm.generate(
        small, count=3, lanes=3, steps=25, optimizer=optax.lbfgs(memory_size=5), tolerance=1e-6
    )
    assert (made.loss_hardened < 0.05 * made.loss_initial).all()


def test_two_learning_rates_are_equal_as_programs_but_not_as_results(small):
    slow, fast = jm.Optimizer("sgd", 0.01), jm.Optimizer("sgd", 0.5)
    assert slow == fast
    assert hash(slow) == hash(fast)
    settings = {"count": 3, "lanes": 3, "steps": 25, "tolerance": 1e-8}
    losses = [jm.generate(small, optimizer=o, **settings).loss_hardened for o in (slow, fast)]
    assert (losses[1] < 0.9 * losses[0]).all()
