"""Ledgers over layers: where the dimension of the metamer set comes from, and the log-volume."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray, Numbers, checked
from jmetamer._base.errors import InputError
from jmetamer.geometry.spectrum import Spectrum, spectrum_of


class RankLedger(NamedTuple):
    """Dimensions that each step of a network hides, for L layers and b targets.

    Attributes:
      linear: [L, b] int64, rank J_h(k-1) - rank J_z(k), hidden by the linear map of layer k.
      activation: [L, b] int64, rank J_z(k) - rank J_h(k), hidden by its activation.
      linear_certified, activation_certified: [L, b] bool, whether both ranks are certain.
      dimension: [b] int64, num_inputs - rank J_h(L), the sum of all entries.
      dimension_low, dimension_high: [b] int64, interval that holds it.
    """

    linear: np.ndarray
    activation: np.ndarray
    linear_certified: np.ndarray
    activation_certified: np.ndarray
    dimension: np.ndarray
    dimension_low: np.ndarray
    dimension_high: np.ndarray


class EntrySplit(NamedTuple):
    """The first linear entry of a ledger in two parts, [b] int64 each.

    Attributes:
      entry: hidden by the weights, n (d - rank W).
      aggregation: hidden by the propagation, (n - rank S) rank W.
    """

    entry: np.ndarray
    aggregation: np.ndarray


class VolumeLedger(NamedTuple):
    """Changes of log-volume at each step of a network, in nats, for L layers and b targets.

    Attributes:
      linear: [L, b] float64, logvol J_z(k) - logvol J_h(k-1); logvol of the identity is 0.
      activation: [L, b] float64, logvol J_h(k) - logvol J_z(k).
      linear_rank_loss, activation_rank_loss: [L, b] int64, dimensions lost in the step. Where one
        is not 0, the entry beside it is not a change of volume but a difference of volumes of
        different dimension: it depends on the unit of the input.
      log_volume: [b] float64, logvol J_h(L), the sum of all entries.
    """

    linear: np.ndarray
    activation: np.ndarray
    linear_rank_loss: np.ndarray
    activation_rank_loss: np.ndarray
    log_volume: np.ndarray

    @property
    def comparable(self) -> np.ndarray:
        """[L, b] bool, whether the activation kept the rank, so that its entry is a change."""
        return self.activation_rank_loss == 0


@checked
def rank_ledger(
    cumulative: Sequence[Spectrum | Numbers], num_inputs: int | None = None
) -> RankLedger:
    """Account for the dimension of the metamer set, layer by layer.

    With J_h(0) the identity of p inputs,

        linear_k = rank J_h(k-1) - rank J_z(k),   activation_k = rank J_z(k) - rank J_h(k),

    all at least 0 by the chain rule, and their sum is p - rank J_h(L). Ranks along the chain
    narrow each other's intervals: one is at most any upper bound before it, and at least any
    lower bound after it. An entry is certified where both of its ranks are.

    Args:
      cumulative: Jacobians [J_z1, J_h1, J_z2, ...] with respect to the same inputs, as matrices or
        as `Spectrum`s of the same b targets. Without a last J_h, the last layer has no activation.
      num_inputs: p; needed only where `cumulative` is empty.

    Returns:
      The `RankLedger`.

    Raises:
      InputError: if inputs or targets differ in number, or a rank certainly grows from one step to
        the next (the chain rule forbids it; a skip connection from an earlier layer allows it).

    Example:
      >>> weight = np.diag([1.0, 2.0, 0.0])
      >>> ledger = rank_ledger([weight, np.diag([1.0, 0.0, 1.0]) @ weight])
      >>> ledger.linear.ravel(), ledger.activation.ravel(), ledger.dimension
      (array([1]), array([1]), array([2]))
    """
    spectra = _spectra(cumulative)
    total, count = _sizes(spectra, num_inputs)
    low = np.stack([np.full(count, total), *(s.rank_low for s in spectra)]).astype(np.int64)
    high = np.stack([np.full(count, total), *(s.rank_high for s in spectra)]).astype(np.int64)
    ranks = np.stack([np.full(count, total), *(s.rank for s in spectra)]).astype(np.int64)
    high = np.minimum.accumulate(high, axis=0)
    low = np.maximum.accumulate(low[::-1], axis=0)[::-1]
    _require_falling(low, high)
    rank = np.minimum.accumulate(np.clip(ranks, low, high), axis=0)
    certain = low == high
    loss = rank[:-1] - rank[1:]
    certified = certain[:-1] & certain[1:]
    return RankLedger(
        linear=loss[0::2],
        activation=loss[1::2],
        linear_certified=certified[0::2],
        activation_certified=certified[1::2],
        dimension=total - rank[-1],
        dimension_low=total - high[-1],
        dimension_high=total - low[-1],
    )


@checked
def entry_split(
    ledger: RankLedger,
    *,
    num_nodes: int,
    num_features: int,
    rank_propagation: int,
    rank_weight: int,
) -> EntrySplit:
    """Split the first entry into what the weights hide and what the propagation hides.

    For z = S X W with all nodes as target and all features varying, J_z1 is the Kronecker product
    of S and W^T, so that

        n d - rank S rank W = n (d - rank W) + (n - rank S) rank W = entry + aggregation.

    Args:
      ledger: of all-node targets with respect to all features.
      num_nodes: n.
      num_features: d.
      rank_propagation: rank S.
      rank_weight: rank W, the first layer's weights.

    Returns:
      The `EntrySplit`; its parts sum to `ledger.linear[0]`.

    Raises:
      InputError: if the sum certainly is another than the ledger's.

    Example:
      >>> jacobian = np.kron(np.ones((2, 2)), np.ones((1, 3)))  # one rank each
      >>> ledger = rank_ledger([jacobian])
      >>> entry_split(ledger, num_nodes=2, num_features=3, rank_propagation=1, rank_weight=1)
      EntrySplit(entry=array([4]), aggregation=array([1]))
    """
    entry = num_nodes * (num_features - rank_weight)
    aggregation = (num_nodes - rank_propagation) * rank_weight
    wrong = ledger.linear_certified[0] & (ledger.linear[0] != entry + aggregation)
    if wrong.any():
        raise InputError(
            f"the ledger's first linear entry is {ledger.linear[0][wrong][0]}, but {num_nodes} "
            f"nodes, {num_features} features, `rank_propagation` {rank_propagation} and "
            f"`rank_weight` {rank_weight} give {entry + aggregation}. The split holds for "
            "z = S X W with all nodes as target and all features varying."
        )
    shape = ledger.linear[0].shape
    return EntrySplit(np.full(shape, entry), np.full(shape, aggregation))


@checked
def volume_ledger(
    cumulative: Sequence[Spectrum | Numbers], num_inputs: int | None = None
) -> VolumeLedger:
    """Account for the log-volume, layer by layer.

    The entries telescope: sum_k [logvol J_z(k) - logvol J_h(k-1)] + [logvol J_h(k) - logvol J_z(k)]
    = logvol J_h(L), with J_h(0) the identity, of log-volume 0. They do so through cumulative
    Jacobians only: a product of the layers' own Jacobians does not multiply their volumes.

    Args:
      cumulative: as in `rank_ledger`.
      num_inputs: p; needed only where `cumulative` is empty.

    Returns:
      The `VolumeLedger`.

    Raises:
      InputError: as `rank_ledger`.

    Example:
      >>> ledger = volume_ledger([np.diag([np.e, 1.0]), np.diag([np.e, np.e**-3])])
      >>> ledger.linear.ravel().round(12), ledger.activation.ravel().round(12)
      (array([1.]), array([-3.]))
    """
    spectra = _spectra(cumulative)
    ranks = rank_ledger(spectra, num_inputs)
    _, count = _sizes(spectra, num_inputs)
    volume = np.stack([np.zeros(count), *(s.log_volume for s in spectra)])
    change = np.diff(volume, axis=0)
    return VolumeLedger(change[0::2], change[1::2], ranks.linear, ranks.activation, volume[-1])


def _spectra(cumulative: Sequence[Spectrum | AnArray]) -> list[Spectrum]:
    spectra = [s if isinstance(s, Spectrum) else spectrum_of(s) for s in cumulative]
    return spectra + spectra[-1:] if len(spectra) % 2 else spectra


def _sizes(spectra: Sequence[Spectrum], num_inputs: int | None) -> tuple[np.ndarray, int]:
    """Return p [b] and b."""
    if not spectra:
        if num_inputs is None:
            raise InputError("`cumulative` is empty; give Jacobians, or `num_inputs`.")
        return np.array([num_inputs], np.int64), 1
    total = spectra[0].num_inputs.astype(np.int64)
    for place, spectrum in enumerate(spectra):
        if not np.array_equal(spectrum.num_inputs, total):
            raise InputError(
                f"`cumulative[{place}]` has {spectrum.num_inputs} inputs and the first "
                f"{total}; all must be derivatives by the same inputs, at the same targets."
            )
    if num_inputs is not None and (total != num_inputs).any():
        raise InputError(f"`num_inputs` is {num_inputs}, but the Jacobians have {total} columns.")
    return total, len(total)


def _require_falling(low: np.ndarray, high: np.ndarray) -> None:
    if (low > high).any():
        step, target = np.argwhere(low > high)[0]
        raise InputError(
            f"after step {step} of target {target} the rank is at most {high[step, target]}, but a "
            f"later one is at least {low[step, target]}. A rank cannot grow along a chain: give "
            "the derivatives of each layer by the same inputs, in order. Where a skip connection "
            "brings earlier values back, the network is no chain and has no ledger."
        )
