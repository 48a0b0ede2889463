"""`Facts`: what is known of a reference beside its graph."""

from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray


class Facts(NamedTuple):
    """What some measures need beside two graphs; None where it is not known or does not exist.

    Attributes:
      labels: [n] classes, negative where a node has none.
      train_mask: [n] bool, nodes that a network was trained on.
      entry_weights: W [d, m] of a network that sees its features X only as `X W`.
    """

    labels: AnArray | None = None
    train_mask: AnArray | None = None
    entry_weights: AnArray | None = None


NOTHING = Facts()


def labels_of_nodes(facts: Facts, num_nodes: int) -> np.ndarray | None:
    """Return the classes [n] of the nodes, or None where they are not known of these nodes.

    Example:
      >>> labels_of_nodes(Facts(labels=[0, 1]), 2), labels_of_nodes(Facts(), 2)
      (array([0, 1]), None)
    """
    if facts.labels is None or np.shape(facts.labels) != (num_nodes,):
        return None
    return np.asarray(facts.labels)
