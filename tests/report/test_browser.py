"""The page in a real browser: narrow screens, sorting, and paper."""

import html
import json
import shutil
import subprocess

import pytest

from jmetamer.report import page as page_module
from jmetamer.report import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
               None)  # fmt: skip
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium to look at the page with")

# The page stands in a frame of the wanted width, as a window cannot be as narrow as a phone.
HARNESS = """<!DOCTYPE html><body><pre id="told"></pre>
<iframe id="narrow" style="width: 390px; height: 800px; border: 0"></iframe>
<iframe id="wide" style="width: 1280px; height: 800px; border: 0" srcdoc="{page}"></iframe>
<script>
function texts(table, column) {{
  return Array.from(table.tBodies[0].rows).map(function (row) {{
    return row.cells[column].textContent.trim();
  }});
}}
var narrow = document.getElementById("narrow"), wide = document.getElementById("wide");
narrow.srcdoc = wide.getAttribute("srcdoc");
var waiting = 2, told = {{}};
function ready() {{
  waiting -= 1;
  if (waiting) return;
  told.widths = [narrow, wide].map(function (frame) {{
    var root = frame.contentDocument.documentElement;
    return [frame.clientWidth, root.scrollWidth, frame.contentDocument.body.scrollWidth];
  }});
  var page = narrow.contentDocument;
  told.beyond = Array.from(page.querySelectorAll("body *")).filter(function (each) {{
    return !each.closest(".scroll, .picture, pre") && each.getBoundingClientRect().right > 391
      && each.getBoundingClientRect().width > 0;
  }}).map(function (each) {{ return each.tagName + " " + each.className; }});
  var tables = page.querySelectorAll("table");
  told.tables = tables.length;
  told.buttons = Array.from(tables).filter(function (table) {{
    var heads = Array.from(table.querySelectorAll("thead th"));
    return heads.every(function (head) {{ return head.querySelector("button"); }});
  }}).length;
  var success = page.querySelector("table.success"), heads = success.querySelectorAll("thead th");
  var names = Array.from(heads).map(function (head) {{ return head.textContent.trim(); }});
  var column = names.indexOf("Loss"), button = heads[column].querySelector("button");
  button.focus();
  told.focused = page.activeElement === button;
  told.sorted = [0, 1].map(function () {{
    button.click();
    return [heads[column].getAttribute("aria-sort"), texts(success, 0), texts(success, column)];
  }});
  heads[names.indexOf("Layer")].querySelector("button").click();
  told.layers = texts(success, names.indexOf("Layer"));
  told.marked = success.querySelectorAll("thead th[aria-sort]").length;
  var effects = page.querySelector('[aria-label^="Effects, "] table');
  var titles = Array.from(effects.querySelectorAll("thead th")).map(function (head) {{
    return head.textContent.trim();
  }});
  told.effects = ["Mean", "p", "Effect of"].map(function (title) {{
    var place = titles.indexOf(title), before = texts(effects, place);
    effects.querySelectorAll("thead th")[place].querySelector("button").click();
    return [before, texts(effects, place)];
  }});
  var section = Array.from(page.querySelectorAll("details.cell")).filter(function (each) {{
    return each.contains(effects);
  }})[0];
  section.querySelectorAll("details").forEach(function (each) {{ each.open = true; }});
  told.inside = Array.from(section.querySelectorAll(".scroll, figure, .picture, p, summary"))
    .map(function (each) {{ return each.getBoundingClientRect(); }})
    .filter(function (box) {{ return box.width > 0; }})
    .map(function (box) {{ return [box.left, box.right]; }});
  told.scrolled = [narrow.contentDocument.documentElement.scrollWidth,
                   effects.scrollWidth > effects.closest(".scroll").clientWidth];
  section.querySelectorAll("details").forEach(function (each) {{ each.open = false; }});
  var long = page.querySelector('[aria-label="Controls"]');
  long.scrollTop = 300;
  told.head = [long.clientHeight, long.scrollHeight, long.getBoundingClientRect().top,
               long.querySelector("thead th").getBoundingClientRect().top];
  var hidden = page.getElementById("cell-11"), outer = hidden.parentElement;
  told.before = [hidden.open, outer.open];
  // Going there would make this browser open it by itself.
  narrow.contentWindow.history.replaceState(null, "", page.URL + "#cell-11");
  narrow.contentWindow.reveal();
  told.after = [hidden.open, outer.open, outer.tagName];
  hidden.open = outer.open = false;
  function folded() {{
    return ["", ".many"].map(function (kind) {{
      return page.querySelectorAll("details" + kind + ":not([open])").length;
    }});
  }}
  told.folded = [folded()];
  narrow.contentWindow.dispatchEvent(new Event("beforeprint"));
  told.folded.push(folded());
  narrow.contentWindow.dispatchEvent(new Event("afterprint"));
  told.folded.push(folded());
  document.getElementById("told").textContent = JSON.stringify(told);
}}
narrow.addEventListener("load", ready);
wide.addEventListener("load", ready);
</script></body>"""


def browse(folder, *arguments):
    """Run the browser without a window and return what it prints."""
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", f"--user-data-dir={folder / 'profile'}", *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory, run_of, cell, digits, words, judged, crossed):
    folder = tmp_path_factory.mktemp("run")
    cells = {}
    for place, (layer, loss) in enumerate((("conv1", 3.0), ("logits", None), ("conv0", 20.0))):
        made = cell(words if place else digits, layer=layer, seed=place, count=8, stored=2,
                    with_geometry=not place)  # fmt: skip
        made["data"]["loss_hardened"][:] = float("nan") if loss is None else 1e-5 * loss
        cells[layer] = judged(made, seed=place)
    cells |= crossed(digits, {0: (0.8, 0.8, 0.7, 0.6), 1: (0.8, 0.9, 0.6, 0.7)})
    run = run_of(folder, cells, {"bad": {"settings": {}, "traceback": "ValueError: boom"}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jmetamer.report.page.MAX_CELLS_DRAWN", 3)
        patch.setattr(page_module, "NUM_CELLS_LISTED", 5)
        return write_report(run)


@pytest.fixture(scope="module")
def told(page):
    folder = page.parent
    harness = folder / "harness.html"
    harness.write_text(HARNESS.format(page=html.escape(page.read_text())))
    dump = browse(folder, "--virtual-time-budget=10000", "--dump-dom", harness.as_uri())
    return json.loads(html.unescape(dump[dump.index('id="told">') + 10 : dump.index("</pre>")]))


def test_nothing_is_wider_than_a_phone_or_a_desktop(told):
    for width, root, body in told["widths"]:
        assert root <= width
        assert body <= width
    assert [width for width, _, _ in told["widths"]] == [390, 1280]
    assert told["beyond"] == []


def test_every_column_of_every_table_has_a_button_that_takes_the_focus(told):
    assert told["buttons"] == told["tables"] > 5
    assert told["focused"]


def test_a_click_sorts_by_number_and_a_second_one_backwards(told):
    (up, rising, losses), (down, falling, _) = told["sorted"]
    assert (up, down) == ("ascending", "descending")
    # 3e-5 of cell 1, 2e-4 of cell 3; what is undefined comes last both ways.
    assert [cell for cell in rising if cell in "123"] == ["1", "3", "2"]
    assert [cell for cell in falling if cell in "123"] == ["3", "1", "2"]
    assert rising[-1] == falling[-1] == "2"
    assert losses[-1].startswith("undefined")


def test_text_is_sorted_as_text_and_one_column_is_marked(told):
    assert told["layers"] == ["conv0"] + ["conv1"] * 9 + ["logits"]
    assert told["marked"] == 1


def test_a_link_opens_a_cell_and_what_it_is_folded_in(told):
    assert told["before"] == [False, False]
    assert told["after"] == [True, True, "DETAILS"]


def as_number(text):
    """What is written as 0.25 or as 9.4 × 10⁻⁴."""
    usual = text.replace("\u00a0", "").replace("×10", "e")
    return float(usual.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))


def test_effects_are_sorted_by_number_and_by_name(told):
    (_, means), (_, p_values), (before, names) = told["effects"]
    means = [as_number(text) for text in means]
    assert means == sorted(means)
    assert means[0] < 0 < means[-1]  # a sign sorts as one, not as text
    assert list(map(as_number, p_values)) == sorted(map(as_number, p_values))
    assert names == sorted(names) != before
    assert set(names) == {"activation", "residual", "activation × residual"}


def test_effects_fit_a_phone_and_only_their_table_is_scrolled(told):
    assert len(told["inside"]) > 5
    assert all(left >= 0 and right <= 391 for left, right in told["inside"])
    width, table_is_wider = told["scrolled"]
    assert width <= 390
    assert table_is_wider


def test_a_long_table_is_scrolled_under_its_head(told):
    shown, whole, top, head = told["head"]
    assert shown < 0.9 * 800 < whole
    assert abs(head - top) < 3


def test_all_but_many_cells_is_unfolded_while_it_is_printed(told):
    before, (folded, many), after = told["folded"]
    assert before == after
    assert before[0] > before[1] > 0
    assert folded == many == before[1]  # they would fill hundreds of pages


def test_the_page_becomes_a_pdf(page):
    target = page.parent / "page.pdf"
    browse(page.parent, f"--print-to-pdf={target}", page.as_uri())
    assert target.read_bytes().startswith(b"%PDF")
