"""Singular values and spectra of many small matrices at once, before and after an activation."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.geometry.spectrum import ROUND_OFF, Spectrum, compress_rows, numerical_rank
from jmetamer.geometry.volume import after_activation, restricted_change


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
    saturation: Any = 0.0,
) -> Spectrum:
    """Return the spectra of b Jacobians from their singular values.

    The rank follows `numerical_rank`, the log-volume is the sum of log sigma_i up to the rank.

    Args:
      values: b arrays, descending; values beyond the last given are zero.
      num_outputs: q, the same for all.
      num_inputs: [b] p.
      scale: [b] s0 = |F| / |theta|, 0 where theta is zero.
      structural_bound: [b] largest rank that theory allows.
      saturation: [b] or one number, nats, of the layers before; see `numerical_rank`.

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
    saturated = np.broadcast_to(np.asarray(saturation, np.float64), (count,))
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
            numerical_rank(
                table[i, :size],
                num_outputs,
                int(inputs[i]),
                scale[i],
                int(bound[i]),
                saturation=saturated[i],
            )
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


def spectra_after(
    jacobians: Sequence[Any], before: Spectrum, log_derivatives: Any, *, saturation: Any = 0.0
) -> Spectrum:
    """Return the spectra of D J for D = diag(sigma'(z)), given those of J.

    A derivative that is nowhere zero leaves the rank as it is, however small it is: rank and
    interval are carried over. Where some are zero, rank D J = rank J[active], which is counted in
    the rows of J as they were before D scaled them, against the cutoff of J. The log-volume is
    that of J[active] plus the change by D, in logarithms. Singular values and cutoff are those of
    D J in float64, so that values of saturated units may lie below the cutoff and yet count.

    Args:
      jacobians: b times J [q, p], or what `compress_rows` made of it.
      before: spectra of J, b of them.
      log_derivatives: [b, q] log|sigma'(z)|, -inf where sigma' = 0.
      saturation: [b] or one number, nats, of the layers before J; see `numerical_rank`.

    Returns:
      A `Spectrum` with b entries.

    Raises:
      InputError: if the arguments do not have b entries, or numbers of outputs differ.

    Example:
      >>> from jmetamer.geometry import LOG_DERIVATIVES, spectrum_of
      >>> logs = LOG_DERIVATIVES["elu"]([0.0, 0.0, -40.0, -40.0])
      >>> after = spectra_after([np.eye(4)], spectrum_of(np.eye(4)), [logs])
      >>> after.rank, after.certified, after.log_volume
      (array([4], dtype=int32), array([ True]), array([-80.]))
    """
    logs = np.asarray(log_derivatives, np.float64)
    count = len(before.rank)
    if len(jacobians) != count or logs.shape[:1] != (count,):
        raise InputError(
            f"`jacobians` holds {len(jacobians)}, `log_derivatives` has shape {logs.shape} and "
            f"`before` {count} spectra; give one of each for each."
        )
    if count == 0:
        return before
    logs, num_outputs = logs.reshape(count, -1), int(before.num_outputs[0])
    small = [compress_rows(jacobian) for jacobian in jacobians]
    scaled = [after_activation(one, row) for one, row in zip(small, logs, strict=True)]
    active = logs > -np.inf
    values = batched_singular_values(scaled)
    rows = [one * row[:, None] for one, row in zip(small, active, strict=True)]
    whole = np.asarray(active.all(axis=1))
    plain = np.asarray((np.where(active, logs, 0.0) == 0).all(axis=1))
    kept_values = list(values)
    for place, found in zip(
        np.flatnonzero(~whole & ~plain),
        batched_singular_values([rows[i] for i in np.flatnonzero(~whole & ~plain)]),
        strict=True,
    ):
        kept_values[place] = found
    bound = np.minimum(before.rank_high, active.sum(axis=1))
    size = ROUND_OFF * np.maximum(num_outputs, before.num_inputs)
    kept = spectra_of_values(
        kept_values, num_outputs, before.num_inputs, before.cutoff / size, bound, saturation
    )
    # Each inactive row takes at most one from the rank.
    low = np.maximum(kept.rank_low, before.rank_low - (~active).sum(axis=1))
    low = np.where(whole, before.rank_low, np.minimum(low, bound))
    high = np.where(whole, before.rank_high, kept.rank_high)
    rank = np.where(whole, before.rank, np.clip(kept.rank, low, high))
    volume = [
        _volume(rows[i], logs[i], int(rank[i]), before.log_volume[i] if whole[i] else None,
                kept_values[i])
        for i in range(count)
    ]  # fmt: skip
    own = spectra_of_values(values, num_outputs, before.num_inputs, np.zeros(count), rank)
    return own._replace(
        rank=rank.astype(np.int32),
        rank_low=low.astype(np.int32),
        rank_high=high.astype(np.int32),
        certified=low == high,
        log_volume=np.array(volume),
        gap=np.where(whole, before.gap, kept.gap),
    )


def _volume(
    rows: np.ndarray, logs: np.ndarray, rank: int, known: float | None, values: np.ndarray
) -> float:
    """Return the log-volume of D J, from that of J or the singular values of its active rows."""
    active = logs > -np.inf
    if known is None:
        with np.errstate(divide="ignore"):
            known = float(np.sum(np.log(values[:rank])))
    return float(known) + restricted_change(rows[active], logs[active], rank)
