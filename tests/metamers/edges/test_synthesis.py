"""Structure metamers: legal graphs, judged truthfully, each by its own seed alone."""

import dataclasses

import jax
import numpy as np
import pytest

import jmetamer as jm

STEPS = 40
# Name -> edges, and how they are relaxed.
STARTS = {
    "noise": ({}, {"block": 40}),
    "rewired": ({"start": "rewired"}, {"block": 40, "refill": "gradient"}),
    "reference": ({"start": "reference", "distance": 0.3}, {}),
    "budget": ({"start": "rewired", "budget": 5}, {}),
}
SEEDS = [5, 0, 3]


def graphs(problem, made):
    return [jm.metamer_graph(problem, made, i) for i in range(len(made.seed_id))]


def rows(made):
    """Every field that has one entry a seed, as rows of leaves."""
    alike = ("trace_step", "base_seed", "method", "problem_digest")
    kept = {name: value for name, value in made._asdict().items() if name not in alike}
    return [jax.tree.leaves(jax.tree.map(lambda a, i=i: a[i], kept)) for i in range(len(SEEDS))]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name == "budget" else []) for name in STARTS
    ],
)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def problem(name, edge_problem):
    return edge_problem(**STARTS[name][0])


@pytest.fixture(scope="module")
def method(name):
    return jm.RelaxEdges(steps=STEPS, refill_every=10, **STARTS[name][1])


@pytest.fixture(scope="module")
def told():
    """Graphs as they were handed out."""
    return {}


@pytest.fixture(scope="module")
def made(name, problem, method, told):
    told[name] = {}
    return jm.generate(problem, seeds=SEEDS, method=method, on_metamer=told[name].__setitem__)


class TestAMetamer:
    def test_is_a_legal_simple_graph(self, problem, made, is_legal):
        for graph in graphs(problem, made):
            assert is_legal(graph, problem.graph)
            np.testing.assert_array_equal(graph.nodes, problem.graph.nodes)

    def test_is_handed_out_as_it_is_kept(self, name, problem, made, told):
        assert list(told[name]) == SEEDS
        for seed, graph in zip(SEEDS, graphs(problem, made), strict=True):
            for one, other in zip(*map(jax.tree.leaves, (told[name][seed], graph)), strict=True):
                np.testing.assert_array_equal(one, other)

    def test_has_the_loss_that_numpy_finds(self, problem, made, oracle, l_act):
        truth = oracle(problem.trained.params, problem.graph)
        names = problem.trained.model.layer_names
        for i, graph in enumerate(graphs(problem, made)):
            found = oracle(problem.trained.params, graph)
            expected = [l_act(found[layer], truth[layer]) for layer in names]
            np.testing.assert_allclose(made.layer_match[i], expected, rtol=1e-3, atol=1e-9)
            assert made.loss_hardened[i] == made.layer_match[i, names.index("conv1")]
            np.testing.assert_allclose(
                made.details["loss_flipped"][i], made.loss_hardened[i], rtol=1e-4, atol=1e-9
            )

    def test_is_better_after_flips_than_after_rounding(self, name, made):
        if name == "reference":
            pytest.skip("a walk pays for its distance")
        assert (made.details["loss_flipped"] <= made.details["loss_rounded"]).all()
        if name != "budget":  # rounding may have spent all changes
            assert (made.details["num_flips"] > 0).any()
        unflipped = made.details["num_flips"] == 0
        same = made.details["loss_flipped"] == made.details["loss_rounded"]
        assert same[unflipped].all()

    def test_tells_its_trace(self, name, made):
        np.testing.assert_array_equal(made.loss_initial, made.loss_trace[:, 0])
        np.testing.assert_array_equal(made.loss_final, made.details["loss_relaxed"])
        # Of the iterates the one with the least penalty and loss together is kept.
        near = np.isclose(made.loss_trace, made.loss_final[:, None], rtol=1e-6)
        assert near.any(axis=1).all()
        if name != "reference":  # a walk starts next to the reference
            assert (made.loss_hardened < made.loss_initial).all()
        after = made.trace_step[None] > made.steps_used[:, None]
        np.testing.assert_array_equal(np.isnan(made.loss_trace), after)

    def test_of_a_seed_depends_on_no_other(self, problem, method, made):
        order = [3, 8, 5]
        other = jm.generate(problem, seeds=order, method=method)
        mine, theirs = rows(made), rows(other)
        for seed in (3, 5):
            pairs = zip(mine[SEEDS.index(seed)], theirs[order.index(seed)], strict=True)
            for one, two in pairs:
                np.testing.assert_array_equal(one, two)
        assert not np.array_equal(*made.theta.receivers[:2])

    def test_of_another_base_seed_is_another(self, problem, method, made):
        other = jm.generate(problem, seeds=SEEDS[:1], method=method, seed=1)
        assert not np.array_equal(other.theta.receivers[0], made.theta.receivers[0])


class TestAStart:
    def test_of_noise_has_as_many_edges_and_no_more_in_common_than_chance(
        self, edge_problem, pairs_in, start_of
    ):
        problem = edge_problem()
        reference = pairs_in(problem.graph)
        for edges in start_of(problem, range(5)):
            assert len(edges) == len(reference) == 24
            assert all(i < j for i, j in edges)
            # 24 of 120 pairs: 4.8 in common are expected, with a deviation of 1.8.
            assert len(edges & reference) <= 12

    def test_that_is_rewired_keeps_every_degree(self, edge_problem, pairs_in, start_of):
        problem = edge_problem(start="rewired")
        degree = np.bincount(problem.graph.receivers, minlength=16)
        for edges in start_of(problem, range(5)):
            ends = np.array(list(edges)).ravel()
            np.testing.assert_array_equal(np.bincount(ends, minlength=16), degree)
            assert len(edges & pairs_in(problem.graph)) <= 16

    def test_at_the_reference_is_the_reference(self, edge_problem, pairs_in, start_of):
        problem = edge_problem(start="reference", distance=0.3)
        assert start_of(problem, SEEDS) == 3 * [pairs_in(problem.graph)]


class TestAWalk:
    @pytest.mark.parametrize("distance", [0.1, 0.5])
    def test_reaches_its_distance(self, edge_problem, pairs_in, distance):
        problem = edge_problem(start="reference", distance=distance)
        made = jm.generate(problem, seeds=SEEDS, steps=STEPS)
        reference = pairs_in(problem.graph)
        for graph in graphs(problem, made):
            edges = pairs_in(graph)
            assert 1 - len(edges & reference) / len(edges | reference) >= distance - 1e-6

    def test_takes_another_way_for_every_seed(self, edge_problem, pairs_in):
        problem = edge_problem(start="reference", distance=0.3)
        made = jm.generate(problem, seeds=SEEDS, steps=STEPS)
        assert len({frozenset(pairs_in(graph)) for graph in graphs(problem, made)}) == 3


@pytest.mark.parametrize("budget", [1, 4])
def test_a_budget_is_kept(edge_problem, pairs_in, start_of, budget):
    problem = edge_problem(start="rewired", budget=budget)
    made = jm.generate(problem, seeds=SEEDS, steps=STEPS)
    changed = [
        len(pairs_in(graph) ^ start)
        for graph, start in zip(graphs(problem, made), start_of(problem, SEEDS), strict=True)
    ]
    assert max(changed) <= budget
    assert changed == made.details["num_changed"].tolist()
    assert any(changed)


class TestTheSixRing:
    """With equal features a ring of six and two triangles look alike to every network."""

    @pytest.fixture(scope="class")
    @classmethod
    def ring(cls):
        around = np.arange(6)
        senders, receivers = np.r_[around, (around + 1) % 6], np.r_[(around + 1) % 6, around]
        return jm.make_graph(np.ones((6, 2)), senders, receivers)

    @pytest.mark.parametrize(
        "architecture", ["gcn", "gin", "sage", pytest.param("gat", marks=pytest.mark.slow)]
    )
    def test_has_exact_metamers_that_are_found(
        self, ring, architectures, make_trained, architecture, is_legal, pairs_in
    ):
        trained = make_trained(architectures[architecture], ring)
        problem = jm.Problem(trained, ring, layer="logits", vary=jm.BinaryEdges())
        made = jm.generate(problem, count=8, steps=100, tolerance=1e-11)
        exact = [
            graph
            for graph, loss in zip(graphs(problem, made), made.loss_hardened, strict=True)
            if loss < 1e-10
        ]
        assert len(exact) >= 2
        for graph in exact:
            assert is_legal(graph, ring)
            degree = np.bincount(graph.receivers, minlength=6)
            if architecture == "gin":
                assert (degree == 2).all()
            if architecture == "gcn":  # sum_j 1 / sqrt(deg_i deg_j) = 1: regular components
                one, other = np.asarray(graph.senders), np.asarray(graph.receivers)
                assert (degree[one] == degree[other]).all()
            if architecture == "sage":  # the mean of equal neighbors, however many
                assert (degree > 0).all()
        assert len({frozenset(pairs_in(graph)) for graph in exact}) > 1


class TestADirectedReference:
    @pytest.fixture(scope="class")
    @classmethod
    def problem(cls, trained, graph):
        kept = graph.senders < graph.receivers
        one_way = jm.make_graph(
            graph.nodes,
            np.r_[graph.senders[kept], 3],
            np.r_[graph.receivers[kept], 3],
        )
        return jm.Problem(trained, one_way, layer="conv1", vary=jm.BinaryEdges())

    def test_gives_directed_metamers_that_keep_its_loops(self, problem, is_legal):
        method = jm.RelaxEdges(steps=STEPS, block=60, refill_every=10)
        made = jm.generate(problem, seeds=SEEDS, method=method)
        assert (made.loss_hardened < made.loss_initial).all()
        for graph in graphs(problem, made):
            assert is_legal(graph, problem.graph, directed=True)
            assert not is_legal(graph, problem.graph)
            assert (3, 3) in zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)

    def test_is_rewired_with_its_degrees_in_and_out(self, problem, pairs_in, start_of):
        problem = dataclasses.replace(problem, vary=jm.BinaryEdges(start="rewired"))
        expected = np.array(list(pairs_in(problem.graph, directed=True))).T
        for edges in start_of(problem, SEEDS):
            for found, side in zip(np.array(list(edges)).T, expected, strict=True):
                counts = [np.bincount(each, minlength=16) for each in (found, side)]
                np.testing.assert_array_equal(*counts)


def test_target_nodes_alone_are_matched(trained, graph, oracle, l_act, is_legal):
    nodes = [2, 9]
    problem = jm.Problem(trained, graph, layer="logits", nodes=nodes, vary=jm.BinaryEdges())
    made = jm.generate(problem, seeds=SEEDS, steps=STEPS, tolerance=1e-4)
    truth = oracle(trained.params, graph)["logits"][nodes]
    for graph_found, loss in zip(graphs(problem, made), made.loss_hardened, strict=True):
        found = oracle(trained.params, graph_found)["logits"][nodes]
        assert loss == pytest.approx(l_act(found, truth), rel=1e-3, abs=1e-9)
        assert is_legal(graph_found, graph)
    assert (made.loss_hardened < 0.1 * made.loss_initial).all()


def test_of_several_layers_the_largest_loss_counts(trained, graph, oracle, l_act):
    layers = ("conv1", "logits")
    problem = jm.Problem(trained, graph, layer=layers, vary=jm.BinaryEdges())
    made = jm.generate(problem, seeds=SEEDS, steps=STEPS)
    truth = oracle(trained.params, graph)
    for found_graph, loss in zip(graphs(problem, made), made.loss_hardened, strict=True):
        found = oracle(trained.params, found_graph)
        expected = max(l_act(found[layer], truth[layer]) for layer in layers)
        assert loss == pytest.approx(expected, rel=1e-3, abs=1e-9)
