"""The match at every layer in numbers."""

import numpy as np
import pytest

from jmetamer.report.distance_summary import matched_layers, summarize_layers


@pytest.fixture
def data(cell, digits):
    return cell(digits, count=11, stored=0, with_geometry=False)["data"]


def test_medians_and_percentiles_are_over_finite_metamers(data):
    data["layer_match"][:, 0] = np.arange(11)
    data["layer_match"][:, 1] = [np.nan] * 8 + [1, 2, 6]
    data["layer_match"][:, 2] = np.nan
    first, second, third, _ = summarize_layers("conv1", data)
    assert (first.layer, first.median, first.low, first.high) == ("conv1.pre", 5, 1, 9)
    assert second.median == 2
    assert np.isnan([third.median, third.low, third.high]).all()


@pytest.mark.parametrize(
    ("named", "matched"),
    [("conv1", {"conv1"}), ("conv1+logits", {"conv1", "logits"}),
     ("all", {"conv1.pre", "conv1", "conv2.pre", "logits"})],
)  # fmt: skip
def test_matched_layers_are_marked(data, named, matched):
    assert matched_layers(named, data) == matched
    assert {one.layer for one in summarize_layers(named, data) if one.matched} == matched


def test_a_cell_without_it_has_none(data):
    assert summarize_layers("conv1", data.drop_vars("layer_match")) == ()
