"""Ways of finding metamers: one file or folder each, one line in the table."""

import dataclasses
from typing import Any, cast

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError, unknown_name
from jmetamer.metamers.methods.exact.color_swaps import ColorSwaps
from jmetamer.metamers.methods.exact.gauss_newton import GaussNewton
from jmetamer.metamers.methods.exact.max_distance import MaxDistance
from jmetamer.metamers.methods.exact.null_space import NullSpace
from jmetamer.metamers.methods.exact.reflect import Reflect
from jmetamer.metamers.methods.exact.replace import Replace
from jmetamer.metamers.methods.exact.walk import Walk
from jmetamer.metamers.methods.method import Execution, Method, Progress, Samples, Task
from jmetamer.metamers.methods.optimize.optimize import Optimize
from jmetamer.metamers.methods.relax_edges.relax_edges import RelaxEdges
from jmetamer.metamers.methods.relax_edges.swap_search import SwapSearch
from jmetamer.metamers.methods.repel.repel import Repel
from jmetamer.metamers.problem import Problem

METHODS: dict[str, type[Any]] = {
    "optimize": Optimize,
    "relax_edges": RelaxEdges,
    "swap_search": SwapSearch,
    "color_swaps": ColorSwaps,
    "reflect": Reflect,
    "replace": Replace,
    "null_space": NullSpace,
    "gauss_newton": GaussNewton,
    "walk": Walk,
    "max_distance": MaxDistance,
    "repel": Repel,
}


def method_named(method: object) -> Method:
    """Return a method with its defaults for a name, and a method as it is.

    Args:
      method: a name of `METHODS`, or a method.

    Raises:
      InputError: there is no such method.

    Example:
      >>> method_named("walk").steps, method_named(Walk(steps=5)).name
      (60, 'walk')
    """
    if isinstance(method, str):
        if method not in METHODS:
            raise unknown_name("method", method, METHODS)
        kind = METHODS[method]
        if needed := [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING]:
            raise InputError(
                f"method {method!r} has no default for `{'`, `'.join(needed)}`; give the method "
                f"itself, as `method=jm.{kind.__name__}({needed[0]}=...)`"
            )
        return cast(Method, kind())
    if isinstance(method, type) or not hasattr(method, "for_problem"):
        raise InputError(
            f"`method` is {method!r}; allowed are the names {', '.join(map(repr, METHODS))} and "
            "methods such as `GaussNewton(aim=1e-20)`"
        )
    return cast(Method, method)


@checked
def default_method(problem: Problem) -> Method:
    """Return the method that was fastest to a verified metamer in our measurements.

    `Optimize` for features and edge weights, `RelaxEdges` for edges that come and go, each with
    what it leaves open chosen for the problem.

    Args:
      problem: what is to be matched.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> default_method(jm.Problem(trained, data.graph, layer="conv1")).optimizer.name
      'lane_lbfgs'
    """
    return method_named(problem.default_method).for_problem(problem)


__all__ = [
    "METHODS",
    "ColorSwaps",
    "Execution",
    "GaussNewton",
    "MaxDistance",
    "Method",
    "NullSpace",
    "Optimize",
    "Progress",
    "Reflect",
    "RelaxEdges",
    "Repel",
    "Replace",
    "Samples",
    "SwapSearch",
    "Task",
    "Walk",
    "default_method",
    "method_named",
]
