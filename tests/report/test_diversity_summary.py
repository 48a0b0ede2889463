"""How different kept metamers are from each other, in numbers and words."""

import numpy as np
import pytest

from jmetamer.measures import diversity
from jmetamer.report.distance_summary import (
    summarize_diversity,
    why_no_diversity,
)
from jmetamer.report.prose import said


@pytest.fixture
def made(cell, digits):
    return cell(digits, count=8, stored=4, num_stalled=0, with_geometry=False)


def with_diversity(made, kind="features"):
    groups = np.array([0, 0, 1, 2])  # two equal ones and two others
    found = diversity(0.8 * (groups[:, None] != groups))
    made["data"][f"diversity_{kind}"] = (("compared", "compared_with"), found.distances)
    for name in ("mean", "minimum", "effective_number"):
        made["data"].attrs[f"diversity_{kind}_{name}"] = getattr(found, name)
    return found


def test_numbers_are_those_of_the_store(made):
    stored = with_diversity(made)
    (found,) = summarize_diversity(made["settings"], made["data"])
    assert (found.kind, found.num_compared, found.minimum) == ("features", 4, 0.0)
    assert found.mean == pytest.approx(0.8 * 5 / 6)
    assert found.effective_number == stored.effective_number
    assert np.isnan([found.from_reference, found.chance]).all()  # no such measure here
    assert "from the reference" not in said("edge_sentences", "diversity", found)


@pytest.mark.parametrize(
    ("kind", "vary", "measure"),
    [("features", "continuous_features", "features/normalized_euclidean"),
     ("features", "binary_features", "features/jaccard"),
     ("edges", "binary_edges", "structure/edge_jaccard")],
)  # fmt: skip
def test_the_same_distance_from_the_reference_stands_beside(made, kind, vary, measure):
    with_diversity(made, kind)
    made["settings"]["metamers"]["vary"] = {vary: {}}
    made["data"] = made["data"].assign_coords(measure=["a", measure, "b"])
    made["data"]["deviation"][:, 1] = np.linspace(0.5, 0.7, 8)
    made["data"]["deviation_start"][:, 1] = 0.8
    made["data"]["deviation_chance"][:] = [0.1, 0.9, 0.3]
    (found,) = summarize_diversity(made["settings"], made["data"])
    assert found.from_reference == pytest.approx(0.6)
    assert (found.start, found.chance) == (pytest.approx(0.8), 0.9)
    words = "distance from the reference 0.6, of the starts 0.8, by chance 0.9"
    assert words in said("edge_sentences", "diversity", found)


def test_features_and_edges_are_told_apart(made):
    with_diversity(made), with_diversity(made, "edges")
    found = summarize_diversity(made["settings"], made["data"])
    assert [one.kind for one in found] == ["features", "edges"]


def test_why_it_is_not_known_names_the_setting(made, cell, digits):
    assert summarize_diversity(made["settings"], made["data"]) == []
    for kept in (0, 1):
        few = cell(digits, stored=kept, with_geometry=False)
        few["settings"]["store"] = {"metamers": kept}
        assert f"`store.metamers` is {kept};" in why_no_diversity(few["settings"], few["data"])
    single = cell(digits, count=1, stored=1, num_stalled=0, with_geometry=False)
    assert "raise `metamers.count`" in why_no_diversity(single["settings"], single["data"])
    stalled = cell(digits, count=8, stored=4, num_stalled=3, with_geometry=False)
    told = why_no_diversity(stalled["settings"], stalled["data"])
    assert told.endswith("fewer than two of the 4 metamers that are kept converged.")
    assert why_no_diversity(made["settings"], made["data"]).endswith("measured in this run.")
