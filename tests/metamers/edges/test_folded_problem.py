"""Folded parts: targets see what they see of the whole graph, whatever edges change near them."""

import dataclasses
import re

import jax
import networkx as nx
import numpy as np
import pytest
from same_view import assert_same_view, seen_by_targets

import jmetamer as jm
from jmetamer.graphs.pairs import Flips, Pairs, flipped, flips_between
from jmetamer.metamers.check import Judge

MODELS = {
    "gcn": jm.GCN(hidden=5, layers=3, num_outputs=3),
    "sage": jm.GraphSAGE(hidden=5, layers=3, num_outputs=3),
    "gin": jm.GIN(hidden=5, layers=3, num_outputs=3),
    "deep": jm.GCN(hidden=5, layers=4, num_outputs=3),
}
TARGETS = [3, 60]
EDGES = jm.BinaryEdges()


def small_world():
    """100 nodes with four or more rings around the targets."""
    one, other = np.array(nx.connected_watts_strogatz_graph(100, 4, 0.1, seed=2).edges).T
    nodes = np.random.default_rng(1).normal(size=(100, 4))
    return jm.make_graph(nodes, np.r_[one, other], np.r_[other, one])


def hubs(directed=False):
    """100 nodes with a few hubs, some loops, one of them of weight 3."""
    rng = np.random.default_rng(1)
    one, other = np.array(nx.barabasi_albert_graph(100, 2, seed=4).edges).T
    loops, weight = np.array([3, 7, 50, 90]), np.ones(2 * one.size + 4)
    weight[-1] = 3
    senders, receivers = np.r_[one, other, loops], np.r_[other, one, loops]
    if directed:
        kept = (rng.random(senders.size) < 0.7) | (senders == receivers)
        senders, receivers, weight = senders[kept], receivers[kept], weight[kept]
    return jm.make_graph(rng.normal(size=(100, 4)), senders, receivers, weight)


@pytest.fixture
def make_whole(make_trained):
    def build(name, directed=False, nodes=TARGETS, vary=EDGES):
        graph = small_world() if name == "deep" else hubs(directed)
        return jm.Problem(make_trained(MODELS[name], graph), graph, "logits", vary, nodes=nodes)

    return build


def rewired(folded, count, rng):
    """Change random pairs between the nodes that may."""
    nodes, directed = folded.problem.vary.nodes, folded.problem.vary.directed
    pairs = np.array([(i, j) for i in nodes for j in nodes if i < j or (directed and i != j)])
    chosen = pairs[np.sort(rng.choice(len(pairs), count, replace=False))]
    senders, receivers = folded.problem.graph.senders, folded.problem.graph.receivers
    there = set(zip(senders.tolist(), receivers.tolist(), strict=True))
    added = np.array([tuple(pair) not in there for pair in chosen.tolist()])
    flips = Flips(Pairs(*chosen.T.astype(np.int32)), added)
    return flips, flipped(folded.problem.graph, flips, directed=directed)


@pytest.mark.parametrize(
    ("name", "radius", "directed"),
    [
        ("gcn", 1, False),
        ("gcn", 1, True),
        ("gcn", 0, False),
        ("sage", 1, False),
        ("sage", 1, True),
        ("gin", 1, False),
        ("deep", 2, False),
    ],
)
def test_targets_see_what_they_see_of_the_whole_graph(make_whole, name, radius, directed):
    nodes = [3, 60, 5]
    folded = jm.folded_problem(make_whole(name, directed, nodes), radius=radius)
    graph = folded.problem.graph
    assert len(graph.nodes) > len(folded.node_ids)
    assert folded.node_ids[folded.problem.nodes].tolist() == nodes
    assert_same_view(folded, graph, folded.whole.graph)
    rng = np.random.default_rng(0)
    for count in (1, 3):
        flips, changed = rewired(folded, count, rng)
        lifted = folded.lift(changed)
        assert_same_view(folded, changed, lifted)
        again, expected = (
            jax.tree.leaves(each)
            for each in (
                flips_between(folded.whole.graph, lifted, directed=directed),
                folded.lift_flips(flips),
            )
        )
        for ours, theirs in zip(again, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_stand_ins_matter(make_whole):
    folded = jm.folded_problem(make_whole("gcn"))
    nodes = np.array(folded.problem.graph.nodes)
    nodes[len(folded.node_ids) :] = 0
    here = seen_by_targets(folded.problem, folded.problem.graph._replace(nodes=nodes))
    there = seen_by_targets(folded.whole, folded.whole.graph)
    assert np.abs(here["logits"] - there["logits"]).max() > 1e-2


@pytest.mark.parametrize("name", ["gcn", "sage"])
def test_metamers_are_those_of_the_whole_graph(make_whole, name):
    folded = jm.folded_problem(make_whole(name))
    options = {"block": 30, "refill": "gradient", "refill_every": 5, "flips": 2, "draws": 1}
    made = jm.generate(folded.problem, count=1, method=jm.RelaxEdges(steps=12, **options))
    lifted = folded.lift(jm.metamer_graph(folded.problem, made, 0))
    seen = Judge(folded.whole)(lifted)
    np.testing.assert_allclose(seen.loss, made.loss_hardened[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(seen.layer_match, made.layer_match[0], rtol=1e-5, atol=1e-5)
    assert seen.loss > 1e-4
    changed = np.stack(flips_between(folded.whole.graph, lifted, directed=False).pairs)
    assert changed.size
    assert np.isin(changed, folded.node_ids[list(folded.problem.vary.nodes)]).all()


@pytest.mark.parametrize(
    ("changes", "options", "text"),
    [
        ({"nodes": None}, {}, "`problem` has nodes=None and vary=BinaryEdges"),
        ({"vary": jm.ContinuousFeatures()}, {}, "and vary=ContinuousFeatures("),
        ({}, {"radius": -1}, "`radius` is -1; allowed: a whole number from 0 up"),
    ],
)
def test_what_cannot_be_folded_is_refused(make_whole, changes, options, text):
    whole = dataclasses.replace(make_whole("gcn"), **changes)
    with pytest.raises(jm.InputError, match=re.escape(text)):
        jm.folded_problem(whole, **options)


@pytest.mark.parametrize("model", [jm.GAT(hidden=4, heads=2, layers=3), jm.GCN(hidden=4, layers=2)])
def test_networks_that_cannot_be_folded_are_refused(make_trained, model):
    graph = hubs()
    model = model.clone(num_outputs=3)
    whole = jm.Problem(make_trained(model, graph), graph, "logits", jm.BinaryEdges(), nodes=TARGETS)
    with pytest.raises(jm.InputError, match="use `local_problem`"):
        jm.folded_problem(whole)


def test_flips_elsewhere_are_refused(make_whole):
    folded = jm.folded_problem(make_whole("gcn"))
    outside = np.setdiff1d(np.arange(len(folded.node_ids)), folded.problem.vary.nodes)[:2]
    flips = Flips(Pairs(*outside[:, None].astype(np.int32)), np.array([True]))
    with pytest.raises(jm.InputError, match="change edges between other nodes"):
        folded.lift_flips(flips)
