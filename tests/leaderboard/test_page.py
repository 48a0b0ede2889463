"""The page: complete, self-contained, nothing injected, and sortable in a real browser."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from jmetamer.report.leaderboard import document
from jmetamer.report.leaderboard.page import COLUMNS, DETAILS, render
from jmetamer.report.wording import fixed
from jmetamer.results import open_run

VOID = {"meta", "br", "link", "img", "input", "hr"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


class Page(HTMLParser):
    """Checks that tags balance; collects links, anchors and the tables' bodies."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.tags, self.links, self.ids, self.rows = [], [], [], [], []
        self.feed(text)
        assert not self.stack, self.stack

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        names = ("src", "href", "action", "data", "srcset", "poster")
        self.links += [attrs[key] for key in names if key in attrs]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack[-1] == tag, f"</{tag}> closes <{self.stack[-1]}>"
        self.stack.pop()

    def handle_data(self, data):
        if "td" in self.stack or "th" in self.stack:
            self.rows[-1][-1] += data + " "


@pytest.fixture
def page(write_run, two_seeds, cell):
    low = {"gat/1000": (0.1, 0.1), "gin/1000": (0.1, 0.1)}
    others = (
        cell(kappa=low, model__activation="elu"),
        cell(training__epochs=0),
        cell(metamers__method={"reflect": {}}),
    )
    return render(document([open_run(write_run(*two_seeds, *others))]))


def test_the_page_is_balanced_and_loads_nothing(page):
    parsed = Page(page)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.links
    assert all(link.startswith("#") for link in parsed.links)
    assert {link[1:] for link in parsed.links} <= set(parsed.ids)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    assert parsed.tags.count("table") == parsed.tags.count("caption") == 4


def test_numbers_stand_with_their_intervals_and_reasons(page):
    parsed = Page(page)
    lines = {row[0].strip(): dict(zip(COLUMNS, row, strict=True)) for row in parsed.rows[1:5]}
    titles = {column.title: column for column in COLUMNS}
    row = {title: lines["gcn relu"][column].split() for title, column in titles.items()}
    assert row["R"] == ["0.55", "−0.63", "to", "0.96", "(0.40", "to", "0.70)"]
    assert " ".join(row["Success"]) == "75% 3 of 4 1% to 99.9% over 2 seeds"
    assert row["ν"] == ["0.800", "all", "2", "equal"]
    assert row["1 − rank/p"][0] == "0.583"
    assert row["1 − rank/p"][-2:] == ["rank/p", "0.417"]
    assert row["Time per metamer"] == ["3", "s"]
    assert row["Total time"] == ["15", "s", "1", "x", "made-up", "(cpu)"]
    assert row["R − same length"][0] == "0.30"
    assert row["R − same length"][-5:] == ["2", "×", "2,", "3", "pairs"]
    assert " ".join(row["R − null space"]) == "0.05 no interval 1 × 2, 2 pairs"
    untrained = lines["gcn relu  untrained"]
    assert untrained[titles["R"]].startswith("n/a")
    assert "n/a: no judge read these metamers" in page
    assert lines["the reference itself  control"][titles["R"]].strip() == "1.00"
    assert '<span class="tag">untrained</span>' in page


def test_each_board_says_its_recipe_in_words(page):
    assert page.count("Recipe: continuous features, free;") == 2
    assert "found by gradient search; started from noise" in page
    assert "made by turning around what the first layer does not see; matched at" in page


def test_settings_cannot_inject_markup(write_run, cell):
    evil = '<script>alert("x")</script>'
    run = open_run(write_run(cell(dataset={"a" + evil: {}}, metamers__layer=evil, device=evil)))
    text = render(document([run]))
    assert Page(text).tags.count("script") == 1
    assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(-1e-9, "0.00"), (-0.001, "−0.001"), (0.0, "0.00"), (-0.25, "−0.25"), (1.0, "1.00")],
)
def test_numbers_have_a_true_minus_and_no_negative_zero(value, text):
    assert fixed(value, 2) == text


def after(page, script, folder):
    """The page's first table in a browser after a script: models in order, and the sorted head."""
    path = folder / "page.html"
    path.write_text(f"{page}<script>{script}</script>", encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    done = subprocess.run(
        [*command, f"--user-data-dir={folder / 'profile'}", path.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    table = done.stdout[done.stdout.index("<tbody>") : done.stdout.index("</tbody>")]
    return re.findall(r'<th scope="row">([^<]*?)\s*<', table), re.findall(
        r'aria-sort="(\w+)"><button type="button"[^>]*>([^<]*)<', done.stdout
    )


def test_further_numbers_are_folded_and_explained(write_run, cell):
    names = ("gat/1000", "gin/1000")
    told = {
        "kappa": dict.fromkeys(names, (0.5, 0.5)),
        "accuracy": dict.fromkeys(names, (0.25, 0.75)),
        "agreement": dict.fromkeys(names, (0.7, 0.9)),
        "reference_accuracy": dict.fromkeys(names, 0.9),
        "controls": {"displacement": dict.fromkeys(names, (0.1, 0.3))},
    }
    cells = [
        cell(p_values=(0.01, 0.04), **told),
        cell(p_values=(0.02, 0.04), training__seed=1, **told),
    ]
    text = render(document([open_run(write_run(*cells))]))
    folded = Page(text[text.index("<details>") : text.index("</details>") + 10])
    row = dict(zip([column.title for column in DETAILS], folded.rows[1], strict=True))
    row = {title: words.split() for title, words in row.items()}
    equal = ["all", "2", "equal"]
    assert " ".join(row["Success, corrected"]) == "50% 2 of 4 9.5% to 90.5% over 2 seeds"
    assert row["R of same length"] == ["0.20", *equal]
    assert row["Accuracy of judges"] == ["50%", *equal]
    assert row["Mean success of seeds"] == ["100%", *equal]
    assert row["On the reference"] == ["90%"]
    assert row["Agreement of judges"][0] == "80%"
    assert " ".join(row["Judges"]) == "gat and gin seeds 1000 hidden 8, layers 2, epochs 50"
    for column in DETAILS:
        assert f"<dt>{column.title}</dt>" in text
    success = text[text.index("<dt>Success</dt>") :]
    assert "is not corrected for the number of cells" in success[: success.index("</dd>")]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_click_on_a_head_sorts_and_what_is_unknown_stays_last(page, tmp_path):
    heads = 'var h = document.querySelectorAll("table")[0].querySelectorAll("thead button");'
    place = [column.title for column in COLUMNS].index("R")
    models, head = after(page, f"{heads} h[{place}].click();", tmp_path)
    assert models == ["gcn elu", "gcn relu", "the reference itself", "gcn relu"]
    assert head == [("ascending", "R")]
    models, head = after(page, f"{heads} h[{place}].click(); h[{place}].click();", tmp_path)
    assert models == ["the reference itself", "gcn relu", "gcn elu", "gcn relu"]
    assert head == [("descending", "R")]
    # The head is a button, which takes the focus and so the keyboard.
    models, head = after(page, f"{heads} h[0].focus(); document.activeElement.click();", tmp_path)
    assert models == ["gcn elu", "gcn relu", "gcn relu", "the reference itself"]
    assert head == [("ascending", "Model")]
