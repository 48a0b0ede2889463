"""`Point`: the reference of a problem in float64 on the host, with what its entry can see."""

import functools

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.precision import float64_on_host
from jmetamer.metamers.float64_view import Float64View
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.question import WithParts
from jmetamer.models.protocol import Model, Params


def require_free(question: WithParts) -> None:
    """Refuse parts that are not features alone, all of whose real values are legal."""
    if not question.is_free:
        raise InputError(
            "exact metamers leave the range of the data, so they need free continuous features; "
            f"`vary` is {question.vary!r}. Use `ContinuousFeatures()`, or leave `method` out"
        )


class Point(Float64View):
    """The problem in float64: features, targets, and the row space of the first matrices.

    Where a network sees its features only through `Y = X W_e`, the component of X in the kernel
    of `W_e^T` is invisible to every layer. `P = Q Q^T` projects on the rest, with Q an orthonormal
    basis of the column space of W_e.

    Args:
      problem: free continuous features; what is to be matched.
      coordinates: "auto" lets search methods move in the row space wherever it is exact,
        "row_space" insists on it, "features" moves all entries.

    Raises:
      InputError: the features are not free and continuous, or the model computes in less than
        float64 when it is given float64.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> point = Point(jm.Problem(trained, data.graph, layer="conv1"))
      >>> point.basis.shape, point.loss(point.features)
      ((34, 4), 0.0)
    """

    def __init__(self, problem: Problem, coordinates: str = "auto") -> None:
        require_free(problem)
        super().__init__(problem)
        self.basis = None if self.visible is None else self.visible.basis
        if coordinates in ("row_space", "entry") and self.basis is None:
            raise InputError(
                f"coordinates {coordinates!r} need a network that begins with a linear map; "
                "use 'features' or 'auto'"
            )
        # A basis as wide as the features hides nothing and would only cost products.
        narrow = self.basis is not None and self.basis.shape[1] < self.features.shape[1]
        self.by_row_space = coordinates != "features" and narrow
        self.nodes = None if problem.nodes is None else np.asarray(problem.nodes)

    @functools.cached_property
    def reference(self) -> dict[str, np.ndarray]:
        """Activations [n, c] of the reference."""
        return self.activations(self.features)

    @functools.cached_property
    def targets(self) -> dict[str, np.ndarray]:
        """Layer -> [t, c] activation to match; the reference's own is recomputed in float64."""
        if self.problem.target is not None:
            targets = self.problem.arrays.targets
            return {name: np.asarray(value, np.float64) for name, value in targets.items()}
        return {name: self.select(self.reference[name]) for name in self.problem.layers}

    @functools.cached_property
    def scales(self) -> dict[str, float]:
        """Layer -> |target|^2, or 1 where the target is all zero."""
        return {name: float(np.sum(h**2)) or 1.0 for name, h in self.targets.items()}

    def select(self, activation: np.ndarray) -> np.ndarray:
        """Return the rows of the target nodes."""
        return activation if self.nodes is None else activation[self.nodes]

    def activations(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Return every named activation [n, c] of features [n, d]."""
        with float64_on_host():
            moved = self.graph._replace(nodes=np.asarray(features, np.float64))
            activations = jax.device_get(_activations(self.model, self.params, moved))
        for name, value in activations.items():
            if value.dtype != np.float64:
                raise InputError(
                    f"the model returns {value.dtype} at layer {name!r} for float64 features; "
                    "exact metamers need float64 throughout. Remove the cast, or use 'optimize'"
                )
        return dict(activations)

    def matches(self, features: np.ndarray) -> dict[str, float]:
        """Return L_act of the target nodes at every layer, against the reference."""
        activations = self.activations(features)
        truth = {name: self.select(value) for name, value in self.reference.items()}
        return {
            name: float(np.sum((self.select(activations[name]) - h) ** 2) / (np.sum(h**2) or 1.0))
            for name, h in truth.items()
        }

    def loss(self, features: np.ndarray) -> float:
        """Return the largest L_act of the matched layers; |h'|^2 where a target is all zero."""
        activations = self.activations(features)
        return max(
            float(np.sum((self.select(activations[name]) - h) ** 2) / self.scales[name])
            for name, h in self.targets.items()
        )

    def require_reference(self, method: str) -> None:
        """Raise `InputError` where a target was given: the reference's features do not make it."""
        if self.problem.target is not None:
            raise InputError(
                f"method {method!r} changes the reference's own features, but this problem has a "
                "`target` of its own; leave `target` out, or use 'gauss_newton' or 'optimize'"
            )

    def require_blind_directions(self, method: str) -> np.ndarray:
        """Return the basis Q [d, r] of what the entry sees; r < d.

        Raises:
          InputError: the entry is not linear, or sees all features.
        """
        self.require_reference(method)
        width = self.features.shape[1]
        if self.basis is None:
            raise InputError(
                f"method {method!r} needs a network that sees its features only through a matrix, "
                f"but `first_layer` of {self.model!r} is None: raw features are used as they "
                "are. Use 'gauss_newton', 'walk' or 'optimize'"
            )
        if self.basis.shape[1] >= width:
            raise InputError(
                f"method {method!r} needs features that the first layer cannot see, but its "
                f"matrix has rank {self.basis.shape[1]} of {width} features; use a narrower first "
                "layer, or 'gauss_newton', 'walk' or 'optimize'"
            )
        return self.basis


@compile_function(static=1)
def _activations(model: Model, params: Params, graph: jraph.GraphsTuple) -> dict[str, jax.Array]:
    activations = model.activations(params, graph)
    return {name: jnp.asarray(value) for name, value in activations.items()}
