"""How many structure metamers are relaxed at once, and whether one fits the memory at all."""

import functools

import jax
import jax.numpy as jnp

from jmetamer._base.errors import InputError
from jmetamer._base.live_bytes import live_bytes, shape_of, tree_bytes
from jmetamer.metamers.methods.optimize.memory import available_bytes
from jmetamer.metamers.methods.relax_edges import programs
from jmetamer.metamers.methods.relax_edges.plan import Data, Numbers, Plan

# The rest is left to fragmentation, to the compiler's own choices and to other users.
_USABLE_SHARE = 0.5
# More seeds than this keep no accelerator busier, but the first result comes later.
_MOST = 256


def seeds_at_once(plan: Plan, data: Data, numbers: Numbers, lanes: int | None, count: int) -> int:
    """Return how many seeds run together: one on a processor, else those asked for or that fit.

    Args:
      plan: what is run.
      data: of the reference.
      numbers: that steer the loop.
      lanes: those asked for; None takes as many as are useful.
      count: number of seeds.

    Raises:
      InputError: one seed, or the number asked for, needs more than half of the free memory.
    """
    wanted = wanted_at_once(lanes, count, together=plan.together)
    available = available_bytes()
    if available is None:
        return wanted
    fits = int(_USABLE_SHARE * available) // bytes_of_seed(plan, data, numbers)
    if fits < 1 or (lanes is not None and fits < wanted):
        wish = "one seed" if fits < 1 else f"`lanes`={wanted}"
        raise InputError(
            f"{wish} of {data.pairs.senders.shape[0]:,} edges and {plan.num_block:,} candidates "
            f"does not fit: half of the free memory ({available / 2e9:,.1f} GB) holds {fits} "
            "seeds; take a smaller `block`, fewer `lanes`, or a part of the graph (`ego_graph`)"
        )
    return min(wanted, fits)


def wanted_at_once(lanes: int | None, count: int, *, together: bool) -> int:
    """Return how many seeds would run together if the memory had no end.

    Args:
      lanes: those asked for; None takes as many as are useful.
      count: number of seeds.
      together: whether seeds are relaxed all at once.

    Example:
      >>> [wanted_at_once(None, 1000, together=together) for together in (True, False)]
      [256, 1]
    """
    return min(count, lanes or _MOST) if together else 1


def bytes_of_seed(plan: Plan, data: Data, numbers: Numbers) -> int:
    """Return what one seed keeps and what a step of its relaxation needs, by tracing alone.

    Args:
      plan: what is run.
      data: of the reference.
      numbers: that steer the loop.
    """
    shapes, tree = jax.tree.flatten(jax.tree.map(shape_of, (data, numbers)))
    return _bytes_of_seed(plan, tuple(shapes), tree)


@functools.lru_cache(maxsize=64)
def _bytes_of_seed(
    plan: Plan, shapes: tuple[jax.ShapeDtypeStruct, ...], tree: jax.tree_util.PyTreeDef
) -> int:
    """Return what one seed keeps and what a step of it needs; traced once for all data."""
    data, numbers = jax.tree.unflatten(tree, shapes)
    seed = jax.ShapeDtypeStruct((1,), jnp.int32)
    state = programs.begin.eval_shape(plan, seed, data, numbers)
    number = jax.ShapeDtypeStruct((), jnp.int32)
    step = live_bytes(programs.advance.trace(plan, state, number, data, numbers).jaxpr)
    return max(1, tree_bytes(state) + step)
