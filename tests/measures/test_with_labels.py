"""Probe, row space, homophily and edit distance against scikit-learn, networkx and closed forms."""

import networkx as nx
import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

import jmetamer as jm
from jmetamer.measures import (
    EdgeSet,
    edge_set,
    graph_edit_distance,
    homophily,
    homophily_change,
    probe_deviation,
    split_deviations,
)
from jmetamer.measures.row_space import row_space_basis

rng = np.random.default_rng(0)
NAME = "features/normalized_euclidean"


def as_graph(network):
    table = nx.to_numpy_array(network, nodelist=range(len(network)))
    return jm.make_graph(np.zeros((len(table), 1)), *np.nonzero(table), table[table != 0])


class TestProbe:
    @pytest.mark.parametrize("num_features", [3, 60])
    @pytest.mark.parametrize("num_classes", [2, 4])
    @pytest.mark.parametrize("alpha", [1.0, 0.03])
    def test_equals_scikit_learn(self, num_features, num_classes, alpha):
        labels = np.arange(40) % num_classes + 5
        centers = 2 * rng.normal(size=(num_classes, num_features))
        rows = centers[labels - 5] + rng.normal(size=(40, num_features)) + 3
        metamers = rows + 3 * rng.normal(size=(4, *rows.shape))
        fitted = RidgeClassifier(alpha=alpha).fit(rows, labels)
        found = probe_deviation(rows, metamers, labels, alpha)
        assert found.reference == pytest.approx(fitted.score(rows, labels), abs=1e-15)
        expected = [fitted.score(metamer, labels) for metamer in metamers]
        assert found.metamer.tolist() == pytest.approx(expected, abs=1e-15)
        assert np.allclose(found.deviation, np.array(expected) - found.reference)

    def test_chance_is_that_of_rows_in_random_order(self):
        labels = np.repeat([0, 1, 2], [20, 10, 10])
        rows = rng.normal(size=(40, 3)) + 2 * np.eye(3)[labels]
        shuffled = [rng.permutation(rows) for _ in range(400)]
        found = probe_deviation(rows, shuffled, labels)
        error = found.deviation.std() / 20
        assert abs(found.deviation.mean() - found.chance) <= 4 * error
        assert probe_deviation(rows, rows[None], labels).deviation == 0, "identity"

    def test_the_same_order_of_all_nodes_changes_nothing(self):
        labels, rows = np.arange(12) % 3, rng.normal(size=(3, 12, 4))
        order = rng.permutation(12)
        found = probe_deviation(rows[0], rows, labels)
        moved = probe_deviation(rows[0, order], rows[:, order], labels[order])
        assert np.allclose(found.deviation, moved.deviation, atol=1e-15)
        assert (np.abs(found.deviation) <= 1).all()
        assert moved.chance == pytest.approx(found.chance, abs=1e-15)

    def test_a_metamer_that_is_not_finite_has_none(self):
        found = probe_deviation(np.eye(2), [np.full((2, 2), np.nan), np.eye(2)], [0, 1])
        assert np.isnan(found.deviation).tolist() == [True, False]

    def test_misuse_is_refused_by_name(self):
        with pytest.raises(jm.InputError, match=r"`labels` has shape \(3,\)"):
            probe_deviation(np.eye(2), [np.eye(2)], [0, 1, 1])
        with pytest.raises(jm.InputError, match=r"shape \(3, 3\); as the reference.*\(2, 2\)"):
            probe_deviation(np.eye(2), [np.eye(3)], [0, 1])
        with pytest.raises(jm.InputError, match=r"`alpha` is 0"):
            probe_deviation(np.eye(2), [np.eye(2)], [0, 1], 0)
        with pytest.raises(jm.InputError, match=r"`reference_features` are not all finite"):
            probe_deviation(np.full((2, 2), np.inf), [np.eye(2)], [0, 1])


class TestRowSpace:
    ROWS, WEIGHTS = rng.normal(size=(8, 6)), rng.normal(size=(6, 2))

    def test_a_metamer_from_the_null_space_deviates_outside_only(self):
        basis = row_space_basis(self.WEIGHTS)
        blind = np.eye(6) - basis @ basis.T
        reflected = self.ROWS - 2 * self.ROWS @ blind
        assert np.allclose(reflected @ self.WEIGHTS, self.ROWS @ self.WEIGHTS, atol=1e-13)
        moved = self.ROWS + rng.normal(size=(8, 6)) @ (np.eye(6) - blind)
        split = split_deviations(
            self.ROWS, np.stack([reflected, moved]), self.WEIGHTS, [NAME, "features/cosine"]
        )
        assert split.rank == 2
        assert np.allclose(split.inside.values[0], 0, atol=1e-6)
        assert np.allclose(split.outside.values[0], [1, 2], atol=1e-6), "the reflection"
        assert np.allclose(split.outside.values[1], 0, atol=1e-6)
        assert (split.inside.values[1] > 0.1).all()

    def test_parts_are_deviations_of_projections(self):
        metamers = rng.normal(size=(5, 8, 6))
        found = split_deviations(self.ROWS, metamers, self.WEIGHTS)
        projector = self.WEIGHTS @ np.linalg.pinv(self.WEIGHTS)
        for part, matrix in ((found.inside, projector), (found.outside, np.eye(6) - projector)):
            expected = jm.deviations(self.ROWS @ matrix, metamers @ matrix, "continuous")
            assert np.allclose(part.values, expected.values, atol=1e-5)
            assert np.allclose(part.chance, expected.chance)
            assert part.names == expected.names

    def test_blocks_and_few_bytes_change_nothing(self):
        metamers = rng.normal(size=(5, 8, 6))
        whole = split_deviations(self.ROWS, metamers, self.WEIGHTS, [NAME])
        pieces = split_deviations(
            self.ROWS, iter([metamers[:3], metamers[3:]]), self.WEIGHTS, [NAME], block_bytes=1
        )
        for one, other in zip(whole[:2], pieces[:2], strict=True):
            assert np.allclose(one.values, other.values, atol=1e-6)
        none = split_deviations(self.ROWS, metamers[:0], self.WEIGHTS, [NAME])
        assert none.inside.values.shape == (0, 1)

    def test_dependent_columns_count_once_also_in_float32(self):
        wide = np.float32(self.WEIGHTS @ rng.normal(size=(2, 5)))
        assert row_space_basis(wide).shape == (6, 2)
        assert row_space_basis(np.zeros((6, 3))).shape == (6, 0)

    def test_misuse_is_refused_by_name(self):
        with pytest.raises(jm.InputError, match=r"`weights` has 2 rows and.*\(8, 6\)"):
            split_deviations(self.ROWS, self.ROWS[None], self.WEIGHTS.T)
        with pytest.raises(jm.InputError, match=r"a matrix \[features, outputs\] of finite"):
            split_deviations(self.ROWS, self.ROWS[None], self.WEIGHTS * np.nan)
        with pytest.raises(jm.InputError, match=r"holds no block"):
            split_deviations(self.ROWS, [], self.WEIGHTS)


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
        there = homophily_change(one, [one, other], labels)
        back = homophily_change(other, [one, other], labels)
        assert there.edge_deviation[0] == there.adjusted_deviation[0] == 0
        assert there.edge_deviation[1] == back.edge_deviation[0] > 0
        assert there.adjusted[1] == back.reference.adjusted
        assert there.edge_chance == pytest.approx(
            abs(there.reference.edge - there.reference.chance)
        )
        order = rng.permutation(9)
        moved = [
            graph._replace(senders=np.argsort(order)[graph.senders],
                           receivers=np.argsort(order)[graph.receivers])
            for graph in (one, other)
        ]  # fmt: skip
        again = homophily_change(moved[0], moved, labels[order])
        assert np.allclose(again.adjusted_deviation, there.adjusted_deviation, atol=1e-12)
        with pytest.raises(jm.InputError, match=r"`labels` has shape \(2,\).*each of 9 nodes"):
            homophily_change(one, [other], [0, 1])


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
