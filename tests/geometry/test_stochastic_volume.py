import jax
import networkx as nx
import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.geometry.nonlinearity import LOG_DERIVATIVES
from jmetamer.geometry.spectrum import singular_values, spectrum_of
from jmetamer.geometry.stochastic_trace import EstimateStatus, QuadratureSettings
from jmetamer.geometry.stochastic_volume import (
    activated_operator,
    stochastic_log_volume,
    stochastic_volume_change,
    stochastic_volume_split,
)
from jmetamer.geometry.volume import after_activation, volume_change

KEY = jax.random.key(0)
RELU = LOG_DERIVATIVES["relu"]


def gram(jacobian):
    return lambda v: jacobian @ (jacobian.T @ v)


def full_rank(q, p, seed=0):
    return np.random.default_rng(seed).normal(size=(q, p)) / np.sqrt(p)


def graph_layer(num_nodes=30, width=6, num_features=9, seed=0):
    """z = S X W with a propagation of small condition, so that the estimate converges."""
    graph = nx.gnp_random_graph(num_nodes, 0.2, seed=seed)
    adjacency = nx.to_numpy_array(graph) + 3 * np.eye(num_nodes)
    root = np.sqrt(adjacency.sum(axis=0))
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(num_features, width))
    z = adjacency / root / root[:, None] @ rng.normal(size=(num_nodes, num_features)) @ weight
    return np.kron(adjacency / root / root[:, None], weight.T), z


def within(estimate, exact, errors=4):
    return abs(estimate.value - exact) <= errors * estimate.standard_error


def test_the_log_volume_of_a_graph_layer_agrees_with_the_dense_one():
    jacobian, _ = graph_layer()
    found = stochastic_log_volume(gram(jacobian), len(jacobian), key=KEY)
    assert found.converged
    assert found.standard_error > 0
    assert within(found, spectrum_of(jacobian).log_volume[0])


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu"])
def test_dropping_inactive_rows_leaves_the_operator_after_the_activation(name):
    jacobian, z = graph_layer(num_nodes=8)
    logs = LOG_DERIVATIVES[name](z)
    reduced = activated_operator(gram(jacobian), logs)
    dense = reduced.operator(np.eye(reduced.size))
    after = after_activation(jacobian, logs)
    kept = after[logs.reshape(-1) > -np.inf]
    assert np.abs(dense - kept @ kept.T).max() <= 1e-13
    assert reduced.size + reduced.num_inactive == z.size
    assert (reduced.num_inactive > 0) == (name == "relu")
    rank = spectrum_of(after).rank[0]
    assert spectrum_of(kept).log_volume[0] == pytest.approx(spectrum_of(after).log_volume[0])
    assert spectrum_of(kept).rank[0] == rank


def test_without_dropping_inactive_rows_the_estimate_is_refused():
    jacobian, z = graph_layer()
    after = after_activation(jacobian, RELU(z))
    refused = stochastic_log_volume(gram(after), len(after), key=KEY)
    assert refused.status is EstimateStatus.SINGULAR
    reduced = activated_operator(gram(jacobian), RELU(z))
    found = stochastic_log_volume(reduced.operator, reduced.size, key=KEY)
    assert found.converged
    assert within(found, spectrum_of(after).log_volume[0])


def test_relu_splits_the_estimated_volume_into_kept_and_lost():
    jacobian, z = graph_layer()
    jacobian *= 10  # a kept volume far from zero
    z = z.reshape(30, 6)
    z[:, 2] = -1  # a dead unit
    exact = volume_change(jacobian, spectrum_of(jacobian), z, RELU)
    split = stochastic_volume_split(gram(jacobian), RELU(z), key=KEY)
    assert split.kept.converged
    assert split.lost.converged
    assert within(split.lost, exact.log_volume_lost[0])
    whole = spectrum_of(jacobian).log_volume[0]
    assert within(split.kept, whole - exact.log_volume_lost[0])
    assert (split.rank_loss, split.num_active, split.num_dead) == (
        exact.rank_loss[0],
        exact.num_active[0],
        exact.num_dead[0],
    )
    assert split.num_dead == 1


def test_relu_split_of_all_active_and_all_inactive_units():
    jacobian = full_rank(40, 90)
    whole = spectrum_of(jacobian).log_volume[0]
    active = stochastic_volume_split(gram(jacobian), np.zeros((8, 5)), key=KEY)
    assert active.lost[:3] == (0, 0, 0)
    assert (active.rank_loss, active.num_dead) == (0, 0)
    assert within(active.kept, whole)
    dead = stochastic_volume_split(gram(jacobian), np.full((8, 5), -np.inf), key=KEY)
    assert dead.kept.value == 0
    assert within(dead.lost, whole)
    assert (dead.rank_loss, dead.num_active, dead.num_dead) == (40, 0, 5)


def test_relu_split_of_a_deficient_jacobian_says_that_the_loss_is_unknown():
    jacobian = full_rank(60, 10)
    logs = np.where(np.arange(60) < 54, 0.0, -np.inf)
    split = stochastic_volume_split(gram(jacobian), logs, key=KEY)
    assert split.rank_loss == -1
    assert split.lost.status is EstimateStatus.SINGULAR
    assert not np.isnan(split.lost.value)
    assert spectrum_of(jacobian[:54]).rank[0] == 10  # no rank is lost, inactive units or not


@pytest.mark.parametrize("name", ["tanh", "elu", "leaky_relu"])
def test_the_change_needs_few_steps_however_ill_conditioned_the_jacobian(name):
    # Range of S (x) W^T from the factors alone; the condition of J_z plays no part.
    rng = np.random.default_rng(1)
    propagation = full_rank(20, 12, 1) @ np.diag(np.geomspace(1e-6, 1, 12)) @ full_rank(12, 20, 2)
    weight = full_rank(5, 3, 3) @ full_rank(3, 8, 4)
    jacobian = np.kron(propagation, weight)
    z = rng.normal(size=100)
    left = [np.linalg.svd(part)[0] for part in (propagation, weight)]
    projectors = [u[:, :r] @ u[:, :r].T for u, r in zip(left, (12, 3), strict=True)]
    found = stochastic_volume_change(
        lambda v: np.einsum(
            "ij,cd,jdb->icb", *projectors, v.reshape(20, 5, -1), optimize=True
        ).reshape(100, -1),
        36,
        LOG_DERIVATIVES[name](z),
        key=KEY,
        settings=QuadratureSettings(steps=8),
    )
    spectrum = spectrum_of(jacobian)
    assert spectrum.rank[0] == 36
    assert spectrum.singular_values[0, 0] / spectrum.singular_values[0, 35] > 1e4
    exact = volume_change(jacobian, spectrum, z, LOG_DERIVATIVES[name])
    assert found.converged
    assert found.steps <= 16
    assert found.standard_error > 0
    assert within(found, exact.delta[0])


def test_the_common_factor_of_the_derivatives_costs_no_accuracy():
    basis = np.linalg.qr(full_rank(80, 20))[0]
    found = stochastic_volume_change(
        lambda v: basis @ (basis.T @ v), 20, np.full(80, -300.0), key=KEY
    )
    assert found.value == pytest.approx(-6000, abs=1e-8)
    assert found.standard_error <= 1e-8


def test_at_full_rank_the_change_is_the_sum_of_log_derivatives():
    logs = LOG_DERIVATIVES["elu"](np.random.default_rng(0).normal(size=50))
    found = stochastic_volume_change(lambda v: v, 50, logs, key=KEY)
    assert found[:3] == (np.sum(logs), 0, 0)
    assert found.converged


def test_inactive_units_change_the_volume_only_if_they_cost_no_rank():
    basis = np.linalg.qr(full_rank(60, 10))[0]
    project = lambda v: basis @ (basis.T @ v)  # noqa: E731
    kept = np.where(np.arange(60) < 50, 0.0, -np.inf)
    found = stochastic_volume_change(project, 10, kept, key=KEY)
    exact = np.sum(np.log(singular_values(basis[:50])))
    assert found.converged
    assert within(found, exact)
    lost = np.where(np.arange(60) < 5, 0.0, -np.inf)
    found = stochastic_volume_change(project, 10, lost, key=KEY)
    assert (found.value, found.status) == (-np.inf, EstimateStatus.SINGULAR)
    found = stochastic_volume_change(project, 10, np.full(60, -np.inf), key=KEY)
    assert (found.value, found.status) == (-np.inf, EstimateStatus.SINGULAR)


def test_nothing_has_no_volume_to_change():
    assert stochastic_volume_change(lambda v: 0 * v, 0, np.zeros(5), key=KEY).value == 0
    assert stochastic_volume_change(lambda v: v, 0, [], key=KEY).value == 0
    assert stochastic_log_volume(lambda v: v, 0, key=KEY).value == 0
    split = stochastic_volume_split(lambda v: v, np.zeros((0, 4)), key=KEY)
    assert (split.kept.value, split.lost.value, split.rank_loss) == (0, 0, 0)


def test_misuse_is_refused_by_name():
    with pytest.raises(InputError, match="`rank` is 6 but there are 5 outputs"):
        stochastic_volume_change(lambda v: v, 6, np.zeros(5), key=KEY)
    with pytest.raises(InputError, match=r"`log_derivatives` holds -1;.*stochastic_volume_change"):
        stochastic_volume_split(lambda v: v, [0.0, -1.0], key=KEY)
    with pytest.raises(InputError, match="`log_derivatives` holds NaN or inf"):
        activated_operator(lambda v: v, [0.0, np.nan])
