"""Correction of p-values for the number of hypotheses tested."""

from collections.abc import Sequence

import numpy as np

from jmetamer._base.arguments import AnArray, Numbers, checked
from jmetamer._base.errors import InputError


@checked
def holm(p_values: Numbers) -> np.ndarray:
    """Return Holm's adjusted p-values, which control the family-wise error rate.

    With p_(1) <= ... <= p_(k), the adjusted value is
    max_{j <= i} min(1, (k - j + 1) p_(j)) (S. Holm, Scand. J. Stat. 6, 1979). Rejecting where it
    is at most alpha, the probability of even one wrong rejection is at most alpha, however the
    tests depend on each other.

    A Monte-Carlo p-value is at least 1 / (1 + N), so k of them stay significant together only
    with N + 1 >= k / alpha draws.

    Args:
      p_values: any shape, all entries one family; NaN for hypotheses that were not tested, which
        stay NaN and do not count.

    Returns:
      float64 of the same shape, at least the p-values and at most 1.

    Raises:
      InputError: if an entry is outside [0, 1].

    Example:
      >>> holm([0.01, 0.04, 0.03])
      array([0.03, 0.06, 0.06])
    """
    values = np.asarray(p_values, np.float64)
    if (values < 0).any() or (values > 1).any():
        outside = values[(values < 0) | (values > 1)][0]
        raise InputError(f"`p_values` hold {outside}; a p-value is a probability, from 0 to 1.")
    flat = values.ravel()
    tested = np.flatnonzero(~np.isnan(flat))
    order = tested[np.argsort(flat[tested], kind="stable")]
    adjusted = np.full(flat.shape, np.nan)
    remaining = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(remaining * flat[order]), 1.0)
    return adjusted.reshape(values.shape)


@checked
def holm_over_cells(p_values: Sequence[AnArray]) -> list[np.ndarray]:
    """Correct the p-values of a run for the number of its cells.

    The i-th metamers of all cells are one family, adjusted by `holm`: whoever looks at one metamer
    of every cell then finds even one wrong success with probability alpha at most. A cell with
    fewer metamers takes no part in the families beyond its last.

    Args:
      p_values: one list [b_c] for each cell; NaN for metamers that were not tested. An empty list
        is a cell without tests.

    Returns:
      Adjusted p-values, a float64 list [b_c] for each cell, in the order given.

    Raises:
      InputError: if an entry is no list or holds what is no probability.

    Example:
      >>> [adjusted.tolist() for adjusted in holm_over_cells([[0.01, 0.02], [0.04], [0.03, 0.01]])]
      [[0.03, 0.02], [0.06], [0.06, 0.02]]
    """
    families = [np.asarray(values, np.float64) for values in p_values]
    for place, values in enumerate(families):
        if values.ndim != 1:
            raise InputError(
                f"`p_values[{place}]` has shape {values.shape}; one p-value a metamer is needed, "
                "[b], and an empty list for a cell without tests."
            )
    table = np.full((len(families), max(map(len, families), default=0)), np.nan)
    for row, values in zip(table, families, strict=True):
        row[: len(values)] = values
    adjusted = [holm(family) for family in table.T]
    return [
        np.array([family[place] for family in adjusted[: len(values)]], np.float64)
        for place, values in enumerate(families)
    ]
