"""Starts of any density: uniform in the number of edges, of all pairs, legal ends."""

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods import Task
from jmetamer.metamers.methods.relax_edges.plan import numbers_of, plan_of
from jmetamer.metamers.methods.relax_edges.programs import begin

NUM_PAIRS = 15
SEEDS = np.arange(1600, dtype=np.int32)


@pytest.fixture(scope="module")
def problem(draw, make_undirected):
    drawn = draw("gcn")
    nodes = np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)
    graph = make_undirected(nodes, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)])
    return jm.Problem(drawn, graph, layer="conv1", vary=jm.BinaryEdges(start="any_density"))


@pytest.fixture(scope="module")
def starts(problem):
    task = Task(problem, 0, jm.default_method(problem), 1e-2)
    plan, data = plan_of(task, together=True)
    state = begin(plan, SEEDS, data, numbers_of(task, plan))
    return jax.device_get((state.start, state.now))


def test_numbers_of_edges_are_equally_likely(starts):
    present, _ = starts
    counts = np.bincount(present.sum(axis=1).astype(int), minlength=NUM_PAIRS + 1)
    assert counts.size == NUM_PAIRS + 1
    # With a uniform probability every number of edges has probability 1 / 16; chi-squared with
    # 15 degrees of freedom exceeds 44.3 once in 10,000 times.
    expected = SEEDS.size / (NUM_PAIRS + 1)
    assert np.sum((counts - expected) ** 2 / expected) < 44.3


def test_every_pair_is_as_likely_as_every_other(starts):
    present, now = starts
    codes = now.pairs.senders * 6 + now.pairs.receivers
    is_pair = now.pairs.senders != now.pairs.receivers
    assert (present[~is_pair] == 0).all()
    share = np.array([
        present[codes == 6 * i + j].sum() / SEEDS.size for i in range(6) for j in range(i + 1, 6)
    ])  # fmt: skip
    assert share == pytest.approx(0.5, abs=0.06)
    np.testing.assert_array_equal(now.weight, present)


def test_changes_are_counted_from_the_start(problem, starts):
    made = jm.generate(problem, seeds=range(3), steps=1, tolerance=1e3)
    # Any graph will do at this tolerance, so every start stays as it is.
    assert (made.details["num_changed"] == 0).all()
    graphs = [jm.metamer_graph(problem, made, place) for place in range(3)]
    edges = [int(np.asarray(graph.edges.weight).sum()) // 2 for graph in graphs]
    assert edges == starts[0][:3].sum(axis=1).astype(int).tolist()


def test_a_block_that_cannot_hold_all_pairs_is_refused(problem):
    with pytest.raises(jm.InputError, match=r"needs all 15 pairs of 6 nodes.*`block=9`"):
        jm.generate(problem, seeds=range(1), method=jm.RelaxEdges(steps=1, block=5))


def test_a_search_refuses_it(problem):
    with pytest.raises(jm.InputError, match="`start` is 'any_density'"):
        jm.generate(problem, seeds=range(1), method="swap_search")
