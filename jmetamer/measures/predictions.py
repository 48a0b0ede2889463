"""Classes predicted for a metamer and its reference: agreement, and how a judge reads both."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.arguments import AnArray, Matrix, Numbers, checked
from jmetamer._base.errors import InputError

UNREAD = -1  # in place of a class where logits are not finite


class PredictionAgreement(NamedTuple):
    """Agreement of b metamers with the reference, over the same nodes.

    Attributes:
      agreement: [b] float64, share of nodes with the same class; NaN where logits are not finite.
      chance: [b] float64, agreement that the two class frequencies alone would give.
      kappa: [b] float64, (agreement - chance) / (1 - chance); 0 where undefined.
      undefined: [b] bool, chance = 1: both predict one and the same class everywhere.
    """

    agreement: np.ndarray
    chance: np.ndarray
    kappa: np.ndarray
    undefined: np.ndarray


@checked
def class_agreement(reference_logits: Matrix, metamer_logits: Matrix) -> jax.Array:
    """Return mean_v [argmax_c f(G')_vc = argmax_c f(G)_vc], pure jax.

    Ties go to the lowest class.

    Args:
      reference_logits: [n, c].
      metamer_logits: [n, c].

    Returns:
      Scalar in [0, 1]; NaN where a logit is not finite or there are no nodes.

    Example:
      >>> class_agreement(jnp.eye(2), jnp.array([[2.0, 1.0], [2.0, 1.0]]))
      Array(0.5, dtype=float32)
    """
    same = jnp.argmax(reference_logits, axis=-1) == jnp.argmax(metamer_logits, axis=-1)
    finite = jnp.isfinite(reference_logits).all() & jnp.isfinite(metamer_logits).all()
    return jnp.where(finite, jnp.mean(same), jnp.nan)


@checked
def agreement_chance(reference_classes: Numbers, metamer_classes: Numbers) -> float:
    """Return a_e = sum_c p_c q_c, the agreement of independent predictions.

    p and q are the two class frequencies. With the reference twice it is the chance level of
    metamers that keep the class frequencies.

    Args:
      reference_classes: [n] integers, at least 0.
      metamer_classes: [n] integers, at least 0.

    Returns:
      a_e in [0, 1]; NaN without nodes.

    Raises:
      InputError: if the lengths differ.

    Example:
      >>> agreement_chance([0, 0, 1, 1], [0, 1, 1, 1])
      0.5
    """
    left, right = np.asarray(reference_classes), np.asarray(metamer_classes)
    if left.shape != right.shape or left.ndim != 1:
        raise InputError(
            f"`reference_classes` has shape {left.shape} and `metamer_classes` {right.shape}; give "
            "one class per node, for the same nodes."
        )
    if len(left) == 0:
        return float("nan")
    num_classes = int(max(left.max(), right.max())) + 1
    counts = (np.bincount(classes, minlength=num_classes) for classes in (left, right))
    return float(np.prod([count / len(left) for count in counts], axis=0).sum())


@checked
def cohen_kappa(agreement: float, chance: float) -> tuple[float, bool]:
    """Return kappa = (a - a_e) / (1 - a_e) and whether it is undefined.

    1 means unchanged, 0 what chance gives, below 0 less than chance (Cohen, 1960).

    Args:
      agreement: a in [0, 1].
      chance: a_e in [0, 1].

    Returns:
      (kappa, undefined); a_e = 1 leaves kappa undefined, and it is then 0.

    Example:
      >>> cohen_kappa(0.75, 0.5)
      (0.5, False)
      >>> cohen_kappa(1.0, 1.0)
      (0.0, True)
    """
    if chance >= 1:
        return 0.0, True
    return (agreement - chance) / (1 - chance), False


@checked
def prediction_agreement(
    reference_logits: Numbers, metamer_logits: Numbers, nodes: Numbers | None = None
) -> PredictionAgreement:
    """Compare the classes of many metamers with the reference's.

    Args:
      reference_logits: [n, c].
      metamer_logits: [b, n, c].
      nodes: the nodes that count, as indices or as a mask [n]; None for all.

    Returns:
      `PredictionAgreement`.

    Raises:
      InputError: if shapes disagree, a node does not exist or no node is left.

    Example:
      >>> result = prediction_agreement(np.eye(2), np.array([[[2.0, 1.0], [2.0, 1.0]]]))
      >>> result.agreement, result.chance, result.kappa
      (array([0.5]), array([0.5]), array([0.]))
    """
    reference, metamers = np.asarray(reference_logits), np.asarray(metamer_logits)
    if reference.ndim != 2 or metamers.ndim != 3 or metamers.shape[1:] != reference.shape:
        raise InputError(
            f"`metamer_logits` has shape {metamers.shape} and `reference_logits` "
            f"{reference.shape}; [metamers, n, classes] and [n, classes] are needed."
        )
    chosen = _chosen_nodes(nodes, len(reference))
    return class_recognition(
        predicted_classes(reference[chosen]), predicted_classes(metamers[:, chosen])
    )


def predicted_classes(logits: AnArray) -> np.ndarray:
    """Return the class with the largest logit, the lowest of several; UNREAD where not finite.

    Args:
      logits: [..., n, c]; one that is not finite leaves all n nodes unread.

    Returns:
      [..., n] int64.

    Example:
      >>> predicted_classes([[[1.0, 2.0]], [[np.nan, 2.0]]])
      array([[ 1],
             [-1]])
    """
    values = np.asarray(logits)
    finite = np.isfinite(values).all((-2, -1))[..., None]
    return np.where(finite, values.argmax(-1), UNREAD)


def class_recognition(reference_classes: AnArray, metamer_classes: AnArray) -> PredictionAgreement:
    """Compare predicted classes of many metamers with those of the reference.

    Args:
      reference_classes: [n] integers, at least 0.
      metamer_classes: [b, n] integers; UNREAD (-1) where logits were not finite.

    Returns:
      `PredictionAgreement`.

    Raises:
      InputError: if shapes disagree or there is no node.

    Example:
      >>> class_recognition([0, 1, 1, 0], [[0, 1, 1, 1]]).kappa
      array([0.5])
    """
    reference, metamers = np.asarray(reference_classes), np.asarray(metamer_classes)
    if metamers.ndim != 2 or metamers.shape[1:] != reference.shape or not reference.size:
        raise InputError(
            f"`metamer_classes` has shape {metamers.shape} and `reference_classes` "
            f"{reference.shape}; [metamers, n] and [n] of the same nodes, at least one, are needed."
        )
    rows = [_agreement_of(reference, classes) for classes in metamers]
    agreement, chance, kappa, undefined = np.array(rows, np.float64).reshape(-1, 4).T
    return PredictionAgreement(agreement, chance, kappa, undefined.astype(bool))


def _chosen_nodes(nodes: AnArray | None, num_nodes: int) -> np.ndarray:
    chosen = np.arange(num_nodes) if nodes is None else np.asarray(nodes)
    if chosen.dtype == bool:
        if chosen.shape != (num_nodes,):
            raise InputError(
                f"`nodes` is a mask of shape {chosen.shape}; the graph has {num_nodes} nodes."
            )
        chosen = np.flatnonzero(chosen)
    if chosen.size == 0:
        raise InputError("`nodes` selects no node; agreement needs at least one.")
    outside = (chosen < 0) | (chosen >= num_nodes)
    if outside.any():
        raise InputError(
            f"`nodes` holds {chosen[outside][0]}; nodes are numbered from 0 to {num_nodes - 1}."
        )
    return chosen


def _agreement_of(reference: np.ndarray, metamer: np.ndarray) -> tuple[float, float, float, bool]:
    if (metamer == UNREAD).any() or (reference == UNREAD).any():
        return float("nan"), float("nan"), float("nan"), False
    agreement = float(np.mean(metamer == reference))
    chance = agreement_chance(reference, metamer)
    return agreement, chance, *cohen_kappa(agreement, chance)


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
