"""Whatever a user sets in JAX, everything runs and gives the same numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("any_jax.py")
MODES = {
    "float64": {"JAX_ENABLE_X64": "1"},
    "checks": {
        "JAX_DEBUG_NANS": "1",
        "JAX_DEBUG_KEY_REUSE": "1",
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    },
}


def run(settings):
    """The numbers that a process with these settings prints; the type of its floats."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=os.environ | settings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    return found["numbers"], found["float"]


@pytest.fixture(scope="module")
def usual():
    return run({})


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_gives_the_numbers_of_the_usual_one(usual, mode):
    numbers, type_of_floats = run(MODES[mode])
    assert type_of_floats == ("float64" if mode == "float64" else "float32")
    assert numbers.keys() == usual[0].keys()
    for name, values in usual[0].items():
        np.testing.assert_allclose(numbers[name], values, rtol=1e-6, atol=1e-12, err_msg=name)
