"""Classes of metamers, against networkx and brute force."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest
from dense_networks import LAYERS

import jmetamer as jm
from jmetamer.oracles.enumeration import all_pairs, exact_set, graph_code, graph_of_code
from jmetamer.oracles.symmetry_classes import (
    canonical_codes,
    metamer_classes,
    problem_symmetries,
    recall,
)

CASES = ["ring", "copies", "twins", "identified"]


def as_networkx(code, total):
    pairs = all_pairs(total)
    graph = nx.empty_graph(total)
    chosen = np.asarray([code]) >> np.arange(len(pairs.senders)) & 1 > 0
    graph.add_edges_from(zip(pairs.senders[chosen], pairs.receivers[chosen], strict=True))
    return graph


def ring(total, make_undirected, row):
    pairs = [(i, (i + 1) % total) for i in range(total)]
    return make_undirected(np.tile(row, (total, 1)), pairs)


@pytest.fixture(scope="module")
def equal_nodes(draw, make_undirected):
    """(n) -> a problem that treats all nodes alike: a ring of equal nodes, all to match."""

    def build(total, **options):
        graph = ring(total, make_undirected, np.full(6, 0.5))
        return jm.Problem(draw("gcn"), graph, layer="conv1", **options)

    return build


class TestSymmetries:
    @pytest.mark.parametrize(
        ("nodes", "count", "fixed"),
        [(None, 720, []), ([2], 120, [2]), ([0, 3], 2 * 24, []), (range(5), 120, [5])],
    )
    def test_of_equal_nodes_keep_targets_among_themselves(self, nodes, count, fixed, equal_nodes):
        found = problem_symmetries(equal_nodes(6, nodes=nodes))
        assert found.shape == (count, 6)
        assert len(np.unique(found, axis=0)) == count
        assert found[0].tolist() == list(range(6))
        assert (np.sort(found, axis=1) == np.arange(6)).all()
        if nodes is not None:
            targets = list(nodes)
            assert (np.sort(found[:, targets], axis=1) == targets).all()
        assert (found[:, fixed] == fixed).all()

    def test_swap_nodes_of_equal_features_and_equal_targets_alone(self, draw, make_undirected):
        path = make_undirected(np.tile([1.0, 0, 0, 0, 0, 0], (4, 1)), [(0, 1), (1, 2), (2, 3)])
        found = problem_symmetries(jm.Problem(draw("gcn"), path, layer="conv1"))
        assert found.tolist() == [[0, 1, 2, 3], [0, 2, 1, 3], [3, 1, 2, 0], [3, 2, 1, 0]]

    def test_of_twins_are_their_swap(self, six_problem):
        found = problem_symmetries(six_problem("gcn", "twins"))
        assert found.tolist() == [[0, 1, 2, 3, 4, 5], [0, 2, 1, 3, 4, 5]]

    def test_keep_self_loops(self, draw):
        graph = jm.make_graph(np.ones((3, 6)), [1], [1])
        found = problem_symmetries(jm.Problem(draw("gat"), graph, layer="conv1"))
        assert found.tolist() == [[0, 1, 2], [2, 1, 0]]

    @pytest.mark.parametrize("graph", CASES)
    @pytest.mark.parametrize("name", LAYERS)
    def test_leave_every_loss_unchanged(self, name, graph, six_problem, six_losses):
        losses = np.sqrt(six_losses(name, graph, "conv1"))
        permutations = problem_symmetries(six_problem(name, graph))
        codes = np.random.default_rng(0).choice(2**15, 20, replace=False)
        for code, p in itertools.product(codes, permutations[:: max(1, len(permutations) // 30)]):
            moved = nx.relabel_nodes(as_networkx(code, 6), dict(enumerate(p.tolist())))
            pairs = np.array(moved.edges).reshape(-1, 2).T
            image = graph_code(
                jm.make_graph(np.ones((6, 1)), [*pairs[0], *pairs[1]], [*pairs[1], *pairs[0]])
            )
            assert losses[image] == pytest.approx(losses[code], rel=1e-4, abs=1e-6)

    def test_are_refused_beyond_seven_nodes(self, equal_nodes):
        with pytest.raises(jm.InputError, match="8 nodes; their permutations are listed for 7"):
            problem_symmetries(equal_nodes(8))


class TestClasses:
    @pytest.mark.parametrize(("total", "count"), [(3, 4), (4, 11), (5, 34), (6, 156)])
    def test_of_equal_nodes_are_the_isomorphism_classes(self, total, count, equal_nodes):
        permutations = problem_symmetries(equal_nodes(total))
        names = canonical_codes(np.arange(2 ** math.comb(total, 2)), permutations)
        assert len(np.unique(names)) == count
        # networkx's atlas holds one graph of each class.
        atlas = [graph for graph in nx.graph_atlas_g() if len(graph) == total]
        bits = {pair: bit for bit, pair in enumerate(itertools.combinations(range(total), 2))}
        codes = [sum(1 << bits[tuple(sorted(edge))] for edge in graph.edges) for graph in atlas]
        assert sorted(canonical_codes(np.array(codes), permutations)) == np.unique(names).tolist()

    def test_are_orbits_of_graphs_with_features(self, draw, make_undirected):
        """Two of four nodes are equal: two codes are of one class just where networkx agrees."""
        kinds = [0, 1, 1, 2]
        graph = make_undirected(np.eye(6)[kinds], [(0, 1), (0, 2), (1, 3), (2, 3)])
        permutations = problem_symmetries(jm.Problem(draw("gin"), graph, layer="conv1"))
        assert permutations.tolist() == [[0, 1, 2, 3], [0, 2, 1, 3]]
        names = canonical_codes(np.arange(64), permutations)
        assert (names <= np.arange(64)).all()
        graphs = [as_networkx(code, 4) for code in range(64)]
        for one in graphs:
            nx.set_node_attributes(one, dict(enumerate(kinds)), "kind")
        for i, j in itertools.combinations(range(64), 2):
            same = nx.is_isomorphic(graphs[i], graphs[j], lambda a, b: a["kind"] == b["kind"])
            assert (names[i] == names[j]) == same

    @pytest.mark.parametrize("graph", CASES)
    @pytest.mark.parametrize("name", LAYERS)
    def test_split_the_exact_set(self, name, graph, six_problem, six_losses):
        problem = six_problem(name, graph)
        exact = exact_set(problem, 1e-8, six_losses(name, graph, "conv1"))
        classes = metamer_classes(problem, exact)
        assert classes.sizes.sum() + classes.relabelings == len(exact.codes)
        assert classes.reference <= exact.reference
        assert classes.reference not in classes.codes
        names = canonical_codes(exact.codes, classes.permutations)
        for code, size, loss in zip(classes.codes, classes.sizes, classes.losses, strict=True):
            assert size == np.sum(names == code)
            assert loss == exact.losses[names == code].min()

    def test_of_a_ring_are_those_that_are_known(self, six_problem, six_losses):
        found = {}
        for name in LAYERS:
            problem = six_problem(name, "ring")
            exact = exact_set(problem, 1e-8, six_losses(name, "ring", "conv1"))
            found[name] = metamer_classes(problem, exact)
            assert found[name].relabelings == 59  # 5! / 2 labelled rings, and the reference is one
        assert found["gin"].sizes.tolist() == [10]  # two triangles
        assert len(found["graphsage"].codes) == 156 - 34 - 1  # no isolated node
        assert len(found["gat"].codes) == 156 - 1
        # A GCN gives every node the same where each connected part is regular, of any degree.
        regular = [
            graph
            for graph in nx.graph_atlas_g()
            if len(graph) == 6
            and all(nx.is_regular(graph.subgraph(part)) for part in nx.connected_components(graph))
        ]
        assert len(found["gcn"].codes) == len(regular) - 1

    def test_of_the_reference_renamed_are_kept_apart(self, six_problem, six_losses):
        problem = six_problem("gin", "copies")
        exact = exact_set(problem, 1e-8, six_losses("gin", "copies", "conv1"))
        classes = metamer_classes(problem, exact)
        # Of the 2^3 ways to match copies with copies half give two triangles, half a ring.
        assert (classes.relabelings, classes.sizes.tolist()) == (3, [4])


@pytest.fixture(scope="module")
def problem(six_problem):
    return six_problem("gcn", "ring")


@pytest.fixture(scope="module")
def exact(problem, six_losses):
    return exact_set(problem, 1e-8, six_losses("gcn", "ring", "conv1"))


@pytest.fixture(scope="module")
def classes(problem, exact):
    return metamer_classes(problem, exact)


class TestRecall:
    def test_is_one_when_any_graph_of_each_class_is_found(self, exact, classes):
        names = canonical_codes(exact.codes, classes.permutations)
        last = [exact.codes[names == code][-1] for code in classes.codes]
        found = recall(last, classes)
        assert found == (len(classes.codes), len(classes.codes), 0, 0)
        assert found.share == 1

    def test_counts_a_class_once_and_the_reference_renamed_not_at_all(self, exact, classes):
        names = canonical_codes(exact.codes, classes.permutations)
        twice = exact.codes[names == classes.codes[classes.sizes.argmax()]][:2].tolist()
        renamed = exact.codes[names == classes.reference][:3].tolist()
        assert len(twice) == 2
        found = recall([*twice, *renamed, exact.reference], classes)
        assert found == (1, len(classes.codes), 4, 0)
        assert found.share == 1 / len(classes.codes)

    def test_shows_graphs_that_are_no_metamers(self, classes, problem):
        star = graph_code(graph_of_code(problem.graph, 31))
        assert recall([star], classes) == (0, len(classes.codes), 0, 1)

    def test_is_not_a_number_where_there_is_nothing_to_find(self, six_problem, six_losses):
        problem = six_problem("gcn", "identified")
        exact = exact_set(problem, 1e-8, six_losses("gcn", "identified", "conv1"))
        found = recall([], metamer_classes(problem, exact))
        assert found == (0, 0, 0, 0)
        assert math.isnan(found.share)
