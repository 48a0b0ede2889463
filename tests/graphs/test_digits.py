"""digits: the known counts; the graph is scikit-learn's nearest-neighbor graph, symmetric."""

import numpy as np
import pytest
from sklearn import datasets, neighbors

from jmetamer._base.errors import InputError
from jmetamer.graphs.built_in import load_digits


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_the_known_counts(digits):
    assert digits.graph.nodes.shape == (1797, 64)
    assert (digits.graph.nodes.min(), digits.graph.nodes.max()) == (0.0, 1.0)
    assert (digits.feature_shape, digits.feature_range) == ((8, 8), (0.0, 1.0))
    assert (digits.feature_kind, digits.num_classes) == ("continuous", 10)
    masks = (digits.train_mask, digits.val_mask, digits.test_mask)
    assert [mask.sum() for mask in masks] == [200, 500, 1000]
    assert (np.bincount(digits.labels[digits.train_mask]) == 20).all()
    np.testing.assert_array_equal(digits.labels, datasets.load_digits().target)


def test_the_graph_is_the_union_of_both_directions_of_the_nearest_neighbor_graph(digits):
    pixels = datasets.load_digits().data
    search = neighbors.NearestNeighbors(n_neighbors=10, algorithm="brute").fit(pixels)
    # Neighbors at the same distance as the tenth may be exchanged; without such ties it is equal.
    distances = search.kneighbors(n_neighbors=11, return_distance=True)[0]
    assert (distances[:, 9] < distances[:, 10]).mean() > 0.9
    tied = distances[:, 9] == distances[:, 10]
    oracle = search.kneighbors_graph().astype(bool)
    oracle = (oracle + oracle.T).toarray()
    ours = np.zeros((1797, 1797), bool)
    ours[digits.graph.receivers, digits.graph.senders] = True
    both_untied = ~tied[:, None] & ~tied[None, :]
    np.testing.assert_array_equal(ours[both_untied], oracle[both_untied])
    assert not ours.diagonal().any()
    assert ours.sum(axis=1).min() >= 10


def test_the_seed_draws_the_split_and_leaves_the_graph():
    first, again, other = load_digits(seed=1), load_digits(seed=1), load_digits(seed=2)
    assert first.provenance == again.provenance
    assert (first.train_mask != other.train_mask).any()
    np.testing.assert_array_equal(first.graph.senders, other.graph.senders)


def test_fewer_neighbors_give_fewer_edges(digits):
    few = load_digits(neighbors=1).graph.senders.size
    assert 1797 <= few < digits.graph.senders.size


@pytest.mark.parametrize("given", [-3, 0, 1797])
def test_neighbors_out_of_range_are_refused(given):
    with pytest.raises(InputError, match=f"`neighbors` is {given}; allowed: .*1 "):
        load_digits(neighbors=given)
