"""What a classifier that sees no edges reads in the features of metamers."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import InputError
from jmetamer._base.precision import highest_precision
from jmetamer.measures.features import feature_measure, unless_nonfinite
from jmetamer.measures.measure import Facts, labels_of_nodes

_ROUND_OFF = 1e-5  # of scores in float32


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

    def __init__(self, features: AnArray, labels: AnArray, alpha: float = 1.0) -> None:
        rows, truth = np.asarray(features, np.float64), np.asarray(labels)
        if rows.ndim != 2 or truth.shape != rows.shape[:1] or not truth.size:
            raise InputError(
                f"`labels` has shape {truth.shape} and `features` {rows.shape}; one class for each "
                "row of [n, d], at least one, is needed"
            )
        if not alpha > 0:
            raise InputError(f"`alpha` is {alpha}; allowed: above 0, so that the fit is unique")
        self.classes, place = np.unique(truth, return_inverse=True)
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

    def classes_of(self, features: AnArray) -> np.ndarray:
        """Return the class of each row.

        Args:
          features: [m, d].
        """
        scores = np.asarray(features, np.float64) @ self.slope + self.offset
        return self.classes[scores.argmax(axis=1)]


class Probe(NamedTuple):
    """A fitted classifier and the nodes that it reads.

    Attributes:
      slope: [d, k] float32.
      offset: [k] float32.
      place: [n] int32, number of the class of each node; -1 for one that is not read, -2 for one
        whose class the classifier does not know.
    """

    slope: jax.Array
    offset: jax.Array
    place: jax.Array


def fitted_probe(reference: AnArray, facts: Facts) -> Probe | None:
    """Return a `RidgeProbe` fitted on the training nodes, which reads all other nodes.

    Without training nodes it is fitted on all nodes with a label, and reads what it is fitted on;
    so it does where there are no other nodes.

    Args:
      reference: X [n, d], finite.
      facts: labels, and the training nodes.

    Returns:
      The probe; None without labels, or with one class alone among the nodes to fit.

    Example:
      >>> facts = Facts(labels=[4, 4, 7], train_mask=[True, False, True])
      >>> probe = fitted_probe(np.array([[0.0], [1.0], [5.0]]), facts)
      >>> probe.place.tolist()
      [-1, 0, -1]
    """
    rows = np.asarray(reference, np.float64)
    labels = labels_of_nodes(facts, len(rows))
    if labels is None:
        return None
    labeled = labels >= 0
    trained = labeled if facts.train_mask is None else labeled & np.asarray(facts.train_mask, bool)
    fitted = trained if trained.any() else labeled
    if np.unique(labels[fitted]).size < 2:
        return None
    others = labeled & ~fitted
    probe = RidgeProbe(rows[fitted], labels[fitted])
    place = np.searchsorted(probe.classes, labels)
    place = np.where(np.isin(labels, probe.classes), place, -2)
    place = np.where(others if others.any() else labeled, place, -1)
    return Probe(
        jnp.asarray(probe.slope, jnp.float32),
        jnp.asarray(probe.offset, jnp.float32),
        jnp.asarray(place, jnp.int32),
    )


def probe_change(probe: Probe, reference: jax.Array, metamer: jax.Array) -> jax.Array:
    """Return the accuracy of a graph-free classifier on the metamer less that on the reference.

    A metamer whose classes it cannot read any more differs from the reference in what is common
    knowledge of the features, not in details. Below 0 where classes became unreadable.

    Returns:
      Scalar in [-1, 1].

    Example:
      >>> rows = jnp.array([[0.0], [1.0], [4.0], [5.0]])
      >>> probe_change(fitted_probe(rows, Facts([0, 0, 1, 1])), rows, rows[::-1])
      Array(-1., dtype=float32)
    """
    right, before = (_read(probe, rows) == probe.place for rows in (metamer, reference))
    change = jnp.sum(right, dtype=jnp.int32) - jnp.sum(before, dtype=jnp.int32)
    share = change / jnp.maximum(jnp.sum(probe.place != -1), 1)
    return unless_nonfinite(share, metamer)


def probe_chance(probe: Probe, reference: np.ndarray) -> float:
    """Return the mean of `probe_change` over all reorderings of the reference's rows.

    `sum_k p_k q_k - accuracy`, p_k the share of all nodes that the probe takes for class k and q_k
    the share of the nodes it reads that are of class k.

    Example:
      >>> rows = np.array([[0.0], [1.0], [4.0], [5.0]])
      >>> probe_chance(fitted_probe(rows, Facts([0, 0, 1, 1])), rows)
      -0.5
    """
    place = np.asarray(probe.place)
    predicted = np.asarray(_read(probe, jnp.asarray(reference, jnp.float32)))
    read = place != -1
    count = probe.offset.size
    frequency = np.bincount(predicted, minlength=count) / len(predicted)
    expected = np.bincount(place[place >= 0], minlength=count) / read.sum()
    return float(frequency @ expected - np.mean(predicted[read] == place[read]))


def _read(probe: Probe, rows: jax.Array) -> jax.Array:
    """Return the number of the class of each row; of equal scores, the first whatever round-off."""
    with highest_precision():
        scores = rows @ probe.slope + probe.offset
    best = scores.max(axis=1, keepdims=True)
    unit = jnp.maximum(jnp.abs(scores).max(axis=1, keepdims=True), 1.0)  # they are fitted to +-1
    return jnp.argmax(scores >= best - _ROUND_OFF * unit, axis=1)


PROBE_MEASURES = (
    feature_measure(
        name="features/probe",
        function=probe_change,
        chance=probe_chance,
        low=-1.0,
        symmetric=False,
        formula="accuracy of a ridge classifier of rows, fitted on X with labels, on X' less on X",
        prepare=fitted_probe,
    ),
)
