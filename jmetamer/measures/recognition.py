"""How a judge, another model, reads metamers: accuracy, agreement and kappa."""

from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import Numbers, checked
from jmetamer._base.errors import InputError
from jmetamer.measures.predictions import (
    UNREAD,
    PredictionAgreement,
    class_recognition,
    predicted_classes,
    prediction_agreement,
)


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


@checked
def recognition(
    reference_logits: Numbers,
    metamer_logits: Numbers,
    labels: Numbers,
    nodes: Numbers | None = None,
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
    chosen = slice(None) if nodes is None else np.asarray(nodes)
    truth = np.asarray(labels)
    if truth.shape != np.shape(reference_logits)[:1]:
        raise InputError(
            f"`labels` has shape {truth.shape}; one class for each of {len(reference_logits)} "
            "nodes is needed."
        )
    truth = truth[chosen]
    if (truth < 0).any():
        raise InputError(
            f"`labels` hold {truth[truth < 0][0]} at a node that counts; choose labeled nodes by "
            "`nodes`."
        )
    return _recognition(
        predicted_classes(np.asarray(reference_logits)[chosen]),
        predicted_classes(np.asarray(metamer_logits)[:, chosen]),
        truth,
        agreed,
    )


@checked
def recognition_of_classes(
    reference_classes: Numbers, metamer_classes: Numbers, labels: Numbers
) -> Recognition:
    """Return `recognition` of classes that a judge predicted for the nodes that count.

    Args:
      reference_classes: [n] integers, of the judge on the reference.
      metamer_classes: [b, n] integers, of the judge on the metamers; -1 where its logits were not
        finite.
      labels: [n] integer classes; nodes with a negative one count for agreement alone.

    Raises:
      InputError: if shapes disagree or there is no node.

    Example:
      >>> result = recognition_of_classes([0, 1], [[0, 0]], labels=[0, 1])
      >>> result.reference_accuracy, result.accuracy, result.kappa
      (1.0, array([0.5]), array([0.]))
    """
    agreed = class_recognition(reference_classes, metamer_classes)
    return _recognition(
        np.asarray(reference_classes), np.asarray(metamer_classes), np.asarray(labels), agreed
    )


def _recognition(
    reference: np.ndarray, metamers: np.ndarray, labels: np.ndarray, agreed: PredictionAgreement
) -> Recognition:
    before = float(_accuracy(reference[None], labels)[0])
    return Recognition(_accuracy(metamers, labels), before, *agreed)


def _accuracy(classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    labeled = labels >= 0
    read = (classes != UNREAD).all(-1) & labeled.any()
    right = (classes == labels)[:, labeled].sum(-1) / max(int(labeled.sum()), 1)
    return np.where(read, right, np.nan)
