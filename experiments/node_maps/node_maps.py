"""Local dimension and blind fraction of every node of a graph, and what that takes; see README.md.

python experiments/node_maps/node_maps.py --out node_maps.json
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jmetamer as jm
from jmetamer.geometry.of_problem.local_geometry import ball_jacobians
from jmetamer.geometry.of_problem.map_correlations import map_correlations
from jmetamer.geometry.of_problem.node_maps import NodeMap, NodeMaps, node_maps
from jmetamer.geometry.of_problem.reference_point import ReferencePoint
from jmetamer.results.zarr_group import json_safe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default=None, help="cora where it is found, else digits")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=3, help="each way in turn; least time counts")
    parser.add_argument("--sample", type=int, default=60, help="nodes for torch on neighborhoods")
    parser.add_argument("--whole", type=int, default=2, help="nodes for torch on the whole graph")
    parser.add_argument("--out", default="node_maps.json")
    arguments = parser.parse_args()
    data = _dataset(arguments.dataset)
    model = jm.GCN(hidden=arguments.hidden)
    settings = None if arguments.epochs is None else jm.TrainSettings(epochs=arguments.epochs)
    trained = jm.train(model, data, settings=settings)
    found: dict[str, Any] = {
        "dataset": data.name,
        "nodes": len(data.labels),
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "load": os.getloadavg(),
        "jax": jax.__version__,
        "test_accuracy": float(trained.scores["test"]),
    }
    for layer in ("conv1", "logits"):
        problem = jm.Problem(trained, data.graph, layer=layer)
        times, maps = _timed(problem, arguments)
        found[layer] = {"seconds": times, **_findings(maps, data)}
        print(f"{layer}: {json.dumps(found[layer], indent=1)}", flush=True)
    Path(arguments.out).write_text(json.dumps(json_safe(found), indent=1))


def _dataset(name: str | None) -> Any:
    if name is not None:
        return jm.load_dataset(name)
    try:
        return jm.load_dataset("cora")
    except jm.DataError as missing:
        print(f"digits in place of cora: {missing}")
        return jm.load_dataset("digits")


def _timed(problem: jm.Problem, arguments: Any) -> tuple[dict[str, float], NodeMaps]:
    """Return the least seconds of each way over rounds in which they take turns, and the maps."""
    start = time.perf_counter()
    maps = node_maps(problem)
    first = time.perf_counter() - start
    ways = {"maps": lambda: node_maps(problem), "jacobians": lambda: _jacobians(problem)}
    counts = dict.fromkeys(ways, len(maps.nodes))
    try:
        ways |= _torch_ways(problem, maps, arguments, counts)
    except ImportError:
        print("torch is not installed: no comparison")
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            least[name] = min(least[name], time.perf_counter() - start)
    times = {"maps_first_call_with_compilation": first}
    times |= {"maps_all_nodes": least["maps"], "jacobians_all_nodes": least["jacobians"]}
    for name in ways:
        each = least[name] / counts[name]
        times[f"{name}_ms_a_node"] = 1e3 * each
        if name.startswith("torch"):
            ours = "maps" if name.endswith("values") else "jacobians"
            times[f"{name}_over_{ours}"] = each / (least[ours] / len(maps.nodes))
    return times, maps


def _jacobians(problem: jm.Problem) -> None:
    """Take the Jacobians of all nodes, and nothing else."""
    point = ReferencePoint(problem)
    for _ in ball_jacobians(point, np.arange(len(point.graph.nodes))):
        pass


def _torch_ways(problem: jm.Problem, maps: NodeMaps, arguments: Any, counts: Any) -> Any:
    """Return torch's ways over samples of nodes, after a look that they find the same numbers."""
    import torch
    from torch_jacobians import TorchGCN

    torch.set_num_threads(os.cpu_count() or 1)
    (layer,) = problem.layers
    gcn = TorchGCN(problem.trained.params, problem.graph)
    rng = np.random.default_rng(0)
    # Every node counts alike, so large neighborhoods come up as often as they do in the graph.
    sample = rng.choice(len(maps.nodes), min(arguments.sample, len(maps.nodes)), replace=False)
    parts = [gcn.neighborhood(layer, int(node)) for node in sample]
    whole = sample[: arguments.whole]
    chunk = 8

    def values() -> list[Any]:
        found = (gcn.on_neighborhood(layer, part).flatten(1) for part in parts)
        # Of the triangle, as the Jacobians are wide: many times faster than of themselves.
        triangles = (torch.linalg.qr(jacobian.T, mode="r")[1] for jacobian in found)
        return [torch.linalg.svdvals(triangle).numpy() for triangle in triangles]

    for node, row in zip(sample, values(), strict=True):
        expected = maps.after.spectrum.singular_values[node]
        np.testing.assert_allclose(row, expected, rtol=1e-8, atol=1e-10 * expected[0])
    ways = {
        "torch_neighborhood": lambda: [gcn.on_neighborhood(layer, part) for part in parts],
        "torch_neighborhood_values": values,
        "torch_whole_graph": lambda: [
            gcn.on_whole_graph(layer, int(node), chunk) for node in whole
        ],
    }
    counts |= dict.fromkeys(ways, len(sample)) | {"torch_whole_graph": len(whole)}
    return ways


def _findings(maps: NodeMaps, data: Any) -> dict[str, Any]:
    after = maps.after
    quantities = {
        "dimension": after.dimension.astype(float),
        "rank": after.spectrum.rank.astype(float),
        "log_volume": after.spectrum.log_volume,
        "nu": after.nu,
        "nu_centered": after.nu_centered,
    }
    return {
        "ball_size": _summary(maps.ball_size),
        "certified": float(after.spectrum.certified.mean()),
        "rank_before": None if maps.before is None else _summary(maps.before.spectrum.rank),
        "nu_of_a_random_direction": float(_random_nu(after).mean()),
        "maps": {
            name: {**_summary(values), **_related(values, data)}
            for name, values in quantities.items()
        },
    }


def _random_nu(after: NodeMap) -> np.ndarray:
    return 1 - after.spectrum.rank / after.spectrum.num_inputs


def _summary(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return {"least": low, "median": middle, "largest": high, "mean": float(np.mean(values))}


def _related(values: np.ndarray, data: Any) -> dict[str, Any]:
    found = map_correlations(values, data.graph, data.labels)
    return {
        "degree": found.degree._asdict(),
        "homophily": found.homophily._asdict(),
        "class_mean": found.class_mean.tolist(),
        "class_error": found.class_error.tolist(),
    }


if __name__ == "__main__":
    main()
