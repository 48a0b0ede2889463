"""The part of a graph that is drawn, by brute force."""

import networkx as nx
import numpy as np
import xarray as xr

from jmetamer.report.examples import MAX_NODES, choose_edge_examples


def pairs_of(example, chosen):
    """Pairs of node numbers, smaller first."""
    nodes = example.nodes[example.pairs[chosen]]
    return {tuple(sorted(pair)) for pair in nodes.tolist()}


def test_a_small_graph_is_shown_whole_with_what_was_changed(edge_cell, ring):
    reference = ring()
    made = edge_cell(reference, [([(0, 5), (3, 8)], [(2, 3)]), ([(1, 4)], [])])
    first, second = choose_edge_examples(made["data"], reference, made["metamers"])
    assert first.center is None
    assert first.nodes.tolist() == list(range(12))
    assert pairs_of(first, first.added) == {(0, 5), (3, 8)}
    assert pairs_of(first, first.removed) == {(2, 3)}
    assert len(first.pairs) == 12 + 2
    assert (first.num_added, first.num_removed) == (2, 1)
    assert pairs_of(second, second.added) == {(1, 4)}
    assert first.targets.all()


def test_the_metamers_shown_are_those_of_the_lowest_loss(edge_cell, ring):
    reference = ring()
    made = edge_cell(reference, [([(0, k)], []) for k in (2, 3, 4, 5)])
    made["data"]["loss_hardened"][:4] = [4e-3, 1e-3, 3e-3, 2e-3]
    shown = choose_edge_examples(made["data"], reference, made["metamers"], targets=[3])
    assert [one.name for one in shown] == ["metamer 1", "metamer 3"]
    assert shown[0].targets.tolist() == [node == 3 for node in range(12)]


def test_self_loops_and_edges_of_weight_zero_are_not_shown(ring, changed_edges):
    reference = ring()
    metamer = changed_edges(reference, [(2, 9)], [])
    metamer.edges.weight[-2:] = 0
    (shown,) = choose_edge_examples(xr.Dataset(), reference, [metamer])
    assert len(shown.pairs) == 12
    assert not shown.added.any()
    assert not shown.removed.any()


def test_weights_are_those_of_the_graphs(ring, changed_edges):
    reference = ring()
    metamer = changed_edges(reference, [], [])
    senders, receivers = metamer.senders, metamer.receivers
    metamer.edges.weight = (1 + senders + receivers).astype(np.float32)
    (shown,) = choose_edge_examples(xr.Dataset(), reference, [metamer])
    np.testing.assert_array_equal(shown.metamer, 1 + shown.pairs.sum(axis=1))
    assert (shown.reference == 1).all()


def test_directed_edges_are_two_pairs(ring, changed_edges):
    reference = ring()
    metamer = changed_edges(reference, [], [])
    kept = ~((metamer.senders == 3) & (metamer.receivers == 2))
    metamer.senders, metamer.receivers = metamer.senders[kept], metamer.receivers[kept]
    metamer.edges.weight = metamer.edges.weight[kept]
    data = xr.Dataset({"flip_sender": ("flip", np.zeros(0, int), {"directed": True})})
    (shown,) = choose_edge_examples(data, reference, [metamer])
    assert shown.num_removed == 1
    assert shown.pairs[shown.removed].tolist() == [[3, 2]]


class TestOfALargeGraph:
    CHORDS = tuple((i, i + 50) for i in range(0, 40, 3))

    def shown(self, ring, changed_edges, added, removed, targets=()):
        reference = ring(200, self.CHORDS)
        metamer = changed_edges(reference, added, removed)
        return choose_edge_examples(xr.Dataset(), reference, [metamer], targets)[0]

    def test_the_target_that_meets_most_changes_is_the_center(self, ring, changed_edges):
        added, removed = [(10, 90), (70, 90), (70, 91), (70, 92)], [(10, 11)]
        assert self.shown(ring, changed_edges, added, removed).center == 70
        assert self.shown(ring, changed_edges, added, removed, [10, 11, 5]).center == 10
        assert self.shown(ring, changed_edges, [], []).center == 0
        assert self.shown(ring, changed_edges, added, [], [150, 160]).center == 150
        # Of targets that no changed edge meets, one whose neighbor does.
        assert self.shown(ring, changed_edges, added, removed, [120, 71]).center == 71

    def test_its_neighborhood_in_either_graph_is_shown(self, ring, changed_edges):
        added, removed = [(10, 90), (10, 120)], [(10, 11)]
        shown = self.shown(ring, changed_edges, added, removed)
        union = nx.cycle_graph(200)
        union.add_edges_from([*self.CHORDS, *added])
        ball = nx.ego_graph(union, 10, radius=2)
        assert shown.nodes.tolist() == sorted(ball)
        assert pairs_of(shown, slice(None)) == {tuple(sorted(pair)) for pair in ball.edges}
        assert pairs_of(shown, shown.added) == set(added)
        assert pairs_of(shown, shown.removed) == {(10, 11)}
        assert (shown.num_added, shown.num_removed) == (2, 1)

    def test_of_many_neighbors_those_by_changed_edges_come_first(self, ring, changed_edges):
        star = [(5, k) for k in range(20, 140)]
        reference = ring(200, star)
        added = [(5, k) for k in range(150, 180)]
        metamer = changed_edges(reference, added, star[-3:])
        (shown,) = choose_edge_examples(xr.Dataset(), reference, [metamer])
        assert len(shown.nodes) == MAX_NODES
        assert {*range(150, 180), 5, 137, 138, 139} <= set(shown.nodes.tolist())
        assert pairs_of(shown, shown.added) == set(added)


def test_no_stored_metamer_shows_nothing(ring):
    assert choose_edge_examples(xr.Dataset(), ring(), []) == []
