"""Coordinates in which the loop runs: the parameterization's own, or the network's entry.

A network that begins with a linear map sees its features only through `Y = X W_e`, so optimizing
Y (or the coordinates of X in the row space of `W_e^T`) touches n x m numbers a step instead of
n x d. The features are rebuilt once, at the end: `X' = X0 + (Y' - X0 W_e) W_e^+`, of all features
with that Y' the closest to the start X0.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.geometry.row_space import row_space
from jmetamer.metamers.problem import Arrays, Matching, Problem
from jmetamer.metamers.vary import Theta

# Beyond this condition number one entry of Y would be bought with huge features.
_CONDITION_LIMIT = 1e3


class Coordinates(Protocol):
    """How theta of the loop becomes activations, and in the end a theta of the parameterization.

    Hashable; `basis` is a pytree of arrays made by `prepare`, once a problem.
    """

    @property
    def name(self) -> str:
        """Word stored with the result."""
        ...

    def start(self, drawn: Theta, matching: Matching, arrays: Arrays, basis: Any) -> Any:
        """Return (theta, constants) of one lane from the parameterization's start."""
        ...

    def activations(
        self, theta: Any, constants: Any, matching: Matching, arrays: Arrays, basis: Any
    ) -> Mapping[str, jax.Array]:
        """Return the network's activations."""
        ...

    def project(self, theta: Any, matching: Matching, arrays: Arrays) -> Any:
        """Return legal coordinates."""
        ...

    def is_free(self, matching: Matching) -> bool:
        """Return whether `project` changes nothing, whatever it is given."""
        ...

    def penalty(self, theta: Any, matching: Matching, arrays: Arrays) -> jax.Array:
        """Return the scalar added to the loss."""
        ...

    def finish(
        self,
        theta: Any,
        constants: Any,
        drawn: Theta,
        matching: Matching,
        arrays: Arrays,
        basis: Any,
    ) -> jraph.GraphsTuple:
        """Return the hard graph that these coordinates stand for, given where they started."""
        ...


@dataclasses.dataclass(frozen=True)
class OwnCoordinates:
    """The parameterization's own theta: always exact.

    Example:
      >>> OwnCoordinates().name
      'features'
    """

    name: str = "features"

    def start(self, drawn: Theta, matching: Matching, arrays: Arrays, basis: Any) -> Any:
        """Return the parameterization's start as it is, and no constants."""
        return drawn, ()

    def activations(
        self, theta: Theta, constants: Any, matching: Matching, arrays: Arrays, basis: Any
    ) -> Mapping[str, jax.Array]:
        """Return the activations of the decoded graph."""
        graph = matching.vary.decode(theta, arrays.graph)
        return matching.model.activations(
            arrays.params, graph, identity_backward=matching.identity_backward
        )

    def project(self, theta: Theta, matching: Matching, arrays: Arrays) -> Theta:
        """Return the parameterization's projection."""
        return matching.vary.project(theta, arrays.graph)

    def is_free(self, matching: Matching) -> bool:
        """Return whether the parameterization allows all real features."""
        return matching.vary.is_free

    def penalty(self, theta: Theta, matching: Matching, arrays: Arrays) -> jax.Array:
        """Return the parameterization's penalty."""
        return matching.vary.penalty(theta, arrays.graph)

    def finish(
        self,
        theta: Theta,
        constants: Any,
        drawn: Theta,
        matching: Matching,
        arrays: Arrays,
        basis: Any,
    ) -> jraph.GraphsTuple:
        """Return the hardened graph."""
        return matching.vary.harden(theta, arrays.graph)


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
class EntryCoordinates:
    """Coordinates of the product `Y = X W_e`; exact for free continuous features.

    With the thin decomposition `W_e = U S V^T` of rank r, "entry" optimizes `theta = Y V`
    (`theta = Y` at full column rank) and "row_space" optimizes C in `X' = X0 + C U^T`. Gradient
    descent, momentum and L-BFGS take the same path in "row_space" as in the features; "entry" is
    the same set of metamers with a preconditioner `(W_e^T W_e)^-1`.

    Attributes:
      name: "entry" or "row_space".

    Example:
      >>> EntryCoordinates("row_space").name
      'row_space'
    """

    name: str = "entry"

    def start(self, drawn: jax.Array, matching: Matching, arrays: Arrays, basis: EntryBasis) -> Any:
        """Return theta, which is Y0 or a change of it, and Y0 [n, m]."""
        y0 = drawn @ basis.weights
        if basis.turn is None:
            return y0, y0
        return jnp.zeros((y0.shape[0], basis.turn.shape[0]), y0.dtype), y0

    def activations(
        self,
        theta: jax.Array,
        constants: Any,
        matching: Matching,
        arrays: Arrays,
        basis: EntryBasis,
    ) -> Mapping[str, jax.Array]:
        """Return the activations with Y in place of the product of features and weights."""
        entry = theta if basis.turn is None else constants + theta @ basis.turn
        return matching.model.activations(
            arrays.params,
            arrays.graph,
            entry=entry,
            identity_backward=matching.identity_backward,
        )

    def project(self, theta: jax.Array, matching: Matching, arrays: Arrays) -> jax.Array:
        """Return `theta`: nothing is forbidden."""
        return theta

    def is_free(self, matching: Matching) -> bool:
        """Return True: nothing is forbidden."""
        return True

    def penalty(self, theta: jax.Array, matching: Matching, arrays: Arrays) -> jax.Array:
        """Return 0."""
        return jnp.zeros((), theta.dtype)

    def finish(
        self,
        theta: jax.Array,
        constants: jax.Array,
        drawn: jax.Array,
        matching: Matching,
        arrays: Arrays,
        basis: EntryBasis,
    ) -> jraph.GraphsTuple:
        """Return the graph with `X' = X0 + change lift`."""
        change = theta - constants if basis.turn is None else theta
        return arrays.graph._replace(nodes=drawn + change @ basis.lift)


COORDINATES = ("auto", "features", "row_space", "entry")


def choose_coordinates(problem: Problem, name: str = "auto") -> tuple[Coordinates, Any]:
    """Return the coordinates to optimize in, and their basis.

    "auto" takes "entry" where it is exact: free continuous features and a network whose first
    operation is linear, with fewer columns than features. Everything else runs in "features".

    Args:
      problem: what is to be matched.
      name: one of `COORDINATES`.

    Raises:
      InputError: the named coordinates are not exact for this problem.
    """
    if name == "features":
        return OwnCoordinates(), ()
    first = None
    if problem.is_free:
        first = problem.trained.model.first_layer(problem.arrays.params)
    if first is None:
        if name == "auto":
            return OwnCoordinates(), ()
        raise InputError(
            f"coordinates {name!r} need free continuous features and a network that begins with a "
            f"linear map; got {problem.vary!r}. Use 'features' or 'auto'"
        )
    weights = first.weights
    u, s, vt = row_space(weights)
    rank = s.size
    if name == "auto" and (rank == 0 or rank >= weights.shape[0]):
        return OwnCoordinates(), ()
    if name == "row_space":
        return EntryCoordinates("row_space"), _basis(weights, u.T, s[:, None] * vt)
    if rank == weights.shape[1] and s[0] <= _CONDITION_LIMIT * s[-1]:
        return EntryCoordinates("entry"), _basis(weights, (vt.T / s) @ u.T, None)
    # Directions of Y that the features reach only with effort keep their own scale.
    effort = np.maximum(s, s[0] / _CONDITION_LIMIT) if rank else s
    return EntryCoordinates("entry"), _basis(
        weights, u.T / effort[:, None], (s / effort)[:, None] * vt
    )


def _basis(weights: jax.Array, lift: np.ndarray, turn: np.ndarray | None) -> EntryBasis:
    return EntryBasis(
        jnp.asarray(weights),
        jnp.asarray(lift, jnp.float32),
        None if turn is None else jnp.asarray(turn, jnp.float32),
    )
