"""Time to a verified metamer: one table and a JSON file; see README.md.

python experiments/benchmark/benchmark.py
python experiments/benchmark/benchmark.py --seeds 1 16 256 --budget 120 --isolate
python experiments/benchmark/benchmark.py --torch --models gcn --vary continuous --seeds 64
python experiments/benchmark/benchmark.py --ten-thousand
python experiments/benchmark/benchmark.py --ten-thousand --count 1000 --layers conv1 logits
"""

import argparse
import functools
import importlib.util
import itertools
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comparison
import machine
import table
import ten_thousand
from bandwidth import measured_bandwidth
from entries import VARIED, Entry, Limits, expected_seconds, measure, not_measured

import jmetamer as jm

_SEEDS_ON_CPU, _SEEDS_ON_ACCELERATOR = (1, 16), (1, 16, 256, 4096)
_BUDGET_ON_CPU, _BUDGET_ON_ACCELERATOR = 30.0, 120.0
_TOTAL_ON_CPU, _TOTAL_ON_ACCELERATOR = 570.0, math.inf


def main() -> None:
    options = _parser().parse_args()
    with machine.Workplace(options.isolate) as workplace:
        report = workplace.call(machine.described) | {"entries": [], "comparison": None}
        on_cpu = report["backend"] == "cpu"
        report["bandwidth"] = workplace.call(measured_bandwidth, options.bandwidth_entries)
        seeds = options.seeds or (_SEEDS_ON_CPU if on_cpu else _SEEDS_ON_ACCELERATOR)
        budget = options.budget or (_BUDGET_ON_CPU if on_cpu else _BUDGET_ON_ACCELERATOR)
        total = options.total or (_TOTAL_ON_CPU if on_cpu else _TOTAL_ON_ACCELERATOR)
        report["settings"] = {"dataset": options.dataset, "seeds": list(seeds), "budget": budget}
        report["settings"]["total"] = total if math.isfinite(total) else None
        save = functools.partial(_save, report, options.out)
        if options.ten_thousand:
            _run_ten_thousand(options, workplace, report, save)
        else:
            _run_entries(options, workplace, report, Limits(budget, options.lanes), total, save)
            table.print_entries(report)
        if options.torch:
            _run_comparison(options, workplace, report, save)
        save()
    print(f"written: {options.out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="cora", help="a name of jmetamer.DATASETS")
    parser.add_argument(
        "--models", nargs="+", default=list(jm.MODELS), choices=list(jm.MODELS), type=_model
    )
    parser.add_argument("--layers", nargs="+", default=["conv1", "logits"])
    parser.add_argument("--vary", nargs="+", default=list(VARIED), choices=list(VARIED))
    parser.add_argument(
        "--seeds", nargs="+", type=int, help="default 1 16, on accelerators 1 16 256 4096"
    )
    parser.add_argument("--lanes", type=int, help="metamers at once; default: the library's choice")
    parser.add_argument(
        "--budget", type=float, help="seconds for one tolerance of an entry; default 30, or 120"
    )
    parser.add_argument(
        "--total", type=float, help="seconds for all entries; default 570, on accelerators no end"
    )
    parser.add_argument(
        "--isolate", action="store_true", help="each entry in a process of its own: clean memory"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark.json"))
    parser.add_argument("--bandwidth-entries", type=int, help="length of the arrays of the triad")
    parser.add_argument("--torch", action="store_true", help="compare with PyTorch, in turn")
    parser.add_argument("--torch-model", default="gcn", choices=list(jm.MODELS), type=_model)
    parser.add_argument("--torch-seeds", type=int, default=64, help="of jmetamer and batched")
    parser.add_argument("--plain-seeds", type=int, default=3)
    parser.add_argument("--strongest-seeds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2, help="turns of the comparison")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of the comparison")
    parser.add_argument(
        "--ten-thousand", action="store_true", help="one long job instead of the table"
    )
    parser.add_argument("--count", type=int, default=10_000, help="metamers of --ten-thousand")
    return parser


def _model(name: str) -> str:
    return {"sage": "graphsage"}.get(name, name)


def _run_entries(
    options: argparse.Namespace,
    workplace: machine.Workplace,
    report: dict[str, Any],
    limits: Limits,
    total: float,
    save: Callable[[], None],
) -> None:
    """Measure all entries, those of real features first: they are what most people make."""
    begin, bandwidth = time.perf_counter(), report["bandwidth"]["best"]
    for vary, model, layer in itertools.product(options.vary, options.models, options.layers):
        smaller: list[dict[str, Any]] = []
        for number in sorted(report["settings"]["seeds"]):
            entry, start = Entry(model, layer, vary, number), time.perf_counter()
            if start - begin > total:
                found = not_measured(entry, f"the budget of {total:g} s for all entries is spent")
            else:
                arguments = options.dataset, entry, limits, bandwidth, smaller[-1:]
                found = workplace.call(_entry, *arguments)
            smaller.append(found)
            report["entries"].append(found)
            seconds = time.perf_counter() - start
            print(f"{entry.title}: {seconds:.1f} s", file=sys.stderr, flush=True)
            save()


def _entry(
    dataset: str, entry: Entry, limits: Limits, bandwidth: float, smaller: list[dict[str, Any]]
) -> dict[str, Any]:
    """Measure one entry; a function of the module, so that another process can find it."""
    trained, data = machine.trained_model(dataset, entry.model)
    expected = expected_seconds(smaller, entry.seeds)
    return measure(entry, trained, data.graph, limits, bandwidth, expected)


def _run_ten_thousand(
    options: argparse.Namespace,
    workplace: machine.Workplace,
    report: dict[str, Any],
    save: Callable[[], None],
) -> None:
    report["ten_thousand"] = []
    for model in options.models if options.models != list(jm.MODELS) else ["gcn"]:
        for layer in options.layers:
            found = workplace.call(_long_job, options, model, layer, report["bandwidth"]["best"])
            report["ten_thousand"].append(found)
            print(ten_thousand.sentence(found), flush=True)
            save()


def _long_job(
    options: argparse.Namespace, model: str, layer: str, bandwidth: float
) -> dict[str, Any]:
    trained, data = machine.trained_model(options.dataset, model)
    problem = jm.Problem(trained, data.graph, layer=layer)
    return ten_thousand.run(
        problem, model, options.count, options.tolerance, options.lanes, bandwidth
    )


def _run_comparison(
    options: argparse.Namespace,
    workplace: machine.Workplace,
    report: dict[str, Any],
    save: Callable[[], None],
) -> None:
    missing = [name for name in ("torch", "torch_geometric") if not importlib.util.find_spec(name)]
    if missing:
        reason = f"{' and '.join(missing)} not installed (extra `parity`)"
        report["comparison"] = {"skipped": reason}
        print(f"comparison with PyTorch skipped: {reason}")
        return
    report["comparison"] = []
    for layer in options.layers:
        found = workplace.call(_compare, options, layer)
        report["comparison"].append(found)
        table.print_comparison(found)
        save()


def _compare(options: argparse.Namespace, layer: str) -> dict[str, Any]:
    trained, data = machine.trained_model(options.dataset, options.torch_model)
    counts = {
        "jmetamer": options.torch_seeds,
        "plain": options.plain_seeds,
        "batched": options.torch_seeds,
        "strongest": options.strongest_seeds,
    }
    problem = jm.Problem(trained, data.graph, layer=layer)
    return comparison.compare(problem, options.tolerance, counts, options.rounds, options.lanes)


def _save(report: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(json.dumps(report, indent=1, allow_nan=False, default=str) + "\n")
    draft.replace(path)


if __name__ == "__main__":
    main()
