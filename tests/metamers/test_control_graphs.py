"""Controls that judges read beside metamers: what each of them keeps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import KDTree

import jmetamer as jm
from jmetamer.evaluation.control_graphs import ControlGraphs
from jmetamer.evaluation.examination import Examination
from jmetamer.evaluation.other_targets import matched_vector, other_targets
from jmetamer.evaluation.panel import Panel
from jmetamer.graphs.pairs import Flips, Pairs, flipped, flips_between

DATA = jm.load_dataset("karate")
TRAINED = jm.train(jm.GCN(hidden=4), DATA, settings=jm.TrainSettings(epochs=0))


def problem(**options):
    return jm.Problem(TRAINED, DATA.graph, layer="conv1", **options)


def other_graph():
    rng = np.random.default_rng(0)
    features = np.asarray(DATA.graph.nodes) + rng.normal(size=DATA.graph.nodes.shape)
    return jax.tree.map(jnp.asarray, DATA.graph._replace(nodes=features.astype(np.float32)))


class TestContinuousFeatures:
    def test_displacement_moves_every_node_as_far_and_elsewhere(self):
        metamer = other_graph()
        moved = ControlGraphs(problem(), 0).of(3, metamer)["displacement"].nodes
        lengths = [np.linalg.norm(x - DATA.graph.nodes, axis=1) for x in (moved, metamer.nodes)]
        np.testing.assert_allclose(*lengths, rtol=1e-4)
        assert np.abs(moved - metamer.nodes).max() > 0.1

    def test_start_is_that_of_the_seed(self):
        controls = ControlGraphs(problem(), seed=5)
        found = jm.generate(problem(), seeds=[3], seed=5, steps=1)
        start = controls.of(3, other_graph())["start"]
        target = np.asarray(TRAINED.activations(DATA.graph)["conv1"])
        error = np.sum((np.asarray(TRAINED.activations(start)["conv1"]) - target) ** 2)
        assert float(found.loss_initial[0]) == pytest.approx(error / np.sum(target**2), rel=1e-4)

    def test_null_space_matches_and_neighbors_are_the_nearest(self):
        controls = ControlGraphs(problem(), 0).of(0, other_graph())
        seen = np.asarray(TRAINED.activations(DATA.graph)["conv1"])
        matched = np.asarray(TRAINED.activations(controls["null_space"])["conv1"])
        np.testing.assert_allclose(matched, seen, atol=1e-5)
        distance, _ = KDTree(seen).query(seen, k=2)
        place = np.asarray(controls["neighbor"].nodes) @ np.arange(34)  # features are one-hot
        chosen = np.linalg.norm(seen[place.astype(int)] - seen, axis=1)
        np.testing.assert_allclose(chosen, distance[:, 1], atol=1e-6)


class TestOtherKinds:
    def test_flips_keep_the_number_of_ones_of_every_node(self):
        controls = ControlGraphs(problem(vary=jm.BinaryFeatures()), 0)
        assert controls.names == ("identity", "start", "flips", "neighbor")
        metamer = DATA.graph._replace(nodes=jnp.roll(jnp.asarray(DATA.graph.nodes), 1, axis=0))
        flipped = np.asarray(controls.of(0, metamer)["flips"].nodes)
        np.testing.assert_array_equal(flipped.sum(1), 1)
        assert (np.asarray(controls.of(0, metamer)["start"].nodes).sum(), flipped.max()) == (34, 1)

    def test_random_edges_are_as_many_and_undirected(self):
        controls = ControlGraphs(problem(vary=jm.BinaryEdges()), 0)
        assert controls.names == ("identity", "start", "edge_flips", "random_edges")
        drawn = controls.of(0, other_graph())["random_edges"]
        pairs = {*zip(drawn.senders.tolist(), drawn.receivers.tolist(), strict=True)}
        assert len(pairs) == len(DATA.graph.senders)
        assert {(b, a) for a, b in pairs} == pairs
        again = controls.of(1, other_graph())["random_edges"]
        assert (drawn.senders != again.senders).any()

    def test_edge_flips_are_as_many_of_each_kind_and_elsewhere(self):
        flips = {"vary": jm.BinaryEdges()}
        metamer = ControlGraphs(problem(**flips), 5).of(1, other_graph())["random_edges"]
        changed = flips_between(DATA.graph, metamer, directed=False)
        drawn = ControlGraphs(problem(**flips), 0).of(3, metamer)["edge_flips"]
        found = flips_between(DATA.graph, drawn, directed=False)
        assert (found.added.size, found.added.sum()) == (changed.added.size, changed.added.sum())
        assert flips_between(metamer, drawn, directed=False).added.size > changed.added.size / 2
        np.testing.assert_array_equal(drawn.nodes, DATA.graph.nodes)

    def test_edges_that_may_not_move_stay_in_the_control_too(self):
        vary = jm.BinaryEdges(nodes=[0, 1, 2, 3, 8])
        pair = Flips(Pairs(np.array([0, 0]), np.array([1, 2])), np.array([False, False]))
        metamer = flipped(DATA.graph, pair, directed=False)
        for seed_id in range(5):
            drawn = ControlGraphs(problem(vary=vary), 0).of(seed_id, metamer)["edge_flips"]
            found = flips_between(DATA.graph, drawn, directed=False)
            assert found.added.tolist() == [False, False]
            assert {*np.ravel(found.pairs).tolist()} <= {0, 1, 2, 3, 8}

    def test_features_and_edges_are_moved_together(self):
        both = ControlGraphs(problem(vary=(jm.ContinuousFeatures(), jm.BinaryEdges())), 5)
        assert both.names == ("identity", "start", "displacement", "neighbor", "random_edges")
        metamer = both.of(1, other_graph())["random_edges"]._replace(nodes=other_graph().nodes)
        moved = both.of(3, metamer)["displacement"]
        lengths = [np.linalg.norm(x.nodes - DATA.graph.nodes, axis=1) for x in (moved, metamer)]
        np.testing.assert_allclose(*lengths, rtol=1e-4)
        counts = [flips_between(DATA.graph, x, directed=False).added for x in (moved, metamer)]
        assert counts[0].sum() == counts[1].sum() > 0

    @pytest.mark.parametrize(
        "options",
        [{}, {"candidates": ((0, 9), (4, 33))}, {"domain": jm.Box(0.0, 1.5), "directed": True}],
    )
    def test_each_edge_weight_is_moved_as_far_and_stays_legal(self, options):
        vary = jm.EdgeWeights(**options)
        controls = ControlGraphs(problem(vary=vary), 0)
        assert controls.names == ("identity", "start", "displacement")
        metamer = jm.default_method(problem(vary=vary)).starts(problem(vary=vary), 0)(7)
        moved = controls.of(0, metamer)["displacement"]
        before = np.asarray(vary.decode(vary.encode(DATA.graph), DATA.graph).edges.weight)
        after, theirs = (np.asarray(x.edges.weight) for x in (moved, metamer))
        np.testing.assert_allclose(abs(after - before), abs(theirs - before), atol=1e-6)
        assert after.min() >= 0
        assert (abs(after - theirs) > 1e-3).any()
        ways = dict(zip(zip(moved.senders.tolist(), moved.receivers.tolist(), strict=True), after,
                        strict=True))  # fmt: skip
        if not vary.directed:
            assert all(weight == ways[j, i] for (i, j), weight in ways.items())
        else:
            assert after.max() <= 1.5


class TestOtherTargets:
    def test_of_all_nodes_they_are_the_same_rows_in_another_order(self):
        rows = np.asarray(other_targets(problem(), 5, 0)).reshape(5, 34, 4)
        target = np.asarray(matched_vector(problem())).reshape(34, 4)
        for other in rows:
            np.testing.assert_array_equal(np.sort(other, axis=0), np.sort(target, axis=0))
            assert (other != target).any()

    def test_of_some_nodes_they_are_rows_of_different_nodes(self):
        chosen = problem(nodes=[0, 33, 5])
        rows = np.asarray(other_targets(chosen, 50, 0)).reshape(50, 3, 4)
        everyone = np.asarray(TRAINED.activations(DATA.graph)["conv1"])
        drawn = np.array([[np.flatnonzero((everyone == r).all(1))[0] for r in row] for row in rows])
        assert all(len(set(row.tolist())) == 3 for row in drawn)
        assert len({*drawn.ravel().tolist()}) > 30


class TestReadings:
    def test_of_what_never_changes_are_made_once_and_stand_with_every_seed(self, monkeypatch):
        judge = jm.train(jm.GCN(hidden=4), DATA, 1, jm.TrainSettings(epochs=0))
        panel = Panel(TRAINED, [judge], np.arange(34))
        controls = ControlGraphs(problem(), 0)
        examination = Examination(problem(), panel, DATA.labels, controls, num_controls=2)
        found, read = examination.started(), []
        classes = panel.classes
        monkeypatch.setattr(panel, "classes", lambda graph: read.append(graph) or classes(graph))
        for seed in (0, 1):
            found.add(seed, other_graph())
        assert len(read) == 2 + len(controls.names) + 3  # metamers, then start, displacement, space
        kappa = found.columns([0, 1])["control_kappa"]
        assert kappa.shape == (2, 5, 2)
        places = [controls.names.index(name) for name in ("identity", "neighbor")]
        np.testing.assert_array_equal(kappa[0, places], kappa[1, places])
        assert (kappa[:, places[0]] == 1).all()
        assert (kappa[:, places[1]] < 1).any()
