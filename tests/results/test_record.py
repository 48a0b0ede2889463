import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.results import Variable, arrays_digest, check_record, hash_settings

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def reversed_keys(value):
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(list(value))}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(max_size=3), plain, max_size=4))
def test_the_hash_of_settings_does_not_depend_on_the_order_of_keys(settings):
    assert hash_settings(settings) == hash_settings(reversed_keys(settings))


def test_the_hash_of_settings_depends_on_every_value():
    base = {"model": {"hidden": 64, "residual": False}, "seed": 0}
    others = [
        {"model": {"hidden": 65, "residual": False}, "seed": 0},
        {"model": {"hidden": 64, "residual": True}, "seed": 0},
        {"model": {"hidden": 64, "residual": False}, "seed": None},
        {"model": {"hidden": 64, "residual": 0}, "seed": 0},
    ]
    assert len({hash_settings(settings) for settings in [base, *others]}) == 5


def test_settings_that_json_cannot_hold_are_refused():
    with pytest.raises(InputError, match=r"`settings` cannot be hashed.*numbers, text"):
        hash_settings({"rate": float("nan")})
    with pytest.raises(InputError, match=r"cannot be hashed"):
        hash_settings({"rate": object()})


def test_a_digest_sees_every_byte_shape_and_dtype():
    zeros = np.zeros(4, np.float32)
    flipped = zeros.copy()
    flipped.view(np.uint8)[7] ^= 1
    arrays = [zeros, flipped, zeros.reshape(2, 2), zeros.astype(np.int32), zeros[:0]]
    assert len({arrays_digest([("x", array)]) for array in arrays}) == len(arrays)


def test_a_digest_does_not_see_byte_order_or_memory_layout():
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    same = [array.astype(">f4"), np.asfortranarray(array), array[:, ::-1][:, ::-1]]
    assert {arrays_digest([("x", a)]) for a in same} == {arrays_digest([("x", array)])}


def test_a_record_with_axes_that_do_not_fit_is_refused(make_record):
    record, _ = make_record()
    wrong = {**record.variables, "loss_final": Variable(("metamer",), np.zeros(4))}
    with pytest.raises(
        InputError, match=r"axis `metamer` has length 4 in variable `loss_final` and 3"
    ):
        check_record(dataclasses.replace(record, variables=wrong))
    wrong = {"loss_final": Variable(("metamer",), np.zeros((4, 2)))}
    with pytest.raises(InputError, match=r"`loss_final` names 1 axes"):
        check_record(dataclasses.replace(record, variables=wrong))


def test_a_record_whose_hash_or_counts_are_wrong_is_refused(make_record):
    record, _ = make_record()
    with pytest.raises(InputError, match=r"`settings_hash` is 'x' but the settings hash to"):
        check_record(dataclasses.replace(record, settings_hash="x"))
    with pytest.raises(InputError, match=r"`status_counts` add up to 2 but there are 3 metamers"):
        check_record(dataclasses.replace(record, status_counts={"CONVERGED": 2}))
