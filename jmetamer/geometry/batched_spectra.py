"""Singular values and spectra of many small matrices at once, before and after an activation."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from jmetamer._base.arguments import AnArray
from jmetamer._base.errors import InputError
from jmetamer.geometry.spectrum import ROUND_OFF, Spectrum, assemble, compress_rows, numerical_rank
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
    values: list[np.ndarray] = [np.zeros(0)] * len(matrices)
    for shape, members in places.items():
        if 0 in shape:
            continue
        stack = np.stack([np.asarray(matrices[place], np.float64) for place in members])
        for place, row in zip(members, np.linalg.svd(stack, compute_uv=False), strict=True):
            values[place] = row
    return values


def spectra_of_values(
    values: Sequence[np.ndarray],
    num_outputs: int,
    num_inputs: AnArray,
    scale: AnArray,
    structural_bound: AnArray,
    saturation: AnArray = 0.0,
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
      >>> result = spectra_of_values([np.array([2.0, 0.0]), np.array([1.0])], 2, [4, 1], [0, 0],
      ...                           [2, 1])
      >>> result.rank, result.dimension
      (array([1, 1], dtype=int32), array([3, 0]))
    """
    inputs = np.asarray(num_inputs, np.int64)
    scale, bound = np.asarray(scale, np.float64), np.asarray(structural_bound, np.int64)
    count = len(values)
    saturated = np.broadcast_to(np.asarray(saturation, np.float64), (count,))
    for name, array in (("num_inputs", inputs), ("scale", scale), ("structural_bound", bound)):
        if array.shape != (count,):
            raise InputError(
                f"`{name}` has shape {array.shape} for {count} spectra; give one entry for each."
            )
    table = _padded(values, num_outputs, inputs)
    bounds = zip(table, inputs, scale, bound, saturated, strict=True)
    decisions = [
        numerical_rank(
            row[: min(num_outputs, p)], num_outputs, int(p), size, int(most), saturation=nats
        )
        for row, p, size, most, nats in bounds
    ]
    counted = np.arange(table.shape[1]) < np.array([one.rank for one in decisions])[:, None]
    log_volume = np.sum(np.log(np.where(counted, table, 1.0)), axis=1)
    return assemble(table, decisions, log_volume, inputs, num_outputs)


def _padded(values: Sequence[np.ndarray], num_outputs: int, inputs: np.ndarray) -> np.ndarray:
    """Return [b, k] values, zeros beyond the last given of each and NaN beyond its matrix."""
    sizes = np.minimum(num_outputs, inputs)
    table = np.full((len(values), int(sizes.max(initial=0))), np.nan)
    for i, (row, size) in enumerate(zip(values, sizes, strict=True)):
        if len(row) > size:
            raise InputError(
                f"`values`[{i}] holds {len(row)} singular values; a {num_outputs} x {inputs[i]} "
                f"matrix has {size}."
            )
        table[i, :size] = 0
        table[i, : len(row)] = row
    return table


def spectra_after(
    jacobians: Sequence[AnArray],
    before: Spectrum,
    log_derivatives: AnArray,
    *,
    saturation: AnArray = 0.0,
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
    kept_values = _of_active_rows(values, rows, np.flatnonzero(~whole & ~plain))
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
    starts = [one if kept else None for one, kept in zip(before.log_volume, whole, strict=True)]
    parts = zip(rows, logs, rank.tolist(), starts, kept_values, strict=True)
    volume = [_volume(*part) for part in parts]
    own = spectra_of_values(values, num_outputs, before.num_inputs, np.zeros(count), rank)
    return own._replace(
        rank=rank.astype(np.int32),
        rank_low=low.astype(np.int32),
        rank_high=high.astype(np.int32),
        certified=low == high,
        log_volume=np.array(volume),
        gap=np.where(whole, before.gap, kept.gap),
    )


def _of_active_rows(
    values: Sequence[np.ndarray], rows: Sequence[np.ndarray], places: np.ndarray
) -> list[np.ndarray]:
    """Return the singular values of the active rows, computed anew at the places given."""
    kept = list(values)
    for i, row in zip(places, batched_singular_values([rows[i] for i in places]), strict=True):
        kept[i] = row
    return kept


def _volume(
    rows: np.ndarray, logs: np.ndarray, rank: int, start: float | None, values: np.ndarray
) -> float:
    """Return the log-volume of D J, from that of J or the singular values of its active rows."""
    active = logs > -np.inf
    if start is None:
        with np.errstate(divide="ignore"):
            start = float(np.sum(np.log(values[:rank])))
    return float(start) + restricted_change(rows[active], logs[active], rank)
