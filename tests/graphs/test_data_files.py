"""Files are found in the documented places and order, checked, and fetched only if pinned."""

import functools
import hashlib
import http.server
import re
import shutil
import threading

import pytest

from jmetamer._base.errors import DataError, InputError
from jmetamer.graphs import data_files
from jmetamer.graphs.data_files import DataFile, digest_of, read_data_files
from jmetamer.graphs.load import load_dataset

CONTENT = b"the true content"
NOWHERE = "http://127.0.0.1:9/data"  # nothing listens there


@pytest.fixture
def toy(monkeypatch):
    """Build a file of a dataset whose digest is pinned, or is not."""

    def build(name="toy.npz", pinned=True, base_url=NOWHERE):
        if pinned:
            digest = hashlib.sha256(CONTENT).hexdigest()
            monkeypatch.setitem(data_files.SHA256, f"collection/{name}", digest)
        return DataFile("collection", "roman_empire", name, base_url)

    return build


@pytest.mark.parametrize(
    "place",
    ["collection/toy.npz", "toy.npz", "roman_empire/raw/toy.npz", "Roman-Empire/raw/toy.npz"],
)
@pytest.mark.parametrize("base", ["root", "variable", "cache"])
def test_three_layouts_are_known_in_three_folders(
    empty_folders, tmp_path, monkeypatch, toy, place, base
):
    folder = {"root": tmp_path / "r", "variable": tmp_path / "v", "cache": empty_folders}[base]
    (folder / place).parent.mkdir(parents=True)
    (folder / place).write_bytes(CONTENT)
    if base == "variable":
        monkeypatch.setenv("JMETAMER_DATA", str(folder))
    root = folder if base == "root" else None
    assert read_data_files([toy()], root) == {"toy.npz": CONTENT}


def test_the_given_root_comes_first(empty_folders, tmp_path, monkeypatch, toy):
    for name in ("root", "variable"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "toy.npz").write_text(name)
    monkeypatch.setenv("JMETAMER_DATA", str(tmp_path / "variable"))
    file = toy(pinned=False)
    assert read_data_files([file], tmp_path / "root")["toy.npz"] == b"root"
    assert read_data_files([file])["toy.npz"] == b"variable"


def test_a_root_that_is_no_folder_is_refused(empty_folders, tmp_path, toy):
    with pytest.raises(InputError, match=r"`root` is .*nothing', which is no folder"):
        read_data_files([toy()], tmp_path / "nothing")


def test_a_folder_that_cannot_be_searched_is_a_data_error(
    empty_folders, tmp_path, monkeypatch, toy
):
    def forbidden(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", forbidden)
    with pytest.raises(DataError, match=r"cannot be searched for toy.npz: Permission denied; make"):
        read_data_files([toy()], tmp_path)


def test_a_file_that_is_not_what_its_digest_says_is_refused(empty_folders, tmp_path, toy):
    (tmp_path / "toy.npz").write_bytes(b"something else")
    with pytest.raises(DataError) as error:
        read_data_files([toy()], tmp_path)
    for part in (str(tmp_path / "toy.npz"), "sha256", hashlib.sha256(CONTENT).hexdigest()):
        assert part in str(error.value)
    assert "Nothing in it was used" in str(error.value)


def test_offline_the_message_says_which_files_to_put_where(empty_folders, toy):
    files = [toy("a.npz"), toy("b.npz")]
    with pytest.raises(DataError) as error:
        read_data_files(files)
    message = str(error.value)
    assert "dataset 'roman_empire' needs 2 file(s)" in message
    assert "a.npz, b.npz" in message
    assert "The download failed" in message
    assert f"Get them from {NOWHERE}" in message
    assert f"put them into {empty_folders / 'collection'}" in message
    assert "set JMETAMER_DATA to a folder that holds collection/a.npz" in message
    assert "holds roman_empire/raw/a.npz" in message


def test_without_a_pinned_digest_nothing_is_downloaded(empty_folders, monkeypatch, toy):
    monkeypatch.setattr(data_files, "_download", lambda *_: pytest.fail("it was downloaded"))
    with pytest.raises(DataError, match=r"No checksum of toy.npz is pinned, so it is not down"):
        read_data_files([toy("pinned.npz"), toy(pinned=False)])


def test_real_datasets_give_the_offline_message_too(empty_folders, monkeypatch):
    monkeypatch.setattr("jmetamer.graphs.planetoid.PLANETOID_URL", NOWHERE)
    with pytest.raises(DataError, match=r"'cora' needs 7 file.s.*ind.cora.tx.*download failed"):
        load_dataset("cora")
    with pytest.raises(DataError, match=r"'actor' needs 1 file.*No checksum of actor.npz is"):
        load_dataset("actor")


@pytest.fixture
def server(tmp_path):
    """A loopback web server of the folder `served`; gives its address and the requests it saw."""
    served = tmp_path / "served"
    served.mkdir()
    seen: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, _, *args):
            seen.append(str(args[0]))

    handler = functools.partial(Handler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", served, seen
        running.shutdown()


def test_a_download_goes_to_the_cache_and_is_not_repeated(empty_folders, server, toy, capfd):
    address, served, seen = server
    (served / "toy.npz").write_bytes(CONTENT)
    file = toy(base_url=address)
    assert read_data_files([file]) == read_data_files([file]) == {"toy.npz": CONTENT}
    assert (empty_folders / "collection" / "toy.npz").read_bytes() == CONTENT
    assert len(seen) == 1
    assert "100%" in capfd.readouterr().err  # the progress bar


def test_a_download_with_another_content_is_refused_and_not_kept(empty_folders, server, toy):
    address, served, _ = server
    (served / "toy.npz").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"The download failed: .*does not match the known hash"):
        read_data_files([toy(base_url=address)])
    assert not (empty_folders / "collection" / "toy.npz").exists()


@pytest.mark.data
def test_a_real_dataset_is_fetched_checked_and_loaded(
    empty_folders, server, data_folder, monkeypatch
):
    address, served, _ = server
    shutil.copy(data_folder / "heterophilous" / "texas.npz", served)
    monkeypatch.setattr("jmetamer.graphs.graph_npz.HETEROPHILOUS_URL", address)
    assert load_dataset("texas").graph.nodes.shape == (183, 1703)


def test_the_cache_is_in_the_platform_folder_unless_named(monkeypatch, tmp_path):
    monkeypatch.setenv("JMETAMER_CACHE", str(tmp_path))
    assert data_files.cache_folder() == tmp_path
    monkeypatch.delenv("JMETAMER_CACHE")
    assert "jmetamer" in str(data_files.cache_folder())


def test_every_pinned_digest_is_one_and_is_of_a_known_collection():
    for name, digest in data_files.SHA256.items():
        assert re.fullmatch("[0-9a-f]{64}", digest)
        assert name.split("/")[0] in ("planetoid", "heterophilous")


def test_the_digest_of_several_files_depends_on_names_and_contents():
    both = digest_of({"a": b"1", "b": b"2"})
    assert both == digest_of({"b": b"2", "a": b"1"})
    assert len({both, digest_of({"a": b"2", "b": b"1"}), digest_of({"a": b"1", "c": b"2"})}) == 3
