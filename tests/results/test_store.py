import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from jmetamer._base.errors import InputError, StoreError
from jmetamer.results import RunStore, Variable, open_run, store, zarr_group


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_nothing_is_created_before_the_first_write(tmp_path):
    run = RunStore(tmp_path / "run")
    assert not run.is_finished("a")
    assert run.failures() == {}
    assert run.partial("a").load("x") is None
    assert list(tmp_path.iterdir()) == []


def test_a_written_cell_is_finished_and_its_leftovers_are_gone(tmp_path, make_record):
    run = RunStore(tmp_path)
    run.partial("a").save("block", {"x": np.zeros(2)})
    run.write_failure("a", {"seed": 0}, "Traceback: boom")
    assert run.failures()["a"]["traceback"] == "Traceback: boom"
    run.write("a", make_record()[0])
    assert run.is_finished("a")
    assert run.failures() == {}
    assert run.partial("a").load("block") is None
    assert not list(tmp_path.glob("cells/.tmp*"))


def test_a_finished_cell_is_never_replaced(tmp_path, make_record):
    run = RunStore(tmp_path)
    run.write("a", make_record()[0])
    with pytest.raises(StoreError, match=r"cell `a` is stored in .* already and finished cells"):
        run.write("a", make_record(seed=1)[0])


def test_a_cell_folder_without_its_record_is_not_finished_and_is_replaced(
    tmp_path, make_record, reference
):
    run = RunStore(tmp_path)
    run.write_reference(reference)
    run.write("a", make_record()[0])
    (tmp_path / "cells/a/record.json").unlink()
    assert not run.is_finished("a")
    run.write("a", make_record(seed=1)[0])
    assert open_run(tmp_path).verify("a")


def test_a_reference_is_stored_once_per_content(tmp_path, reference, monkeypatch):
    run = RunStore(tmp_path)
    run.write_reference(reference)
    monkeypatch.setattr(store, "write_group", None)  # a second write would call it
    run.write_reference(reference)
    assert [path.name for path in (tmp_path / "references").iterdir()] == [reference.digest]


def test_a_lock_is_exclusive_and_ends_with_its_context(tmp_path):
    run = RunStore(tmp_path)
    with run.lock("a") as first, RunStore(tmp_path).lock("a") as second, run.lock("b") as other:
        assert (first, second, other) == (True, False, True)
    with run.lock("a") as again:
        assert again


def test_a_killed_process_leaves_no_lock_and_only_a_temporary_that_is_cleaned_up(tmp_path):
    script = """
import sys, time
from pathlib import Path
from jmetamer.results import RunStore
run = RunStore(sys.argv[1])
with run.lock("a"):
    (Path(sys.argv[1]) / "cells/.tmp-a").mkdir(parents=True)
    (Path(sys.argv[1]) / "cells/.tmp-a/zarr.json").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "ready\n"
        run = RunStore(tmp_path)
        with run.lock("a") as mine:
            assert not mine
        run.clean()
        assert (tmp_path / "cells/.tmp-a").exists()  # still being written
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert open_run(tmp_path).cells == ()
    with run.lock("a") as mine:
        assert mine
    run.clean()
    assert not (tmp_path / "cells/.tmp-a").exists()


def test_blocks_of_a_cell_whose_process_died_right_after_its_record_are_cleaned_up(
    tmp_path, make_record
):
    run = RunStore(tmp_path)
    run.write("a", make_record()[0])
    for cell in ("a", "b"):
        run.partial(cell).save("seeds-0-9", {"loss": np.zeros(10)})
    with RunStore(tmp_path).lock("a"):
        run.clean()
        assert run.partial("a").load("seeds-0-9") is not None  # somebody is at it
    run.clean()
    assert run.partial("a").load("seeds-0-9") is None
    assert run.partial("b").load("seeds-0-9") is not None  # not finished: it goes on from there


def test_a_write_that_stops_halfway_leaves_the_cell_unfinished(
    tmp_path, make_record, reference, monkeypatch
):
    def stop(*_):
        raise KeyboardInterrupt

    run = RunStore(tmp_path)
    run.write_reference(reference)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_write_json", stop)
        with pytest.raises(KeyboardInterrupt):
            run.write("a", make_record()[0])
    assert not run.is_finished("a")
    assert (tmp_path / "cells").is_dir()
    assert open_run(tmp_path).cells == ()
    run.write("a", make_record()[0])
    assert open_run(tmp_path).verify("a")


def test_cells_are_listed_in_the_order_they_were_asked_for(tmp_path, make_record):
    run = RunStore(tmp_path)
    run.register(["c", "a"])
    run.register(["a", "b", "c"])
    for cell in "abc":
        run.write(cell, make_record()[0])
    run.write("unasked", make_record()[0])
    assert open_run(tmp_path).cells == ("c", "a", "b", "unasked")


class TestPartialBlocks:
    def test_come_back_bit_for_bit(self, tmp_path):
        shelf = RunStore(tmp_path).partial("a")
        arrays = {"x": np.array([1.5, np.nan], np.float32), "ids": np.arange(3)}
        shelf.save("seeds-0-2", arrays)
        found = RunStore(tmp_path).partial("a").load("seeds-0-2")
        assert {name: array.tobytes() for name, array in found.items()} == {
            name: array.tobytes() for name, array in arrays.items()
        }

    @pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
    def test_that_are_damaged_are_ignored_with_a_warning(self, tmp_path, damage):
        shelf = RunStore(tmp_path).partial("a")
        shelf.save("block", {"x": np.arange(100.0)})
        path = tmp_path / "partial/a/block.npz"
        content = bytearray(path.read_bytes())
        middle = content.index(np.arange(100.0).tobytes()) + 80
        content[middle] ^= 1
        changed = {"flip": content, "truncate": content[:200], "empty": b""}[damage]
        path.write_bytes(changed)
        with pytest.warns(UserWarning, match=r"block.npz` is damaged and is computed again"):
            assert shelf.load("block") is None

    def test_need_a_plain_file_name(self, tmp_path):
        with pytest.raises(InputError, match=r"`name`='../x' must be a plain file name"):
            RunStore(tmp_path).partial("a").save("../x", {})

    def test_that_do_not_fit_on_the_disk_raise_one_clear_line(self, tmp_path, monkeypatch):
        def full(*_, **__):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(np, "savez", full)
        with pytest.raises(StoreError, match=r"cannot write to the run folder .*No space left"):
            RunStore(tmp_path).partial("a").save("block", {"x": np.zeros(1)})
        assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "free some space or choose another folder"),
        (errno.EACCES, "make it writable or choose another folder"),
        (errno.EROFS, "choose a folder on a writable disk"),
    ],
)
def test_an_error_of_the_disk_becomes_one_line_and_finished_cells_stay_readable(
    tmp_path, make_record, reference, monkeypatch, code, advice
):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    run = RunStore(tmp_path)
    run.register(["a", "b"])
    run.write_reference(reference)
    run.write("a", make_record()[0])
    monkeypatch.setattr(store, "write_group", fail)
    with pytest.raises(StoreError) as caught:
        run.write("b", make_record(seed=1)[0])
    text = str(caught.value)
    assert text.startswith(f"cannot write to the run folder `{tmp_path}`: {os.strerror(code)}")
    assert "finished cells in it stay readable" in text
    assert advice in text
    assert "\n" not in text
    assert open_run(tmp_path).cells == ("a",)
    assert open_run(tmp_path).verify("a")
    assert not list(tmp_path.glob("cells/.tmp*"))


@pytest.fixture
def mount(tmp_path):
    """Mounts a real little disk with the given options, where the process may do that."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def with_options(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a small disk needs more rights than this process has")
        return disk

    yield with_options
    if os.path.ismount(disk):
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_really_full_gives_the_same_line(mount, make_record, reference):
    disk = mount("size=300k")
    run = RunStore(disk)
    run.write_reference(reference)
    run.write("a", make_record()[0])
    record, _ = make_record(seed=1)
    noise = np.random.default_rng(0).random((600, 1000))
    record.variables["noise"] = Variable(("row", "column"), noise)
    with pytest.raises(StoreError, match=r"No space left on device; finished cells"):
        run.write("b", record)
    assert open_run(disk).cells == ("a",)
    assert open_run(disk).verify("a")


def test_a_disk_that_is_really_read_only_gives_the_same_line(mount):
    with pytest.raises(StoreError, match=r"Read-only file system; .* on a writable disk"):
        RunStore(mount("ro") / "run").register(["a"])


def test_a_folder_below_a_file_gives_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write to the run folder .*a file is in the way"):
        RunStore(tmp_path / "file" / "run").register(["a"])


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_an_unwritable_folder_gives_one_clear_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match=r"Permission denied.*make it writable"):
        RunStore(tmp_path / "run").register(["a"])
    tmp_path.chmod(0o700)


def test_large_arrays_are_cut_along_their_first_axis_into_chunks_below_the_limit():
    assert zarr_group._chunks((64, 1797, 64), 4) == (36, 1797, 64)
    assert zarr_group._chunks((64, 2708, 1433), 4) == (1, 2708, 1433)
    assert zarr_group._chunks((2, 10**4, 10**4), 4) == (1, 419, 10**4)
    assert zarr_group._chunks((0, 5), 4) == (1, 5)
    assert zarr_group._chunks((), 4) == ()


def test_arrays_of_every_kind_come_back_bit_for_bit(tmp_path):
    variables = {
        "empty": Variable(("a", "b"), np.zeros((0, 3), np.float32)),
        "scalar": Variable((), np.array(2.5)),
        "flags": Variable(("b",), np.array([True, False, True])),
        "bytes": Variable(("b",), np.array([0, 255, 7], np.uint8), {"packed_bits": 20}),
        "names": Variable(("b",), np.array(["α", "", "x/y"])),
        "nan": Variable(("b",), np.array([np.nan, -0.0, np.inf]), {"range": (0, float("nan"))}),
        "no_names": Variable(("c",), np.array([], dtype=str)),
    }
    zarr_group.write_group(tmp_path / "group", variables)
    found = zarr_group.read_group(zarr.open_group(str(tmp_path / "group"), mode="r"))
    assert set(found) == set(variables)
    for name, (dims, values, _) in variables.items():
        assert found[name].dims == dims
        assert found[name].values.shape == values.shape
        if values.dtype.kind != "U":
            assert found[name].values.dtype == values.dtype
            assert found[name].values.tobytes() == values.tobytes()
    assert found["names"].values.tolist() == ["α", "", "x/y"]
    assert found["nan"].attrs == {"range": [0, None]}
    assert zarr_group.checksum(found) == zarr_group.checksum(variables)


def test_the_store_imports_no_jax():
    script = "import sys, jmetamer.results; print('jax' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert done.stdout == "False\n"


def test_temporaries_of_killed_writers_are_removed_and_nothing_else(tmp_path):
    store, run = RunStore(tmp_path / "run"), tmp_path / "run"
    dead, alive = 2**22 + 1, os.getppid()  # beyond the largest number of a process
    old = [
        f".tmp-{dead}-config.yaml",
        f".tmp-{dead}-cells.json",
        f".tmp-{os.getpid()}-report.html",
        f"failures/.tmp-{dead}-a.json",
        f"partial/a/.tmp-{dead}-seeds-0-63.npz",
        f"models/.net.draft-{dead}-0123abcd/params/x",
        f"models/.net.retired-{dead}-0123abcd/x",
        "references/.tmp-0123/reference.json",
        "cells/.tmp-a/record.json",
    ]
    kept = [
        f".tmp-{alive}-config.yaml",
        f".tmp-{dead}-notes.txt",
        ".tmp-mine",
        f"failures/.tmp-{alive}-a.json",
        "failures/b.json",
        "partial/a/seeds-0-63.npz",
        "partial/a/.mine",
        f"partial/b/.tmp-{dead}-seeds-0-63.npz",
        f"models/.net.draft-{alive}-0123abcd/x",
        "models/.net.draft/x",
        "models/net/.tmp-1-x",
        "references/.tmp-4567/reference.json",
        "cells/.tmp-b/record.json",
    ]
    for name in (*old, *kept):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("")
    for path in run.rglob("*"):
        os.utime(path, (0, 0))
    young = run / f".tmp-{dead}-report-error.txt"
    young.write_text("")
    with store.lock("b"), store.lock("reference-4567"):  # another process computes them
        store.clean()
    left = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {name for name in left if not name.startswith("locks/")} == {*kept, young.name}
