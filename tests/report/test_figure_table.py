"""One file and one line put a figure on the page, from outside the package too."""

import importlib.util

import pytest

from jmetamer.report import write_report
from jmetamer.report.figures.page_figure import CellView, GridView, RunView
from jmetamer.report.figures.table import FIGURES

OUTSIDE = """
from jmetamer.report.figures.page_figure import CellView, Drawing, PageFigure
from jmetamer.report.figures.style import blank


def draw(view):
    if "steps_used" not in view.data:
        return None
    figure = blank()
    figure.add_subplot().hist(view.data["steps_used"].values)
    return Drawing(figure, "steps of all metamers", "How many steps each metamer took.")


FIGURE = PageFigure(
    CellView, "Steps taken", ("steps_used",), draw, lambda view: "No steps: none were counted."
)
"""


@pytest.fixture
def outside(tmp_path, monkeypatch):
    path = tmp_path / "steps_taken.py"
    path.write_text(OUTSIDE)
    spec = importlib.util.spec_from_file_location("steps_taken", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(FIGURES, "steps", module.FIGURE)


def test_a_figure_from_outside_stands_at_every_cell(outside, make_run, cell, digits):
    text = write_report(make_run({"a": cell(digits, with_geometry=False)})).read_text()
    figure = text[text.index("<h3>Steps taken</h3>") :].split("</figure>")[0]
    assert 'aria-label="steps of all metamers"' in figure
    assert 'id="c1-steps-' in figure
    assert "<figcaption>How many steps each metamer took.</figcaption>" in figure
    assert "<code>steps_used</code>" in figure


def test_a_cell_without_it_says_why(outside, make_run, cell, digits):
    bare = cell(digits, with_geometry=False)
    bare["data"] = bare["data"].drop_vars("steps_used")
    text = write_report(make_run({"a": bare})).read_text()
    assert "Steps taken" not in text
    assert "No steps: none were counted." in text


def test_every_figure_says_where_it_stands_and_what_it_reads():
    for figure in FIGURES.values():
        assert figure.stands in (CellView, RunView, GridView)
        assert figure.reads
    assert len({figure.title for figure in FIGURES.values()}) == len(FIGURES)
