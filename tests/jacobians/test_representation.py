"""Jacobians of representations, against NumPy networks, finite differences and closed forms."""

import dataclasses
import re
import sys
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from dense_networks import (
    adjacency,
    dense_gat,
    dense_gcn,
    dense_gin,
    dense_sage,
    normalized,
)

import jmetamer as jm
from jmetamer.geometry.gradient_check import GradientStatus, GradientWarning
from jmetamer.geometry.of_problem.edge_chart import edge_chart
from jmetamer.geometry.of_problem.representation import jacobian_operator, representation
from jmetamer.geometry.of_problem.structural_bound import structural_bound
from jmetamer.geometry.of_problem.whole_graph import joint_spectrum

rng = np.random.default_rng(3)


class Shown(NamedTuple):
    """All that a problem needs of a trained model."""

    model: Any
    params: Any


def from_pairs(pairs, features):
    pairs = np.asarray(pairs, int).reshape(-1, 2)
    return jm.make_graph(features, pairs.T.ravel(), pairs[:, ::-1].T.ravel())


def from_networkx(graph, features):
    return from_pairs(list(graph.edges), features)


def of_conv1(trained, name="kernel"):
    return np.asarray(trained.params["params"]["conv1"][name], float)


def first_layer(convolution):
    """Return (trained, features, adjacency) -> pre-activation of conv1."""
    return lambda trained, x, matrix: convolution(
        trained.params["params"]["conv1"], x, matrix, np.tanh
    )


SMALL = {"hidden": 4, "num_outputs": 3, "activation": "tanh"}
FIRST_LAYERS = {
    "gcn": (jm.GCN(**SMALL), first_layer(dense_gcn)),
    "sage": (jm.GraphSAGE(**SMALL), first_layer(dense_sage)),
    "gin": (jm.GIN(**SMALL), first_layer(dense_gin)),
    "gat": (jm.GAT(heads=2, **SMALL), first_layer(dense_gat)),
}


@pytest.fixture(scope="module")
def network(tiny):
    """(model) -> trained, with parameters drawn by NumPy: nothing is compiled for them."""

    def build(model):
        draw = np.random.default_rng(0)
        shapes = jax.eval_shape(model.init, jax.random.key(0), tiny)
        return Shown(
            model,
            jax.tree.map(
                lambda leaf: (draw.normal(size=leaf.shape) / np.sqrt(max(leaf.shape))).astype("f4"),
                shapes,
            ),
        )

    return build


@pytest.fixture(scope="module")
def tiny():
    """Seven nodes: a path 0-1-2-3, a triangle 3-4-5, and node 6 without an edge."""
    pairs = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (3, 5)]
    return from_pairs(pairs, np.random.default_rng(4).normal(size=(7, 10)))


@pytest.fixture(scope="module", params=FIRST_LAYERS)
def layer(request, tiny, network):
    """(problem of the first layer, its NumPy twin)."""
    model, twin = FIRST_LAYERS[request.param]
    return jm.Problem(network(model), tiny, layer="conv1"), twin


@pytest.fixture(scope="module")
def relu(tiny, network):
    return network(jm.GCN(hidden=4, num_outputs=3))


def differences(function, point, step=1e-6):
    """Dense Jacobian by central differences, [q, p]."""
    units = np.eye(point.size).reshape(-1, *point.shape)
    moved = [np.ravel(function(point + step * u) - function(point - step * u)) for u in units]
    return np.array(moved).T / (2 * step)


def quiet_spectrum(*args, **options):
    """The spectrum, with every warning an error and no NaN in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = joint_spectrum(*args, **options)
    assert not any(np.isnan(np.asarray(part, float)).any() for part in found)
    return found


class TestFeatures:
    def test_in_row_space_have_the_derivative_of_the_numpy_network(self, layer, tiny):
        problem, twin = layer
        found = representation(problem, "all", before=True)
        matrix = adjacency(tiny)
        x = np.asarray(tiny.nodes, float)
        expected = differences(lambda moved: twin(problem.trained, moved, matrix), x)
        operator = found.operator()
        assert operator.gradient.status is GradientStatus.AGREES
        assert np.abs(operator.value - twin(problem.trained, x, matrix).ravel()).max() <= 1e-14
        lifted = np.array([found.lift(row).ravel() for row in operator.dense()])
        assert np.abs(lifted - expected).max() <= 1e-8
        wide = of_conv1(problem.trained, problem.trained.model.entry_kernels[0]).shape[0]
        assert operator.num_inputs == 7 * wide == 70
        assert operator.coordinates == found.coordinates
        assert operator.input_norm == pytest.approx(np.linalg.norm(x))

    def test_have_the_full_singular_values_in_row_space(self, layer, tiny):
        problem, _ = layer
        shown = Shown(WithoutEntry(problem.trained.model), problem.trained.params)
        hidden = jm.Problem(shown, tiny, layer="conv1")
        short = jacobian_operator(problem, "all", before=True, check=False)
        full = jacobian_operator(hidden, "all", before=True, check=False)
        assert (short.coordinates, full.coordinates) == ("row_space", "features")
        assert short.shape[1] < full.shape[1] == short.num_inputs
        values = [np.linalg.svd(o.dense(), compute_uv=False) for o in (short, full)]
        assert np.abs(values[0] - values[1]).max() <= 1e-12 * values[1][0]

    def test_of_nodes_outside_the_ball_contribute_exactly_nothing(self, layer, tiny):
        problem, _ = layer
        whole = jacobian_operator(problem, "all", before=True, check=False).dense()
        blocks = whole.reshape(7, 4, 7, -1)[0]
        assert not blocks[:, 2:].any()
        assert blocks[:, :2].any()
        near = representation(problem, 0, "ball", before=True)
        assert near.places.tolist() == [0, 1]
        columns = near.operator(check=False).dense().reshape(4, 2, -1)
        assert np.abs(columns - blocks[:, :2]).max() <= 1e-14


@dataclasses.dataclass(frozen=True)
class WithoutEntry:
    inner: Any

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def first_layer(self, params):
        return None

    def layer_structure(self, layer):
        return None


class TestReadouts:
    def test_are_rows_of_all_nodes_added_averaged_or_chosen(self, network, tiny):
        problem = jm.Problem(network(FIRST_LAYERS["gcn"][0]), tiny, layer="conv1")
        whole = jacobian_operator(problem, "all", check=False)
        by_node = whole.dense().reshape(7, 4, -1)
        values = whole.value.reshape(7, 4)
        chosen = by_node[values.argmax(0), np.arange(4)]
        for of, expected in (
            ("sum", by_node.sum(0)),
            ("mean", by_node.mean(0)),
            ("max", chosen),
            ([5, 0], by_node[[5, 0]].reshape(8, -1)),
        ):
            found = jacobian_operator(problem, of, "all", check=False).dense()
            assert np.abs(found - expected).max() <= 1e-14

    def test_and_targets_follow_the_problem(self, relu, tiny):
        some = jm.Problem(relu, tiny, layer="conv1", nodes=[2, 4])
        everything = jm.Problem(relu, tiny, layer="conv1")
        for of, same in (("targets", [2, 4]), ("all", "all"), ("all", "targets")):
            left = representation(some, of, "all", before=True)
            right = representation(everything, same, "all", before=True)
            assert left.programs is right.programs
            assert np.array_equal(left.nodes, right.nodes)
        mean = representation(some, "mean", "all")
        assert mean.nodes.tolist() == [2, 4]
        assert mean.pool == "mean"

    def test_of_several_layers_stand_side_by_side(self, relu, tiny):
        both = jm.Problem(relu, tiny, layer=["conv1", "logits"])
        parts = [
            jacobian_operator(jm.Problem(relu, tiny, layer=name), [1, 3], "all", check=False)
            for name in ("conv1", "logits")
        ]
        found = jacobian_operator(both, [1, 3], "all", check=False).dense().reshape(2, 7, -1)
        expected = [p.dense().reshape(2, -1, p.shape[1]) for p in parts]
        assert np.abs(found - np.concatenate(expected, axis=1)).max() <= 1e-15


class TestEdgeWeights:
    PAIRS = ((0, 1), (3, 2), (3, 5), (0, 4), (5, 1))  # the last two are absent

    def test_have_the_derivative_of_the_numpy_network(self, layer, tiny):
        problem, twin = layer
        x, matrix = np.asarray(tiny.nodes, float), adjacency(tiny)

        def by_weights(weights):
            moved = matrix.copy()
            for (i, j), weight in zip(self.PAIRS, weights, strict=True):
                moved[i, j] = moved[j, i] = weight
            return twin(problem.trained, x, moved)

        operator = jacobian_operator(problem, "all", "edges", before=True, pairs=self.PAIRS)
        assert operator.gradient.status is GradientStatus.AGREES
        assert operator.point.tolist() == [1, 1, 1, 0, 0]
        assert operator.coordinates == "edge_weights"
        assert operator.input_norm == pytest.approx(np.sqrt(3))
        assert np.abs(operator.value - by_weights(operator.point).ravel()).max() <= 1e-14
        # A negative weight means nothing, so the difference goes forward at 0.
        expected = differences(by_weights, operator.point + 2e-5)
        shifted = operator._programs.at(operator.point + 2e-5, *operator._args, check=False)
        assert np.abs(shifted.dense() - expected).max() <= 1e-7
        assert np.abs(operator.dense() - expected).max() <= 1e-3

    def test_of_a_first_edge_are_refused_where_neighbors_are_averaged(self, network, tiny):
        problem = jm.Problem(network(FIRST_LAYERS["sage"][0]), tiny, layer="conv1")
        text = "`pairs[1]` would be the first edge of node 6: a mean over neighbors jumps there"
        with pytest.raises(jm.InputError, match=re.escape(text)):
            representation(problem, 0, "edges", pairs=[(0, 1), (1, 6)])

    def test_of_one_and_zero_are_the_edge_and_its_absence(self, layer, tiny):
        problem, twin = layer
        found = representation(problem, "all", "edges", before=True, pairs=self.PAIRS)
        more = adjacency(tiny)
        more[0, 4] = more[4, 0] = 1
        more[0, 1] = more[1, 0] = 0
        x = np.asarray(tiny.nodes, float)
        value = found.programs.at(np.array([0.0, 1, 1, 1, 0]), *found.args, check=False).value
        assert np.abs(value - twin(problem.trained, x, more).ravel()).max() <= 1e-14

    def test_default_to_all_edges_of_the_graph(self, relu, tiny):
        found = representation(jm.Problem(relu, tiny, layer="conv1"), 0, "edges")
        assert found.places.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [3, 5], [4, 5]]
        assert found.num_inputs == 6
        assert found.lift([1, 2, 3, 4, 5, 6]).tolist() == [1, 2, 3, 4, 5, 6]

    def test_keep_the_weight_that_a_present_pair_has(self, tiny):
        weight = np.full(12, 0.5, np.float32)
        chart = edge_chart(
            tiny._replace(edges=tiny.edges._replace(weight=weight)), [(1, 0), (0, 2)]
        )
        assert chart.weights.tolist() == [0.5, 0.0]
        assert chart.pairs.tolist() == [[0, 1], [0, 2]]
        assert chart.graph.n_edge.tolist() == [14]

    @pytest.mark.parametrize(("same", "of_sum", "of_mean"), [(True, 1, 0), (False, 3, 2)])
    def test_tell_a_sum_of_neighbors_from_a_mean(self, network, same, of_sum, of_mean):
        features = np.random.default_rng(0).normal(size=(4, 10))
        if same:
            features[1:] = features[1]
        star = from_pairs([(0, 1), (0, 2), (0, 3)], features)
        for key, name, rank in (("gin", "conv1.mlp.pre", of_sum), ("sage", "conv1.pre", of_mean)):
            problem = jm.Problem(network(FIRST_LAYERS[key][0]), star, layer=name)
            found = quiet_spectrum(problem, 0, "edges", check=False)
            assert found.rank.tolist() == [rank]
            # Round-off alone, of rank 0 by the absolute floor: no gap certifies that.
            assert found.certified.tolist() == [rank > 0]
            assert found.dimension.tolist() == [3 - rank]


@pytest.fixture(scope="module")
def linear(tiny, network):
    """(problem, S^2, W1 W2); the product has rank 2 of 4."""
    trained = network(jm.GCN(hidden=3, num_outputs=4, activation="identity"))
    first = rng.integers(-3, 4, (10, 2)) @ np.array([[1, 0, 2], [0, 1, -1]])
    trained.params["params"]["conv1"]["kernel"] = first.astype(np.float32)
    product = first @ np.asarray(trained.params["params"]["conv2"]["kernel"], float)
    power = np.linalg.matrix_power(normalized(adjacency(tiny)), 2)
    return jm.Problem(trained, tiny, layer="logits"), power, product


class TestALinearNetwork:
    @pytest.mark.parametrize(
        ("of", "inputs"),
        [("all", "all"), ("mean", "all"), ([0, 1, 6], "node"), (2, "ball")],
    )
    def test_has_the_products_of_both_spectra(self, linear, of, inputs):
        problem, power, product = linear
        nodes = np.arange(7) if isinstance(of, str) else np.atleast_1d(of)
        looked_at = power.mean(0, keepdims=True) if of == "mean" else power[nodes]
        places = {"all": np.arange(7), "node": nodes}.get(
            inputs, np.flatnonzero(power[nodes].any(axis=0))
        )
        part = looked_at[:, places]
        sigma = [np.linalg.svd(m, compute_uv=False) for m in (part, product)]
        expected = np.sort(np.outer(*sigma).ravel())[::-1]
        found = quiet_spectrum(problem, of, inputs, check=False)
        values = found.singular_values[0]
        shared = min(len(values), len(expected))
        assert np.abs(values[:shared] - expected[:shared]).max() <= 1e-13 * expected[0]
        assert found.rank[0] == 2 * np.linalg.matrix_rank(part)
        assert found.certified[0]
        assert found.num_inputs[0] == 10 * len(places)
        assert structural_bound(problem, of, inputs) >= found.rank[0]

    def test_of_one_node_by_another_has_the_rank_of_the_matrix_or_none(self, linear):
        problem, power, _ = linear
        blocks = jacobian_operator(problem, 0, "all", check=False).dense().reshape(4, 7, -1)
        for node in range(7):
            assert np.linalg.matrix_rank(blocks[:, node]) == (2 if power[0, node] else 0)

    def test_is_bounded_by_entry_and_propagation(self, linear):
        problem, _, _ = linear
        rank = np.linalg.matrix_rank(normalized(adjacency(problem.graph)))
        assert structural_bound(problem, "all") == 2 * rank < 14


class TestNonlinearities:
    def test_that_never_flatten_keep_the_rank(self, tiny, network):
        rank = 4 * np.linalg.matrix_rank(normalized(adjacency(tiny)))
        problem = jm.Problem(network(FIRST_LAYERS["gcn"][0]), tiny, layer="conv1")
        for before in (False, True):
            found = quiet_spectrum(problem, "all", before=before, check=False)
            assert found.rank[0] == rank
            assert found.certified[0]

    def test_of_a_relu_leave_at_most_the_active_units_of_every_layer(self, tiny, network):
        trained = network(jm.GCN(hidden=4, layers=3, num_outputs=9))
        x, matrix = np.asarray(tiny.nodes, float), normalized(adjacency(tiny))
        active = []
        for name in ("conv1", "conv2"):
            weights = trained.params["params"][name]
            z = matrix @ x @ np.asarray(weights["kernel"], float) + np.asarray(weights["bias"])
            x = np.maximum(z, 0)
            active.append(z > 0)
        for name, of, bound in (
            ("conv1", "all", active[0].sum()),
            ("conv1", "sum", active[0].any(axis=0).sum()),
            ("conv1", [0, 6], active[0][[0, 6]].sum()),
            ("logits", "all", min(part.sum() for part in active)),
            ("logits", 0, min(9, active[1][:2].sum(), active[0][:3].sum())),
        ):
            problem = jm.Problem(trained, tiny, layer=name)
            assert structural_bound(problem, of) == bound
            if isinstance(of, list):
                assert quiet_spectrum(problem, of, check=False).rank[0] == bound

    @pytest.mark.parametrize("key", ["gcn", "gin"])
    def test_never_lift_a_rank_above_the_structural_bound(self, tiny, network, key):
        trained = network(FIRST_LAYERS[key][0].clone(activation="relu", residual=True))
        problem = jm.Problem(trained, tiny, layer="logits")
        dense = jacobian_operator(problem, "all", check=False).dense()
        assert np.linalg.matrix_rank(dense) <= structural_bound(problem, "all")


@pytest.fixture(scope="module")
def twins():
    """Nodes 0 and 6 share their closed neighborhoods."""
    pairs = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5), (0, 6), (6, 1), (6, 5)]
    return from_pairs(pairs, rng.normal(size=(7, 10)))


class TestSymmetry:
    def test_of_twins_hides_opposite_changes_from_a_gcn_and_not_from_attention(
        self, twins, network
    ):
        opposite = np.zeros((7, 10))
        opposite[0], opposite[6] = 1.0, -1.0
        for key, seen in (("gcn", False), ("gat", True)):
            trained = network(FIRST_LAYERS[key][0])
            found = representation(jm.Problem(trained, twins, layer="logits"), "all")
            change = found.operator(check=False).matvec((opposite @ found.basis).ravel())
            assert (np.abs(change).max() > 1e-3) == seen
            if not seen:
                assert np.abs(change).max() <= 1e-15

    def test_of_twins_costs_the_rank_of_the_first_matrix(self, twins, network):
        trained = network(FIRST_LAYERS["gcn"][0])
        problem = jm.Problem(trained, twins, layer="conv1")
        rank = np.linalg.matrix_rank(normalized(adjacency(twins)))
        assert rank < 7
        found = quiet_spectrum(problem, "all", check=False)
        assert structural_bound(problem, "all") == 4 * rank
        assert found.rank[0] == 4 * rank
        assert found.dimension[0] == 70 - 4 * rank

    def test_of_a_complete_graph_leaves_one_node(self, network):
        graph = from_networkx(nx.complete_graph(6), rng.normal(size=(6, 10)))
        problem = jm.Problem(network(FIRST_LAYERS["gcn"][0]), graph, layer="conv1")
        assert quiet_spectrum(problem, "all", check=False).rank[0] == 4

    def test_of_a_cycle_leaves_a_readout_its_orbits(self, network):
        model = jm.GCN(hidden=12, num_outputs=3, activation="tanh")
        for constant, rank in ((True, 10), (False, 12)):
            features = np.ones((7, 10)) if constant else rng.normal(size=(7, 10))
            graph = from_networkx(nx.cycle_graph(7), features)
            problem = jm.Problem(network(model), graph, layer="conv1")
            found = jacobian_operator(problem, "sum", check=False)
            assert quiet_spectrum(problem, "sum", check=False).rank[0] == rank
            blocks = found.dense().reshape(12, 7, -1)
            equal = np.abs(blocks - blocks[:, :1]).max() <= 1e-14
            assert equal == constant

    @pytest.mark.parametrize(
        ("graph", "loss"),
        [
            (nx.complete_graph(6), 5),
            (nx.cycle_graph(9), 2),
            (nx.path_graph(8), 1),
            (nx.path_graph(9), 0),
        ],
        ids=["K6", "C9", "P8", "P9"],
    )
    def test_makes_a_sum_of_neighbors_singular_where_minus_one_is_an_eigenvalue(
        self, network, graph, loss
    ):
        size = len(graph)
        built = from_networkx(graph, rng.normal(size=(size, 10)))
        trained = network(FIRST_LAYERS["gin"][0])
        found = quiet_spectrum(
            jm.Problem(trained, built, layer="conv1.mlp.pre"), "all", check=False
        )
        assert found.rank[0] == 4 * (size - loss)
        assert found.certified[0]

    @pytest.mark.parametrize("degenerate", [False, True])
    def test_gives_graphsage_the_ranks_at_the_eigenvalues_of_its_mean(self, network, degenerate):
        graph = from_networkx(nx.cycle_graph(6), rng.normal(size=(6, 10)))
        trained = network(FIRST_LAYERS["sage"][0])
        layer = trained.params["params"]["conv1"]
        if degenerate:  # two columns vanish at the eigenvalue 1/2, which C6 has twice
            neighbor = np.array(layer["kernel_neighbor"])
            neighbor[:, :2] = -2 * np.asarray(layer["kernel_self"])[:, :2]
            layer["kernel_neighbor"] = neighbor
        own, neighbor = of_conv1(trained, "kernel_self"), of_conv1(trained, "kernel_neighbor")
        eigenvalues = np.linalg.eigvalsh(adjacency(graph) / 2)
        ranks = [np.linalg.matrix_rank(own + v * neighbor, tol=1e-12) for v in eigenvalues]
        found = quiet_spectrum(jm.Problem(trained, graph, layer="conv1.pre"), "all", check=False)
        assert found.rank[0] == sum(ranks) == (20 if degenerate else 24)
        assert found.certified[0]


@dataclasses.dataclass(frozen=True)
class Shapes:
    """Invariants of positions: sum_u tanh(|p_u - p_v|^2 w_k), 24 at each node."""

    layer_names = ("logits",)

    def activations(self, params, graph, *, entry=None, identity_backward=()):
        places = graph.nodes["positions"]
        squared = jnp.sum((places[:, None] - places[None]) ** 2, axis=-1)
        return {"logits": jnp.tanh(squared[:, :, None] * params).sum(axis=1)}

    def first_layer(self, params):
        return None

    def layer_structure(self, layer):
        return None

    def nonlinearity(self, layer):
        return None

    def num_hops(self, layer):
        return 1


def shape_problem(positions):
    graph = jm.make_graph(np.zeros((len(positions), 1)), [], [])
    graph = graph._replace(nodes={"positions": positions.astype(np.float32)})
    return jm.Problem(
        Shown(Shapes(), np.linspace(0.05, 0.5, 24).astype(np.float32)), graph, layer="logits"
    )


class TestPositions:
    @pytest.mark.parametrize("span", [1, 2, 3])
    @pytest.mark.parametrize("size", [1, 2, 5])
    def test_have_the_rank_of_their_affine_span(self, network, size, span):
        positions = np.zeros((size, 3))
        positions[:, :span] = np.random.default_rng(size).normal(size=(size, span))
        problem = shape_problem(positions)
        found = quiet_spectrum(problem, "all", "positions", check=size == 5)
        a = min(span, size - 1)
        expected = a * size - a * (a + 1) // 2
        assert found.rank[0] == expected
        assert found.certified[0]
        assert found.num_inputs[0] == 3 * size
        assert np.isfinite(found.log_volume).all()

    def test_of_a_rigid_motion_move_nothing(self, network):
        positions = np.random.default_rng(1).normal(size=(4, 3))
        found = representation(shape_problem(positions), "all", "positions")
        operator = found.operator()
        assert operator.gradient.status is GradientStatus.AGREES
        assert operator.coordinates == "positions"
        shift = np.tile([1.0, 2.0, 3.0], 4)
        turn = np.cross([0.3, -1.0, 2.0], found.point).ravel()
        for motion in (shift, turn):
            assert np.abs(operator.matvec(motion)).max() <= 1e-13
        assert np.abs(operator.matvec(positions.ravel())).max() > 0.1  # growing is no motion

    def test_far_from_the_origin_have_the_same_norm(self, network):
        positions = np.random.default_rng(1).integers(-3, 4, (5, 3)).astype(float)
        norms = [
            representation(shape_problem(p), "all", "positions").input_norm
            for p in (positions, positions + 512)
        ]
        assert norms[0] == norms[1]


class TestDegenerateCases:
    """The right number, certified, without a warning and never NaN."""

    @pytest.mark.parametrize("key", ["gcn", "sage"])
    def test_an_isolated_node_sees_itself(self, tiny, network, key):
        trained = network(FIRST_LAYERS[key][0])
        found = quiet_spectrum(jm.Problem(trained, tiny, layer="conv1.pre"), 6, check=False)
        assert found.rank.tolist() == [4]
        assert found.dimension.tolist() == [6]
        problem = jm.Problem(trained, tiny, layer="conv1.pre")
        edges = quiet_spectrum(problem, 6, "edges", check=False)
        assert edges.rank.tolist() == [0]
        assert edges.dimension.tolist() == [6]

    def test_dead_units_give_a_zero_jacobian_of_certified_rank_zero(self, relu, tiny, network):
        dead = network(jm.GCN(hidden=4, num_outputs=3))
        dead.params["params"]["conv1"]["bias"] = np.full(4, -1e3, np.float32)
        problem = jm.Problem(dead, tiny, layer="conv1")
        for of in ("all", "mean"):
            found = quiet_spectrum(problem, of)
            assert found.rank.tolist() == [0]
            assert found.certified.all()
            assert found.log_volume.tolist() == [0.0]
            assert structural_bound(problem, of) == 0
        operator = jacobian_operator(problem, "all")
        assert operator.gradient.status is GradientStatus.AGREES
        assert operator.matvec(np.ones(operator.shape[1])).tolist() == [0.0] * 28

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_constant_features_keep_the_rank_of_the_matrix(self, tiny, network, value):
        graph = tiny._replace(nodes=np.full((7, 10), value, np.float32))
        problem = jm.Problem(network(FIRST_LAYERS["gcn"][0]), graph, layer="conv1")
        found = quiet_spectrum(problem, "all", check=False)
        assert found.rank[0] == 4 * np.linalg.matrix_rank(normalized(adjacency(graph)))
        assert found.certified.all()

    def test_features_of_zero_on_every_kink_are_no_cut(self, tiny, network):
        graph = tiny._replace(nodes=np.zeros((7, 10), np.float32))
        trained = network(jm.GCN(hidden=4, num_outputs=3))
        trained.params["params"]["conv1"]["bias"] = np.zeros(4, np.float32)
        found = quiet_spectrum(jm.Problem(trained, graph, layer="conv1"), "all")
        assert found.rank.tolist() == [0]  # relu'(0) = 0
        assert found.dimension.tolist() == [70]

    @pytest.mark.parametrize("key", FIRST_LAYERS)
    def test_duplicated_nodes_leave_the_edges_one_direction_at_most(self, network, key):
        features = np.repeat(rng.normal(size=(1, 10)), 4, axis=0)
        star = from_pairs([(0, 1), (0, 2), (0, 3)], features)
        problem = jm.Problem(network(FIRST_LAYERS[key][0]), star, layer="conv1.pre")
        found = quiet_spectrum(problem, 0, "edges", check=False)
        # None for averages of what is equal, where round-off alone is left, or exact zeros.
        assert found.rank.tolist() == [1 if key in ("gcn", "gin") else 0]
        assert found.certified.all() == (found.rank[0] > 0 or not found.singular_values.any())

    @pytest.mark.parametrize("key", ["gcn", "gat"])
    def test_a_graph_of_one_node_is_a_graph(self, network, key):
        graph = jm.make_graph(rng.normal(size=(1, 10)), [], [])
        problem = jm.Problem(network(FIRST_LAYERS[key][0]), graph, layer="conv1")
        found = quiet_spectrum(problem, "mean", check=False)
        assert found.rank.tolist() == [4]
        assert found.dimension.tolist() == [6]
        none = quiet_spectrum(problem, 0, "edges")
        assert none.num_inputs.tolist() == none.rank.tolist() == [0]
        assert none.certified.all()


@dataclasses.dataclass(frozen=True)
class Careless:
    """A network of the user's own that spoils its derivative in one of three ways."""

    how: str
    layer_names = ("logits",)

    def init(self, key, graph):
        return rng.normal(size=(10, 3)).astype(np.float32)

    def activations(self, params, graph, *, entry=None, identity_backward=()):
        z = graph.nodes @ params
        spoiled = {
            "stops": lambda: jnp.tanh(z) + jnp.tanh(jnp.asarray(graph.nodes)).sum() * 0,
            "rounds": lambda: jnp.round(3 * z),
            "float32": lambda: jnp.tanh(z.astype(jnp.float32)),
        }[self.how]()
        if self.how == "stops":
            return {"logits": spoiled + jax.lax.stop_gradient(z)}
        return {"logits": spoiled}

    def first_layer(self, params):
        return None

    def layer_structure(self, layer):
        return None

    def nonlinearity(self, layer):
        return None

    def num_hops(self, layer):
        return 0


@pytest.mark.parametrize(
    ("how", "text"),
    [("stops", "is not the derivative of the function"), ("rounds", "constant between steps")],
)
def test_a_network_that_cuts_its_gradient_is_reported(tiny, network, how, text):
    problem = jm.Problem(network(Careless(how)), tiny, layer="logits")
    with pytest.warns(GradientWarning, match=text) as caught:
        found = joint_spectrum(problem, 0)
    assert caught[0].filename == __file__
    assert found.rank[0] == (3 if how == "stops" else 0)


@pytest.fixture(scope="module")
def problem(relu, tiny):
    return jm.Problem(relu, tiny, layer="conv1")


class TestErrors:
    def test_a_network_in_float32_is_refused(self, tiny, network):
        problem = jm.Problem(network(Careless("float32")), tiny, layer="logits")
        with pytest.raises(jm.InputError, match=r"float32 .*float64 is needed"):
            joint_spectrum(problem, 0)

    def test_unknown_targets_and_inputs_are_named_with_the_list(self, problem):
        for options, text in (
            ({"of": "mena"}, "unknown `of` 'mena'; did you mean 'mean'? Allowed: 'targets', 'all'"),
            ({"inputs": "bal"}, "`inputs` is 'bal'"),
            ({"of": 7}, "`nodes`[0] is 7, but the graph has 7 nodes: allowed are 0 to 6"),
            ({"of": [0, 0]}, "`nodes` names a node twice"),
            ({"pairs": [(0, 1)]}, "`pairs` are candidates of `inputs`='edges', but it is 'ball'"),
            ({"inputs": "positions"}, "needs a graph whose `nodes` is a mapping with 'positions'"),
        ):
            with pytest.raises(jm.InputError, match=re.escape(text)):
                representation(problem, **options)

    def test_before_at_a_layer_without_nonlinearity_is_refused(self, relu, tiny):
        with pytest.raises(jm.InputError, match="pre-activation of logits, which no nonlinearity"):
            representation(jm.Problem(relu, tiny, layer="logits"), before=True)

    def test_features_of_a_graph_that_has_only_positions_are_refused(self, network):
        problem = shape_problem(np.eye(3))
        with pytest.raises(jm.InputError, match=r"no features .* vary; use `inputs`='positions'"):
            representation(problem, "all", "all")

    def test_edges_of_a_maximum_are_refused(self, tiny, network):
        model = jm.GraphSAGE(hidden=4, num_outputs=3, aggregator="max")
        problem = jm.Problem(network(model), tiny, layer="conv1")
        with pytest.raises(jm.InputError, match="the maximum over neighbors jumps when an edge"):
            representation(problem, 0, "edges")

    @pytest.mark.parametrize(
        ("pairs", "text"),
        [
            ([(0, 7)], "`pairs[0]` is (0, 7); allowed are nodes 0 to 6"),
            ([(0, 1), (2, 2)], "`pairs[1]` joins node 2 to itself"),
            ([(0, 1), (1, 0)], "`pairs` names the pair (0, 1) twice"),
            ([], "a list of pairs of node numbers, at least one"),
            ([0, 1], "a list of pairs of node numbers, at least one"),
        ],
    )
    def test_pairs_that_are_no_candidates_are_named(self, problem, pairs, text):
        with pytest.raises(jm.InputError, match=re.escape(text)):
            representation(problem, 0, "edges", pairs=pairs)

    def test_edge_lists_that_do_not_fit_one_weight_a_pair_are_named(self):
        nodes = np.eye(3)
        one_way = jm.make_graph(nodes, [0], [1])
        with pytest.raises(
            jm.InputError, match=r"weight 1\.0 in one direction and 0.0 in the other"
        ):
            edge_chart(one_way)
        twice = jm.make_graph(nodes, [0, 0, 1, 1], [1, 1, 0, 0])
        with pytest.raises(jm.InputError, match="between 0 and 1 is stored 2 times in one direc"):
            edge_chart(twice)
        featured = jm.make_graph(nodes, [0, 1], [1, 0], edge_features=np.ones((2, 1)))
        assert edge_chart(featured, [(0, 1)]).weights.tolist() == [1.0]
        with pytest.raises(
            jm.InputError, match=re.escape("`pairs` holds (0, 2), which is no edge")
        ):
            edge_chart(featured, [(0, 1), (0, 2)])

    def test_a_jacobian_too_large_to_be_dense_says_what_to_do(self, problem, monkeypatch):
        with pytest.raises(jm.InputError, match=r"28 x 28 needs .* `memory_limit`.*matrix-free"):
            joint_spectrum(problem, "all", check=False, memory_limit=100)
        # By the module's full name: the package exports a function of the same name.
        module = sys.modules["jmetamer.geometry.of_problem.whole_graph"]
        monkeypatch.setattr(module, "LARGEST_DENSE", 27)
        with pytest.raises(jm.InputError, match=r"shorter side of 27\. Look at fewer nodes"):
            joint_spectrum(problem, "all", check=False)

    def test_parameters_that_are_not_finite_are_refused(self, tiny, network):
        trained = network(jm.GCN(hidden=4, num_outputs=3))
        trained.params["params"]["conv1"]["kernel"] = np.full((10, 4), np.nan, np.float32)
        with pytest.raises(jm.InputError, match="NaN or infinite values in its first layer"):
            representation(jm.Problem(trained, tiny, layer="conv1"))
