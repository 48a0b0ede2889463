"""Lanes that end in NaN or infinity beside good ones; see README.md.

python experiments/reliability/lanes.py --count 24

Every good metamer must be, bit for bit, what it is in a search in which no lane is bad, with any
number of lanes. Prints a line a search; exit code 1 where a bit differs.
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jmetamer as jm
from jmetamer._base.keys import part_key

BAD = {
    "NaN": jnp.nan,
    "infinity": jnp.inf,
    "-infinity": -jnp.inf,
    "1e38": 1e38,
    "one NaN": None,
}


@dataclasses.dataclass(frozen=True)
class Start:
    """Noise, and where the seed's key says so something that no search survives."""

    bad: str = ""

    def __call__(self, key: jax.Array, features: jax.Array) -> jax.Array:
        noise = jax.random.normal(key, features.shape)
        if not self.bad:
            return noise
        value = BAD[self.bad]
        broken = noise.at[1, 1].set(jnp.nan) if value is None else jnp.full_like(noise, value)
        return jnp.where(is_bad(key, features.shape), broken, noise)


def is_bad(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.normal(key, shape)[0, 0] > 0.3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=24, help="metamers of each search")
    parser.add_argument("--quick", action="store_true", help="one optimizer and number of lanes")
    options = parser.parse_args()
    faults = number = 0
    for number, (name, wrong) in enumerate(searches(options.count, options.quick), 1):
        faults += bool(wrong)
        print(f"{number:3} {name}: {wrong or 'equal'}", flush=True)
    print(f"{number} searches, {faults} with anything wrong")
    return int(faults > 0)


def searches(count: int, quick: bool) -> Iterator[tuple[str, str]]:
    """Yield each search with what is wrong with it."""
    data = jm.load_dataset("karate")
    trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=10))
    optimizers = {"L-BFGS": None, "adam": jm.Optimizer("adam", 0.05)}
    for name, optimizer in list(optimizers.items())[quick:]:
        for lanes in (8,) if quick else (1, 3, 8):
            good = made(data, trained, Start(), count, lanes, optimizer)
            for bad in BAD:
                title = f"{name}, {lanes} lanes, {bad}"
                found = made(data, trained, Start(bad), count, lanes, optimizer)
                yield title, difference(good, found, data.graph.nodes.shape, bad)


def made(data: Any, trained: Any, start: Start, count: int, lanes: int, optimizer: Any) -> Any:
    vary = jm.ContinuousFeatures(initialization=start)
    problem = jm.Problem(trained, data.graph, layer="conv1", vary=vary)
    method = jm.Optimize(optimizer, steps=40, coordinates="features")
    return jm.generate(problem, count=count, seed=0, lanes=lanes, method=method)


def difference(good: Any, found: Any, shape: tuple[int, ...], bad: str) -> str:
    """Return what is wrong; "" where good seeds are equal and bad ones are marked."""
    keys = [part_key(0, i, "features") for i in range(len(good.status))]
    broken = np.array([bool(is_bad(key, shape)) for key in keys])
    if not broken.any() or broken.all():
        return "no lane is bad, or all are"
    for name in ("loss_hardened", "status", "steps_used", "layer_match"):
        one, other = (np.asarray(getattr(each, name))[~broken] for each in (good, found))
        if one.tobytes() != other.tobytes():
            return f"{name} of good seeds differ"
    values = [jax.tree.leaves(jax.device_get(each.theta)) for each in (good, found)]
    for one, other in zip(*values, strict=True):
        if np.asarray(one)[~broken].tobytes() != np.asarray(other)[~broken].tobytes():
            return "what was found for good seeds differs"
    status = np.asarray(found.status)[broken]
    if bad != "1e38" and (status == jm.Status.CONVERGED).any():
        return "a bad seed is called converged"
    return ""


if __name__ == "__main__":
    sys.exit(main())
