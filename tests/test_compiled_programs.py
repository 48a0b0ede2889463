"""Equal static arguments share a program, and programs that nobody shares are given back."""

import gc
import sys
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jmetamer as jm
from jmetamer._base import compiled_programs
from jmetamer._base.compiled_programs import compile_function, release_when_crowded
from jmetamer._base.composition import Composition, composition_of
from jmetamer.measures import deviations
from jmetamer.measures.measure import Facts

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")


def count_maps():
    gc.collect()
    with open("/proc/self/maps") as lines:
        return sum(1 for _ in lines)


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


@on_linux
def test_maps_of_this_process_are_counted_and_freed():
    functions = [jax.jit(lambda x, i=i: jnp.sort(x) * i) for i in range(20)]
    for function in functions:
        function(jnp.ones(3))

    before = count_maps()
    assert release_when_crowded(0.0)
    assert count_maps() < before - 20


@dataclass(frozen=True)
class Power:
    """A static argument that is compared by value."""

    exponent: int


@dataclass(frozen=True)
class WithMade:
    """A static argument that is compared by how a part of it was made."""

    exponent: int
    made: Composition


@pytest.fixture
def power():
    """A compiled function of one static argument, and for which of them it was traced."""
    traces = []

    @compile_function(static=1)
    def raised(power, x):
        traces.append(power.exponent)
        return jnp.sort(x) ** power.exponent

    return raised, traces


def test_equal_static_arguments_share_a_program(power):
    raised, traces = power
    for _ in range(3):
        for exponent in (2, 3):
            assert raised(Power(exponent), np.arange(3)).tolist() == [0, 1, 2**exponent]
    assert traces == [2, 3]


def test_the_program_that_was_used_last_is_kept(power, monkeypatch):
    monkeypatch.setattr(compiled_programs, "KEPT", 2)
    raised, traces = power
    for exponent in (1, 2, 1, 3, 1, 2):
        raised(Power(exponent), np.arange(3))
    assert traces == [1, 2, 3, 2]


def test_fewer_are_kept_of_what_is_made_anew_for_every_call(power, monkeypatch):
    monkeypatch.setattr(compiled_programs, "KEPT_OF_UNSHARED", 1)
    raised, traces = power
    for exponent in (1, 2, 1, 2):
        raised(Power(exponent), np.arange(3))
        raised(WithMade(exponent, composition_of(exponent)), np.arange(3))
    assert traces == [1, 1, 2, 2, 1, 2]


@on_linux
@pytest.mark.parametrize("vary", ["values", "shapes"])
def test_what_is_not_kept_leaves_no_maps(power, monkeypatch, vary):
    monkeypatch.setattr(compiled_programs, "KEPT", 4)
    monkeypatch.setattr(compiled_programs, "SHAPES", 4)
    raised, _ = power
    sizes = []
    for start in (0, 10, 20):
        for i in range(start, start + 10):
            raised(*((Power(i), np.ones(3)) if vary == "values" else (Power(2), np.ones(3 + i))))
        sizes.append(count_maps())
    assert abs(sizes[2] - sizes[1]) < 10


def test_arguments_are_given_away_as_asked():
    @compile_function(static=1, donate=(2,))
    def added(number, kept, given):
        return number + kept + given

    kept, given = jnp.ones(3), jnp.ones(3)
    assert added(1, kept, given).tolist() == [3, 3, 3]
    assert not kept.is_deleted()
    assert given.is_deleted()


def test_shapes_and_programs_are_told_as_by_jit(power):
    raised, _ = power
    x = np.ones(3, np.float32)
    assert raised.eval_shape(Power(2), x).shape == (3,)
    assert raised.trace(Power(2), x).jaxpr.out_avals[0].shape == (3,)
    assert "sort" in raised.lower(Power(2), x).as_text()


@pytest.fixture(scope="module")
def problem():
    data = jm.load_dataset("karate")
    trained = jm.train(jm.GCN(hidden=2), data, settings=jm.TrainSettings(epochs=1))
    return jm.Problem(trained, data.graph, layer="conv1")


@on_linux
def test_equal_new_optimizers_compile_once_and_different_ones_do_not_pile_up(problem, monkeypatch):
    monkeypatch.setattr(compiled_programs, "KEPT_OF_UNSHARED", 2)

    def generate(rate):
        jm.generate(problem, 1, optimizer=optax.adam(rate), steps=2)
        return count_maps()

    generate(0.1)
    first = generate(0.1)
    assert max(generate(0.1) - first for _ in range(3)) < 10  # a program has more than ten
    sizes = [generate(0.2 + 0.1 * number) for number in range(4)]
    assert abs(sizes[3] - sizes[2]) < 10


@on_linux
def test_cells_of_other_seeds_train_and_measure_with_the_same_programs():
    data = jm.load_dataset("karate")

    def cell(seed):
        settings = jm.TrainSettings(epochs=1)
        trained = jm.train(jm.GCN(hidden=2), data, seed=seed, settings=settings)
        weights = np.asarray(trained.params["params"]["conv1"]["kernel"])
        facts = Facts(entry_weights=weights)
        deviations(data.graph.nodes, data.graph.nodes[None], "continuous", facts=facts)
        return count_maps()

    cell(0)
    first = cell(1)
    assert max(cell(seed) - first for seed in (2, 3, 4)) < 10
