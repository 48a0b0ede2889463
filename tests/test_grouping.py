"""Cells that share lanes: a grouped sweep stores what a sweep of single cells stores."""

from pathlib import Path

import numpy as np
import pytest

from jmetamer.config import cells, read_config
from jmetamer.metamers.methods.optimize import program
from jmetamer.results import open_run
from jmetamer.sweep import command as sweep
from jmetamer.sweep import grouping, pipeline, surveying

COUNT = 8
CONFIG = f"""
name: tiny
report: false
dataset: karate
training: {{epochs: 0}}
model: {{gcn: {{hidden: 4, activation: relu}}}}
metamers:
  layer: [conv1, logits]
  count: {COUNT}
  lanes: 4
  method: {{optimize: {{steps: 25, optimizer: {{adam: {{learning_rate: [0.1, 0.05]}}}}}}}}
  tolerance: 0.01
geometry: null
seed: [0, 1]
"""
CONV1 = ("--set", "metamers.layer=conv1")
GEOMETRY = (*CONV1, "--set", "geometry={nodes: 1}")
FIRST, SECOND = [0, 1, 2, 3], [4, 5, 6, 7]  # blocks of seeds


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A run folder whose cells were computed one by one, by lanes that step together."""
    folder = tmp_path_factory.mktemp("single")
    (folder / "tiny.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "steps_together", lambda devices: True)
        command = [str(folder / "tiny.yaml"), *GEOMETRY, "--out", str(folder / "run")]
        assert sweep.main(command) == 0
    return folder / "run"


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    """A folder with a config; lanes step together, as on an accelerator."""
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, "steps_together", lambda devices: True)


@pytest.fixture
def share(monkeypatch):
    """Let cells share lanes, or not."""
    return lambda wanted: monkeypatch.setattr(grouping, "lanes_are_shared", lambda: wanted)


@pytest.fixture
def made(monkeypatch):
    """(number of cells, seeds) of every block that was made."""
    log = []
    make = pipeline.make_blocks

    def logged(blocks, seeds, *rest, **named):
        log.append((len(blocks), list(seeds)))
        return make(blocks, seeds, *rest, **named)

    monkeypatch.setattr(pipeline, "make_blocks", logged)
    return log


def ids(changes=CONV1):
    return [cell.id for cell in cells(read_config(Path("tiny.yaml"), changes[1::2]))]


def run(*arguments):
    return sweep.main(["tiny.yaml", *arguments])


def assert_equal_runs(one, other, ignore=()):
    """Equal but for times; numbers of the loop up to rounding."""
    one, other = open_run(one), open_run(other)
    assert len(one.cells) == len(other.cells) == 4
    for cell, cell_of_other in zip(one.cells, other.cells, strict=True):
        first, second = one.dataset(cell), other.dataset(cell_of_other)
        assert set(second.variables) - set(first.variables) <= set(ignore)
        for name, found in first.variables.items():
            assert found.dims == second[name].dims
            if found.dtype.kind == "f":
                np.testing.assert_allclose(
                    found, second[name], rtol=2e-3, atol=1e-4, err_msg=f"{cell} {name}"
                )
            else:
                np.testing.assert_array_equal(found, second[name], err_msg=f"{cell} {name}")
        assert one.verify(cell)


def test_a_grouped_sweep_stores_what_single_cells_store(share, made, capsys, single):
    share(True)
    assert run(*GEOMETRY) == 0
    assert made == [(4, FIRST), (4, SECOND)]
    assert "4 cells together: karate-gcn-relu-conv1-" in capsys.readouterr().out
    assert_equal_runs("runs/tiny", single)
    # A record says which command computes the cell alone.
    found = open_run("runs/tiny")
    assert found.cells == open_run(single).cells
    assert found.provenance(found.cells[3])["command"].endswith("--shard 3/4")


class TestAnInterruption:
    @pytest.mark.parametrize("first", [True, False], ids=["of a group", "of a cell"])
    def test_is_continued_by_the_other_kind(self, share, made, monkeypatch, single, first):
        share(first)
        make = pipeline.make_blocks

        def stop(blocks, seeds, *rest, **named):
            if next(iter(seeds)) > 0:
                raise KeyboardInterrupt
            return make(blocks, seeds, *rest, **named)

        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "make_blocks", stop)
            assert run(*CONV1) == 130
        found = sorted(path.name for path in Path("runs/tiny/partial").glob("*/*"))
        assert found == ["seeds-0-3.npz"] * (4 if first else 1)
        made.clear()
        share(not first)
        assert run(*CONV1) == 0
        if first:
            assert made == 4 * [(1, SECOND)]
        else:
            assert made == [(3, FIRST), (4, SECOND)]
        geometry = list(open_run(single).dataset(open_run(single).cells[0]).variables)
        assert_equal_runs("runs/tiny", single, ignore=geometry)
        assert not list(Path("runs/tiny/partial").iterdir())


class TestAFailure:
    def test_of_a_preparation_is_that_of_one_cell(self, share, made, monkeypatch, capsys):
        share(True)
        prepare = pipeline.prepare

        def sometimes(cell, **named):
            if cell.id == ids()[1]:
                raise ValueError("the moon is in the wrong house")
            return prepare(cell, **named)

        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "prepare", sometimes)
            assert run(*CONV1) == 1
        assert f"{ids()[1]} failed: ValueError: the moon" in capsys.readouterr().out
        assert [number for number, _ in made] == [3, 3]
        found = open_run("runs/tiny")
        assert list(found.cells) == [ids()[0], *ids()[2:]]
        assert "in sometimes" in found.failures[ids()[1]]["traceback"]
        assert run(*CONV1) == 0
        assert len(open_run("runs/tiny").cells) == 4

    def test_among_shared_lanes_leaves_the_others_finished(self, share, made, monkeypatch, capsys):
        share(True)
        make = pipeline.make_blocks

        def sometimes(blocks, seeds, *rest, **named):
            seeds = list(seeds)
            if seeds[0] > 0 and any(one.task.seed == 1 for one in blocks):
                raise ValueError("out of ink")
            return make(blocks, seeds, *rest, **named)

        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "make_blocks", sometimes)
            assert run(*CONV1) == 1
        printed = capsys.readouterr().out
        assert "the cells together failed: ValueError: out of ink; trying each alone" in printed
        assert "2 cells failed" in printed
        run_folder = open_run("runs/tiny")
        assert len(run_folder.cells) == 2
        assert len(run_folder.failures) == 2
        # The block that the group had made was not made again.
        assert made == [(4, FIRST), (1, SECOND), (1, SECOND)]

    def test_of_a_geometry_is_that_of_one_cell(self, share, monkeypatch, capsys):
        share(True)
        geometry = surveying.survey

        def sometimes(problem, nodes, inputs, **options):
            calls.append(None)
            if len(calls) == 2:
                raise ValueError("not square")
            return geometry(problem, nodes, inputs, **options)

        calls = []
        monkeypatch.setattr(surveying, "survey", sometimes)
        assert run(*GEOMETRY) == 1
        failed = ids(GEOMETRY)[1]
        assert f"{failed} failed: ValueError: not square" in capsys.readouterr().out
        assert list(open_run("runs/tiny").cells) == [i for i in ids(GEOMETRY) if i != failed]


def test_cells_that_others_compute_or_have_computed_are_left_out(share, made, monkeypatch):
    share(True)
    held = sweep.RunStore("runs/tiny").lock(ids()[0])
    held.__enter__()
    monkeypatch.setattr(sweep.time, "sleep", lambda _: held.__exit__(None, None, None))
    assert run(*CONV1) == 0
    assert [number for number, _ in made] == [3, 3, 1, 1]
    assert open_run("runs/tiny").cells == tuple(ids())


class TestWhichCells:
    def alike(self, *changes, most=99):
        grid = cells(read_config(Path("tiny.yaml"), changes))
        found = grouping.alike(grid, most)
        assert sorted(cell.id for group in found for cell in group) == sorted(c.id for c in grid)
        return [len(group) for group in found]

    def test_may_differ_in_seeds_training_and_rate(self):
        assert self.alike() == [4, 4]
        assert self.alike("training.epochs=[1, 2]") == [8, 8]

    @pytest.mark.parametrize(
        "change",
        ["metamers.count=[6, 7]", "model.gcn.hidden=[4, 5]", "metamers.tolerance=[0.1, 0.2]"],
    )
    def test_may_not_differ_in_anything_else(self, change):
        assert self.alike("metamers.layer=conv1", change) == [4, 4]

    def test_are_taken_in_parts_where_several_processes_work(self):
        assert self.alike(most=3) == [3, 1, 3, 1]

    def test_are_single_on_a_processor(self, monkeypatch):
        monkeypatch.undo()
        assert not grouping.lanes_are_shared()

    def test_join_until_the_lanes_are_filled_four_times(self, tmp_path):
        # Blocks of four seeds for four lanes: four cells fill them four times.
        cell = cells(read_config(tmp_path / "tiny.yaml"))[0]
        one = pipeline.prepare(cell)
        assert grouping.may_join([], one)
        assert grouping.may_join([one] * 3, one)
        assert not grouping.may_join([one] * 4, one)

    def test_do_not_join_where_the_real_program_is_another(self, tmp_path):
        first, last = (
            pipeline.prepare(cells(read_config(tmp_path / "tiny.yaml", [change]))[0])
            for change in ("metamers.layer=conv1", "metamers.layer=logits")
        )
        assert not grouping.may_join([first], last)
