"""`Solver`: how a problem is solved, and the measured defaults."""

import dataclasses
from typing import Any

from jmetamer._base.arguments import Count, NonNegative, Positive, Rate, checked
from jmetamer._base.errors import unknown_name
from jmetamer._base.precision import PRECISIONS
from jmetamer.metamers.methods.optimize.coordinates import COORDINATES
from jmetamer.metamers.methods.optimize.optimizers import Optimizer
from jmetamer.metamers.problem import Problem
from jmetamer.metamers.vary import ContinuousFeatures, EdgeWeights
from jmetamer.metamers.vary.edges import BinaryEdges, Structure

# Steps without improvement that no relaxation of edges takes: its penalty rises to the end.
_NEVER = 1_000_000
# What a record says of seeds that repel each other.
ONE_GROUP = "one group: each metamer depends on all others, and none can be made again alone"


@checked
@dataclasses.dataclass(frozen=True)
class Solver:
    """Settings of the loop.

    Attributes:
      optimizer: an `Optimizer` or an optax transformation.
      steps: largest number of steps.
      tolerance: L_act at which a metamer counts as matched.
      patience: steps without improvement after which a lane has stalled.
      improvement: relative decrease of the loss that counts as improvement.
      coordinates: "auto", "features", "row_space" or "entry".
      lanes: metamers optimized at once; None takes as many as are useful and fit the memory.
      chunk: steps between two looks of the host.
      precision: of the loop's matrix products: "default" (the device's own; TF32 on recent NVIDIA
        GPUs, bfloat16 on TPUs, float32 on processors), "high" or "highest". References and final
        losses are always computed at the highest.
      method: "optimize", or how metamers are made without the loop: a name of
        `jmetamer.metamers.methods.exact.METHODS` or one of its constructions; of edges that come
        and go, "swap_search", "annealing", "color_swaps" or settings of one of them.
      repulsion: weight of the term that pushes the metamers of one call apart; 0 for independent
        metamers. With any other weight a metamer depends on all others of its call; see
        `RepelledSynthesis`.

    Raises:
      InputError: a number outside its range, with the allowed range.

    Example:
      >>> Solver(Optimizer("adam", 0.1), steps=50).replace(tolerance=1e-2, lanes=None).tolerance
      0.01
    """

    optimizer: Any
    steps: Count = 500
    tolerance: Positive = 1e-4  # L_act = 0 is not reached in floating point
    patience: Count = 200
    improvement: Rate = 1e-2
    coordinates: str = "auto"
    lanes: Count | None = None
    chunk: Count = 20
    precision: str = "default"
    method: Any = "optimize"
    repulsion: NonNegative = 0.0

    def __post_init__(self) -> None:
        if self.coordinates not in COORDINATES:
            raise unknown_name("coordinates", self.coordinates, COORDINATES)
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", self.precision, PRECISIONS)

    def replace(self, **changes: Any) -> "Solver":
        """Return a copy with the settings that are not None put in place."""
        given = {name: value for name, value in changes.items() if value is not None}
        return dataclasses.replace(self, **given)

    def described(self) -> dict[str, Any]:
        """Return the settings as JSON-able values, for the record of a run.

        Example:
          >>> Solver(Optimizer("adam", 0.1)).described()["optimizer"]
          "Optimizer(name='adam', learning_rate=0.1, schedule='constant', moments='float32')"
        """
        named = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if self.method == "optimize":
            together = {"seeds": ONE_GROUP} if self.repulsion else {}
            return named | {"optimizer": repr(self.optimizer)} | together
        kept = ("steps", "tolerance", "coordinates")
        apart = {"method": str(self.method), "feature_range": "unconstrained"}
        return {name: named[name] for name in kept} | apart


@checked
def default_solver(problem: Problem, *, repulsion: NonNegative = 0.0) -> Solver:
    """Return the settings that were fastest to a verified metamer in our measurements.

    L-BFGS for continuous features and edge weights, whose line search costs one evaluation a
    step; Adam with cosine decay for the logits of binary features. Of edges that come and go, Adam
    through the whole schedule; where features vary too, what is chosen for them. Metamers that
    repel each other are found by Adam with cosine decay, which asks for a gradient alone.

    Args:
      problem: what is to be matched.
      repulsion: weight of the repulsion between its metamers.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> default_solver(jm.Problem(trained, data.graph, layer="conv1")).optimizer.name
      'lane_lbfgs'
    """
    vary = problem.vary
    if isinstance(vary, BinaryEdges):
        adam = Optimizer("adam", vary.learning_rate)
        return Solver(adam, 1000, tolerance=1e-2, patience=_NEVER, repulsion=repulsion)
    if isinstance(vary, Structure):
        vary = vary.features
    if isinstance(vary, ContinuousFeatures | EdgeWeights):
        chosen = Solver(Optimizer("lane_lbfgs"), steps=500, tolerance=1e-4)
        adam = Optimizer("adam", 0.05, "cosine")
        return chosen.replace(optimizer=adam, repulsion=repulsion) if repulsion else chosen
    adam = Optimizer("adam", 0.2, "cosine")
    return Solver(adam, steps=200, tolerance=1e-2, repulsion=repulsion)
