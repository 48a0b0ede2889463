"""Reflection, replacement, null space: exact at every layer, at the distances that they promise."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods import METHODS
from jmetamer.metamers.methods.exact import NullSpace, Point, Reflect, Replace
from jmetamer.metamers.methods.exact.propagation import (
    decompose,
    propagation_matrix,
    require_propagation,
    visible_nodes,
)

EXACT = 1e-24
OPTIONS = {
    "gcn": jm.GCN(hidden=4, num_outputs=3),
    "gcn elu 3": jm.GCN(hidden=3, layers=3, activation="elu", num_outputs=3),
    "gcn skip": jm.GCN(hidden=3, residual=True, num_outputs=3),
    "gcn layer norm": jm.GCN(hidden=4, normalization="layer", num_outputs=3),
    "sage": jm.GraphSAGE(hidden=4, num_outputs=3),
    "sage skip": jm.GraphSAGE(hidden=3, residual=True, num_outputs=3),
    "gat": jm.GAT(hidden=4, heads=2, num_outputs=3),
    "gin": jm.GIN(hidden=4, num_outputs=3),
    "gin skip": jm.GIN(hidden=4, residual=True, num_outputs=3),
}


@pytest.fixture(scope="module", params=OPTIONS)
def point(request, graph, make_trained):
    """A problem whose every layer is looked at."""
    return Point(jm.Problem(make_trained(OPTIONS[request.param], graph), graph, layer="logits"))


@pytest.fixture(scope="module")
def noise(graph):
    return np.random.default_rng(5).normal(size=np.shape(graph.nodes))


def made(method, point, start):
    return method.make(start, point, method.prepare(point)).features


def similarity(x, y):
    return np.sum(x * y) / np.linalg.norm(x) / np.linalg.norm(y)


class TestReflection:
    def test_is_exact_at_every_layer(self, point, noise):
        x = made(Reflect(), point, noise)
        assert max(point.matches(x).values()) <= EXACT
        assert set(point.matches(x)) == set(point.model.layer_names)

    def test_keeps_every_nodes_norm_and_turns_by_the_visible_share(self, point, noise):
        x, reference = made(Reflect(), point, noise), point.features
        norms = np.linalg.norm(reference, axis=1)
        np.testing.assert_allclose(np.linalg.norm(x, axis=1), norms, rtol=1e-12)
        # Q by QR of the entry weights, apart from the code under test.
        q = np.linalg.qr(point.weights)[0] if point.weights.shape[1] < 10 else None
        if q is not None:
            rho = np.sum((reference @ q) ** 2) / np.sum(reference**2)
            assert similarity(x, reference) == pytest.approx(2 * rho - 1, abs=1e-12)

    def test_depends_on_no_noise(self, point, noise):
        np.testing.assert_array_equal(made(Reflect(), point, noise), made(Reflect(), point, -noise))


class TestReplacement:
    def test_is_exact_at_every_layer(self, point, noise):
        assert max(point.matches(made(Replace(), point, noise)).values()) <= EXACT

    def test_takes_all_that_is_invisible_from_the_start(self, point, noise):
        x = made(Replace(), point, noise)
        q = point.basis
        np.testing.assert_allclose((x - noise) @ (np.eye(len(q)) - q @ q.T), 0, atol=1e-12)
        np.testing.assert_allclose((x - point.features) @ q, 0, atol=1e-12)
        assert abs(similarity(x, point.features)) < 0.95

    def test_differs_from_seed_to_seed_and_takes_other_nodes_rows(self, point, noise):
        permuted = made(Replace(), point, point.features[::-1])
        assert max(point.matches(permuted).values()) <= EXACT
        assert np.linalg.norm(permuted - made(Replace(), point, noise)) > 1


def twins(num_features=10):
    """A path of 6 nodes; 5 and 6 have equal closed neighborhoods (with 4 and each other)."""
    pairs = np.array([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (4, 6), (5, 6)])
    nodes = np.random.default_rng(2).normal(size=(7, num_features))
    senders, receivers = np.concatenate([pairs, pairs[:, ::-1]]).T
    return jm.make_graph(nodes, senders, receivers)


def complete_gin():
    """With eps = 0, `A + I` of a complete graph is all ones: rank one."""
    pairs = np.array([(i, j) for i in range(6) for j in range(6) if i != j])
    nodes = np.random.default_rng(2).normal(size=(6, 10))
    return jm.make_graph(nodes, *pairs.T)


class TestTheNullSpaceOfThePropagation:
    def test_of_twins_holds_one_direction_a_pair(self, make_trained):
        graph = twins()
        point = Point(jm.Problem(make_trained(OPTIONS["gcn"], graph), graph, layer="logits"))
        found = require_propagation(point, "null_space")
        # An oracle of the rank: NumPy's, of S written out in dense form.
        loops = np.eye(7)
        loops[np.asarray(graph.receivers), np.asarray(graph.senders)] = 1
        scale = 1 / np.sqrt(loops.sum(1))
        s = scale[:, None] * loops * scale
        np.testing.assert_allclose(propagation_matrix(point), s, atol=1e-15)
        assert found.rank == np.linalg.matrix_rank(s) == 6
        hidden = np.zeros((7, 1))
        hidden[5], hidden[6] = 1, -1
        np.testing.assert_allclose(visible_nodes(found)(hidden), 0, atol=1e-14)

    def test_moves_twins_alone_and_changes_no_layer(self, make_trained):
        graph = twins()
        point = Point(jm.Problem(make_trained(OPTIONS["gcn"], graph), graph, layer="logits"))
        x = made(NullSpace(), point, np.random.default_rng(0).normal(size=(7, 10)))
        assert max(point.matches(x).values()) <= EXACT
        moved = np.linalg.norm(x - point.features, axis=1)
        assert (moved[5:] > 0.5).all()
        np.testing.assert_allclose(moved[:5], 0, atol=1e-12)
        # The first layer sees what moved: it is the sum over neighbors that does not.
        assert np.linalg.norm((x - point.features) @ point.weights) > 0.1

    def test_serves_gin_too(self, make_trained):
        graph = complete_gin()
        point = Point(jm.Problem(make_trained(OPTIONS["gin"], graph), graph, layer="logits"))
        assert require_propagation(point, "null_space").rank == 1
        x = made(NullSpace(), point, np.random.default_rng(0).normal(size=(6, 10)))
        assert max(point.matches(x).values()) <= EXACT
        assert similarity(x, point.features) < 0.7

    def test_reflects_farther_in_aggregation_space_and_keeps_the_total_norm(self, make_trained):
        graph = twins()
        point = Point(jm.Problem(make_trained(OPTIONS["gcn"], graph), graph, layer="logits"))
        x, plain = (
            made(Reflect(space), point, np.zeros((6, 10))) for space in ("aggregation", "entry")
        )
        assert max(point.matches(x).values()) <= EXACT
        assert np.linalg.norm(x) == pytest.approx(np.linalg.norm(point.features), rel=1e-12)
        assert similarity(x, point.features) < similarity(plain, point.features) - 1e-3
        assert not np.allclose(
            np.linalg.norm(x, axis=1), np.linalg.norm(point.features, axis=1), rtol=1e-6
        )

    def test_is_told_to_be_missing_where_no_two_nodes_cancel(self, make_trained):
        path = jm.make_graph(np.eye(3, 10), [0, 1, 1, 2], [1, 0, 2, 1])
        point = Point(jm.Problem(make_trained(OPTIONS["gin"], path), path, layer="logits"))
        assert np.linalg.matrix_rank(propagation_matrix(point)) == 3
        with pytest.raises(jm.InputError) as raised:
            NullSpace().prepare(point)
        assert "rank 3 of 3 nodes" in str(raised.value)
        assert "twins of equal closed neighborhoods" in str(raised.value)

    @pytest.mark.parametrize("name", ["sage", "gat", "gcn skip"])
    def test_is_refused_without_one_propagation_matrix(self, name, graph, make_trained):
        point = Point(jm.Problem(make_trained(OPTIONS[name], graph), graph, layer="logits"))
        with pytest.raises(jm.InputError, match="'null_space' needs a first layer `S X W"):
            NullSpace().prepare(point)

    def test_decomposes_directed_propagation(self):
        s = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [1.0, 0.0, 1.0]])
        found = decompose(s)
        assert found.rank == np.linalg.matrix_rank(s) == 2
        x = np.random.default_rng(0).normal(size=(3, 2))
        np.testing.assert_allclose(s @ (x - visible_nodes(found)(x)), 0, atol=1e-14)
        np.testing.assert_allclose(found.left * found.values @ found.right.T, s, atol=1e-14)


class TestWhatDoesNotApply:
    def test_bounded_and_binary_features_are_refused(self, trained, graph, binary_problem):
        boxed = jm.Problem(trained, graph, "conv1", vary=jm.ContinuousFeatures(jm.Box(-1.0, 1.0)))
        for problem, given in ((boxed, "Box"), (binary_problem, "BinaryFeatures")):
            with pytest.raises(jm.InputError) as raised:
                Point(problem)
            assert given in str(raised.value)
            assert "need free continuous features" in str(raised.value)
            assert "leave `method` out" in str(raised.value)

    def test_raw_features_in_a_skip_leave_nothing_invisible(self, graph, make_trained):
        model = jm.GCN(hidden=10, residual=True, num_outputs=3)
        point = Point(jm.Problem(make_trained(model, graph), graph, layer="logits"))
        for name in ("reflect", "replace"):
            with pytest.raises(jm.InputError, match=r"(?s)`first_layer` of .* is None"):
                METHODS[name]().prepare(point)

    def test_a_first_layer_as_wide_as_the_features_is_refused(self, graph, make_trained):
        model = jm.GCN(hidden=12, num_outputs=3)
        point = Point(jm.Problem(make_trained(model, graph), graph, layer="logits"))
        with pytest.raises(jm.InputError, match="has rank 10 of 10 features"):
            Reflect().prepare(point)

    @pytest.mark.parametrize("name", ["reflect", "replace", "null_space", "walk", "max_distance"])
    def test_a_target_of_its_own_is_refused(self, name, trained, graph):
        target = np.ones((16, 4), np.float32)
        point = Point(jm.Problem(trained, graph, "conv1", target=target))
        with pytest.raises(jm.InputError, match=f"method '{name}' changes the reference's own"):
            METHODS[name]().prepare(point)

    def test_unknown_space_is_refused(self):
        with pytest.raises(jm.InputError, match=r"`space` is 'agregation'; .*; did you mean 'agg"):
            Reflect(space="agregation")

    def test_infinite_weights_are_named(self, trained, graph):
        params = jax.tree.map(lambda p: p * np.inf if p.ndim > 1 else p, trained.params)
        with pytest.raises(jm.InputError, match="NaN or infinite values in its first layer"):
            Point(jm.Problem(trained._replace(params=params), graph, "conv1"))
