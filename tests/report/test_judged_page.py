"""The page of runs whose metamers were checked and judged, and where its numbers come from."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from jmetamer.report import write_report
from jmetamer.report.cells import flatten, name_cells
from jmetamer.report.figures.page_figure import CellView
from jmetamer.report.pictures import draw_all
from jmetamer.report.summary import summarize
from jmetamer.report.wording import number

ROW = re.compile(r"<tr>(.*?)</tr>", re.S)


class Sources(HTMLParser):
    """Collects which names follow each table and stand in each figure or under sentences."""

    def __init__(self, text):
        super().__init__()
        self.found, self.inside, self.code = [], False, False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        words = attrs.get("class") in ("lead", "words")
        if tag in ("table", "figure") or words:
            self.found.append(("words" if words else tag, []))
        self.inside |= tag == "p" and attrs.get("class") == "from"
        self.code = tag == "code" and self.inside

    def handle_endtag(self, tag):
        self.inside &= tag != "p"
        self.code &= tag != "code"

    def handle_data(self, data):
        if self.code:
            self.found[-1][1].append(data)


def table_of(text, label):
    """The cells of a table's body as text without tags, row by row."""
    start = text.index(f'aria-label="{label}"')
    body = text[text.index("<tbody>", start) : text.index("</tbody>", start)]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in ROW.findall(body)]
    return [[re.sub(r"<[^>]*>", " ", cell).strip() for cell in row] for row in rows]


def judged_cells(cell, digits, judged, seeds=2):
    cells = {}
    for layer, kappa in (("conv1", 0.2), ("logits", 0.6)):
        for seed in range(seeds):
            plain = cell(digits, layer=layer, seed=seed, count=16, stored=2,
                         with_geometry=not cells)  # fmt: skip
            cells[f"{layer}-{seed}"] = judged(plain, seed=seed, kappa=kappa, p=0.02)
    return cells


@pytest.fixture(scope="module")
def run(tmp_path_factory, run_of, cell, digits, judged):
    return run_of(tmp_path_factory.mktemp("run"), judged_cells(cell, digits, judged), {})


@pytest.fixture(scope="module")
def text(run):
    return write_report(run).read_text()


def known(run):
    names = {"status_counts", "provenance.command"}
    for one in run.cells:
        names |= {f"reference.{name}" for name in run.reference_data(one)._fields}
        names |= {f"settings.{key}" for key, _ in flatten(run.settings(one))}
        names |= set(run.dataset(one).variables) | set(run.dataset(one).attrs)
    return names


def test_every_table_and_figure_names_what_it_is_from_and_the_store_has_it(run, text):
    found = Sources(text).found
    assert {tag for tag, _ in found} == {"table", "figure", "words"}
    for tag, names in found:
        assert names, tag
        assert set(names) <= known(run)


def test_a_figure_needs_no_variable_that_it_does_not_name(cell, digits):
    made = cell(digits, activation="elu", count=8, stored=2)
    name = name_cells({"c": made["settings"]})["c"]

    def drawn(data):
        summary = summarize(name, made["settings"], data, made["status_counts"])
        view = CellView(summary, made["settings"], data, digits, made["metamers"])
        found, _ = draw_all("c", view)
        return {picture.title: picture for picture in found}

    whole = drawn(made["data"])
    assert len(whole) == 6
    for title, picture in whole.items():
        kept = [name for name in picture.sources if name in made["data"].variables]
        shapes = [name for name in made["data"].coords if name in kept]
        bare = made["data"].drop_vars(set(made["data"].variables) - {*kept, *shapes})
        alone = drawn(bare.drop_attrs())[title].svg
        assert re.sub("aria-label=.*?viewBox", "", alone) == re.sub(
            "aria-label=.*?viewBox", "", picture.svg
        )


def test_criteria_of_every_cell_stand_in_a_table_with_corrected_p_values(text):
    rows = table_of(text, "Criteria of success of every cell")
    assert len(rows) == 4
    assert rows[0][:2] == ["1", "layer conv1 · seed 0"]
    assert rows[0][2].split() == ["87.5%", "64%", "to", "96.5%"]
    # Four cells, all with p = 0.02: Holm gives 0.08 to each of the first.
    assert rows[0][-2:] == ["0.02", "0.08"]
    cell = table_of(text, "Criteria of success of cell 1")
    assert [row[0] for row in cell] == [
        "matches", "node by node", "better than chance", "better than chance, corrected",
        "same classes", "distinct", "all together",
    ]  # fmt: skip
    assert cell[2][3:] == ["16 of 16", "100%  80.6% to 100%"]
    assert cell[3][2:4] == ["corrected p at most 0.05", "0 of 16"]


def test_the_matrix_marks_the_makers_own_architecture(text):
    rows = table_of(text, "Transfer matrix")
    assert [row[0] for row in rows] == ["layer conv1", "layer logits"]
    assert [cell.split() for cell in rows[0][1:4]] == [["0.50", "own"], ["0.20"], ["0.20"]]
    assert rows[1][4].split()[0] == "0.60"
    assert rows[1][-3:-1] == ["28 of 32", "2"]
    assert "own*" not in text
    assert "seed gap and architecture gap</summary>" in text


def test_makers_with_other_settings_than_their_judges_are_marked(make_run, cell, digits, judged):
    made = judged_cells(cell, digits, judged)
    for one in made.values():
        one["settings"]["model"]["gcn"]["activation"] = "elu"
    text = write_report(make_run(made)).read_text()
    assert table_of(text, "Transfer matrix")[0][1].split() == ["0.50", "own*"]
    assert table_of(text, "Controls")[0][2].split()[:2] == ["0.50", "own*"]
    assert "own*: judges of the same architecture, trained with default settings." in text
    assert "seed gap" not in text.lower()
    assert "gap to judges of the same architecture, trained with default settings, and" in text


def test_the_start_stands_beside_the_metamers(text):
    rows = table_of(text, "Controls")
    assert [row[1] for row in rows[:3]] == [
        "metamers that succeeded", "start of the search",
        "random change of the same length",
    ]  # fmt: skip
    assert rows[0][2].split() == ["0.50", "own", "all", "2", "equal"]
    assert rows[1][3].split() == ["0.00", "all", "2", "equal"]
    assert rows[1][-1] == "1.3"
    assert "the starts of the searches with 0.00." in text


def test_agreement_and_accuracy_stand_beside_kappa_for_metamers_and_controls(text):
    # Made by hand: agreement = 0.2 + 0.8 kappa, accuracy nine tenths of it.
    for label, scale in (("Agreement", 1.0), ("Accuracy", 0.9)):
        rows = table_of(text, f"{label} of the judges")
        assert [row[1] for row in rows[:2]] == [
            "metamers that succeeded",
            "start of the search",
        ]
        assert [float(cell.split()[0]) for cell in rows[0][2:5]] == pytest.approx(
            [scale * 0.6, scale * 0.36, scale * 0.36], abs=0.006
        )
        assert float(rows[1][3].split()[0]) == pytest.approx(scale * 0.2, abs=0.006)
        assert ("chance 0.20" in rows[0][3]) == ("chance 0.20" in rows[1][3]) == (scale == 1)
    assert [row[-1] for row in rows[:2]] == ["0.95", "–"]  # the maker's own accuracy


def test_what_is_equal_at_all_seeds_by_definition_has_no_interval(text):
    rows = table_of(text, "Controls")
    (read,) = {tuple(row[2:5]) for row in rows if row[1] == "the reference itself"}
    equal = ["all", "2", "equal"]
    assert [cell.split() for cell in read] == [["1.00", "own", *equal], *[["1.00", *equal]] * 2]
    seen = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", text, flags=re.S)
    assert not re.search(r"\b(inf|nan)\b", seen)


def test_the_match_at_every_layer_is_in_numbers_in_every_cell(run, text):
    for place, cell in enumerate(run.cells, start=1):
        rows = table_of(text, f"Match of every layer of cell {place}")
        found = run.dataset(cell)
        assert [row[0] for row in rows] == found["layer"].values.tolist()
        medians = np.median(found["layer_match"].values, axis=0)
        assert [row[2] for row in rows] == [number(one) for one in medians]
        matched = run.settings(cell)["metamers"]["layer"]
        assert [row[0] for row in rows if row[1] == "yes"] == [matched]


def test_distances_among_metamers_are_told_or_how_to_have_them(make_run, cell, digits):
    made = cell(digits, count=8, stored=4, with_geometry=False)
    table = 0.6 * (1 - np.eye(4))
    other = cell(digits, count=8, stored=1, with_geometry=False, layer="logits")
    other["settings"]["store"] = {"metamers": 1}
    made["data"]["diversity_features"] = (("compared", "compared_with"), table)
    made["data"].attrs |= {"diversity_features_mean": 0.6, "diversity_features_minimum": 0.6,
                           "diversity_features_effective_number": 2.5}  # fmt: skip
    text = write_report(make_run({"a": made, "b": other})).read_text()
    first, second = text.split('<div class="words">')[1:]
    assert "features of two of the 4 metamers that converged and are kept differ by 0.6" in first
    assert "<code>diversity_features_effective_number</code>" in first
    assert "was not measured" not in first
    assert "<code>store.metamers</code> is 1; set it to 2 or more" in second
    assert "<code>settings.store.metamers</code>" in second


def test_a_correction_that_nobody_can_pass_is_told_once_above_the_table(make_run, cell, digits,
                                                                        judged):  # fmt: skip
    made = judged_cells(cell, digits, judged)
    for one in made.values():
        one["data"].attrs["null_pairs"] = 59
    text = write_report(make_run(made)).read_text()
    above = text[text.index('id="criteria"') : text.index('aria-label="Criteria of success of ev')]
    assert above.count("no cell can pass. It takes at least 79 pairs") == 1
    assert "take the p-value of the null test as\nit is" in above


def test_sign_flip_tests_are_shown_from_six_seeds(make_run, cell, digits, judged, monkeypatch):
    monkeypatch.setattr("jmetamer.report.page.MAX_CELLS_DRAWN", 0)
    cells = {}
    for activation, kappa in (("relu", 0.2), ("elu", 0.5)):
        for seed in range(6):
            plain = cell(digits, activation=activation, seed=seed, count=4, stored=0,
                         with_geometry=False)  # fmt: skip
            cells[f"{activation}{seed}"] = judged(plain, seed=seed, kappa=kappa)
    text = write_report(make_run(cells)).read_text()
    (row,) = table_of(text, "Tests of two makers")
    assert row[:6] == ["digits · conv1", "gcn relu", "gcn elu", "gat, gin", "6", "-0.30"]
    assert row[6] == "0.0312"


def test_a_run_without_the_new_variables_has_none_of_the_new_tables(make_run, cell, digits):
    text = write_report(make_run({"a": cell(digits, with_geometry=False)})).read_text()
    for absent in ("Criteria of success", "Transfer", "Controls", "Comparison", "Who else"):
        assert f">{absent}" not in text
    assert "every criterion" not in text


def test_every_shade_can_be_read(text):
    rule = re.compile(r"\.k(\d+) \{ background: (#\w{6}); color: (#\w{6}); \}")
    shades = {int(n): (back, ink) for n, back, ink in rule.findall(text)}
    assert sorted(shades) == list(range(11))

    def luminance(color):
        parts = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    levels = [luminance(back) for back, _ in (shades[n] for n in range(11))]
    assert levels == sorted(levels, reverse=True)
    for back, ink in shades.values():
        low, high = sorted([luminance(back), luminance(ink)])
        assert (high + 0.05) / (low + 0.05) >= 4.5  # of WCAG 2.1, level AA


def test_all_tables_can_be_sorted(text):
    tables = re.findall(r"<table[^>]*>", text)
    assert len(tables) > 8
    assert all('class="sortable' in table for table in tables)


def test_the_command_of_every_cell_stands_on_the_page(text):
    assert text.count("python -m jmetamer.sweep configs/quickstart.yaml") >= 4


def test_makers_without_passed_metamers_have_no_number_whatever_their_seeds(make_run, cell, digits,
                                                                            judged):  # fmt: skip
    cells = {
        f"c{seed}": judged(cell(digits, count=4, stored=0), seed=seed, passed=[False] * 4)
        for seed in (0, 1)
    }
    text = write_report(make_run(cells)).read_text()
    (row,) = table_of(text, "Transfer matrix")
    assert [word.split()[0] for word in row[1:6]] == ["–"] * 5
    assert "need at least two of them at which metamers passed; no maker here has" in text


def test_settings_that_a_remedy_names_are_set_as_code(make_run, cell, digits):
    made = cell(digits, count=4, stored=0, num_stalled=1)
    made["status_counts"] = {"STEPS_EXHAUSTED": 4}
    assert "Remedy: raise <code>steps</code>." in write_report(make_run({"c": made})).read_text()
