"""Compiled programs are given back when memory maps run short, and not before."""

import sys

import jax
import jax.numpy as jnp
import pytest

from jmetamer._base.compiled_programs import release_when_crowded


@pytest.fixture
def files(tmp_path):
    def make(used, allowed):
        (tmp_path / "maps").write_text("a map\n" * used)
        (tmp_path / "most").write_text(f"{allowed}\n")
        return {"maps": tmp_path / "maps", "most": tmp_path / "most"}

    return make


@pytest.fixture
def program():
    """A compiled function, which counts how often it is traced."""
    traces = []

    @jax.jit
    def double(x):
        traces.append(1)
        return 2 * x

    double(jnp.ones(3))
    return double, traces


@pytest.mark.parametrize(("used", "released"), [(50, False), (51, True)])
def test_more_than_the_share_of_maps_gives_them_back(files, program, used, released):
    double, traces = program
    assert release_when_crowded(0.5, **files(used, 100)) is released
    assert double(jnp.ones(3)).tolist() == [2, 2, 2]
    assert len(traces) == 1 + released


def test_without_the_files_nothing_is_done(tmp_path, program):
    double, traces = program
    assert not release_when_crowded(0.0, maps=tmp_path / "none", most=tmp_path / "none")
    double(jnp.ones(3))
    assert len(traces) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
def test_maps_of_this_process_are_counted_and_freed():
    functions = [jax.jit(lambda x, i=i: jnp.sort(x) * i) for i in range(20)]
    for function in functions:
        function(jnp.ones(3))

    def count():
        with open("/proc/self/maps") as lines:
            return sum(1 for _ in lines)

    before = count()
    assert release_when_crowded(0.0)
    assert count() < before - 20
