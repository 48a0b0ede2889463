"""Maps over all nodes, against the Jacobians of single nodes on the whole graph."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.geometry.of_problem import local_geometry
from jmetamer.geometry.of_problem.local_geometry import ball_jacobians
from jmetamer.geometry.of_problem.node_maps import BlindFraction, node_maps
from jmetamer.geometry.of_problem.reference_point import ReferencePoint

NUM_NODES, NUM_FEATURES = 14, 12


@pytest.fixture(scope="module")
def weighted():
    """Weights, a weight of 0, loops, a double edge, one-way edges and node 13 without an edge."""
    rng = np.random.default_rng(4)
    pairs = np.array(
        [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (3, 5), (5, 6), (6, 7), (7, 8), (8, 9), (7, 10)]
    )
    senders = np.r_[pairs[:, 0], pairs[:, 1], [2, 6, 0], [11, 12], [0, 4, 4]]
    receivers = np.r_[pairs[:, 1], pairs[:, 0], [2, 6, 1], [3, 11], [9, 10, 4]]
    weight = rng.uniform(0.3, 2.0, len(senders))
    weight[-3] = 0.0  # would join both ends of the path
    return jm.make_graph(rng.normal(size=(NUM_NODES, NUM_FEATURES)), senders, receivers, weight)


CASES = {
    "gcn-three-layers": (jm.GCN(hidden=4, layers=3, num_outputs=3, activation="tanh"), "conv2"),
    "gcn-skip-norm": (
        jm.GCN(hidden=4, num_outputs=3, residual=True, normalization="layer"),
        "logits",
    ),
    "gcn-two-layers-at-once": (jm.GCN(hidden=4, num_outputs=3), ("conv1", "logits")),
    "gat": (jm.GAT(hidden=4, heads=2, num_outputs=3, activation="elu"), "logits"),
    "sage": (jm.GraphSAGE(hidden=4, num_outputs=3), "logits"),
    "gin-inner-wider-than-features": (jm.GIN(hidden=13, num_outputs=3), "conv2.mlp"),
    "sage-without-linear-entry": (
        jm.GraphSAGE(hidden=4, num_outputs=3, aggregator="max"),
        "conv1",
    ),
}


def same_values(found, expected):
    rows = (np.nan_to_num(spectrum.singular_values) for spectrum in (found, expected))
    for row, other in zip(*rows, strict=True):
        np.testing.assert_allclose(row, other, rtol=1e-9, atol=1e-12 * other.max(initial=0))
    np.testing.assert_array_equal(found.rank, expected.rank)
    np.testing.assert_allclose(found.log_volume, expected.log_volume, rtol=0, atol=1e-8)


def same_spectra(found, expected):
    same_values(found, expected)
    ends = (np.isnan(spectrum.singular_values) for spectrum in (found, expected))
    np.testing.assert_array_equal(*ends)
    for name in ("rank_low", "rank_high", "certified", "num_inputs", "num_outputs"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    np.testing.assert_allclose(found.cutoff, expected.cutoff, rtol=1e-5)
    np.testing.assert_array_equal(found.dimension, expected.dimension)


def dense_jacobians(problem, nodes):
    """J of nodes after the nonlinearity by all features, [nodes, q, n, d]."""
    with jax.enable_x64(True):
        raised = jax.tree.map(
            lambda x: np.asarray(x, np.float64) if np.asarray(x).dtype.kind == "f" else x,
            (problem.trained.params, problem.graph),
        )
        params, graph = jax.tree.map(jnp.asarray, raised)

        def output(x):
            found = problem.trained.model.activations(params, graph._replace(nodes=x))
            return jnp.concatenate(
                [found[name][jnp.array(nodes)] for name in problem.layers], axis=1
            )

        return np.asarray(jax.jit(jax.jacrev(output))(graph.nodes))


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def mapped(request, weighted, make_trained):
    model, layer = request.param
    problem = jm.Problem(make_trained(model, weighted), weighted, layer=layer)
    # So little memory that the balls fill several unions.
    return problem, node_maps(problem, memory=12_000)


def test_a_map_holds_what_local_geometry_finds_node_by_node(mapped):
    problem, maps = mapped
    nodewise = local_geometry(problem, range(NUM_NODES))
    on_the_whole_graph = local_geometry(problem, range(NUM_NODES), "all")
    np.testing.assert_array_equal(maps.nodes, np.arange(NUM_NODES))
    for expected, compare in ((nodewise, same_spectra), (on_the_whole_graph, same_values)):
        compare(maps.after.spectrum, expected.after)
        assert (maps.before is None) == (expected.before is None)
        if maps.before is not None:
            compare(maps.before.spectrum, expected.before)
    np.testing.assert_array_equal(maps.ball_size * NUM_FEATURES, maps.after.spectrum.num_inputs)
    assert maps.ball_size[13] == 1


DENSE = [CASES[name] for name in ("gcn-two-layers-at-once", "sage-without-linear-entry")]


def test_the_blind_fraction_is_the_energy_in_the_kernel(mapped):
    problem, maps = mapped
    if (problem.trained.model, problem.layer) not in DENSE:
        pytest.skip("the dense Jacobian is compiled for two networks alone")
    x = np.asarray(problem.graph.nodes, np.float64)
    nodes = [0, 3, 9, 13]
    for node, jacobian in zip(nodes, dense_jacobians(problem, nodes), strict=True):
        _, s, vt = np.linalg.svd(jacobian.reshape(len(jacobian), -1), full_matrices=False)
        basis = vt[s > 1e-12 * max(s[0], 1e-300)]
        reached = maps.after.spectrum.num_inputs[node] // NUM_FEATURES
        seen = {}
        for name, given, blind in (
            ("plain", x, maps.after.plain),
            ("centered", x - x.mean(axis=0), maps.after.centered),
        ):
            seen[name] = np.sum((basis @ given.reshape(-1)) ** 2)
            assert blind.visible[node] == pytest.approx(seen[name], abs=1e-9)
            assert blind.graph == pytest.approx(np.sum(given**2))
            assert blind.nu_graph[node] == pytest.approx(1 - seen[name] / np.sum(given**2))
        assert reached == maps.ball_size[node]
        ball = local_ball(problem, node)
        assert len(ball) == reached
        assert maps.after.nu[node] == pytest.approx(1 - seen["plain"] / np.sum(x[ball] ** 2))
        inside = (x - x.mean(axis=0))[ball]
        assert maps.after.nu_centered[node] == pytest.approx(
            1 - seen["centered"] / np.sum(inside**2)
        )


def local_ball(problem, node):
    """Nodes that the layer can see, by powers of the adjacency."""
    graph = problem.graph
    step = np.eye(NUM_NODES)
    step[graph.receivers, graph.senders] += np.asarray(graph.edges.weight) > 0
    hops = max(problem.trained.model.num_hops(name) for name in problem.layers)
    return np.flatnonzero(np.linalg.matrix_power(step, hops)[node])


def test_the_order_and_the_choice_of_nodes_are_kept(weighted, make_trained):
    model = jm.GCN(hidden=4, num_outputs=3)
    trained = make_trained(model, weighted)
    whole = node_maps(jm.Problem(trained, weighted, layer="logits"))
    some = node_maps(jm.Problem(trained, weighted, layer="logits"), [13, 2, 7])
    assert some.nodes.tolist() == [13, 2, 7]
    for name in ("rank", "num_inputs", "log_volume"):
        np.testing.assert_allclose(
            getattr(some.after.spectrum, name), getattr(whole.after.spectrum, name)[[13, 2, 7]]
        )
    np.testing.assert_allclose(some.after.nu, whole.after.nu[[13, 2, 7]], rtol=1e-12)
    chosen = node_maps(jm.Problem(trained, weighted, layer="logits", nodes=[13, 2]))
    assert chosen.nodes.tolist() == [13, 2]


class TestDegenerate:
    def test_a_graph_of_one_node(self, make_trained):
        graph = jm.make_graph(np.ones((1, 5)), np.zeros(0, int), np.zeros(0, int))
        trained = make_trained(jm.GCN(hidden=3, num_outputs=2, activation="elu"), graph)
        maps = node_maps(jm.Problem(trained, graph, layer="conv1"))
        weights = np.asarray(trained.params["params"]["conv1"]["kernel"], np.float64)
        np.testing.assert_allclose(
            maps.before.spectrum.singular_values[0],
            np.linalg.svd(weights, compute_uv=False),
            rtol=1e-12,
        )
        assert maps.after.dimension.tolist() == [2]
        # One node is its own mean: nothing is left to be blind to.
        assert maps.after.nu_centered.tolist() == [0.0]

    def test_features_of_zero_and_dead_units_give_numbers(self, make_trained):
        graph = jm.make_graph(np.zeros((3, 5)), [0, 1], [1, 0])
        trained = make_trained(jm.GCN(hidden=4, num_outputs=2), graph)
        trained.params["params"]["conv1"]["bias"] = np.array([1, -1, -1, 0], np.float32)
        maps = node_maps(jm.Problem(trained, graph, layer="conv1"))
        assert maps.before.spectrum.rank.tolist() == [4, 4, 4]
        assert maps.after.spectrum.rank.tolist() == [1, 1, 1]
        assert maps.after.spectrum.certified.all()
        assert maps.after.nu.tolist() == [0.0] * 3
        dead = trained.params["params"]["conv1"]
        dead["bias"] = -np.ones(4, np.float32)
        maps = node_maps(jm.Problem(trained, graph, layer="conv1"))
        assert maps.after.spectrum.rank.tolist() == [0, 0, 0]
        assert maps.after.spectrum.log_volume.tolist() == [0.0] * 3
        assert maps.after.dimension.tolist() == [10, 10, 5]

    def test_a_layer_that_sees_nothing_is_blind(self, weighted, make_trained):
        trained = make_trained(jm.GCN(hidden=4, num_outputs=2), weighted)
        first = trained.params["params"]["conv1"]
        first["kernel"] = np.zeros_like(first["kernel"])
        maps = node_maps(jm.Problem(trained, weighted, layer="logits"))
        assert maps.after.spectrum.rank.tolist() == [0] * NUM_NODES
        assert maps.after.nu.tolist() == [1.0] * NUM_NODES

    def test_an_input_without_energy_has_no_blind_share(self):
        blind = BlindFraction(np.zeros(2), np.array([0.0, 2.0]), 2.0)
        assert blind.nu.tolist() == [0.0, 1.0]

    def test_a_linear_model_without_edges_sees_its_own_node(self, small):
        maps = node_maps(small)
        assert (maps.ball_size == 1).all()
        assert maps.before is None
        assert (maps.after.spectrum.rank == 3).all()


@dataclasses.dataclass(frozen=True)
class TooShortSighted:
    """Sums over all nodes, and says that it sees its own node alone."""

    layer_names = ("logits",)

    def init(self, key, graph):
        return jnp.ones((NUM_FEATURES, 2))

    def activations(self, params, graph, *, entry=None, identity_backward=()):
        return {"logits": graph.nodes @ params + jnp.sum(graph.nodes)}

    def first_layer(self, params):
        return None

    def layer_structure(self, layer):
        return None

    def nonlinearity(self, layer):
        return None

    def num_hops(self, layer):
        return 0


@dataclasses.dataclass(frozen=True)
class LowPrecision(TooShortSighted):
    """Computes in float32, whatever it is given."""

    def activations(self, params, graph, *, entry=None, identity_backward=()):
        product = graph.nodes.astype(jnp.float32) @ params.astype(jnp.float32)
        return {"logits": product.astype(graph.nodes.dtype)}


class TestErrors:
    def test_a_model_that_sees_more_than_it_says_is_refused(self, weighted, make_trained):
        problem = jm.Problem(make_trained(TooShortSighted(), weighted), weighted, layer="logits")
        with pytest.raises(jm.InputError) as raised:
            node_maps(problem)
        assert "depend on more than `num_hops` = 0 says" in str(raised.value)
        assert "logits differ by" in str(raised.value)

    def test_a_model_that_computes_in_float32_is_refused(self, weighted, make_trained):
        problem = jm.Problem(make_trained(LowPrecision(), weighted), weighted, layer="logits")
        with pytest.raises(jm.InputError, match="casts float64 down to float32"):
            node_maps(problem)

    def test_a_node_out_of_range_is_named_with_the_range(self, weighted, make_trained):
        trained = make_trained(jm.GCN(hidden=4, num_outputs=3), weighted)
        with pytest.raises(jm.InputError) as raised:
            node_maps(jm.Problem(trained, weighted, layer="conv1"), [0, 14])
        assert str(raised.value) == (
            "`nodes`[1] is 14, but the graph has 14 nodes: allowed are 0 to 13"
        )


def test_many_unions_give_the_jacobians_of_one(weighted, make_trained):
    trained = make_trained(jm.GCN(hidden=4, num_outputs=3), weighted)
    point = ReferencePoint(jm.Problem(trained, weighted, layer="logits"))
    one = list(ball_jacobians(point, np.arange(NUM_NODES)))
    many = list(ball_jacobians(point, np.arange(NUM_NODES), memory=1))
    assert len(one) == 1
    assert len(many) > 3
    assert len({part.values.shape for part in many}) == 1  # one program
    parts = [part.of(ball) for part in many for ball in range(part.union.num_balls)]
    for ball, part in enumerate(parts):
        np.testing.assert_allclose(part, one[0].of(ball), rtol=1e-12, atol=1e-15)
