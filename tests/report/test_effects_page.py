"""The part of the page on effects of factors."""

import itertools
import re

import pytest

from jmetamer.report import write_report
from jmetamer.report.figures.effects import MAX_ROWS, effect_panels
from jmetamer.results import Effect

DATASETS = {0: (0.8, 0.8, 0.7, 0.6), 1: (0.8, 0.9, 0.6, 0.7)}


@pytest.fixture(scope="module")
def text(tmp_path_factory, run_of, digits, crossed):
    cells = crossed(digits, DATASETS)
    return write_report(run_of(tmp_path_factory.mktemp("run"), cells)).read_text()


def test_the_summary_stands_at_the_top_of_the_section(text):
    section = text[text.index('id="effects"') :]
    first = re.search(r"<p>(.*?)</p>", section, re.S).group(1)
    assert first.startswith("Activation elu instead of relu changes ")
    assert section.index(first) < section.index("<table")


def test_effects_made_by_hand_stand_in_the_table(text):
    table = text[text.index('aria-label="Effects, ') :]
    rows = re.findall(r"<tr><th scope=\"row\">test accuracy</th>.*?</tr>", table)
    cells = [re.sub(r"<[^>]*>", "|", row) for row in rows]
    # Limits: mean -+ 12.706 times half the difference of the two seeds.
    assert "activation||-0.175||-0.493 to +0.143||0.5||1||2" in cells[0]
    assert "residual||+0.025||-0.928 to +0.978||1||1||2" in cells[1]
    assert "activation × residual||-0.025||-0.343 to +0.293||1||1||2" in cells[2]


def test_the_figure_is_described_and_every_part_says_where_it_is_from(text):
    label = re.search(r'aria-label="(Effects and their 95% intervals[^"]*)"', text).group(1)
    assert "activation on test accuracy -0.175, -0.493 to +0.143" in label
    section = text[text.index('id="effects"') : text.index('id="criteria"')]
    notes = re.findall(r'class="from">from: (.*?)</p>', section)
    assert len(notes) == 3  # the figure and two tables
    for note in notes:
        assert "<code>test_accuracy</code>" in note
    assert "<code>settings.model.residual</code>" in notes[1]
    assert section.count('class="sortable"') == section.count("<table") == 2


def test_an_incomplete_grid_is_a_sentence(make_run, digits, crossed):
    cells = crossed(digits, DATASETS)
    last = cells.pop("c7")
    failed = {"c7": {"settings": last["settings"], "traceback": "ValueError: boom"}}
    page = write_report(make_run(cells, failed)).read_text()
    section = page[page.index('id="effects"') : page.index('id="criteria"')]
    assert "1 is missing (failed, see Failures): activation elu, residual true, seed 1." in section
    # Each factor is compared where the other is as it was.
    assert re.findall(r'aria-label="Effects, ([^"]*)"', section) == [
        "gcn · residual false",
        "gcn relu",
    ]


def test_of_many_grids_the_clearest_lead_and_the_rest_is_folded(
    make_run, digits, crossed, monkeypatch
):
    for module in ("effects_summary", "page"):
        monkeypatch.setattr(f"jmetamer.report.{module}.MAX_OPEN", 1)
    cells = crossed(digits, {0: (0.8, 0.81, 0.7, 0.6), 1: (0.8, 0.82, 0.6, 0.7)})
    del cells["c7"]
    page = write_report(make_run(cells)).read_text()
    section = page[page.index('id="effects"') : page.index('id="criteria"')]
    named = re.findall(r'aria-label="Effects, ([^"]*)"', section)
    # Of the activation -0.1 and -0.2, of the residual connection +0.01 and +0.02 or +0.01 alone.
    shown = section[: section.index("1 part more in words")]
    assert f"<b>{named[0]}.</b>" in shown
    assert f"<b>{named[1]}.</b>" not in shown
    assert section.index("1 part more</summary>") < section.index(f'Effects, {named[1]}"')
    assert section.index("1 part more</summary>") > section.index(f'Effects, {named[0]}"')
    assert section.count("<details") == section.count("</details>")


def test_an_ordinary_run_has_no_such_section(make_run, cell, digits, judged):
    cells = {f"c{seed}": judged(cell(digits, count=4, stored=0), seed=seed) for seed in (0, 1)}
    assert 'id="effects"' not in write_report(make_run(cells)).read_text()


def test_the_figure_has_a_panel_for_each_outcome_and_a_dot_for_each_effect():
    names = [chosen for size in (1, 2, 3) for chosen in itertools.combinations("abcd", size)]
    effects = {
        outcome: [
            Effect(one, sign * place, sign * place - 1, sign * place + 2, 0.1, 0.2, 0.1, 3)
            for place, one in enumerate((*names, ("a",), ("b",)))
        ]
        for outcome, sign in (("rank", 1), ("kappa", -1), ("cost", 2), ("other", 0))
    }
    figure = effect_panels(effects)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") or axes.get_title() for axes in panels] == list(effects)
    for axes, found in zip(panels, effects.values(), strict=True):
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        assert len(dots) == MAX_ROWS < len(found)
        assert [line.get_xdata()[0] for line in dots] == [one.mean for one in found[:MAX_ROWS]]
        low, high = axes.get_xlim()
        assert low < min(one.low for one in found[:MAX_ROWS])
        assert high > max(one.high for one in found[:MAX_ROWS])
    labels = [text.get_text() for text in panels[0].get_yticklabels()]
    assert labels[0] == "a"
    assert labels[10] == "a × b\n× c"
    assert effect_panels({}) is None
