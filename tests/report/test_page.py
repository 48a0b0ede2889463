import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from jmetamer._base.errors import StoreError
from jmetamer.report import write_report
from jmetamer.report.__main__ import main

VOID = {"meta", "br", "link", "img", "input", "hr"}
TRACEBACK = 'Traceback (most recent call last):\n  File "m.py", line 3\nValueError: <b>boom</b>'


class Page(HTMLParser):
    """Checks that tags balance and collects what matters."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.tags, self.pictures, self.loads, self.ids = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.stack, self.stack

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self._note(tag, attrs)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self._note(tag, dict(attrs))

    def handle_endtag(self, tag):
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack[-1] == tag, f"</{tag}> closes <{self.stack[-1]}>"
        self.stack.pop()

    def _note(self, tag, attrs):
        self.tags.append(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "svg":
            self.pictures.append(attrs)
        for key in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            if key in attrs:
                self.loads.append(attrs[key])


def read(path):
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, run_of, cell, digits, words):
    cells = {"a": cell(digits), "b": cell(words, with_geometry=False)}
    return read(write_report(run_of(tmp_path_factory.mktemp("run"), cells, {})))


def test_the_page_is_balanced_and_its_anchors_are_unique(drawn):
    _, parsed = drawn
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.tags.count("table") >= 2
    assert parsed.tags.count("caption") == parsed.tags.count("table")


def test_nothing_is_loaded_from_elsewhere(drawn):
    text, parsed = drawn
    assert all(link.startswith(("#", "data:")) for link in parsed.loads)
    anchors = [link[1:] for link in parsed.loads if link.startswith("#")]
    assert set(anchors) <= set(parsed.ids)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_every_picture_says_what_it_shows(drawn):
    _, parsed = drawn
    assert len(parsed.pictures) == 6 + 4 + 1
    for attrs in parsed.pictures:
        assert attrs["role"] == "img"
        assert len(attrs["aria-label"]) > 30
        assert "nan" not in attrs["aria-label"].lower().replace("undefined", "")


def test_the_same_run_gives_the_same_page(make_run, cell, digits):
    first = write_report(make_run({"a": cell(digits)})).read_text()
    assert write_report(make_run({"a": cell(digits)})).read_text() == first


def test_settings_and_errors_cannot_inject_markup(make_run, cell, digits):
    evil = '<script>alert("x")</script>'
    made = cell(digits, name=evil, note=evil)
    made["data"] = made["data"].assign_coords(measure=[evil, "$b^{$", "c & d"])
    made["provenance"]["device"] = evil
    run = make_run({"a": made}, {evil: {"cell": evil, "settings": {}, "traceback": TRACEBACK}})
    text, parsed = read(write_report(run))
    assert parsed.tags.count("script") == 1
    assert "<script>alert" not in text
    assert "&lt;b&gt;boom&lt;/b&gt;" in text


def test_tracebacks_are_folded(make_run):
    run = make_run({}, {"c9": {"cell": "c9", "settings": {}, "traceback": TRACEBACK}})
    text, parsed = read(write_report(run))
    assert "No cell of this run has finished yet." in text
    assert "1 cell failed" in text
    assert parsed.tags.count("details") == 1
    assert '<details class="cell" open' not in text


def test_an_empty_run_has_a_page(make_run):
    text, parsed = read(write_report(make_run({})))
    assert "No cell of this run has finished yet." in text
    assert "table" not in parsed.tags


def test_a_zero_target_is_explained_and_draws_no_loss(make_run, cell, digits):
    made = cell(digits, stored=0)
    for name in ("loss_final", "loss_hardened", "loss_trace", "layer_match", "deviation"):
        made["data"][name] = made["data"][name] * np.nan
    made["data"]["status"][:] = 5
    made["status_counts"] = {"ZERO_TARGET": 64}
    text, parsed = read(write_report(make_run({"a": made})))
    assert "the relative loss is undefined" in text
    assert "64 ZERO_TARGET" in text
    assert "No loss curve" in text
    assert "No examples: no metamers of this cell were stored." in text
    assert len(parsed.pictures) == 2  # the geometry does not need a loss


def test_a_missing_spectrum_and_missing_starts_are_told_as_they_are(make_run, cell, digits):
    made = cell(digits, with_geometry=False)
    made["settings"]["geometry"] = None
    made["data"]["deviation_start"] = made["data"]["deviation_start"] * np.nan
    text, _ = read(write_report(make_run({"a": made})))
    assert "No spectrum: <code>geometry</code> is null in this cell." in text
    assert "the starts of the searches" not in text
    made["settings"]["geometry"] = {"nodes": 8}
    text, _ = read(write_report(make_run({"a": made})))
    assert "no singular value above zero" in text


def test_a_single_metamer_is_drawn(make_run, cell, digits):
    run = make_run({"a": cell(digits, count=1, stored=1, num_stalled=0)})
    text, parsed = read(write_report(run))
    over = "95% interval over metamers of one network 20.7% to 100%"
    assert f"1 of 1 search reached the tolerance (100%; {over})" in text
    assert "The one stored metamer; the same nodes" in text
    assert len(parsed.pictures) == 6


def test_many_cells_are_all_in_the_table_but_not_all_drawn(make_run, cell, digits, monkeypatch):
    monkeypatch.setattr("jmetamer.report.page.MAX_CELLS_DRAWN", 2)
    made = cell(digits, with_geometry=False)
    cells = {f"c{i}": made | {"settings": made["settings"] | {"seed": i}} for i in range(120)}
    text, parsed = read(write_report(make_run(cells)))
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    assert table.count("<tr>") == 120
    assert '<th scope="col">seed</th>' in text
    assert len(parsed.pictures) == 2 * 4
    assert "Figures are drawn for the first 2 of 120 cells" in text
    assert len(re.findall(r'<details class="cell" id="[^"]*" open', text)) == 4
    # What comes after the first 24 cells is folded as a whole, and so are the commands of all.
    rest = text.index("<summary>The other 96 cells<")
    assert text.index('id="cell-24"') < rest < text.index('id="cell-25"')
    assert "<summary>Commands and settings of all 120 cells<" in text


def test_remedies_stand_below_the_table(drawn):
    text, _ = drawn
    assert "Remedy: lower the learning rate." in text


def test_the_page_goes_where_it_is_told(make_run, tmp_path):
    target = write_report(make_run({}), tmp_path / "deep" / "page.html")
    assert target == tmp_path / "deep" / "page.html"
    assert [found.name for found in target.parent.iterdir()] == ["page.html"]


def test_an_unwritable_target_is_one_clear_error(make_run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write the report to `path`.*The run itself is"):
        write_report(make_run({}), tmp_path / "file" / "page.html")


def test_the_command_line_refuses_a_folder_that_is_no_run(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "is not a run folder" in capsys.readouterr().err


def test_importing_the_report_does_not_import_matplotlib():
    import subprocess

    code = "import sys, jmetamer.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_layer_without_an_activation_has_one_rank(make_run, cell, digits):
    made = cell(digits, activation="elu", layer="logits")
    gone = [name for name in made["data"] if name.endswith("_pre")]
    made["data"] = made["data"].drop_vars([*gone, "volume_change", "rank_loss"])
    text, parsed = read(write_report(make_run({"a": made})))
    assert "the Jacobian has rank 16, of at most 16 (" in text
    assert "To first order, 816 of 832" in text
    assert "No activation follows this layer" in text
    assert "after it" not in text
    assert len(parsed.pictures) == 6
