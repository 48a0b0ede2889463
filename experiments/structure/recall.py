"""Recall of the search for structure metamers, where all or some of them are known; see README.md.

python experiments/structure/recall.py --out recall.json
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import networkx as nx
import numpy as np

import jmetamer as jm
from jmetamer.graphs.isomorphism import isomorphic
from jmetamer.oracles.enumeration import exact_set, graph_code
from jmetamer.oracles.planted import PlantedMetamer, planted_metamers
from jmetamer.oracles.symmetry_classes import canonical_codes, metamer_classes, recall
from jmetamer.results.absence import absence_bound

ENUMERATED = 6  # nodes, up to which every graph is tried
COLUMNS = ("exact", "found", "problems", "solved", "planted", "converged", "trivial", "outside",
           "seconds")  # fmt: skip


class Budget(NamedTuple):
    """What the search of one problem may use.

    Attributes:
      relaxed: seeds relaxed from random edges of any density.
      swapped: seeds of a descent by double-edge swaps from rewired edges.
      steps: largest number of steps of a seed.
      kicks: largest number of kicks of a relaxed seed.
      tolerance: L_act of a metamer.
    """

    relaxed: int
    swapped: int
    steps: int
    kicks: int
    tolerance: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(jm.MODELS), choices=list(jm.MODELS))
    parser.add_argument("--weights", nargs="+", default=["random", "trained"])
    parser.add_argument("--layers", nargs="+", default=["conv1", "logits"])
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=256, help="relaxed, of every search")
    parser.add_argument("--swap-seeds", type=int, default=64, help="of swaps, of every search")
    parser.add_argument(
        "--class-seeds", type=int, default=2048, help="relaxed, to find all classes"
    )
    parser.add_argument("--steps", type=int, default=100, help="largest number of steps of a seed")
    parser.add_argument("--kicks", type=int, default=20, help="of a relaxed seed")
    parser.add_argument("--tolerance", type=float, default=1e-6)
    parser.add_argument("--sets", type=int, default=3, help="feature rows for the planted graphs")
    parser.add_argument("--problems", type=int, default=16, help="graphs of unlike nodes to search")
    parser.add_argument("--out", default="recall.json")
    arguments = parser.parse_args()
    data = jm.load_dataset("csbm", num_nodes=200)
    searches, bounds = [], []
    print("model weights layer graph", *COLUMNS, flush=True)
    for name in arguments.models:
        for weights in arguments.weights:
            trained = _network(name, weights, arguments.hidden, data)
            for layer in arguments.layers:
                at = {"model": name, "weights": weights, "layer": layer}
                rows = list(_searches(trained, layer, data, arguments))
                searches += [at | row for row in rows]
                bounds.append(at | _absence(rows))
                for line in _table(rows):
                    print(name, weights, layer, *line, flush=True)
                print(json.dumps(bounds[-1]), flush=True)
                found = {"searches": searches, "absence": bounds} | _circumstances(arguments)
                Path(arguments.out).write_text(json.dumps(found, indent=1))


def _network(name: str, weights: str, hidden: int, data: Any) -> Any:
    settings = jm.TrainSettings(epochs=0) if weights == "random" else None
    return jm.train(jm.MODELS[name](hidden=hidden), data, settings=settings)


def _searches(trained: Any, layer: str, data: Any, arguments: Any) -> Iterator[dict[str, Any]]:
    """Search the planted problems, then graphs of unlike nodes, which may have no metamer."""
    budget = Budget(
        arguments.seeds,
        arguments.swap_seeds,
        arguments.steps,
        arguments.kicks,
        arguments.tolerance,
    )
    all_classes = budget._replace(relaxed=max(arguments.seeds, arguments.class_seeds))
    nodes = np.asarray(data.graph.nodes)
    for number in range(arguments.sets):
        rows = np.random.default_rng(number).choice(nodes, 5, replace=False)
        for case in planted_metamers(rows):
            if case.holds_at(trained.model, layer):
                yield _search(trained, layer, case, number, budget)
                if number == 0 and len(case.reference.nodes) <= ENUMERATED:
                    found = _search(trained, layer, case, number, all_classes)
                    yield found | {"graph": f"{case.name}: all classes"}
    for number in range(arguments.problems):
        yield _search(trained, layer, _unlike(nodes, number), number, budget)


def _unlike(nodes: np.ndarray, number: int) -> PlantedMetamer:
    """Return a random graph of six different nodes and seven edges; nothing is planted in it."""
    rng = np.random.default_rng([number, 1])
    chosen = nodes[rng.choice(len(nodes), ENUMERATED, replace=False)]
    pairs = np.array(list(nx.gnm_random_graph(ENUMERATED, 7, seed=number).edges)).T
    graph = jm.make_graph(chosen, [*pairs[0], *pairs[1]], [*pairs[1], *pairs[0]])
    return PlantedMetamer("unlike_6", graph, graph, None, None, "nothing is planted")


def _search(
    trained: Any, layer: str, case: PlantedMetamer, number: int, budget: Budget
) -> dict[str, Any]:
    """Search one problem within the budget, and hold what is found against what there is."""
    start = time.perf_counter()
    graphs = list(_metamers(trained, layer, case, budget))
    seconds = time.perf_counter() - start
    problem = _problem(trained, layer, case, jm.BinaryEdges())
    row = {
        "graph": case.name,
        "set": number,
        "nodes": len(case.reference.nodes),
        "seconds": seconds,
        "budget": budget._asdict(),
        "problems": 1,
        "converged": len(graphs),
    }
    few = len(case.reference.nodes) <= ENUMERATED
    row |= _enumerated(problem, case, graphs, budget) if few else _compared(case, graphs)
    return row | {"solved": int(row["found"] > 0)}


def _problem(trained: Any, layer: str, case: PlantedMetamer, vary: jm.BinaryEdges) -> jm.Problem:
    return jm.Problem(trained, case.reference, layer=layer, vary=vary, nodes=case.nodes)


def _metamers(trained: Any, layer: str, case: PlantedMetamer, budget: Budget) -> Iterator[Any]:
    """Yield the matching graphs that the whole budget gives."""
    relaxed = jm.RelaxEdges(steps=budget.steps, kicks=budget.kicks)
    swapped = jm.SwapSearch(steps=budget.steps)
    for vary, seeds, how in (
        (jm.BinaryEdges(start="any_density"), budget.relaxed, {"method": relaxed}),
        (jm.BinaryEdges(start="rewired"), budget.swapped, {"method": swapped}),
    ):
        made: dict[int, Any] = {}
        metamers = jm.generate(
            _problem(trained, layer, case, vary),
            seeds=range(seeds),
            tolerance=budget.tolerance,
            on_metamer=made.__setitem__,
            **how,
        )
        for seed in metamers.seed_id[metamers.loss_hardened <= budget.tolerance]:
            yield jax.tree.map(np.asarray, made[int(seed)])


def _enumerated(
    problem: jm.Problem, case: PlantedMetamer, graphs: Sequence[Any], budget: Budget
) -> dict[str, Any]:
    """Hold the graphs found against the exact set, by classes."""
    exact = exact_set(problem, budget.tolerance)
    classes = metamer_classes(problem, exact)
    codes = np.array([graph_code(graph) for graph in graphs], np.int64)
    found = recall(codes, classes)
    planted = canonical_codes(np.array([graph_code(case.metamer)]), classes.permutations)
    seen = np.isin(planted, canonical_codes(codes, classes.permutations))
    return {
        "exact": found.total,
        "exact_graphs": len(exact.codes),
        "least_beyond": exact.least_beyond,
        "found": found.found,
        "planted": int((seen & (planted != classes.reference)).sum()),
        "trivial": found.trivial,
        "outside": found.outside,
    }


def _compared(case: PlantedMetamer, graphs: Sequence[Any]) -> dict[str, Any]:
    """Look for any metamer but the renamed reference, and for the planted one."""
    others = [graph for graph in graphs if isomorphic(case.reference, graph) != "yes"]
    return {
        "exact": None,
        "found": int(bool(others)),
        "planted": int(any(isomorphic(case.metamer, graph) == "yes" for graph in others)),
        "trivial": len(graphs) - len(others),
        "outside": 0,
    }


def _absence(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Bound the share of graphs of unlike nodes that have metamers; beside it, the true share."""
    unlike = [row for row in rows if row["graph"] == "unlike_6"]
    searched = [row for row in rows if not row["graph"].endswith(": all classes")]
    controls = [row for row in searched if row["graph"] != "unlike_6"]
    bound = absence_bound(
        sum(row["solved"] for row in unlike),
        len(unlike),
        sum(row["solved"] for row in controls),
        len(controls),
    )
    return {
        "found": bound.found,
        "searched": bound.searched,
        "recalled": bound.recalled,
        "planted": bound.planted,
        "success_upper": bound.success_upper,
        "recall_lower": bound.recall_lower,
        "share_upper": bound.share_upper,
        "calibrated": bound.calibrated,
        "exact_share": float(np.mean([row["exact"] > 0 for row in unlike])) if unlike else None,
    }


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[list[Any]]:
    """Return one line a graph, sums over its searches; "-" where the exact number is not known."""
    for graph in dict.fromkeys(row["graph"] for row in rows):
        mine = [row for row in rows if row["graph"] == graph]
        known = mine[0]["exact"] is not None
        sums = [sum(row[name] or 0 for row in mine) for name in COLUMNS]
        classes = sums[:2] if known else ["-", "-"]
        yield [graph, *classes, *sums[2:-1], f"{sums[-1]:.1f}"]


def _circumstances(arguments: Any) -> dict[str, Any]:
    return {
        "settings": vars(arguments),
        "cores": os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "load": os.getloadavg(),
        "jax": jax.__version__,
        "jmetamer": jm.__version__,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
