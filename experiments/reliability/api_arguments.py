"""Every public function, constructor and method, given arguments it does not take; see README.md.

python experiments/reliability/api_arguments.py --cases 3000

The calls are made of the signatures: of each callable of the public modules all arguments are right
but one, which hypothesis draws. A call must return, or raise an error of jmetamer; what no
annotation allows (an object of no meaning, a class, a list of either) must be refused, and the
message must name the argument. Prints counts; exit code 1 otherwise.
"""

import argparse
import enum
import importlib
import inspect
import itertools
import os
import sys
import tempfile
import typing
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as drawn_from
from hypothesis import strategies as st

import jmetamer as jm
from jmetamer import geometry, measures, models, results
from jmetamer._base.errors import JmetamerError, shortened
from jmetamer.geometry.of_problem import representation
from jmetamer.graphs.pairs import Flips, Pairs
from jmetamer.metamers.methods import Execution, Task

MODULES = (
    "jmetamer",
    *(
        f"jmetamer.{name}"
        for name in (
            "graphs", "models", "geometry", "geometry.of_problem", "measures", "metamers",
            "results", "evaluation", "report", "report.leaderboard",
        )
    ),
)  # fmt: skip
# Made by functions, never by hand: pytrees and records that hold whatever JAX puts into them.
UNCHECKED_ARGUMENTS = {"params", "point", "args", "options", "arguments", "changes", "arrays"}
UNCHECKED_ARGUMENTS |= {"tasks"}
# Old names, and what flax calls inside `apply`.
UNCHECKED = {"unseen_harm", "Convolution.multiply", "Network.__call__"}
UNCHECKED |= {"Convolution.aggregates_first", "Convolution.structure"}
# What the loop gives to a loss.
UNCHECKED |= {"Cosine.objective", "Weighted.objective", "Weighted.check"}
# Of methods, what takes arguments that the method itself has made.
UNCHECKED |= {f"{kind.__name__}.graph" for kind in jm.METHODS.values()}
UNCHECKED |= {
    f"{kind.__name__}.{part}"
    for name, kind in jm.METHODS.items()
    for part in ("prepare", "make")
    if name != "color_swaps"
}
UNCHECKED |= {f"{name}.convolution" for name in ("GAT", "GCN", "GIN", "GraphSAGE", "Network")}


class Meaningless:
    """No argument of anything."""


WRONG = (Meaningless(), Meaningless, [Meaningless()])


class Case(NamedTuple):
    """One public callable with arguments that are right."""

    name: str
    call: Callable[..., Any]
    given: dict[str, Any]
    hints: dict[str, Any]


def world(folder: Path) -> dict[str, Any]:
    """Return what the arguments are made of, by the names that arguments have."""
    data = jm.load_dataset("karate")
    trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
    problem = jm.Problem(trained, data.graph, layer="conv1")
    graph, key = data.graph, jax.random.key(0)
    matrix = np.arange(6.0).reshape(2, 3) + np.eye(2, 3)
    classes, rows = np.array([0, 1, 1, 0]), np.arange(12.0).reshape(4, 3)
    operator = jm.jacobian_operator(problem, of=0, inputs="node")
    spectrum = geometry.spectrum_of(matrix)
    edges = measures.edge_set(graph)
    store = results.RunStore(folder / "run")
    reference = results.make_reference(
        np.eye(2), np.array([0]), np.array([1]), np.ones(1), np.zeros(2, int), {}
    )
    variable = results.Variable(("seed",), np.zeros(2))
    hashed = results.hash_settings({"a": 1})
    record = results.Record(
        {"a": 1}, hashed, {"loss": variable}, {}, {"CONVERGED": 2}, {}, reference.digest
    )
    found = {
        "data": data, "dataset": data, "trained": trained, "problem": problem, "whole": problem,
        "problems": [problem], "graph": graph, "reference": graph, "key": key, "layer": "conv1",
        "metamers": jm.generate(problem, 2, tolerance=1e-2), "index": 0, "count": 1, "seeds": [0],
        "nodes": [0, 1], "hops": 1, "model": jm.GCN(hidden=4), "settings": jm.TrainSettings(),
        "folder": str(folder / "out"), "path": folder / "out.npz", "source": "karate",
        "senders": [0, 1], "receivers": [1, 0], "labels": data.labels, "num_nodes": 40,
        "num_edges": 200, "feature_kind": "continuous", "architecture": "gcn",
        "reference_features": rows, "metamer_features": rows[None] + 1, "name": "adam",
        "a": np.arange(34.0), "b": np.ones(34), "values": np.arange(34.0), "input_std": 1.0,
        "noise_std": 1.0, "jacobian": matrix, "log_derivatives": np.zeros(2), "rank": 1,
        "preactivation": np.ones(2), "jacobian_pre": matrix, "spectrum_pre": spectrum,
        "log_derivative": geometry.log_derivative("relu"), "function": jnp.sin, "x": np.ones(2),
        "x64": True, "spectra": [spectrum], "spectrum": spectrum, "changes": [],
        "cumulative": [matrix, matrix], "num_inputs": 3, "num_outputs": 2, "size": 3,
        "matvec": operator.matvec, "rmatvec": operator.rmatvec, "operator": lambda x: x,
        "project": lambda x: x, "vector": np.ones(3), "matrix": np.ones((3, 1)),
        "input_norm": 1.0, "output_norm": 1.0, "theta_norm": 1.0, "eps": 0.1,
        "ledger": geometry.rank_ledger([matrix, matrix]), "num_features": 3,
        "rank_propagation": 1, "rank_weight": 1, "reference_classes": classes,
        "metamer_classes": classes, "reference_logits": jnp.asarray(rows),
        "metamer_logits": jnp.asarray(rows), "agreement": 0.5, "chance": 0.1,
        "distances": np.zeros((2, 2)),
        "errors": jnp.ones(4), "outcome": classes, "same_class": classes == 0,
        "reference_labels": classes, "metamer_labels": classes, "edges": edges, "kinds": "features",
        "others": rows[None], "num_pairs": 2, "relative_error": jnp.ones(3), "metamer": rows,
        "measures": [], "facts": measures.Facts(), "squared_error": np.ones(2),
        "worst_node_error": np.ones(2), "tolerance": 0.1, "worst_node_tolerance": 0.1,
        "kappa": {"a": np.ones((2, 3))}, "own": "a", "maker_seeds": [0, 1],
        "judge_seeds": {"a": [0, 1, 2]},
        "flips": Flips(Pairs(np.array([0]), np.array([1])), np.array([True])),
        "exceedances": 1, "num_draws": 9, "rows": [{"seed": 0, "f": 1, "y": 1.0, "c": 1.0}],
        "factors": {"f": (1, 2)}, "factor": "f", "covariate": "c",
        "named_arrays": [("a", np.ones(2))],
        "record": record, "successes": 1, "total": 2, "p_values": [0.1], "weight": np.ones(1),
        "attrs": {}, "observed": 1.0, "null": np.ones(3), "differences": np.ones(3), "judges": [],
        "cell": "none", "cell_id": "0123", "cell_ids": ["0123"], "traceback_text": "none",
        "text": "none", "runs": [], "folders": [str(folder / "run")], "page": folder / "page.html",
        "cells": [], "run_folder": folder / "run", "settings_hash": hashed,
        "variables": {"loss": variable}, "scalars": {}, "status_counts": {"CONVERGED": 1},
        "provenance": {}, "digest": reference.digest, "scores": {"test": 0.5}, "seed": 0,
        "dataset_digest": "00", "radius": 1, "node_ids": np.arange(3), "outcomes": "y",
        "sha256": "", "licence": "", "citation": "", "null_": "", "low": 0.0, "high": 1.0,
        "symmetric": True, "applies_to": ("continuous",), "permutation": "joint", "formula": "",
        "num_classes": 2, "train_mask": data.train_mask, "val_mask": data.val_mask,
        "test_mask": data.test_mask, "factor_": 1.0, "up_to": 0, "recipe": "r",
        "dataset_settings": {}, "recipe_settings": {}, "notes": (), "programs": None,
        "coordinates": "inputs", "names": ("features",), "pool": None, "places": np.arange(3),
        "basis": None, "check": True, "move": np.ones(3), "features": jnp.ones((2, 3)),
        "theta": jnp.asarray(graph.nodes), "rate": jnp.float32(0.1), "steps": jnp.int32(5),
        "params": trained.params, "point": np.ones(2), "args": (), "entry": None,
        "tasks": [Task(problem, 0, jm.default_method(problem), 0.1)], "seed_ids": [0],
        "execution": Execution(), "seed_id": 0,
    }  # fmt: skip
    objects = {"operator": operator, "store": store, "trained": trained}
    return found | {"_objects": objects, "_own": own_arguments(found, reference, operator)}


def own_arguments(found: dict[str, Any], reference: Any, operator: Any) -> dict[str, Any]:
    """Return what single callables mean by a name that means something else to most."""
    problem, graph, rows = found["problem"], found["graph"], found["metamer"]
    matrices = ("mmd_p_value", "null_test", "relative_squared_error", "node_errors", "random_flips")
    matrices = (*matrices, "random_displacement", "worst_node_error", "match_values")
    pairs_of = ("wl_distance", "tree_movers_distance", "graph_edit_distance", "cut_norm")
    pairs_of = (*pairs_of, "folklore_wl_distance")
    edges, array = found["edges"], jnp.asarray(rows)
    swaps, key = jm.ColorSwaps(swaps=2), found["key"]
    block = jm.load_dataset("csbm", num_nodes=34).block_model
    binary = jm.BinaryFeatures().encode(graph)
    near = jm.local_problem(jm.Problem(problem.trained, graph, "conv1", nodes=[0]))
    moved = jm.Problem(problem.trained, graph, "conv1", jm.BinaryEdges(), nodes=[0, 1])
    moving = {"problem": moved, "tasks": [Task(moved, 0, jm.default_method(moved), 0.1)]}
    edge_methods = ("RelaxEdges", "SwapSearch", "ColorSwaps")
    of_edges = ("for_problem", "longest", "memory", "run", "begins", "starts")
    residual = {name: jnp.ones((2, 3)) for name in ("pre", "post", "target")}
    mapping = {"settings": {"a": 1}, "reference": "00"}
    return {
        **{name: {"reference": array, "metamer": array} for name in matrices},
        "null_test": {"reference": rows, "metamers": rows[None]},
        **{f"{kind}.{part}": moving for kind in edge_methods for part in of_edges},
        **{name: {"reference": edges, "metamer": edges} for name in pairs_of},
        **{f"BinaryFeatures.{name}": {"theta": binary} for name in BINARY},
        **{f"{name}.residual": residual for name in RESIDUALS},
        **{name: {"width": 4} for name in ("Convolution",)},
        "adjusted_effect": {"outcome": "y"}, "factorial_effects": {"outcome": "y"},
        "edge_deviations": {"metamers": [graph]}, "edge_diversity": {"metamers": [graph, graph]},
        "Record": mapping, "unlike_own_judges": mapping, "settings_unlike_own_judges": mapping,
        "RunStore.write_failure": mapping, "RunStore.write_reference": {"reference": reference},
        "PartialCell.save": {"arrays": {}}, "rate_interval": {"successes": [1], "totals": [2]},
        "bayes_labels": {"model": block, "labels": np.zeros(34, int)},
        "TrainedModel": {"dataset": "karate"}, "Board": {"dataset": "karate", "rows": ()},
        "Representation": {"programs": operator._programs, "point": np.ones(3), "args": ()},
        "JacobianOperator": {"programs": geometry.JacobianPrograms(jnp.sin), "point": np.ones(3)},
        "Measure": {"chance": len, "null": "permuted"}, "Estimate.scaled": {"factor": 2.0},
        "LocalProblem": {"local": near.local}, "Dataset": {"provenance": found["data"].provenance},
        "Repel": {"weight": 0.5}, "RelaxEdges.filled_for": {"problem": moved},
        "ColorSwaps.make": {"space": swaps.prepare(problem), "key": key},
        "EdgeWeights.decode": {"theta": jm.EdgeWeights().encode(graph)},
        "EdgeWeights.project": {"theta": jm.EdgeWeights().encode(graph)},
        "hash_settings": mapping, "default_settings": {"architecture": "gcn"},
        "log_derivative": {"name": "relu"}, "pad_graph": {"num_nodes": 40, "num_edges": 200},
        "RunStore.partial": {"cell_id": "0123"}, "Network.nonlinearity": {"layer": "conv1"},
    }  # fmt: skip


RESIDUALS = ("RelativeSquared", "Complementarity", "Weighted")
BINARY = ("decode", "harden", "penalty", "project")


def owners(values: dict[str, Any]) -> dict[str, Any]:
    """Return an instance of each public class whose methods are called."""
    problem, things = values["problem"], values["_objects"]
    edges = jm.Problem(values["trained"], values["graph"], "conv1", jm.BinaryEdges(), nodes=[0, 1])
    return {
        "BinaryEdges": jm.BinaryEdges(), "BinaryFeatures": jm.BinaryFeatures(), "Box": jm.Box(),
        "Complementarity": jm.Complementarity(),
        "ContinuousFeatures": jm.ContinuousFeatures(), "EdgeWeights": jm.EdgeWeights(),
        "RandomEdges": jm.RandomEdges(),
        "AdversarialPerturbation": jm.AdversarialPerturbation(),
        "RandomPerturbation": jm.RandomPerturbation(),
        "Free": jm.Free(), "GAT": jm.GAT(), "GCN": things["trained"].model, "GIN": jm.GIN(),
        "GraphSAGE": jm.GraphSAGE(), "GlobalNoise": jm.GlobalNoise(),
        "NonNegative": jm.NonNegative(),
        "LocalProblem": jm.local_problem(edges), "Network": things["trained"].model,
        "Optimizer": jm.Optimizer("adam", 0.1), "PerFeatureNoise": jm.PerFeatureNoise(),
        "PermutedRows": jm.PermutedRows(), "Problem": problem,
        "RelativeSquared": jm.RelativeSquared(), "Weighted": jm.Weighted(),
        "RunStore": things["store"], "TrainedModel": things["trained"],
        "JacobianOperator": things["operator"],
        "Representation": representation(problem, of=0, inputs="node"),
        "PartialCell": things["store"].partial("0123"), "Run": results.Run(things["store"].folder),
        "Measure": next(iter(jm.MEASURES.values())),
        "JacobianPrograms": geometry.JacobianPrograms(jnp.sin),
        "Estimate": geometry.Estimate(1.0, 0.1, 0.0, 4, 4, geometry.EstimateStatus(0)),
        "Repel": jm.Repel(0.5),
        **{kind.__name__: kind() for kind in models.PERTURBATIONS.values()},
        **{kind.__name__: kind() for name, kind in jm.METHODS.items() if name != "repel"},
    }  # fmt: skip


def public_callables() -> Iterator[tuple[str, Any, str]]:
    """Return (name, object, class it is a method of) for all that the public modules export."""
    seen: set[int] = set()
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            value = getattr(module, name)
            if not callable(value) or id(value) in seen or name in UNCHECKED:
                continue
            seen.add(id(value))
            if not inspect.isclass(value):
                if inspect.isfunction(inspect.unwrap(value)):
                    yield name, value, ""
                continue
            if getattr(value, "_is_protocol", False) or issubclass(value, Exception | enum.Enum):
                continue
            if not issubclass(value, tuple) and value.__module__.startswith("jmetamer"):
                yield name, value, ""
            for method, function in vars(value).items():
                inner = getattr(function, "__func__", function)
                public = not method.startswith("_") or method == "__call__"
                if public and inspect.isfunction(inner) and f"{name}.{method}" not in UNCHECKED:
                    yield f"{name}.{method}", method, name


def cases(values: dict[str, Any]) -> list[Case]:
    """Return every public callable for which right arguments are known."""
    instances, made = owners(values), []
    for name, target, owner in public_callables():
        if owner and owner not in instances:
            continue
        call = getattr(instances[owner], target) if owner else target
        parameters = inspect.signature(call).parameters.values()
        inner = call.__init__ if inspect.isclass(call) else inspect.unwrap(call)
        spaces = getattr(inspect.unwrap(inner), "__globals__", {})
        named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        named = [p for p in named if p.name not in ("parent",)]
        hints = {p.name: _resolved(p.annotation, spaces) for p in named}
        own = values["_own"].get(name.removeprefix("_"), {})
        needed = [p.name for p in named if p.default is p.empty]
        right = {argument: own.get(argument, values.get(argument)) for argument in needed}
        made.append(Case(name, call, right, hints))
    return made


def _resolved(annotation: Any, spaces: dict[str, Any]) -> Any:
    try:
        holder = type("holder", (), {"__annotations__": {"it": annotation}})
        return typing.get_type_hints(holder, spaces, include_extras=True)["it"]
    except NameError:
        return Any


def refuses_anything(case: Case, argument: str) -> bool:
    """Return whether an argument has a meaning, so that what has none must be refused."""
    hint = case.hints[argument]
    open_to_all = hint in (Any, object) or argument in UNCHECKED_ARGUMENTS
    return not open_to_all and not isinstance(hint, typing.TypeVar)


def problem_with(case: Case, argument: str, value: Any, *, must_fail: bool) -> str:
    """Call with one argument replaced; return what is wrong with what came, or no text."""
    told = f"{case.name}({argument}={_shown(value)})"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case.call(**{**case.given, argument: value})
    except JmetamerError as error:
        known = not must_fail or argument in str(error)
        return "" if known else f"{told}: does not name the argument: {shortened(str(error))}"
    except (NotImplementedError, MemoryError):  # of an architecture without; of the machine
        return ""
    except Exception as error:
        return f"{told}: {type(error).__name__}: {shortened(str(error))}"
    return f"{told}: accepted" if must_fail else ""


def _shown(value: Any) -> str:
    return "Meaningless()" if isinstance(value, Meaningless) else shortened(value, 60)


def wrong_calls(made: list[Case]) -> Iterator[tuple[Case, str, Any]]:
    """Return the calls that must be refused: each argument of each callable, each wrong value."""
    for case, value in itertools.product(made, WRONG):
        for argument in filter(lambda name: refuses_anything(case, name), case.hints):
            function_taken = value is Meaningless and "Callable" in str(case.hints[argument])
            if not function_taken:
                yield case, argument, value


DRAWN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-3, 3),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.complex_numbers(),
    st.lists(st.one_of(st.integers(-3, 40), st.text(max_size=2), st.floats()), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from([
        *WRONG, {1}, (1, 2), range(3), np.int64(1), np.float32(0.5), np.bool_(True), np.arange(3),
        np.array(["a"]), np.array([object()]), np.eye(2), np.zeros(0), np.full(3, np.nan),
        np.datetime64("2020"), jm.GCN, jm.Status.CONVERGED, 10**400, "0", "3",
    ]),
    st.builds(lambda: jnp.int32(1)),
    st.builds(lambda: jax.random.key(0)),
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0, help="other draws")
    options = parser.parse_args()
    asked = options.cases
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        made = cases(world(Path(folder)))
        faults = [
            fault
            for case, argument, value in wrong_calls(made)
            if (fault := problem_with(case, argument, value, must_fail=True))
        ]
        number = sum(1 for _ in wrong_calls(made))
        print(f"{len(made)} callables, {number} calls that must be refused, {len(faults)} were not")
        found = drawn_faults(made, asked, options.seed)
    for fault, times in Counter(faults + found).most_common():
        print(f"    {times} times {fault}")
    print(f"{number + asked} calls, {len(faults) + len(found)} with anything wrong")
    return int(bool(faults or found))


def drawn_faults(made: list[Case], number: int, seed: int = 0) -> list[str]:
    """Draw callables, arguments and values; return what was wrong."""
    places = [(case, argument) for case in made for argument in case.hints]
    found: list[str] = []

    @drawn_from(seed)
    @settings(
        max_examples=number, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.integers(0, len(places) - 1), DRAWN)
    def one(place: int, value: Any) -> None:
        case, argument = places[place]
        if argument not in UNCHECKED_ARGUMENTS:
            fault = problem_with(case, argument, value, must_fail=False)
            if fault:
                print(fault, flush=True)
                found.append(fault)

    one()
    return found


if __name__ == "__main__":
    sys.exit(main())
