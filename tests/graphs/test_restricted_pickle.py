"""A pickle that names anything but arrays and containers is refused and executes nothing."""

import collections
import os
import pickle
import re

import numpy as np
import pytest
import scipy.sparse

from jmetamer._base.errors import DataError
from jmetamer.graphs.planetoid import SparseRows, load_restricted


class Malicious:
    """Runs a shell command when it is unpickled without care."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path, protocol):
    marker = tmp_path / "executed"
    content = pickle.dumps({0: [Malicious(marker)]}, protocol=protocol)
    with pytest.raises(DataError, match=re.escape("system`, which no data file needs")):
        load_restricted(content, "ind.cora.graph")
    assert not marker.exists()
    pickle.loads(content)  # the attack is a real one
    assert marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins.eval",
        "builtins.getattr",
        "posix.system",
        "subprocess.Popen",
        "numpy.load",
        "numpy.testing._private.utils.runstring",
        "numpy.core.multiarray.fromfile",
        "scipy.sparse.csr.__loader__",
        "collections.namedtuple",
        "jmetamer.graphs.planetoid.pickle.loads",
    ],
)
def test_every_other_name_is_refused(name):
    module, _, attribute = name.rpartition(".")
    content = f"c{module}\n{attribute}\n.".encode()
    with pytest.raises(DataError, match=re.escape(f"'file' asks to load `{module}.{attribute}`")):
        load_restricted(content, "file")


def test_a_dotted_name_reaches_no_attribute_of_an_allowed_type():
    content = b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."
    with pytest.raises(DataError, match=re.escape("`numpy.ndarray.tofile`")):
        load_restricted(content, "file")


def test_a_pickle_cannot_change_a_type_for_later_loads():
    sets_attribute = b"cscipy.sparse.csr\ncsr_matrix\n(N}S'evil'\nI1\nstb."
    load_restricted(sets_attribute, "file")
    assert not hasattr(SparseRows, "evil")
    on_array = b"cnumpy\nndarray\n(N}S'evil'\nI1\nstb."
    with pytest.raises(DataError, match="is not a readable pickle"):
        load_restricted(on_array, "file")


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"not a pickle", pickle.dumps([1])[:-2]])
def test_a_damaged_pickle_is_a_data_error(content):
    with pytest.raises(DataError, match="'file' is not a readable pickle"):
        load_restricted(content, "file")


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_matrices_and_containers_come_back(protocol):
    dense = np.array([[0, 2.5, 0], [0, 0, 0], [1, 0, -3]], np.float32)
    graph = collections.defaultdict(list, {0: [1, 2], 1: [0]})
    for value in (scipy.sparse.csr_matrix(dense), dense):
        loaded = load_restricted(pickle.dumps(value, protocol=protocol), "file")
        np.testing.assert_array_equal(loaded, dense)
    assert load_restricted(pickle.dumps(graph, protocol=protocol), "file") == graph


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("indices", np.array([0, 9, 1])),
        ("indptr", np.array([0, 3])),
        ("indptr", np.array([0, 5, 1, 3])),
        ("data", np.ones(2)),
        ("_shape", (-1, 3)),
        ("_shape", None),
    ],
)
def test_a_matrix_whose_arrays_do_not_fit_is_a_data_error(change, value):
    matrix = scipy.sparse.csr_matrix(np.eye(3))
    setattr(matrix, change, value)
    with pytest.raises(DataError, match="'file' holds a sparse matrix that cannot be read"):
        load_restricted(pickle.dumps(matrix, protocol=4), "file")


def test_an_array_of_objects_is_a_data_error():
    with pytest.raises(DataError, match="'file' holds an array of dtype object"):
        load_restricted(pickle.dumps(np.array([[], None], object), protocol=4), "file")
