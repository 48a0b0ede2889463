"""Run in a process of its own, with eight virtual devices: results and program texts to files."""

import dataclasses
import json
import sys
from pathlib import Path

import jax
import numpy as np
from jax.sharding import PartitionSpec

import jmetamer as jm
from jmetamer.metamers.methods import Execution, Task
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize.devices import LaneDevices, local_devices
from jmetamer.metamers.methods.optimize.synthesis import Synthesis

SEEDS = range(3, 24)


def tasks():
    """Free continuous features and 0/1 features of the karate club, each with its settings."""
    data = jm.load_dataset("karate")
    untrained = jm.TrainSettings(epochs=0)
    trained = jm.train(jm.GCN(hidden=4), data, settings=untrained)
    free = jm.Problem(trained, data.graph, layer="conv1")
    binary = jm.Problem(trained, data.graph, layer="logits", vary=jm.BinaryFeatures())
    return {
        "free": Task(free, 0, jm.Optimize(steps=60).for_problem(free), 1e-4),
        "binary": Task(binary, 0, jm.Optimize(steps=40).for_problem(binary), 0.05),
    }


def finished(tasks, devices, lanes, seeds):
    """(task, seed) -> what came of it, each without its leading axis."""
    execution = Execution(lanes=lanes, together=True, devices=devices)
    found = list(Synthesis(tasks, execution).finished(seeds))
    return {
        (int(samples.task[row]), int(samples.seed_id[row])): samples.of([row])
        for samples in found
        for row in range(len(samples.graphs))
    }


def made(task, devices, lanes, seeds):
    """What came of the seeds, a row each in their order."""
    found = finished([task], devices, lanes, seeds)
    assert sorted(seed for _, seed in found) == list(seeds)
    rows = [
        {
            "status": one.status[0],
            "steps": one.steps[0],
            "loss": one.loss_final[0],
            "theta": np.concatenate([np.ravel(x) for x in jax.tree.leaves(one.theta)]),
            "hardened": one.verdicts.loss[0],
            "match": one.verdicts.layer_match[0],
            "nodes": one.graphs[0].nodes,
        }
        for one in (found[0, seed] for seed in seeds)
    ]
    return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}


def shared(task, devices, lanes):
    """Two problems in one set of lanes, sorted: another network, another base seed."""
    problem = task.problem
    params = jax.tree.map(lambda array: 1.1 * array, problem.trained.params)
    scaled = dataclasses.replace(problem.trained, params=params)
    other = jm.Problem(scaled, problem.graph, problem.layer, problem.vary)
    found = finished([task, task._replace(problem=other, seed=5)], devices, lanes, SEEDS)
    items = sorted(found)
    rows = [(*item, float(found[item].verdicts.loss[0])) for item in items]
    nodes = [np.asarray(found[item].graphs[0].nodes) for item in items]
    return {"rows": np.array(rows), "nodes": np.stack(nodes)}


def public_of(task):
    """The metamers of `generate`."""
    given = {"method": task.method, "tolerance": task.tolerance}
    return jm.generate(task.problem, seeds=SEEDS, **given)


def look_inside(task, devices):
    """Program texts, and where the arrays lie before and after a chunk."""
    synthesis = Synthesis([task], Execution(devices=devices))
    data = synthesis.arrays, synthesis.limits
    places = np.zeros(devices.count, np.int32)
    state = engine.fill(synthesis.program, np.arange(16, dtype=np.int32), *data)
    texts = {
        "advance": engine.advance.lower(synthesis.program, state, *data),
        "refill": engine.refill.lower(synthesis.program, state, places, places, *data),
        "take": engine.take.lower(synthesis.program, state, places),
    }
    moved, losses = engine.advance(synthesis.program, state, *data)
    again = engine.refill(synthesis.program, moved, places, places + 99, *data)
    total = jax.jit(lambda losses: losses.sum())
    texts["control"] = total.lower(losses)
    lane = PartitionSpec("lane")
    return {
        "texts": {name: lowered.compile().as_text() for name, lowered in texts.items()},
        "donated": all(x.is_deleted() for x in jax.tree.leaves((state, moved))),
        "divided": all(
            x.sharding.is_equivalent_to(jax.sharding.NamedSharding(devices._mesh(), lane), x.ndim)
            for x in jax.tree.leaves((again, losses))
            if x.size  # an empty array lies nowhere
        ),
        "seeds": np.asarray(again.seed_id).tolist(),
    }


def main(folder, name):
    devices = local_devices()
    assert devices.count == 8
    task = tasks()[name]
    np.savez(folder / "8.npz", **made(task, devices, 16, SEEDS))
    np.savez(folder / "1.npz", **made(task, LaneDevices(), 2, SEEDS))
    np.savez(folder / "few.npz", **made(task, devices, 16, SEEDS[:11]))
    if name == "free":
        np.savez(folder / "shared-8.npz", **shared(task, devices, 16))
        np.savez(folder / "shared-1.npz", **shared(task, LaneDevices(), 4))
    public = public_of(task)
    graphs = [jm.metamer_graph(task.problem, public, i).nodes for i in range(len(SEEDS))]
    np.savez(
        folder / "public.npz",
        nodes=np.stack(graphs),
        **{name: getattr(public, name) for name in ("status", "steps_used", "loss_hardened")},
    )
    (folder / "inside.json").write_text(json.dumps(look_inside(task, devices)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
