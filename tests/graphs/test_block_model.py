"""Block models: the posterior is that of brute force, samples follow the model, options count."""

import dataclasses
import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jmetamer._base.errors import InputError
from jmetamer.graphs.block_model import (
    BlockModel,
    class_posterior,
    planted_partition,
    sample_edges,
    sample_features,
    sample_labels,
)
from jmetamer.graphs.drawn import load_csbm, load_sbm
from jmetamer.graphs.graph import make_graph


def joint_log_probability(model, adjacency, features, labels):
    """Log of P(labels, edges, features), pair by pair and node by node."""
    total = np.log(model.class_prior)[list(labels)].sum()
    for i, j in itertools.combinations(range(len(labels)), 2):
        edge = stats.bernoulli(model.edge_probability[labels[i], labels[j]])
        total += edge.logpmf(int(adjacency[i, j]))
    if model.means is not None:
        for i, label in enumerate(labels):
            total += stats.norm(model.means[label], model.noise).logpdf(features[i]).sum()
    return total


def brute_force_posterior(model, adjacency, features, truth):
    """P(y_i | everything else), from the joint probability of every assignment of classes."""
    num_classes = model.class_prior.size
    assignments = itertools.product(range(num_classes), repeat=len(truth))
    joint = {y: np.exp(joint_log_probability(model, adjacency, features, y)) for y in assignments}
    posterior = np.zeros((len(truth), num_classes))
    for y, probability in joint.items():
        for i in range(len(truth)):
            if all(y[j] == truth[j] for j in range(len(truth)) if j != i):
                posterior[i, y[i]] += probability
    return posterior / posterior.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("with_features", [True, False])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_posterior_is_that_of_enumerating_every_assignment(with_features, seed):
    rng = np.random.default_rng(seed)
    probability = rng.uniform(0.1, 0.9, (3, 3))
    model = BlockModel(
        class_prior=np.array([0.2, 0.5, 0.3]),
        edge_probability=(probability + probability.T) / 2,
        means=rng.standard_normal((3, 2)) if with_features else None,
        noise=0.8,
    )
    labels = sample_labels(model, 4, rng)
    features = sample_features(model, labels, rng) if with_features else np.zeros((4, 1))
    graph = make_graph(features, *sample_edges(model, labels, rng))
    adjacency = np.zeros((4, 4))
    adjacency[graph.senders, graph.receivers] = 1
    np.testing.assert_allclose(
        class_posterior(model, graph, labels),
        brute_force_posterior(model, adjacency, graph.nodes.astype(float), labels),
        rtol=1e-9,
    )


def test_edges_of_weight_zero_repeats_and_self_loops_do_not_count():
    model = planted_partition(4, 2, 0.7, 0.2)
    labels = np.array([0, 0, 1, 1])
    plain = make_graph(np.zeros((4, 1)), [0, 1], [1, 0])
    noisy = make_graph(np.zeros((4, 1)), [0, 1, 1, 2, 3, 2], [1, 0, 0, 2, 2, 3], [1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(
        class_posterior(model, plain, labels), class_posterior(model, noisy, labels)
    )


def test_a_graph_that_the_model_cannot_make_is_refused():
    model = planted_partition(4, 2, 0.0, 0.0)
    with pytest.raises(InputError, match="node 0 has edges or non-edges of probability 0"):
        class_posterior(model, make_graph(np.zeros((2, 1)), [0, 1], [1, 0]), np.array([0, 1]))


def test_edges_appear_as_often_as_the_model_says():
    model = planted_partition(1500, 3, 0.1, 0.02)
    rng = np.random.default_rng(0)
    labels = sample_labels(model, 1500, rng)
    senders, receivers = sample_edges(model, labels, rng)
    same = labels[senders] == labels[receivers]
    for probability, edges, pairs in (
        (0.1, same.sum(), (labels[:, None] == labels).sum() - 1500),
        (0.02, (~same).sum(), (labels[:, None] != labels).sum()),
    ):
        error = np.sqrt(probability * (1 - probability) / (pairs / 2))
        assert abs(edges / pairs - probability) < 4 * error


def test_features_lie_around_their_class_mean():
    data = load_csbm(num_nodes=2000, num_features=3, signal=2.0, p_in=0.0, p_out=0.0, seed=5)
    model = data.block_model
    np.testing.assert_allclose(np.linalg.norm(model.means, axis=1), 2.0)
    for label in range(2):
        rows = data.graph.nodes[data.labels == label]
        np.testing.assert_allclose(rows.mean(axis=0), model.means[label], atol=4 / len(rows) ** 0.5)
        np.testing.assert_allclose(rows.std(axis=0), 1.0, atol=4 / (2 * len(rows)) ** 0.5)


def test_the_oracle_labels_of_csbm_are_the_arg_max_of_its_posterior():
    options = {"num_nodes": 80, "num_classes": 3, "signal": 0.5, "seed": 2}
    data = load_csbm(**options)
    posterior = class_posterior(data.block_model, data.graph, data.labels)
    np.testing.assert_array_equal(data.oracle_labels, posterior.argmax(axis=1))
    # It errs as often as it says it does.
    expected, spread = posterior.max(axis=1), posterior.max(axis=1) * (1 - posterior.max(axis=1))
    hits = (data.oracle_labels == data.labels).sum()
    assert abs(hits - expected.sum()) < 4 * np.sqrt(spread.sum()) + 1


def test_without_any_signal_the_oracle_is_at_chance_and_with_much_it_is_right():
    blind = load_csbm(num_nodes=300, signal=0.0, p_in=0.05, p_out=0.05)
    assert 0.35 < (blind.oracle_labels == blind.labels).mean() < 0.65
    clear = load_csbm(num_nodes=300, signal=20.0)
    assert (clear.oracle_labels == clear.labels).all()


@pytest.mark.parametrize("load", [load_sbm, load_csbm])
def test_the_seed_decides_everything(load):
    first, again, other = (load(num_nodes=60, seed=seed) for seed in (1, 1, 2))
    assert first.provenance.sha256 == again.provenance.sha256 != other.provenance.sha256


def test_sbm_has_identity_features_and_its_classes():
    data = load_sbm(num_nodes=60, num_classes=3)
    np.testing.assert_array_equal(data.graph.nodes, np.eye(60))
    assert (data.num_classes, data.feature_kind) == (3, "one_hot")
    assert set(data.labels) == {0, 1, 2}
    assert dataclasses.replace(data).oracle_labels.shape == (60,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p_in": 1.5}, "`p_in` is 1.5; allowed: a number from 0 up"),
        ({"p_out": -0.1}, "`p_out` is -0.1; allowed: a number from 0 up"),
        ({"num_classes": 1}, "`num_classes` is 1; allowed: 2 or more"),
        ({"num_nodes": 3}, "`num_nodes` is 3; allowed: 4 or more"),
        ({"num_features": 0}, "`num_features` is 0; allowed: a whole number from 1 up"),
        ({"signal": -1.0}, "`signal` is -1.0; allowed: a number from 0 up"),
        ({"signal": np.nan}, "`signal` is nan; allowed: a number from 0 up"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load_csbm(**options)
