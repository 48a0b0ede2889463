import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.geometry import dense_jacobian, linearizer

rng = np.random.default_rng(0)
MIX = rng.normal(size=(5, 4))
WEIGHT = rng.normal(size=(3, 2))
POINT = rng.normal(size=(4, 3)).astype(np.float32)


def mixed(x, mix=MIX):
    return mix @ x @ WEIGHT


def test_jacobian_of_a_product_is_the_kronecker_product_in_row_major_order():
    jacobian = dense_jacobian(mixed, POINT)
    assert jacobian.shape == (10, 12)
    assert np.abs(jacobian - np.kron(MIX, WEIGHT.T)).max() <= 1e-12


@pytest.mark.parametrize("chunk", [1, 3, 10, 64])
def test_chunk_does_not_change_the_jacobian(chunk):
    assert np.array_equal(dense_jacobian(mixed, POINT, chunk=chunk), dense_jacobian(mixed, POINT))


def test_jacobian_is_float64_on_the_host_and_leaves_the_session_in_float32():
    linearization = linearizer(lambda x: jnp.tanh(x))(jnp.asarray(POINT))
    assert linearization.jacobian.dtype == linearization.value.dtype == np.float64
    assert isinstance(linearization.jacobian, np.ndarray)
    exact = 1 - np.tanh(POINT.astype(np.float64).ravel()) ** 2
    assert np.abs(linearization.jacobian - np.diag(exact)).max() <= 1e-15
    assert np.abs(linearization.value - np.tanh(POINT.astype(np.float64).ravel())).max() <= 1e-15
    assert jnp.ones(1).dtype == jnp.float32


def test_float32_arguments_take_part_in_float64():
    weight = {"kernel": jnp.asarray(WEIGHT, jnp.float32), "row": 1}
    jacobian = dense_jacobian(lambda x, w: (x @ w["kernel"])[w["row"]], POINT, weight)
    assert np.array_equal(jacobian[:, 3:6], np.float64(np.float32(WEIGHT)).T)


def test_one_compilation_serves_all_targets_of_a_shape():
    traces = []

    def function(x, row, scale):
        traces.append(None)
        return scale * jnp.sin(x)[row]

    linearize = linearizer(function)
    first = linearize(POINT, 0, np.float32(2.0)).jacobian
    count = len(traces)
    second = linearize(POINT + 1, 3, np.float32(3.0)).jacobian
    assert len(traces) == count
    assert first[:, 3:].any() == False  # noqa: E712
    assert np.abs(second[:, 9:] - np.diag(3 * np.cos(np.float64(POINT + 1)[3]))).max() < 1e-15
    linearize(POINT[:2], 0, 1.0)
    assert len(traces) > count


def test_random_keys_may_be_arguments():
    def noisy(x, key):
        return x * jax.random.normal(key, x.shape, x.dtype)

    assert np.count_nonzero(dense_jacobian(noisy, POINT, jax.random.key(0))) == POINT.size


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: jnp.zeros(2) * x.sum(), (2, 12)),
        (lambda x: jnp.zeros(2, x.dtype), (2, 12)),
        (lambda x: x[:0], (0, 12)),
        (lambda x: x.sum(), (1, 12)),
    ],
)
def test_degenerate_functions_have_jacobians_of_the_right_shape(function, shape):
    jacobian = dense_jacobian(function, POINT)
    assert jacobian.shape == shape
    assert jacobian.any() == (shape == (1, 12))


def test_a_point_without_inputs_has_an_empty_jacobian():
    assert dense_jacobian(lambda x: jnp.ones(3) + x.sum(), np.zeros((0, 2))).shape == (3, 0)


def test_a_function_that_returns_float32_is_refused():
    with pytest.raises(InputError, match=r"`function` returned float32 for a float64 input.*cast"):
        dense_jacobian(lambda x: x.astype(jnp.float32), POINT)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit, jax.checkpoint, jax.vmap])
def test_a_function_that_passes_through_float32_is_refused(wrap):
    def inner(x):
        return x.astype(jnp.float32).astype(jnp.float64)

    with pytest.raises(InputError, match="casts float64 down to float32 on the way to its float64"):
        dense_jacobian(wrap(inner), POINT)


def test_a_cast_inside_a_loop_is_found():
    def body(x, _):
        return x.astype(jnp.bfloat16).astype(x.dtype), None

    with pytest.raises(InputError, match="down to bfloat16"):
        dense_jacobian(lambda x: jax.lax.scan(body, x, length=2)[0], POINT)


def test_integer_and_structured_outputs_are_refused():
    with pytest.raises(InputError, match="returned int64 for a float64 input"):
        dense_jacobian(lambda x: jnp.argmax(x), POINT)
    with pytest.raises(InputError, match="returned tuple, and a Jacobian needs one array"):
        dense_jacobian(lambda x: (x, x), POINT)


@pytest.mark.parametrize("chunk", [0, -1, 2.5, True])
def test_a_chunk_that_is_no_positive_integer_is_refused(chunk):
    with pytest.raises(InputError, match=re.escape(f"`chunk` is {chunk!r}")):
        linearizer(mixed, chunk=chunk)


def test_partial_functions_are_functions():
    assert dense_jacobian(functools.partial(mixed, mix=MIX[:1]), POINT).shape == (2, 12)
