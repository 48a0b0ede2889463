"""`Searched`: what a discrete search over edges ends with."""

from typing import NamedTuple

import jax

from jmetamer.graphs.pairs import Pairs


class Searched(NamedTuple):
    """The best hard graph that a search has seen.

    Attributes:
      pairs: [m].
      present: [m] bool.
      loss: [] its loss.
      initial_loss: [] loss of the graph that the search began with.
      accepted: [] int32 number of moves made, also those that were not kept in the end.
      trace: [steps] loss of the current graph after each step.
    """

    pairs: Pairs
    present: jax.Array
    loss: jax.Array
    initial_loss: jax.Array
    accepted: jax.Array
    trace: jax.Array
