"""The reference renamed is no metamer: all permutations, all graphs of six nodes, and starts."""

import itertools
import types

import jax
import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jmetamer as jm
from jmetamer.metamers.check import Judge
from jmetamer.metamers.renamed import (
    NO,
    UNDECIDED,
    YES,
    Renaming,
    class_of_each,
    exchangeable_rows,
)
from jmetamer.oracles.enumeration import graph_code, graph_of_code
from jmetamer.oracles.known_answers import cycles, random_regular
from jmetamer.oracles.symmetry_classes import canonical_codes, problem_symmetries


def drawn(graph, model=jm.GIN):
    """A network of drawn parameters, for graphs whose features it fits."""
    model = model(hidden=4, num_outputs=2)
    return types.SimpleNamespace(model=model, params=model.init(jax.random.key(0), graph))


def as_networkx(graph):
    made = networkx.Graph()
    made.add_nodes_from(range(len(graph.nodes)))
    made.add_edges_from(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    return made


@pytest.mark.parametrize("name", ["ring", "copies", "twins", "identified"])
def test_all_graphs_of_six_nodes_are_renamed_just_if_they_lie_in_the_orbit(six_problem, name):
    problem = six_problem("gin", name, "conv1")
    permutations, own = problem_symmetries(problem), graph_code(problem.graph)
    rng = np.random.default_rng(0)
    codes = np.arange(2**15)
    orbit = canonical_codes(codes, permutations) == canonical_codes([own], permutations)[0]
    same_size = np.array([code.bit_count() == own.bit_count() for code in codes.tolist()])
    others = rng.choice(codes[~orbit & same_size], 60, replace=False)
    renaming = Renaming(problem)
    for code in (*codes[orbit][:20], *others):
        graph = graph_of_code(problem.graph, int(code))
        assert renaming.compared(problem.graph, graph) == (YES if orbit[code] else NO)


def by_all_permutations(problem, graph, targets):
    """Whether a permutation that keeps the targets takes the reference to the graph."""
    reference = problem.graph

    def edges(one, names):
        return sorted(
            (names[i], names[j], round(float(w), 4))
            for i, j, w in zip(one.senders, one.receivers, one.edges.weight, strict=True)
            if w
        )

    total = len(reference.nodes)
    return any(
        all(targets[i] == targets[p] for i, p in enumerate(names))
        and np.allclose(reference.nodes, graph.nodes[list(names)], atol=1e-6)
        and edges(reference, names) == edges(graph, range(total))
        for names in itertools.permutations(range(total))
    )


@st.composite
def feature_problems(draw):
    """A reference with weights, its targets, and another graph of other features and weights."""
    total = draw(st.integers(2, 4))
    node = st.integers(0, total - 1)
    ends = draw(st.lists(st.tuples(node, node), min_size=1, max_size=6, unique=True))
    value = st.sampled_from([0.5, 1.0])
    rows = [draw(st.lists(value, min_size=total, max_size=total)) for _ in range(2)]
    weights = [draw(st.lists(value, min_size=len(ends), max_size=len(ends))) for _ in range(2)]
    nodes = draw(st.one_of(st.none(), st.lists(node, min_size=1, unique=True)))
    values = draw(st.lists(st.sampled_from([1.0, 2.0]), min_size=total, max_size=total))
    senders, receivers = np.array(ends).T
    made = [
        jm.make_graph(np.array(row)[:, None], senders, receivers, weight)
        for row, weight in zip(rows, weights, strict=True)
    ]
    return made[0], made[1], nodes, values


@settings(max_examples=60, deadline=None)
@given(feature_problems(), st.permutations(range(4)))
def test_every_permutation_says_the_same_of_features_and_weights(drawn_problem, order):
    reference, other, nodes, values = drawn_problem
    total = len(reference.nodes)
    targets = np.full(total, -1.0) if nodes is not None else np.array(values)
    if nodes is not None:
        targets[nodes] = np.array(values)[nodes]
    rows = targets[np.arange(total) if nodes is None else nodes]
    target = np.repeat(rows[:, None], 4, axis=1)
    problem = jm.Problem(NETWORK, reference, layer="conv1.pre", nodes=nodes, target=target)
    names = [name for name in order if name < total]
    moved = reference._replace(
        nodes=reference.nodes[np.argsort(names)] * np.float32(1 + 1e-7),
        senders=np.array(names)[reference.senders],
        receivers=np.array(names)[reference.receivers],
    )
    for graph in (reference, other, moved):
        expected = by_all_permutations(problem, graph, targets)
        assert Renaming(problem).compared(reference, graph) == (YES if expected else NO)


NETWORK = drawn(jm.make_graph(np.ones((2, 1)), [0], [1]), jm.GCN)


def test_a_hexagons_copies_are_unchanged_and_its_triangles_are_metamers():
    ring = cycles([6])
    problem = jm.Problem(drawn(ring), ring, layer="conv1", vary=jm.BinaryEdges())
    made = jm.generate(problem, count=12, steps=60, tolerance=1e-8)
    matched = made.loss_hardened <= 1e-8
    found = set()
    for place in np.flatnonzero(matched):
        graph = as_networkx(jm.metamer_graph(problem, made, int(place)))
        same = networkx.is_isomorphic(graph, networkx.cycle_graph(6))
        assert made.renamed[place] == (YES if same else NO)
        assert made.status[place] == (jm.Status.UNCHANGED if same else jm.Status.CONVERGED)
        found.add(same)
    assert found == {True, False}
    assert (made.renamed[~matched] == NO).all()


def test_a_ring_elsewhere_is_a_metamer_of_the_problem_at_one_node():
    """Seen from node 0 a triangle is no ring, though both graphs are one with nodes renamed."""
    graph, moved = cycles([6, 3, 3]), cycles([3, 3, 6])
    whole = jm.Problem(drawn(graph), graph, layer="conv1", vary=jm.BinaryEdges())
    at_0 = jm.Problem(drawn(graph), graph, layer="conv1", nodes=[0], vary=jm.BinaryEdges())
    assert Renaming(whole).compared(graph, moved) == YES
    assert Renaming(at_0).compared(graph, moved) == NO
    assert Renaming(at_0).compared(graph, cycles([6, 3, 3])) == YES


def test_what_no_limit_decides_is_undecided_and_told(monkeypatch, caplog):
    graph = random_regular(12, 3, seed=0)
    problem = jm.Problem(drawn(graph), graph, layer="conv1", vary=jm.BinaryEdges())
    monkeypatch.setattr("jmetamer.metamers.renamed.MAX_NODES", 11)
    made = jm.generate(problem, count=3, method="color_swaps")
    assert (made.renamed == UNDECIDED).any()
    assert (made.status[made.renamed == UNDECIDED] == jm.Status.CONVERGED).all()
    assert "isomorphism is not decided" in caplog.text


FEW = cycles([5])
CONSTANT = FEW._replace(nodes=np.full((5, 3), 0.7, np.float32))
ONES = FEW._replace(nodes=np.ones((5, 1), np.float32))
ALONE = jm.make_graph([[0.3]], [], [])


@pytest.mark.parametrize(
    ("graph", "vary"),
    [
        (CONSTANT, jm.ContinuousFeatures()),
        (ONES, jm.BinaryFeatures()),
        (ALONE, jm.ContinuousFeatures()),
    ],
    ids=["constant", "one binary column", "one node"],
)
def test_a_start_without_noise_that_stays_is_unchanged(graph, vary):
    made = jm.generate(jm.Problem(drawn(graph), graph, layer="conv1", vary=vary), count=2)
    assert made.steps_used.tolist() == [0, 0]
    assert made.status.tolist() == [jm.Status.UNCHANGED] * 2
    assert made.renamed.tolist() == [YES] * 2


def test_a_start_with_noise_is_another_graph():
    graph = FEW._replace(nodes=np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))
    made = jm.generate(jm.Problem(drawn(graph, jm.GCN), graph, layer="conv1"), count=2)
    assert made.renamed.tolist() == [NO] * 2


def test_classes_are_those_of_networkx():
    reference = cycles([6])
    problem = jm.Problem(drawn(reference), reference, layer="conv1", vary=jm.BinaryEdges())
    rng = np.random.default_rng(3)
    codes = rng.integers(2**15, size=60)
    codes = np.concatenate([codes, codes ^ 1, np.repeat(codes[:10], 2)])
    graphs = [graph_of_code(reference, int(code)) for code in codes]
    first = class_of_each(graphs, Renaming(problem))
    plain = [as_networkx(graph) for graph in graphs]
    expected = [
        next(i for i, one in enumerate(plain) if networkx.is_isomorphic(one, graph))
        for graph in plain
    ]
    assert first.tolist() == expected
    assert len(set(expected)) < len(expected)


def test_rows_are_the_same_up_to_round_off():
    rows = np.array([[1.0, 5.0], [1.0 + 1e-6, 5.0], [1.0 + 1e-3, 5.0], [1.0, 5.0 + 1e-3]])
    codes = exchangeable_rows(rows, 0.0, 1e-6).tolist()
    assert codes[0] == codes[1]
    assert len(set(codes)) == 3


BOTH = (jm.ContinuousFeatures(), jm.BinaryEdges())
RENAMED_RING = np.array([0, 2, 4, 1, 3, 5])


def with_features(graph, rows):
    return graph._replace(nodes=np.asarray(rows, np.float32).reshape(-1, 1))


@pytest.mark.parametrize(
    ("off", "vary", "expected"),
    [
        (0.005, BOTH, YES),
        (0.005, jm.BinaryEdges(), YES),
        (0.5, BOTH, NO),  # features that far from the reference's are another input
        (0.5, jm.BinaryEdges(), NO),
    ],
)
def test_a_ring_renamed_is_unchanged_while_features_are_what_success_calls_the_same(
    off, vary, expected
):
    """Features of the reference, or of the metamer where they vary, are off by this share."""
    ring, triangles = cycles([6]), cycles([3, 3])
    rows = 1 + off * np.array([0, 1, 0.3, 0.9, 0.5, 0.1])
    reference = with_features(ring, np.ones(6) if vary is BOTH else rows)
    problem = jm.Problem(drawn(ring, jm.GCN), reference, layer="conv1", vary=vary)
    # Seen on a ring, what a row takes from others differs by no more than features do.
    renaming = Renaming(problem, tolerance=off**2)
    moved = ring._replace(
        senders=RENAMED_RING[ring.senders], receivers=RENAMED_RING[ring.receivers]
    )
    assert renaming.compared(reference, with_features(moved, rows)) == expected
    assert renaming.compared(reference, with_features(triangles, rows)) == NO
    assert Renaming(problem).compared(reference, with_features(moved, rows)) == NO


def test_nearly_renamed_graphs_are_found_by_their_verdicts_and_share_a_class():
    ring = with_features(cycles([6]), np.ones(6))
    problem = jm.Problem(drawn(ring), ring, layer="conv1", vary=BOTH)
    rows = 1 + 0.005 * np.random.default_rng(0).uniform(-1, 1, (4, 6))
    moved = ring._replace(
        senders=RENAMED_RING[ring.senders], receivers=RENAMED_RING[ring.receivers]
    )
    plain = [moved, cycles([3, 3]), ring, cycles([3, 3])]
    graphs = [with_features(graph, row) for graph, row in zip(plain, rows, strict=True)]
    renaming, judge = Renaming(problem, 1e-3), Judge(problem)
    verdicts = [judge(jax.tree.map(jax.numpy.asarray, graph)) for graph in graphs]
    assert max(float(verdict.loss) for verdict in verdicts) <= 1e-3
    pairs = zip(graphs, verdicts, strict=True)
    # The third lies where the reference does: its distance says that it is trivial.
    assert [renaming(graph, verdict) for graph, verdict in pairs] == [YES, NO, NO, NO]
    order = [1, 3, 0, 0]
    assert class_of_each([graphs[i] for i in order], renaming).tolist()[1] == 1
    shuffled = np.array([5, 3, 1, 4, 2, 0])
    other = graphs[3]._replace(
        senders=shuffled[graphs[3].senders], receivers=shuffled[graphs[3].receivers]
    )
    assert class_of_each([graphs[1], graphs[0], other], renaming).tolist() == [0, 1, 0]


def test_rows_that_form_no_narrow_groups_are_told_apart():
    rows = np.linspace(0, 1, 40)[:, None]
    assert np.unique(exchangeable_rows(rows, 0.1, 1e-6)).size == 40
    groups = np.repeat([1.0, 2.0], 20) + np.tile([0.0, 0.05], 20)
    assert np.unique(exchangeable_rows(groups[:, None], 0.1, 1e-6)).size == 2
    both = np.stack([groups, rows[:, 0]], axis=1)
    assert np.unique(exchangeable_rows(both, 0.1, 1e-6)).size == 40


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 0.1, 0.5]))
def test_no_exchange_of_alike_rows_moves_them_by_more_than_the_share(seed, share):
    rng = np.random.default_rng(seed)
    rows = np.round(rng.normal(size=(8, 2)), 1) + rng.normal(scale=10.0 ** rng.uniform(-4, 0))
    rows += rng.normal(size=(8, 2)) * 10.0 ** rng.uniform(-4, -1)
    codes = exchangeable_rows(rows, share, 1e-9)
    for _ in range(20):
        names = np.arange(8)
        for code in np.unique(codes):
            names[codes == code] = rng.permutation(np.flatnonzero(codes == code))
        assert np.linalg.norm(rows[names] - rows) <= share * np.linalg.norm(rows) * (1 + 1e-9)
