"""load_dataset: who reads what, and what a wrong name, option or object gets."""

import os
import re

import networkx
import numpy as np
import pytest

from jmetamer._base.errors import DataError, InputError, JmetamerError
from jmetamer.graphs.built_in import load_karate
from jmetamer.graphs.dataset import content_digest
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.graph_npz import load_graph_npz, save_graph_npz
from jmetamer.graphs.load import DATASETS, load_dataset
from jmetamer.graphs.ogb_raw import load_ogb
from jmetamer.models import load_model
from jmetamer.results import open_run


def rejected(message, *args, **options):
    with pytest.raises(InputError, match=re.escape(message)):
        load_dataset(*args, **options)


def test_an_unknown_name_gets_the_nearest_one_and_the_whole_table():
    rejected("unknown dataset 'Coraa'; did you mean 'cora'? Allowed: 'digits', 'karate'", "Coraa")
    with pytest.raises(InputError) as error:
        load_dataset("zzzz")
    assert all(repr(name) in str(error.value) for name in DATASETS)


def test_an_unknown_option_gets_the_nearest_one_and_its_value():
    rejected(
        "'digits': unknown option 'neighbours'; did you mean 'neighbors'? Allowed: 'neighbors'. "
        "(the value given was 5)",
        "digits",
        neighbours=5,
    )
    rejected("unknown option `neighbors=5`: 'cora' takes no options", "cora", neighbors=5)
    rejected("unknown option `seeds=5`: a Dataset object takes no options", load_karate(), seeds=5)


def test_a_split_that_is_not_there_is_refused():
    rejected("`split` is 3; allowed: 0, as 'karate' has one split", "karate", split=3)


def test_an_object_that_is_no_graph_is_refused():
    rejected("`source` is a int; allowed: a dataset name, the path of a .npz", 5)
    rejected("A bare jraph.GraphsTuple has no labels", make_graph(np.eye(2), [0], [1]))


def test_options_and_seed_reach_the_loader():
    drawn = load_dataset("karate", seed=7, train_per_class=2)
    assert content_digest(drawn) == content_digest(load_karate(seed=7, train_per_class=2))
    assert content_digest(drawn) != content_digest(load_karate(train_per_class=2))


def test_case_and_hyphens_in_names_do_not_matter(empty_folders, monkeypatch):
    assert load_dataset("Karate").name == "karate"
    with pytest.raises(DataError, match="dataset 'roman_empire' needs"):
        load_dataset("Roman-Empire")


def test_paths_objects_and_datasets_are_read(tmp_path, monkeypatch):
    karate = load_karate()
    save_graph_npz(tmp_path / "own.npz", karate)
    monkeypatch.chdir(tmp_path)
    for source in (tmp_path / "own.npz", str(tmp_path / "own.npz"), "own.npz", karate):
        assert content_digest(load_dataset(source)) == content_digest(karate)
    graph = networkx.path_graph(4)
    networkx.set_node_attributes(graph, {i: i // 2 for i in range(4)}, "y")
    assert load_dataset(graph).graph.senders.size == 6


def test_a_path_that_is_not_there_is_refused_as_a_path():
    with pytest.raises(DataError, match="'folder/cora' cannot be read"):
        load_dataset("folder/cora")


def test_a_dataset_object_is_checked():
    import dataclasses

    rejected("`labels` has shape", dataclasses.replace(load_karate(), labels=np.zeros(3, int)))


LONG, NOBODY = "a" * 5000, "~nobody_of_this_name/x"


@pytest.mark.parametrize("source", [LONG, LONG + ".npz", LONG + "/", "a\0b", "a\0b.npz", NOBODY])
def test_a_name_of_no_file_is_refused(source):
    with pytest.raises(InputError):
        load_dataset(source)


@pytest.mark.parametrize("read", [load_ogb, load_graph_npz, load_model, open_run])
@pytest.mark.parametrize("path", [LONG, "a\0b", NOBODY])
def test_every_reader_of_a_path_refuses_one_of_no_file(read, path):
    with pytest.raises(JmetamerError):
        read(path)


@pytest.mark.parametrize("path", [LONG, "a\0b", NOBODY])
@pytest.mark.parametrize("name", ["texas", "ogbn_arxiv"])
def test_a_root_that_is_no_folder_is_refused(monkeypatch, tmp_path, name, path):
    monkeypatch.setenv("JMETAMER_CACHE", str(tmp_path))
    with pytest.raises(InputError):
        load_dataset(name, root=path)
    for variable in ("JMETAMER_DATA", "JMETAMER_CACHE") if "\0" not in path else ():
        monkeypatch.setenv(variable, path)
        with pytest.raises(InputError):
            load_dataset("ogbn_arxiv")


def test_a_pipe_or_a_device_is_no_dataset(tmp_path):
    os.mkfifo(tmp_path / "own.npz")
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    for name in ("own.npz", "zero.npz"):
        with pytest.raises(DataError, match=rf"{name}' cannot be read: it is a pipe or a device"):
            load_dataset(tmp_path / name)
