"""What a metamer could have matched: other nodes, none twice, and never the targets themselves."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.evaluation.other_targets import matched_vector, other_targets
from jmetamer.graphs import make_graph
from jmetamer.measures.null_test import match_values, null_test_of


@pytest.fixture(scope="module")
def trained():
    data = jm.load_dataset("karate")
    return jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=2)), data.graph


@pytest.mark.parametrize("nodes", [[7], [3, 20], None])
def test_are_different_and_not_the_targets(trained, nodes):
    problem = jm.Problem(*trained, layer="conv1", nodes=nodes)
    rows = np.asarray(other_targets(problem, 32, seed=0))
    assert rows.shape[0] == 32
    # Activations, whose rows are told apart in this network wherever nodes are.
    every = np.asarray(jm.Problem(*trained, layer="conv1").arrays.targets["conv1"])
    assert len(np.unique(every, axis=0)) == 34
    assert len(np.unique(np.vstack([rows, matched_vector(problem)]), axis=0)) == 33


def test_of_one_node_are_all_others_where_more_are_asked_for(trained):
    problem = jm.Problem(*trained, layer="conv1", nodes=[7])
    every = np.asarray(jm.Problem(*trained, layer="conv1").arrays.targets["conv1"])
    rows = np.asarray(other_targets(problem, 500, seed=0))
    np.testing.assert_array_equal(
        np.unique(rows, axis=0), np.unique(np.delete(every, 7, axis=0), axis=0)
    )


def test_an_exact_metamer_of_one_node_beats_all_pairs(trained):
    problem = jm.Problem(*trained, layer="conv1", nodes=[7])
    own = matched_vector(problem)
    found = null_test_of(
        match_values(own, own[None]),
        other_targets(problem, 32, seed=0),
        reference=own,
        num_pairs=4999,
        key=jax.random.key(0),
    )
    assert not found.not_applicable
    assert found.p_value[0] == 1 / (1 + 32 * 31)  # each different pair once


def test_a_graph_without_two_other_nodes_cannot_tell(trained):
    network, _ = trained
    graph = make_graph(np.eye(2, 34, dtype=np.float32), [0, 1], [1, 0])
    problem = jm.Problem(network, graph, layer="conv1", nodes=[0])
    others = other_targets(problem, 32, seed=0)
    own = matched_vector(problem)
    found = null_test_of(
        match_values(own, own[None]), others, reference=own, num_pairs=99, key=jax.random.key(0)
    )
    assert found.not_applicable
