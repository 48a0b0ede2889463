"""Spectrum of the Jacobian of a representation, for targets small enough to be dense."""

from collections.abc import Sequence

import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError
from jmetamer.geometry import Spectrum, compress_rows, spectrum_of
from jmetamer.geometry.batched_spectra import spectra_after
from jmetamer.geometry.of_problem.reference_point import ReferencePoint
from jmetamer.geometry.of_problem.representation import Inputs, Of, looked_at, representation
from jmetamer.geometry.of_problem.structural_bound import bound_of
from jmetamer.metamers.problem import Problem

LARGEST_DENSE = 4096  # shorter side of a Jacobian that is decomposed; the time grows with its cube
DEFAULT_MEMORY = 4 * 2**30  # bytes
_COPIES = 3  # of the Jacobian at once: itself, its transpose for QR, and the factor


@checked
def joint_spectrum(
    problem: Problem,
    of: Of = "targets",
    inputs: Inputs = "ball",
    *,
    before: bool = False,
    pairs: Sequence[tuple[int, int]] | np.ndarray | None = None,
    check: bool = True,
    memory_limit: int = DEFAULT_MEMORY,
) -> Spectrum:
    """Return all singular values of the Jacobian of a representation, its rank and log-volume.

    One Jacobian for the whole target: a node, a set of nodes, all nodes or a readout; by features,
    edge weights or positions. The kernel's dimension, `num_inputs - rank`, is the first-order
    dimension of the set of metamers. The rank is decided against the bound of `structural_bound`.

    Args:
      problem: network, reference and layer; of several layers, the activations side by side.
      of: what is looked at: "targets" the problem's target nodes (all by default), "all" every
        node, a node number, a list of them, or a readout "sum", "mean", "max" over the targets.
      inputs: what varies: features of the nodes looked at ("node"), of all nodes the layer can see
        from there ("ball") or of the whole graph ("all"); weights of undirected pairs ("edges");
        `graph.nodes["positions"]` ("positions").
      before: take the pre-activation in place of the activation.
      pairs: candidates of "edges", [c, 2]; all edges of the graph if None.
      check: warn where the network cuts its gradient.
      memory_limit: bytes that the dense Jacobian and its copies may take.

    Returns:
      A `Spectrum` with b = 1.

    Raises:
      InputError: see `representation`; a Jacobian too large to be dense.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> result = joint_spectrum(problem, of="mean", before=True)
      >>> result.rank, result.dimension
      (array([4], dtype=int32), array([1152]))
    """
    target = representation(problem, of, inputs, before=before, pairs=pairs)
    point = ReferencePoint(problem)
    # A derivative that is nowhere zero may underflow, so it is kept out of the matrix: the rank is
    # that before the activation. A readout mixes rows, and then the activation is a step inside.
    outside = not before and target.pool is None and point.names != point.layers
    inner = looked_at(problem, target, point.names) if outside else target
    operator = inner.operator(check=check)
    _require_dense(operator.shape, memory_limit)
    inside = point.attenuation(through=not before and target.pool is not None)
    if inputs in ("ball", "all"):
        inside = inside[:, target.places]
    saturation = float(inside.max(axis=1, initial=0.0).sum())
    small = compress_rows(operator.dense())
    spectrum = spectrum_of(
        small,
        output_norm=operator.output_norm,
        input_norm=operator.input_norm,
        structural_bound=bound_of(problem, inner),
        num_inputs=operator.num_inputs,
        saturation=saturation,
    )
    if not outside:
        return spectrum
    nodes = slice(None) if target.nodes is None else target.nodes
    logs = point.log_derivatives(nodes).reshape(1, -1)
    return spectra_after([small], spectrum, logs, saturation=saturation)


def _require_dense(shape: tuple[int, int], memory_limit: int) -> None:
    num_outputs, num_inputs = shape
    needed = _COPIES * 8 * num_outputs * num_inputs
    advice = (
        "Look at fewer nodes (`of`) or a readout, vary fewer inputs, or take the matrix-free "
        "`jacobian_operator` and estimate its leading values and log-volume."
    )
    if min(shape) > LARGEST_DENSE:
        raise InputError(
            f"the Jacobian is {num_outputs} x {num_inputs}; all singular values are computed up to "
            f"a shorter side of {LARGEST_DENSE}. {advice}"
        )
    if needed > memory_limit:
        raise InputError(
            f"the Jacobian of {num_outputs} x {num_inputs} needs {needed / 2**30:.2g} GiB as a "
            f"dense matrix, but `memory_limit` is {memory_limit / 2**30:.2g} GiB. {advice}"
        )
