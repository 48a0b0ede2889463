"""An archive from anywhere takes no more memory than it says, and ends in one kind of error."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import DataError
from jmetamer.graphs.number_files import read_npz


def archive(compression=zipfile.ZIP_DEFLATED, **members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as written:
        for name, content in members.items():
            written.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def claiming(shape, dtype="<f8", data=b""):
    text = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    header = text + b" " * (117 - len(text)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize("dtype", ["f4", "i8", "?", "U5", "u1", ">f8"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (2, 3), (1, 2, 3)])
def test_arrays_come_back_as_numpy_reads_them(dtype, shape):
    array = np.ones(shape).astype(dtype)
    for order in "CF":
        content = archive(x=npy(np.asarray(array, order=order)))
        found = read_npz(content, "f")["x"]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, np.load(io.BytesIO(content))["x"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive(x=claiming((10**12,))), r"'x' claims shape \(1000000000000,\)"),
        (archive(x=claiming((2**40, 2**40))), r"'x' claims shape"),
        (archive(x=claiming((10**9,), "<U0")), r"'x' claims shape \(1000000000,\) of <U0"),
        (archive(x=claiming((10**9,), "|V0")), r"'x' claims shape"),
        (archive(x=claiming((3,), data=bytes(16))), r"24 bytes, but holds 16"),
        (archive(x=claiming((-1,), data=bytes(8))), r"'x' claims shape|'x' is not"),
        (archive(x=claiming((1,), "|O")), r"'x' has dtype object"),
        (archive(x=claiming((1,), [("a", "<f4")], bytes(4))), r"'x' has dtype"),
        (archive(x=b"\x93NUMPY\x03\x00" + bytes(80)), r"array format \(3, 0\)"),
        (archive(x=b"no array"), r"'x' is not a readable array"),
        (archive(zipfile.ZIP_BZIP2, x=npy(np.ones(3))), r"'x' is packed by method 12"),
        (archive(zipfile.ZIP_LZMA, x=npy(np.ones(3))), r"'x' is packed by method 14"),
        (b"", r"not a readable .npz file"),
    ],
)
def test_what_is_no_plain_array_is_named(content, message):
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message):
            read_npz(content, "f")
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_an_encrypted_array_is_named():
    content = bytearray(archive(x=npy(np.ones(3))))
    for start in (b"PK\x03\x04", b"PK\x01\x02"):
        place = content.index(start) + (6 if start.endswith(b"\x04") else 8)
        content[place] |= 1
    with pytest.raises(DataError, match="'x' is encrypted"):
        read_npz(bytes(content), "f")


def test_a_small_file_that_unpacks_to_much_is_refused_before_it_is_unpacked():
    content = archive(x=npy(np.zeros(2**21)))
    assert len(content) < 2**17
    with pytest.raises(DataError, match=r"unpacks to 16777344 bytes.*allowed are 1000000"):
        read_npz(content, "f", max_bytes=1_000_000)
    assert read_npz(content, "f", max_bytes=2**25)["x"].size == 2**21


def test_a_member_that_is_not_asked_for_is_not_looked_at():
    content = archive(x=npy(np.ones(3)), y=claiming((1,), "|O"), z=b"")
    assert read_npz(content, "f", ["x", "w"]).keys() == {"x"}


def test_a_name_that_stands_twice_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("x.npy", npy(np.ones(3)))
        with pytest.warns(UserWarning, match="Duplicate"):
            written.writestr("x.npy", npy(np.zeros(3)))
    with pytest.raises(DataError, match="holds 'x' twice"):
        read_npz(file.getvalue(), "f")


SOUND = archive(x=npy(np.arange(40.0)), y=npy(np.arange(7)))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_gives_the_same_numbers_or_a_data_error(data):
    content = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = (
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    try:
        found = read_npz(bytes(content), "f")
    except DataError:
        return
    for name, array in found.items():
        if name in ("x", "y"):
            np.testing.assert_array_equal(array, np.arange(40.0) if name == "x" else np.arange(7))
