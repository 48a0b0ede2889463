"""How the synthesis of one metamer ended, and what to do about it."""

import enum


class Status(enum.IntEnum):
    """Outcome of one metamer; the values are stored, so they never change.

    Attributes:
      message: what happened.
      remedy: what to try.

    Example:
      >>> Status.STALLED.name, int(Status.STALLED)
      ('STALLED', 2)
      >>> print(Status.STALLED.remedy)
      lower the learning rate, add a decay, or match with `Complementarity()`
    """

    message: str
    remedy: str

    def __new__(cls, value: int, message: str, remedy: str) -> "Status":
        """Attach the texts to the integer."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.message = message
        member.remedy = remedy
        return member

    RUNNING = 0, "still being optimized", "let it run"
    CONVERGED = 1, "the loss reached the tolerance", "none needed"
    STALLED = (
        2,
        "the loss stopped falling above the tolerance",
        "lower the learning rate, add a decay, or match with `Complementarity()`",
    )
    STEPS_EXHAUSTED = (
        3,
        "the number of steps ran out above the tolerance",
        "raise `steps` or the learning rate, or accept a larger `tolerance`",
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
        "the graph is the reference itself: this is no metamer",
        "use more seeds, start from 'reference' to walk away, or match an earlier layer",
    )
