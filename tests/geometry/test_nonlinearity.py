import decimal
from decimal import Decimal

import jax
import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer._base.precision import float64_on_host
from jmetamer.geometry import LOG_DERIVATIVES, log_derivative

FUNCTIONS = {
    "identity": lambda z: z,
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "tanh": jax.numpy.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "gelu_tanh": jax.nn.gelu,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
}


def decimal_tanh(z):
    return (1 - (-2 * z).exp()) / (1 + (-2 * z).exp())


def gelu_tanh_slope(z):
    factor = (2 / Decimal(np.pi)).sqrt()
    tanh = decimal_tanh(factor * (z + Decimal("0.044715") * z**3))
    return (1 + tanh + z * (1 - tanh**2) * factor * (1 + 3 * Decimal("0.044715") * z**2)) / 2


def gelu_slope(z):
    """Phi(z) + z phi(z), the tail of Phi by its continued fraction."""
    density = (-z * z / 2).exp() / (2 * Decimal(np.pi)).sqrt()
    mills = abs(z)
    for level in range(400, 0, -1):
        mills = abs(z) + level / mills
    tail = density / mills
    return (tail if z < 0 else 1 - tail) + z * density


# The textbook derivative, in enough digits that nothing cancels or underflows.
SLOPES = {
    "elu": lambda z: min(z, Decimal(0)).exp(),
    "tanh": lambda z: 1 - decimal_tanh(z) ** 2,
    "sigmoid": lambda z: (-z).exp() / (1 + (-z).exp()) ** 2,
    "softplus": lambda z: 1 / (1 + (-z).exp()),
    "gelu_tanh": gelu_tanh_slope,
    "gelu": gelu_slope,
}


def test_every_closed_form_has_an_oracle():
    assert set(LOG_DERIVATIVES) == set(FUNCTIONS)


@pytest.mark.parametrize("name", LOG_DERIVATIVES)
def test_closed_forms_equal_automatic_differentiation_where_that_is_safe(name):
    z = np.concatenate([np.linspace(-4, 4, 401), [0.0]])
    with float64_on_host():
        slope = np.asarray(jax.vmap(jax.grad(FUNCTIONS[name]))(z))
    with np.errstate(divide="ignore"):
        expected = np.log(np.abs(slope))
    found = log_derivative(name)(z)
    assert found.dtype == np.float64
    assert np.array_equal(np.isneginf(found), np.isneginf(expected))
    # Near a zero of the derivative its logarithm is ill-conditioned: compare derivatives there.
    assert np.abs(np.exp(found) - np.abs(slope)).max() <= 1e-14
    clear = np.abs(slope) > 1e-3
    assert np.abs(found[clear] - expected[clear]).max() <= 1e-11


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("z", [-39, -21, -6, 6, 21, 39])
def test_closed_forms_hold_where_automatic_differentiation_underflows(name, z):
    with decimal.localcontext() as context:
        context.prec = 200 + int(abs(z) ** 3 / 30)  # gelu's tail falls like exp(-0.071 |z|^3)
        exact = float(abs(SLOPES[name](Decimal(z))).ln(decimal.Context(prec=30)))
    found = float(log_derivative(name)(z))
    assert np.isfinite(found)
    assert found == pytest.approx(exact, rel=1e-12, abs=1e-15)


def test_automatic_differentiation_really_underflows_there():
    with float64_on_host():
        assert float(jax.grad(jax.numpy.tanh)(20.0)) == 0
    assert float(log_derivative("tanh")(20.0)) == pytest.approx(2 * (np.log(2) - 20), abs=1e-12)


@pytest.mark.parametrize("name", LOG_DERIVATIVES)
def test_extreme_arguments_give_no_nan(name):
    found = log_derivative(name)(np.array([[-1e4, -750.0, -0.0], [0.0, 750.0, 1e4]]))
    assert found.shape == (2, 3)
    assert not np.isnan(found).any()


@pytest.mark.parametrize(("name", "zero"), [("gelu_tanh", -0.75246), ("gelu", -0.75179)])
def test_gelu_has_a_critical_point_where_its_log_derivative_dips(name, zero):
    assert float(log_derivative(name)(zero)) < -10
    assert float(log_derivative(name)(zero - 0.1)) > -4
    assert float(log_derivative(name)(zero + 0.1)) > -4


def test_an_unknown_activation_names_the_nearest():
    with pytest.raises(InputError, match=r"unknown activation 'tanhh'; did you mean 'tanh'\?"):
        log_derivative("tanhh")
