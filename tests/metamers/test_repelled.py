"""Metamers that repel each other: one group, apart, still matched, and off unless asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jmetamer as jm
from jmetamer._base.errors import InputError
from jmetamer._base.live_bytes import tree_bytes
from jmetamer.evaluation.examination import Examination
from jmetamer.measures import MEASURES, feature_diversity
from jmetamer.metamers.matching_loss import matching_loss
from jmetamer.metamers.methods import Execution, Task
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize import memory
from jmetamer.metamers.methods.optimize.program import limits_of
from jmetamer.metamers.methods.repel.repelled_program import advance, pressure_of, program_of_group
from jmetamer.sweep.block import Blocks, can_join

SGD = jm.Optimizer("sgd", 0.3)
SEEDS = [9, 2, 5]
STEPS = 12
ALONE = jm.Optimize(jm.Optimizer("adam", 0.05), steps=STEPS, coordinates="features")
GROUP = jm.Repel(1.0, ALONE)


def features(problem, made):
    graphs = [jm.metamer_graph(problem, made, place) for place in range(len(made.seed_id))]
    return {
        int(seed): np.asarray(graph.nodes) for seed, graph in zip(made.seed_id, graphs, strict=True)
    }


@pytest.fixture(scope="module")
def boxed(trained, graph):
    """Features confined to a box that the reference fits in: noise alone fills little of it."""
    start = jm.GlobalNoise(mean=0.0, std=0.3)
    return jm.Problem(trained, graph, "logits", jm.ContinuousFeatures(jm.Box(-3.0, 3.0), start))


@pytest.fixture(scope="module")
def binary(make_trained, binary_graph):
    """Two nodes must match: most ones of the features are free."""
    made = make_trained(jm.GCN(hidden=4, num_outputs=3), binary_graph)
    return jm.Problem(made, binary_graph, "logits", jm.BinaryFeatures(), nodes=[3, 9])


@pytest.fixture(scope="module", params=["continuous", "binary"])
def either(request, small, binary):
    return small if request.param == "continuous" else binary


@pytest.fixture(scope="module", params=["boxed", "binary"])
def made(request):
    problem = request.getfixturevalue(request.param)
    continuous = request.param == "boxed"
    adam = jm.Optimizer("adam", 0.05 if continuous else 0.2, "cosine")
    alone = jm.Optimize(adam, steps=150, coordinates="features")
    methods = (alone, jm.Repel(0.1, alone))
    pair = [jm.generate(problem, 6, method=method, tolerance=1e-2, seed=1) for method in methods]
    kind = "continuous" if continuous else "binary"
    found = [
        feature_diversity(np.stack(list(features(problem, one).values())), kind) for one in pair
    ]
    return problem, pair, found


@pytest.fixture(scope="module")
def whole(small):
    return jm.generate(small, seeds=SEEDS, method=GROUP)


class TestOff:
    def test_it_is_the_default(self, problem, binary_problem):
        for one in (problem, binary_problem):
            assert not jm.default_method(one).coupled


class TestAStep:
    """One step of gradient descent, against the objective written out and differentiated."""

    def test_goes_down_the_loss_and_the_repulsion_of_one_with_the_others_held(self, either):
        problem = either
        weight, matching, arrays = 0.7, problem.matching, problem.arrays
        vary, distance = matching.vary, MEASURES["features/normalized_euclidean"].function
        starts = [vary.draw(4, seed, arrays.graph) for seed in SEEDS]
        drawn = [vary.decode(theta, arrays.graph).nodes for theta in starts]

        @jax.jit
        @jax.grad
        def slope_of(theta, others):
            graph = vary.decode(theta, arrays.graph)
            loss, _ = matching_loss(
                matching.model.activations(arrays.params, graph), matching, arrays
            )
            apart = jnp.stack([distance(graph.nodes, one) for one in others])
            return loss + weight * jnp.mean((1 - apart) ** 2)

        method = jm.Repel(weight, jm.Optimize(SGD, steps=1))
        made = jm.generate(problem, seeds=SEEDS, seed=4, method=method, tolerance=1e-12)
        for place, theta in enumerate(starts):
            slope = slope_of(theta, [one for j, one in enumerate(drawn) if j != place])
            moved = jax.tree.map(lambda a, g: a - SGD.rate * g, theta, slope)
            expected = vary.project(moved, arrays.graph)
            found = jax.tree.map(lambda a, place=place: a[place], made.theta)
            for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)

    def test_is_no_longer_pushed_in_the_last_third(self, small):
        """Three steps with plain descent: the third is that of the matching loss alone."""
        matching, arrays = small.matching, small.arrays

        def loss(theta):
            graph = arrays.graph._replace(nodes=theta)
            found = matching.model.activations(arrays.params, graph)
            return matching_loss(found, matching, arrays)[0]

        # The schedule is constant, so two steps of three and of two are the same ones.
        methods = [jm.Repel(5.0, jm.Optimize(SGD, steps=steps)) for steps in (2, 3)]
        two, three = (jm.generate(small, 3, method=each, tolerance=1e-12) for each in methods)
        for place in range(3):
            before, after = two.theta[place], three.theta[place]
            by_hand = before - SGD.rate * jax.grad(loss)(before)
            np.testing.assert_allclose(after, by_hand, rtol=1e-4, atol=1e-5)


class TestMetamers:
    def test_still_converge(self, made):
        _, pair, _ = made
        assert all((one.status == jm.Status.CONVERGED).all() for one in pair)

    def test_are_further_apart_and_effectively_more(self, made):
        _, _, (without, pushed) = made
        assert pushed.mean > without.mean + 0.02
        assert pushed.minimum > without.minimum
        assert pushed.effective_number > without.effective_number + 0.1

    def test_are_legal_and_match_by_another_forward_pass(self, made, oracle, l_act):
        problem, (_, pushed), _ = made
        truth = oracle(problem.trained.params, problem.graph)["logits"]
        nodes = slice(None) if problem.nodes is None else np.asarray(problem.nodes)
        for place, nodes_of in enumerate(features(problem, pushed).values()):
            found = oracle(problem.trained.params, problem.graph._replace(nodes=nodes_of))
            loss = l_act(found["logits"][nodes], truth[nodes])
            assert loss == pytest.approx(pushed.loss_hardened[place], rel=1e-3)
            assert loss <= 1e-2
            if isinstance(problem.vary, jm.BinaryFeatures):
                assert np.isin(nodes_of, (0, 1)).all()
                assert nodes_of.sum() == np.asarray(problem.graph.nodes).sum()
            else:
                assert np.abs(nodes_of).max() <= 3

    def test_end_in_the_last_third_where_the_curve_ends(self, made):
        _, (_, pushed), _ = made
        assert (pushed.steps_used >= 100).all()
        reached = [curve[np.isfinite(curve)][-1] for curve in pushed.loss_trace]
        np.testing.assert_allclose(reached, pushed.loss_final, rtol=1e-6)


class TestAGroup:
    def test_is_the_same_in_whatever_order_its_seeds_are_named(self, small, whole):
        again = jm.generate(small, seeds=sorted(SEEDS), method=GROUP)
        assert whole.seed_id.tolist() == SEEDS
        first, second = features(small, whole), features(small, again)
        for seed in SEEDS:
            np.testing.assert_array_equal(first[seed], second[seed])

    def test_is_another_where_one_is_missing(self, small, whole):
        fewer = jm.generate(small, seeds=SEEDS[:2], method=GROUP)
        assert np.abs(features(small, fewer)[9] - features(small, whole)[9]).max() > 1e-3

    def test_of_one_seed_is_that_seed_until_the_optimizer_begins_anew_and_says_so(
        self, small, caplog
    ):
        settings = {"seeds": [9], "tolerance": 1e-12}
        alone = jm.generate(small, method=GROUP, **settings)
        assert "seed 9 is alone" in caplog.text
        plain = jm.generate(small, method=ALONE, **settings)
        np.testing.assert_allclose(alone.loss_trace[0, :9], plain.loss_trace[0, :9], rtol=1e-4)
        assert alone.loss_initial == alone.loss_trace[0, 0]
        assert alone.loss_final == alone.loss_trace[0, 8:].min()

    def test_reports_progress_and_tells_of_every_graph(self, small):
        seen, graphs = [], {}
        told = {"progress": seen.append, "on_metamer": graphs.__setitem__}
        jm.generate(small, 3, method=GROUP, **told)
        assert list(graphs) == [0, 1, 2]
        assert seen[-1].done == seen[-1].total == 3
        assert seen[-1].executed == 3 * (STEPS + 1)

    def blocks(self, problem, method):
        task = Task(problem, 0, method.for_problem(problem), 1e-4)
        return Blocks(task, (), count=500, keep=0, examination=Examination(problem))

    def test_of_a_cell_is_one_block_and_shares_no_lanes(self, small):
        group = self.blocks(small, jm.Repel(0.5))
        alone = self.blocks(small, jm.Optimize())
        assert group.size == group.lanes == 500
        assert alone.size < 500
        assert not can_join([group], group)
        assert not can_join([alone], group)
        assert not can_join([group], alone)

    def test_of_each_of_several_problems_is_its_own(self, small):
        pair = jm.generate([small, small], seeds=SEEDS, seed=[0, 1], method=GROUP)
        for seed, found in enumerate(pair):
            alone = jm.generate(small, seeds=SEEDS, seed=seed, method=GROUP)
            np.testing.assert_array_equal(found.theta, alone.theta)
        assert not np.array_equal(pair[0].theta, pair[1].theta)


class TestRefusals:
    def message(self, problem, **settings):
        with pytest.raises(InputError) as caught:
            jm.generate(problem, count=2, method=jm.Repel(1.0, jm.Optimize(**settings)))
        return str(caught.value)

    def test_of_edges_say_what_may_vary(self, trained, graph):
        joint = (jm.ContinuousFeatures(), jm.BinaryEdges())
        for vary in (jm.BinaryEdges(), jm.EdgeWeights(), joint):
            text = self.message(jm.Problem(trained, graph, "conv1", vary))
            assert "allowed are features alone, as `ContinuousFeatures()`" in text

    @pytest.mark.parametrize("method", [jm.GaussNewton(), "optimize"])
    def test_of_other_methods_name_the_argument(self, method):
        with pytest.raises(InputError, match="`method` is "):
            jm.Repel(1.0, method)

    def test_of_the_name_alone_ask_for_a_weight(self, problem):
        with pytest.raises(InputError, match="'repel' has no default for `weight`"):
            jm.generate(problem, count=2, method="repel")

    @pytest.mark.parametrize("optimizer", [jm.Optimizer("lane_lbfgs"), optax.adam(0.1)])
    def test_of_optimizers_that_may_read_the_loss_name_others(self, problem, optimizer):
        text = self.message(problem, optimizer=optimizer)
        assert "allowed is an `Optimizer` with a learning rate" in text

    def test_of_other_coordinates(self, problem):
        assert "use 'features' or 'auto'" in self.message(problem, coordinates="row_space")

    @pytest.mark.parametrize("weight", [0, -1.0, float("nan"), float("inf")])
    def test_of_weights_that_are_none(self, weight):
        with pytest.raises(InputError, match="`weight` is "):
            jm.Repel(weight)

    def test_of_problems_of_which_some_repel(self, small):
        with pytest.raises(InputError, match=r"`method` is \['optimize', 'repel'\]"):
            jm.generate([small, small], count=2, method=[jm.Optimize(), jm.Repel(1.0)])

    def test_of_a_group_too_large_come_before_anything_is_allocated(self, small, monkeypatch):
        monkeypatch.setattr(memory, "available_bytes", lambda: 10**6)
        monkeypatch.setattr(jm.Repel, "_optimized", None)
        pattern = r"5,000 metamers that repel .* need about .* but 1.0 MB are free"
        with pytest.raises(InputError, match=pattern):
            jm.generate(small, count=5000, method=jm.Repel(1.0))


@pytest.mark.parametrize("vary", [jm.ContinuousFeatures(), jm.BinaryFeatures()])
def test_the_memory_that_is_foreseen_is_about_what_the_compiler_takes(
    vary, make_random_graph, small
):
    wide = make_random_graph(0, num_nodes=300, binary=True)
    problem, count = jm.Problem(small.trained, wide, "logits", vary), 24
    method = jm.Repel(1.0).for_problem(problem)
    task = Task(problem, 0, method, 1e-4)
    inner = task._replace(method=method.method)
    program, data = program_of_group(inner, 20), (problem.arrays, limits_of(inner))
    seeds = jax.ShapeDtypeStruct((count,), jnp.int32)
    group = engine.fill.eval_shape(program, seeds, *data)
    pressure = pressure_of(method.weight, method.method.num_steps)
    found = advance.lower(program, group, *data, pressure).compile().memory_analysis()
    unaliased = found.output_size_in_bytes - found.alias_size_in_bytes
    taken = tree_bytes((group, data)) + unaliased + found.temp_size_in_bytes
    at_once, foreseen = method.memory([task], count, Execution())
    assert 0.6 * foreseen < taken < 1.1 * foreseen
    assert at_once == count
