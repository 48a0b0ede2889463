"""Lanes divided among eight devices: one device's results, and no device waits for another."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods.optimize.devices import LaneDevices

SCRIPT = Path(__file__).with_name("eight_devices.py")
COLLECTIVE = re.compile(
    r"all-reduce|all-gather|all-to-all|collective-permute|collective-broadcast|reduce-scatter"
)


@pytest.fixture(scope="module", params=["free", pytest.param("binary", marks=pytest.mark.slow)])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory, name):
    """What a process with eight virtual devices wrote."""
    folder = tmp_path_factory.mktemp("eight")
    root = str(Path(jm.__file__).parents[1])
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    changes = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": root}
    command = [sys.executable, str(SCRIPT), str(folder), name]
    done = subprocess.run(
        command, env={**os.environ, **changes}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def inside(folder):
    return json.loads((folder / "inside.json").read_text())


@pytest.fixture(scope="module")
def results(folder):
    """Name -> arrays of the seeds on eight devices, on one, and of few seeds on eight."""
    return {name: dict(np.load(folder / f"{name}.npz")) for name in ("8", "1", "few")}


class TestEightDevices:
    def test_take_the_same_steps_bit_by_bit_as_one_device(self, results):
        for name in ("status", "steps", "loss", "theta"):
            np.testing.assert_array_equal(results["8"][name], results["1"][name], err_msg=name)
        # Lanes ended at different looks, so that they were filled again at different times.
        assert len(set(results["8"]["steps"].tolist())) > 1

    def test_judge_as_one_device_up_to_rounding(self, results):
        for name in ("hardened", "match", "nodes"):
            np.testing.assert_allclose(
                results["8"][name], results["1"][name], rtol=1e-5, atol=1e-6, err_msg=name
            )

    def test_share_lanes_among_problems_as_one_device(self, folder, name):
        if name != "free":
            pytest.skip("once is enough")
        found, expected = (dict(np.load(folder / f"shared-{n}.npz")) for n in (8, 1))
        np.testing.assert_array_equal(found["rows"][:, :2], expected["rows"][:, :2])
        assert set(found["rows"][:, 0]) == {0, 1}
        for key in ("rows", "nodes"):
            np.testing.assert_allclose(found[key], expected[key], rtol=1e-3, atol=1e-4)

    def test_with_more_lanes_than_seeds_leave_lanes_idle_and_report_only_the_seeds(self, results):
        # Sixteen lanes for eleven seeds; that no other seed is reported is asserted over there.
        for name, few in results["few"].items():
            np.testing.assert_array_equal(few, results["8"][name][:11], err_msg=name)

    def test_give_the_metamers_of_a_process_with_one_device(self, folder, name):
        found = np.load(folder / "public.npz")
        specification = importlib.util.spec_from_file_location("eight_devices", SCRIPT)
        script = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(script)
        task = script.tasks()[name]
        assert len(jax.local_devices()) == 1
        here = script.public_of(task)
        np.testing.assert_array_equal(found["status"], here.status)
        np.testing.assert_array_equal(found["steps_used"], here.steps_used)
        # Compiled for a batch or for one lane, sums are taken in another order, and a descent over
        # many steps carries the rounding on.
        np.testing.assert_allclose(found["loss_hardened"], here.loss_hardened, rtol=1e-2)
        for i in range(len(script.SEEDS)):
            nodes = jm.metamer_graph(task.problem, here, i).nodes
            assert np.linalg.norm(found["nodes"][i] - nodes) < 1e-2 * np.linalg.norm(nodes)


class TestTheCompiledProgram:
    @pytest.mark.parametrize("part", ["advance", "refill", "take"])
    def test_holds_no_collective(self, inside, part):
        assert COLLECTIVE.findall(inside["texts"][part]) == []

    def test_of_a_sum_over_lanes_would_be_noticed(self, inside):
        assert COLLECTIVE.search(inside["texts"]["control"])

    def test_runs_on_all_devices(self, inside):
        assert "num_partitions=8" in inside["texts"]["advance"].splitlines()[0]

    def test_keeps_lanes_where_they_are_and_gives_their_buffers_on(self, inside):
        assert inside["divided"]
        assert inside["donated"]

    def test_starts_the_new_seeds_in_the_first_lane_of_every_device(self, inside):
        assert inside["seeds"] == [99 if lane % 2 == 0 else lane for lane in range(16)]


class TestLaneDevices:
    """The arithmetic of places, with stand-ins for devices."""

    def devices(self, count):
        return LaneDevices(tuple(f"device {i}" for i in range(count)))

    @pytest.mark.parametrize(("count", "lanes", "padded"), [(1, 5, 5), (4, 1, 4), (4, 9, 12)])
    def test_pad_to_a_multiple(self, count, lanes, padded):
        assert self.devices(count).padded(lanes) == padded

    def test_group_ended_lanes_with_a_few_of_every_device_at_most(self):
        # Twelve lanes on four devices: 0-2, 3-5, 6-8, 9-11.
        ended = [0, 1, 4, 9, 10, 11]
        assert self.devices(4).groups(ended, 12, size=1) == [
            [[0], [4], [], [9]],
            [[1], [], [], [10]],
            [[], [], [], [11]],
        ]
        assert self.devices(4).groups(ended, 12, size=2) == [
            [[0, 1], [4], [], [9, 10]],
            [[], [], [], [11]],
        ]

    def test_of_nothing_make_no_group(self):
        assert self.devices(4).groups([], 12, size=2) == []

    def test_count_places_from_the_first_lane_of_each_device(self):
        # What is out of range is not meant: nothing is written there.
        found = self.devices(4).local([[0], [4], [], [11, 10]], 12, size=2)
        assert found.tolist() == [0, 3, 1, 3, 3, 3, 2, 1]

    def test_of_one_leave_arrays_and_functions_as_they_are(self):
        one, array = LaneDevices(), np.zeros(3)
        assert one.replicated(array) is array
        assert one.each(max) is max
