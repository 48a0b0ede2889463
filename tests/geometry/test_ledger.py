import itertools

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.geometry.jacobian import linearizer
from jmetamer.geometry.ledger import entry_split, rank_ledger, volume_ledger
from jmetamer.geometry.nonlinearity import LOG_DERIVATIVES
from jmetamer.geometry.spectrum import spectrum_of, stack_spectra
from jmetamer.geometry.volume import volume_change


def normalized(graph):
    adjacency = nx.to_numpy_array(graph) + np.eye(len(graph))
    root = np.sqrt(adjacency.sum(axis=0))
    return adjacency / root / root[:, None]


def weights_of(widths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=pair) / np.sqrt(pair[0]) for pair in itertools.pairwise(widths)]


def chain(propagation, weights, sigma, x, rows=slice(None)):
    """Return the values z1, h1, z2, ... and their Jacobians by all features."""

    def steps(x):
        h, found = x, []
        for weight in weights:
            z = propagation @ h @ weight
            h = sigma(z)
            found += [z[rows].reshape(-1), h[rows].reshape(-1)]
        return jnp.concatenate(found)

    whole = linearizer(steps)(x)
    size = propagation[rows].size // len(propagation)
    ends = np.cumsum([size * weight.shape[1] for weight in weights for _ in range(2)])[:-1]
    return np.split(whole.value, ends), np.split(whole.jacobian, ends)


def gcn(sigma, widths=(10, 16, 8), num_nodes=20, seed=0):
    graph = nx.gnp_random_graph(num_nodes, 0.25, seed=seed)
    x = np.random.default_rng(seed).normal(size=(num_nodes, widths[0]))
    return normalized(graph), weights_of(widths, seed), x, sigma


@pytest.mark.parametrize("sigma", [jax.nn.relu, jax.nn.elu])
def test_entries_are_no_negative_numbers_and_sum_to_the_dimension(sigma):
    propagation, weights, x, sigma = gcn(sigma, widths=(10, 6, 8, 4))
    _, jacobians = chain(propagation, weights, sigma, x)
    ledger = rank_ledger(jacobians)
    assert ledger.linear.shape == ledger.activation.shape == (3, 1)
    assert (ledger.linear >= 0).all()
    assert (ledger.activation >= 0).all()
    assert ledger.linear.sum() + ledger.activation.sum() == ledger.dimension[0]
    assert ledger.dimension[0] == 200 - np.linalg.matrix_rank(jacobians[-1])
    assert (ledger.activation.sum() == 0) == (sigma is jax.nn.elu)


def test_the_activation_of_a_relu_network_hides_what_its_inactive_units_saw():
    propagation, weights, x, _ = gcn(jax.nn.relu)
    values, jacobians = chain(propagation, weights, jax.nn.relu, x)
    ledger = rank_ledger(jacobians)
    active = int(np.sum(values[-1] > 0))
    rank_before = np.linalg.matrix_rank(jacobians[2])
    assert np.linalg.matrix_rank(jacobians[3]) <= active
    assert ledger.activation[1, 0] == rank_before - np.linalg.matrix_rank(jacobians[3])


def test_the_first_entry_of_a_gcn_is_what_weights_and_propagation_hide():
    graph = nx.gnp_random_graph(12, 0.3, seed=5)
    graph.add_edges_from([(12, 0), *((12, node) for node in graph.neighbors(0))])  # true twins
    propagation = normalized(graph)
    rank = np.linalg.matrix_rank(propagation)
    assert rank < 13
    weights = weights_of((10, 4, 3))
    x = np.random.default_rng(1).normal(size=(13, 10))
    _, jacobians = chain(propagation, weights, jnp.tanh, x)
    ledger = rank_ledger(jacobians)
    split = entry_split(ledger, num_nodes=13, num_features=10, rank_propagation=rank, rank_weight=4)
    assert split.entry[0] == 13 * 6
    assert split.aggregation[0] == (13 - rank) * 4 > 0
    assert split.entry[0] + split.aggregation[0] == ledger.linear[0, 0]
    assert ledger.linear_certified[0, 0]


def test_ledgers_of_node_targets_stack():
    propagation, weights, x, _ = gcn(jax.nn.relu)
    parts = [chain(propagation, weights, jax.nn.relu, x, rows=node)[1] for node in (0, 3)]
    spectra = [
        stack_spectra([spectrum_of(part[k]) for part in parts]) for k in range(len(parts[0]))
    ]
    both = rank_ledger(spectra)
    volumes = volume_ledger(spectra)
    for place, part in enumerate(parts):
        alone = rank_ledger(part)
        assert both.linear[:, place].tolist() == alone.linear[:, 0].tolist()
        assert both.activation[:, place].tolist() == alone.activation[:, 0].tolist()
        assert both.dimension[place] == alone.dimension[0]
        assert volumes.log_volume[place] == pytest.approx(volume_ledger(part).log_volume[0])


def test_an_ambiguous_rank_takes_the_certificate_from_its_entries_alone():
    slope = np.diag(np.geomspace(1, 1e-18, 12))
    first = np.eye(12)
    ledger = rank_ledger([first, slope, slope[:3], slope[:3]])
    assert ledger.linear_certified.ravel().tolist() == [True, False]
    assert ledger.activation_certified.ravel().tolist() == [False, True]
    assert ledger.dimension[0] == ledger.dimension_low[0] == ledger.dimension_high[0] == 9
    open_end = rank_ledger([first, slope])
    assert open_end.dimension_low[0] < open_end.dimension[0] < open_end.dimension_high[0]


def test_ranks_along_the_chain_narrow_each_other():
    slope = np.diag(np.geomspace(1, 1e-18, 12))
    # At least as many as the later, certain rank of 12; at most 12.
    assert spectrum_of(slope).rank[0] < 12
    ledger = rank_ledger([slope, np.eye(12)])
    assert (ledger.linear.tolist(), ledger.activation.tolist()) == ([[0]], [[0]])
    assert ledger.linear_certified.all()
    assert ledger.activation_certified.all()
    assert ledger.dimension[0] == 0
    # At most as many as the earlier, certain rank of 7; alone the slope could reach 12.
    gentle = spectrum_of(np.diag(100.0 ** -np.arange(12)))
    assert (gentle.rank_low[0], gentle.rank_high[0]) == (6, 12)
    ledger = rank_ledger([np.diag([1.0] * 7 + [0.0] * 5), gentle])
    assert (ledger.dimension_low[0], ledger.dimension_high[0]) == (5, 6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_entries_are_no_negative_numbers_whatever_round_off_does(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 8))
    jacobians, product = [], np.eye(size)
    for _ in range(int(rng.integers(1, 5))):
        factor = rng.normal(size=(size, size)) * 10.0 ** rng.uniform(-8, 0, size=(size, 1))
        product = (factor * (rng.random((size, 1)) < 0.8)) @ product
        jacobians.append(product)
    ledger = rank_ledger(jacobians)
    assert (ledger.linear >= 0).all()
    assert (ledger.activation >= 0).all()
    assert ledger.linear.sum() + ledger.activation.sum() == ledger.dimension[0]
    assert ledger.dimension_low[0] <= ledger.dimension[0] <= ledger.dimension_high[0]


def test_log_volumes_telescope_through_cumulative_jacobians():
    propagation, weights, x, _ = gcn(jnp.tanh, widths=(6, 6, 5), num_nodes=9)
    values, jacobians = chain(propagation, weights, jnp.tanh, x)
    ledger = volume_ledger(jacobians)
    last = spectrum_of(jacobians[-1]).log_volume[0]
    assert ledger.linear.sum() + ledger.activation.sum() == pytest.approx(last, abs=1e-12)
    assert ledger.log_volume[0] == last
    assert ledger.comparable.all()
    for layer in (0, 1):
        spectrum = spectrum_of(jacobians[2 * layer])
        change = volume_change(
            jacobians[2 * layer], spectrum, values[2 * layer], LOG_DERIVATIVES["tanh"]
        )
        assert ledger.activation[layer, 0] == pytest.approx(change.delta[0], abs=1e-6)


def test_log_volumes_of_the_layers_own_jacobians_do_not_add_up():
    first, second = weights_of((5, 4, 3), seed=2)
    own = spectrum_of(first.T).log_volume[0] + spectrum_of(second.T).log_volume[0]
    whole = volume_ledger([first.T, first.T, second.T @ first.T]).log_volume[0]
    assert abs(own - whole) > 1e-3


def test_a_lost_rank_marks_its_volume_as_no_change():
    jacobian = np.diag([2.0, 3.0])
    ledger = volume_ledger([jacobian, np.diag([1.0, 0.0]) @ jacobian])
    assert ledger.activation_rank_loss.tolist() == [[1]]
    assert not ledger.comparable.any()
    # It depends on the unit of the input, as a change of volume does not.
    scaled = volume_ledger([10 * jacobian, np.diag([10.0, 0.0]) @ jacobian])
    shift = scaled.activation[0, 0] - ledger.activation[0, 0]
    assert shift == pytest.approx(-np.log(10), abs=1e-12)


def test_a_last_layer_without_activation_has_none():
    jacobian = np.diag([2.0, 3.0, 0.0])
    ledger = rank_ledger([jacobian])
    assert (ledger.linear.tolist(), ledger.activation.tolist()) == ([[1]], [[0]])
    assert volume_ledger([jacobian]).activation.tolist() == [[0]]


def test_degenerate_networks_have_ledgers():
    nothing = rank_ledger([], num_inputs=7)
    assert (nothing.linear.shape, nothing.dimension.tolist()) == ((0, 1), [0])
    assert volume_ledger([], num_inputs=7).log_volume.tolist() == [0]
    zero = rank_ledger([np.zeros((3, 4)), np.zeros((3, 4))])
    assert (zero.linear.tolist(), zero.dimension.tolist()) == ([[4]], [4])
    assert zero.linear_certified.all()
    assert volume_ledger([np.zeros((3, 4))]).log_volume.tolist() == [0]
    empty = rank_ledger([np.zeros((0, 4)), np.zeros((0, 4))])
    assert empty.dimension.tolist() == [4]
    assert rank_ledger([np.zeros((3, 0))]).dimension.tolist() == [0]


def test_misuse_is_refused_by_name():
    with pytest.raises(InputError, match="`cumulative` is empty"):
        rank_ledger([])
    with pytest.raises(InputError, match=r"`cumulative\[1\]` has \[3\] inputs.*\[2\]"):
        rank_ledger([np.eye(2), np.eye(3)])
    with pytest.raises(InputError, match="`num_inputs` is 5"):
        rank_ledger([np.eye(2)], num_inputs=5)
    with pytest.raises(InputError, match=r"after step 1.*at most 1.*at least 2.*skip connection"):
        rank_ledger([np.diag([1.0, 0.0]), np.eye(2)])
    with pytest.raises(InputError, match=r"first linear entry is 0.*give 2"):
        entry_split(
            rank_ledger([np.eye(4)]), num_nodes=2, num_features=2, rank_propagation=1, rank_weight=2
        )
