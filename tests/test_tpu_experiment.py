"""What `experiments/tpu` reads from an optimized program, and that programs compile for TPUs."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "experiments" / "tpu"


@pytest.fixture(scope="module")
def optimized():
    spec = importlib.util.spec_from_file_location("tpu_optimized", FOLDER / "optimized.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROGRAM = """
%fused (p: f32[8,128]) -> f32[8,128] {
  %p = f32[8,128]{1,0:T(8,128)} parameter(0)
}

%inner (a: (s32[])) -> (s32[]) {
  %x = f32[8,128]{1,0:T(8,128)} parameter(0)
  %y = f32[8,128]{1,0:T(8,128)} add(%x, %x)
}

%body (b: (f32[3,100])) -> (f32[3,100]) {
  %b = (f32[3,100]{1,0:T(8,128)}) parameter(0)
  %first = f32[3,100]{1,0:T(8,128)} get-tuple-element(%b), index=0
  %near = f32[3,100]{1,0:T(8,128)S(1)} fusion(%first), kind=kLoop, calls=%fused
  %loop = (s32[]) while(%near), condition=%until, body=%inner
  %start = (f32[3,100]{1,0:T(8,128)S(1)}, f32[3,100]{1,0:T(8,128)}, u32[]) copy-start(%near)
  %there = f32[3,100]{1,0:T(8,128)S(1)} copy-done(%start)
  %sum = f32[] all-reduce(%there), to_apply=%add
  ROOT %out = (f32[3,100]) tuple(%there)
}

ENTRY %main (a: f32[3,100]) -> f32[3,100] {
  %a = f32[3,100]{1,0:T(8,128)} parameter(0)
  %w = (f32[3,100]) while(%a), condition=%until, body=%body
}
"""
TILE = 4 * 8 * 128


def test_arrays_take_whole_tiles_and_those_on_the_chip_nothing(optimized):
    text = "(f32[3,100]{1,0:T(8,128)}, bf16[4]{0:T(1024)}, pred[2,2]{0,1:T(8,128)S(1)})"
    assert optimized.array_bytes(text) == [TILE, 8, None]
    # The minor axis is named first.
    assert optimized.array_bytes("f32[9,100]{0,1:T(8,128)}") == [4 * 128 * 104]


def test_a_loop_moves_what_its_own_instructions_read_and_write_in_main_memory(optimized):
    # The fusion reads a tile, the copy writes one back; what lies on the chip costs nothing.
    assert optimized.outermost(PROGRAM) == {"body"}
    assert optimized.loop_bytes(PROGRAM) == 2 * TILE + 4
    assert optimized.num_inner_loops(PROGRAM) == 1
    assert optimized.num_collectives(PROGRAM) == 1
    assert optimized.loop_bytes("ENTRY %main () -> f32[] {\n}\n") == 0


@pytest.mark.slow
def test_a_program_of_each_kind_compiles_for_a_tpu(tmp_path):
    pytest.importorskip("libtpu", reason="extra `tpu-compile`")
    command = [sys.executable, str(FOLDER / "compile.py"), "--dataset", "karate", "--lanes", "8"]
    out = tmp_path / "results.json"
    for parts in (["features"], ["binary"], ["edges"]):
        run = [*command, "--parts", *parts, "--out", str(out)]
        subprocess.run(run, check=True, env=os.environ | {"JAX_PLATFORMS": "cpu"})
    results = json.loads(out.read_text())["results"]
    assert {one["part"] for one in results} == {"features", "binary", "edges"}
    assert all(one["compiles"] and one["collectives"] == 0 for one in results)
