"""Metamers that repel each other: one group, apart, still matched, and off unless asked for."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jmetamer as jm
from jmetamer._base.errors import InputError
from jmetamer._base.keys import seed_key
from jmetamer._base.live_bytes import tree_bytes
from jmetamer.evaluation.examination import Examination
from jmetamer.measures import MEASURES, feature_diversity
from jmetamer.metamers.matching_loss import matching_loss
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize import memory
from jmetamer.metamers.methods.optimize.program import limits_of
from jmetamer.metamers.methods.repel.repelled import RepelledSynthesis, fit_group, group_bytes
from jmetamer.metamers.methods.repel.repelled_program import advance, pressure_of, program_of_group
from jmetamer.metamers.solver import ONE_GROUP, Solver
from jmetamer.sweep.block import Blocks, can_join

SGD = jm.Optimizer("sgd", 0.3)
SEEDS = [9, 2, 5]
GROUP = {"optimizer": jm.Optimizer("adam", 0.05), "steps": 12, "repulsion": 1.0}


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
    settings = {
        "count": 6, "optimizer": adam, "steps": 150, "tolerance": 1e-2,
        "coordinates": "features",
    }  # fmt: skip
    pair = [jm.generate(problem, repulsion=weight, **settings) for weight in (0, 0.1)]
    kind = "continuous" if continuous else "binary"
    found = [
        feature_diversity(np.stack(list(features(problem, one).values())), kind) for one in pair
    ]
    return problem, pair, found


@pytest.fixture(scope="module")
def whole(small):
    return jm.generate(small, seeds=SEEDS, **GROUP)


class TestOff:
    def test_it_is_what_it_was_to_the_last_bit(self, small, monkeypatch):
        monkeypatch.setattr(RepelledSynthesis, "finished", None)  # calling it would fail
        settings = {"count": 3, "steps": 20, "tolerance": 1e-3}
        plain, off = jm.generate(small, **settings), jm.generate(small, repulsion=0, **settings)
        for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(off), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_it_is_the_default(self, problem, binary_problem):
        for one in (problem, binary_problem):
            assert jm.default_solver(one).repulsion == 0
            assert "seeds" not in jm.default_solver(one).described()


class TestAStep:
    """One step of gradient descent, against the objective written out and differentiated."""

    def test_goes_down_the_loss_and_the_repulsion_of_one_with_the_others_held(self, either):
        problem = either
        weight, matching, arrays = 0.7, problem.matching, problem.arrays
        vary, distance = matching.vary, MEASURES["features/normalized_euclidean"].function
        starts = [vary.init(seed_key(4, seed), arrays.graph) for seed in SEEDS]
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

        made = jm.generate(
            *(problem, None), seeds=SEEDS, seed=4, steps=1, optimizer=SGD, tolerance=1e-12,
            repulsion=weight,
        )  # fmt: skip
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

        settings = {"optimizer": SGD, "tolerance": 1e-12, "repulsion": 5.0, "count": 3}
        # The schedule is constant, so two steps of three and of two are the same ones.
        two, three = (jm.generate(small, steps=steps, **settings) for steps in (2, 3))
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
        again = jm.generate(small, seeds=sorted(SEEDS), **GROUP)
        assert whole.seed_id.tolist() == SEEDS
        first, second = features(small, whole), features(small, again)
        for seed in SEEDS:
            np.testing.assert_array_equal(first[seed], second[seed])

    def test_is_another_where_one_is_missing(self, small, whole):
        fewer = jm.generate(small, seeds=SEEDS[:2], **GROUP)
        assert np.abs(features(small, fewer)[9] - features(small, whole)[9]).max() > 1e-3

    def test_of_one_seed_is_that_seed_until_the_optimizer_begins_anew_and_says_so(
        self, small, caplog
    ):
        settings = GROUP | {"tolerance": 1e-12, "coordinates": "features"}
        alone = jm.generate(small, seeds=[9], **settings)
        assert "seed 9 is alone" in caplog.text
        plain = jm.generate(small, seeds=[9], **settings | {"repulsion": 0})
        np.testing.assert_allclose(alone.loss_trace[0, :9], plain.loss_trace[0, :9], rtol=1e-4)
        assert alone.loss_initial == alone.loss_trace[0, 0]
        assert alone.loss_final == alone.loss_trace[0, 8:].min()

    def test_reports_progress_and_tells_of_every_graph(self, small):
        seen, graphs = [], {}
        jm.generate(*(small, 3), progress=seen.append, on_metamer=graphs.__setitem__, **GROUP)
        assert list(graphs) == [0, 1, 2]
        assert seen[-1].done == seen[-1].total == 3
        assert seen[-1].executed == 3 * (GROUP["steps"] + 1)

    def test_says_in_its_record_that_its_seeds_are_not_independent(self, small):
        solver = jm.default_solver(small, repulsion=0.5)
        described = solver.described()
        assert (described["repulsion"], described["seeds"]) == (0.5, ONE_GROUP)

    def blocks(self, problem, solver):
        examination = Examination(problem)
        return Blocks(problem, solver, 0, (), count=500, keep=0, examination=examination)

    def test_of_a_cell_is_one_block_and_shares_no_lanes(self, small):
        solver = jm.default_solver(small, repulsion=0.5)
        group = self.blocks(small, solver)
        alone = self.blocks(small, solver.replace(repulsion=0))
        assert group.size == group.solver.lanes == 500
        assert alone.size < 500
        assert not can_join([group], group)
        assert not can_join([alone], group)
        assert not can_join([group], alone)


class TestRefusals:
    def message(self, problem, **settings):
        with pytest.raises(InputError) as caught:
            jm.generate(problem, count=2, **{"repulsion": 1.0} | settings)
        return str(caught.value)

    def test_of_edges_say_what_may_vary(self, trained, graph):
        for vary in (jm.BinaryEdges(), jm.EdgeWeights(), jm.FeaturesAndEdges()):
            text = self.message(jm.Problem(trained, graph, "conv1", vary))
            assert "allowed are features alone, as `ContinuousFeatures()`" in text

    @pytest.mark.parametrize("method", ["gauss_newton", "swap_search"])
    def test_of_methods_say_which_is_allowed(self, problem, method):
        assert "use the method 'optimize'" in self.message(problem, method=method)

    @pytest.mark.parametrize("optimizer", [jm.Optimizer("lane_lbfgs"), optax.adam(0.1)])
    def test_of_optimizers_that_may_read_the_loss_name_others(self, problem, optimizer):
        text = self.message(problem, optimizer=optimizer)
        assert "default_solver(problem, repulsion=1.0)" in text

    def test_of_other_coordinates(self, problem):
        assert "use 'features' or 'auto'" in self.message(problem, coordinates="row_space")

    @pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
    def test_of_weights_that_are_none(self, problem, weight):
        assert "`repulsion` is " in self.message(problem, repulsion=weight)

    def test_of_problems_of_which_some_repel(self, small):
        solvers = [jm.default_solver(small, repulsion=weight) for weight in (0, 1.0)]
        with pytest.raises(InputError, match="on for some problems and off for others"):
            jm.generate_each([small, small], count=2, solver=solvers)

    def test_of_a_group_too_large_come_before_anything_is_allocated(self, small, monkeypatch):
        monkeypatch.setattr(memory, "available_bytes", lambda: 10**6)
        monkeypatch.setattr(RepelledSynthesis, "_optimized", None)
        solver = jm.default_solver(small, repulsion=1.0)
        pattern = r"5,000 metamers that repel .* need about .* but 1.0 MB are free"
        with pytest.raises(InputError, match=pattern):
            jm.generate(small, count=5000, solver=solver)


@pytest.mark.parametrize("vary", [jm.ContinuousFeatures(), jm.BinaryFeatures()])
def test_the_memory_that_is_foreseen_is_about_what_the_compiler_takes(
    vary, make_random_graph, small
):
    wide = make_random_graph(0, num_nodes=300, binary=True)
    problem, count = jm.Problem(small.trained, wide, "logits", vary), 24
    solver = jm.default_solver(problem, repulsion=1.0)
    program, data = program_of_group(problem, solver), (problem.arrays, limits_of(solver, 0))
    seeds = jax.ShapeDtypeStruct((count,), jnp.int32)
    group = engine.fill.eval_shape(program, seeds, data[0], (), data[1])
    found = advance.lower(program, group, *data, pressure_of(solver)).compile().memory_analysis()
    unaliased = found.output_size_in_bytes - found.alias_size_in_bytes
    taken = tree_bytes((group, data)) + unaliased + found.temp_size_in_bytes
    assert 0.6 * group_bytes(problem, solver, count) < taken
    assert taken < 1.1 * group_bytes(problem, solver, count)
    assert fit_group(problem, solver, count).lanes == count


def test_a_solver_names_its_weight(small):
    assert Solver(SGD, repulsion=2).repulsion == 2
    assert re.search("repulsion=2", repr(Solver(SGD, repulsion=2)))
