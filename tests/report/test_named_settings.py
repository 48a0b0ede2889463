"""Settings that sentences and readers name are those that a configuration has."""

import ast
import re
from pathlib import Path

import pytest

import jmetamer
from jmetamer.config import Settings
from jmetamer.config.places import Objects, Section, fields_of

PACKAGE = Path(jmetamer.__file__).parent
ROOMS = ("report", "results", "evaluation", "metamers")
SECTIONS = "dataset|model|training|metamers|geometry|success|recognition|planted|store"
PATH = rf"(?:{SECTIONS})(?:\.[a-z][a-z_0-9]*)+"
NO_SETTINGS = ("model.activations", "metamers.theta", "model.json")  # attributes, a file
FORMER = PACKAGE / "results/former_settings.py"


def places(path, *, short=False):
    """What may stand at a dotted path; `short` leaves the names of objects out."""
    found = [Section(Settings)]
    for part in path.split("."):
        found = [below for place in found for below in _below(place, part, short)]
    return found


def _below(place, part, short):
    if isinstance(place, Section):
        known = fields_of(place.owner)
        return [known[part].place] if part in known else []
    if not isinstance(place, Objects):
        return []
    if part in list(place.table):
        return [_Fields(place.table[part])]
    return [
        known[part].place
        for known in map(fields_of, map(place.table.__getitem__, place.table))
        if short and part in known
    ]


class _Fields(Section):
    """The fields of an object; its class may be a function."""


def texts(file):
    """Yield what a Python file says, without its docstrings."""
    tree = ast.parse(file.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        constant = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if constant and id(node) not in docstrings:
            yield node.value


def python_files():
    files = [file for room in ROOMS for file in (PACKAGE / room).rglob("*.py")]
    return [file for file in files if file != FORMER]


def named():
    """Yield (file, path, value) of settings that a reader of a page or a message is told."""
    for file in python_files():
        for text in texts(file):
            for path, value in re.findall(rf"`({PATH})(?:: (\w+))?", text):
                yield file, path, value
    for file in PACKAGE.rglob("report/**/*.j2"):
        text = re.sub(r"\{[{%#].*?[}%#]\}", "", file.read_text(), flags=re.DOTALL)
        for path in re.findall(rf"(?<![\w.])({PATH})(?![\w.(])", text):
            yield file, path, ""


def read():
    """Yield the dotted names by which pages look settings up."""
    for file in python_files():
        for text in texts(file):
            if re.fullmatch(rf"(settings\.)?{PATH}", text):
                yield text.removeprefix("settings.")
    for file in PACKAGE.rglob("report/**/*.j2"):
        yield from re.findall(rf"settings\.({PATH})", file.read_text())


def test_what_sentences_tell_to_change_can_be_written():
    every = [one for one in named() if one[1] not in NO_SETTINGS]
    assert len({path for _, path, _ in every}) > 10
    for file, path, value in every:
        found = places(path)
        assert found, f"{file}: `{path}` is no setting"
        if value and isinstance(found[0], Objects):
            assert value in found[0].table, f"{file}: `{path}: {value}`"


def test_what_pages_look_up_is_there():
    every = set(read()) - {*NO_SETTINGS}
    assert {"model.activation", "success.null_test.alpha", "training.perturbation"} <= every
    assert [path for path in sorted(every) if not places(path, short=True)] == []


@pytest.mark.parametrize("path", ["metamers.steps", "model.hidden", "success.alpha", "store.x"])
def test_former_and_short_paths_would_be_seen(path):
    assert not places(path)
    assert bool(places(path, short=True)) == (path == "model.hidden")
    assert places("model.gcn.hidden")
