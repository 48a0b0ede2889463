"""Products with Jacobians, against finite differences, closed forms and dense Jacobians."""

import re
import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse.linalg

from jmetamer._base.errors import InputError
from jmetamer.geometry import dense_jacobian, singular_values
from jmetamer.geometry.gradient_check import GradientStatus, GradientWarning, check_gradient
from jmetamer.geometry.operator import JacobianOperator, JacobianPrograms

rng = np.random.default_rng(0)
MIX = rng.normal(size=(5, 4))
WEIGHT = rng.normal(size=(3, 2))
POINT = rng.normal(size=(4, 3))


def network(x):
    return jax.nn.relu(MIX @ jnp.tanh(x) @ WEIGHT)


class Inputs(NamedTuple):
    positions: np.ndarray
    weights: dict


TREE = Inputs(rng.normal(size=(4, 3)), {"edge": rng.uniform(1, 2, 5), "loop": np.float64(0.5)})


def of_tree(point):
    spread = jnp.outer(point.weights["edge"], point.weights["loop"] + jnp.zeros(3))
    return jnp.sin(point.positions @ spread.T) + point.weights["loop"] ** 2


@pytest.fixture(scope="module", params=["array", "tree", "tall"])
def operator(request):
    """q < p, a pytree, and q > p."""
    if request.param == "array":
        return JacobianOperator.of(network, POINT)
    if request.param == "tree":
        return JacobianOperator.of(of_tree, TREE)
    return JacobianOperator.of(lambda x: jnp.sin(MIX @ x[:, :1] @ WEIGHT[:1]), POINT[:, :2])


def differences(operator, function):
    """Dense Jacobian by central differences."""
    flat, step = operator.ravel(operator.point), 1e-6
    with jax.enable_x64(True):
        columns = [
            np.ravel(function(operator.unravel(flat + step * unit)))
            - np.ravel(function(operator.unravel(flat - step * unit)))
            for unit in np.eye(flat.size)
        ]
    return np.array(columns).T / (2 * step)


class TestProducts:
    def test_are_those_of_the_finite_difference_jacobian(self):
        for function, point in ((network, POINT), (of_tree, TREE)):
            operator = JacobianOperator.of(function, point, check=False)
            expected = differences(operator, function)
            assert operator.shape == expected.shape
            assert np.abs(operator.dense() - expected).max() <= 1e-8

    def test_agree_with_the_dense_jacobian_on_both_sides(self, operator):
        dense = operator.dense()
        num_outputs, num_inputs = operator.shape
        v, u = rng.normal(size=num_inputs), rng.normal(size=num_outputs)
        many_v, many_u = rng.normal(size=(num_inputs, 35)), rng.normal(size=(num_outputs, 3))
        for found, expected in (
            (operator.matvec(v), dense @ v),
            (operator.rmatvec(u), dense.T @ u),
            (operator.matmat(many_v), dense @ many_v),
            (operator.rmatmat(many_u), dense.T @ many_u),
            (operator.gram(u), dense @ (dense.T @ u)),
            (operator.gram(many_u), dense @ (dense.T @ many_u)),
        ):
            assert found.dtype == np.float64
            assert found.shape == expected.shape
            assert np.abs(found - expected).max() <= 1e-13 * max(1, np.abs(expected).max())

    def test_are_adjoint_to_each_other(self, operator):
        for _ in range(5):
            v, u = rng.normal(size=operator.shape[1]), rng.normal(size=operator.shape[0])
            left, right = operator.matvec(v) @ u, v @ operator.rmatvec(u)
            size = np.linalg.norm(operator.matvec(v)) * np.linalg.norm(u)
            assert abs(left - right) <= 1e-13 * size

    def test_of_a_linear_function_are_the_kronecker_product_in_row_major_order(self):
        operator = JacobianOperator.of(lambda x: MIX @ x @ WEIGHT, POINT)
        assert np.abs(operator.dense() - np.kron(MIX, WEIGHT.T)).max() <= 1e-12
        assert operator.output_norm == pytest.approx(np.linalg.norm(MIX @ POINT @ WEIGHT))
        assert operator.input_norm == pytest.approx(np.linalg.norm(POINT))

    def test_of_a_chain_of_chunks_are_those_of_one(self):
        small = JacobianPrograms(network, chunk=3).at(POINT, check=False)
        assert np.abs(small.dense() - dense_jacobian(network, POINT)).max() <= 1e-15

    def test_serve_scipy_as_a_linear_operator(self, operator):
        adapted = operator.as_linear_operator()
        dense = operator.dense()
        assert adapted.shape == dense.shape
        assert adapted.dtype == np.float64
        assert np.abs(adapted @ np.eye(dense.shape[1]) - dense).max() <= 1e-13
        assert np.abs(adapted.H @ np.eye(dense.shape[0]) - dense.T).max() <= 1e-13
        leading = scipy.sparse.linalg.svds(adapted, k=2, return_singular_vectors=False)
        assert np.sort(leading)[::-1] == pytest.approx(singular_values(dense)[:2], rel=1e-10)
        assert scipy.sparse.linalg.aslinearoperator(operator).shape == dense.shape

    def test_take_a_derivative_of_the_users_own(self):
        @jax.custom_vjp
        def cube(x):
            return x**3

        cube.defvjp(lambda x: (x**3, x), lambda x, u: (3 * x**2 * u,))
        operator = JacobianOperator.of(cube, np.array([1.0, 2.0]))
        assert operator.matvec([1.0, 1.0]).tolist() == [3.0, 12.0]
        assert operator.gradient.status is GradientStatus.AGREES


class TestThePoint:
    def test_may_be_any_pytree_and_comes_back_as_one(self):
        operator = JacobianOperator.of(of_tree, TREE, check=False)
        flat = operator.ravel(TREE)
        assert flat.shape == (12 + 5 + 1,)
        again = operator.unravel(flat)
        assert isinstance(again, Inputs)
        assert np.array_equal(again.positions, TREE.positions)
        assert again.weights["loop"].shape == ()

    def test_and_arguments_of_one_shape_share_a_compilation(self):
        traces = []

        def function(x, row, scale):
            traces.append(None)
            return scale * jnp.sin(x)[row]

        programs = JacobianPrograms(function)
        first = programs.at(POINT, 0, np.float32(2))
        count = len(traces)
        second = programs.at(POINT + 1, 3, np.float32(3))
        assert len(traces) == count
        assert first.matvec(np.ones(12)) == pytest.approx(2 * np.cos(POINT[0]))
        assert second.matvec(np.ones(12)) == pytest.approx(3 * np.cos(POINT[3] + 1))

    def test_is_raised_to_float64_and_leaves_the_session_as_it_was(self):
        before = jnp.ones(1).dtype
        operator = JacobianOperator.of(lambda x, w: x @ w, POINT.astype("f4"), WEIGHT.astype("f4"))
        exact = np.kron(np.eye(4), WEIGHT.astype("f4").astype("f8").T)
        assert np.array_equal(operator.dense(), exact)
        assert operator.value.dtype == np.float64
        assert jnp.ones(1).dtype == before

    @pytest.mark.parametrize(
        ("function", "point", "shape"),
        [
            (lambda x: jnp.ones(3) + x.sum(), np.zeros((0, 2)), (3, 0)),
            (lambda x: x[:0], POINT, (0, 12)),
            (lambda x: jnp.zeros(2) * x.sum(), POINT, (2, 12)),
            (lambda x: jnp.ones(2, x.dtype), POINT, (2, 12)),
        ],
        ids=["no inputs", "no outputs", "zero", "constant"],
    )
    def test_or_function_that_is_degenerate_has_products_of_zero(self, function, point, shape):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            operator = JacobianOperator.of(function, point)
        assert operator.shape == shape
        assert not operator.dense().any()
        assert operator.dense().shape == shape
        assert operator.matvec(np.ones(shape[1])).tolist() == [0.0] * shape[0]
        assert operator.rmatvec(np.ones(shape[0])).tolist() == [0.0] * shape[1]
        assert operator.gram(np.ones(shape[0])).tolist() == [0.0] * shape[0]


def half_cut(x):
    return jnp.tanh(x) * jax.lax.stop_gradient(x)


def straight_through(x):
    soft = jax.nn.sigmoid(x)
    return soft + jax.lax.stop_gradient(jnp.round(soft) - soft)


class TestAFunctionThatCutsItsGradient:
    @pytest.mark.parametrize(
        "function",
        [
            jax.lax.stop_gradient,
            half_cut,
            straight_through,
            lambda x: x.at[0].set(jax.lax.stop_gradient(x[0])),
        ],
        ids=["all", "a factor", "straight-through", "one row"],
    )
    def test_is_reported_as_cut(self, function):
        with pytest.warns(GradientWarning, match="is not the derivative of the function") as caught:
            operator = JacobianOperator.of(lambda x: MIX @ function(x), POINT)
        assert operator.gradient.status is GradientStatus.CUT
        assert 0.05 < operator.gradient.mismatch < 3
        assert caught[0].filename == __file__

    @pytest.mark.parametrize(
        "function",
        [
            lambda x: jnp.round(2 * x),
            jnp.sign,
            lambda x: (x > 0).astype(x.dtype),
            lambda x: (8 * x).astype(jnp.int64).astype(x.dtype),
            lambda x: jax.nn.one_hot(jnp.argmax(x, axis=1), 3, dtype=x.dtype),
        ],
        ids=["round", "sign", "comparison", "integers", "argmax"],
    )
    def test_is_reported_as_steps(self, function):
        point = POINT - 1  # the walk goes upwards
        with pytest.warns(GradientWarning, match="constant between steps"):
            operator = JacobianOperator.of(lambda x: MIX @ function(x), point)
        assert operator.gradient.status is GradientStatus.STEPS

    def test_is_not_looked_for_where_the_caller_says_so(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            operator = JacobianOperator.of(jnp.sign, POINT, check=False)
        assert operator.gradient.status is GradientStatus.UNDECIDED


@pytest.mark.parametrize(
    ("function", "point"),
    [
        (network, POINT),
        (lambda x: jax.nn.relu(x @ WEIGHT), np.zeros((4, 3))),  # all units on their kink
        (lambda x: jax.nn.relu(x - 3), POINT),  # all units switched off
        (lambda x: jnp.zeros(3) * x[0], POINT),
        (lambda x: jnp.max(x, axis=0), np.ones((4, 3))),  # ties
        (lambda x: jnp.abs(x).sum(0), np.zeros((4, 3))),
        (lambda x: jax.nn.softmax(30 * x, axis=1), POINT),
        (lambda x: jnp.exp(8 * x), POINT),
        (lambda x: 1e9 + jnp.sin(x), POINT),
    ],
    ids=["relu", "kinks", "dead", "zero", "ties", "abs", "softmax", "steep", "offset"],
)
def test_an_honest_function_is_not_reported(function, point):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert JacobianOperator.of(function, point).gradient.status is GradientStatus.AGREES


def test_a_function_that_is_not_finite_beside_the_point_stays_undecided():
    def evaluate(x):
        return np.full(2, np.nan), lambda v: np.zeros(2)

    found = check_gradient(evaluate, np.ones(3), np.ones(3))
    assert found.status is GradientStatus.UNDECIDED
    assert np.isnan(found.mismatch)


class TestErrors:
    @pytest.mark.parametrize("wrap", [lambda f: f, jax.jit])
    def test_a_function_that_passes_through_float32_is_refused(self, wrap):
        inner = wrap(lambda x: x.astype(jnp.float32).astype(jnp.float64))
        with pytest.raises(InputError, match="casts float64 down to float32 on the way"):
            JacobianOperator.of(inner, POINT)
        with pytest.raises(InputError, match="`function` returned float32 for a float64 input"):
            JacobianOperator.of(lambda x: x.astype(jnp.float32), POINT)

    @pytest.mark.makes_nan
    def test_a_value_or_a_product_that_is_not_finite_is_refused(self):
        with pytest.raises(InputError, match="`function` is nan at the point"):
            JacobianOperator.of(lambda x: jnp.log(x), -np.ones(2))
        operator = JacobianOperator.of(lambda x: jnp.sqrt(x), np.array([0.0, 1.0]))
        with pytest.raises(InputError, match=r"not finite though the function is.*0/0"):
            operator.dense()

    def test_shapes_are_named_with_what_is_allowed(self):
        operator = JacobianOperator.of(network, POINT, check=False)
        for call, text in (
            (lambda: operator.matvec(np.ones(5)), "`vector` has shape (5,); allowed is (12,)"),
            (lambda: operator.rmatvec(np.ones(12)), "`vector` has shape (12,); allowed is (10,)"),
            (lambda: operator.matmat(np.ones(12)), "`matrix` has shape (12,); allowed is (12, k)"),
            (lambda: operator.unravel(np.ones(3)), "`vector` has shape (3,); allowed is (12,)"),
        ):
            with pytest.raises(InputError, match=re.escape(text)):
                call()

    def test_settings_are_named_with_what_is_allowed(self):
        with pytest.raises(InputError, match="`chunk` is 0; allowed"):
            JacobianPrograms(network, chunk=0)
        with pytest.raises(InputError, match="`num_inputs` is 3, but the point holds 12"):
            JacobianPrograms(network).at(POINT, num_inputs=3)
        with pytest.raises(InputError, match="`point` holds complex128; a derivative is taken by"):
            JacobianOperator.of(jnp.real, POINT * 1j)
