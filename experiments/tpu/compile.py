"""Compile the programs of a search for TPUs that are not here, and say what they would need.

    pip install -e '.[tpu-compile]'
    python experiments/tpu/compile.py --out experiments/tpu/results.json
    python experiments/tpu/compile.py --models gcn --chips v5e:4x4 --programs advance

A line a program: whether it compiles; bytes and FLOPs a lane and step by XLA's own count; bytes of
main memory that the body of its loop reads and writes (what stays on the chip left out, padding of
tiles included); temporary memory; serial loops and collectives within. README.md says how to read
them.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

os.environ |= {
    "JAX_PLATFORMS": "cpu", "TPU_SKIP_MDS_QUERY": "1", "TPU_WORKER_HOSTNAMES": "localhost",
}  # fmt: skip

import jax
import jaxlib
import numpy as np
from jax.experimental import topologies

import jmetamer as jm
from jmetamer._base.platform import traced_for
from jmetamer.metamers.methods.optimize.devices import _DIVIDED as DIVIDED
from jmetamer.metamers.methods.optimize.devices import _WHOLE as WHOLE
from jmetamer.metamers.methods.optimize.devices import LaneDevices

sys.path.insert(0, str(Path(__file__).parent))
from optimized import loop_bytes, num_collectives, num_inner_loops
from programs import programs_of, repulsion_of

# Bytes a second, bytes, bfloat16 FLOPs a second of a chip.
CHIPS = {
    "v5e": (819e9, 16e9, 197e12), "v4": (1228e9, 32e9, 275e12),
    "v5p": (2765e9, 95e9, 459e12), "v6e": (1640e9, 32e9, 918e12),
}  # fmt: skip
PARTS = {
    "features": jm.ContinuousFeatures, "binary": jm.BinaryFeatures, "edges": jm.BinaryEdges,
    "edge_weights": jm.EdgeWeights,
}  # fmt: skip
USABLE = 0.75  # of a chip's memory
STEPS = {"conv1": 17, "logits": 42}  # of Cora's GCN to 1e-4, as measured on a processor


def options():
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=["gcn"], choices=list(jm.MODELS))
    parser.add_argument("--layers", nargs="+", default=["conv1"])
    parser.add_argument("--parts", nargs="+", default=["features"], choices=list(PARTS))
    parser.add_argument("--chips", nargs="+", default=["v5e:2x2"], help="one device of it")
    parser.add_argument("--whole", action="store_true", help="lanes divided among all devices")
    parser.add_argument("--programs", nargs="+", help="names such as advance; all by default")
    parser.add_argument("--lanes", type=int, default=64, help="of one device")
    parser.add_argument("--dataset", default="cora", help="or `arxiv`, a graph of its size")
    parser.add_argument("--out", type=Path, help="JSON, to which results are added")
    return parser.parse_args()


class Trained(NamedTuple):
    """A network with drawn parameters: what is compiled does not depend on their values."""

    model: Any
    params: Any


def graph_of(name):
    """A graph and its number of classes; `arxiv` is drawn at random with ogbn-arxiv's size."""
    if name != "arxiv":
        data = jm.load_dataset(name)
        return data.graph, int(data.labels.max()) + 1
    rng, n, e = np.random.default_rng(0), 169_343, 1_166_243
    ends = rng.integers(0, n, (2, e))
    nodes = rng.normal(size=(n, 128)).astype(np.float32)
    return jm.make_graph(nodes, *np.concatenate([ends, ends[::-1]], axis=1)), 40


def trained_on(name, graph, classes):
    """A network of the default size."""
    model = jm.MODELS[name](num_outputs=classes)
    return Trained(model, model.init(jax.random.key(0), graph))


def placed(call, place):
    """The call with its arrays on devices that are not here."""

    def put(leaf):
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place(leaf))

    arguments, named = jax.tree.map(put, (call.arguments, call.named))
    return call._replace(arguments=arguments, named=named)


def compiled(call, place, num_lanes, chip):
    """What the compiler says of a program; a lane and step, where it steps."""
    began = time.perf_counter()
    call = placed(call, place)
    try:
        program = call.function.lower(*call.static, *call.arguments, **call.named).compile()
    except Exception as error:
        return {"compiles": False, "why": f"{type(error).__name__}: {error}"[:500]}
    cost, memory, text = program.cost_analysis(), program.memory_analysis(), program.as_text()
    bandwidth, size, peak = CHIPS[chip]
    per_lane = loop_bytes(text) / num_lanes
    state = memory.argument_size_in_bytes + memory.temp_size_in_bytes
    return {
        "compiles": True,
        "seconds_to_compile": round(time.perf_counter() - began, 1),
        "bytes_by_xla": cost["bytes accessed"] / num_lanes,
        "flops": cost["flops"] / num_lanes,
        "bytes_of_loop": per_lane,
        "temporary_memory": memory.temp_size_in_bytes,
        "argument_memory": memory.argument_size_in_bytes,
        "lanes_that_fit": int(USABLE * size / max(1, state / num_lanes)),
        "inner_loops": num_inner_loops(text),
        "collectives": num_collectives(text),
        "seconds_of_a_step": max(per_lane / bandwidth, cost["flops"] / num_lanes / peak),
    }


def main():
    """Compile what is asked for, print it, and add it to the file."""
    args = options()
    graph, classes = graph_of(args.dataset)
    results = json.loads(args.out.read_text())["results"] if args.out and args.out.exists() else []
    for chip in args.chips:
        topology = topologies.get_topology_desc(platform="tpu", topology_name=chip)
        devices = tuple(topology.devices) if args.whole else tuple(topology.devices[:1])
        lanes = LaneDevices(devices if len(devices) > 1 else ())
        one = jax.sharding.SingleDeviceSharding(devices[0])
        for model in args.models:
            trained = trained_on(model, graph, classes)
            for layer, part in ((layer, part) for layer in args.layers for part in args.parts):
                problem = jm.Problem(trained, graph, layer=layer, vary=PARTS[part]())
                total = args.lanes * len(devices)
                with traced_for("tpu"):
                    for call in calls(problem, total, lanes):
                        name = short_name(call.name)
                        if args.programs and name not in args.programs:
                            continue
                        place = placement(call, total, lanes, one)
                        found = compiled(call, place, args.lanes, chip.split(":")[0])
                        case = {
                            "dataset": args.dataset, "model": model, "layer": layer, "part": part,
                            "chip": chip, "devices": len(devices), "lanes": args.lanes,
                            "program": call.name,
                        }  # fmt: skip
                        say(case, found)
                        results = [r for r in results if r | case != r] + [case | found]
                        save(args.out, results)


def calls(problem, num_lanes, devices):
    """Programs of a problem, and of metamers that repel each other where features vary."""
    yield from programs_of(problem, num_lanes, devices)
    if devices.count == 1 and problem.features is not None and len(problem.parts) == 1:
        yield from repulsion_of(problem, 16)


def placement(call, num_lanes, lanes, one):
    """Where arrays of a call lie: divided along their first axis, or whole on every device."""
    if lanes.count == 1:
        return lambda leaf: one
    whole, divided = map(lanes._sharding, (WHOLE, DIVIDED))
    return lambda leaf: divided if leaf.shape[:1] in ((num_lanes,), (lanes.count,)) else whole


def short_name(name):
    """The name of a program without its module; two are called `advance` and one more steps."""
    module, _, function = name.rpartition(".")
    head = {"metamers.methods.repel.repelled_program": "repelled."}.get(module, "")
    if module.startswith("metamers.methods.relax_edges"):
        head = "edges."
    return head + function.lstrip("_")


def say(case, found):
    """Print one line."""
    name = short_name(case["program"])
    head = f"{case['chip']:9} {case['model']:9} {case['layer']:7} {case['part']:12} {name:16}"
    if not found["compiles"]:
        print(head, "does not compile:", found["why"].splitlines()[0], flush=True)
        return
    print(
        head,
        f"{found['bytes_of_loop'] / 1e6:7.1f} MB a lane and step"
        f" (XLA counts {found['bytes_by_xla'] / 1e6:7.1f}), {found['flops'] / 1e9:6.2f} GFLOP,"
        f" {found['temporary_memory'] / 1e9:6.3f} GB temporary,"
        f" {found['lanes_that_fit']:6,} lanes fit, {found['inner_loops']} inner loops,"
        f" {found['collectives']} collectives, {found['seconds_to_compile']:.0f} s",
        flush=True,
    )
    steps = STEPS.get(case["layer"])
    if name == "advance" and steps and case["model"] == "gcn" and case["part"] == "features":
        total = 10_000 * steps * found["seconds_of_a_step"] / case["devices"]
        print(f"          10,000 metamers of {steps} steps: {total:.1f} s at full bandwidth")


def save(path, results):
    """Write the results with the versions that made them."""
    if path is None:
        return
    import libtpu

    versions = {"jax": jax.__version__, "jaxlib": jaxlib.__version__, "libtpu": libtpu.__version__}
    path.write_text(json.dumps({"versions": versions, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
