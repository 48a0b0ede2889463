"""Spectra of whole targets: of a dense Jacobian, or from products with one that is too large."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from jmetamer._base.arguments import NonNegative, Positive, Seed, checked
from jmetamer._base.errors import InputError
from jmetamer.geometry import Spectrum, compress_rows, spectrum_of
from jmetamer.geometry.batched_spectra import spectra_after
from jmetamer.geometry.channel import Channel, stochastic_channel
from jmetamer.geometry.lanczos import LeadingValues, leading_singular_values
from jmetamer.geometry.of_problem.reference_point import ReferencePoint
from jmetamer.geometry.of_problem.representation import (
    Inputs,
    Of,
    jacobian_operator,
    looked_at,
    representation,
)
from jmetamer.geometry.of_problem.structural_bound import bound_of
from jmetamer.geometry.operator import JacobianOperator
from jmetamer.geometry.stochastic_trace import DEFAULT, Estimate, QuadratureSettings
from jmetamer.geometry.stochastic_volume import activated_operator, stochastic_log_volume
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


class WholeGraphVolume(NamedTuple):
    """Volume of a target, estimated.

    Attributes:
      log_volume: nats, logvol(J); -inf and SINGULAR where active outputs depend on each other, up
        to what float64 resolves.
      channel: information and effective dimension, finite at every rank.
      num_active: outputs whose derivative is not zero; the dimension of `log_volume`.
      num_outputs: q.
    """

    log_volume: Estimate
    channel: Channel
    num_active: int
    num_outputs: int


@checked
def leading_spectrum(
    problem: Problem,
    count: int,
    *,
    before: bool = False,
    seed: Seed = 0,
    tolerance: float = 1e-6,
    max_steps: int = 200,
) -> LeadingValues:
    """Return the largest singular values of the Jacobian of the whole target by all features.

    `J = d vec(h_T) / d vec(X)` of the problem's target nodes T, all by default: q = t c outputs and
    n d inputs, in n r coordinates where the network begins with a linear map of rank r. J is never
    formed. Memory: 4 (count + 8) vectors of q + n r numbers, in proportion to n.

    Args:
      problem: network, reference, layer and target nodes.
      count: number of singular values, from 0 to min(q, n r).
      before: take the pre-activation in place of the activation.
      seed: of the start block.
      tolerance: largest error wanted, relative to the largest singular value.
      max_steps: steps after which it stops unconverged.

    Returns:
      `LeadingValues`, with an error bound for each value.

    Raises:
      InputError: `count` out of range; `before` at a layer without nonlinearity.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> result = leading_spectrum(jm.Problem(trained, data.graph, layer="conv1"), 3)
      >>> result.singular_values.shape, result.converged
      ((3,), True)
    """
    operator = _operator(problem, before)
    return leading_singular_values(
        operator.matmat,
        operator.rmatmat,
        *operator.shape,
        count,
        key=jax.random.key(seed),
        tolerance=tolerance,
        max_steps=max_steps,
    )


@checked
def whole_graph_volume(
    problem: Problem,
    *,
    input_std: NonNegative,
    noise_std: Positive,
    before: bool = False,
    seed: Seed = 0,
    settings: QuadratureSettings = DEFAULT,
) -> WholeGraphVolume:
    """Estimate log-volume and channel information of the whole target by all features.

    Stochastic Lanczos quadrature of `K = J J^T`. Outputs with derivative zero, such as inactive
    units of a ReLU, are dropped first, which changes neither. Saturated units, whose rows are tiny,
    are no round-off: `logvol(D J) = sum log|sigma'| + logvol(J)` for J before the nonlinearity, of
    full row rank, and of that J the log-volume is estimated. Symmetric positions in the graph make
    J lose rank, and then only the channel is finite.

    Args:
      problem: network, reference, layer and target nodes.
      input_std: standard deviation of the features in the channel, at least 0.
      noise_std: standard deviation of the activation's noise in it, above 0.
      before: take the pre-activation in place of the activation.
      seed: of the probes; log-volume and channel draw their own.
      settings: how many probes and steps. Memory: steps x probes x q numbers.

    Raises:
      InputError: a standard deviation out of range; `before` at a layer without nonlinearity.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> result = whole_graph_volume(problem, input_std=1.0, noise_std=1.0)
      >>> result.num_outputs, result.channel.information.converged
      (136, True)
    """
    operator = _operator(problem, before)
    # Of each output's own nonlinearity; 0 before it.
    nodes = slice(None) if problem.nodes is None else np.asarray(problem.nodes)
    logs = ReferencePoint(problem).log_derivatives(nodes).reshape(-1)
    logs = np.zeros_like(logs) if before else logs
    alive = np.where(logs > -np.inf, 0.0, -np.inf)
    active = activated_operator(operator.gram, alive)
    scale = float(logs[logs > -np.inf].sum())
    volume = activated_operator(_operator(problem, True).gram, alive) if scale else active
    key_volume, key_channel = (jax.random.fold_in(jax.random.key(seed), k) for k in range(2))
    return WholeGraphVolume(
        stochastic_log_volume(
            volume.operator, volume.size, key=key_volume, settings=settings
        ).scaled(1.0, scale),
        stochastic_channel(
            active.operator,
            active.size,
            input_std=input_std,
            noise_std=noise_std,
            key=key_channel,
            settings=settings,
        ),
        active.size,
        operator.shape[0],
    )


def _operator(problem: Problem, before: bool) -> JacobianOperator:
    return jacobian_operator(problem, "targets", "all", before=before)
