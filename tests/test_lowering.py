"""Every compiled program of the package lowers for TPUs and for CUDA, without either."""

import ast
import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.compiled_programs import CompiledFunction, compile_function, recorded_calls
from jmetamer._base.platform import traced_for
from jmetamer.measures import deviations, match_values
from jmetamer.metamers.methods.exact import Point
from jmetamer.metamers.methods.exact.equations import Search
from jmetamer.oracles.enumeration import enumerate_losses
from jmetamer.sweep.command import main

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("tpu_programs", ROOT / "experiments/tpu/programs.py")
programs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(programs)

PARTS = {name: kind() for name, kind in jm.VARY.items() if name != "random_edges"} | {
    "features and edges": (jm.ContinuousFeatures(), jm.BinaryEdges()),
    "features, edges drawn": (jm.BinaryFeatures(), jm.RandomEdges()),
    "features and weights": (jm.ContinuousFeatures(), jm.EdgeWeights()),
}
# Compiled within functions, for functions that callers bring: all in float64 on the host.
WITHIN = {
    "geometry.jacobian": 1, "geometry.lanczos": 1, "geometry.of_problem.reference_point": 1,
    "geometry.operator": 4,
}  # fmt: skip
CONFIG = """
name: tiny
report: false
dataset: {sbm: {num_nodes: 40}}
model: {gcn: {hidden: 4}}
training: {epochs: 3}
metamers: {layer: conv1, count: 2, tolerance: 0.5, method: {optimize: {steps: 4}}}
recognition: {judges: [gcn], seeds: 1, controls: 1}
geometry: {nodes: 1}
"""
COLLECTIVE = re.compile(r"all[_-](reduce|gather|to[_-]all)|reduce[_-]scatter|collective|psum")


def lowered(call):
    """Lower a program for each platform: no float64, and nobody waits for another device."""
    for platform in ("tpu", "cuda"):
        text = call.lower(platform).as_text()
        assert "f64" not in text, call.name
        assert not COLLECTIVE.search(text), call.name


@pytest.fixture(scope="module")
def karate():
    return jm.load_dataset("karate")


def problem_of(karate, kind, vary=None, hidden=8):
    trained = jm.train(kind(hidden=hidden), karate, settings=jm.TrainSettings(epochs=0))
    return jm.Problem(trained, karate.graph, layer="conv1", vary=vary or jm.ContinuousFeatures())


@pytest.fixture(scope="module")
def searched(karate):
    """Calls of all programs that search, of each network and part that varies."""
    calls = {}
    for name, kind in jm.MODELS.items():
        for part, vary in PARTS.items():
            problem = problem_of(karate, kind, vary)
            with traced_for("tpu"):
                calls[name, part] = [*programs.programs_of(problem, 4)]
        # With room for few pairs, candidates are exchanged.
        few = jm.RelaxEdges(block=20, kicks=0)
        problem = problem_of(karate, kind, jm.BinaryEdges())
        with traced_for("tpu"):
            calls[name, "binary_edges"] += programs.programs_of(problem, 4, method=few)
    return calls


@pytest.fixture(scope="module")
def called(karate, tmp_path_factory):
    """Calls that were made: of a cell with all that is judged of it, exact methods, measures."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.yaml").write_text(CONFIG)
    problem = problem_of(karate, jm.GCN, hidden=4)
    with traced_for("tpu"), recorded_calls() as calls:
        assert main([str(folder / "tiny.yaml"), "--out", str(folder / "run")]) == 0
        for method in (jm.Walk(steps=1), jm.GaussNewton(steps=1), jm.MaxDistance(steps=1)):
            jm.generate(problem, 1, method=method)
        search = Search(Point(problem), dense=False)
        zero, base = np.zeros(search.map.num_inputs), search.map.base(karate.graph.nodes)
        search.around(karate.graph.nodes).steps(zero).remove_rows(zero)
        search.map.activations(zero, base)
        deviations(np.eye(4), np.ones((2, 4, 4)), "continuous")
        path = jm.make_graph(karate.graph.nodes[:3], [0, 1, 1, 2], [1, 0, 2, 1])
        enumerate_losses(jm.Problem(problem.trained, path, layer="conv1"))
        match_values(np.ones(3), np.ones((2, 3)))
        repelled = [*programs.repulsion_of(problem, 3)]
    return [*calls, *repelled]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("model", jm.MODELS)
def test_programs_that_search_lower_for_tpu_and_cuda(searched, model, part):
    for call in searched[model, part]:
        assert not call.on_host
        lowered(call)


def test_all_other_programs_lower_unless_they_run_in_float64_on_the_host(called, searched):
    tried = {call.name for calls in searched.values() for call in calls}
    others = {call.name: call for call in called if not call.on_host and call.name not in tried}
    assert "evaluation.panel._classes" in others
    for call in others.values():
        lowered(call)


def modules():
    for module in pkgutil.walk_packages(jm.__path__, "jmetamer."):
        if not module.name.endswith("__main__"):
            yield importlib.import_module(module.name)


def test_no_compiled_program_of_the_package_is_left_out(searched, called):
    own = {
        value.call().name
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, CompiledFunction)
    }
    tried = {call.name for calls in (called, *searched.values()) for call in calls}
    assert own - tried == set()


def test_programs_compiled_within_functions_are_those_of_the_host(called):
    counts = {}
    for path in sorted((ROOT / "jmetamer").rglob("*.py")):
        tree = ast.parse(path.read_text())
        inside = [
            node
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef)
            for outer in function.body
            for node in ast.walk(outer)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "compile_function"
        ]
        if inside:
            name = ".".join(path.relative_to(ROOT / "jmetamer").with_suffix("").parts)
            counts[name] = len({(node.lineno, node.col_offset) for node in inside})
    assert counts == WITHIN
    assert all(call.on_host for call in called if "<locals>" in call.name)


def test_a_program_that_waits_for_others_or_computes_in_float64_is_noticed():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("lane",))
    spec = jax.sharding.PartitionSpec("lane")

    @compile_function()
    def waits(x):
        return jax.shard_map(
            lambda y: jax.lax.psum(y, "lane"), mesh=mesh, in_specs=spec, out_specs=spec,
            check_vma=False,
        )(x)  # fmt: skip

    with pytest.raises(AssertionError, match="waits"):
        lowered(waits.call(jax.ShapeDtypeStruct((1,), np.float32)))
