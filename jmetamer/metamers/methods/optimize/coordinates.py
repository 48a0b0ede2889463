"""Coordinates in which the loop runs: those of the part itself, or the network's entry.

A network that begins with a linear map sees its features only through `Y = X W_e`, so optimizing
Y (or the coordinates of X in the row space of `W_e^T`) touches n x m numbers a step instead of
n x d. The features are rebuilt once, at the end: `X' = X0 + (Y' - X0 W_e) W_e^+`, of all features
with that Y' the closest to the start X0.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.geometry.row_space import row_space
from jmetamer.metamers.problem import Arrays, Problem
from jmetamer.metamers.vary import Theta, Vary

# Beyond this condition number one entry of Y would be bought with huge features.
_CONDITION_LIMIT = 1e3


class EntryBasis(NamedTuple):
    """Factors of W_e.

    Attributes:
      weights: [d, m] W_e.
      lift: [r, d] maps a change of theta to a change of the features.
      turn: [r, m] maps a change of theta to a change of Y, or None where theta is Y itself.
    """

    weights: jax.Array
    lift: jax.Array
    turn: jax.Array | None


@dataclasses.dataclass(frozen=True)
class EntryCoordinates(Vary):
    """A part that is all real features, in coordinates of the product `Y = X W_e`.

    With the thin decomposition `W_e = U S V^T` of rank r, "entry" optimizes `theta = Y V`
    (`theta = Y` at full column rank) and "row_space" optimizes C in `X' = X0 + C U^T`. Gradient
    descent, momentum and L-BFGS take the same path in "row_space" as in the features; "entry" is
    the same set of metamers with a preconditioner `(W_e^T W_e)^-1`. `globals` of a reference hold
    an `EntryBasis`, and its features are those of the start X0.

    Attributes:
      inner: the part.
      name: "entry" or "row_space".
    """

    inner: Vary
    name: str = "entry"
    part: ClassVar[str] = "features"
    kind: ClassVar[str] = "continuous"
    by_entry: ClassVar[bool] = True

    @property
    def is_free(self) -> bool:
        """Whether nothing is forbidden: so it is."""
        return True

    def init(self, key: jax.Array, reference: jraph.GraphsTuple) -> jax.Array:
        """Return theta of the part's own start."""
        theta: jax.Array = self.begin(self.inner.init(key, reference), reference)[0]
        return theta

    def begin(
        self, drawn: Theta, reference: jraph.GraphsTuple
    ) -> tuple[Theta, jraph.GraphsTuple, jraph.GraphsTuple]:
        """Return theta, the graph with features X0, and that with Y0 where theta is a change."""
        origin = self.inner.decode(drawn, reference)
        basis: EntryBasis = reference.globals
        if basis.turn is None:
            return self.encode(origin), origin, reference
        return self.encode(origin), origin, reference._replace(nodes=origin.nodes @ basis.weights)

    def encode(self, reference: jraph.GraphsTuple) -> jax.Array:
        """Return Y0, or no change."""
        basis: EntryBasis = reference.globals
        if basis.turn is None:
            return reference.nodes @ basis.weights
        return jnp.zeros((reference.nodes.shape[0], basis.turn.shape[0]), reference.nodes.dtype)

    def decode(self, theta: jax.Array, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the graph with Y in the place of features."""
        turn = reference.globals.turn
        return reference._replace(nodes=theta if turn is None else reference.nodes + theta @ turn)

    def harden(self, theta: jax.Array, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
        """Return the graph with `X' = X0 + change lift`."""
        basis: EntryBasis = reference.globals
        change = theta if basis.turn is not None else theta - reference.nodes @ basis.weights
        return reference._replace(nodes=reference.nodes + change @ basis.lift, globals=None)


COORDINATES = ("auto", "features", "row_space", "entry")


def choose_coordinates(problem: Problem, name: str = "auto") -> tuple[Vary, Arrays]:
    """Return the part that the loop moves, and the data of the problem with what the part needs.

    "auto" takes "entry" where it is exact: free continuous features and a network whose first
    operation is linear, with fewer columns than features. Everything else runs in "features".

    Args:
      problem: what is to be matched.
      name: one of `COORDINATES`.

    Raises:
      InputError: the named coordinates are not exact for this problem.
    """
    vary, arrays = problem.matching.vary, problem.arrays
    first = None
    if problem.is_free and name != "features":
        first = problem.trained.model.first_layer(arrays.params)
    if first is None:
        if name in ("auto", "features"):
            return vary, arrays
        raise not_linear(name, problem.vary)
    weights = first.weights
    u, s, vt = row_space(weights)
    rank = s.size
    if name == "auto" and (rank == 0 or rank >= weights.shape[0]):
        return vary, arrays
    if name == "row_space":
        basis = _basis(weights, u.T, s[:, None] * vt)
    elif rank == weights.shape[1] and s[0] <= _CONDITION_LIMIT * s[-1]:
        basis = _basis(weights, (vt.T / s) @ u.T, None)
    else:
        # Directions of Y that the features reach only with effort keep their own scale.
        effort = np.maximum(s, s[0] / _CONDITION_LIMIT) if rank else s
        basis = _basis(weights, u.T / effort[:, None], (s / effort)[:, None] * vt)
    name = "row_space" if name == "row_space" else "entry"
    return EntryCoordinates(vary, name), arrays._replace(graph=arrays.graph._replace(globals=basis))


def not_linear(name: str, vary: object) -> InputError:
    """Return the error for coordinates that do not exist where these parts vary."""
    return InputError(
        f"coordinates {name!r} need free continuous features and a network that begins with a "
        f"linear map; got {vary!r}. Use 'features' or 'auto'"
    )


def _basis(weights: jax.Array, lift: np.ndarray, turn: np.ndarray | None) -> EntryBasis:
    return EntryBasis(
        jnp.asarray(weights),
        jnp.asarray(lift, jnp.float32),
        None if turn is None else jnp.asarray(turn, jnp.float32),
    )
