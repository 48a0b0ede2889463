"""What is drawn of edges, read back from the figure."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from jmetamer.report.examples import choose_edge_examples
from jmetamer.report.figures import edges, style


@pytest.fixture(scope="module")
def shown(edge_cell, ring):
    reference = ring()
    made = edge_cell(reference, [([(0, 5), (3, 8)], [(2, 3)]), ([], [])])
    return choose_edge_examples(made["data"], reference, made["metamers"], targets=[3, 4])


@pytest.fixture(scope="module")
def panels(shown):
    with style.styled():
        figure = edges.edge_drawings(shown)
    return figure.axes


def lines_of(axes, color):
    """Segments of one color: how many, and the dashes and widths of their collection."""
    for found in axes.collections:
        if isinstance(found, LineCollection) and style_of(found) == color:
            return found
    return None


def style_of(collection):
    from matplotlib.colors import to_hex

    return to_hex(collection.get_color()[0])


def test_each_side_shows_what_only_it_has(panels, shown):
    left, right = panels[:2]
    assert len(lines_of(left, style.ORANGE).get_segments()) == 1
    assert lines_of(left, style.BLUE) is None
    assert len(lines_of(right, style.BLUE).get_segments()) == 2
    assert lines_of(right, style.ORANGE) is None
    for axes in (left, right):
        assert len(lines_of(axes, style.INK).get_segments()) == 11
    places = edges.positions(shown[0])
    drawn = {tuple(np.round(s, 6).ravel()) for s in lines_of(right, style.BLUE).get_segments()}
    assert drawn == {tuple(np.round(places[[i, j]], 6).ravel()) for i, j in ((0, 5), (3, 8))}


def test_what_changed_is_told_apart_without_color(panels):
    left, right = panels[:2]
    removed, added = lines_of(left, style.ORANGE), lines_of(right, style.BLUE)
    assert removed.get_linestyle()[0][1] is not None, "dashed"
    assert added.get_linestyle()[0][1] is None, "solid"
    assert added.get_linewidths()[0] > 2 * lines_of(right, style.INK).get_linewidths()[0]
    labels = [text.get_text() for text in panels[0].figure.legends[0].get_texts()]
    assert labels == ["in both", "removed: only in the reference", "added: only in the metamer"]


def test_nodes_lie_at_the_same_places_on_both_sides_and_in_every_drawing(panels, shown):
    places = [axes.collections[-1].get_offsets() for axes in panels]
    np.testing.assert_array_equal(places[0], places[1])
    np.testing.assert_array_equal(edges.positions(shown[0]), edges.positions(shown[0]))
    assert [text.get_text() for text in panels[0].texts] == [str(node) for node in range(12)]


def test_target_nodes_have_a_heavy_circle(panels):
    widths = np.asarray(panels[0].collections[-1].get_linewidths())
    assert np.flatnonzero(widths > 1).tolist() == [3, 4]


def test_titles_count_the_changes(panels):
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles[0] == "reference: 1 edge removed"
    assert titles[1] == "metamer 0: 2 edges added"
    assert titles[3] == "metamer 1: 0 edges added"


def test_weighted_edges_are_as_wide_as_their_weight(ring, changed_edges):
    reference = ring()
    metamer = changed_edges(reference, [], [])
    metamer.edges.weight = np.where(metamer.senders + metamer.receivers == 1, 4.0, 1.0)
    import xarray as xr

    shown = choose_edge_examples(xr.Dataset(), reference, [metamer])
    left, right = edges.edge_drawings(shown).axes
    base = edges._WEIGHTED * edges._KEPT["lw"]
    assert set(lines_of(left, style.INK).get_linewidths()) == {base / 4}
    assert sorted(set(lines_of(right, style.INK).get_linewidths())) == [base / 4, base]


def test_many_changed_edges_are_drawn_in_thinner_lines(ring, changed_edges):
    import xarray as xr

    reference = ring()
    pairs = [(i, j) for i in range(12) for j in range(i + 2, 12) if (i, j) != (0, 11)]
    many = [changed_edges(reference, pairs, []), changed_edges(reference, pairs[:5], [])]
    shown = choose_edge_examples(xr.Dataset(), reference, many)
    panels = edges.edge_drawings(shown).axes
    widths = [lines_of(axes, style.BLUE).get_linewidths()[0] for axes in panels[1::2]]
    full = edges._ADDED["lw"]
    assert sorted(widths) == pytest.approx([full * np.sqrt(edges._MANY / len(pairs)), full])
    same = [axes.collections[-1].get_offsets() for axes in panels]
    np.testing.assert_array_equal(same[0], same[3])  # both rows, as the reference is whole


def test_a_graph_without_edges_can_be_drawn(ring, changed_edges):
    import xarray as xr

    reference = ring()._replace(
        senders=np.zeros(0, int), receivers=np.zeros(0, int), weight=np.zeros(0)
    )
    metamer = changed_edges(ring(), [], [])
    metamer.senders, metamer.receivers = metamer.senders[:0], metamer.receivers[:0]
    metamer.edges.weight = metamer.edges.weight[:0]
    (shown,) = choose_edge_examples(xr.Dataset(), reference, [metamer])
    assert len(edges.edge_drawings([shown]).axes) == 2


def test_a_part_of_a_graph_is_laid_out_and_counted_by_what_is_shown(ring, changed_edges):
    import xarray as xr

    reference = ring(100)
    hub = [(50, node) for node in (2, 10, 20, 30, 70, 80)]
    metamer = changed_edges(reference, [*hub, (5, 15)], [(50, 51), (90, 91)])
    (shown,) = choose_edge_examples(xr.Dataset(), reference, [metamer], targets=[50])
    with style.styled():
        left, right = edges.edge_drawings([shown]).axes
    titles = [axes.get_title(loc="left") for axes in (left, right)]
    assert titles == [
        "reference around node 50: 1 of 2 edges removed",
        "metamer 0 around node 50: 6 of 7 edges added",
    ]
    places = edges.positions(shown)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert apart[~np.eye(len(places), dtype=bool)].min() > 0.05 * apart.max()


def test_a_target_without_edges_can_be_drawn_in_a_large_graph(ring, changed_edges):
    import xarray as xr

    reference = ring(100)
    lonely = changed_edges(reference, [], [(49, 50), (50, 51)])
    alone = reference._replace(
        senders=np.asarray(lonely.senders),
        receivers=np.asarray(lonely.receivers),
        weight=np.ones(len(lonely.senders)),
    )
    (shown,) = choose_edge_examples(xr.Dataset(), alone, [lonely], targets=[50])
    assert shown.nodes.tolist() == [50]
    assert edges.positions(shown).shape == (1, 2)


def test_nothing_to_show_draws_nothing():
    assert edges.edge_drawings([]) is None
