"""How the synthesis of one metamer ended, and what to do about it."""

from jmetamer._base.outcome import Outcome

_EXACT = (
    "take an exact method where one applies (`metamers.method: replace`, `reflect`; `jm.remedy` "
    "tries them)"
)


class Status(Outcome):
    """Outcome of one metamer; the values are stored, so they never change.

    Attributes:
      message: what happened.
      remedy: what to try.

    Example:
      >>> Status.STALLED.name, int(Status.STALLED)
      ('STALLED', 2)
      >>> print(Status.STALLED.remedy)
      take an exact method where one applies (`metamers.method: replace`, `reflect`; `jm.remedy`
      tries them), match an inner layer, or lower the learning rate of an optimizer that has one
    """

    RUNNING = 0, "still being optimized", "let it run"
    CONVERGED = 1, "the loss reached the tolerance", "none needed"
    STALLED = (
        2,
        "the loss stopped falling above the tolerance",
        f"{_EXACT}, match an inner layer, or lower the learning rate of an optimizer that has one",
    )
    STEPS_EXHAUSTED = (
        3,
        "the number of steps ran out above the tolerance",
        f"raise `steps` (in `metamers.method`), {_EXACT}, or match an inner layer",
    )
    NON_FINITE = (
        4,
        "the loss or its gradient became NaN or infinite",
        "lower the learning rate, or check the model on the initial noise",
    )
    ZERO_TARGET = (
        5,
        "the target activation is all zero, so the relative loss is undefined",
        "choose another layer or other target nodes; the absolute norm is reported instead",
    )
    UNCHANGED = (
        6,
        "the graph is the reference itself, or the reference renamed: this is no metamer",
        "use more seeds or another start (`metamers.vary.binary_edges.start: reference`; features "
        "that are all equal make no noise, `jm.GlobalNoise(mean=0, std=1)` does), "
        f"{_EXACT}, or match another layer",
    )


# A search that ended so has made no metamer, though there may be some.
ENDED_SHORT = (Status.STALLED, Status.STEPS_EXHAUSTED, Status.NON_FINITE)
