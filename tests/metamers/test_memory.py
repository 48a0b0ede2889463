"""The memory model against the compiler, and what follows from it for the number of lanes."""

import dataclasses
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.live_bytes import live_bytes, tree_bytes
from jmetamer.metamers.methods import Execution, Task, method_named
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize import memory as memory_module
from jmetamer.metamers.methods.optimize.memory import Memory, choose_lanes, fit, memory_of
from jmetamer.metamers.methods.optimize.program import limits_of, program_of

ADAM = jm.Optimize(jm.Optimizer("adam", 0.1), coordinates="features")
TOGETHER, APART = Execution(together=True), Execution(together=False)
# The emitters that users have; those of the tests (`conftest.py`) need more memory.
USUAL = {"xla_cpu_use_fusion_emitters": True} if version("jaxlib").startswith("0.10.") else None
SMALL = Memory(shared=100, state=40, step=60, check=80, result=1, together=True)


def task_of(problem, method="optimize", **changes):
    method = dataclasses.replace(method_named(method), **changes)
    return Task(problem, 0, method.for_problem(problem), problem.tolerance)


def compiled(task, lanes, execution):
    """The compiled loop, and the bytes of all its arguments."""
    program, arrays = program_of(task, execution)
    data = arrays, limits_of(task)
    ids = jax.ShapeDtypeStruct((lanes,), jnp.int32)
    state = engine.fill.eval_shape(program, ids, *data)
    return engine.advance.lower(program, state, *data).compile(USUAL), tree_bytes((state, *data))


def compiler_bytes(task, lanes, execution):
    """Arguments, results that take the place of none, and temporaries."""
    program, arguments = compiled(task, lanes, execution)
    found = program.memory_analysis()
    # The loop may leave an argument alone, as the features in entry coordinates; it exists though.
    results = found.output_size_in_bytes - found.alias_size_in_bytes
    return arguments + results + found.temp_size_in_bytes


@pytest.fixture(scope="module")
def grown(make_trained):
    """A graph on which arrays outweigh the compiler's small change."""
    rng = np.random.default_rng(0)
    senders, receivers = rng.integers(0, 400, (2, 3000))
    nodes = (rng.random((400, 48)) > 0.8).astype(np.float32)
    both = np.concatenate([senders, receivers]), np.concatenate([receivers, senders])
    pairs = np.unique(np.stack(both), axis=1)
    return jm.make_graph(nodes, pairs[0], pairs[1])


@pytest.fixture(scope="module")
def tasks(grown, make_trained):
    made = make_trained(jm.GCN(hidden=32, layers=2, num_outputs=4), grown)
    return {
        "entry": task_of(jm.Problem(made, grown, layer="conv1")),
        "features": task_of(jm.Problem(made, grown, layer="logits"), ADAM),
        "binary": task_of(jm.Problem(made, grown, layer="conv1", vary=jm.BinaryFeatures())),
    }


@pytest.fixture(scope="module")
def task(problem):
    return task_of(problem)


class TestTheModel:
    @pytest.mark.parametrize("name", ["entry", "features", "binary"])
    def test_agrees_with_the_compiler_within_15_percent_and_is_linear(self, tasks, name):
        seen = {n: compiler_bytes(tasks[name], n, TOGETHER) for n in (2, 4, 8)}
        # Linear: the middle lies on the line through the ends.
        middle = seen[2] + (seen[8] - seen[2]) / 3
        assert seen[4] == pytest.approx(middle, rel=0.02)
        memory = memory_of([tasks[name]], TOGETHER, lanes=8)
        loop_only = memory._replace(check=0)
        assert loop_only.on_device(8) == pytest.approx(seen[8], rel=0.15)
        assert memory.per_lane == pytest.approx((seen[8] - seen[2]) / 6, rel=0.15)

    @pytest.mark.parametrize("name", ["entry", "features", "binary"])
    def test_agrees_for_a_lane_that_steps_alone(self, tasks, name):
        memory = memory_of([tasks[name]], APART)._replace(check=0)
        assert memory.on_device(1) == pytest.approx(compiler_bytes(tasks[name], 1, APART), rel=0.15)

    def test_counts_more_for_an_optimizer_that_remembers_more(self, tasks):
        problem = tasks["features"].problem
        states = [
            memory_of([task_of(problem, ADAM, optimizer=optimizer)]).state
            for optimizer in (jm.Optimizer("sgd", 0.1), ADAM.optimizer, jm.Optimizer("lane_lbfgs"))
        ]
        theta = 400 * 48 * 4  # a lane that steps alone keeps its start too
        assert [round(state / theta) for state in states] == [3, 5, 11]

    def test_counts_half_for_moments_of_half_the_bits(self, tasks):
        narrow = jm.Optimizer("adam", 0.1, moments="bfloat16")
        task = task_of(tasks["features"].problem, ADAM, optimizer=narrow)
        saved = memory_of([tasks["features"]]).state - memory_of([task]).state
        assert saved == 400 * 48 * 2

    def test_is_traced_once_for_all_references_of_a_shape(self, task, trained, make_random_graph):
        memory = memory_of([task])
        before = memory_module._traced.cache_info().misses
        other = jm.Problem(trained, make_random_graph(3), layer="conv1")
        assert memory_of([task._replace(problem=other, seed=7, tolerance=0.3)]) == memory
        assert memory_module._traced.cache_info().misses == before


class TestLiveBytes:
    def test_keeps_what_is_read_again_and_frees_what_is_not(self):
        def twice(x, w):
            first = x @ w  # 400 bytes, read until the end
            second = jnp.tanh(first) @ w  # kept: the chain, then its product
            return first + second

        shapes = jnp.zeros((10, 10)), jnp.zeros((10, 10))
        assert live_bytes(jax.make_jaxpr(twice)(*shapes)) == 3 * 400

    def test_counts_the_body_of_a_loop_once(self):
        def loop(x, w):
            return jax.lax.scan(lambda c, _: (jnp.sin(c @ w), None), x, None, length=50)[0]

        shapes = jnp.zeros((10, 10)), jnp.zeros((10, 10))
        assert live_bytes(jax.make_jaxpr(loop)(*shapes)) == 400

    def test_does_not_count_what_nobody_needs(self):
        def idle(x):
            _ = jnp.zeros((1000, 1000)) @ jnp.ones((1000, 1000))
            return x + 1

        assert live_bytes(jax.make_jaxpr(idle)(jnp.zeros(3))) == 12


class TestTheNumberOfLanes:
    def test_is_one_a_core_on_a_processor(self, task):
        assert choose_lanes([task], 100, APART, cores=6) == 6
        assert choose_lanes([task], 4, APART, cores=6) == 4
        asked = dataclasses.replace(APART, lanes=3)
        assert choose_lanes([task], 100, asked, cores=6) == 3

    def test_is_a_power_of_two_that_is_filled_four_times_elsewhere(self, task):
        found = [choose_lanes([task], n, TOGETHER) for n in (10, 500, 10_000, 10**6)]
        assert found == [10, 256, 2048, 4096]

    def test_is_cut_to_three_quarters_of_the_free_memory(self, task):
        memory = memory_of([task], TOGETHER, lanes=2048)
        free = int(memory.on_device(100) / 0.75) + 1
        assert choose_lanes([task], 10_000, TOGETHER, available=free) == 64
        shared = choose_lanes([task], 10_000, TOGETHER, available=free, num_devices=3)
        assert shared == 3 * 64

    def test_is_a_multiple_of_the_devices(self, task):
        asked = dataclasses.replace(TOGETHER, lanes=10)
        assert choose_lanes([task], 100, asked, num_devices=4) == 12

    def test_a_wish_that_does_not_fit_is_refused_with_what_to_change(self, task):
        memory = memory_of([task], TOGETHER, lanes=5000)
        free = int(memory.on_device(1000) / 0.75) + 1
        asked = dataclasses.replace(TOGETHER, lanes=5000)
        with pytest.raises(jm.InputError) as refused:
            choose_lanes([task], 10_000, asked, available=free)
        text = str(refused.value)
        assert "`lanes` is 5,000: 5,000 lanes need about" in text
        assert f"but {free / 1e6:,.1f} MB are free, of which 75% may be used" in text
        assert "set `lanes` to 1,000 or fewer" in text
        assert "`ego_graph`" in text
        assert "lane_lbfgs keeps about 10 arrays" in text

    @pytest.mark.parametrize("execution", [TOGETHER, APART])
    def test_not_even_one_lane_is_refused(self, task, execution):
        with pytest.raises(jm.InputError, match="not even one lane fits: 1 lane needs about"):
            choose_lanes([task], 10, execution, available=5000, cores=2)

    def test_is_not_limited_where_the_memory_is_not_known(self, task):
        asked = dataclasses.replace(TOGETHER, lanes=10**6)
        assert choose_lanes([task], 10**6, asked, available=None) == 10**6

    def test_the_check_of_a_metamer_is_counted_once_a_device_or_once_a_core(self):
        assert SMALL.on_device(1) == 100 + 40 + 60 + 80
        assert SMALL.on_device(2) == 100 + 2 * (40 + 60) + 80
        alone = SMALL._replace(together=False)
        assert alone.on_device(2) == 100 + 2 * (40 + 80)


class TestFitting:
    def test_happens_before_anything_is_compiled(self, problem, monkeypatch):
        monkeypatch.setattr(memory_module, "available_bytes", lambda: 1000)
        monkeypatch.setattr("jmetamer.metamers.methods.optimize.optimize.Synthesis", None)
        with pytest.raises(jm.InputError, match="not even one lane fits"):
            jm.generate(problem, count=2)

    def test_coordinates_that_fill_the_host_are_refused(self, task, monkeypatch):
        monkeypatch.setattr(memory_module, "available_host_bytes", lambda: 50_000_000)
        with pytest.raises(jm.InputError, match=r"`count` is 1,000,000: .* need about .* GB"):
            fit([task], 10**6)
        assert fit([task], 10**6, Execution(keep_theta=False)) >= 1

    def test_reads_free_memory_and_the_limit_of_a_container(self, tmp_path, monkeypatch):
        (tmp_path / "proc").mkdir()
        group = tmp_path / "sys/fs/cgroup"
        group.mkdir(parents=True)
        (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    4000 kB\n")
        assert memory_module.available_host_bytes(tmp_path) == 4_096_000
        (group / "memory.max").write_text("3000000\n")
        (group / "memory.current").write_text("1000000\n")
        assert memory_module.available_host_bytes(tmp_path) == 2_000_000
        (group / "memory.max").write_text("max\n")
        assert memory_module.available_host_bytes(tmp_path) == 4_096_000
        built_in = memory_module.available_host_bytes(tmp_path / "nothing")
        assert built_in >= memory_module.available_host_bytes() > 0
        monkeypatch.delattr("os.sysconf")
        assert memory_module.available_host_bytes(tmp_path / "nothing") is None


class TestBuffers:
    @pytest.mark.parametrize("execution", [TOGETHER, APART])
    def test_of_lanes_are_given_away(self, problem, adam, execution):
        task = task_of(problem, ADAM, optimizer=adam, steps=5)
        program, arrays = program_of(task, execution)
        data = arrays, limits_of(task)
        first = engine.fill(program, jnp.arange(2, dtype=jnp.int32), *data)
        second, _ = engine.advance(program, first, *data)
        place = np.zeros(1, np.int32)
        third = engine.refill(program, second, place, place + 7, *data)
        for old in (first, second):
            assert all(leaf.is_deleted() for leaf in jax.tree.leaves(old) if leaf.size)
        assert third.seed_id.tolist() == [7, 1]
        found = engine.advance.lower(program, third, *data).compile(USUAL).memory_analysis()
        assert found.alias_size_in_bytes >= tree_bytes(third)

    def test_theta_is_kept_only_where_it_is_wanted(self, problem, adam):
        given = {"count": 2, "steps": 5, "tolerance": 0.1, "optimizer": adam}
        kept = jm.generate(problem, **given)
        dropped = jm.generate(problem, **given, keep_theta=False)
        assert jax.tree.leaves(dropped.theta) == []
        np.testing.assert_array_equal(dropped.loss_hardened, kept.loss_hardened)
        with pytest.raises(jm.InputError, match="made with `keep_theta=False`"):
            jm.metamer_graph(problem, dropped, 0)
