"""karate: the graph of networkx with one-hot features and the two clubs."""

import networkx
import numpy as np

from jmetamer.graphs.built_in import load_karate


def test_the_graph_and_the_clubs_are_those_of_networkx():
    karate, oracle = load_karate(), networkx.karate_club_graph()
    dense = np.zeros((34, 34))
    dense[karate.graph.receivers, karate.graph.senders] = karate.graph.edges.weight
    np.testing.assert_array_equal(dense, networkx.to_numpy_array(oracle, weight=None))
    np.testing.assert_array_equal(karate.graph.nodes, np.eye(34))
    assert karate.labels.tolist() == [int(c == "Officer") for _, c in oracle.nodes(data="club")]
    assert karate.labels[0] != karate.labels[33]
    assert karate.feature_kind == "one_hot"


def test_the_split_has_as_many_training_nodes_a_club_as_asked():
    karate = load_karate(seed=3, train_per_class=2)
    assert np.bincount(karate.labels[karate.train_mask]).tolist() == [2, 2]
    masks = (karate.train_mask, karate.val_mask, karate.test_mask)
    assert [mask.sum() for mask in masks] == [4, 10, 20]
