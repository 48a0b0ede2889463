"""Notebooks of the studies run in a reduced form, and are committed with what they print and draw.

The first code cell of a notebook, tagged `parameters`, assigns its settings. For the run here the
entries of `REDUCED` take their places, each of which must exist; all other cells run as they are,
in order, in one namespace, without Jupyter.
"""

import base64
import json
import os
import re
import shlex
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((REPOSITORY / "experiments").glob("*/*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
LARGEST = 400_000  # bytes of a committed notebook
PNG = b"\x89PNG"

REDUCED = {
    "exact_metamers": {
        "DATASET": "karate",
        "ACTIVATIONS": ("relu",),
        "HIDDEN": 4,
        "WIDTHS": (4,),
        "EPOCHS": 2,
        "TARGETS": 2,
        "SEEDS": 2,
        "SEARCH_STEPS": 2,
    },
    "jacobian_spectra": {"RUN": "run"},
    "local_dimension": {
        "DATASET": "karate",
        "ACTIVATIONS": ("relu",),
        "LAYERS": 2,
        "HIDDEN": 4,
        "WIDTHS": (2, 4),
        "WIDTH_ACTIVATIONS": ("relu",),
        "SEEDS": (0,),
        "EPOCHS": 2,
        "NODES": 5,
    },
}
# What a notebook reads is made by the command that it shows, in small.
REDUCED_RUN = {
    "model.gcn.layers": 2,
    "model.gcn.activation": "[relu, elu]",
    "metamers.layer": "conv1",
    "metamers.vary": "continuous_features",
}
SMALL = {"dataset": "karate", "geometry.nodes": 2, "metamers.count": 1, "report": "false"}


def read(path):
    return json.loads(path.read_text())


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text(cell):
    return "".join(cell["source"])


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell["outputs"]]


def images(cell):
    found = [output.get("data", {}).get("image/png") for output in cell["outputs"]]
    return [base64.b64decode(image) for image in found if image]


def sweep_command(notebook):
    """Return the arguments of the command that a notebook shows, or None."""
    for cell in notebook["cells"]:
        found = re.search(r"^python -m jmetamer\.sweep (.*)$", text(cell), re.MULTILINE)
        if cell["cell_type"] == "markdown" and found:
            return shlex.split(found[1])
    return None


def make_run(command, folder):
    """Run a sweep as the command says, in small."""
    from jmetamer.sweep import command as sweep

    folder_at = command.index("--out")
    arguments = [*command[:folder_at], *command[folder_at + 2 :]]
    for key, value in (REDUCED_RUN | SMALL).items():
        arguments += ["--set", f"{key}={value}"]
    assert sweep.main([*arguments, "--smoke", "--out", str(folder)]) == 0


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_it_runs_in_a_reduced_form(path, tmp_path, monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    monkeypatch.chdir(tmp_path)
    notebook = read(path)
    command = sweep_command(notebook)
    if command is not None:
        make_run(command, tmp_path / "run")
    parameters, *cells = code_cells(notebook)
    assert parameters["metadata"].get("tags") == ["parameters"]
    names = {"__name__": "notebook"}
    exec(compile(text(parameters), path.name, "exec"), names)
    assert names.keys() >= REDUCED[path.stem].keys(), "REDUCED is out of date"
    names |= REDUCED[path.stem]
    with matplotlib.rc_context():
        for number, cell in enumerate(cells, 2):
            before = len(plt.get_fignums())
            exec(compile(text(cell), f"{path.name}, code cell {number}", "exec"), names)
            drawn = len(plt.get_fignums()) > before
            assert images(cell) or not drawn, f"code cell {number} and its committed picture"
        plt.close("all")
    assert not [name for name in os.listdir(tmp_path) if name != "run"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_it_is_committed_as_one_run_from_top_to_bottom_left_it(path):
    notebook = read(path)
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for output in outputs(notebook)}
    assert kinds <= {"execute_result", "display_data", "stream"}  # no error
    streams = {output["name"] for output in outputs(notebook) if "name" in output}
    assert streams <= {"stdout"}  # no warning
    drawn = [image for cell in cells for image in images(cell)]
    assert drawn
    assert all(image.startswith(PNG) and len(image) > 3000 for image in drawn)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_it_shows_nothing_of_the_machine_it_ran_on(path):
    notebook = read(path)
    assert path.stat().st_size < LARGEST
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    written = json.dumps([*map(text, notebook["cells"]), *_texts(notebook)])
    for trace in ("/work", "/home/", "/root", "/tmp", "/usr/", "/Users/", "C:\\\\", "Traceback"):
        assert trace not in written


def _texts(notebook):
    """Return all that is printed, without pictures."""
    for output in outputs(notebook):
        yield from output.get("text", [])
        data = output.get("data", {})
        yield from (entry for kind in data if not kind.startswith("image/") for entry in data[kind])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_its_study_says_how_to_make_it(path):
    page = (path.parent / "README.md").read_text()
    place = path.relative_to(REPOSITORY)
    assert f"jupyter nbconvert --to notebook --execute --inplace {place}" in page
    command = sweep_command(read(path))
    if command is not None:
        assert " ".join(command) in page.replace('"', "")
    for heading in ("**Question.**", "**Command**", "**Finding**"):
        assert heading in page


def test_every_notebook_has_its_reduction():
    assert set(NAMES) == set(REDUCED)
