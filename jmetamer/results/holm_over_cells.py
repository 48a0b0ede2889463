"""Holm's correction over the cells of a run, one family for each metamer number."""

from collections.abc import Sequence

import numpy as np

from jmetamer._base.arguments import AnArray, checked
from jmetamer._base.errors import InputError
from jmetamer.results.holm import holm


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
