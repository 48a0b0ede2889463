"""`remedy`: what helps where a search for metamers ends short, asked of the problem itself."""

import dataclasses
import math
from collections.abc import Iterable, Iterator

import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.graphs import num_nodes
from jmetamer.metamers.generate import generate
from jmetamer.metamers.methods import METHODS, method_named
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.status import ENDED_SHORT, Status
from jmetamer.metamers.vary import BinaryEdges, ContinuousFeatures
from jmetamer.metamers.vary.initialization import GlobalNoise
from jmetamer.models.structure import passes_through

_DENSE = 1_000  # nodes up to which a method that decomposes a dense matrix is tried, too


@checked
def remedy(
    problem: Problem, status: Iterable[int] | None = None, *, tolerance: float | None = None
) -> str:
    """Say what helps where a search ends short: exact methods that apply, and an inner layer.

    Every exact method is tried with one seed, and named where its metamer, judged as any other,
    is within the tolerance. Keys are those of a configuration: `metamers.method` is the argument
    `method` of `generate`, `metamers.layer` the `layer` of a `Problem`.

    Args:
      problem: what the search was for.
      status: of its metamers; None takes them as having ended short.
      tolerance: L_act at which a metamer counts; None takes that of what varies.

    Returns:
      Text; empty where no metamer ended short, or nothing is known to help.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GIN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> print(remedy(jm.Problem(trained, data.graph, layer="conv1")))
      `metamers.method: replace` or `metamers.method: reflect` (one metamer), exact by
      construction: loss at most ... in one try; or `metamers.layer: conv1.mlp`, the first layer
      behind an activation, which decides `conv1` where it matches exactly, so with a
      `metamers.tolerance` small enough for that
    """
    ends = set() if status is None else {int(code) for code in status}
    if status is not None and not ends & set(ENDED_SHORT):
        return ""
    limit = problem.tolerance if tolerance is None else tolerance
    remedies = [text for text in (_exact(problem, limit), _inner(problem)) if text]
    if Status.STEPS_EXHAUSTED in ends:
        remedies.append("more steps in `metamers.method`, as the loss had not stalled")
    return "; or ".join(remedies)


def _exact(problem: Problem, tolerance: float) -> str:
    """Name the exact methods that apply, and the loss that they reach."""
    kinds, key = [part.kind for part in problem.parts], ""
    if kinds == ["continuous"] and hasattr(problem.vary, "domain") and not problem.is_free:
        start = getattr(problem.vary, "initialization", GlobalNoise())
        problem = dataclasses.replace(problem, vary=ContinuousFeatures(initialization=start))
        key = "`metamers.vary.continuous_features.domain: free` with "
    losses = {name: loss for name, loss in _losses(problem) if loss <= tolerance}
    if not losses:
        return ""
    names = [
        f"`metamers.method: {name}`" + " (one metamer)" * METHODS[name].repeats for name in losses
    ]
    # The power of ten above it, so that most cells of other seeds say the same.
    power = math.ceil(math.log10(max(*losses.values(), 1e-30)))
    return f"{key}{' or '.join(names)}, exact by construction: loss at most 1e{power} in one try"


def _losses(problem: Problem) -> Iterator[tuple[str, float]]:
    """Yield exact methods that apply, those first that make another metamer of every seed."""
    if [part.kind for part in problem.parts] == ["simple_edges"]:
        # An exact method asks neither where a search starts nor how far it goes.
        edges = BinaryEdges(directed=problem.simple_edges.directed)
        problem = dataclasses.replace(problem, vary=edges)
    exact = [name for name, method in METHODS.items() if method.exact]
    applied = False
    for name in sorted(exact, key=lambda name: (METHODS[name].dense, METHODS[name].repeats)):
        if METHODS[name].dense and (applied or num_nodes(problem.graph) > _DENSE):
            return
        for one in _loss(problem, name):
            applied = True
            yield one


def _loss(problem: Problem, name: str) -> Iterator[tuple[str, float]]:
    try:
        metamers = generate(problem, seeds=[0], method=method_named(name).at_least())
    except InputError:  # it does not apply, and says so itself
        return
    if metamers.status[0] != Status.UNCHANGED:
        yield name, float(np.nan_to_num(metamers.loss_hardened[0], nan=np.inf))


def _inner(problem: Problem) -> str:
    """Name the first layer behind an activation, where it decides the matched layers."""
    model = problem.trained.model
    hops = model.num_hops
    decisive = [passes_through(model, layer) for layer in problem.layers]
    shared = (name for name in decisive[0] if all(name in other for other in decisive))
    inner = next((name for name in shared if model.nonlinearity(name)), None)
    if inner is None or problem.target is not None:
        return ""
    elsewhere = problem.nodes is not None or problem.edges is not None
    if elsewhere and any(hops(layer) > hops(inner) for layer in problem.layers):
        return ""  # what follows reads other nodes than the targets, or over other edges
    decided = " and ".join(f"`{layer}`" for layer in problem.layers)
    return (
        f"`metamers.layer: {inner}`, the first layer behind an activation, which decides {decided} "
        "where it matches exactly, so with a `metamers.tolerance` small enough for that"
    )
