"""Edges of a `local_problem`: they move near the targets, and metamers lift to the whole graph."""

import dataclasses
import re

import networkx as nx
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.check import Judge
from jmetamer.metamers.local_problem import local_problem


@pytest.mark.parametrize("name", ["gcn", "sage", "gin", "gat"])
def test_metamers_of_a_part_are_those_of_the_whole(make_trained, architectures, pairs_in, name):
    rng = np.random.default_rng(3)
    ends = np.array(nx.connected_watts_strogatz_graph(120, 4, 0.1, seed=2).edges).T
    both = np.concatenate([ends, ends[::-1]], axis=1)
    whole_graph = jm.make_graph(rng.normal(size=(120, 5)), *both)
    trained = make_trained(architectures[name], whole_graph)
    whole = jm.Problem(trained, whole_graph, "logits", vary=jm.BinaryEdges(), nodes=[3, 60])
    near = local_problem(whole, radius=2)
    assert list(near.problem.vary.nodes) == near.inner.tolist()
    assert near.inner.size < near.node_ids.size < 120
    assert not near.local.complete.all()
    options = {"block": 40, "refill": "gradient", "refill_every": 5, "flips": 3, "draws": 2}
    made = jm.generate(near.problem, count=2, method=jm.RelaxEdges(steps=12, **options))
    judge = Judge(whole)
    inner = set(near.node_ids[near.inner].tolist())
    for place in range(2):
        lifted = near.lift(jm.metamer_graph(near.problem, made, place))
        seen = judge(lifted)
        np.testing.assert_allclose(seen.loss, made.loss_hardened[place], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(seen.layer_match, made.layer_match[place], rtol=1e-5, atol=1e-5)
        assert seen.loss > 1e-4  # another graph, and no metamer of it by chance
        changed = pairs_in(whole_graph) ^ pairs_in(lifted)
        assert changed == {e for e in changed if inner >= set(e)} != set()


class TestAPart:
    @pytest.fixture
    def whole(self, make_trained):
        """A directed ring of 40 nodes with one edge that goes back."""
        one = np.r_[np.arange(40), 11]
        other = np.r_[(np.arange(40) + 1) % 40, 10]
        graph = jm.make_graph(np.random.default_rng(0).normal(size=(40, 3)), one, other)
        return jm.Problem(
            make_trained(jm.GCN(hidden=3, num_outputs=2), graph),
            graph,
            "conv1",
            jm.BinaryEdges(),
            [11],
        )

    def test_moves_edges_as_the_whole_graph_does(self, whole):
        assert local_problem(whole, radius=2).problem.vary.directed is True
        joint = dataclasses.replace(whole, vary=(jm.ContinuousFeatures(), jm.BinaryEdges()))
        near = local_problem(joint, radius=2)
        assert list(near.problem.edges.nodes) == near.inner.tolist()
        assert near.problem.features == jm.ContinuousFeatures()

    def test_draws_edges_anywhere_on_it(self, whole):
        vary = (jm.ContinuousFeatures(), jm.RandomEdges())
        near = local_problem(dataclasses.replace(whole, vary=vary), radius=2)
        assert near.problem.vary == vary

    def test_names_given_nodes_by_its_own_numbers(self, whole):
        asked = dataclasses.replace(whole, vary=jm.BinaryEdges(nodes=[11, 9, 10]))
        near = local_problem(asked, radius=2)
        assert near.node_ids[list(near.problem.vary.nodes)].tolist() == [9, 10, 11]

    def test_refuses_nodes_that_are_too_far(self, whole):
        asked = dataclasses.replace(whole, vary=jm.BinaryEdges(nodes=[30, 11, 10]))
        text = "`nodes` of the edges names node 30 (and 0 more), which is more than `radius`=2"
        with pytest.raises(jm.InputError, match=re.escape(text)):
            local_problem(asked, radius=2)

    def test_refuses_a_radius_that_holds_one_node(self, whole):
        with pytest.raises(jm.InputError, match="only node 11 is at most 0 steps from the targets"):
            local_problem(whole, radius=0)
