"""The degree-corrected block model: exact sizes, its rates, its memory, nodes past 65,536."""

import re
import tracemalloc

import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.graphs.block_model import class_posterior, power_law_weights, sample_weighted_edges
from jmetamer.graphs.dataset import content_digest
from jmetamer.graphs.drawn import ARXIV_SIZE, load_dcsbm
from jmetamer.graphs.edge_lists import is_symmetric, symmetrize
from jmetamer.graphs.ego import ego_graph
from jmetamer.graphs.graph import validate_graph
from jmetamer.graphs.load import load_dataset
from jmetamer.graphs.pairs import Flips, Pairs, flipped, flips_between

LARGE = 100_000


@pytest.fixture(scope="module")
def large():
    """More nodes than 16 bits count, so that pair numbers do not fit in 32."""
    return load_dcsbm(num_nodes=LARGE, num_edges=60_000, num_features=1).graph


@pytest.mark.parametrize(("nodes", "edges", "classes"), [(20, 23, 3), (20, 1, 10), (300, 5000, 1)])
def test_sizes_are_exact_and_no_edge_is_there_twice(nodes, edges, classes):
    for seed in range(5):
        dataset = load_dcsbm(seed=seed, num_nodes=nodes, num_edges=edges, num_classes=classes)
        graph = dataset.graph
        ends = list(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
        assert len({frozenset(pair) for pair in ends if pair[0] != pair[1]}) == edges
        assert len(set(ends)) == len(ends) == 2 * edges
        assert dataset.graph.nodes.shape == (nodes, 32)
        assert set(dataset.labels.tolist()) <= set(range(classes))


def test_the_seed_draws_everything_and_nothing_else_does():
    one, again, other = (load_dcsbm(seed=seed) for seed in (1, 1, 2))
    assert content_digest(one) == content_digest(again)
    assert not np.array_equal(one.labels, other.labels)
    assert not np.array_equal(one.graph.senders, other.graph.senders)


def test_edges_fall_on_nodes_and_classes_at_the_rates_of_the_model():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [500, 1500])
    weights = np.where(np.arange(2000) % 3 == 0, 5.0, 1.0)
    one, other, _ = sample_weighted_edges(labels, weights, 40_000, 0.4, rng)
    share = np.bincount(labels, weights) / weights.sum()
    within = (labels[one] == labels[other]).mean()
    # Repeats, which are left out, are less than one in twenty here.
    assert within == pytest.approx(0.4 + 0.6 * (share**2).sum(), abs=0.02)
    degree = np.bincount(np.concatenate([one, other]), minlength=2000)
    for label in (0, 1):
        heavy, light = (degree[(labels == label) & (weights == w)].mean() for w in (5.0, 1.0))
        assert heavy / light == pytest.approx(5, rel=0.07)
        ends = degree[labels == label].sum() / 80_000
        assert ends == pytest.approx(share[label], rel=0.05)


def test_weights_follow_the_power_law():
    weights = power_law_weights(100_000, 3.0, np.random.default_rng(0))
    for least in (2.0, 4.0, 8.0):  # P(w > x) = x^-(exponent - 1)
        assert (weights > least).mean() == pytest.approx(least**-2, rel=0.1)


def test_means_of_the_features_are_those_of_the_classes():
    dataset = load_dcsbm(num_nodes=4000, num_edges=4000, num_classes=2, signal=3.0)
    means = [dataset.graph.nodes[dataset.labels == label].mean(axis=0) for label in (0, 1)]
    assert [np.linalg.norm(mean) for mean in means] == pytest.approx([3, 3], abs=0.2)
    assert dataset.graph.nodes.dtype == np.float32


def test_memory_grows_with_edges_and_not_with_pairs():
    tracemalloc.start()
    load_dcsbm(num_nodes=30_000, num_edges=30_000, num_features=4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6  # one byte a pair would be 450 MB


def test_nodes_past_65536_keep_their_numbers(large):
    validate_graph(large)
    assert large.senders.size == 120_000
    assert large.receivers.max() > 99_000
    ends = set(zip(large.senders.tolist(), large.receivers.tolist(), strict=True))
    assert len(ends) == 120_000
    assert all((j, i) in ends for i, j in ends)
    assert is_symmetric(large)
    again = symmetrize(large)
    np.testing.assert_array_equal(again.senders, large.senders)
    np.testing.assert_array_equal(again.receivers, large.receivers)


def test_flips_past_65536_nodes_are_found_and_undone(large):
    last = LARGE - 1
    first = int(large.senders[0])
    partner = int(large.receivers[0])
    low, high = min(first, partner), max(first, partner)
    pairs = Pairs(np.array([low, last - 1], np.int32), np.array([high, last], np.int32))
    changed = flipped(large, Flips(pairs, np.array([False, True])), directed=False)
    assert last in changed.senders[changed.receivers == last - 1]
    flips = flips_between(large, changed, directed=False)
    assert sorted(zip(*map(np.ndarray.tolist, flips.pairs), strict=True)) == [
        (low, high),
        (last - 1, last),
    ]
    back = flipped(changed, flips_between(changed, large, directed=False), directed=False)
    np.testing.assert_array_equal(back.senders, large.senders)


def test_ego_graphs_past_65536_nodes_hold_the_neighbors(large):
    center = int(large.receivers[-1])
    ego, node_ids = ego_graph(large, center, 1)
    neighbors = large.senders[large.receivers == center]
    assert node_ids.tolist() == sorted({center, *neighbors.tolist()})
    np.testing.assert_array_equal(ego.nodes, large.nodes[node_ids])


def test_the_size_of_arxiv_is_a_set_of_options():
    small = {name: size // 100 for name, size in ARXIV_SIZE.items() if name != "num_classes"}
    graph = load_dataset("dcsbm", num_classes=ARXIV_SIZE["num_classes"], **small).graph
    assert graph.nodes.shape == (1700, 1)
    assert graph.senders.size == 24_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_edges": 0}, "`num_edges` is 0; allowed: 1 to 62437, an eighth of all pairs of 1000"),
        ({"num_edges": 62_438}, "`num_edges` is 62438; allowed: 1 to 62437"),
        ({"within": 1.0}, "`within` is 1.0; allowed: a number from 0 up and below 1"),
        ({"within": -0.1}, "`within` is -0.1"),
        ({"exponent": 2.0}, "`exponent` is 2.0; allowed: a finite number above 2"),
        ({"num_classes": 0}, "`num_classes` is 0; allowed: a whole number from 1 up"),
        ({"num_nodes": 19}, "`num_nodes` is 19; allowed: 20 or more, twice the 10 classes"),
        ({"num_features": 0}, "`num_features` is 0; allowed: a whole number from 1 up"),
        ({"signal": -1.0}, "`signal` is -1.0; allowed: a number from 0 up"),
        (
            {"num_nodes": 200, "num_classes": 100, "num_edges": 2000, "within": 0.999999},
            "100 rounds of draws found only",
        ),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load_dcsbm(**options)


def test_the_posterior_of_its_block_model_is_as_often_right_as_it_says():
    options = {"num_nodes": 60, "num_edges": 120, "num_classes": 3, "num_features": 2}
    draws = [load_dcsbm(seed=s, signal=0.7, within=0.5, **options) for s in range(80)]

    def of(change):
        """Mean largest posterior, and how often that class is the true one."""
        told, right = [], []
        for data in draws:
            model = data.block_model._replace(**change)
            posterior = class_posterior(model, data.graph, data.labels)
            told.append(posterior.max(axis=1).mean())
            right.append((posterior.argmax(axis=1) == data.labels).mean())
        return np.mean(told), np.mean(right)

    told, right = of({})
    assert told == pytest.approx(right, abs=0.02)  # standard error 0.006
    assert right == pytest.approx(np.mean([(d.oracle_labels == d.labels).mean() for d in draws]))
    assert of({"weights": None})[1] < right - 0.01  # all nodes taken for equals
