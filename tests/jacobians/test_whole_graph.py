"""Matrix-free spectra of all nodes, against dense ones on the karate club."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.geometry import spectrum_of
from jmetamer.geometry.channel import channel_information, effective_dimension
from jmetamer.geometry.nonlinearity import LOG_DERIVATIVES
from jmetamer.geometry.of_problem.reference_point import ReferencePoint
from jmetamer.geometry.of_problem.representation import jacobian_operator
from jmetamer.geometry.of_problem.whole_graph import leading_spectrum, whole_graph_volume
from jmetamer.geometry.stochastic_trace import EstimateStatus


@pytest.fixture(scope="module", params=["gcn-relu", "gat-elu"])
def problem(request, make_trained):
    data = jm.load_dataset("karate")
    model = {
        "gcn-relu": jm.GCN(hidden=4, num_outputs=4),
        "gat-elu": jm.GAT(hidden=4, heads=2, num_outputs=4, activation="elu"),
    }[request.param]
    return jm.Problem(make_trained(model, data.graph), data.graph, layer="conv1")


@pytest.fixture(scope="module")
def dense(problem):
    jacobian = jacobian_operator(problem, "all", "all").dense()
    return jacobian, np.linalg.svd(jacobian, compute_uv=False)


def test_leading_values_are_those_of_the_dense_jacobian(problem, dense):
    _, values = dense
    found = leading_spectrum(problem, 12, tolerance=1e-9)
    assert found.converged
    np.testing.assert_allclose(found.singular_values, values[:12], rtol=1e-9)


def test_the_channel_is_that_of_the_dense_jacobian_within_its_error(problem, dense):
    jacobian, values = dense
    scales = {"input_std": 2.0, "noise_std": 0.5}
    found = whole_graph_volume(problem, **scales)
    for estimate, exact in (
        (found.channel.information, channel_information(values, **scales)),
        (found.channel.effective_dimension, effective_dimension(values, **scales)),
    ):
        assert estimate.converged
        assert abs(estimate.value - exact) < 4 * estimate.standard_error + 1e-6 * exact
    alive = np.any(jacobian != 0, axis=1)
    assert found.num_active == alive.sum()
    assert found.num_outputs == len(jacobian) == 34 * 4


def test_the_log_volume_is_exact_or_said_to_be_singular(problem, dense):
    jacobian, _ = dense
    alive = jacobian[np.any(jacobian != 0, axis=1)]
    exact = spectrum_of(alive)
    found = whole_graph_volume(problem, input_std=1.0, noise_std=1.0).log_volume
    if exact.rank[0] < len(alive):  # members of the club with the same friends
        assert found.value == -np.inf or not found.converged
    else:
        allowed = 4 * found.standard_error + found.quadrature_error
        assert abs(found.value - exact.log_volume[0]) < allowed


def test_target_nodes_and_the_preactivation_are_respected(problem):
    some = jm.Problem(problem.trained, problem.graph, layer="conv1", nodes=[0, 5, 33])
    jacobian = jacobian_operator(some, [0, 5, 33], "all", before=True).dense()
    values = np.linalg.svd(jacobian, compute_uv=False)
    found = leading_spectrum(some, 5, before=True)
    np.testing.assert_allclose(found.singular_values, values[:5], rtol=1e-6)
    assert whole_graph_volume(some, input_std=1, noise_std=1, before=True).num_active == 12


def test_more_values_than_exist_are_refused(problem):
    with pytest.raises(jm.InputError, match="`count` is 200 but a 136 x 136 Jacobian has 136"):
        leading_spectrum(problem, 200)


@pytest.mark.parametrize("activation", ["elu", "tanh"])
def test_saturated_units_are_not_singular(make_trained, activation):
    """Their derivatives of e^-80 are scales of rows, and the log-volume holds their logarithms."""
    n = 4  # the smoothing of a path of five has an eigenvalue of 0
    senders, receivers = np.arange(n - 1), np.arange(1, n)
    rng = np.random.default_rng(0)
    graph = jm.make_graph(
        rng.normal(size=(n, 6)), np.r_[senders, receivers], np.r_[receivers, senders]
    )
    model = jm.GCN(hidden=3, num_outputs=2, activation=activation)
    trained = make_trained(model, graph)
    params = jax.tree.map(lambda leaf: 150 * leaf, trained.params)
    problem = jm.Problem(trained._replace(params=params), graph, layer="conv1")
    jacobian = jacobian_operator(problem, "all", "all", before=True).dense()
    z = ReferencePoint(problem).activations["conv1.pre"]
    logs = LOG_DERIVATIVES[activation](z)
    assert logs.min() < -45
    exact = spectrum_of(jacobian).log_volume[0] + logs.sum()
    found = whole_graph_volume(problem, input_std=1.0, noise_std=1.0).log_volume
    assert found.status != EstimateStatus.SINGULAR
    allowed = 4 * found.standard_error + found.quadrature_error + 1e-6 * abs(exact)
    assert abs(found.value - exact) < allowed
