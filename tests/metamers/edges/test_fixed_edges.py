"""`BinaryEdges(nodes=...)`: edges come and go between these nodes alone, and all others stay."""

import dataclasses
import re

import jax
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jmetamer as jm
from jmetamer.metamers.check import Judge
from jmetamer.metamers.methods import Task
from jmetamer.metamers.methods.relax_edges import programs
from jmetamer.metamers.methods.relax_edges.hard_graph import EdgesTheta, host_graph
from jmetamer.metamers.methods.relax_edges.synthesis import EdgeSynthesis

NUM_NODES, NUM_EDGES = 12, 26
# Of this size in every drawn graph, so that one compiled program serves all examples.
NODES_SHARE, INSIDE = 7, 9
# Few steps and a high rate: graphs in disorder, not good ones.
DISORDER = {"learning_rate": 0.3, "refill_every": 2, "flips": 3, "draws": 2, "block": 6}
KINDS = {
    "noise": jm.BinaryEdges(),
    "gradient": jm.BinaryEdges(start="rewired"),
    "walk": jm.BinaryEdges(start="reference", distance=0.4),
    "directed": jm.BinaryEdges(directed=True, budget=3),
    "joint": jm.BinaryEdges(),
    "swap_search": jm.BinaryEdges(),
}
MODEL = jm.GCN(hidden=3, num_outputs=2)


def of_kind(kind, **changes):
    """What varies, with other edges."""
    edges = dataclasses.replace(KINDS[kind], **changes)
    return (jm.ContinuousFeatures(), edges) if kind == "joint" else edges


def relaxed(kind, **options):
    """How it is found."""
    refill = "gradient" if kind == "gradient" else "uniform"
    return jm.RelaxEdges(refill=refill, **{**DISORDER, **options})


def drawn(number):
    """A random graph with a self loop, and nodes that have `INSIDE` edges between them."""
    rng = np.random.default_rng(number)
    nodes = rng.permutation(NUM_NODES)[:NODES_SHARE]
    every = np.array(nx.complete_graph(NUM_NODES).edges)
    inside = np.isin(every, nodes).all(axis=1)
    ours = rng.choice(every[inside], INSIDE, replace=False)
    rest = rng.choice(every[~inside], NUM_EDGES - INSIDE, replace=False)
    pairs, loop = np.concatenate([ours, rest]), rng.integers(NUM_NODES)
    senders, receivers = (
        np.r_[pairs[:, 0], loop, pairs[:, 1]],
        np.r_[pairs[:, 1], loop, pairs[:, 0]],
    )
    graph = jm.make_graph(rng.normal(size=(NUM_NODES, 3)), senders, receivers)
    return graph, nodes.tolist()


def synthesis_of(problem, method):
    method = dataclasses.replace(method, steps=20).for_problem(problem)
    return EdgeSynthesis(Task(problem, 0, method, 1e-2))


def between(pairs, nodes):
    return {pair for pair in pairs if set(pair) <= set(nodes)}


@pytest.fixture
def edited(make_trained):
    """(kind, number) -> problem of a drawn graph, and its nodes."""

    def build(kind, number=0, model=MODEL, **changes):
        graph, nodes = drawn(number)
        vary = of_kind(kind, nodes=nodes, **changes)
        return jm.Problem(make_trained(model, graph), graph, layer="conv1", vary=vary), nodes

    return build


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.slow] if kind in ("gradient", "directed") else [])
        for kind in KINDS
    ],
)
def test_edges_elsewhere_never_change(make_trained, is_legal, pairs_in, kind):
    moved = set()

    @settings(max_examples=5, deadline=None)
    @given(number=st.integers(0, 10**6), seed=st.integers(0, 10**6))
    def check(number, seed):
        graph, nodes = drawn(number)
        vary = of_kind(kind, nodes=nodes)
        problem = jm.Problem(make_trained(MODEL, graph), graph, layer="conv1", vary=vary)
        method = jm.SwapSearch(4, 4) if kind == "swap_search" else relaxed(kind, steps=6)
        made = jm.generate(problem, seeds=[seed], method=method)
        found = jm.metamer_graph(problem, made, 0)
        directed = kind == "directed"
        assert is_legal(found, graph, directed=directed)
        before, after = (pairs_in(g, directed) for g in (graph, found))
        changed = before ^ after
        assert changed == between(changed, nodes)
        assert len(before - between(before, nodes)) == (NUM_EDGES - INSIDE) * (1 + directed)
        moved.update(changed)
        seen = Judge(problem)(found)
        np.testing.assert_allclose(seen.loss, made.loss_hardened[0], rtol=1e-3, atol=1e-6)
        if kind != "joint":  # the search saw the edges that stay, too
            searched = made.details.get("loss_flipped", made.loss_final)
            np.testing.assert_allclose(searched[0], seen.loss, rtol=1e-3, atol=1e-6)

    check()
    assert moved


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("start", ["noise", "rewired", "reference"])
def test_a_start_has_as_many_edges_between_the_nodes(edited, pairs_in, start_of, start, directed):
    kind = "walk" if start == "reference" else "noise"
    problem, nodes = edited(kind, start=start, directed=directed)
    ours = between(pairs_in(problem.graph, directed), nodes)
    ends = start_of(problem, range(6))
    for edges in ends:
        assert len(edges) == INSIDE * (1 + directed)
        assert edges == between(edges, nodes)
        assert directed or all(i < j for i, j in edges)
        if start == "rewired":
            assert sorted(i for e in edges for i in e) == sorted(i for e in ours for i in e)
        if start == "reference":
            assert edges == ours
    assert start == "reference" or len(set().union(*ends)) > len(ours)


@pytest.mark.parametrize(
    ("kind", "name", "block"),
    # GAT has no gradient of all pairs.
    [("noise", "gcn", 6), ("noise", "gcn", 500), ("gradient", "gcn", 6), ("gradient", "gat", 6)],
)
def test_candidates_are_between_the_nodes(edited, architectures, kind, name, block):
    problem, nodes = edited(kind, model=architectures[name])
    synthesis = synthesis_of(problem, relaxed(kind, block=block))
    given = synthesis.plan, synthesis.data, synthesis.numbers
    state = programs.begin(given[0], np.arange(3, dtype=np.int32), *given[1:])
    looked_at = set()
    for _ in range(3):
        state, _ = programs.advance(given[0], state, np.int32(2), *given[1:])
        if not synthesis.plan.holds_all:
            state = programs.exchange(given[0], state, *given[1:])
        for senders, receivers in zip(*map(np.asarray, state.now.pairs), strict=True):
            there = senders != receivers
            pairs = list(zip(senders[there].tolist(), receivers[there].tolist(), strict=True))
            assert len(set(pairs)) == len(pairs)
            looked_at.update(pairs)
    every = {(i, j) for i in nodes for j in nodes if i < j}
    assert looked_at <= every
    if block == 500:
        assert looked_at == every
    elif kind == "noise":
        assert len(looked_at) > INSIDE + 6


def test_all_nodes_named_is_none_named(edited):
    problem, _ = edited("gradient")
    named, unnamed = (
        dataclasses.replace(problem, vary=dataclasses.replace(problem.vary, nodes=nodes))
        for nodes in (range(NUM_NODES), None)
    )
    one, other = (
        jm.generate(p, 2, method=relaxed("gradient", steps=6))._replace(problem_digest="")
        for p in (named, unnamed)
    )
    for ours, theirs in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_walk_goes_as_far_as_asked_among_the_edges_that_may_move(edited, pairs_in):
    problem, nodes = edited("walk")
    made = jm.generate(problem, count=1, method=relaxed("walk", steps=60))
    found = jm.metamer_graph(problem, made, 0)
    before, after = (between(pairs_in(g), nodes) for g in (problem.graph, found))
    assert 1 - len(before & after) / len(before | after) >= 0.4


def test_other_nodes_compile_nothing_and_sets_are_equal(edited):
    assert jm.BinaryEdges(nodes=np.array([5, 2])) == jm.BinaryEdges(nodes=[2, 5])
    assert hash(jm.BinaryEdges(nodes=range(4))) == hash(jm.BinaryEdges(nodes=(3, 2, 1, 0)))
    plans = [synthesis_of(edited("noise", number)[0], relaxed("noise")).plan for number in (0, 1)]
    assert plans[0] == plans[1]


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ([3], "at least two node numbers, because an edge has two ends"),
        ([], "at least two node numbers"),
        (4, "`nodes` is 4; allowed: a list of (a whole number)"),
        ([0.5, 1.0], "`nodes` is [0.5, 1.0]; allowed: a list of (a whole number)"),
        ([[0, 1]], "`nodes` is [[0, 1]]; allowed: a list of (a whole number)"),
        ([0, -2], "`nodes` names node -2; allowed are node numbers from 0"),
        ([1, 0, 1], "`nodes` names node 1 twice"),
    ],
)
def test_no_list_of_nodes_is_refused(nodes, text):
    with pytest.raises(jm.InputError, match=re.escape(text)):
        jm.BinaryEdges(nodes=nodes)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"nodes": [0, 6]}, "`nodes` names node 6, but the graph has 5 nodes: allowed are 0 to 4"),
        ({"nodes": [0, 3]}, "no edges between the 2 different nodes in `nodes`"),
        ({"nodes": [0, 1]}, "has all 1 pairs of the 2 nodes in `nodes` as edges"),
        (
            {"nodes": [0, 1, 2], "start": "reference", "budget": 1, "distance": 0.9},
            "`budget`=1 changes of 2 edges reach a distance of 0.5 at most",
        ),
    ],
)
def test_nodes_that_do_not_fit_the_graph_are_refused(options, text):
    path = jm.make_graph(np.eye(5), [0, 1, 2, 3, 1, 2, 3, 4], [1, 2, 3, 4, 0, 1, 2, 3])
    with pytest.raises(jm.InputError, match=re.escape(text)):
        jm.BinaryEdges(**options).check(path)
    jm.BinaryEdges(nodes=[0, 1], start="reference", distance=0.5).check(path)


def test_edges_that_may_not_move_are_refused_in_a_stored_metamer(edited):
    problem, nodes = edited("noise")
    outside = next(i for i in range(NUM_NODES) if i not in nodes)
    theta = EdgesTheta(*(np.array([i], np.int32) for i in sorted([outside, nodes[0]])))
    with pytest.raises(jm.InputError, match="edges come and go between the `nodes`"):
        host_graph(problem, theta)


def test_numbers_past_65536_do_not_overflow(make_trained, pairs_in):
    """`i n + j` of these nodes is far above 2^31, and different pairs would be the same number."""
    graph = jm.load_dataset("dcsbm", num_nodes=80_000, num_edges=90_000, num_features=10).graph
    high = np.flatnonzero(np.minimum(graph.senders, graph.receivers) > 65_536)[:40]
    nodes = np.unique([graph.senders[high], graph.receivers[high]])
    trained = make_trained(jm.GCN(hidden=2, num_outputs=2), graph)
    options = {"block": 60, "refill_every": 2, "flips": 2, "draws": 1, "learning_rate": 0.3}
    vary = jm.BinaryEdges(nodes=nodes)
    problem = jm.Problem(trained, graph, "conv1", vary, nodes=nodes[:5].tolist())
    method = jm.RelaxEdges(steps=6, refill="gradient", **options)
    made = jm.generate(problem, count=1, method=method)
    found = jm.metamer_graph(problem, made, 0)
    changed = pairs_in(graph) ^ pairs_in(found)
    assert changed
    assert changed == between(changed, nodes.tolist())
    np.testing.assert_allclose(Judge(problem)(found).loss, made.loss_hardened[0], rtol=1e-3)
