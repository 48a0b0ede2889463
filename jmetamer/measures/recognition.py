"""How a judge, another model, reads metamers: accuracy, agreement and kappa."""

from typing import Any, NamedTuple

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.measures.predictions import prediction_agreement


class Recognition(NamedTuple):
    """How one judge reads b metamers, over the same nodes.

    Attributes:
      accuracy: [b] share of nodes whose predicted class is the label; NaN where logits are not
        finite.
      reference_accuracy: the same on the reference.
      agreement: [b] share of nodes that are read as on the reference.
      chance: [b] agreement that the two class frequencies alone would give.
      kappa: [b] (agreement - chance) / (1 - chance): 1 read as before, 0 as by chance.
      undefined: [b] bool, chance is 1 and kappa set to 0.
    """

    accuracy: np.ndarray
    reference_accuracy: float
    agreement: np.ndarray
    chance: np.ndarray
    kappa: np.ndarray
    undefined: np.ndarray


def recognition(
    reference_logits: Any, metamer_logits: Any, labels: Any, nodes: Any = None
) -> Recognition:
    """Return how a judge reads metamers, against the labels and against its own reading before.

    A judge must share neither weights nor the seed of its initialization with the model whose
    metamers they are. Ties go to the lowest class.

    Args:
      reference_logits: [n, c] of the judge on the reference.
      metamer_logits: [b, n, c] of the judge on the metamers.
      labels: [n] integer classes, at least 0 where they count.
      nodes: the nodes that count, as indices or as a mask [n]; None for all.

    Returns:
      `Recognition`.

    Raises:
      InputError: if shapes disagree, a node that counts does not exist or has no label, or none
        is left.

    Example:
      >>> result = recognition(np.eye(2), np.array([[[2.0, 1.0], [2.0, 1.0]]]), labels=[0, 1])
      >>> result.reference_accuracy, result.accuracy, result.kappa
      (1.0, array([0.5]), array([0.]))
    """
    agreed = prediction_agreement(reference_logits, metamer_logits, nodes)  # checks the rest
    reference, metamers = np.asarray(reference_logits), np.asarray(metamer_logits)
    chosen = slice(None) if nodes is None else np.asarray(nodes)
    truth = np.asarray(labels)
    if truth.shape != reference.shape[:1]:
        raise InputError(
            f"`labels` has shape {truth.shape}; one class for each of {len(reference)} nodes is "
            "needed."
        )
    truth = truth[chosen]
    if (truth < 0).any():
        raise InputError(
            f"`labels` hold {truth[truth < 0][0]} at a node that counts; choose labeled nodes by "
            "`nodes`."
        )
    return Recognition(
        accuracy=_accuracy(metamers[:, chosen], truth),
        reference_accuracy=float(_accuracy(reference[None, chosen], truth)[0]),
        agreement=agreed.agreement,
        chance=agreed.chance,
        kappa=agreed.kappa,
        undefined=agreed.undefined,
    )


def _accuracy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    finite = np.isfinite(logits).all((-2, -1))
    return np.where(finite, np.mean(logits.argmax(-1) == labels, axis=-1), np.nan)
