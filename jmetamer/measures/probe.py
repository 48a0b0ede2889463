"""What a classifier that sees no edges reads in the features of metamers."""

from typing import Any, NamedTuple

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.measures.predictions import agreement_chance


class ProbeDeviation(NamedTuple):
    """Accuracy of a graph-free classifier on b metamers.

    Attributes:
      reference: share of nodes whose class it reads in the reference.
      metamer: [b] the same in each metamer; NaN for one with values that are not finite.
      deviation: [b] `metamer - reference`, in [-1, 1]; below 0 where classes became unreadable.
      chance: deviation expected of the reference with its rows in random order.
    """

    reference: float
    metamer: np.ndarray
    deviation: np.ndarray
    chance: float


class RidgeProbe:
    """A linear classifier of rows: least squares on targets of -1 and 1, one for each class.

    Minimizes `|Y - X B - 1 b|^2 + alpha |B|^2` with an offset b that is not penalized, and takes
    the class of the largest score: scikit-learn's `RidgeClassifier`, for two classes as for more.

    Args:
      features: [n, d] finite; rows to fit.
      labels: [n] classes.
      alpha: strength of the penalty, above 0.

    Example:
      >>> probe = RidgeProbe(np.array([[0.0], [1.0], [4.0], [5.0]]), [0, 0, 1, 1])
      >>> probe.classes_of(np.array([[-1.0], [9.0]])).tolist()
      [0, 1]
    """

    def __init__(self, features: Any, labels: Any, alpha: float = 1.0) -> None:
        rows, given = np.asarray(features, np.float64), np.asarray(labels)
        if rows.ndim != 2 or given.shape != rows.shape[:1] or not given.size:
            raise InputError(
                f"`labels` has shape {given.shape} and `features` {rows.shape}; one class for each "
                "row of [n, d], at least one, is needed"
            )
        if not alpha > 0:
            raise InputError(f"`alpha` is {alpha}; allowed: above 0, so that the fit is unique")
        self.classes, place = np.unique(given, return_inverse=True)
        targets = 2 * np.eye(self.classes.size)[place] - 1
        centered = rows - rows.mean(axis=0)
        aimed = targets - targets.mean(axis=0)
        # (X'X + a I)^-1 X' = X' (X X' + a I)^-1: the smaller of both systems is solved.
        if rows.shape[0] < rows.shape[1]:
            products = centered @ centered.T + alpha * np.eye(rows.shape[0])
            self.slope = centered.T @ np.linalg.solve(products, aimed)
        else:
            products = centered.T @ centered + alpha * np.eye(rows.shape[1])
            self.slope = np.linalg.solve(products, centered.T @ aimed)
        self.offset = targets.mean(axis=0) - rows.mean(axis=0) @ self.slope

    def classes_of(self, features: Any) -> np.ndarray:
        """Return the class of each row.

        Args:
          features: [m, d].
        """
        scores = np.asarray(features, np.float64) @ self.slope + self.offset
        return self.classes[scores.argmax(axis=1)]


def probe_deviation(
    reference_features: Any, metamer_features: Any, labels: Any, alpha: float = 1.0
) -> ProbeDeviation:
    """Compare what a graph-free classifier fitted on the reference reads in metamers and in it.

    A metamer whose classes it cannot read any more differs from the reference in what is common
    knowledge of the features, not in details. Not symmetric; unchanged by the same reordering of
    all nodes. Fitted and tested on the same nodes, since it describes features and predicts
    nothing.

    Args:
      reference_features: [n, d], finite.
      metamer_features: [b, n, d], or an iterable of arrays [n, d], one at a time from a store.
      labels: [n] classes of the nodes.
      alpha: strength of the ridge penalty, above 0.

    Returns:
      `ProbeDeviation`.

    Raises:
      InputError: shapes disagree, there are no nodes, or the reference is not finite.

    Example:
      >>> rows = np.array([[0.0], [1.0], [4.0], [5.0]])
      >>> found = probe_deviation(rows, np.stack([rows, rows[::-1]]), [0, 0, 1, 1])
      >>> found.reference, found.deviation.tolist(), found.chance
      (1.0, [0.0, -1.0], -0.5)
    """
    rows, classes = np.asarray(reference_features, np.float64), np.asarray(labels)
    if not np.isfinite(rows).all():
        raise InputError(
            "`reference_features` are not all finite; no classifier can be fitted on them. Remove "
            "or fill in the missing values."
        )
    probe = RidgeProbe(rows, classes, alpha)
    predicted = probe.classes_of(rows)
    reference = float(np.mean(predicted == classes))
    found = [_accuracy(probe, metamer, rows.shape, classes) for metamer in metamer_features]
    # Rows in random order: predictions and classes are what they are, but independent.
    numbered = (np.searchsorted(probe.classes, each) for each in (predicted, classes))
    accuracy = np.array(found, np.float64)
    return ProbeDeviation(
        reference, accuracy, accuracy - reference, agreement_chance(*numbered) - reference
    )


def _accuracy(
    probe: RidgeProbe, metamer: Any, shape: tuple[int, ...], classes: np.ndarray
) -> float:
    rows = np.asarray(metamer)
    if rows.shape != shape:
        raise InputError(
            f"a metamer of `metamer_features` has shape {rows.shape}; as the reference, it must "
            f"have {shape}"
        )
    if not np.isfinite(rows).all():
        return float("nan")
    return float(np.mean(probe.classes_of(rows) == classes))
