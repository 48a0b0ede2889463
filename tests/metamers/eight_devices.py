"""Run in a process of its own, with eight virtual devices: results and program texts to files."""

import dataclasses
import json
import sys
from pathlib import Path

import jax
import numpy as np
from jax.sharding import PartitionSpec

import jmetamer as jm
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize.devices import LaneDevices, local_devices
from jmetamer.metamers.methods.optimize.synthesis import Synthesis
from jmetamer.metamers.methods.optimize.tasks import Task
from jmetamer.metamers.solver import default_solver

SEEDS = range(3, 24)


def problems():
    """Free continuous features and 0/1 features of the karate club, each with its settings."""
    data = jm.load_dataset("karate")
    untrained = jm.TrainSettings(epochs=0)
    trained = jm.train(jm.GCN(hidden=4), data, settings=untrained)
    free = jm.Problem(trained, data.graph, layer="conv1")
    binary = jm.Problem(trained, data.graph, layer="logits", vary=jm.BinaryFeatures())
    return {
        "free": (free, default_solver(free).replace(steps=60)),
        "binary": (binary, default_solver(binary).replace(steps=40, tolerance=0.05)),
    }


def made(problem, solver, devices, lanes, seeds):
    """What came of the seeds, a row each in their order, and the last state of the lanes."""
    solver = dataclasses.replace(solver, lanes=lanes)
    synthesis = Synthesis(problem, 0, solver, 10, devices)
    synthesis.program = synthesis.program._replace(together=True)
    found = {int(f.lane.seed_id): f for f in synthesis.finished(seeds, None)}
    assert sorted(found) == list(seeds)
    rows = [
        {
            "status": f.lane.status,
            "steps": f.lane.step,
            "loss": f.lane.best_loss,
            "theta": np.concatenate([np.ravel(x) for x in jax.tree.leaves(f.lane.best_theta)]),
            "hardened": f.verdict.loss,
            "match": f.verdict.layer_match,
            "nodes": f.graph.nodes,
        }
        for f in (found[seed] for seed in seeds)
    ]
    return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}


def shared(problem, solver, devices, lanes):
    """(task, seed) -> loss of two problems in one set of lanes: another network, another rate."""
    trained = problem.trained
    params = jax.tree.map(lambda array: 1.1 * array, trained.params)
    scaled = dataclasses.replace(trained, params=params)
    other = jm.Problem(scaled, problem.graph, problem.layer, problem.vary)
    solver = dataclasses.replace(solver, lanes=lanes)
    synthesis = Synthesis(
        problem, 0, solver, 10, devices, others=[Task(other, 5, solver)], together=True
    )
    found = list(synthesis.finished(SEEDS, None))
    rows = sorted((int(f.lane.task), int(f.lane.seed_id), float(f.verdict.loss)) for f in found)
    nodes = {(int(f.lane.task), int(f.lane.seed_id)): np.asarray(f.graph.nodes) for f in found}
    return {"rows": np.array(rows), "nodes": np.stack([nodes[row[:2]] for row in rows])}


def look_inside(problem, solver, devices):
    """Program texts, and where the arrays lie before and after a chunk."""
    synthesis = Synthesis(problem, 0, solver, 10, devices)
    data = synthesis.arrays, synthesis.basis, synthesis.limits
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
    problem, solver = problems()[name]
    np.savez(folder / "8.npz", **made(problem, solver, devices, 16, SEEDS))
    np.savez(folder / "1.npz", **made(problem, solver, LaneDevices(), 2, SEEDS))
    np.savez(folder / "few.npz", **made(problem, solver, devices, 16, SEEDS[:11]))
    if name == "free":
        np.savez(folder / "shared-8.npz", **shared(problem, solver, devices, 16))
        np.savez(folder / "shared-1.npz", **shared(problem, solver, LaneDevices(), 4))
    public = jm.generate(problem, seeds=SEEDS, solver=solver)
    graphs = [jm.metamer_graph(problem, public, i).nodes for i in range(len(SEEDS))]
    np.savez(
        folder / "public.npz",
        nodes=np.stack(graphs),
        **{name: getattr(public, name) for name in ("status", "steps_used", "loss_hardened")},
    )
    (folder / "inside.json").write_text(json.dumps(look_inside(problem, solver, devices)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
