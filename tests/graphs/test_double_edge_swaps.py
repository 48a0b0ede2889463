"""Double-edge swaps: counts against trying all, walks against all graphs that can be reached."""

import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jmetamer._base.errors import InputError
from jmetamer.graphs import double_edge_swaps
from jmetamer.graphs.colors import joint_colors, refined_colors
from jmetamer.graphs.double_edge_swaps import count_swaps, swap_walk
from jmetamer.graphs.pairs import Pairs, pairs_of_graph, simple_graph
from jmetamer.oracles.known_answers import cycles, random_regular


def as_edges(pairs):
    return frozenset(zip(pairs.senders.tolist(), pairs.receivers.tolist(), strict=True))


def as_pairs(edges):
    one, other = np.array(sorted(edges), np.int32).reshape(-1, 2).T
    return Pairs(one, other)


def one_swap_away(edges, colors, directed):
    """All graphs one swap away, by trying every two edges both ways round."""
    found = set()
    for (a, u), second in itertools.combinations(edges, 2):
        for b, v in [second] if directed else [second, second[::-1]]:
            if colors[a] != colors[b] or (not directed and colors[u] != colors[v]):
                continue
            new = {(a, v), (b, u)}
            if not directed:
                new = {(min(pair), max(pair)) for pair in new}
            loops = any(tail == head for tail, head in new)
            if not loops and not new & edges:
                found.add(edges - {(a, u), second} | new)
    return found


def within_reach(edges, colors, directed):
    """All graphs that any number of swaps reaches."""
    found, todo = {edges}, [edges]
    while todo:
        new = one_swap_away(todo.pop(), colors, directed) - found
        found |= new
        todo += new
    return found


@st.composite
def colored_edges(draw):
    """Edges of a small simple graph, colors, and whether the edges have a direction."""
    directed = draw(st.booleans())
    total = draw(st.integers(2, 8))
    all_of_them = list(itertools.permutations(range(total), 2))
    if not directed:
        all_of_them = list(itertools.combinations(range(total), 2))
    edges = draw(st.lists(st.sampled_from(all_of_them), max_size=24, unique=True))
    colors = draw(st.lists(st.integers(0, 2), min_size=total, max_size=total))
    if draw(st.booleans()):
        colors = [0] * total
    return frozenset(edges), np.array(colors), directed


class TestTheCount:
    @settings(max_examples=300)
    @given(colored_edges())
    def test_is_that_of_trying_all(self, case):
        edges, colors, directed = case
        expected = len(one_swap_away(edges, colors, directed))
        assert count_swaps(as_pairs(edges), colors, directed=directed) == expected

    @pytest.mark.parametrize("directed", [False, True])
    @pytest.mark.parametrize("num_colors", [1, 2, 5])
    def test_holds_on_larger_graphs_and_in_blocks(self, directed, num_colors, monkeypatch):
        made = networkx.gnm_random_graph(24, 90, seed=num_colors, directed=directed)
        edges = frozenset(made.edges)
        colors = np.random.default_rng(0).integers(num_colors, size=24)
        expected = len(one_swap_away(edges, colors, directed))
        assert count_swaps(as_pairs(edges), colors, directed=directed) == expected > 0
        monkeypatch.setattr(double_edge_swaps, "_BLOCK", 40)  # many blocks in place of one
        assert count_swaps(as_pairs(edges), colors, directed=directed) == expected

    def test_has_closed_forms(self):
        # A ring of n edges: n (n - 3) / 2 disjoint pairs, two ways each. In n of the pairs both
        # edges touch a third one; one of the two ways would make it again.
        for n in (7, 12):
            ring = pairs_of_graph(cycles([n]), directed=False)
            assert count_swaps(ring, np.zeros(n), directed=False) == n * (n - 3) - n
        # Edges that touch nowhere, of one color or from one color to another.
        apart = Pairs(np.arange(0, 20, 2), np.arange(1, 20, 2))
        assert count_swaps(apart, np.zeros(20), directed=False) == 2 * 45
        assert count_swaps(apart, np.arange(20) % 2, directed=False) == 45
        assert count_swaps(apart, np.arange(20), directed=True) == 0

    def test_is_zero_where_every_would_be_edge_is_there(self):
        bipartite = as_pairs(networkx.complete_bipartite_graph(4, 5).edges)
        assert count_swaps(bipartite, [0] * 4 + [1] * 5, directed=False) == 0

    def test_leaves_padding_out(self):
        padded = Pairs(np.array([0, 0, 2]), np.array([1, 0, 3]))
        assert count_swaps(padded, np.zeros(4), directed=False) == 2
        assert count_swaps(Pairs(np.zeros(2, int), np.zeros(2, int)), [0], directed=True) == 0

    def test_of_directed_edges_asks_for_equal_colors_of_the_senders_alone(self):
        edges = Pairs(np.array([0, 1]), np.array([2, 3]))
        assert count_swaps(edges, [0, 0, 1, 2], directed=True) == 1
        assert count_swaps(edges, [0, 0, 1, 2], directed=False) == 0
        assert count_swaps(edges, [0, 1, 2, 2], directed=True) == 0

    def test_falls_as_colors_split(self):
        graph = random_regular(60, 3, num_labels=2, seed=3)
        pairs = pairs_of_graph(graph, directed=False)
        found = [
            count_swaps(pairs, refined_colors(graph, rounds), directed=False)
            for rounds in (0, 1, 2, 3)
        ]
        assert found[0] > 3 * found[1] > 9 * found[2] > 0
        assert found[2] >= found[3]


class TestAWalk:
    @settings(max_examples=60)
    @given(colored_edges(), st.integers(0, 2**32))
    def test_stays_within_what_swaps_reach(self, case, seed):
        edges, colors, directed = case
        rng = np.random.default_rng(seed)
        walked = swap_walk(as_pairs(edges), colors, rng, 3, directed=directed)
        reached = {edges}
        for _ in range(walked.accepted):
            reached = set().union(*(one_swap_away(g, colors, directed) for g in reached))
        assert as_edges(walked.pairs) in reached
        assert walked.accepted <= min(3, walked.proposed)
        if not one_swap_away(edges, colors, directed):
            assert walked.accepted == 0

    @pytest.mark.parametrize("directed", [False, True])
    def test_keeps_degrees_and_the_colors_of_all_rounds(self, directed):
        made = networkx.gnm_random_graph(40, 90, seed=1, directed=directed)
        labels = np.eye(2)[np.random.default_rng(0).integers(2, size=40)]
        empty = cycles([40])._replace(nodes=labels)
        pairs = as_pairs(made.edges)
        graph = simple_graph(empty, pairs, np.ones(90, bool), directed=directed)
        # Swaps of colors after one round keep the colors after two, but not those after three.
        colors = refined_colors(graph, 1)
        walked = swap_walk(pairs, colors, np.random.default_rng(0), 200, directed=directed)
        other = simple_graph(empty, walked.pairs, np.ones(90, bool), directed=directed)
        assert walked.accepted == 200
        before, after = joint_colors([graph, other], 2)
        np.testing.assert_array_equal(before, after)
        before, after = joint_colors([graph, other], 3)
        assert (before != after).any()
        swapped = networkx.DiGraph() if directed else networkx.Graph()
        swapped.add_nodes_from(range(40))
        swapped.add_edges_from(as_edges(walked.pairs))
        for degrees in ("in_degree", "out_degree") if directed else ("degree",):
            assert dict(getattr(swapped, degrees)) == dict(getattr(made, degrees))

    @pytest.mark.parametrize(
        ("edges", "colors", "directed"),
        [
            ([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)], [0] * 6, False),
            ([(0, 5), (1, 6), (2, 7), (3, 6), (3, 4), (0, 4)], [0, 0, 0, 0, 1, 1, 1, 1], False),
            ([(0, 1), (1, 2), (2, 0), (0, 3), (3, 1)], [0, 0, 0, 1], True),
        ],
    )
    def test_after_given_proposals_ends_anywhere_with_equal_probability(
        self, edges, colors, directed
    ):
        edges, colors = frozenset(edges), np.array(colors)
        reach = sorted(within_reach(edges, colors, directed), key=sorted)
        rng, length = np.random.default_rng(8), 60
        ends = [
            swap_walk(as_pairs(edges), colors, rng, length, directed=directed, max_proposals=length)
            for _ in range(1500)
        ]
        assert {end.proposed for end in ends} == {length}
        seen = [as_edges(end.pairs) for end in ends]
        counts = [seen.count(graph) for graph in reach]
        assert sum(counts) == 1500
        assert len(reach) > 2
        assert stats.chisquare(counts).pvalue > 1e-3

    def test_proposes_every_candidate_equally_often(self):
        # Three edges of one color, which can be rewired in two ways, and three between two colors:
        # 2 * 3 + 3 candidates, all of them legal.
        pairs = Pairs(np.arange(0, 12, 2), np.arange(1, 12, 2))
        colors = np.array([0] * 6 + [1, 2] * 3)
        rng = np.random.default_rng(5)
        ends = [swap_walk(pairs, colors, rng, 1, directed=False) for _ in range(1800)]
        assert {end[1:] for end in ends} == {(1, 1)}
        seen = [as_edges(end.pairs) for end in ends]
        reach = one_swap_away(as_edges(pairs), colors, False)
        assert len(reach) == count_swaps(pairs, colors, directed=False) == 9
        assert stats.chisquare([seen.count(graph) for graph in reach]).pvalue > 1e-3

    def test_reaches_two_triangles_from_a_ring_of_six(self):
        ring = pairs_of_graph(cycles([6]), directed=False)
        two = as_edges(pairs_of_graph(cycles([3, 3]), directed=False))
        assert two in within_reach(as_edges(ring), np.zeros(6), False)

    def test_draws_from_its_generator_alone(self):
        pairs = pairs_of_graph(cycles([30]), directed=False)

        def end(seed):
            rng = np.random.default_rng(seed)
            return as_edges(swap_walk(pairs, np.zeros(30), rng, 40, directed=False).pairs)

        assert end(1) == end(1) != end(2)

    def test_ends_after_its_proposals_or_where_there_is_nothing_to_propose(self):
        rng = np.random.default_rng(0)
        taken = as_pairs(networkx.complete_bipartite_graph(3, 3).edges)
        colors = [0] * 3 + [1] * 3
        walked = swap_walk(taken, colors, rng, 4, directed=False)
        assert walked[1:] == (0, 400)
        assert as_edges(walked.pairs) == as_edges(taken)
        walked = swap_walk(taken, colors, rng, 4, directed=False, max_proposals=7)
        assert walked[1:] == (0, 7)
        walked = swap_walk(taken, np.arange(6), rng, 4, directed=False)
        assert walked[1:] == (0, 0)
        nothing = Pairs(np.zeros(0, np.int32), np.zeros(0, np.int32))
        assert swap_walk(nothing, np.arange(6), rng, 4, directed=True)[1:] == (0, 0)

    @pytest.mark.parametrize("options", [{"num_swaps": -1}, {"num_swaps": 1, "max_proposals": -1}])
    def test_refuses_to_go_backwards(self, options):
        ring = pairs_of_graph(cycles([4]), directed=False)
        with pytest.raises(InputError, match="is -1; allowed: a whole number from 0 up"):
            swap_walk(ring, np.zeros(4), np.random.default_rng(0), directed=False, **options)
