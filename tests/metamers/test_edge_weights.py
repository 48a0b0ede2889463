"""Real edge weights: one a pair, in the ordinary loop."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.graphs.edge_lists import pad_graph


@pytest.fixture
def messy():
    """A triangle and an edge, a self loop of weight 0.5 and two entries of weight 0."""
    senders = [0, 1, 1, 2, 2, 0, 3, 3, 4, 0, 4]
    receivers = [1, 0, 2, 1, 0, 2, 3, 4, 3, 4, 0]
    weight = [1, 1, 2, 2, 3, 3, 0.5, 4, 4, 0, 0]
    return jm.make_graph(np.eye(5), senders, receivers, weight)


def message(call):
    with pytest.raises(jm.InputError) as raised:
        call()
    return str(raised.value)


class TestTheta:
    def test_is_one_weight_a_pair_in_the_order_of_their_ends(self, messy):
        # 11 entries have room for 5 pairs; there are 4: (0, 1), (0, 2), (1, 2), (3, 4).
        assert jm.EdgeWeights().encode(messy).tolist() == [1, 3, 2, 4, 0]

    def test_of_a_directed_graph_is_one_weight_an_edge(self):
        graph = jm.make_graph(np.eye(3), [2, 0, 1], [0, 1, 0], [5, 6, 7])
        vary = jm.EdgeWeights(directed=True, candidates=((1, 2),))
        assert vary.encode(graph).tolist() == [6, 7, 5, 0]
        seen = vary.decode(jnp.array([1.0, 2.0, 3.0, 4.0]), graph)
        assert seen.edges.weight.tolist() == [3, 1, 2, 4]
        assert (seen.senders.tolist(), seen.receivers.tolist()) == ([2, 0, 1, 1], [0, 1, 0, 2])

    def test_goes_both_ways_and_leaves_loops_and_padding_alone(self, messy):
        seen = jm.EdgeWeights().decode(jnp.array([10.0, 20.0, 30.0, 40.0, 50.0]), messy)
        expected = [10, 10, 30, 30, 20, 20, 0.5, 40, 40, 0, 0]
        assert seen.edges.weight.tolist() == expected

    def test_gradient_is_the_sum_over_both_directions(self, messy):
        vary = jm.EdgeWeights()
        rng = np.random.default_rng(0)
        by_entry = rng.normal(size=11).astype(np.float32)
        found = jax.grad(lambda t: vary.decode(t, messy).edges.weight @ by_entry)(jnp.ones(5))
        rows = [[0, 1], [4, 5], [2, 3], [7, 8], []]
        np.testing.assert_allclose(found, [by_entry[row].sum() for row in rows], rtol=1e-6)

    def test_does_not_depend_on_the_order_of_the_edge_list(self, messy):
        order = np.random.default_rng(1).permutation(11)
        shuffled = messy._replace(
            senders=messy.senders[order],
            receivers=messy.receivers[order],
            edges=jm.Edges(messy.edges.weight[order]),
        )
        theta = jm.EdgeWeights().encode(shuffled)
        assert theta.tolist() == jm.EdgeWeights().encode(messy).tolist()

    def test_of_padding_stays_zero(self, messy):
        padded = pad_graph(messy, 7, 20)
        vary = jm.EdgeWeights(candidates=((1, 4),))
        theta = vary.init(jax.random.key(0), padded)
        assert theta.shape == (11,)
        assert (theta[4:10] == 0).all()
        assert (theta[:4] > 0).any()
        seen = vary.decode(theta + 1, padded)
        np.testing.assert_array_equal(seen.edges.weight[11:20], 0)
        assert int(seen.n_edge[-1]) == seen.senders.size == 22


class TestRefused:
    @pytest.mark.parametrize("what", ["decode", "project", "harden"])
    @pytest.mark.parametrize("vary", [jm.EdgeWeights(), jm.ContinuousFeatures()], ids=repr)
    def test_are_coordinates_of_another_graph(self, messy, vary, what):
        if (what, vary) == ("project", jm.ContinuousFeatures()):
            pytest.skip("any features are projected")
        theta = jax.tree.map(lambda array: array[:-1], vary.encode(messy))
        text = message(lambda: getattr(vary, what)(theta, messy))
        assert f"`theta` has shape {theta.shape}" in text

    def test_is_a_network_that_takes_the_maximum(self, graph, make_trained):
        trained = make_trained(jm.GraphSAGE(hidden=4, num_outputs=3, aggregator="max"), graph)
        text = message(lambda: jm.Problem(trained, graph, "conv1", jm.EdgeWeights()))
        assert "the maximum over neighbors of GraphSAGE jumps when an edge appears" in text
        assert "use a network that sums, averages or attends" in text

    @pytest.mark.parametrize("domain", [jm.Free(), jm.Box(-0.1, 1.0)])
    def test_are_negative_weights(self, domain):
        assert "which allows negative weights" in message(lambda: jm.EdgeWeights(domain=domain))

    @pytest.mark.parametrize(
        ("candidates", "text"),
        [
            (((2, 2),), "`candidates` holds (2, 2); allowed are pairs of two different nodes"),
            (((-1, 2),), "`candidates` holds (-1, 2)"),
            (((0, 2), (2, 0)), "`candidates` names a pair twice"),
        ],
    )
    def test_are_candidates_that_are_no_pairs(self, candidates, text):
        assert text in message(lambda: jm.EdgeWeights(candidates))

    def test_are_candidates_of_another_graph(self, messy):
        check = lambda *pairs: message(lambda: jm.EdgeWeights(pairs).check(messy))  # noqa: E731
        assert "`candidates` names node 5, but the graph has 5 nodes" in check((0, 5))
        assert "`candidates` holds (4, 3), which is an edge of the graph" in check((4, 3))
        jm.EdgeWeights(((0, 4),)).check(messy)  # of weight 0: no edge yet

    def test_is_an_edge_of_two_weights_or_of_one_direction(self):
        graph = jm.make_graph(np.eye(2), [0, 1], [1, 0], [1, 2])
        text = message(lambda: jm.EdgeWeights().check(graph))
        assert "use `EdgeWeights(directed=True)`, or `symmetrize` it" in text
        jm.EdgeWeights(directed=True).check(graph)

    def test_is_an_edge_that_is_stored_twice(self):
        graph = jm.make_graph(np.eye(2), [0, 0, 1, 1], [1, 1, 0, 0])
        assert "stores the edge (0, 1) several times" in message(
            lambda: jm.EdgeWeights().check(graph)
        )

    def test_is_a_graph_without_edges(self):
        graph = jm.make_graph(np.eye(2), [], [])
        assert "no edges whose weight could vary" in message(lambda: jm.EdgeWeights().check(graph))
        jm.EdgeWeights(((0, 1),)).check(graph)


class TestMetamers:
    @pytest.fixture(scope="class")
    @classmethod
    def problem(cls, trained, graph):
        absent = ((i, j) for i in range(16) for j in range(i) if not is_edge(graph, i, j))
        vary = jm.EdgeWeights(candidates=tuple(itertools.islice(absent, 2)))
        return jm.Problem(trained, graph, layer="conv1", nodes=[0, 4, 7], vary=vary)

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, problem):
        return jm.generate(problem, count=3, steps=150, tolerance=1e-4)

    def test_match_with_other_weights(self, problem, made):
        assert made.status.tolist() == [1, 1, 1]
        for i in range(3):
            weight = np.asarray(jm.metamer_graph(problem, made, i).edges.weight)
            assert weight.min() >= 0
            assert np.abs(weight[: problem.graph.senders.size] - 1).max() > 0.2

    def test_have_the_loss_that_numpy_finds(self, problem, made, oracle):
        def l_act(weights):
            def at(graph):
                return numpy_gcn_layer(problem.trained.params, graph)[[0, 4, 7]]

            target = at(problem.graph)
            return np.sum((at(weights) - target) ** 2) / np.sum(target**2)

        reference = numpy_gcn_layer(problem.trained.params, problem.graph)
        np.testing.assert_allclose(
            reference, oracle(problem.trained.params, problem.graph)["conv1"], rtol=1e-6
        )
        for i in range(3):
            found = l_act(jm.metamer_graph(problem, made, i))
            assert np.sqrt(made.loss_hardened[i]) == pytest.approx(np.sqrt(found), rel=1e-2)

    def test_of_a_seed_depend_on_no_other(self, problem, made):
        alone = jm.generate(problem, seeds=[2], steps=150, tolerance=1e-4)
        np.testing.assert_array_equal(alone.theta[0], made.theta[2])


def is_edge(graph, i, j):
    return bool(((graph.senders == i) & (graph.receivers == j)).any())


def numpy_gcn_layer(params, graph):
    """ReLU of one GCN layer with weights, in float64."""
    nodes = np.asarray(graph.nodes, np.float64)
    adjacency = np.eye(len(nodes))
    weight = np.asarray(graph.edges.weight, np.float64)
    np.add.at(adjacency, (np.asarray(graph.receivers), np.asarray(graph.senders)), weight)
    scale = 1 / np.sqrt(adjacency.sum(axis=1))
    first = params["params"]["conv1"]
    product = nodes @ np.asarray(first["kernel"], np.float64)
    return np.maximum(scale[:, None] * (adjacency @ (scale[:, None] * product)) + first["bias"], 0)
