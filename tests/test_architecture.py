"""The plan of the house, held by tests: flow, rooms, sizes, and a public front that is clear."""

import ast
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jmetamer

PACKAGE = Path(jmetamer.__file__).parent
REPOSITORY = PACKAGE.parent
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400
MAX_FRONT_LINES = 120
# Longer files, each with its reason.
LONG_FILES: dict[str, str] = {}
# What may be imported where: a third party and the rooms (or files) that it may enter.
ROOMS = {
    "flax": ("models",),
    "jinja2": ("report",),
    "matplotlib": ("report",),
    "networkx": ("graphs", "oracles", "report"),
    "orbax": ("models",),
    "pooch": ("graphs",),
    "rich": ("sweep",),
    "sklearn": ("graphs",),
    "xarray": ("report", "results"),
    "yaml": ("config",),
    "zarr": ("results",),
}
# Classes without an example of their own: errors, the protocol, and results that a function makes.
MADE_BY_OTHERS = {
    "Dataset": "load_dataset",
    "FoldedProblem": "folded_problem",
    "LocalProblem": "local_problem",
    "MapCorrelations": "map_correlations",
    "Metamers": "generate",
    "NodeMaps": "node_maps",
    "Run": "open_run",
    "Spectrum": "jacobian_spectrum",
    "TrainedModel": "train",
    "VolumeChange": "volume_change",
}
PUBLIC = [name for name in jmetamer.__all__ if callable(getattr(jmetamer, name))]


def configuration():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]


def imported(path):
    """Return the top-level names of every import in a file, also of those inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


class TestTheFlow:
    def test_keeps_every_import_contract(self):
        code = "import sys; from importlinter.cli import lint_imports as lint; "
        code += "sys.exit(lint(no_cache=True))"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "0 broken" in done.stdout

    def test_has_a_place_for_every_room(self):
        (flow,) = (c for c in configuration()["contracts"] if c["type"] == "layers")
        placed = {name.strip() for line in flow["layers"] for name in line.split("|")}
        rooms = {room(path) for path in FILES} - {"__init__", "geometry"}
        # Geometry itself is held to its place by a contract of its own.
        assert {f"jmetamer.{name}" for name in rooms} | {"jmetamer.geometry.of_problem"} == placed

    def test_has_at_most_nine_floors(self):
        (flow,) = (c for c in configuration()["contracts"] if c["type"] == "layers")
        assert len(flow["layers"]) <= 9

    @pytest.mark.parametrize("package", ROOMS)
    def test_keeps_a_third_party_in_its_room(self, package):
        users = {room(path) for path in FILES if package in imported(path)}
        assert users <= set(ROOMS[package])
        assert users, f"{package} is not used any more; remove it here and in pyproject.toml"


class TestTheFront:
    def test_is_imported_without_jax_and_starts_nothing(self):
        heavy = ("jax", "flax", "optax", "jraph", "numpy", "matplotlib", "zarr", "xarray", "torch")
        code = f"import sys, jmetamer; print([name for name in {heavy} if name in sys.modules])"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    def test_reads_a_run_without_jax(self):
        code = "import sys, jmetamer; jmetamer.open_run; print('jax' in sys.modules)"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"

    @pytest.mark.parametrize("name", jmetamer.__all__)
    def test_has_something_behind_every_name(self, name):
        assert getattr(jmetamer, name) is not None
        assert name in dir(jmetamer)

    def test_refuses_a_name_that_it_does_not_have(self):
        with pytest.raises(AttributeError, match="module 'jmetamer' has no attribute 'nothing'"):
            _ = jmetamer.nothing

    @pytest.mark.parametrize("name", PUBLIC)
    def test_describes_every_callable_with_an_example(self, name):
        thing = getattr(jmetamer, name)
        text = inspect.getdoc(thing) or ""
        assert text, "no docstring"
        if isinstance(thing, type) and issubclass(thing, Exception):
            return
        if name in ("Model", "Method", "Vary"):  # protocols; their examples are what satisfies them
            return
        if name in MADE_BY_OTHERS:
            text = inspect.getdoc(getattr(jmetamer, MADE_BY_OTHERS[name])) or ""
        assert "Example:" in text
        assert ">>> " in text


class TestAFile:
    def test_is_short_unless_there_is_a_reason(self):
        lengths = {
            str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in FILES
        }
        long = {name for name, lines in lengths.items() if lines > MAX_LINES}
        assert long == set(LONG_FILES)
        fronts = {name for name in lengths if name.endswith("__init__.py")}
        assert max(lengths[name] for name in fronts) <= MAX_FRONT_LINES

    def test_says_in_its_name_what_it_is_about(self):
        vague = {"utils", "util", "common", "misc", "helpers", "helper", "tools"}
        assert not [path for path in FILES if path.stem in vague or path.parent.name in vague]

    def test_of_every_kind_says_what_it_is_for_in_its_first_line(self):
        silent = [path for path in FILES if not ast.get_docstring(ast.parse(path.read_text()))]
        assert not silent
