"""Discrete searches over edges by name, and the compiled function that runs them."""

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from jmetamer._base.errors import InputError, unknown_name
from jmetamer._base.keys import seed_key
from jmetamer._base.precision import highest_precision
from jmetamer.graphs.pairs import Pairs
from jmetamer.metamers.edges.annealing import Annealing, annealed
from jmetamer.metamers.edges.pair_loss import loss_of_pairs
from jmetamer.metamers.edges.plan import Data, Numbers, Plan
from jmetamer.metamers.edges.programs import each
from jmetamer.metamers.edges.relaxation import first_block, start_edges
from jmetamer.metamers.edges.searched import Searched
from jmetamer.metamers.edges.settings import BinaryEdges
from jmetamer.metamers.edges.swap_search import SwapSearch, swap_search
from jmetamer.metamers.problem import Problem

Search = SwapSearch | Annealing

SEARCHES: Mapping[str, type[Any]] = MappingProxyType(
    {"swap_search": SwapSearch, "annealing": Annealing}
)


def search_named(method: Any, problem: Problem) -> tuple[str, Search]:
    """Return the name and the settings of a discrete search.

    Args:
      method: a name of `SEARCHES`, or settings such as `SwapSearch(steps=500)`.
      problem: what it is to solve.

    Raises:
      InputError: there is no such search, or it does not apply to the problem.

    Example:
      >>> sorted(SEARCHES)
      ['annealing', 'swap_search']
    """
    name = next((n for n, kind in SEARCHES.items() if isinstance(method, kind)), method)
    if name not in SEARCHES:
        raise unknown_name("method", str(name), ("optimize", *SEARCHES))
    settings = SEARCHES[name]() if isinstance(method, str) else method
    vary = problem.vary
    if not isinstance(vary, BinaryEdges):
        raise InputError(
            f"method {name!r} searches over edges alone, but `vary` is {vary!r}; use "
            "`BinaryEdges()`, or the method 'optimize'"
        )
    if vary.start not in ("noise", "rewired") or vary.budget is not None:
        raise InputError(
            f"method {name!r} takes `start` 'noise' or 'rewired' and no `budget`, which only the "
            f"relaxation keeps, but `start` is {vary.start!r} and `budget` {vary.budget}; change "
            "them, or use the method 'optimize'"
        )
    return name, settings


@functools.partial(jax.jit, static_argnums=(0, 1))
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
