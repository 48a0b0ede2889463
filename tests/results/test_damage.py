"""What is read is what was written: no reader returns another number."""

import dataclasses
import json
import shutil
import warnings

import numpy as np
import pytest
import zarr

from jmetamer._base.errors import JmetamerError, StoreError, StoreWarning
from jmetamer.report import write_report
from jmetamer.report.stored_cell import read_cells
from jmetamer.results import RunStore, Variable, make_reference, open_run
from jmetamer.results import manifest as manifest_module
from jmetamer.results import run as run_module
from jmetamer.results.manifest import MANIFEST, read_manifest, write_manifest
from jmetamer.results.record import hash_settings
from jmetamer.results.verification import parameters_digest, read_network, record_digest
from jmetamer.results.zarr_group import checksum, read_group
from jmetamer.sweep.progress import Terminal


@pytest.fixture
def written(tmp_path, make_record, reference):
    store = RunStore(tmp_path)
    store.register(["a", "b"])
    store.write_reference(reference)
    weights = {"params/conv1/kernel": np.ones((2, 3), np.float32)}
    network = tmp_path / "models/net"
    network.mkdir(parents=True)
    np.savez(network / "weights.npz", **weights)
    digest = parameters_digest(weights)
    write_network(network, params_sha256=digest)
    for seed, cell in enumerate(("a", "b")):
        record, _ = make_record(seed=seed)
        record.provenance.update(model_folder="net", params_sha256=digest)
        record.variables["success"] = Variable(("metamer",), np.ones(3, bool))
        record.variables["zero"] = Variable(("metamer",), np.zeros(3))
        store.write(cell, record)
    return tmp_path


def write_network(folder, **parts):
    document = {"format_version": 1, "model": "gcn", "options": {}, **parts}
    document["record_sha256"] = record_digest(document)
    (folder / "model.json").write_text(json.dumps(document))
    (folder / MANIFEST).unlink(missing_ok=True)
    write_manifest(folder)


def make_old(folder):
    """Turn a cell into one of the version that knew a checksum and no manifest."""
    (folder / MANIFEST).unlink(missing_ok=True)
    document = json.loads((folder / "record.json").read_text()) | {"schema_version": 1}
    del document["cell"]
    arrays = zarr.open_group(str(folder / "arrays.zarr"), mode="r")
    document["checksum"] = checksum(read_group(arrays))
    (folder / "record.json").write_text(json.dumps(document))


def everything(folder, cell="a"):
    """Return all that the readers return of a cell, as bytes and text."""
    run = open_run(folder)
    data = run.dataset(cell)
    arrays = {name: data[name].values.tobytes() for name in sorted(map(str, data.variables))}
    attrs = {name: str(data[name].attrs) for name in data.variables}
    reference = run.reference_data(cell)
    graphs = [graph.nodes.tobytes() for graph in run.metamers(cell)]
    return repr(
        [
            arrays,
            attrs,
            sorted(data.attrs.items(), key=str),
            run.settings(cell),
            run.provenance(cell),
            run.status_counts(cell),
            [np.asarray(part).tobytes() for part in reference[1:-1]],
            reference.attrs,
            graphs,
            run.summary()[0],
        ]
    )


def damages(content):
    yield None  # removed
    yield b""
    yield content[: len(content) // 2]
    for place in np.unique(np.linspace(0, len(content) - 1, 12).astype(int)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        yield bytes(flipped)


def of_cell(folder, cell="a"):
    places = [folder / "cells" / cell, *(folder / "references").iterdir()]
    return [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]


def test_no_reader_returns_another_number_whatever_happened_to_a_file(written):
    before, seen = everything(written), 0
    for path in of_cell(written):
        content = path.read_bytes()
        for damaged in damages(content):
            path.unlink()
            if damaged is not None:
                path.write_bytes(damaged)
            seen += 1
            removed_record = damaged is None and path.name == "record.json"
            assert removed_record or not open_run(written).verify("a"), path
            with pytest.raises(JmetamerError):  # the record removed: no such cell
                everything(written)
            path.write_bytes(content)
    assert seen > 300
    assert everything(written) == before
    assert open_run(written).verify("a")


@pytest.mark.parametrize("cell", ["a", "b"])
def test_a_whole_run_is_verified_cell_by_cell(written, cell):
    assert all(check == (True, ()) for check in open_run(written).verify().values())
    path = written / "cells" / cell / "arrays.zarr/loss_hardened/c/0"
    path.write_bytes(path.read_bytes()[::-1])
    checks = open_run(written).verify()
    assert [name for name, check in checks.items() if not check.verified] == [cell]
    assert "loss_hardened/c/0" in checks[cell].problems[0]


def test_a_record_that_is_gone_is_found_by_verify(written):
    (written / "cells/a/record.json").unlink()
    run = open_run(written)
    assert run.cells == ("b",)
    assert "record.json" in run.verify()["a"].problems[0]
    assert run.readable()[0] == ("b",)
    assert "record.json" in run.readable()[1]["a"]
    with pytest.warns(StoreWarning, match=r"cell `a` is left out.*record.json"):
        assert [row["cell"] for row in run.summary()] == ["b"]


def test_what_is_left_of_a_cell_is_moved_aside_when_it_is_computed_again(written, make_record):
    (written / "cells/a/record.json").unlink()
    with pytest.warns(StoreWarning, match=r"cells/a.* was moved to"):
        RunStore(written).write("a", make_record()[0])
    (aside,) = written.glob("cells/.aside-*-a")
    assert (aside / "arrays.zarr/loss_hardened/c/0").is_file()
    assert open_run(written).verify()["a"] == (True, ())
    assert open_run(written).cells == ("a", "b")


@pytest.mark.parametrize("how", ["copied", "swapped"])
def test_a_cell_in_the_folder_of_another_is_damaged(written, how):
    cells = written / "cells"
    if how == "copied":
        shutil.copytree(cells / "a", cells / "c")
    else:
        for old, new in (("a", "x"), ("b", "a"), ("x", "b")):
            (cells / old).rename(cells / new)
    wrong = ["c"] if how == "copied" else ["a", "b"]
    run = open_run(written)
    assert sorted(run.readable()[1]) == wrong
    assert [cell for cell, check in run.verify().items() if check.problems] == wrong
    with pytest.warns(StoreWarning):
        assert len(run.summary()) == len(run.readable()[0])


@pytest.mark.parametrize("how", ["removed", "flipped"])
def test_a_bad_reference_costs_its_cells_alone_until_one_is_computed(
    written, make_record, reference, how
):
    nodes = np.full_like(reference.nodes, 2.0)
    other = make_reference(nodes, *reference[2:])
    RunStore(written).write_reference(other)
    record = dataclasses.replace(make_record(seed=2)[0], reference=other.digest)
    RunStore(written).write("c", record)
    folder = written / "references" / reference.digest
    if how == "removed":
        shutil.rmtree(folder)
    else:
        path = folder / "arrays.zarr/nodes/c/0/0"
        path.write_bytes(path.read_bytes()[::-1])
    run = open_run(written)
    assert run.readable()[0] == ("c",)
    assert all("and the cells that need it away" in told for told in run.readable()[1].values())
    assert write_report(run).is_file()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        RunStore(written).write_reference(reference)
    assert [warning.category for warning in told] == [StoreWarning] * (how == "flipped")
    assert open_run(written).readable() == (("a", "b", "c"), {})


def test_a_reference_is_read_once_for_all_cells_that_share_it(written, monkeypatch):
    read = []
    monkeypatch.setattr(run_module, "read_reference", lambda *given: read.append(given))
    run = open_run(written)
    assert run.readable() == (("a", "b"), {})
    assert len(read) == 1


@pytest.mark.parametrize("name", ["weights.npz", "model.json", MANIFEST])
def test_a_changed_network_is_found_by_verify_and_refused_by_export(written, name):
    path = written / "models/net" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert not open_run(written).verify("a")


def test_another_network_of_the_same_name_is_found_by_verify(written):
    network = written / "models/net"
    weights = {"params/conv1/kernel": np.zeros((2, 3), np.float32)}
    np.savez(network / "weights.npz", **weights)
    write_network(network, params_sha256=parameters_digest(weights))
    assert "not the network that made" in open_run(written).verify()["a"].problems[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation": "elu"}, "`record_sha256`"),
        ({"format_version": 2}, "format version 2"),
        ({"params_sha256": "0" * 64}, "not the network that made"),
    ],
)
@pytest.mark.parametrize("manifest", [True, False])
def test_a_network_that_is_not_what_the_cell_names_is_refused(written, change, message, manifest):
    network = written / "models/net"
    document = json.loads((network / "model.json").read_text()) | change
    if "activation" in change:  # an edit by hand, which leaves the sum
        (network / "model.json").write_text(json.dumps(document))
    else:
        write_network(network, **document)
    (network / MANIFEST).unlink(missing_ok=True)
    if manifest:
        write_manifest(network)
    with pytest.raises(StoreError, match=message):
        read_network(network, open_run(written).provenance("a")["params_sha256"])
    assert message in open_run(written).verify()["a"].problems[0]


def test_a_cell_whose_network_has_no_manifest_is_unverified(written):
    (written / "models/net" / MANIFEST).unlink()
    assert open_run(written).verify()["a"] == (False, ())


def test_another_reference_under_its_digest_is_refused(written, reference):
    (folder,) = (written / "references").iterdir()
    shutil.rmtree(folder)
    other = reference._replace(nodes=np.zeros_like(reference.nodes))
    RunStore(written).write_reference(other)  # sums that fit, under the digest of another graph
    with pytest.raises(StoreError, match=f"digest {reference.digest}"):
        open_run(written).reference_data("a")


RECORDS = ["", "{", "[]", "3", "null", '{"settings": {}}', "[" * 100_000, '"\\ud800"', "\x00"]


@pytest.mark.parametrize("text", RECORDS)
def test_one_bad_record_hides_no_other_cell(written, text):
    folder = written / "cells/a"
    (folder / "record.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    for whole in (False, True):
        if whole:  # as if it had been written so
            (folder / MANIFEST).unlink()
            write_manifest(folder)
        run = open_run(written)
        assert run.cells == ("a", "b")
        assert "record.json" in run.damage("a")
        assert run.damage("b") == ""
        with pytest.warns(UserWarning, match=r"cell `a` is left out.*record.json"):
            assert [row["cell"] for row in run.summary()] == ["b"]


def edited(folder, change):
    path = folder / "record.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    (folder / MANIFEST).unlink()
    write_manifest(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema_version=3), r"version 3, and this .* up to 2"),
        (lambda d: d.update(schema_version="2"), r"`schema_version` is '2'"),
        (lambda d: d["settings"].update(seed=7), r"do not hash to `settings_hash`"),
        (lambda d: d.update(status_counts={"CONVERGED": "3"}), r"`status_counts`"),
        (lambda d: d["settings"].update(seed=float("nan")), r"cannot be hashed"),
        (lambda d: d["settings"].update(seed=float("inf")), r"cannot be hashed"),
        (lambda d: d.update(cell="b"), r"it is the record of cell 'b'"),
        (lambda d: d.pop("reference"), r"`reference` is None and should be a str"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(written, change, message):
    edited(written / "cells/a", change)
    with pytest.raises(StoreError, match=message):
        open_run(written).settings("a")


def test_a_cell_that_lost_its_manifest_is_refused_and_an_old_one_is_unverified(written, capsys):
    folder = written / "cells/a"
    (folder / MANIFEST).unlink()
    with pytest.raises(StoreError, match=r"manifest.json` is damaged: it is missing"):
        open_run(written).settings("a")
    make_old(folder)
    run = open_run(written)
    assert run.dataset("a")["loss_hardened"].shape == (3,)
    assert run.verify()["a"] == (False, ())
    assert ["unverified" in row["unverified"] for row in run.summary()] == [True, False]
    Terminal().summary(run.summary())
    assert capsys.readouterr().out.count("unverified") == 1
    assert "unverified" in read_cells(run)[0].data.attrs["unverified"]
    assert write_report(run).read_text().count("unverified: written by") == 1


def test_an_old_cell_that_lost_a_chunk_is_damaged_and_not_of_loss_0(written):
    make_old(written / "cells/a")
    (written / "cells/a/arrays.zarr/loss_hardened/c/0").unlink()
    run = open_run(written)
    assert "checksum" in run.damage("a")
    assert run.readable()[0] == ("b",)
    with pytest.raises(StoreError, match="checksum"):
        run.row("a")


@pytest.mark.parametrize("size", ["Infinity", "1e999", "NaN", '"x"', "[]"])
def test_a_manifest_with_a_size_that_is_none_is_damaged(written, size):
    path = written / "cells/a" / MANIFEST
    files = {"record.json": {"bytes": json.loads(size), "sha256": ""}}
    path.write_text(json.dumps({"files": files, "sha256": manifest_module._sum(files)}))
    assert "manifest.json` is damaged" in open_run(written).damage("a")


def test_a_list_that_names_a_cell_twice_lists_it_once(written):
    (written / "cells.json").write_text('["b", "a", "b", "a"]')
    run = open_run(written)
    assert run.cells == ("b", "a")
    assert len(run.summary()) == 2


@pytest.mark.parametrize("text", ["3", "{}", '"a"', "", "[", "[3, null]"])
def test_a_damaged_list_of_cells_costs_their_order_alone(written, text):
    (written / "cells.json").write_text(text)
    with pytest.warns(StoreWarning, match=r"cells\.json` is damaged"):
        assert open_run(written).cells == ("a", "b")


def test_a_list_of_cells_that_is_lost_or_changed_is_said_and_makes_no_unfinished_cell(written):
    path = written / "cells.json"
    sound = path.read_text()
    path.unlink()
    with pytest.warns(StoreWarning, match="No such file"):
        assert open_run(written).cells == ("a", "b")
    path.write_text(sound.replace('"b"', '"c"'))
    with pytest.warns(StoreWarning, match="sha256"):
        assert open_run(written).unfinished == ()
    RunStore(written).register(["a", "b", "d"])
    assert open_run(written).cells == ("a", "b")
    assert open_run(written).unfinished == ("d",)


def test_files_of_other_programs_are_passed_over(written):
    for place in ("", "cells", "cells/a", "cells/a/arrays.zarr", "failures", "references"):
        (written / place).mkdir(exist_ok=True)
        for name in (".DS_Store", "Thumbs.db", "._a", "desktop.ini", ".nfs0001"):
            (written / place / name).write_bytes(b"\x00\x01")
    for name in ("@eaDir", "__MACOSX", "lost+found"):
        (written / "cells" / name / "a").mkdir(parents=True)
        (written / "cells" / name / "._record.json").write_bytes(b"")
    before = everything(written)
    run = open_run(written)
    assert run.readable() == (("a", "b"), {})
    assert run.cells == ("a", "b")
    assert run.failures == {}
    assert all(check.verified for check in run.verify().values())
    assert before


def test_a_failure_left_by_a_killed_writer_still_says_that_the_cell_failed(written):
    (written / "failures").mkdir()
    (written / "failures/c.json").write_text("")
    (written / "failures/d.json").write_text("[]")
    failures = open_run(written).failures
    assert sorted(failures) == ["c", "d"]
    assert "c.json` cannot be read" in failures["c"]["traceback"]


@pytest.mark.parametrize(
    "change", [{"settings": 5}, {"settings": [1]}, {"cell": 5}, {"cell": "y"}, {"traceback": None}]
)
def test_a_failure_with_a_part_of_another_kind_is_told_as_unreadable(written, change):
    (written / "failures").mkdir()
    document = {"cell": "z", "settings": {}, "traceback": "x"} | change
    (written / "failures/z.json").write_text(json.dumps(document))
    run = open_run(written)
    assert run.failures["z"]["settings"] == {}
    assert "z.json` cannot be read" in run.failures["z"]["traceback"]
    assert "z.json` cannot be read" in write_report(run).read_text()


def test_a_traceback_that_names_a_file_in_no_encoding_is_reported(written):
    RunStore(written).write_failure("z", {}, "no file \udcff")
    assert r"no file \udcff" in write_report(open_run(written)).read_text()


def test_a_home_folder_is_the_same_for_writers_and_readers(tmp_path, monkeypatch, make_record):
    monkeypatch.setenv("HOME", str(tmp_path))
    RunStore("~/runs/x").write("a", make_record()[0])
    assert open_run("~/runs/x").cells == ("a",)
    assert (tmp_path / "runs/x/cells/a").is_dir()


def test_a_manifest_lists_all_files_with_their_bytes(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/x").write_bytes(b"12345")
    write_manifest(tmp_path)
    assert {name: size for name, (size, _) in read_manifest(tmp_path).files.items()} == {"sub/x": 5}


@pytest.mark.parametrize("old", [False, True])
def test_a_record_in_a_folder_that_is_named_for_other_settings_is_damaged(written, old):
    named = written / "cells" / f"x-{open_run(written)._document('a')['settings_hash'][:8]}"
    other = written / "cells/x-01234567"
    for folder in (named, other):
        shutil.copytree(written / "cells/a", folder)
        if old:  # such a record does not say whose it is
            make_old(folder)
    run = open_run(written)
    assert other.name in run.readable()[1]
    assert (named.name in run.readable()[0]) == old


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("settings.dataset", 3),
        ("settings.metamers", "x"),
        ("settings.dataset", {"a": {}, "b": {}}),
        ("settings.metamers.vary", ["x"]),
        ("settings.metamers.nodes", 3),
        ("settings.metamers.tolerance", {}),
        ("scalars.test_accuracy", "x"),
    ],
)
def test_a_part_of_another_kind_is_damaged_though_the_sums_are_right(written, place, value):
    folder = written / "cells/a"
    document = json.loads((folder / "record.json").read_text())
    *outer, last = place.split(".")
    inner = document
    for part in outer:
        inner = inner.setdefault(part, {})
    inner[last] = value
    document["settings_hash"] = hash_settings(document["settings"])
    (folder / "record.json").write_text(json.dumps(document))
    (folder / MANIFEST).unlink()
    write_manifest(folder)
    assert f"`{place}` is {value!r}" in open_run(written).damage("a")
