from types import SimpleNamespace

import numpy as np
import xarray as xr

from jmetamer.report.examples import choose_examples, informative_columns


def test_pictures_show_one_node_of_every_class(cell, digits):
    made = cell(digits)
    shown = choose_examples(made["data"], digits, made["metamers"])
    assert sorted(shown.classes) == list(range(10))
    assert shown.shape == (8, 8)
    assert shown.limits == (0.0, 1.0)


def test_rows_are_the_stored_features_in_one_node_order(cell, digits):
    made = cell(digits)
    shown = choose_examples(made["data"], digits, made["metamers"])
    losses = made["data"]["loss_hardened"].values[:8]
    best = np.argsort(losses)[:4]
    assert shown.names == ("reference", *(f"metamer {i}" for i in best))
    np.testing.assert_array_equal(shown.rows[0], digits.nodes[list(shown.nodes)])
    for block, i in zip(shown.rows[1:], best, strict=True):
        np.testing.assert_array_equal(block, made["metamers"][i].nodes[list(shown.nodes)])


def test_only_target_nodes_are_shown_when_targets_are_few(cell, digits):
    made = cell(digits)
    shown = choose_examples(made["data"], digits, made["metamers"], targets=[40, 7])
    assert set(shown.nodes) == {7, 40}


def test_a_color_scale_widens_to_what_is_shown(cell, digits):
    far = SimpleNamespace(nodes=digits.nodes * 3 - 1)
    shown = choose_examples(xr.Dataset(), digits, [far])
    assert shown.limits[0] <= -1
    assert shown.limits[1] > 1


def test_shown_columns_are_those_with_the_most_ones():
    rows = np.zeros((2, 4, 500))
    rows[0, :, 100:124] = 1
    rows[1, :, 300:324] = 1
    columns, sentence = informative_columns(rows, binary=True)
    assert columns.tolist() == [*range(100, 124), *range(300, 324)]
    assert "48 of 500 feature columns are shown" in sentence
    assert "have the most ones in the metamer rows" in sentence
    rows[1] *= 0.5  # metamers whose features need not be 0 or 1
    columns, sentence = informative_columns(rows, binary=True)
    assert columns.tolist() == [*range(100, 124), *range(300, 324)]
    assert "ones" not in sentence


def test_no_stored_metamer_shows_nothing(digits):
    assert choose_examples(xr.Dataset(), digits, []) is None
