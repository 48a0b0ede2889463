import networkx as nx
import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.geometry.spectrum import spectrum_of, stack_spectra
from jmetamer.geometry.tolerance import TOLERANCES, tolerance_dimensions


def test_every_target_and_tolerance_gets_the_count_of_slow_directions():
    spectra = stack_spectra([spectrum_of(np.diag([1.0, 5e-3, 1e-5])), spectrum_of(np.ones((1, 3)))])
    table = tolerance_dimensions(spectra, input_norm=[1.0, 1.0], output_norm=[1.0, 1e4])
    assert TOLERANCES == (1e-2, 1e-3, 1e-6)
    assert table.tolist() == [[2, 1, 0], [3, 3, 2]]
    assert table.dtype == np.int64


def test_smoothing_makes_the_tolerance_dimension_grow_while_the_exact_rank_stays():
    # Singular values of S^K are the powers of those of S.
    graph = nx.gnp_random_graph(100, 0.08, seed=0)
    adjacency = nx.to_numpy_array(graph) + np.eye(100)
    root = np.sqrt(adjacency.sum(axis=0))
    propagation = adjacency / root / root[:, None]
    size = np.sort(np.abs(np.linalg.eigvalsh(propagation)))[::-1]
    found = []
    for depth in (1, 2, 4, 8, 16, 32):
        power = np.linalg.matrix_power(propagation, depth)
        spectrum = spectrum_of(power)
        assert np.abs(spectrum.singular_values[0] - size**depth).max() <= 1e-13
        found.append(tolerance_dimensions(spectrum, input_norm=1.0, output_norm=1.0)[0].tolist())
    assert np.linalg.matrix_rank(propagation) == 100
    counts = np.array(found)
    assert (np.diff(counts, axis=0) >= 0).all()
    assert (np.diff(counts, axis=1) <= 0).all()
    assert counts[0].tolist() == [100 - np.sum(size > eps) for eps in TOLERANCES]
    assert counts[-1, 1] >= 90


def test_a_zero_jacobian_moves_nothing_at_any_tolerance():
    table = tolerance_dimensions(spectrum_of(np.zeros((2, 5))), input_norm=1.0, output_norm=0.0)
    assert table.tolist() == [[5, 5, 5]]


def test_misuse_is_refused_by_name():
    spectrum = spectrum_of(np.eye(2))
    with pytest.raises(InputError, match=r"`input_norm` has shape \(3,\).*the 1 targets"):
        tolerance_dimensions(spectrum, input_norm=np.ones(3), output_norm=1.0)
    with pytest.raises(InputError, match="`output_norm` is -1"):
        tolerance_dimensions(spectrum, input_norm=1.0, output_norm=-1.0)
