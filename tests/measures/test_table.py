"""Which measures are taken: the cheap ones unasked, all others by name."""

import pytest

import jmetamer as jm
from jmetamer.config.resolving import resolve
from jmetamer.config.settings import MetamerSettings, Settings
from jmetamer.measures import MEASURES, measures_for

COSTLY = {
    "features/wasserstein",
    "features/mmd_squared",
    "features/cka",
    "structure/laplacian_spectrum",
    "structure/netlsd",
    "structure/weisfeiler_leman",
    "structure/four_cliques",
    "structure/folklore_wl",
    "structure/cut_norm_low",
    "structure/cut_norm_high",
    "structure/tree_mover",
}


def test_measures_that_grow_faster_than_the_graph_are_not_taken_unasked():
    assert {name for name, measure in MEASURES.items() if not measure.default} == COSTLY
    for kind in ("binary", "one_hot", "continuous", "simple_edges", "edge_weights"):
        unasked = {measure.name for measure in measures_for(kind)}
        assert unasked == {
            name for name, m in MEASURES.items() if kind in m.applies_to and name not in COSTLY
        }


@pytest.mark.parametrize("name", sorted(COSTLY))
def test_a_costly_measure_is_taken_by_name(name):
    kind = MEASURES[name].applies_to[0]
    assert [measure.name for measure in measures_for(kind, [name])] == [name]


def test_structure_is_judged_unasked_by_more_than_messages_see():
    unasked = {measure.name for measure in measures_for("simple_edges")}
    assert {"structure/edge_jaccard", "structure/clustering"} <= unasked


def test_a_configuration_takes_costly_measures_that_it_names():
    named = ("structure/edge_jaccard", "structure/netlsd")  # as in README.md
    edges = MetamerSettings(vary=jm.BinaryEdges())
    assert resolve(Settings(measures=named, metamers=edges)).measures == named
    assert set(resolve(Settings(metamers=edges)).measures) == {
        measure.name for measure in measures_for("simple_edges")
    }
