import jax
import networkx as nx
import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.geometry.lanczos import leading_singular_values

KEY = jax.random.key(0)


def leading(matrix, count, **settings):
    return leading_singular_values(
        lambda v: matrix @ v, lambda u: matrix.T @ u, *matrix.shape, count, key=KEY, **settings
    )


def with_values(rows, columns, values, seed=0):
    rng = np.random.default_rng(seed)
    k = len(values)
    left = np.linalg.qr(rng.normal(size=(rows, k)))[0]
    right = np.linalg.qr(rng.normal(size=(columns, k)))[0]
    return (left * values) @ right.T


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (250, 250)])
def test_leading_values_equal_the_dense_ones_within_their_errors(shape):
    matrix = np.random.default_rng(1).normal(size=shape)
    exact = np.linalg.svd(matrix, compute_uv=False)
    found = leading(matrix, 10)
    assert found.converged
    assert (np.abs(found.singular_values - exact[:10]) <= found.error).all()
    assert np.abs(found.singular_values - exact[:10]).max() <= 1e-12 * exact[0]


def test_values_before_convergence_lie_below_the_true_ones_within_their_errors():
    matrix = np.random.default_rng(1).normal(size=(300, 200))
    exact = np.linalg.svd(matrix, compute_uv=False)
    found = leading(matrix, 10, max_steps=4)
    assert not found.converged
    assert found.error.max() > 1e-3
    assert (found.singular_values <= exact[:10] + 1e-12).all()
    nearest = np.abs(exact[:, None] - found.singular_values).min(axis=0)
    assert (nearest <= found.error).all()


def test_a_restart_keeps_what_was_found():
    matrix = with_values(400, 300, np.linspace(1, 0, 300))
    settings = {"max_steps": 400}
    short = leading(matrix, 4, max_basis=36, **settings)
    long = leading(matrix, 4, max_basis=300, **settings)
    assert short.converged
    assert long.converged
    assert short.steps > 36 // 12
    assert np.abs(short.singular_values - long.singular_values).max() <= 1e-10


@pytest.mark.parametrize("multiplicity", [2, 5, 40])
def test_multiple_values_are_found_with_their_multiplicity(multiplicity):
    values = np.concatenate([[9.0], np.full(multiplicity, 5.0), np.linspace(2, 0.1, 30)])
    found = leading(with_values(120, 90, values), 7)
    assert found.converged
    assert np.abs(found.singular_values - np.sort(values)[::-1][:7]).max() <= 1e-10


def test_a_graph_layer_has_the_products_of_both_spectra():
    # The eigenvalues of a cycle come in pairs, so every singular value is at least double.
    adjacency = nx.to_numpy_array(nx.cycle_graph(60)) + np.eye(60)
    propagation = adjacency / 3
    weight = np.random.default_rng(3).normal(size=(7, 4))
    factors = [np.linalg.svd(part, compute_uv=False) for part in (propagation, weight)]
    exact = np.sort(np.outer(*factors).ravel())[::-1]
    found = leading_singular_values(
        lambda v: np.einsum("ij,jdb,dc->icb", propagation, v.reshape(60, 7, -1), weight).reshape(
            240, -1
        ),
        lambda u: np.einsum("ij,icb,dc->jdb", propagation, u.reshape(60, 4, -1), weight).reshape(
            420, -1
        ),
        240,
        420,
        12,
        key=KEY,
        max_steps=400,
    )
    assert found.converged
    assert np.abs(found.singular_values - exact[:12]).max() <= 1e-8


def test_small_leading_values_are_not_squared_away():
    values = np.array([1.0, 1e-4, 1e-9, 1e-12])
    found = leading(with_values(80, 50, values), 4)
    assert found.converged
    assert np.abs(found.singular_values / values - 1).max() <= 1e-2
    assert found.singular_values[:3] == pytest.approx(values[:3], rel=1e-5)


def test_values_beyond_the_rank_are_zero():
    found = leading(with_values(40, 30, np.array([3.0, 2.0])), 5)
    assert found.converged
    assert np.abs(found.singular_values - [3, 2, 0, 0, 0]).max() <= 1e-12


def test_all_values_of_a_small_jacobian_are_found():
    for shape in ((1, 1), (1, 6), (6, 1), (5, 3)):
        matrix = np.random.default_rng(4).normal(size=shape)
        found = leading(matrix, min(shape))
        assert found.converged
        exact = np.linalg.svd(matrix, compute_uv=False)
        assert np.abs(found.singular_values - exact).max() <= 1e-13


def test_a_zero_jacobian_has_zeros_and_no_error():
    found = leading(np.zeros((6, 4)), 3)
    assert found.converged
    assert found.singular_values.tolist() == found.error.tolist() == [0, 0, 0]


def test_an_empty_jacobian_has_no_values():
    for shape in ((0, 4), (4, 0)):
        found = leading(np.zeros(shape), 0)
        assert (found.singular_values.shape, found.converged) == ((0,), True)


def test_misuse_is_refused_by_name():
    with pytest.raises(InputError, match="`count` is 4 but a 3 x 5 Jacobian has 3"):
        leading(np.ones((3, 5)), 4)
    with pytest.raises(InputError, match=r"`max_basis` is 5, too small.*at least 20"):
        leading(np.ones((30, 50)), 2, max_basis=5)
    with pytest.raises(InputError, match="returned float32"):
        leading_singular_values(lambda v: v, lambda v: np.float32(v), 9, 9, 2, key=KEY)
