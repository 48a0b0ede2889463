"""Markup in every text that a page shows, in a real browser; see README.md.

python experiments/reliability/markup.py --out /tmp/markup

A run whose labels, names, settings and messages hold markup is shown by Chromium: no script may
run, nothing may be loaded, and every text must be there as it was written. Exit code 1 otherwise.
"""

import argparse
import html
import html.parser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from jmetamer.report import write_report
from jmetamer.report.leaderboard.document import write_leaderboard
from jmetamer.results import Record, RunStore, Variable, hash_settings, make_reference

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
HIT = "document.documentElement.setAttribute('data-hit','1')"
MARKUP = (
    f"<script>{HIT}</script>",
    f"<img src=x onerror=\"{HIT}\">",
    f"\"><svg onload={HIT}>",
    f"' onmouseover='{HIT}' x='",
    f"</title><script>{HIT}</script>",
    f"</style><script>{HIT}</script>",
    f"</script><script>{HIT}</script>",
    f"<a href=\"javascript:{HIT}\">x</a>",
    f"<iframe srcdoc=\"<script>parent.{HIT}</script>\">",
    "{{ 7 * 7 }}{% for x in y %}",
    "&lt;b&gt; &amp; &#60;",
    "<!-- --> <![CDATA[ ]]>",
    "a\u202eb\u0000c",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="an empty folder")
    options = parser.parse_args()
    faults = number = 0
    for number, markup in enumerate(MARKUP, 1):
        wrong = shown(options.out / str(number), markup)
        faults += bool(wrong)
        print(f"{number:3} {markup!r}: {wrong or 'shown as text'}", flush=True)
    print(f"{number} kinds of markup on two pages each, {faults} with anything wrong")
    return int(faults > 0)


def shown(folder: Path, markup: str) -> str:
    """Return what is wrong with the pages of a run full of markup; "" where nothing is."""
    run = write_run(folder / "run", markup)
    pages = [write_report(run, folder / "report.html")]
    pages += write_leaderboard([run], folder / "board.html", folder / "board.json")[:1]
    for page in pages:
        text = in_browser(page)
        if "data-hit" in text.split(">", 2)[1] or re.search(r"<html[^>]*data-hit", text):
            return f"{page.name}: a script ran"
        if elements := made_elements(text):
            return f"{page.name}: elements came of it: {elements}"
        visible = html.unescape(re.sub(r"<[^>]*>", "", text))
        if page.name == "report.html" and plain(markup) not in plain(visible):
            return f"{page.name}: the text is not shown"
    stored = json.loads((folder / "board.json").read_bytes())
    return "" if stored["runs"] else "the leaderboard lost the run"


def made_elements(text: str) -> list[str]:
    """Return the elements of a document that only the markup can have made."""
    found = []

    class Elements(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            own = dict(attrs)
            handlers = [name for name in own if name.startswith("on")]
            link = (own.get("href") or own.get("src") or "").strip()
            if handlers or link == "x" or link.startswith("javascript:") or "srcdoc" in own:
                found.append(tag)

    Elements().feed(text)
    return found


def plain(text: str) -> str:
    """Return a text without space, and without what no page can show."""
    return re.sub(r"[\s\0\ufffd\u202e]+", "", text)


def write_run(folder: Path, markup: str) -> Path:
    """Write a run in which every free text is markup."""
    store = RunStore(folder)
    notes: dict[str, Any] = {"name": markup, "feature_range": (0, 1), "num_classes": 2}
    reference = make_reference(np.eye(4), [0, 1], [1, 0], [1, 1], [0, 1, 0, 1], notes)
    settings = {
        "seed": 0,
        "dataset": {markup: {markup: markup}},
        "model": {markup: {"activation": markup, "hidden": 4, "layers": 2}},
        "metamers": {
            "layer": markup,
            "count": 3,
            "tolerance": 1e-4,
            "vary": {"continuous_features": {"domain": {"free": {}}}},
            "method": {"optimize": {"steps": 30}},
        },
        "training": {},
    }
    variables = {
        "seed_id": Variable(("metamer",), np.arange(3)),
        "status": Variable(("metamer",), np.ones(3, np.int8), {"table": {"1": markup}}),
        "loss_hardened": Variable(("metamer",), np.array([1e-5, 1e-3, np.nan], np.float32)),
        "layer": Variable(("layer",), np.array([markup])),
        "layer_match": Variable(("metamer", "layer"), np.full((3, 1), 0.1, np.float32)),
        "measure": Variable(("measure",), np.array([markup])),
        "deviation": Variable(("metamer", "measure"), np.full((3, 1), 0.5, np.float32)),
        "deviation_start": Variable(("metamer", "measure"), np.full((3, 1), 0.6, np.float32)),
        "deviation_chance": Variable(("measure",), np.array([0.9], np.float32)),
    }
    scalars = {"test_accuracy": 0.5, "remedy": markup}
    provenance = {"jax": markup, "command": markup, "device": markup, "dataset": {"source": markup}}
    record = Record(
        settings,
        hash_settings(settings),
        variables,
        scalars,
        {markup: 3},
        provenance,
        reference.digest,
    )
    store.register(["cell-a", "cell-b"])
    store.write_reference(reference)
    store.write("cell-a", record)
    store.write_failure("cell-b", settings, f"Traceback\nValueError: {markup}")
    return folder


def in_browser(page: Path) -> str:
    """Return the document as the browser has it after all scripts."""
    if BROWSER is None:
        raise SystemExit("no chromium to look at the page with")
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", f"--user-data-dir={page.parent / 'profile'}", "--dump-dom",
        page.resolve().as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
