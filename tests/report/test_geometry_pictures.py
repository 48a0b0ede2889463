"""Figures of spectra, dimensions, maps and ledgers show what the store holds."""

import numpy as np
import pytest
import xarray as xr

from jmetamer._base.errors import InputError
from jmetamer.report import spectrum_figure, write_report
from jmetamer.report.figures import dimensions, layer_spectra, ledger, maps
from jmetamer.report.geometry_summary import summarize_ledger, summarize_maps

LAYERS = ["conv1.pre", "conv1", "logits"]
STEPS = ["conv1 weights", "conv1 propagation", "conv1 activation", "logits linear map"]


def full_geometry(num_nodes, rng):
    """Variables of a two-layer network with 5 units, 3 logits and 40 inputs at 4 nodes."""
    values = np.full((4, 3, 5), np.nan)
    values[:, :2] = np.sort(10 ** rng.uniform(-1, 1, (4, 1, 5)))[..., ::-1]
    values[:, 1, 3:] = 1e-17
    values[:, 2, :3] = [3.0, 2.0, 1.0]
    rank = np.array([[5, 3, 3]] * 4)
    at, over = ("target", "geometry_layer"), ("map_layer", "node")
    by_name = ("map_layer", "map_name")
    correlation = rng.uniform(-0.5, 0.5, (2, 2, 2))
    along = ("ledger_target", "ledger_layer")
    degree = rng.integers(1, 9, num_nodes)
    return xr.Dataset(
        {
            "singular_values": ((*at, "singular_index"), values),
            "rank": (at, rank), "rank_ceiling": (at, rank + 1), "rank_cutoff": (at, rank * 1e-15),
            "layer_num_inputs": (at, np.full((4, 3), 40)),
            "tolerance_dimension": ((*at, "relative_tolerance"), 40 - rank[..., None] + [2, 1, 0]),
            "map_nu": (over, rng.uniform(0.2, 0.9, (2, num_nodes))),
            "map_log_volume": (over, rng.normal(size=(2, num_nodes))),
            "map_rank": (over, np.stack([np.full(num_nodes, 5), degree])),
            "map_degree": ("node", degree), "map_homophily": ("node", rng.random(num_nodes)),
            "map_correlation": ((*by_name, "map_statistic"), correlation),
            "map_correlation_low": ((*by_name, "map_statistic"), correlation - 0.1),
            "map_correlation_high": ((*by_name, "map_statistic"), correlation + 0.1),
            "map_class_mean": ((*by_name, "map_class"), rng.random((2, 2, 3))),
            "map_class_error": ((*by_name, "map_class"), np.full((2, 2, 3), 0.02)),
            "ledger_node": ("ledger_target", [7, 8]),
            "ledger_num_inputs": ("ledger_target", [40, 40]),
            "ledger_dimension": ("ledger_target", [37, 37]),
            "ledger_hidden": (("ledger_target", "ledger_step"), [[20, 10, 2, 5]] * 2),
            "ledger_log_volume": (along, [[-3.0, -4.0, 1.0]] * 2),
            "ledger_rank_loss": (along, [[30, 2, 0]] * 2),
            "ledger_certified": (along, np.ones((2, 3), bool)),
        },
        coords={
            "geometry_layer": LAYERS, "relative_tolerance": [1e-2, 1e-3, 1e-6],
            "map_layer": LAYERS[:2],
            "map_name": ["nu", "log_volume"], "map_statistic": ["degree", "homophily"],
            "map_class": [0, 1, 2], "ledger_step": STEPS, "ledger_layer": LAYERS,
        },
    )  # fmt: skip


@pytest.fixture
def data():
    return full_geometry(60, np.random.default_rng(5))


@pytest.fixture
def made(cell, digits):
    """A cell with everything."""
    whole = cell(digits)
    more = full_geometry(len(digits.nodes), np.random.default_rng(5)).rename(target="four_targets")
    whole["data"] = whole["data"].merge(more.rename(four_targets="target").isel(target=[0] * 8))
    return whole


def line(axes, label):
    return next(found for found in axes.get_lines() if found.get_label() == label)


def test_a_panel_a_layer_has_median_and_range_above_the_cutoff(data):
    first, second = layer_spectra.layer_spectra(data).axes
    assert (first.get_title(), second.get_title()) == ("conv1", "logits")
    before = line(first, "before the activation").get_ydata()
    expected = np.median(data["singular_values"].sel(geometry_layer="conv1.pre"), axis=0)
    np.testing.assert_allclose(before, expected)
    after = line(first, "after it").get_ydata()
    np.testing.assert_allclose(after[:3], expected[:3])
    assert np.isnan(after[3:]).all()  # below the cutoff
    assert line(second, "no activation follows").get_ydata()[:3].tolist() == [3.0, 2.0, 1.0]


def test_directions_seen_are_rank_ceiling_and_inputs_minus_dimension(data):
    (axes,) = dimensions.directions_by_layer(data).axes
    assert line(axes, "rank").get_ydata().tolist() == [5, 3, 3]
    assert line(axes, "bound").get_ydata()[0] == 6
    assert line(axes, "above 0.01").get_ydata().tolist() == [3, 1, 1]
    assert line(axes, "above 10⁻⁶").get_ydata().tolist() == [5, 3, 3]


def test_map_panels_group_all_nodes_and_say_the_stored_correlation(data):
    axes = maps.map_panels(data).axes
    assert len(axes) == 6
    found = maps.binned(data["map_nu"].values[0], data["map_degree"].values)
    np.testing.assert_array_equal(line(axes[0], "before the activation").get_ydata(), found.median)
    rho = data["map_correlation"].sel(map_layer="conv1", map_name="nu", map_statistic="degree")
    assert f"{float(rho):.2g} after" in axes[0].get_title()
    mean = data["map_class_mean"].sel(map_layer="conv1", map_name="nu")
    np.testing.assert_array_equal(line(axes[2], "after it").get_ydata(), mean)


def test_volumes_of_different_dimension_are_not_drawn(data):
    labels = {found.get_label() for found in maps.map_panels(data).axes[3].get_lines()}
    assert "before the activation" in labels
    assert "after it" not in labels  # ranks differ there
    assert not maps.comparable(data, "log_volume")


def test_groups_hold_every_node_once():
    rng = np.random.default_rng(0)
    statistic = np.where(rng.random(500) < 0.5, 1.0, rng.random(500))
    statistic[:9] = np.nan
    found = maps.binned(np.ones(500), statistic)
    assert len(found.median) <= maps.MAX_BINS
    assert (found.low == 1).all()
    assert found.places[-1] == 1.0


def test_the_ledger_falls_from_all_inputs_to_the_rank(data):
    top, bottom = ledger.ledger_steps(data).axes
    assert line(top, "node 7").get_ydata().tolist() == [40, 20, 10, 8, 3]
    assert bottom.get_lines()[0].get_ydata().tolist() == [0, -3, -4, 1]
    fell = line(bottom, "rank fell here")
    assert fell.get_ydata().tolist() == [-3, -4]


def test_numbers_in_words_are_those_of_the_store(data):
    found = summarize_maps(data)
    assert found.after == np.median(data["map_nu"].values[1])
    assert found.degree[0] == float(data["map_correlation"][1, 0, 0])
    assert summarize_ledger(data).hidden == dict(zip(STEPS, [20, 10, 2, 5], strict=True))


def test_the_page_has_four_figures_more_and_two_sentences(make_run, made):
    text = write_report(make_run({"a": made})).read_text()
    assert text.count("<svg") == 10
    assert "at node 7, 37 of 40 input directions are hidden: 20 by conv1 weights" in text
    assert "the median blind fraction" in text
    assert "conv1 3 of at most 4" in text


def test_a_store_without_them_has_the_page_it_had(make_run, cell, digits):
    text = write_report(make_run({"a": cell(digits)})).read_text()
    assert text.count("<svg") == 6
    assert "Ledger" not in text


@pytest.mark.parametrize("draw", [
    layer_spectra.layer_spectra, dimensions.directions_by_layer, maps.map_panels,
    ledger.ledger_steps,
])  # fmt: skip
def test_nothing_stored_draws_nothing(cell, digits, draw):
    assert draw(cell(digits)["data"]) is None


class TestThreeLines:
    def test_lead_from_a_run_to_a_file(self, make_run, made, tmp_path):
        figure = spectrum_figure(make_run({"a": made}))
        figure.savefig(tmp_path / "spectrum.png")
        assert (tmp_path / "spectrum.png").read_bytes()[:4] == b"\x89PNG"
        assert [axes.get_title("left") for axes in figure.axes] == ["conv1", "logits"]

    def test_draw_the_matched_layer_of_an_older_run(self, make_run, cell, digits):
        made = cell(digits)
        (axes,) = spectrum_figure(make_run({"a": made}), "a").axes
        drawn = line(axes, "before the activation").get_ydata()
        np.testing.assert_array_equal(drawn, made["data"]["singular_values_pre"][0])

    def test_say_what_is_missing(self, make_run, cell, digits):
        bare = cell(digits, with_geometry=False)
        with pytest.raises(InputError, match=r"cell `a` holds no spectra: .*geometry: null"):
            spectrum_figure(make_run({"a": bare}))
        with pytest.raises(InputError, match="has no finished cell"):
            spectrum_figure(make_run({}))
