"""Dimension of the set of inputs that move an output by less than a tolerance."""

from collections.abc import Sequence

import numpy as np

from jmetamer._base.arguments import AnArray, FromZero, Vector, checked
from jmetamer._base.errors import InputError
from jmetamer.geometry.spectrum import Spectrum

TOLERANCES = (1e-2, 1e-3, 1e-6)


@checked
def tolerance_dimension(
    values: Vector, num_inputs: int, theta_norm: FromZero, output_norm: FromZero, eps: FromZero
) -> int:
    """Count the input directions that move the output by less than a relative tolerance.

    D_eps = p - #{ i : sigma_i ||theta|| / ||F|| > eps }: moving theta by its own length along such
    a direction moves F by less than eps ||F||, to first order. Use it where depth smooths the
    spectrum so far that no rank can be certified. For F = 0 every positive value counts.

    Args:
      values: singular values, any order; NaN padding is ignored.
      num_inputs: p.
      theta_norm: ||theta||, Euclidean.
      output_norm: ||F(theta)||, Euclidean.
      eps: relative tolerance, at least 0.

    Returns:
      D_eps, between p - len(values) and p.

    Raises:
      InputError: if a norm or `eps` is negative or not a number.

    Example:
      >>> tolerance_dimension([1.0, 1e-2, 1e-5], 10, theta_norm=2.0, output_norm=1.0, eps=1e-3)
      8
    """
    values = np.asarray(values, np.float64)
    return int(num_inputs - np.sum(values * theta_norm > eps * output_norm))


@checked
def tolerance_dimensions(
    spectrum: Spectrum,
    *,
    input_norm: AnArray,
    output_norm: AnArray,
    tolerances: Sequence[float] = TOLERANCES,
) -> np.ndarray:
    """Return the tolerance dimension of every target of a `Spectrum`, at several tolerances.

    D_eps = p - #{ i : sigma_i ||theta|| / ||F|| > eps }; see `tolerance_dimension`. Where no rank
    can be certified (deep networks), this is the dimension to report.

    Args:
      spectrum: of b targets.
      input_norm: ||theta||, [b] or one number for all.
      output_norm: ||F||, [b] or one number for all.
      tolerances: relative tolerances, t of them.

    Returns:
      [b, t] int64.

    Raises:
      InputError: if the norms do not fit the targets, or a number is negative.

    Example:
      >>> from jmetamer.geometry import spectrum_of
      >>> spectrum = spectrum_of(np.diag([1.0, 5e-3, 1e-5]))
      >>> tolerance_dimensions(spectrum, input_norm=1.0, output_norm=1.0)
      array([[2, 1, 0]])
    """
    count = len(spectrum.rank)
    norms = []
    for name, value in (("input_norm", input_norm), ("output_norm", output_norm)):
        norm = np.asarray(value, np.float64)
        if norm.shape not in ((), (1,), (count,)):
            raise InputError(
                f"`{name}` has shape {norm.shape}; give one number, or one for each of the "
                f"{count} targets."
            )
        norms.append(np.broadcast_to(norm, (count,)))
    rows = zip(spectrum.singular_values, spectrum.num_inputs, *norms, strict=True)
    table = [
        [tolerance_dimension(values, int(p), float(size), float(out), eps) for eps in tolerances]
        for values, p, size, out in rows
    ]
    return np.array(table, np.int64).reshape(count, len(tolerances))
