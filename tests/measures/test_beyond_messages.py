"""Measures that see more than message passing: against other code, enumeration and known pairs."""

import collections
import functools
import itertools

import networkx as nx
import numpy as np
import pytest
from scipy.stats import wasserstein_distance

import jmetamer as jm
from jmetamer.graphs.colors import joint_colors
from jmetamer.graphs.isomorphism import isomorphic
from jmetamer.measures import (
    MEASURES,
    EdgeSet,
    Facts,
    cut_norm,
    edge_set,
    folklore_wl_distance,
    ready,
    subgraph_counts,
    tree_movers_distance,
)
from jmetamer.measures.spectra import laplacian_spectrum_wasserstein
from jmetamer.oracles.known_answers import cai_fuerer_immerman, circular_skip_links, cycles

SEEDS = range(8)
OF_PAIRS = ("triangles", "four_cycles", "four_cliques", "folklore_wl", "tree_mover",
            "weisfeiler_leman", "laplacian_spectrum")  # fmt: skip


def of_networkx(graph, features=None):
    graph = nx.convert_node_labels_to_integers(graph)
    n = len(graph)
    ends = np.array(graph.edges, int).reshape(-1, 2).T
    features = np.ones((n, 1)) if features is None else features
    return jm.make_graph(features, [*ends[0], *ends[1]], [*ends[1], *ends[0]])


def drawn(n, density, seed):
    return edge_set(of_networkx(nx.gnp_random_graph(n, density, seed=seed)))


def table_of(edges):
    table = np.zeros(edges.num_nodes**2)
    table[edges.numbers] = edges.weight
    return table.reshape(edges.num_nodes, -1)


def rooks_graph():
    return nx.cartesian_product(nx.complete_graph(4), nx.complete_graph(4))


def shrikhandes_graph():
    steps = [(0, 1), (1, 0), (1, 1)]
    return nx.Graph(
        ((i, j), ((i + a) % 4, (j + b) % 4)) for i in range(4) for j in range(4) for a, b in steps
    )


BASES = {
    "K4": nx.complete_graph(4),
    "K33": nx.complete_bipartite_graph(3, 3),
    "cube": nx.hypercube_graph(3),
}


@functools.cache
def pair_over(name):
    base = of_networkx(BASES[name])
    return tuple(cai_fuerer_immerman(base, twisted=twisted) for twisted in (False, True))


class TestSubgraphCounts:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_are_those_of_other_code(self, seed):
        graph = nx.gnp_random_graph(11, [0.0, 0.3, 0.5, 1.0][seed % 4], seed=seed)
        counts = subgraph_counts(edge_set(of_networkx(graph)))
        cycles_of = collections.Counter(map(len, nx.simple_cycles(graph, length_bound=4)))
        cliques = collections.Counter(map(len, nx.enumerate_all_cliques(graph)))
        assert counts == (cycles_of[3], cycles_of[4], cliques[4])
        assert counts.triangles == sum(nx.triangles(graph).values()) // 3

    def test_ignore_direction_and_weight(self):
        one, other = np.triu_indices(4, 1)
        arcs = EdgeSet(4, one * 4 + other, np.full(6, 0.5))
        assert subgraph_counts(arcs) == (4, 3, 1)

    def test_are_the_same_in_small_blocks(self, monkeypatch):
        edges = drawn(20, 0.5, 0)
        whole = subgraph_counts(edges)
        monkeypatch.setitem(subgraph_counts.__globals__, "_BLOCK", 1)
        assert subgraph_counts(edges) == whole
        assert whole.four_cliques > 0

    def test_deviate_by_the_share_that_is_lost_or_won(self):
        full, less = edge_set(of_networkx(nx.complete_graph(5))), edge_set(cycles([3]))
        less = less._replace(num_nodes=5, numbers=np.array([1, 2, 5, 7, 10, 11]))
        function = MEASURES["structure/triangles"].function
        assert function(full, less) == function(less, full) == 1 - 1 / 10
        assert function(drawn(5, 0.0, 0), drawn(5, 0.0, 1)) == 0


class TestKnownPairs:
    def test_rook_and_shrikhande_differ_in_four_cliques_alone(self):
        rook, other = (edge_set(of_networkx(g)) for g in (rooks_graph(), shrikhandes_graph()))
        ours, theirs = subgraph_counts(rook), subgraph_counts(other)
        assert (ours.four_cliques, theirs.four_cliques) == (8, 0)
        assert ours[:2] == theirs[:2] == (32, 60)
        assert folklore_wl_distance(rook, other) == 0
        assert laplacian_spectrum_wasserstein(rook, other) < 1e-12
        values = {name: MEASURES[f"structure/{name}"].function(rook, other) for name in OF_PAIRS}
        assert {name for name, value in values.items() if value > 1e-12} == {"four_cliques"}

    def test_the_pair_over_four_nodes_is_rook_and_shrikhande(self):
        known = rooks_graph(), shrikhandes_graph()
        for graph, other in zip(pair_over("K4"), known, strict=True):
            assert nx.could_be_isomorphic(as_networkx(graph), other)
        counts = [subgraph_counts(edge_set(graph)).four_cliques for graph in pair_over("K4")]
        assert counts == [8, 0]

    @pytest.mark.parametrize(("name", "nodes"), [("K33", 24), ("cube", 32)])
    def test_larger_pairs_agree_in_all_that_does_not_align_nodes(self, name, nodes):
        pair = pair_over(name)
        assert [len(graph.nodes) for graph in pair] == [nodes, nodes]
        one, other = map(edge_set, pair)
        for measure in OF_PAIRS:
            assert MEASURES[f"structure/{measure}"].function(one, other) < 1e-12, measure
        assert subgraph_counts(one) == subgraph_counts(other)
        assert cut_norm(one, other).low > 0, "nodes aligned, they are not the same edges"

    @pytest.mark.parametrize("name", BASES)
    def test_exact_isomorphism_says_that_they_are_two_graphs(self, name):
        one, twisted = pair_over(name)
        assert isomorphic(one, twisted) == "no"
        order = np.random.default_rng(0).permutation(len(one.nodes))
        renamed = one._replace(senders=order[one.senders], receivers=order[one.receivers])
        assert isomorphic(one, renamed) == "yes"

    def test_two_dimensions_see_what_one_does_not(self):
        for one, other in (
            (cycles([6]), cycles([3, 3])),
            (circular_skip_links(11, 2), circular_skip_links(11, 3)),
            tuple(cai_fuerer_immerman(cycles([5]), twisted=twisted) for twisted in (False, True)),
        ):
            pair = edge_set(one), edge_set(other)
            assert MEASURES["structure/weisfeiler_leman"].function(*pair) == 0
            # Every node lies on a cycle that the other graph does not have, so no color is shared.
            assert folklore_wl_distance(*pair) == 1


def as_networkx(graph):
    made = nx.empty_graph(len(graph.nodes))
    made.add_edges_from(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    return made


class TestFolkloreWL:
    @pytest.mark.parametrize("directed", [False, True])
    @pytest.mark.parametrize("seed", SEEDS)
    def test_is_that_of_plain_refinement(self, seed, directed):
        rng = np.random.default_rng(seed)
        tables = [np.triu(rng.random((6, 6)) < 0.4, 1) for _ in range(2)]
        if seed % 2:  # alike but for a swap of names, or nearly
            tables[1] = tables[0].copy()
            tables[1][0, 1] ^= seed % 4 == 1
        tables = [t | (rng.permutation(t) if directed else t.T) for t in tables]
        for table in tables:
            np.fill_diagonal(table, False)
        edges = [EdgeSet(6, np.flatnonzero(t), np.ones(int(t.sum()))) for t in tables]
        colors = [
            {(u, v): (u == v, t[u, v], t[v, u]) for u in range(6) for v in range(6)} for t in tables
        ]
        for _ in range(36):
            colors = [
                {
                    (u, v): (c[u, v], frozenset(collections.Counter(
                        (c[u, w], c[w, v]) for w in range(6)).items()))
                    for u, v in c
                }
                for c in colors
            ]  # fmt: skip
            names = {color: i for i, color in enumerate({x for c in colors for x in c.values()})}
            colors = [{pair: names[color] for pair, color in c.items()} for c in colors]
        ours, theirs = (collections.Counter(c.values()) for c in colors)
        expected = sum(abs(ours[c] - theirs[c]) for c in {*ours, *theirs}) / 72
        assert folklore_wl_distance(*edges) == pytest.approx(expected, abs=1e-12)

    def test_refuses_what_is_too_large(self):
        with pytest.raises(jm.InputError, match=r"`reference` has 101 and `metamer` 101 .*100"):
            folklore_wl_distance(*[EdgeSet(101, np.array([1]), np.ones(1))] * 2)
        with pytest.raises(jm.InputError, match=r"`reference` has 3 and `metamer` 4"):
            folklore_wl_distance(drawn(3, 1.0, 0), drawn(4, 1.0, 0))


def exact_cut_norm(difference):
    """All pairs of sets."""
    n = len(difference)
    sets = np.array(list(itertools.product([0, 1], repeat=n)))
    return np.abs(sets @ difference @ sets.T).max()


class TestCutNorm:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_is_exact_on_few_nodes_and_bounded_by_what_many_nodes_use(self, seed, monkeypatch):
        rng = np.random.default_rng(seed)
        tables = rng.random((2, 7, 7)) * (rng.random((2, 7, 7)) < 0.5)
        for table in tables:
            np.fill_diagonal(table, 0)
        if seed % 2:
            tables = tables + tables.transpose(0, 2, 1)
        edges = [EdgeSet(7, np.flatnonzero(t), t[t != 0]) for t in tables]
        exact = exact_cut_norm(tables[0] - tables[1])
        found = cut_norm(*edges)
        assert found.low == found.high == pytest.approx(exact, rel=1e-12)
        assert found.total == pytest.approx(tables.sum())
        monkeypatch.setitem(cut_norm.__globals__, "EXACT_NODES", 0)
        found = cut_norm(*edges)
        assert 0.7 * exact <= found.low <= exact * (1 + 1e-12)
        assert exact * (1 - 1e-12) <= found.high <= 1.7 * exact

    @pytest.mark.parametrize(("n", "started"), [(30, 1000), (30, 10), (30, 1)])
    def test_of_a_block_is_the_block(self, n, started, monkeypatch):
        """A clique appears, and nothing else changes: both bounds are its edges."""
        monkeypatch.setitem(cut_norm.__globals__, "_STARTED_NODES", started)
        base = table_of(drawn(n, 0.2, 1))
        base[:8, :8] = 0
        more = base.copy()
        more[:8, :8] = 1 - np.eye(8)
        edges = [EdgeSet(n, np.flatnonzero(t), t[t > 0]) for t in (base, more)]
        assert cut_norm(*edges)[:2] == pytest.approx((56, 56), rel=1e-6)

    @pytest.mark.parametrize("n", [40, 450])
    def test_of_communities_that_change_lies_between_the_bounds(self, n):
        """Edges within two halves become edges between them: a cut that is known from below."""
        graphs = [
            nx.planted_partition_graph(2, n // 2, p, q, seed=1) for p, q in ((0.5, 0.1), (0.1, 0.5))
        ]
        edges = [edge_set(of_networkx(graph)) for graph in graphs]
        half, difference = np.arange(n) < n // 2, table_of(edges[0]) - table_of(edges[1])
        cuts = [abs(difference[np.ix_(s, t)].sum()) for s in (half, ~half) for t in (half, ~half)]
        found = cut_norm(*edges)
        assert max(cuts) <= found.low <= found.high <= found.total
        assert found.high < 1.5 * found.low

    @pytest.mark.parametrize("n", [14, 60, 420])
    def test_renumbering_the_nodes_changes_nothing(self, n):
        order = np.random.default_rng(0).permutation(n)
        tables = [table_of(drawn(n, 5 / n, seed)) for seed in (1, 2)]
        values = [
            cut_norm(*[EdgeSet(n, np.flatnonzero(t), t[t > 0]) for t in some])
            for some in (tables, [t[np.ix_(order, order)] for t in tables])
        ]
        assert values[0] == pytest.approx(values[1], rel=1e-9)

    def test_measures_are_its_bounds_over_all_weights(self):
        pair = drawn(20, 0.3, 1), drawn(20, 0.3, 2)
        found = cut_norm(*pair)
        low, high = (MEASURES[f"structure/cut_norm_{name}"].function(*pair) for name in
                     ("low", "high"))  # fmt: skip
        assert (low, high) == (found.low / found.total, found.high / found.total)
        assert 0 < low < high < 1

    def test_refuses_other_nodes(self):
        with pytest.raises(jm.InputError, match=r"`reference` has 3 and `metamer` 4"):
            cut_norm(drawn(3, 1.0, 0), drawn(4, 1.0, 0))


def tree(edges, node, depth):
    """The computation tree as nested pairs, blank trees being features 0 without children."""
    senders, receivers = np.divmod(edges.numbers, edges.num_nodes)
    below = senders[receivers == node] if depth > 1 else []
    return edges.features[node], tuple(tree(edges, u, depth - 1) for u in below)


def best_assignment(ours, theirs, cost):
    """By trying all orders, after the shorter side is filled with blank trees."""
    ours, theirs = list(ours), list(theirs)
    size = max(len(ours), len(theirs))
    width = (ours + theirs)[0][0].shape if size else ()
    blank = (np.zeros(width), ())
    ours += [blank] * (size - len(ours))
    theirs += [blank] * (size - len(theirs))
    return min(
        sum(cost(a, b) for a, b in zip(ours, order, strict=True))
        for order in itertools.permutations(theirs)
    )


def by_trees(one, other, depth, weights):
    """The definition, word for word."""

    def between(a, b, level):
        far = float(np.linalg.norm(a[0] - b[0]))
        if level == 1 or not (a[1] or b[1]):
            return far
        below = best_assignment(a[1], b[1], lambda x, y: between(x, y, level - 1))
        return far + weights[level - 2] * below

    sides = [[tree(g, v, depth) for v in range(g.num_nodes)] for g in (one, other)]
    return best_assignment(*sides, lambda a, b: between(a, b, depth))


def with_features(n, seed, density=0.5, integer=False, directed=False):
    rng = np.random.default_rng(seed)
    table = np.triu(rng.random((n, n)) < density, 1)
    table = table | (np.tril(rng.random((n, n)) < density, -1) if directed else table.T)
    features = rng.integers(1, 3, (n, 1)).astype(float) if integer else rng.normal(size=(n, 2))
    return EdgeSet(n, np.flatnonzero(table), np.ones(int(table.sum())), features)


class TestTreeMover:
    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize(("depth", "weights"), [(1, ()), (2, (0.5,)), (3, (2.0, 0.25))])
    def test_is_the_definition_by_all_orders(self, seed, depth, weights):
        n = 3 if depth == 3 else 4
        one = with_features(n, seed, directed=seed % 4 == 3)
        other = with_features(n - seed % 2, seed + 100, directed=seed % 4 == 3)
        found = tree_movers_distance(one, other, depth=depth, weights=weights)
        assert found == pytest.approx(by_trees(one, other, depth, weights), abs=1e-12)

    def test_of_depth_one_is_the_transport_of_features(self):
        one, other = with_features(9, 0, integer=True), with_features(9, 1, integer=True)
        moved = 9 * wasserstein_distance(one.features[:, 0], other.features[:, 0])
        assert tree_movers_distance(one, other, depth=1) == pytest.approx(moved)
        assert moved > 0

    @pytest.mark.parametrize(
        ("depth", "weight", "expected"),
        # A path of three nodes of feature 1 against an edge beside a node alone. Depth 2: the
        # middle has one neighbor more, one end the only one. Depth 3: the ends' trees have 4 nodes
        # and the middle's 5, against 3, 3 and 1: at least 13 - 7, which the best order attains.
        [(1, 1.0, 0.0), (2, 1.0, 2.0), (2, 0.5, 1.0), (3, 1.0, 6.0), (3, 0.0, 0.0)],
    )
    def test_by_hand(self, depth, weight, expected):
        ones = np.ones((3, 1))
        path = EdgeSet(3, np.array([1, 3, 5, 7]), np.ones(4), ones)
        edge = EdgeSet(3, np.array([1, 3]), np.ones(2), ones)
        assert tree_movers_distance(path, edge, depth=depth, weights=weight) == expected

    def test_to_nothing_is_the_size_of_all_trees(self):
        ring, empty = edge_set(cycles([4])), EdgeSet(0, np.zeros(0, int), np.zeros(0))
        empty = empty._replace(features=np.zeros((0, 1)))
        for depth in (1, 2, 3):  # 4 trees of 1 + 2 + 4 + ... nodes
            assert tree_movers_distance(ring, empty, depth=depth) == 4 * (2**depth - 1)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_is_a_pseudometric(self, seed):
        a, b, c = (with_features(6, 3 * seed + k, integer=seed % 2 == 1) for k in range(3))
        far = functools.partial(tree_movers_distance, weights=[1.0, 0.5, 2.0])
        assert far(a, a) == 0
        assert far(a, b) == pytest.approx(far(b, a))
        assert far(a, c) <= far(a, b) + far(b, c) + 1e-9

    @pytest.mark.parametrize("depth", [1, 2, 3])
    def test_is_zero_exactly_where_refinement_from_the_features_sees_nothing(self, depth):
        outcomes = set()
        for seed in range(40):
            graph = nx.random_regular_graph(3, 8, seed=seed % 5)
            other = graph.copy()
            nx.double_edge_swap(other, 1 + seed % 2, seed=seed)
            features = 1.0 + (np.arange(8)[:, None] // (2 + seed % 7) % 2)
            pair = [of_networkx(g, features) for g in (graph, other)]
            colors = joint_colors(pair, depth - 1)
            alike = np.array_equal(*map(np.sort, colors))
            found = tree_movers_distance(*map(edge_set, pair), depth=depth)
            assert (found < 1e-12) == alike
            outcomes.add(alike)
        assert outcomes == ({True} if depth == 1 else {True, False})

    def test_reads_the_features_of_the_metamer(self):
        graph = cycles([5])
        moved = graph._replace(nodes=np.array(graph.nodes) + np.eye(5)[:, :1])
        assert tree_movers_distance(edge_set(graph), edge_set(moved), depth=1) == 1
        moved = graph._replace(nodes=np.full((5, 1), np.nan))
        assert np.isnan(tree_movers_distance(edge_set(graph), edge_set(moved)))

    def test_refuses_by_name(self):
        ring = edge_set(cycles([3]))
        for arguments, match in (
            ({"depth": 0}, r"`depth` is 0.*from 1 up"),
            ({"depth": 3, "weights": [1.0]}, r"`weights` are \[1\.0\] with `depth` 3.* 2 of them"),
            ({"weights": -1.0}, r"`weights` are -1\.0.*from 0 up"),
        ):
            with pytest.raises(jm.InputError, match=match):
                tree_movers_distance(ring, ring, **arguments)
        with pytest.raises(jm.InputError, match=r"shapes \(3, 1\) and \(\).*\(3, d\)"):
            tree_movers_distance(ring, ring._replace(features=None))
        large = EdgeSet(201, np.array([1]), np.ones(1), np.ones((201, 1)))
        with pytest.raises(jm.InputError, match=r"`metamer` has 201 nodes.*200"):
            tree_movers_distance(ring, large)


@pytest.mark.parametrize(("name", "most"), [("folklore_wl", 100), ("tree_mover", 200)])
def test_a_measure_of_small_graphs_does_not_apply_to_larger_ones(name, most):
    measure = MEASURES[f"structure/{name}"]
    fits, large = (cycles([size]) for size in (most, most + 1))
    assert ready([measure], fits, Facts()) == (measure,)
    assert ready([measure], large, Facts()) == ()
    with pytest.raises(jm.InputError, match=rf"structure/{name}.* at most {most} nodes"):
        ready([measure], large, Facts(), by_name=True)
