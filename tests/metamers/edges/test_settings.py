"""What cannot be asked of edges is refused at once, and the text says what can."""

import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.vary.simple_edges import is_directed
from jmetamer.metamers.vary.together import parts_of

RELAXED = {"block", "refill", "refill_every", "penalty", "draws", "flips", "kicks", "learning_rate"}


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
    kind = jm.RelaxEdges if set(options) <= RELAXED else jm.BinaryEdges
    assert text in message(lambda: kind(**options))


@pytest.mark.parametrize("name", sorted(RELAXED))
def test_what_relaxes_them_is_named_where_it_is(name):
    text = message(lambda: jm.BinaryEdges(**{name: 1}))
    assert f"unexpected keyword argument '{name}'; `RelaxEdges({name}=...)` has it now" in text


def of_parts(vary):
    return lambda: parts_of(vary)


class TestParts:
    def test_are_equal_in_any_order(self, trained, graph):
        parts = jm.ContinuousFeatures(), jm.BinaryEdges()
        problems = [jm.Problem(trained, graph, "conv1", vary) for vary in (parts, [*parts[::-1]])]
        assert problems[0].vary == problems[1].vary == parts
        assert problems[0].digest == problems[1].digest
        assert problems[0].matching == problems[1].matching
        assert (problems[0].features, problems[0].edges) == parts

    def test_that_is_alone_in_a_tuple_is_that_part(self, trained, graph):
        problem = jm.Problem(trained, graph, "conv1", (jm.BinaryEdges(),))
        assert problem.vary == problem.edges == jm.BinaryEdges()
        assert problem.features is None
        assert (problem.edge_kind, problem.directed) == ("simple_edges", False)

    def test_of_one_part_of_the_graph_are_refused_by_name(self):
        clashes = [
            (jm.BinaryEdges(), jm.RandomEdges()),
            (jm.EdgeWeights(), jm.BinaryEdges()),
            (jm.BinaryFeatures(), jm.ContinuousFeatures()),
        ]
        for clash in clashes:
            text = message(of_parts(clash))
            assert all(type(part).__name__ in text for part in clash)
            assert "the same part of the graph" in text

    def test_that_are_not_searched_need_another_beside_them(self):
        text = message(of_parts(jm.RandomEdges()))
        assert "give features beside it, as `vary=(ContinuousFeatures(), RandomEdges())`" in text

    def test_are_at_least_one(self, trained, graph):
        assert "`vary` is empty" in message(of_parts(()))
        for vary in (None, (jm.BinaryEdges(), None), jm.BinaryEdges):
            text = message(lambda: jm.Problem(trained, graph, "conv1", vary))  # noqa: B023
            assert text.startswith("`vary` is ")

    @pytest.mark.parametrize("name", ["FeaturesAndEdges", "FeaturesGivenEdges"])
    def test_are_named_where_a_pair_was_a_class(self, name):
        with pytest.raises(AttributeError, match=r"use `vary=\(jm.ContinuousFeatures\(\), jm\."):
            getattr(jm, name)

    def test_of_random_edges_start_away_from_the_reference(self):
        text = message(lambda: jm.RandomEdges(start="reference"))
        assert "`start` is 'reference'" in text


@pytest.mark.parametrize("vary", [jm.BinaryEdges(), jm.RandomEdges()])
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
