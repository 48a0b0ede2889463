"""Singular values and spectra of many small matrices at once."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.geometry.spectrum import Spectrum, numerical_rank


def batched_singular_values(matrices: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the singular values of each matrix; matrices of one shape share one call.

    Args:
      matrices: [q, p] each, finite.

    Returns:
      [min(q, p)] float64 each, descending.

    Example:
      >>> [s.tolist() for s in batched_singular_values([np.diag([1.0, 3.0]), np.eye(1)])]
      [[3.0, 1.0], [1.0]]
    """
    places = defaultdict(list)
    for place, matrix in enumerate(matrices):
        places[np.shape(matrix)].append(place)
    found: list[np.ndarray] = [np.zeros(0)] * len(matrices)
    for shape, members in places.items():
        if 0 in shape:
            continue
        stack = np.stack([np.asarray(matrices[place], np.float64) for place in members])
        for place, row in zip(members, np.linalg.svd(stack, compute_uv=False), strict=True):
            found[place] = row
    return found


def spectra_of_values(
    values: Sequence[np.ndarray],
    num_outputs: int,
    num_inputs: Any,
    scale: Any,
    structural_bound: Any,
) -> Spectrum:
    """Return the spectra of b Jacobians from their singular values.

    The rank follows `numerical_rank`, the log-volume is the sum of log sigma_i up to the rank.

    Args:
      values: b arrays, descending; values beyond the last given are zero.
      num_outputs: q, the same for all.
      num_inputs: [b] p.
      scale: [b] s0 = |F| / |theta|, 0 where theta is zero.
      structural_bound: [b] largest rank that theory allows.

    Returns:
      A `Spectrum` with b entries.

    Raises:
      InputError: if the arguments do not have b entries, or more values are given than exist.

    Example:
      >>> found = spectra_of_values([np.array([2.0, 0.0]), np.array([1.0])], 2, [4, 1], [0, 0],
      ...                           [2, 1])
      >>> found.rank, found.dimension
      (array([1, 1], dtype=int32), array([3, 0]))
    """
    inputs = np.asarray(num_inputs, np.int64)
    scale, bound = np.asarray(scale, np.float64), np.asarray(structural_bound, np.int64)
    count = len(values)
    for name, given in (("num_inputs", inputs), ("scale", scale), ("structural_bound", bound)):
        if given.shape != (count,):
            raise InputError(
                f"`{name}` has shape {given.shape} for {count} spectra; give one entry for each."
            )
    sizes = np.minimum(num_outputs, inputs)
    table = np.full((count, int(sizes.max(initial=0))), np.nan)
    decisions = []
    for i, (row, size) in enumerate(zip(values, sizes, strict=True)):
        if len(row) > size:
            raise InputError(
                f"`values`[{i}] holds {len(row)} singular values; a {num_outputs} x {inputs[i]} "
                f"matrix has {size}."
            )
        table[i, :size] = 0
        table[i, : len(row)] = row
        decisions.append(
            numerical_rank(table[i, :size], num_outputs, int(inputs[i]), scale[i], int(bound[i]))
        )
    rank, low, high, certified, cutoff, gap = (
        np.array(column) for column in zip(*decisions, strict=True)
    )
    counted = np.arange(table.shape[1]) < rank[:, None]
    return Spectrum(
        singular_values=table,
        rank=rank.astype(np.int32),
        rank_low=low.astype(np.int32),
        rank_high=high.astype(np.int32),
        certified=certified,
        cutoff=cutoff,
        log_volume=np.sum(np.log(np.where(counted, table, 1.0)), axis=1),
        log_volume_error=np.zeros(count),
        num_inputs=inputs,
        num_outputs=np.full(count, num_outputs, np.int64),
        gap=gap,
    )
