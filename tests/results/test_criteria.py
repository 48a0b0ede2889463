"""What is missed most often, and the keys that are named for it."""

import numpy as np
import pytest
import xarray as xr

from jmetamer.results.criteria import BEYOND_SWAPS, CRITERIA, most_missed
from jmetamer.results.summary import summary_row

REMEDIES = {"STALLED": "as stalled", "UNCHANGED": "as unchanged", "ZERO_TARGET": "as zero"}


def data_of(missed, count=8, **scalars):
    """Bits of a cell of which so many metamers miss each criterion, the last ones."""
    bits = {one.variable: np.arange(count) < count - missed.get(one.name, 0) for one in CRITERIA}
    bits["success"] = np.all([*bits.values()], axis=0)
    status = ("metamer", np.zeros(count), {"remedies": REMEDIES})
    variables = {name: ("metamer", values) for name, values in bits.items()}
    return xr.Dataset(variables | {"status": status}, attrs=scalars)


@pytest.mark.parametrize("criterion", CRITERIA[1:])
def test_each_criterion_says_what_to_change(criterion):
    found = most_missed(data_of({criterion.name: 3}), {"CONVERGED": 8})
    assert found == (criterion.name, 3, 8, criterion.change, ())


def test_of_equals_the_match_is_the_cause():
    all_of_them = dict.fromkeys([one.name for one in CRITERIA], 8)
    assert most_missed(data_of(all_of_them), {"STALLED": 8})[:3] == ("matches", 8, 8)
    found = most_missed(data_of(all_of_them | {"matches": 7}), {"STALLED": 7})
    assert (found.name, found.tied) == ("node by node", tuple([*all_of_them][2:]))
    assert all(one.change in found.change for one in CRITERIA[1:])
    assert found.names == "node by node, better than chance, same classes, distinct"


@pytest.mark.parametrize(
    ("layer", "nodes", "later", "more"),
    [
        ("conv1", None, True, False),
        ("logits", [0, 3], False, True),
        ("conv1+logits", [], False, False),
    ],
)
def test_keys_for_classes_are_those_that_can_apply(layer, nodes, later, more):
    data = data_of({"same classes": 3}).assign(layer=("layer", ["conv1", "logits"]))
    settings = {"metamers": {"layer": layer, "nodes": nodes}}
    change = most_missed(data, {"CONVERGED": 8}, settings).change
    assert ("later `metamers.layer`" in change, "`metamers.nodes`" in change) == (later, more)


@pytest.mark.parametrize(
    ("scalars", "change"),
    [({}, "as stalled"), ({"remedy": "`metamers.method`"}, "`metamers.method`")],
)
def test_what_the_record_says_of_the_problem_goes_before_the_status(scalars, change):
    found = most_missed(data_of({"matches": 8}, **scalars), {"STALLED": 6, "ZERO_TARGET": 2})
    assert found.change == change


def test_graphs_that_are_the_reference_itself_are_the_cause():
    found = most_missed(data_of({"distinct": 8}, remedy="none of it"), {"UNCHANGED": 8})
    assert found == ("another graph", 8, 8, "as unchanged", ())


@pytest.mark.parametrize(("available", "change"), [(0, BEYOND_SWAPS), (3, "as unchanged")])
def test_without_a_swap_neither_seeds_nor_starts_are_the_remedy(available, change):
    data = data_of({"distinct": 8}).assign(num_available=("metamer", np.full(8, available)))
    assert most_missed(data, {"UNCHANGED": 8}).change == change


def test_nothing_is_missed_where_all_succeed_or_the_store_does_not_say():
    assert most_missed(data_of({}), {"CONVERGED": 8}) is None
    assert most_missed(xr.Dataset(), {"STALLED": 8}) is None


def test_a_run_that_does_not_store_success_has_a_row():
    row = summary_row("c", {}, {}, {"CONVERGED": 3, "STALLED": 1}, xr.Dataset())
    assert np.isnan([row["success"], row["success_count"], row["success_low"]]).all()
    assert (row["converged"], row["missed"], row["change"]) == (0.75, "", "")


def test_a_row_takes_copies_of_the_reference_out_of_loss_and_deviations():
    table = {"table": {"1": "CONVERGED", "4": "UNCHANGED"}}
    data = xr.Dataset(
        {
            "status": ("metamer", [1, 4, 1], table),
            "loss_hardened": ("metamer", [3.0, 0.0, 5.0]),
            "class_agreement": ("metamer", [0.5, 1.0, 0.7]),
            "deviation": (("metamer", "measure"), [[2.0], [0.0], [4.0]]),
            "deviation_start": (("metamer", "measure"), [[6.0], [0.0], [8.0]]),
        },
        coords={"measure": ["features/cosine"]},
    )
    row = summary_row("c", {}, {}, {"CONVERGED": 2, "UNCHANGED": 1}, data)
    assert row["count"] == 3
    assert (row["loss_median"], row["class_agreement"]) == (4.0, pytest.approx(0.6))
    assert row["deviations"] == {"features/cosine": 3.0}
    assert row["deviations_start"] == {"features/cosine": 7.0}
    same = summary_row("c", {}, {}, {"UNCHANGED": 1}, data.isel(metamer=[1]))
    assert np.isnan([same["loss_median"], *same["deviations"].values()]).all()
