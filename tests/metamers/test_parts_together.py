"""Features and edge weights that vary together: found, judged, measured, stored, controlled."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.evaluation.control_graphs import ControlGraphs
from jmetamer.evaluation.examination import Examination
from jmetamer.measures import Facts, measures_for, ready
from jmetamer.metamers.check import Judge
from jmetamer.metamers.methods import Task
from jmetamer.sweep.block import Blocks
from jmetamer.sweep.variables.diversity import StoredGraphs
from jmetamer.sweep.variables.metamers import metamer_variables

SEEDS = [4, 1]
PARTS = {
    "continuous": (jm.ContinuousFeatures(), jm.EdgeWeights()),
    "binary": (jm.BinaryFeatures(), jm.EdgeWeights(candidates=((0, 7),))),
}


@pytest.fixture(scope="module", params=PARTS)
def problem(request, trained, binary_graph):
    return jm.Problem(trained, binary_graph, layer="conv1", vary=PARTS[request.param])


@pytest.fixture(scope="module")
def made(problem):
    kept = {}
    metamers = jm.generate(problem, seeds=SEEDS, steps=150, on_metamer=kept.__setitem__)
    return metamers, kept


class TestAMetamer:
    def test_has_other_features_and_other_weights(self, problem, made):
        reference = problem.listed
        for graph in made[1].values():
            assert np.abs(np.asarray(graph.nodes) - reference.nodes).max() > 0.5
            assert np.abs(np.asarray(graph.edges.weight) - reference.edges.weight).max() > 0.1
            np.testing.assert_array_equal(graph.senders, reference.senders)
            if problem.features.kind == "binary":
                assert np.sum(graph.nodes) == np.sum(reference.nodes)

    def test_is_matched_and_judged_as_it_is_kept(self, problem, made):
        metamers, kept = made
        assert (metamers.loss_hardened < 0.1 * metamers.loss_initial).all()
        for place, seed in enumerate(SEEDS):
            verdict = Judge(problem)(kept[seed])
            assert verdict.loss == pytest.approx(metamers.loss_hardened[place], rel=1e-3)
            again = jm.metamer_graph(problem, metamers, place)
            for one, other in zip(*map(jax.tree.leaves, (again, kept[seed])), strict=True):
                np.testing.assert_array_equal(one, other)

    def test_of_a_seed_depends_on_no_other(self, problem, made):
        alone = jm.generate(problem, seeds=[1], steps=150)
        for one, both in zip(*map(jax.tree.leaves, (alone.theta, made[0].theta)), strict=True):
            np.testing.assert_array_equal(one[0], both[1])


def test_both_start_where_they_would_alone(problem):
    method = jm.default_method(problem)
    start = method.starts(problem, 3)(5)
    features, weights = (dataclasses.replace(problem, vary=part) for part in problem.parts)
    np.testing.assert_array_equal(start.nodes, method.starts(features, 3)(5).nodes)
    own = np.asarray(method.starts(weights, 3)(5).edges.weight)
    np.testing.assert_allclose(start.edges.weight, own, rtol=1e-6)  # another program rounds


def test_both_start_from_draws_of_their_own(trained, binary_graph):
    @dataclasses.dataclass(frozen=True)
    class Level:
        """One number for all entries."""

        def __call__(self, key, features):
            return jnp.full(features.shape, jax.random.uniform(key))

    vary = (jm.ContinuousFeatures(initialization=Level()), jm.EdgeWeights(initialization=Level()))
    problem = jm.Problem(trained, binary_graph, layer="conv1", vary=vary)
    start = jm.default_method(problem).starts(problem, 3)(5)
    features, weights = np.unique(start.nodes), np.unique(start.edges.weight)
    assert len(features) == 1
    assert len(weights) == 1
    assert features != weights  # the same draws would go together


def test_controls_move_both_as_far(problem, made):
    controls = ControlGraphs(problem, 0)
    name = "flips" if problem.features.kind == "binary" else "displacement"
    assert {"start", name} <= {*controls.names}
    metamer, reference = made[1][4], problem.listed
    moved = controls.of(4, metamer)[name]
    lengths, weights = (
        [np.linalg.norm(x.nodes - reference.nodes, axis=1) for x in (moved, metamer)],
        [np.abs(x.edges.weight - reference.edges.weight) for x in (moved, metamer)],
    )
    np.testing.assert_allclose(*lengths, rtol=1e-4)
    np.testing.assert_allclose(*weights, atol=1e-5)


def test_measures_of_both_are_taken_and_both_are_stored(problem):
    facts = Facts(None, None, None)
    kinds = [part.kind for part in problem.parts]
    measures = ready(measures_for(kinds), problem.graph, facts)
    assert {measure.reads for measure in measures} == {"features", "edges"}
    task = Task(problem, 0, dataclasses.replace(jm.default_method(problem), steps=5), 1e3)
    examination = Examination(problem)
    blocks = Blocks(task, measures, count=2, keep=2, examination=examination)
    block = blocks.make(range(2), None)
    assert np.isfinite(block["deviation"]).all()
    graphs = {}
    jm.generate(
        problem, 2, method=task.method, tolerance=task.tolerance, on_metamer=graphs.__setitem__
    )
    stored = StoredGraphs(block, problem, np.arange(2))
    for place in range(2):
        np.testing.assert_array_equal(stored[place].nodes, graphs[place].nodes)
        np.testing.assert_array_equal(stored[place].edges.weight, graphs[place].edges.weight)
    chance = np.zeros(len(measures))
    variables = metamer_variables(block, problem, measures, chance, task.tolerance)[0]
    assert {"features", "edge_weight", "diversity_features", "diversity_edges"} <= {*variables}
