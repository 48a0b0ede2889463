"""Probe, row space, homophily and edit distance against scikit-learn, networkx and closed forms."""

import networkx as nx
import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

import jmetamer as jm
from jmetamer.geometry.row_space import row_space
from jmetamer.measures import (
    EdgeSet,
    Facts,
    edge_set,
    graph_edit_distance,
    homophily,
)
from jmetamer.measures.probe import RidgeProbe, fitted_probe, probe_change

rng = np.random.default_rng(0)
NAME = "features/normalized_euclidean"


def as_graph(network):
    table = nx.to_numpy_array(network, nodelist=range(len(network)))
    return jm.make_graph(np.zeros((len(table), 1)), *np.nonzero(table), table[table != 0])


def changes(rows, metamers, facts):
    """Deviations by name of measure."""
    found = jm.deviations(rows, metamers, "continuous", facts=facts)
    columns = zip(found.names, found.values.T, found.chance, strict=True)
    return {name: (values, chance) for name, values, chance in columns}


class TestProbe:
    @pytest.mark.parametrize("num_features", [3, 60])
    @pytest.mark.parametrize("num_classes", [2, 4])
    def test_equals_scikit_learn_on_the_nodes_it_is_not_fitted_on(self, num_features, num_classes):
        labels = np.arange(40) % num_classes + 5
        centers = 2 * rng.normal(size=(num_classes, num_features))
        rows = centers[labels - 5] + rng.normal(size=(40, num_features)) + 3
        metamers = rows + 9 * rng.normal(size=(4, *rows.shape))
        train, labels[7] = np.arange(40) < 15, -1
        fit, read = train & (labels >= 0), ~train
        fitted = RidgeClassifier().fit(rows[fit], labels[fit])
        before = fitted.score(rows[read], labels[read])
        expected = [fitted.score(metamer[read], labels[read]) - before for metamer in metamers]
        found, _ = changes(rows, metamers, Facts(labels, train))["features/probe"]
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_without_training_nodes_fits_and_reads_all(self):
        labels, rows = np.arange(30) % 3, rng.normal(size=(30, 2))
        metamers = rng.normal(size=(3, 30, 2))
        fitted = RidgeClassifier().fit(rows, labels)
        before = fitted.score(rows, labels)
        expected = [fitted.score(metamer, labels) - before for metamer in metamers]
        for mask in (None, np.zeros(30, bool), np.ones(30, bool)):
            found, _ = changes(rows, metamers, Facts(labels, mask))["features/probe"]
            np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_chance_is_that_of_rows_in_random_order(self):
        labels = np.repeat([0, 1, 2], [20, 10, 10])
        rows = rng.normal(size=(40, 3)) + 2 * np.eye(3)[labels]
        shuffled = np.stack([rng.permutation(rows) for _ in range(400)])
        for mask in (None, np.arange(40) % 3 == 0):
            values, chance = changes(rows, shuffled, Facts(labels, mask))["features/probe"]
            assert chance < -0.2
            assert abs(values.mean() - chance) <= 4 * values.std() / 20

    def test_a_class_that_nobody_was_trained_on_is_never_read_right(self):
        labels, rows = np.array([0, 0, 1, 1, 2]), np.array([[0.0], [1], [8], [9], [4]])
        probe = fitted_probe(rows, Facts(labels, [True, False, True, False, False]))
        assert probe.place.tolist() == [-1, 0, -1, 1, -2]
        assert float(probe_change(probe, rows, rows[::-1])) == pytest.approx(-2 / 3)

    def test_does_not_apply_without_labels_or_with_one_class(self):
        for facts in (Facts(), Facts([0, 1]), Facts([1, 1, 1]), Facts([-1, -1, 0])):
            assert "features/probe" not in changes(np.eye(3), np.ones((1, 3, 3)), facts)

    def test_misuse_is_refused_by_name(self):
        with pytest.raises(jm.InputError, match=r"`labels` has shape \(3,\)"):
            RidgeProbe(np.eye(2), [0, 1, 1])
        with pytest.raises(jm.InputError, match=r"`alpha` is 0"):
            RidgeProbe(np.eye(2), [0, 1], 0)


class TestRowSpace:
    ROWS, WEIGHTS = rng.normal(size=(8, 6)), rng.normal(size=(6, 2))
    INSIDE, OUTSIDE = "features/inside_row_space", "features/outside_row_space"

    def test_a_metamer_from_the_null_space_deviates_outside_only(self):
        basis = row_space(self.WEIGHTS).basis
        blind = np.eye(6) - basis @ basis.T
        reflected = self.ROWS - 2 * self.ROWS @ blind
        assert np.allclose(reflected @ self.WEIGHTS, self.ROWS @ self.WEIGHTS, atol=1e-13)
        moved = self.ROWS + rng.normal(size=(8, 6)) @ (np.eye(6) - blind)
        found = changes(self.ROWS, np.stack([reflected, moved]), Facts(entry_weights=self.WEIGHTS))
        inside, outside = found[self.INSIDE][0], found[self.OUTSIDE][0]
        np.testing.assert_allclose(outside, [1, 0], atol=1e-6)
        assert inside[0] <= 1e-6
        assert inside[1] > 0.1

    def test_parts_are_deviations_of_projections(self):
        metamers = rng.normal(size=(5, 8, 6))
        found = changes(self.ROWS, metamers, Facts(entry_weights=self.WEIGHTS))
        projector = self.WEIGHTS @ np.linalg.pinv(self.WEIGHTS)
        for name, matrix in ((self.INSIDE, projector), (self.OUTSIDE, np.eye(6) - projector)):
            expected = jm.deviations(self.ROWS @ matrix, metamers @ matrix, "continuous", [NAME])
            np.testing.assert_allclose(found[name][0], expected.values[:, 0], atol=1e-5)
            assert found[name][1] == pytest.approx(expected.chance[0], rel=1e-5)

    def test_what_rounding_leaves_outside_is_nothing(self):
        basis = np.float32(row_space(self.WEIGHTS).basis)
        inside = np.float32(self.ROWS @ basis @ basis.T)
        found = changes(inside, inside[None, ::-1], Facts(entry_weights=self.WEIGHTS))
        assert found[self.OUTSIDE][0] == 0
        assert found[self.OUTSIDE][1] == 0
        assert found[self.INSIDE][0] > 0.1

    def test_does_not_apply_where_a_network_sees_all_or_nothing_or_not_by_a_product(self):
        wide, none, other = rng.normal(size=(6, 9)), np.zeros((6, 3)), rng.normal(size=(5, 2))
        for weights in (None, wide, none, other, self.WEIGHTS * np.nan):
            found = changes(self.ROWS, self.ROWS[None], Facts(entry_weights=weights))
            assert not {self.INSIDE, self.OUTSIDE} & set(found)


class TestHomophily:
    @pytest.mark.parametrize("directed", [False, True])
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_networkx(self, seed, directed):
        network = nx.gnp_random_graph(15, 0.2, seed=seed, directed=directed)
        labels = np.arange(15) % 3
        nx.set_node_attributes(network, dict(enumerate(labels.tolist())), "y")
        found = homophily(edge_set(as_graph(network)), labels)
        same = [labels[u] == labels[v] for u, v in network.edges]
        assert found.edge == pytest.approx(np.mean(same), abs=1e-15)
        expected = nx.attribute_assortativity_coefficient(network, "y")
        assert found.adjusted == pytest.approx(expected, abs=1e-14)

    def test_chance_is_that_of_ends_paired_at_random(self):
        network = nx.gnp_random_graph(15, 0.4, seed=0)
        labels = np.array([0] * 9 + [1] * 6)
        ends = labels[np.array(network.edges)].ravel()
        found = homophily(edge_set(as_graph(network)), labels)
        paired = [
            np.mean(np.ptp(rng.permutation(ends).reshape(-1, 2), axis=1) == 0) for _ in range(1000)
        ]
        # Without replacement, two ends share a class a little less often: 1 / (ends - 1).
        assert found.chance == pytest.approx(np.mean(paired), abs=1 / (ends.size - 1))

    def test_is_missing_where_it_is_not_defined(self):
        none = homophily(EdgeSet(2, np.array([], int), np.array([])), [0, 1])
        assert np.isnan(none).all()
        alone = homophily(EdgeSet(3, np.array([1, 3]), np.ones(2)), [0, 0, 1])
        assert alone.edge == alone.chance == 1
        assert np.isnan(alone.adjusted)

    def test_changes_are_absolute_and_keep_the_order(self):
        one, other = (as_graph(nx.gnp_random_graph(9, 0.4, seed=s)) for s in (1, 2))
        labels = np.arange(9) % 2
        names = ["structure/homophily", "structure/adjusted_homophily"]
        facts = Facts(labels=labels)
        found = jm.edge_deviations(one, [one, other], names=names, facts=facts).values
        before, after = (homophily(edge_set(graph), labels) for graph in (one, other))
        assert found[0].tolist() == [0, 0]
        expected = [abs(before.edge - after.edge), abs(before.adjusted - after.adjusted)]
        np.testing.assert_allclose(found[1], expected, rtol=1e-6)
        assert min(expected) > 0

    def test_refuses_or_leaves_out_labels_that_are_not_one_for_each_node(self):
        path = as_graph(nx.path_graph(3))
        with pytest.raises(jm.InputError, match=r"`labels` has shape \(2,\).*each of 3 nodes"):
            homophily(edge_set(path), [0, 1])
        for labels in (None, [0, 1], [0, 1, -1]):
            names = jm.edge_deviations(path, [path], facts=Facts(labels=labels)).names
            assert not any("homophily" in name for name in names)


class TestEditDistance:
    @pytest.mark.parametrize("directed", [False, True])
    @pytest.mark.parametrize("with_labels", [False, True])
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_networkx(self, seed, with_labels, directed):
        one, other = (
            nx.gnp_random_graph(5, p, seed=seed + k, directed=directed)
            for k, p in enumerate((0.3, 0.6))
        )
        labels = [v % 2 for v in range(5)] if with_labels else None
        for network in (one, other):
            nx.set_node_attributes(network, dict(enumerate(labels or [0] * 5)), "y")
        expected = nx.graph_edit_distance(one, other, node_match=lambda a, b: a["y"] == b["y"])
        found = graph_edit_distance(*(edge_set(as_graph(g)) for g in (one, other)), labels)
        assert found == expected

    def test_is_zero_for_a_renumbered_graph_and_a_metric(self):
        networks = [nx.gnp_random_graph(6, 0.5, seed=s) for s in range(4)]
        sets = [edge_set(as_graph(network)) for network in networks]
        order = dict(enumerate(rng.permutation(6).tolist()))
        moved = edge_set(as_graph(nx.relabel_nodes(networks[0], order)))
        assert graph_edit_distance(sets[0], moved) == 0
        table = np.array([[graph_edit_distance(a, b) for b in sets] for a in sets])
        assert np.array_equal(table, table.T)
        assert (table[:, None, :] <= table[:, :, None] + table[None, :, :]).all()

    def test_eight_nodes_are_few_enough_and_nine_too_many(self):
        two = nx.disjoint_union(nx.cycle_graph(4), nx.cycle_graph(4))
        ring, rings = (edge_set(as_graph(network)) for network in (nx.cycle_graph(8), two))
        assert graph_edit_distance(ring, rings) == 4, "two edges leave, two come"
        nine = EdgeSet(9, np.array([1]), np.ones(1))
        with pytest.raises(jm.InputError, match=r"has 9 and `metamer` 9 nodes.*structure/netlsd"):
            graph_edit_distance(nine, nine)
        with pytest.raises(jm.InputError, match=r"`labels` has shape \(2,\)"):
            graph_edit_distance(ring, rings, [0, 1])
        empty = EdgeSet(0, np.array([], int), np.array([]))
        assert graph_edit_distance(empty, empty) == 0
