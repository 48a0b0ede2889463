"""Bayes labels by enumeration and by frequencies in simulation, of every block model."""

import itertools

import jax
import numpy as np
import pytest
from scipy import stats

from jmetamer.graphs import load_dataset, make_graph, with_nodes
from jmetamer.graphs.block_model import (
    BlockModel,
    class_posterior,
    sample_edges,
    sample_features,
    sample_labels,
)
from jmetamer.graphs.drawn import load_csbm
from jmetamer.measures import bayes_labels

compiled = jax.jit(bayes_labels)
OPTIONS = {"dcsbm": {"num_edges": 300, "signal": 0.8}}


def any_model(rng, with_features=True, classes=3, weights=None):
    probability = rng.uniform(0.1, 0.9, (classes, classes))
    prior = rng.uniform(0.5, 1.0, classes)
    return BlockModel(
        class_prior=prior / prior.sum(),
        edge_probability=(probability + probability.T) / 2,
        means=rng.normal(size=(classes, 2)) if with_features else None,
        noise=0.7,
        weights=weights,
    )


def by_definition(model, adjacency, features, labels, node):
    """The best class of one node, by the joint probability of the graph with each class of it."""
    scores = []
    for candidate in range(model.class_prior.size):
        classes = np.where(np.arange(len(labels)) == node, candidate, labels)
        score = np.log(model.class_prior)[classes].sum()
        for i, j in itertools.combinations(range(len(labels)), 2):
            chance = model.edge_probability[classes[i], classes[j]]
            if model.weights is not None:
                chance = 1 - (1 - chance) ** (model.weights[i] * model.weights[j])
            edge = stats.bernoulli(chance)
            score += edge.logpmf(int(adjacency[i, j]))
        if model.means is not None:
            score += stats.norm(model.means[classes], model.noise).logpdf(features).sum()
        scores.append(score)
    return int(np.argmax(scores))


@pytest.mark.parametrize("with_features", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_labels_are_those_of_the_definition(with_features, weighted):
    rng, seen = np.random.default_rng(0), []
    for _ in range(12):
        weights = rng.pareto(2.5, 5) + 0.3 if weighted else None
        model = any_model(rng, with_features, weights=weights)
        labels = sample_labels(model, 5, rng)
        features = sample_features(model, labels, rng) if with_features else np.zeros((5, 1))
        graph = make_graph(features, *sample_edges(model, labels, rng))
        adjacency = np.zeros((5, 5))
        adjacency[graph.senders, graph.receivers] = 1
        expected = [by_definition(model, adjacency, graph.nodes, labels, v) for v in range(5)]
        np.testing.assert_array_equal(bayes_labels(model, graph, labels), expected)
        posterior = class_posterior(model, graph, labels)
        np.testing.assert_array_equal(posterior.argmax(axis=1), expected)
        seen += expected
    assert len(set(seen)) == 3  # no class is the answer to everything


def test_labels_are_the_most_frequent_classes_in_simulation():
    # Three nodes of two classes; features of one number, compared in narrow bins.
    model = BlockModel(
        np.array([0.4, 0.6]), np.array([[0.7, 0.2], [0.2, 0.5]]), np.array([[-0.6], [0.8]])
    )
    rng, draws = np.random.default_rng(1), 200_000
    classes = (rng.random((draws, 3)) < 0.6).astype(np.int32)
    features = model.means[classes, 0] + rng.standard_normal((draws, 3))
    pairs = np.array([(0, 1), (0, 2), (1, 2)])
    chance = model.edge_probability[classes[:, pairs[:, 0]], classes[:, pairs[:, 1]]]
    joined = (rng.random((draws, 3)) < chance).astype(np.float32)
    triangle = make_graph(np.zeros((3, 1)), [0, 0, 1, 1, 2, 2], [1, 2, 2, 0, 0, 1])

    def labels_of(nodes, weight, labels):
        edges = triangle.edges._replace(weight=weight[jax.numpy.array([0, 1, 2, 0, 1, 2])])
        return bayes_labels(model, triangle._replace(nodes=nodes, edges=edges), labels)

    given = features[..., None].astype(np.float32), joined, classes
    found = np.asarray(jax.jit(jax.vmap(labels_of))(*given))[:, 0]
    bins = np.digitize(features[:, 0], np.linspace(-3, 3, 25))
    state = np.stack([bins, joined[:, 0], joined[:, 1], classes[:, 1], classes[:, 2]], axis=1)
    _, group = np.unique(state.astype(int), axis=0, return_inverse=True)
    size, ones = np.bincount(group), np.bincount(group, classes[:, 0])
    labeled = np.bincount(group, found)
    clear = (np.abs(ones - size / 2) > 5 * np.sqrt(size) / 2) & (labeled % size == 0)
    assert clear.sum() > 100
    np.testing.assert_array_equal((labeled > 0)[clear], (ones > size / 2)[clear])
    # No other rule is right more often: neither features alone nor the most frequent class.
    right = (found == classes[:, 0]).mean()
    alone = (features[:, 0] > 0.1 - np.log(0.6 / 0.4) / 1.4).astype(int)
    assert right > (alone == classes[:, 0]).mean() + 0.01


@pytest.mark.parametrize("name", ["csbm", "sbm", "dcsbm"])
def test_a_loaded_dataset_knows_its_model_and_gets_its_oracle_labels(name):
    data = load_dataset(name, num_nodes=120, seed=3, **OPTIONS.get(name, {}))
    found = compiled(data.block_model, data.graph, data.labels)
    np.testing.assert_array_equal(found, data.oracle_labels)
    assert load_dataset("karate").block_model is None


def test_the_stored_model_is_that_of_the_options():
    data = load_dataset("csbm", num_nodes=60, num_features=3, seed=4, signal=2.0)
    again = load_csbm(num_nodes=60, num_features=3, seed=4, signal=2.0).block_model
    for stored, made in zip(data.block_model, again, strict=True):
        np.testing.assert_array_equal(stored, made)


def test_labels_follow_changed_features_even_far_away():
    data = load_dataset("csbm", num_nodes=60)
    model, rng = data.block_model, np.random.default_rng(0)
    far = 1e4 * rng.normal(size=data.graph.nodes.shape).astype(np.float32)
    graph = with_nodes(data.graph, far)
    expected = class_posterior(model, graph, data.labels).argmax(1)
    np.testing.assert_array_equal(compiled(model, graph, data.labels), expected)
    assert (expected != data.oracle_labels).any()


def test_absent_edges_and_self_loops_do_not_count():
    model = load_csbm(num_nodes=4, p_in=0.7, p_out=0.2).block_model._replace(means=None)
    labels = np.array([0, 0, 1, 1])
    plain = make_graph(np.zeros((4, 1)), [0, 1], [1, 0])
    noisy = make_graph(np.zeros((4, 1)), [0, 1, 2, 2, 3], [1, 0, 2, 3, 2], [1, 1, 1, 0, 0])
    np.testing.assert_array_equal(
        bayes_labels(model, plain, labels), bayes_labels(model, noisy, labels)
    )


def test_what_no_class_explains_is_marked():
    model = load_csbm(num_nodes=4, p_in=0.0, p_out=0.0).block_model
    graph = make_graph(np.zeros((3, 16)), [0, 1], [1, 0])
    np.testing.assert_array_equal(bayes_labels(model, graph, [0, 1, 0])[:2], [-1, -1])
    broken = with_nodes(graph, np.full((3, 16), np.nan, np.float32))
    np.testing.assert_array_equal(bayes_labels(model, broken, [0, 1, 0]), -1)
