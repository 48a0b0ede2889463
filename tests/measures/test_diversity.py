"""Diversity among metamers: known numbers, properties, and agreement with the deviations."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jaccard

import jmetamer as jm
from jmetamer.measures import (
    diversity,
    edge_deviations,
    edge_diversity,
    effective_number,
    feature_diversity,
)

rng = np.random.default_rng(0)
BITS = (rng.uniform(size=(5, 7, 4)) < 0.3).astype(float)
REALS = rng.normal(size=(5, 7, 4)) * 10.0 ** np.arange(-2, 3)[:, None, None]


def graph(table, weight=None):
    given = None if weight is None else weight[table != 0]
    return jm.make_graph(np.zeros((len(table), 1)), *np.nonzero(table), given)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 10**6))
def test_groups_of_copies_count_as_so_many(groups, copies, seed):
    order = np.random.default_rng(seed).permutation(groups * copies)
    distances = 1 - np.kron(np.eye(groups), np.ones((copies, copies)))[order][:, order]
    found = diversity(distances)
    assert found.effective_number == pytest.approx(groups, rel=1e-9)
    if groups * copies > 1:
        assert found.minimum == (0 if copies > 1 else 1)
        differing = 1 - (copies - 1) / (groups * copies - 1)
        assert found.mean == pytest.approx(differing, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 7), st.integers(0, 10**6))
def test_the_effective_number_lies_between_one_and_all_whatever_the_order(count, seed):
    draws = np.random.default_rng(seed)
    rows = (draws.uniform(size=(count, 3, 4)) < 0.5).astype(float)
    found = feature_diversity(rows, "binary")
    assert 1 <= found.effective_number <= count
    assert 0 <= found.minimum <= found.mean <= 1
    again = feature_diversity(rows[draws.permutation(count)], "binary")
    assert again.effective_number == pytest.approx(found.effective_number, rel=1e-9)
    more = feature_diversity(np.concatenate([rows, rows]), "binary")
    assert more.effective_number == pytest.approx(found.effective_number, rel=1e-9), "copies"
    assert more.minimum == 0


@pytest.mark.parametrize("distance", [0.0, 0.3, 1.0])
def test_two_metamers_count_as_the_closed_form(distance):
    """Eigenvalues of the similarities of two are 1 - d / 2 and d / 2."""
    shares = np.array([1 - distance / 2, distance / 2])
    shares = shares[shares > 0]
    expected = np.exp(-(shares * np.log(shares)).sum())
    table = np.array([[0, distance], [distance, 0]])
    assert effective_number(table) == pytest.approx(expected, rel=1e-12)


def test_distances_that_are_no_kernel_still_count_between_one_and_all():
    """Two metamers far apart and both close to a third: 1 - d has an eigenvalue below 0."""
    table = np.array([[0, 0.05, 1.0], [0.05, 0, 0.05], [1.0, 0.05, 0]])
    assert np.linalg.eigvalsh(1 - table).min() < 0
    assert 1 <= effective_number(table) <= 2


@pytest.mark.parametrize("block_bytes", [1, 2**26])
def test_binary_distances_are_scipys(block_bytes):
    found = feature_diversity(BITS, "binary", block_bytes=block_bytes).distances
    flat = BITS.reshape(5, -1).astype(bool)
    expected = [[jaccard(one, other) for other in flat] for one in flat]
    assert np.allclose(found, expected, atol=1e-14)


@pytest.mark.parametrize("block_bytes", [1, 2**26])
def test_continuous_distances_are_those_of_the_formula(block_bytes):
    rows = np.concatenate([REALS, REALS[2:3], np.zeros((2, 7, 4))])
    found = feature_diversity(rows, "continuous", block_bytes=block_bytes).distances
    norm = np.linalg.norm
    for i, j in itertools.combinations(range(8), 2):
        total = norm(rows[i]) + norm(rows[j])
        expected = norm(rows[i] - rows[j]) / total if total else 0.0
        assert found[i, j] == found[j, i] == pytest.approx(expected, abs=1e-10)
    assert found[2, 5] == found[6, 7] == 0, "copies are exactly 0 apart"


def test_continuous_distances_do_not_suffer_from_a_common_offset():
    rows = REALS[3:] / 100 + 1e6
    found = feature_diversity(rows, "continuous")
    expected = np.linalg.norm(rows[0] - rows[1]) / np.linalg.norm(rows, axis=(1, 2)).sum()
    assert found.mean == pytest.approx(expected, rel=1e-7)


def test_a_metamer_that_is_not_finite_is_told_from_the_others():
    rows = REALS.copy()
    rows[0, 1, 2], rows[3, 0, 0] = np.inf, np.nan
    found = feature_diversity(rows, "continuous")
    assert np.isnan(found.distances[[0, 3]]).all()
    clean = feature_diversity(rows[[1, 2, 4]], "continuous").distances
    assert np.allclose(found.distances[np.ix_([1, 2, 4], [1, 2, 4])], clean, atol=1e-12)
    assert np.isnan(found.effective_number)


@pytest.mark.parametrize("weighted", [False, True])
def test_edge_distances_are_the_edge_deviations(weighted):
    tables = np.triu(rng.uniform(size=(4, 6, 6)) < 0.4, 1)
    tables[3] = 0
    tables = tables | tables.transpose(0, 2, 1)
    weights = rng.uniform(0.5, 2, size=(6, 6))
    weights = weights + weights.T
    graphs = [graph(t, weights * (k + 1) if weighted else None) for k, t in enumerate(tables)]
    graphs.append(graphs[0])
    kind = "edge_weights" if weighted else "simple_edges"
    found = edge_diversity(graphs)
    for i, one in enumerate(graphs):
        row = edge_deviations(one, graphs, kind, ["structure/edge_jaccard"]).values[:, 0]
        assert np.allclose(found.distances[i], row, atol=1e-6)
    assert found.minimum == found.distances[0, 4] == 0


def test_few_or_empty_metamers_are_no_error():
    one = feature_diversity(BITS[:1], "binary")
    assert one.effective_number == 1
    assert np.isnan([one.mean, one.minimum]).all()
    assert np.isnan(feature_diversity(BITS[:0], "binary").effective_number)
    assert np.isnan(edge_diversity([]).effective_number)
    empty = graph(np.zeros((3, 3)))
    assert edge_diversity([empty, empty]).effective_number == pytest.approx(1, rel=1e-9)
    nothing = feature_diversity(np.zeros((3, 0, 2)), "continuous")
    assert nothing.effective_number == pytest.approx(1, rel=1e-9)


def test_misuse_is_refused_by_name():
    with pytest.raises(jm.InputError, match=r"`feature_kind` is 'binary'; pass 'continuous'"):
        feature_diversity(REALS, "binary")
    with pytest.raises(jm.InputError, match=r"unknown feature kind 'bits'"):
        feature_diversity(BITS, "bits")
    with pytest.raises(jm.InputError, match=r"shape \(7, 4\); an array \[metamers, n, d\]"):
        feature_diversity(BITS[0], "binary")
    with pytest.raises(jm.InputError, match=r"`metamers` have \[3, 4\] nodes"):
        edge_diversity([graph(np.zeros((3, 3))), graph(np.zeros((4, 4)))])
    with pytest.raises(jm.InputError, match=r"lie in \[0, 2\].*Divide by the largest"):
        diversity(2 - 2 * np.eye(3))
    with pytest.raises(jm.InputError, match=r"must be symmetric, with 0"):
        diversity(np.eye(3))
    with pytest.raises(jm.InputError, match=r"shape \(3, 2\); \[metamers, metamers\]"):
        diversity(np.zeros((3, 2)))
