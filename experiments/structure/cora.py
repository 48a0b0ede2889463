"""Structure metamers of Cora, features fixed, against straight-through top-k; see README.md.

python experiments/structure/cora.py --out experiments/structure/cora.json
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from straight_through import Found, straight_through

import jmetamer as jm
from jmetamer.measures.edge_set import edge_set
from jmetamer.measures.structure import edge_jaccard_distance
from jmetamer.metamers.check import Judge
from jmetamer.metamers.methods import Task
from jmetamer.metamers.methods.relax_edges import programs
from jmetamer.metamers.methods.relax_edges.flip_rounds import length_of_list
from jmetamer.metamers.methods.relax_edges.hard_graph import edges_theta, graph_of_theta
from jmetamer.metamers.methods.relax_edges.hardening import Hardened
from jmetamer.metamers.methods.relax_edges.plan import numbers_of, plan_of
from jmetamer.results.statistics import clopper_pearson_interval, median_interval

FLIPS = 5000  # of single pairs after rounding, ours alone
AIM = 1e-6  # L_act at which a search may end
TOLERANCES = (1e-2, 1e-3, 1e-4)  # at which successes are counted
COLUMNS = ("model", "targets", "layer", "start", "seeds", "best", "median", "relaxed", "gap")
COLUMNS += ("jaccard", "baseline", "with_flips", "ratio", "seconds")


def main() -> None:
    arguments = _parser().parse_args()
    out = Path(arguments.out)
    report = json.loads(out.read_text()) if out.exists() else {"runs": [], "tuning": []}
    report |= _circumstances(arguments)
    data = jm.load_dataset(arguments.dataset)
    settings = jm.TrainSettings(epochs=arguments.epochs) if arguments.epochs else None
    networks = {
        name: jm.train(jm.MODELS[name](hidden=arguments.hidden), data, settings=settings)
        for name in arguments.models
    }
    for seed in range(arguments.seeds):
        for name, trained in networks.items():
            for number in arguments.targets:
                at = {"model": name, "targets": number, "layer": arguments.layer}
                at |= {"start": arguments.start, "steps": arguments.steps}
                problem = _problem(trained, data, number, arguments)
                tuned = _tuned(problem, at, report, arguments)
                out.write_text(json.dumps(report, indent=1))
                key = at | {"seed": seed}
                if any(row | key == row for row in report["runs"]):
                    continue
                method = _method(_refill(name, arguments), arguments)
                run = _run(problem, method, tuned, seed, arguments)
                report["runs"].append(key | run)
                print(report["runs"][-1], flush=True)
                out.write_text(json.dumps(report, indent=1))
    report["rows"] = _rows(report["runs"])
    out.write_text(json.dumps(report, indent=1))
    for line in _table(report["rows"]):
        print(line)


def _refill(name: str, arguments: Any) -> str:
    """Return how our search finds candidates: what was better for each network; see README.md."""
    return arguments.refill or {"gcn": "gradient"}.get(name, "near")


def _tuned(problem: jm.Problem, at: dict[str, Any], report: Any, arguments: Any) -> dict[str, Any]:
    """Return the best settings for the baseline; tried once for each problem."""
    if not any(row | at == row for row in report["tuning"]):
        report["tuning"] += [at | row for row in _tuning(problem, arguments)]
    mine = (row for row in report["tuning"] if row | at == row)
    return min(mine, key=lambda row: row["loss"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="cora")
    parser.add_argument("--models", nargs="+", default=["gcn", "gin"], choices=list(jm.MODELS))
    parser.add_argument("--targets", nargs="+", type=int, default=[10, 100])
    parser.add_argument("--target-seed", type=int, default=1, help="of the draw of target nodes")
    parser.add_argument("--layer", default="logits")
    parser.add_argument("--start", default="noise", choices=["noise", "reference"])
    parser.add_argument("--distance", type=float, default=0.2, help="of a walk from the reference")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=400, help="of both, for every seed")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=None, help="of training; None: the default")
    parser.add_argument("--refill", default=None, help="how our search finds candidates")
    parser.add_argument("--flipped", type=int, default=8, help="seeds of `top-k and our flips`")
    parser.add_argument("--rates", nargs="+", type=float, default=[0.05, 0.3, 1.0])
    parser.add_argument(
        "--refills", nargs="+", default=["none", "uniform", "near", "gradient"],
        help="ways to find candidates that are tried for the baseline",
    )  # fmt: skip
    parser.add_argument("--out", default="cora.json")
    return parser


def _method(refill: Any, arguments: Any) -> jm.RelaxEdges:
    return jm.RelaxEdges(steps=arguments.steps, refill=refill, flips=FLIPS)


def _problem(trained: Any, data: Any, number: int, arguments: Any) -> jm.Problem:
    """Return a problem with random target nodes, the same for every network."""
    n = len(data.graph.nodes)
    drawn = np.random.default_rng([number, arguments.target_seed])
    nodes = drawn.choice(n, number, replace=False)
    edges = jm.BinaryEdges(
        start=arguments.start,
        distance=arguments.distance if arguments.start == "reference" else None,
    )
    layer = arguments.layer
    return jm.Problem(trained, data.graph, layer=layer, nodes=sorted(nodes.tolist()), vary=edges)


def _tuning(problem: jm.Problem, arguments: Any) -> list[dict[str, Any]]:
    """Try settings for the baseline, on a seed that is not reported."""
    rows = []
    for refill in arguments.refills:
        for rate in arguments.rates:
            setting = {"refill": refill, "rate": rate}
            found = _baseline(problem, setting, 1000, arguments)
            rows.append(setting | {"loss": float(found.loss)})
            print(rows[-1], flush=True)
    return rows


def _baseline(problem: jm.Problem, setting: dict[str, Any], seed: int, arguments: Any) -> Found:
    stays = setting["refill"] == "none"
    method = _method("near" if stays else setting["refill"], arguments)
    every = None if stays else method.refill_every
    return straight_through(problem, method, seed, rate=setting["rate"], refill_every=every)


def _run(
    problem: jm.Problem, method: jm.RelaxEdges, tuned: dict[str, Any], seed: int, arguments: Any
) -> dict[str, Any]:
    """Search with one seed, by jmetamer and by the baseline, and judge all alike."""
    graphs: dict[str, Any] = {}
    seconds = {}
    begin = time.perf_counter()
    found = jm.generate(
        problem,
        seeds=[seed],
        method=method,
        tolerance=AIM,
        on_metamer=lambda _, graph: graphs.__setitem__("ours", graph),
    )
    seconds["ours"] = time.perf_counter() - begin
    begin = time.perf_counter()
    theirs = _baseline(problem, tuned, seed, arguments)
    seconds["baseline"] = time.perf_counter() - begin
    graphs["baseline"] = _graph(problem, theirs)
    if seed < arguments.flipped:
        graphs["with_flips"] = _graph(problem, _flipped(problem, method, theirs, seed))
    judge, reference = Judge(problem), edge_set(problem.graph)
    losses = {name: float(judge(graph).loss) for name, graph in graphs.items()}
    distances = {
        name: edge_jaccard_distance(reference, edge_set(graph)) for name, graph in graphs.items()
    }
    details = {name: float(value[0]) for name, value in found.details.items()}
    return {
        "refill": tuned["refill"],
        "rate": tuned["rate"],
        "loss": losses,
        "jaccard": distances,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "details": details,
        "load": os.getloadavg()[0],
    }


def _graph(problem: jm.Problem, found: Found) -> Any:
    return graph_of_theta(problem, edges_theta(found.pairs, found.hard > 0.5))


def _flipped(problem: jm.Problem, method: jm.RelaxEdges, found: Found, seed: int) -> Found:
    """Return what our flips make of a graph of the baseline."""
    task = Task(problem, 0, method.for_problem(problem), AIM)
    plan, data = plan_of(task, together=False)
    numbers = numbers_of(task, plan)
    loss = jnp.float32(found.loss)
    zero = jnp.int32(0)
    nowhere = jnp.zeros(found.hard.shape)  # a start matters to budgets and walks alone
    start = Hardened(found.pairs, found.hard, nowhere, (), loss, loss, loss, zero, zero)
    start = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], start)
    num_edges = data.pairs.senders.shape[0]
    length = length_of_list(int(found.hard.sum()), num_edges, found.hard.size)
    seed_ids = jnp.array([seed], jnp.int32)
    ended = jax.device_get(programs.flip_pairs(plan, length, seed_ids, start, data, numbers))
    pairs = type(ended.pairs)(*(side[0] for side in ended.pairs))
    return Found(pairs, ended.hard[0], ended.loss[0], found.step)


def _rows(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each problem, over its seeds."""
    names = ("model", "targets", "layer", "start", "steps")
    rows = []
    for at in dict.fromkeys(tuple(run[name] for name in names) for run in runs):
        mine = [run for run in runs if tuple(run[name] for name in names) == at]
        losses = {
            kind: np.array([run["loss"][kind] for run in mine if kind in run["loss"]])
            for kind in ("ours", "baseline", "with_flips")
        }
        relaxed = np.array([run["details"]["loss_relaxed"] for run in mine])
        matched = {
            f"{tolerance:g}": _share(losses["ours"] <= tolerance) for tolerance in TOLERANCES
        }
        rows.append(
            dict(zip(names, at, strict=True))
            | {
                "seeds": len(mine),
                "best": float(losses["ours"].min()),
                "median": _median(losses["ours"]),
                "relaxed": _median(relaxed),
                "gap": _median(losses["ours"] - relaxed),
                "hard_to_relaxed": _median(losses["ours"] / relaxed),
                "jaccard": _median([run["jaccard"]["ours"] for run in mine]),
                "baseline": _median(losses["baseline"]),
                "with_flips": _median(losses["with_flips"]),
                "ratio_of_medians": ratio_interval(losses["baseline"], losses["ours"]),
                "matched": matched,
                "seconds": float(np.median([run["seconds"]["ours"] for run in mine])),
            }
        )
    return rows


def _share(matched: np.ndarray) -> list[float]:
    low, high = clopper_pearson_interval(int(matched.sum()), matched.size)
    return [float(matched.mean()), low, high]


def _median(values: Any) -> list[float | None]:
    """Return (median, low, high); no limits where there are too few values for 95 %."""
    low, high = (float(limit) for limit in median_interval(values))
    limits = [low, high] if np.isfinite(low) else [None, None]
    return [float(np.median(np.asarray(values, float))), *limits]


def ratio_interval(
    above: np.ndarray, below: np.ndarray, level: float = 0.95, draws: int = 10_000
) -> list[float]:
    """Return the ratio of medians with a percentile bootstrap interval over seeds, in pairs."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, above.size, (draws, above.size))
    ratios = np.median(above[drawn], axis=1) / np.median(below[drawn], axis=1)
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return [float(np.median(above) / np.median(below)), float(low), float(high)]


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the rows for a README: medians with their intervals."""
    head = ["network", "targets", "best", "median", "relaxed", "gap", "Jaccard distance"]
    head += ["top-k", "top-k and our flips", "factor", "matched at 1e-3"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        names = ("median", "relaxed", "gap", "jaccard", "baseline", "with_flips")
        cells = [_cell(row[name]) for name in (*names, "ratio_of_medians")]
        where = row["model"] + ("" if row["start"] == "noise" else " (walk)")
        first = [where, str(row["targets"]), f"{row['best']:.2g}"]
        matched = _cell(row["matched"]["0.001"])
        lines.append("| " + " | ".join([*first, *cells, matched]) + " |")
    return lines


def _cell(values: Sequence[float | None]) -> str:
    center, low, high = values
    return f"{center:.2g}" if low is None else f"{center:.2g} [{low:.2g}, {high:.2g}]"


def _circumstances(arguments: Any) -> dict[str, Any]:
    return {
        "settings": vars(arguments) | {"flips": FLIPS, "aim": AIM},
        "cores": os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "machine": platform.processor() or platform.machine(),
        "jax": jax.__version__,
        "jmetamer": jm.__version__,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
