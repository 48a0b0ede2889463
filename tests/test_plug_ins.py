"""One file outside the package, one line a table: it runs by YAML, `generate`, store, report."""

import json
import sys

import pytest

import jmetamer as jm
from jmetamer.config import cells, read_config
from jmetamer.config.families import Source
from jmetamer.config.places import FAMILIES
from jmetamer.measures import MEASURES
from jmetamer.metamers.losses import LOSSES
from jmetamer.metamers.methods import METHODS
from jmetamer.metamers.vary import VARY
from jmetamer.models import MODELS
from jmetamer.report.figures.table import FIGURES
from jmetamer.results import open_run
from jmetamer.sweep.command import main

TABLES = (MODELS, VARY, METHODS, LOSSES, MEASURES, FIGURES, jm.DATASETS)

OUTSIDE = '''
import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import jmetamer as jm
from jmetamer._base.arguments import Positive, checked
from jmetamer.graphs import DATASETS, load_dataset
from jmetamer.measures import MEASURES, Measure
from jmetamer.metamers.losses import LOSSES, Loss
from jmetamer.metamers.methods import METHODS
from jmetamer.metamers.methods.method import Footprint, Method, one_sample
from jmetamer.metamers.status import Status
from jmetamer.metamers.vary import VARY, Vary
from jmetamer.models import MODELS
from jmetamer.models.convolution import Convolution
from jmetamer.models.network import Network
from jmetamer.report.figures.page_figure import CellView, Drawing, PageFigure
from jmetamer.report.figures.style import blank
from jmetamer.report.figures.table import FIGURES


class Alone(Convolution):
    """`factor X W`: nobody listens to neighbors."""

    factor: float

    @nn.compact
    def __call__(self, x, graph, *, product, training, activate):
        (z,) = self.multiply(x, product, kernel=self.width)
        return self.factor * z


class Loner(Network):
    """An architecture with an option."""

    factor: Positive = 1.0

    @nn.nowrap
    def convolution(self, width, *, last, name):
        return Alone(width, self.factor, name=name)


@checked
@dataclasses.dataclass(frozen=True)
class FirstColumns(Vary):
    """Only the first `columns` features vary; theta is [n, columns]."""

    columns: int = 4
    part: ClassVar[str] = "features"
    kind: ClassVar[str] = "continuous"
    smooth: ClassVar[bool] = True
    tolerance: ClassVar[float] = 1e-3

    def check(self, reference):
        pass

    def init(self, key, reference):
        return jax.random.normal(key, (reference.nodes.shape[0], self.columns))

    def encode(self, reference):
        return jnp.asarray(reference.nodes)[:, : self.columns]

    def decode(self, theta, reference):
        rest = jnp.asarray(reference.nodes)[:, self.columns :]
        return reference._replace(nodes=jnp.concatenate([theta, rest], axis=1))

    def project(self, theta, reference):
        return theta

    def harden(self, theta, reference):
        return self.decode(theta, reference)

    def penalty(self, theta, reference):
        return jnp.zeros(())


@checked
@dataclasses.dataclass(frozen=True)
class Nudge(Method):
    """The reference, moved by a number that depends on the seed."""

    size: Positive = 0.5
    name: ClassVar[str] = "nudge"

    def for_problem(self, problem):
        return self

    def longest(self, problem):
        return 1

    def memory(self, tasks, count, execution):
        return Footprint(at_once=1, num_bytes=0)

    def run(self, tasks, seed_ids, execution):
        (task,) = tasks
        for seed_id in seed_ids:
            theta = np.asarray(task.problem.graph.nodes) + self.size * (1 + seed_id)
            graph = self.graph(task.problem, theta, task.seed, seed_id)
            yield one_sample(seed_id, theta, graph, np.array([np.inf, np.inf]), Status.STALLED)

    def graph(self, problem, theta, seed, seed_id):
        return problem.arrays.graph._replace(nodes=jnp.asarray(theta))


@checked
@dataclasses.dataclass(frozen=True)
class Huber(Loss):
    """Errors beyond `delta` count by their size alone."""

    delta: Positive = 1.0
    has_residual: ClassVar[bool] = False

    def objective(self, layers):
        total = jnp.zeros(())
        for layer in layers:
            error = jnp.abs(layer.post - layer.target)
            square, line = error**2, self.delta * (2 * error - self.delta)
            total += jnp.sum(jnp.where(error < self.delta, square, line)) / layer.scale
        return total


def draw(view):
    figure = blank()
    figure.add_subplot().hist(view.data["steps_used"].values)
    return Drawing(figure, "steps of all metamers", "How many steps each metamer took.")


def load_club(*, seed: int = 0, twice: bool = False):
    """The karate club under another name, with an option."""
    return load_dataset("karate", seed=seed, train_per_class=8 if twice else 4)


DATASETS["club"] = load_club
MODELS["loner"] = Loner
VARY["first_columns"] = FirstColumns
METHODS["nudge"] = Nudge
LOSSES["huber"] = Huber
MEASURES["features/largest_change"] = Measure(
    name="features/largest_change",
    function=lambda reference, metamer: jnp.max(jnp.abs(reference - metamer)),
    chance=lambda reference: float(np.ptp(reference)),
    null="the largest difference of any two entries",
    low=0.0,
    high=float("inf"),
    symmetric=True,
    applies_to=("binary", "one_hot", "continuous"),
    permutation="joint",
    formula="max |x - x'|",
)
FIGURES["steps"] = PageFigure(CellView, "Steps taken", ("steps_used",), draw, lambda view: "None.")
'''

CONFIG = """
name: own
dataset: {club: {twice: true}}
model: {loner: {hidden: 4, activation: elu, factor: [1.0, 2.0]}}
training: {epochs: 3}
metamers: {layer: conv1, count: 3}
geometry: {nodes: 1, maps: false, ledger: 0}
success: {null_test: {pairs: 19, others: 4}}
runs:
  - metamers: {vary: {first_columns: {columns: 6}}, loss: {huber: {delta: 0.5}}}
  - metamers: {method: {nudge: {size: 0.25}}, tolerance: 1000}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a module and a configuration, and the run of that configuration."""
    path = tmp_path_factory.mktemp("own")
    (path / "own_parts.py").write_text(OUTSIDE)
    (path / "own.yaml").write_text(CONFIG)
    before = [dict(table) for table in TABLES]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.syspath_prepend(str(path))
        assert main(["own.yaml", "--import", "own_parts", "--out", "run"]) == 0
        yield path
    for table, own in zip(TABLES, before, strict=True):
        table.clear()
        table.update(own)
    sys.modules.pop("own_parts", None)


def test_records_name_its_objects_and_their_fields(folder):
    run = open_run(folder / "run")
    assert len(run.cells) == 4
    settings = [run.settings(cell) for cell in run.cells]
    assert {one["model"]["loner"]["factor"] for one in settings} == {1.0, 2.0}
    assert all(one["dataset"] == {"club": {"seed": 0, "twice": True}} for one in settings)
    assert settings[0]["metamers"]["vary"] == {"first_columns": {"columns": 6}}
    assert settings[0]["metamers"]["loss"] == {"huber": {"delta": 0.5}}
    assert list(settings[0]["metamers"]["method"]) == ["optimize"]
    assert settings[2]["metamers"]["method"] == {"nudge": {"size": 0.25}}
    assert settings[0]["metamers"]["tolerance"] == 1e-3


def test_the_store_holds_what_they_made(folder):
    run = open_run(folder / "run")
    varied, nudged = (run.dataset(run.cells[place]) for place in (0, 2))
    assert (varied["loss_hardened"] < 1e-3).all()
    reference = run.reference(run.cells[0])
    for metamer in run.metamers(run.cells[0]):
        assert (metamer.nodes[:, 6:] == reference.nodes[:, 6:]).all()
        assert (metamer.nodes[:, :6] != reference.nodes[:, :6]).any()
    own = nudged["deviation"].sel(measure="features/largest_change").values
    assert own == pytest.approx([0.25, 0.5, 0.75], rel=1e-5)


def test_the_page_shows_them(folder):
    text = (folder / "run/report.html").read_text()
    assert "<h3>Steps taken</h3>" in text
    assert "loner" in text
    assert "first columns" in text
    assert "largest change" in text or "largest_change" in text


def test_generate_takes_the_same_objects(folder):
    grid = cells(read_config(folder / "own.yaml"))
    cell, data = grid[0], grid[0].dataset.load()
    trained = jm.train(cell.model, data, 0, cell.training.of_network())
    problem = jm.Problem(
        trained, data.graph, "conv1", vary=cell.metamers.vary, loss=cell.metamers.loss
    )
    metamers = jm.generate(problem, count=3, tolerance=cell.metamers.tolerance)
    stored = open_run(folder / "run").dataset(grid[0].id)["loss_hardened"].values
    assert metamers.loss_hardened.tolist() == stored.tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("model.loner.factor=0", "`model.loner.factor` is 0; allowed: a number above 0"),
        ("model.loner.factr=1", "did you mean `model.loner.factor`?"),
        ("metamers.vary=first_colums", "did you mean 'first_columns'?"),
        ("metamers.method.nudge.size=x", "`metamers.method.nudge.size` is 'x'; allowed: a number"),
        ("metamers.loss.huber.delta=-1", "is -1; allowed: a number above 0"),
        ("dataset.club.twice=3", "`dataset.club.twice` is 3; allowed: true or false"),
    ],
)
def test_their_fields_are_checked_as_those_of_the_package(folder, capsys, change, words):
    assert main(["own.yaml", "--import", "own_parts", "--set", change]) == 2
    assert words in capsys.readouterr().err


def test_a_module_that_is_not_there_ends_with_one_line(folder, capsys):
    assert main(["own.yaml", "--import", "no_such_parts"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --import no_such_parts: ModuleNotFoundError")
    assert error.count("\n") == 1


def test_commands_that_are_printed_import_it_too(folder):
    first = (folder / "run/config.yaml").read_text().splitlines()[0]
    assert "--import own_parts" in first


def test_a_path_is_a_dataset_with_the_options_of_its_reader(tmp_path, karate_file):
    name = str(karate_file)
    config = tmp_path / "file.yaml"
    config.write_text(f"dataset: {json.dumps(name)}\ntraining: {{epochs: 0}}")
    (cell,) = cells(read_config(config))
    assert isinstance(cell.dataset, Source)
    assert FAMILIES[Source][name].name == name
    assert cell.dataset.load().graph.nodes.shape == (34, 34)
    assert name in json.dumps(cell.settings)


@pytest.fixture
def karate_file(tmp_path):
    path = tmp_path / "own.npz"
    data = jm.load_dataset("karate")
    jm.save_graph_npz(path, data)
    return path
