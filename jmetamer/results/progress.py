"""`Progress`: what a running cell tells whoever is watching."""

from typing import NamedTuple


class Progress(NamedTuple):
    """One report from inside a cell.

    Attributes:
      stage: what is being done, as "training", "metamers" or "geometry".
      done: finished units of the stage, as metamers or epochs.
      total: units of the stage.
      loss: the latest loss, NaN where there is none.
    """

    stage: str
    done: int
    total: int
    loss: float = float("nan")
