"""Discrete searches over edges by name, and the compiled function that runs them."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError, unknown_name
from jmetamer._base.keys import seed_key
from jmetamer._base.precision import highest_precision
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.methods.exact.color_swaps import ColorSwaps
from jmetamer.metamers.methods.relax_edges.annealing import Annealing, annealed
from jmetamer.metamers.methods.relax_edges.pair_loss import loss_of_pairs
from jmetamer.metamers.methods.relax_edges.plan import Data, Numbers, Plan
from jmetamer.metamers.methods.relax_edges.programs import each
from jmetamer.metamers.methods.relax_edges.relaxation import first_block, start_edges
from jmetamer.metamers.methods.relax_edges.searched import Searched
from jmetamer.metamers.methods.relax_edges.swap_search import SwapSearch, swap_search
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.solver import Solver
from jmetamer.metamers.vary.edges import BinaryEdges

Search = SwapSearch | Annealing

SEARCHES: Mapping[str, type[Any]] = MappingProxyType(
    {"swap_search": SwapSearch, "annealing": Annealing, "color_swaps": ColorSwaps}
)


def search_named(method: Any, problem: Problem) -> Search | ColorSwaps:
    """Return the settings of a search over hard edges.

    Args:
      method: a name of `SEARCHES`, or settings such as `SwapSearch(steps=500)`.
      problem: what it is to solve.

    Raises:
      InputError: there is no such search, or it does not apply to the problem.

    Example:
      >>> sorted(SEARCHES)
      ['annealing', 'color_swaps', 'swap_search']
    """
    name = next((n for n, kind in SEARCHES.items() if isinstance(method, kind)), method)
    if name not in SEARCHES:
        raise unknown_name("method", str(name), ("optimize", *SEARCHES))
    settings: Search | ColorSwaps = SEARCHES[name]() if isinstance(method, str) else method
    vary = problem.vary
    if not isinstance(vary, BinaryEdges):
        raise InputError(
            f"method {name!r} searches over edges alone, but `vary` is {vary!r}; use "
            "`BinaryEdges()`, or the method 'optimize'"
        )
    if isinstance(settings, ColorSwaps):
        _refuse_all_but_directions(vary)
    elif vary.start not in ("noise", "rewired") or vary.budget is not None:
        raise InputError(
            f"method {name!r} takes `start` 'noise' or 'rewired' and no `budget`, which only the "
            f"relaxation keeps, but `start` is {vary.start!r} and `budget` {vary.budget}; change "
            "them, or use the method 'optimize'"
        )
    return settings


def makes_color_swaps(method: Any) -> bool:
    """Return whether a method is the exact one of edges.

    Args:
      method: of a solver.

    Example:
      >>> [makes_color_swaps(method) for method in ("color_swaps", ColorSwaps(3), SwapSearch())]
      [True, True, False]
    """
    return isinstance(method, ColorSwaps) or method == "color_swaps"


def refuse_coordinates(solver: Solver) -> None:
    """Refuse coordinates of features where edges alone vary.

    Raises:
      InputError: the solver's coordinates are neither "auto" nor "features".
    """
    if solver.coordinates not in ("auto", "features"):
        raise InputError(
            f"`coordinates` is {solver.coordinates!r}, which are coordinates of features, but "
            "only edges vary; leave it out"
        )


def _refuse_all_but_directions(vary: BinaryEdges) -> None:
    """Refuse what exact swaps would ignore: they begin at the reference and relax nothing."""
    fields = [field for field in dataclasses.fields(vary) if field.name != "directed"]
    given = [
        f"`{field.name}`={getattr(vary, field.name)!r}"
        for field in fields
        if getattr(vary, field.name) != field.default
    ]
    if given:
        raise InputError(
            f"method 'color_swaps' makes swaps of the reference's own edges and keeps only "
            f"`directed` of `BinaryEdges`; it would ignore {', '.join(given)}; leave that out, or "
            "use the method 'optimize'"
        )


@compile_function(static=2)
def search(
    plan: Plan, settings: Search, seed_ids: jax.Array, data: Data, numbers: Numbers
) -> Searched:
    """Return where the searches of seeds [s] end, at the highest matmul precision."""

    def loss(pairs: Pairs, weight: jax.Array) -> jax.Array:
        return loss_of_pairs(pairs, weight, (), plan, data)[1]

    def one(seed_id: jax.Array) -> Searched:
        key = seed_key(numbers.base_seed, seed_id)
        key_start, key_block, key_search = (jax.random.fold_in(key, i) for i in range(3))
        pairs = start_edges(key_start, plan, data)
        present = pairs.is_pair
        if isinstance(settings, SwapSearch):
            return swap_search(key_search, pairs, present, loss, settings, plan.directed)
        if settings.move == "flip":
            block = first_block(key_block, pairs, plan, data)
            pairs = Pairs(*(jnp.concatenate(sides) for sides in zip(pairs, block, strict=True)))
            present = jnp.concatenate([present, jnp.zeros(block.senders.shape, bool)])
        return annealed(key_search, pairs, present, loss, settings, plan.directed)

    with highest_precision():
        return each(plan, one, seed_ids)
