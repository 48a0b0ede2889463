"""Local problems: the targets see on the part what they see on the whole graph, changed or not."""

import dataclasses
import re

import numpy as np
import pytest
from same_view import assert_same_view, seen_by_targets

import jmetamer as jm
from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import with_nodes
from jmetamer.graphs.local_graph import graph_with_local
from jmetamer.graphs.pairs import Flips, Pairs, flipped, flips_between, pair_numbers, pairs_of_graph
from jmetamer.metamers.check import Judge
from jmetamer.metamers.local_problem import local_problem

NUM_NODES, WIDTH = 90, 6
MODELS = {
    "gcn": jm.GCN(hidden=WIDTH, layers=3, num_outputs=3),
    "gin": jm.GIN(hidden=WIDTH, layers=2, num_outputs=3),
    "graphsage_mean": jm.GraphSAGE(hidden=WIDTH, layers=2, num_outputs=3),
    "graphsage_max": jm.GraphSAGE(hidden=WIDTH, layers=2, num_outputs=3, aggregator="max"),
    "gat": jm.GAT(hidden=WIDTH, layers=2, num_outputs=3, heads=2),
}


@pytest.fixture(scope="module")
def wide_graph(make_random_graph):
    """A ring with few chords: balls of three hops leave most of it out."""
    graph = make_random_graph(3, num_nodes=NUM_NODES)
    ends = zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)
    short = np.array([(i - j) % NUM_NODES in (1, NUM_NODES - 1) or i * j % 5 == 1 for i, j in ends])
    return jm.make_graph(graph.nodes, graph.senders[short], graph.receivers[short])


@pytest.fixture(scope="module")
def make_whole(wide_graph, make_trained):
    def build(model, nodes=(40, 7), layer="all", graph=None, **options):
        graph = wide_graph if graph is None else graph
        return jm.Problem(make_trained(model, graph), graph, layer, nodes=list(nodes), **options)

    return build


def swapped(graph, nodes, count, rng):
    """Remove and add equally many pairs between some nodes, so that shapes stay."""
    pairs = np.stack(pairs_of_graph(graph, directed=False), axis=1)
    inside = pairs[np.isin(pairs, nodes).all(axis=1)]
    others = np.array([(i, j) for i in nodes for j in nodes if i < j])
    known = set(map(tuple, pairs.tolist()))
    absent = np.array([pair for pair in others if tuple(pair.tolist()) not in known])
    count = min(count, len(inside), len(absent))
    assert count > 0
    removed = inside[rng.choice(len(inside), count, replace=False)]
    added = absent[rng.choice(len(absent), count, replace=False)]
    both = np.concatenate([removed, added]).astype(np.int32)
    flips = Flips(Pairs(both[:, 0], both[:, 1]), np.repeat([False, True], count))
    return flips, flipped(graph, flips, directed=False)


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_is_that_of_the_whole_graph(make_whole, name):
    near = local_problem(make_whole(MODELS[name]))
    assert len(near.node_ids) < NUM_NODES / 2
    assert not near.local.complete.all()
    assert near.node_ids[near.problem.nodes].tolist() == [40, 7]
    assert_same_view(near, near.problem.graph, near.whole.graph)
    rng = np.random.default_rng(1)
    graph = with_nodes(near.problem.graph, rng.normal(size=near.problem.graph.nodes.shape))
    assert_same_view(near, graph, near.lift(graph))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("radius", [1, 2])
def test_flips_between_inner_nodes_are_lifted_with_their_loss(make_whole, name, radius):
    near = local_problem(make_whole(MODELS[name]), radius=radius)
    judges = Judge(near.problem), Judge(near.whole)
    rng = np.random.default_rng(radius)
    changed = 0.0
    for count in (1, 2, 4):
        flips, graph = swapped(near.problem.graph, near.inner.tolist(), count, rng)
        assert near.is_exact(graph)
        lifted = near.lift(graph)
        assert_same_view(near, graph, lifted)
        here, there = (judge(g) for judge, g in zip(judges, (graph, lifted), strict=True))
        np.testing.assert_allclose(here.loss, there.loss, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(here.layer_match, there.layer_match, rtol=1e-5, atol=1e-5)
        changed = max(changed, float(there.loss))
        again = flipped(near.whole.graph, near.lift_flips(flips), directed=False)
        np.testing.assert_array_equal(again.senders, lifted.senders)
        np.testing.assert_array_equal(again.receivers, lifted.receivers)
    assert changed > 1e-3  # the flips mattered


def test_any_sequence_of_flips_between_inner_nodes_is_exact(make_whole):
    """The claim of the docstring, on many random graphs, without a network."""
    rng = np.random.default_rng(0)
    for radius in (0, 1, 2, 3):
        near = local_problem(make_whole(MODELS["gcn"], nodes=(40, 41, 7)), radius=radius)
        for count in (1, 3, 9, 27):
            _, graph = swapped(near.problem.graph, near.inner.tolist(), count, rng)
            assert near.is_exact(graph)


def ring(total, directed=False):
    one, other = np.arange(total), (np.arange(total) + 1) % total
    nodes = np.random.default_rng(0).normal(size=(total, 10))
    ends = (one, other) if directed else (np.append(one, other), np.append(other, one))
    return jm.make_graph(nodes, *ends)


@pytest.mark.parametrize(
    ("radius", "size", "farther"),
    # On a ring the ball of h hops has 2 h + 1 nodes: h = 2, 2, 3 with two layers.
    [(0, 5, (48, 0)), (1, 5, (48, 0)), (2, 7, (47, 0))],
)
def test_one_step_beyond_the_radius_would_be_wrong(make_whole, radius, size, farther):
    whole = make_whole(jm.GCN(hidden=4, num_outputs=3), [0], graph=ring(50))
    near = local_problem(whole, radius=radius)
    assert len(near.node_ids) == size
    ends = np.sort(np.searchsorted(near.node_ids, farther)).astype(np.int32)
    assert not set(ends.tolist()) <= set(near.inner.tolist())
    flips = Flips(Pairs(ends[:1], ends[1:]), np.array([True]))
    graph = flipped(near.problem.graph, flips, directed=False)
    assert not near.is_exact(graph)
    with pytest.raises(InputError, match=f"larger `radius` than {radius}"):
        near.lift(graph)
    forced = graph_with_local(near.whole.graph, near.local, graph)
    here, there = seen_by_targets(near.problem, graph), seen_by_targets(near.whole, forced)
    assert np.abs(here["logits"] - there["logits"]).max() > 1e-3


def test_without_true_degrees_a_gcn_would_be_wrong(make_whole):
    near = local_problem(make_whole(MODELS["gcn"]))
    graph = near.problem.graph
    loops = graph.senders == graph.receivers
    assert loops.sum() == (~near.local.complete).sum() > 0
    bare = graph._replace(edges=jm.Edges(np.where(loops, 0, graph.edges.weight)))
    here, there = seen_by_targets(near.problem, bare), seen_by_targets(near.whole, near.whole.graph)
    assert np.abs(here["logits"] - there["logits"]).max() > 1e-3


@pytest.mark.parametrize("model", [MODELS["gcn"], MODELS["gat"]], ids=["gcn", "gat"])
def test_directions_weights_and_loops_are_kept(make_whole, model):
    rng = np.random.default_rng(5)
    directed = ring(60, directed=True)
    senders = np.concatenate([directed.senders, rng.integers(60, size=25), [3, 17]])
    receivers = np.concatenate([directed.receivers, rng.integers(60, size=25), [3, 17]])
    weight = rng.choice([0.0, 0.5, 1.0, 3.0], size=senders.size)
    graph = jm.make_graph(directed.nodes, senders, receivers, weight)
    near = local_problem(make_whole(model, [20, 5], graph=graph), radius=2)
    assert len(near.node_ids) < 60
    assert_same_view(near, near.problem.graph, graph)
    # Other weights and another edge between inner nodes.
    part = near.problem.graph
    inner = np.isin(part.senders, near.inner) & np.isin(part.receivers, near.inner)
    inner &= part.senders != part.receivers
    weights = np.where(inner, rng.permutation(part.edges.weight), part.edges.weight)
    one, other = near.inner[[0, -1]]
    changed = jm.make_graph(
        part.nodes,
        np.append(part.senders, one),
        np.append(part.receivers, other),
        np.append(weights, 0.7),
    )
    assert_same_view(near, changed, near.lift(changed))


def test_matched_layers_alone_need_a_smaller_part(make_whole):
    whole = make_whole(MODELS["gcn"], layer="conv1")
    near, far = local_problem(whole, layers="matched"), local_problem(whole)
    assert set(near.node_ids) < set(far.node_ids)
    assert (near.hops, far.hops) == (1, 3)
    here = seen_by_targets(near.problem, near.problem.graph)
    there = seen_by_targets(whole, whole.graph)
    for name in ("conv1.pre", "conv1"):
        np.testing.assert_allclose(here[name], there[name], rtol=1e-5, atol=1e-5)
    assert np.abs(here["logits"] - there["logits"]).max() > 1e-3


def test_metamers_of_the_part_are_metamers_of_the_whole(make_whole):
    whole = make_whole(MODELS["graphsage_mean"], layer="conv1")
    near = local_problem(whole, layers="matched")
    found = jm.generate(near.problem, count=2, steps=30)
    judge = Judge(whole)
    for place in range(2):
        lifted = near.lift(jm.metamer_graph(near.problem, found, place))
        untouched = np.setdiff1d(np.arange(NUM_NODES), near.node_ids)
        np.testing.assert_array_equal(lifted.nodes[untouched], whole.graph.nodes[untouched])
        verdict = judge(lifted)
        np.testing.assert_allclose(verdict.loss, found.loss_hardened[place], rtol=1e-4, atol=1e-7)
    assert (found.loss_hardened < found.loss_initial / 10).all()


def test_a_given_target_and_the_settings_go_along(make_whole):
    target = np.ones((2, 3), np.float32)
    whole = make_whole(
        MODELS["gcn"], layer="logits", target=target, vary=jm.ContinuousFeatures(jm.Box(-1, 1))
    )
    near = local_problem(whole).problem
    np.testing.assert_array_equal(near.arrays.targets["logits"], target)
    assert near.matching == whole.matching


def test_a_network_without_neighbors_needs_its_targets_alone(small):
    whole = dataclasses.replace(small, nodes=[3, 2])
    near = local_problem(whole, radius=0)
    assert near.node_ids.tolist() == [2, 3]
    assert near.is_exact(near.problem.graph)
    assert_same_view(near, near.problem.graph, whole.graph)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"nodes": None}, {}, "`problem` has no `nodes`, so all nodes are targets"),
        ({}, {"radius": -1}, "`radius` is -1; allowed: a whole number from 0 up"),
        ({}, {"layers": "some"}, "`layers` is 'some'; allowed: 'all' or 'matched'"),
    ],
)
def test_what_makes_no_part_is_refused(make_whole, changes, options, message):
    whole = dataclasses.replace(make_whole(MODELS["gcn"]), **changes)
    with pytest.raises(InputError, match=re.escape(message)):
        local_problem(whole, **options)


def test_numbers_of_pairs_do_not_overflow_on_the_way_back(make_trained):
    graph = jm.load_dataset("dcsbm", num_nodes=80_000, num_edges=80_000, num_features=10).graph
    last = int(np.flatnonzero(np.minimum(graph.senders, graph.receivers) > 65_536)[0])
    center, neighbor = int(graph.receivers[last]), int(graph.senders[last])
    model = jm.GCN(hidden=2, num_outputs=2)
    near = local_problem(jm.Problem(make_trained(model, graph), graph, "logits", nodes=[center]))
    assert near.node_ids[near.problem.nodes].tolist() == [center]
    ends = np.sort(np.searchsorted(near.node_ids, [center, neighbor])).astype(np.int32)
    flips = Flips(Pairs(ends[:1], ends[1:]), np.array([False]))
    lifted = near.lift(flipped(near.problem.graph, flips, directed=False))
    found = flips_between(graph, lifted, directed=False)
    expected = pair_numbers(near.lift_flips(flips).pairs, 80_000)
    assert pair_numbers(found.pairs, 80_000).tolist() == expected.tolist()
    assert expected[0] > 2**31
