import numpy as np
import pytest

from jmetamer.report.examples import choose_examples, informative_columns
from jmetamer.report.figures import deviations, examples, layers, losses, ranks, spectra
from jmetamer.report.figures.style import blank, log_axis

TOLERANCE = 1e-4


def lines(axes, label):
    return [line for line in axes.get_lines() if line.get_label() == label]


def test_a_stopped_metamer_keeps_its_last_loss(cell, digits):
    data = cell(digits, count=3, num_stalled=0)["data"]
    data["loss_trace"][:] = np.nan
    data["loss_trace"][:, :3] = [[1, 0.1, 0.01], [1, 0.2, np.nan], [1, 0.3, np.nan]]
    axes = losses.loss_curves(data, TOLERANCE).axes[0]
    assert all(float(tick).is_integer() for tick in axes.get_xticks())  # steps are counted
    np.testing.assert_allclose(lines(axes, "median")[0].get_ydata(), [1, 0.2, 0.2], rtol=1e-6)
    assert lines(axes, "tolerance")[0].get_ydata()[0] == TOLERANCE


def test_long_traces_keep_first_and_last_step(cell, digits):
    data = cell(digits, num_stalled=2)["data"]
    shown = lines(losses.loss_curves(data, TOLERANCE).axes[0], "median")[0].get_xdata()
    assert (shown[0], shown[-1]) == (0, 1000)


def test_chance_is_marked_on_every_strip(cell, digits):
    data = cell(digits)["data"]
    figure = deviations.deviation_strips(data)
    marks = [lines(axes, "chance level")[0].get_xdata()[0] for axes in figure.axes]
    assert marks == data["deviation_chance"].values.tolist()
    starts = [lines(axes, "starts of the searches")[0].get_xdata()[0] for axes in figure.axes]
    np.testing.assert_allclose(starts, np.median(data["deviation_start"].values, axis=0))
    for axes, start in zip(figure.axes, starts, strict=True):
        assert axes.get_xlim()[0] <= start <= axes.get_xlim()[1]


def test_a_run_without_starts_is_drawn_without_them(cell, digits):
    figure = deviations.deviation_strips(cell(digits)["data"].drop_vars("deviation_start"))
    assert not any(lines(axes, "starts of the searches") for axes in figure.axes)


def test_layer_medians_are_at_their_layers(cell, digits):
    data = cell(digits)["data"]
    bars = lines(layers.layer_match(data, {"conv1"}, TOLERANCE).axes[0], "median")
    expected = np.median(data["layer_match"].values, axis=0)
    np.testing.assert_allclose([bar.get_ydata()[0] for bar in bars], expected, rtol=1e-6)


def test_a_far_cutoff_is_named_and_a_near_one_is_drawn(cell, digits):
    data = cell(digits)["data"]
    far = spectra.singular_values(data).axes[0]
    assert far.get_ylim()[0] > 1e-3
    assert any("10⁻¹², below" in line.get_label() for line in far.get_lines())
    data["rank_cutoff_pre"][:] = 0.02
    near = spectra.singular_values(data).axes[0]
    assert near.get_ylim()[0] < 0.02
    data["rank_cutoff_pre"][:] = 1e-12
    data["singular_values_post"][:, -1] = 1e-14  # both cutoffs are in view
    both = spectra.singular_values(data).axes[0]
    assert not any("below" in line.get_label() for line in both.get_lines())


def test_ranks_are_drawn_below_their_ceiling(cell, digits):
    data = cell(digits, activation="elu")["data"]
    figure = ranks.ranks(data)
    after = lines(figure.axes[0], "rank after it")[0]
    np.testing.assert_array_equal(after.get_ydata(), data["rank_post"].values)
    assert lines(figure.axes[0], "ceiling")[0].get_ydata()[0] == 16
    assert len(figure.axes) == 2
    assert len(ranks.ranks(cell(digits, activation="relu")["data"]).axes) == 1


def test_pictures_are_the_rows_and_share_one_scale(cell, digits):
    made = cell(digits)
    shown = choose_examples(made["data"], digits, made["metamers"])
    image = examples.picture_grid(shown).axes[0].get_images()[0]
    canvas = np.asarray(image.get_array())[:: examples.ENLARGED, :: examples.ENLARGED]
    np.testing.assert_array_equal(canvas[:8, 9:17], shown.rows[0, 1].reshape(8, 8))
    np.testing.assert_array_equal(canvas[9:17, :8], shown.rows[1, 0].reshape(8, 8))
    assert image.get_clim() == (0.0, 1.0)


def test_heat_maps_show_the_chosen_columns(cell, words):
    made = cell(words)
    shown = choose_examples(made["data"], words, made["metamers"])
    columns, _ = informative_columns(shown.rows, binary=True)
    figure = examples.feature_maps(shown, columns, 24)
    step = examples.ENLARGED
    drawn = np.asarray(figure.axes[1].get_images()[0].get_array())[::step, ::step]
    np.testing.assert_array_equal(np.delete(drawn, 24, axis=1), shown.rows[1][:, columns])


@pytest.mark.parametrize(("low", "high"), [(1e-12, 1.0), (0.31, 0.35), (2.0, 2.0), (1e-30, 1e30)])
def test_log_axes_show_all_data_and_two_labels_or_more(low, high):
    axes = blank().add_subplot()
    log_axis(axes, low, high)
    bottom, top = axes.get_ylim()
    assert bottom < low <= high < top
    assert 2 <= len(axes.get_yticks()) <= 8


@pytest.mark.parametrize("name", ["loss_trace", "deviation", "layer_match"])
@pytest.mark.parametrize("how", ["absent", "nan"])
def test_what_is_missing_or_undefined_is_not_drawn(cell, digits, name, how):
    data = cell(digits)["data"]
    data = data.drop_vars(name) if how == "absent" else data.assign({name: data[name] * np.nan})
    drawn = {
        "loss_trace": lambda: losses.loss_curves(data, TOLERANCE),
        "deviation": lambda: deviations.deviation_strips(data),
        "layer_match": lambda: layers.layer_match(data, {"conv1"}, TOLERANCE),
    }
    assert drawn[name]() is None


def test_no_geometry_draws_no_geometry(cell, digits):
    data = cell(digits, with_geometry=False)["data"]
    assert spectra.singular_values(data) is None
    assert ranks.ranks(data) is None
