"""Ranks, maps and ledgers in plain words, from numbers alone."""

from jmetamer.report.geometry_summary import LedgerSummary, MapSummary
from jmetamer.report.prose import said
from jmetamer.report.summary import RankSummary

NAN = float("nan")


def test_a_rank_stands_beside_what_it_could_be():
    text = said("geometry_sentences", "rank", RankSummary(1, 8, 8, 6, 570, 576, 0.0, 0))
    assert "rank 8 before the activation and 6 after it, of at most 8" in text


def test_free_directions_are_those_of_a_nodes_own_features_first():
    ranks = RankSummary(3, 8, 8, 6, 570, 576, -0.5, 1, 6, 58, 64, (20.0, 15.0), (1.0, 0.1))
    text = said("geometry_sentences", "dimension", ranks)
    assert "58 of the 64 directions of a node's own features" in text
    assert "570 of 576 with all features" in text
    assert "at 2 of the 3 nodes whose spectra were taken; at the others it is -0.5" in text
    assert "(input with standard deviation 1, noise 0.1)" in text
    assert "carries 20 nats before the activation and 15 after it" in text


def test_a_map_says_with_what_blindness_goes():
    maps = MapSummary(34, NAN, 0.25, (0.5, 0.2, 0.7), (NAN,) * 3)
    text = said("geometry_sentences", "map", maps)
    assert "Over all 34 nodes, the median blind fraction" in text
    assert "is 25%; its rank correlation with the number of neighbors is 0.5 (0.2 to 0.7)" in text
    assert "95% intervals that take nodes as independent, which neighbors are not" in text


def test_a_ledger_names_what_each_step_hides():
    ledger = LedgerSummary(3, 10, 7, {"conv1 weights": 5, "conv1 activation": 2}, True)
    assert said("geometry_sentences", "ledger", ledger) == (
        "To first order, at node 3, 7 of 10 input directions are hidden: 5 by conv1 weights and 2 "
        "by conv1 activation."
    )
