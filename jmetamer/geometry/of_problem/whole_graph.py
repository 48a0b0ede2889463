"""Spectra of targets as large as the graph, from products with the Jacobian alone."""

from typing import NamedTuple

import jax
import numpy as np

from jmetamer._base.arguments import NonNegative, Positive, Seed, checked
from jmetamer.geometry.channel import Channel, stochastic_channel
from jmetamer.geometry.leading_values import LeadingValues, leading_singular_values
from jmetamer.geometry.of_problem.reference_point import ReferencePoint
from jmetamer.geometry.of_problem.representation import jacobian_operator
from jmetamer.geometry.operator import JacobianOperator
from jmetamer.geometry.stochastic_trace import DEFAULT, Estimate, QuadratureSettings
from jmetamer.geometry.stochastic_volume import activated_operator, stochastic_log_volume
from jmetamer.metamers.problem import Problem


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
    logs = _log_derivatives(problem, before)
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


def _log_derivatives(problem: Problem, before: bool) -> np.ndarray:
    """Return [q] log|sigma'| of each output's own nonlinearity, 0 before it."""
    nodes = slice(None) if problem.nodes is None else np.asarray(problem.nodes)
    logs = ReferencePoint(problem).log_derivatives(nodes).reshape(-1)
    return np.zeros_like(logs) if before else logs
