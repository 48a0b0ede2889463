"""What cannot be asked of edges is refused at once, and the text says what can."""

import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.vary.edges import is_directed


def message(call):
    with pytest.raises(jm.InputError) as raised:
        call()
    return str(raised.value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"start": "noisy"}, "`start` is 'noisy'"),
        ({"refill": "best"}, "`refill` is 'best'"),
        ({"block": 0}, "`block` is 0; allowed: a whole number from 1 up or None"),
        ({"refill_every": 0.5}, "`refill_every` is 0.5; allowed: a whole number from 1 up"),
        ({"budget": 0}, "`budget` is 0; allowed: a whole number from 1 up or None"),
        ({"draws": -1}, "`draws` is -1; allowed: a whole number from 0 up"),
        ({"flips": True}, "`flips` is True; allowed: a whole number from 0 up"),
        ({"kicks": -1}, "`kicks` is -1; allowed: a whole number from 0 up or None"),
        ({"kicks": 3, "flips": 0}, "`kicks` is 3, but `flips` is 0"),
        ({"penalty": -0.1}, "`penalty` is -0.1; allowed: a number from 0 up"),
        ({"penalty": float("nan")}, "`penalty` is nan; allowed: a number from 0 up"),
        ({"learning_rate": 0.0}, "`learning_rate` is 0.0; allowed: a number above 0"),
        ({"distance": 0.2}, "leave it out, or use `start='reference'`"),
        ({"start": "reference"}, "`distance` is None, but a walk from the reference needs"),
        ({"start": "reference", "distance": 1.5}, "`distance` is 1.5"),
    ],
)
def test_options_outside_their_range_are_refused(options, text):
    assert text in message(lambda: jm.BinaryEdges(**options))


def test_parts_that_do_not_go_together_are_refused():
    assert "`edges` is" in message(lambda: jm.FeaturesAndEdges(edges=jm.EdgeWeights()))
    for features in (jm.BinaryEdges(), jm.EdgeWeights(), None):
        text = message(lambda: jm.FeaturesAndEdges(features=features))  # noqa: B023
        assert text.startswith("`features` is ")
    assert "`learning_rate` is -1" in message(lambda: jm.FeaturesAndEdges(learning_rate=-1))
    assert "`start` is 'reference'" in message(lambda: jm.FeaturesGivenEdges(start="reference"))


@pytest.mark.parametrize("vary", [jm.BinaryEdges(), jm.FeaturesAndEdges(), jm.FeaturesGivenEdges()])
class TestAReference:
    def check(self, vary, **changes):
        options = {"nodes": np.eye(3), "senders": [0, 1], "receivers": [1, 0]} | changes
        return lambda: vary.check(jm.make_graph(**options))

    def test_that_is_simple_is_accepted(self, vary):
        self.check(vary)()
        self.check(vary, senders=[0, 1, 2], receivers=[1, 0, 1], weight=[1, 1, 0])()

    def test_with_weights_is_refused(self, vary):
        text = message(self.check(vary, weight=[0.5, 0.5]))
        assert "`weight` holds 0.5; edges that come and go need weights of 0 or 1" in text
        assert "vary them with `EdgeWeights`" in text

    def test_with_edge_features_is_refused(self, vary):
        text = message(self.check(vary, edge_features=np.ones((2, 1))))
        assert "`graph` has edge features, which a new edge would not have" in text

    def test_without_edges_is_refused(self, vary):
        text = message(self.check(vary, senders=[2], receivers=[2]))
        assert "`graph` has no edges between different nodes, so there is nothing to move" in text

    def test_with_an_edge_twice_is_refused(self, vary):
        text = message(self.check(vary, senders=[0, 0, 1, 1], receivers=[1, 1, 0, 0]))
        assert "`graph` stores the edge (0, 1) twice" in text

    def test_with_all_pairs_is_refused(self, vary):
        text = message(self.check(vary, nodes=np.eye(2)))
        assert "`graph` has all 1 pairs of its 2 nodes as edges" in text


def test_a_directed_reference_is_refused_only_where_undirected_was_asked_for():
    graph = jm.make_graph(np.eye(3), [0], [1])
    jm.BinaryEdges().check(graph)
    assert is_directed(graph)
    assert not is_directed(graph, False)
    assert "in one direction only" in message(lambda: jm.BinaryEdges(directed=False).check(graph))


def test_a_complete_reference_can_be_walked_away_from():
    graph = jm.make_graph(np.eye(2), [0, 1], [1, 0])
    jm.BinaryEdges(start="reference", distance=1.0).check(graph)


def test_a_budget_too_small_for_the_distance_is_refused(graph):
    vary = jm.BinaryEdges(start="reference", distance=0.5, budget=11)
    text = message(lambda: vary.check(graph))
    assert "`budget`=11 changes of 24 edges reach a distance of 0.458 at most" in text
    jm.BinaryEdges(start="reference", distance=0.5, budget=12).check(graph)


def test_settings_are_equal_by_value_and_hashable():
    for kind in jm.STRUCTURES.values():
        assert kind() == kind()
        assert hash(kind()) == hash(kind())
    assert jm.BinaryEdges(penalty=0.1) != jm.BinaryEdges(penalty=0.2)
