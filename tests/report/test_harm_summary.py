"""Harm of made-up outcomes: counts, shares, paired differences and their intervals by hand."""

import numpy as np
import pytest

from jmetamer.report.harm_summary import read_harm, summarize_harm
from jmetamer.report.makers import makers
from jmetamer.report.page import render
from jmetamer.report.prose import said
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.wording import CONTROLS_SAID
from jmetamer.results import t_interval

NODES = 20


def outcomes_of(rng, shape, harmful):
    """Codes of nodes, of which a share is harmful, and whether the network kept its class."""
    rest = (1 - harmful) / 3
    return rng.choice([0, 1, 2, 3], size=shape, p=[rest, harmful, rest, rest]).astype(np.int8), (
        rng.random(shape) < 0.5
    )


@pytest.fixture
def made(cell, digits, judged):
    """Build a cell of 4 metamers of which the last 2 succeed, with random outcomes."""

    def build(seed=0, success=(False, False, True, True), harmful=(0.5, 0.2, 0.4), no_start=""):
        plain = cell(digits, count=4, stored=0, num_stalled=0, with_geometry=False)
        found = judged(plain, seed=seed, passed=np.array(success))
        rng = np.random.default_rng(seed)
        own = [outcomes_of(rng, (4, NODES), harmful[0])]
        controls = [outcomes_of(rng, (4, NODES), share) for share in harmful[1:]]
        names = ["displacement"] if no_start else ["displacement", "start"]
        beside = controls[: len(names)]
        axes = ("metamer", "harm_control", "harm_node")
        found["data"] = found["data"].assign(
            harm_control=("harm_control", np.array(names), {"no_start": no_start}),
            **{
                f"{of}harm_{part}": (dims, np.stack([c[place] for c in of_these], axis=1)
                                     if of else of_these[0][place])
                for of, of_these, dims in (("", own, axes[::2]), ("control_", beside, axes))
                for place, part in enumerate(("outcome", "same_class"))
            },
        )  # fmt: skip
        return found

    return build


def maker_of(*found):
    cells = [
        StoredCell("", f"c{i}", i, one["settings"], one["data"]) for i, one in enumerate(found)
    ]
    (maker,) = makers(cells)
    return maker


def test_shares_and_differences_count_metamers_that_succeed_and_networks_are_the_unit(made):
    cells = [made(seed) for seed in range(3)]
    found = maker_of(*cells).harm
    assert (found.count, found.total, found.num_networks) == (6, 12, 3)
    metamers, displaced, start = found.lines
    assert [line.name for line in found.lines] == ["metamers", "displacement", "start"]
    own = np.stack([one["data"]["harm_outcome"].values[2:] for one in cells])  # [seed, 2, n]
    kept = np.stack([one["data"]["harm_same_class"].values[2:] for one in cells])
    beside = np.stack([one["data"]["control_harm_outcome"].values[2:] for one in cells])
    for field, code in (("kept_right", 0), ("harmful", 1), ("repaired", 2), ("still_wrong", 3)):
        by_seed = (own == code).mean(axis=(1, 2))
        assert metamers.shares[field].mean == pytest.approx(by_seed.mean())
        assert metamers.counts[field.replace("_", " ")] == (own == code).sum()
    unseen = ((own == 1) & kept).mean(axis=(1, 2))
    assert metamers.shares["unseen"].mean == pytest.approx(unseen.mean())
    for place, line in enumerate((displaced, start)):
        of_seeds = ((own == 1).mean(axis=2) - (beside[:, :, place] == 1).mean(axis=2)).mean(axis=1)
        low, high = t_interval(of_seeds, bounds=(-1, 1))
        less = line.less["harmful"]
        assert (less.mean, less.num_seeds) == (pytest.approx(of_seeds.mean()), 3)
        assert (less.low, less.high) == pytest.approx((float(low), float(high)))
        assert line.shares["harmful"].mean == pytest.approx((beside[:, :, place] == 1).mean())


def test_cells_of_other_data_are_other_networks_even_of_one_training_seed(made):
    cells = [made(0), made(0)]
    cells[1]["settings"]["dataset"] = {"digits": {"seed": 5}}
    assert maker_of(*cells).harm.num_networks == 2
    # Cells that differ in the metamers' seed are one network.
    cells = [made(0), made(0)]
    cells[1]["settings"]["metamers"] = cells[1]["settings"]["metamers"] | {"seed": 5}
    found = maker_of(*cells).harm
    assert (found.num_networks, found.count) == (1, 4)


def test_the_sentence_gives_every_number_with_its_population(made):
    found = made(0)
    harm = summarize_harm([[read_harm(found["data"])]])
    text = said("success_sentences", "harm", harm, CONTROLS_SAID)
    assert "Over the 2 of 4 metamers that succeed" in text
    assert "given the other nodes' labels" in text
    values = [one.mean for one in harm.lines[0].shares.values()]
    values += [harm.lines[place].shares["harmful"].mean for place in (1, 2)]
    for value in values:
        assert f"{100 * value:.1f}".removesuffix(".0") + "%" in text
    assert text.count("one network, so no interval") == 2
    alone = made(0, no_start="swaps of edges begin at the reference")
    harm = summarize_harm([[read_harm(alone["data"])]])
    text = said("success_sentences", "harm", harm, CONTROLS_SAID)
    assert "swaps of edges begin at the reference" in text


def test_what_is_not_known_says_why(made, cell, digits):
    assert read_harm(cell(digits)["data"]).reason.startswith("the most probable class")
    none = made(success=(False,) * 4)["data"]
    assert read_harm(none).reason == "no metamer succeeded"
    assert read_harm(none.drop_vars("success")).reason == "which metamers succeeded is not stored"
    old = none.drop_vars([name for name in none.variables if "harm" in str(name)])
    old["harmful_fraction"] = ("metamer", np.zeros(4))
    assert "run the cell again" in read_harm(old).reason
    unknown = made()["data"]
    unknown["harm_outcome"][:] = -1
    assert read_harm(unknown).reason == "no target node has a most probable class"
    several = summarize_harm([[read_harm(old)], [read_harm(none)]])
    assert (several.lines, several.reason) == ((), "no metamer succeeded")


def test_the_page_shows_harm_with_controls_where_it_is_known_and_why_not_elsewhere(
    made, cell, digits, make_run
):
    known, none = made(0), made(1, success=(False,) * 4)
    none["settings"]["metamers"] = none["settings"]["metamers"] | {"layer": "logits"}
    text = render([make_run({"a": known, "b": none})])
    assert 'id="harm"' in text
    assert "2 of 4" in text
    assert "n/a (0 of 4): no metamer succeeded" in text
    assert "random change of the same length" in text
    assert 'id="harm"' not in render([make_run({"a": cell(digits)})])
