"""Every registered dataset: valid, masks disjoint, edges symmetric, digest recorded, repeatable."""

import re

import numpy as np
import pytest

from jmetamer._base.errors import DataError
from jmetamer.graphs.dataset import content_digest, validate_dataset
from jmetamer.graphs.edge_lists import is_symmetric
from jmetamer.graphs.load import DATASETS, load_dataset


@pytest.fixture(scope="module", params=DATASETS)
def dataset(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        # Local files only: a test must not depend on a network.
        patch.setattr("jmetamer.graphs.data_files._download", _no_download)
        patch.setenv("JMETAMER_CACHE", str(tmp_path_factory.mktemp("cache")))
        try:
            return load_dataset(request.param, seed=3)
        except DataError as error:
            if "needs" not in str(error):
                raise
            pytest.skip(f"the files of {request.param!r} are not at hand: set JMETAMER_DATA")


def _no_download(file, missing, root):
    raise DataError(f"{file.dataset} needs files that are not at hand")


def test_it_is_valid_and_labels_are_in_range(dataset):
    validate_dataset(dataset)
    assert dataset.labels.dtype == np.int32
    assert set(np.unique(dataset.labels)) <= set(range(dataset.num_classes))


def test_masks_are_disjoint_and_none_is_empty(dataset):
    masks = np.stack([dataset.train_mask, dataset.val_mask, dataset.test_mask])
    assert masks.sum(axis=0).max() == 1
    assert masks.any(axis=1).all()


def test_edges_are_symmetric_single_without_loops_and_sorted_by_receiver(dataset):
    graph = dataset.graph
    assert is_symmetric(graph)
    assert (graph.senders != graph.receivers).all()
    assert (graph.edges.weight == 1).all()
    codes = graph.receivers.astype(np.int64) * len(graph.nodes) + graph.senders
    assert (np.diff(codes) > 0).all()


def test_the_digest_is_recorded_and_a_second_load_is_equal(dataset):
    assert re.fullmatch("[0-9a-f]{64}", dataset.provenance.sha256)
    assert dataset.provenance.citation
    assert dataset.provenance.licence
    again = load_dataset(dataset.name, seed=3)
    assert content_digest(again) == content_digest(dataset)
    assert again.provenance == dataset.provenance


def test_arrays_are_numpy_in_the_declared_types(dataset):
    graph = dataset.graph
    for array, kind in (
        (graph.nodes, np.float32),
        (graph.edges.weight, np.float32),
        (graph.senders, np.int32),
        (graph.receivers, np.int32),
        (dataset.train_mask, np.bool_),
    ):
        assert isinstance(array, np.ndarray)
        assert array.dtype == kind
