"""The exact set, against NumPy networks in float64 and against what each architecture can see."""

import numpy as np
import pytest
from dense_networks import LAYERS, adjacency, dense_activations, normalized
from hypothesis import given, settings
from hypothesis import strategies as st

import jmetamer as jm
from jmetamer.oracles.enumeration import (
    all_pairs,
    enumerate_losses,
    exact_set,
    graph_code,
    graph_of_code,
)

SIX_GRAPHS = 2**15


def bare(total):
    return jm.make_graph(np.ones((total, 1)), [], [])


def matrices(codes, total):
    """Adjacency matrices of codes [c, n, n], decoded by loops over the pairs."""
    found = np.zeros((len(codes), total, total), int)
    bit = 0
    for i in range(total):
        for j in range(i + 1, total):
            found[:, i, j] = found[:, j, i] = np.asarray(codes) >> bit & 1
            bit += 1
    return found


class TestCode:
    @given(st.integers(1, 11), st.integers(0, 2**55 - 1))
    def test_gives_its_graph_back(self, total, drawn):
        code = drawn % 2 ** (total * (total - 1) // 2)
        graph = graph_of_code(bare(total), code)
        np.testing.assert_array_equal(adjacency(graph), matrices([code], total)[0])
        assert graph_code(graph) == code

    def test_of_more_than_63_pairs_is_exact(self):
        total = 13  # 78 pairs
        graph = graph_of_code(bare(total), 2**77 + 1)
        assert sorted(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)) == [
            (0, 1),
            (1, 0),
            (11, 12),
            (12, 11),
        ]
        assert graph_code(graph) == 2**77 + 1

    def test_does_not_count_loops_which_stay(self):
        looped = jm.make_graph(np.ones((3, 1)), [1, 0, 2], [1, 2, 0])
        assert graph_code(looped) == 2
        kept = graph_of_code(looped, 1)
        np.testing.assert_array_equal(adjacency(kept), [[0, 1, 0], [1, 1, 0], [0, 0, 0]])

    @pytest.mark.parametrize("code", [-1, 8])
    def test_must_have_a_bit_for_every_pair(self, code):
        with pytest.raises(jm.InputError, match=rf"`code` is {code}; allowed: 0 to 2\^3 - 1"):
            graph_of_code(bare(3), code)

    def test_counts_pairs_by_the_smaller_node_first(self):
        pairs = all_pairs(4)
        assert pairs.senders.tolist() == [0, 0, 0, 1, 1, 2]
        assert pairs.receivers.tolist() == [1, 2, 3, 2, 3, 3]


@pytest.mark.parametrize("layer", ["conv1", "logits"])
@pytest.mark.parametrize("name", LAYERS)
def test_losses_equal_those_of_numpy_in_float64(name, layer, draw, make_undirected):
    x = np.random.default_rng(1).normal(size=(6, 6))
    reference = make_undirected(x, [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)])  # node 5 is isolated
    trained = draw(name)
    found = enumerate_losses(jm.Problem(trained, reference, layer=layer))
    assert found.shape == (SIX_GRAPHS,)
    assert found.dtype == np.float32
    code = graph_code(reference)
    assert found[code] <= 1e-12
    codes = np.append(np.random.default_rng(2).choice(SIX_GRAPHS, 80, replace=False), [0, -1])
    x = np.asarray(reference.nodes, float)
    target = dense_activations(name, trained, x, adjacency(reference))[layer]
    for at, matrix in zip(codes, matrices(codes % SIX_GRAPHS, 6), strict=True):
        moved = dense_activations(name, trained, x, matrix)[layer] - target
        expected = np.sum(moved**2) / np.sum(target**2)
        assert found[at] == pytest.approx(expected, rel=2e-4, abs=1e-12)


def seen_by(name, codes, kinds):
    """What the first layer can tell of every node: [c, n, kinds], of kinds of neighbors.

    With features of each kind that are linearly independent and injective maps behind, two nodes
    of one kind have the same activation just where these numbers are the same: GIN counts the
    neighbors of every kind, GraphSAGE their shares, GAT their shares with the node itself, and a
    GCN sums 1 / sqrt(d_u d_v) over them.
    """
    matrix = matrices(codes, 6)
    kind = np.eye(max(kinds) + 1)[list(kinds)]
    counts, degree = matrix @ kind, matrix.sum(-1, keepdims=True)
    if name == "gin":
        return counts
    if name == "graphsage":
        return counts / np.maximum(degree, 1)
    if name == "gat":
        return (counts + kind) / (degree + 1)
    return np.stack([normalized(one) for one in matrix]) @ kind


class TestExactSet:
    @pytest.mark.parametrize("graph", ["ring", "copies", "twins", "identified"])
    @pytest.mark.parametrize("name", LAYERS)
    def test_is_what_the_first_layer_cannot_see(self, name, graph, six, six_problem, six_losses):
        problem = six_problem(name, graph)
        found = exact_set(problem, 1e-8, six_losses(name, graph, "conv1"))
        reference, nodes, kinds = six[graph]
        code = graph_code(reference)
        seen = seen_by(name, np.arange(SIX_GRAPHS), kinds)[:, list(nodes or range(6))]
        same = (np.abs(seen - seen[code]) < 1e-9).all(axis=(1, 2))
        same[code] = False
        np.testing.assert_array_equal(found.codes, np.flatnonzero(same))
        assert found.reference == code
        assert found.losses.max(initial=0) < 1e-10
        assert found.least_beyond > 1e-5

    @pytest.mark.parametrize("layer", ["conv1", "logits"])
    @pytest.mark.parametrize("name", LAYERS)
    def test_is_empty_where_nodes_have_identifiers(self, name, layer, six_problem, six_losses):
        losses = six_losses(name, "identified", layer)
        assert exact_set(six_problem(name, "identified", layer), 1e-6, losses).codes.size == 0

    @pytest.mark.parametrize(
        ("name", "count"),
        [
            ("gin", 60 + 10),  # rings of six, and pairs of triangles
            ("graphsage", 27_449),  # labelled graphs on six nodes without isolated nodes
            ("gat", SIX_GRAPHS),  # a mean over equal features sees nothing at all
        ],
    )
    def test_of_six_equal_nodes_has_the_number_that_is_known(
        self, name, count, six_problem, six_losses
    ):
        problem, losses = six_problem(name, "ring"), six_losses(name, "ring", "conv1")
        assert len(exact_set(problem, 1e-8, losses).codes) == count - 1

    def test_takes_several_layers_by_the_largest_loss(self, draw, make_undirected):
        x = np.random.default_rng(0).normal(size=(4, 6))
        path = make_undirected(x, [(0, 1), (1, 2), (2, 3)])
        trained = draw("gcn")
        one, other, both = (  # what is two edges away changes the logits alone
            enumerate_losses(jm.Problem(trained, path, layer=layer, nodes=[0]))
            for layer in ("conv1", "logits", ("conv1", "logits"))
        )
        np.testing.assert_allclose(both, np.maximum(one, other), rtol=1e-5, atol=1e-12)
        assert (one > other).any()
        assert (one < other).any()

    def test_holds_the_graph_whose_activation_is_the_target(self, draw, make_undirected):
        x = np.random.default_rng(0).normal(size=(4, 6))
        path, other = (make_undirected(x, pairs) for pairs in ([(0, 1), (1, 2)], [(0, 3), (1, 2)]))
        trained = draw("gin")
        target = np.asarray(trained.model.activations(trained.params, other)["conv1"])
        problem = jm.Problem(trained, path, layer="conv1", target=target)
        assert exact_set(problem, 1e-8).codes.tolist() == [graph_code(other)]

    def test_keeps_self_loops(self, draw):
        """A GIN counts a loop as one more of the node itself."""
        rng = np.random.default_rng(3)
        graph = jm.make_graph(rng.normal(size=(3, 6)), [0, 1, 2], [1, 0, 2])
        trained = draw("gin")
        found = enumerate_losses(jm.Problem(trained, graph, layer="logits"))
        x = np.asarray(graph.nodes, float)
        target = dense_activations("gin", trained, x, adjacency(graph))["logits"]
        for loss, matrix in zip(found, matrices(range(8), 3), strict=True):
            looped = matrix + np.diag([0, 0, 1])
            moved = dense_activations("gin", trained, x, looped)["logits"] - target
            expected = np.sum(moved**2) / np.sum(target**2)
            assert loss == pytest.approx(expected, rel=1e-4, abs=1e-12)


class TestRefused:
    def test_is_a_graph_of_eight_nodes(self, draw, make_undirected):
        eight = make_undirected(np.ones((8, 6)), [(0, 1)])
        with pytest.raises(jm.InputError, match=r"has 8 nodes, so there are 2\^28 graphs"):
            enumerate_losses(jm.Problem(draw("gcn"), eight, layer="conv1"))

    def test_is_an_edge_that_goes_one_way(self, draw):
        one_way = jm.make_graph(np.ones((3, 6)), [0], [1])
        with pytest.raises(jm.InputError, match="one direction only"):
            enumerate_losses(jm.Problem(draw("gcn"), one_way, layer="conv1"))

    def test_is_a_target_of_zeros(self, draw, make_undirected):
        pair = make_undirected(np.ones((3, 6)), [(0, 1)])
        problem = jm.Problem(draw("gcn"), pair, layer="conv1", target=np.zeros((3, 8)))
        with pytest.raises(jm.InputError, match="target activation is all zero"):
            enumerate_losses(problem)

    @pytest.mark.parametrize("tolerance", [-1e-3, float("nan")])
    def test_is_a_tolerance_below_zero(self, tolerance, draw, make_undirected):
        pair = make_undirected(np.ones((2, 6)), [(0, 1)])
        problem = jm.Problem(draw("gcn"), pair, layer="conv1")
        with pytest.raises(jm.InputError, match=f"`tolerance` is {tolerance}; allowed: 0 or more"):
            exact_set(problem, tolerance, np.zeros(2))


LOSSES = st.floats(0, 1, width=32)


@settings(max_examples=30, deadline=None)
@given(st.lists(LOSSES, min_size=8, max_size=8), LOSSES)
def test_the_exact_set_splits_the_losses_at_the_tolerance(losses, tolerance):
    found = exact_set(three_nodes(), tolerance, np.float32(losses))
    expected = [at for at, loss in enumerate(losses) if loss <= tolerance and at != 1]
    assert found.codes.tolist() == expected
    beyond = [loss for at, loss in enumerate(losses) if loss > tolerance and at != 1]
    assert found.least_beyond == min(beyond, default=np.inf)


def three_nodes():
    """A problem of which the reference alone is read, with edge (0, 1)."""

    class Shown:
        model = jm.GCN(hidden=2, num_outputs=2)
        params = None

    return jm.Problem(Shown(), jm.make_graph(np.ones((3, 1)), [0, 1], [1, 0]), layer="conv1")
