"""Whether a metamer is one: each criterion as a bit of its own, and all of them together."""

import math
from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray, Vector, checked
from jmetamer._base.errors import InputError

MIN_DISTANCE = 0.1  # of features or edges; a metamer nearer to its reference is called trivial
_MANY, _OF_MANY = 100, 0.99  # of so many nodes or more, one in a hundred may be off


class Success(NamedTuple):
    """What each of b metamers fulfills.

    Attributes:
      matches: [b] bool, e_act = sqrt(L_act) is within the tolerance.
      matches_everywhere: [b] bool, enough target nodes are each within the tolerance of a node.
      beats_null: [b] bool, the match is better than chance; None where it was not tested.
      same_classes: [b] bool, the model predicts enough target nodes' class as before.
      distinct: [b] bool, features or edges are far enough from the reference's, and the graph is
        not the reference renamed; else it is trivial.
      success: [b] bool, all of the above that were tested.
    """

    matches: np.ndarray
    matches_everywhere: np.ndarray
    beats_null: np.ndarray | None
    same_classes: np.ndarray
    distinct: np.ndarray
    success: np.ndarray


@checked
def target_share(num_nodes: int) -> float:
    """Return at what share of the target nodes class and match of a node are judged by default.

    Of thousands of nodes single ones lie at a class boundary or carry almost no activation, so that
    a graph that matches within any tolerance still differs there.

    Args:
      num_nodes: of target nodes.

    Returns:
      0.99 where there are a hundred or more, else 1: all of them.

    Example:
      >>> target_share(99), target_share(100)
      (1.0, 0.99)
    """
    return _OF_MANY if num_nodes >= _MANY else 1.0


def num_needed(share: float, num_nodes: int) -> int:
    """Return how many of so many nodes are at least a share of them.

    Args:
      share: from 0 to 1; of more than 0, at least one node is needed.
      num_nodes: at least 1.

    Example:
      >>> num_needed(0.99, 100), num_needed(0.99, 101), num_needed(0.07, 100)
      (99, 100, 7)
    """
    return math.ceil(share * num_nodes * (1 - 1e-12))  # 0.07 * 100 is more than 7


@checked
def success_bits(
    squared_error: Vector,
    worst_node_error: AnArray,
    agreement: AnArray,
    *,
    tolerance: float,
    worst_node_tolerance: float,
    feature_distance: AnArray | None = None,
    edge_distance: AnArray | None = None,
    renamed: AnArray | None = None,
    p_value: AnArray | None = None,
    alpha: float = 0.05,
    num_nodes: int | None = None,
    min_agreement: float | None = None,
    min_distance: float = MIN_DISTANCE,
) -> Success:
    """Return which criteria of success each metamer fulfills.

    success = (sqrt(L_act) <= tolerance) and (error of a node <= its tolerance, at a share of the
    target nodes) and (p <= alpha, if tested) and (agreement >= share) and (feature distance >= 0.1
    or edge distance >= 0.1). The share is `target_share`: 0.99 of a hundred or more target nodes,
    all of fewer. What is NaN, as where activations are not finite or a reference is silent,
    fulfills nothing.

    Args:
      squared_error: [b] L_act, of `relative_squared_error`.
      worst_node_error: [b], of `worst_node_error` with the share that is judged.
      agreement: [b] share of target nodes whose predicted class is unchanged.
      tolerance: largest e_act, the root of L_act.
      worst_node_tolerance: largest error of a node. It has no default: a node may be off by much
        more than e_act says, so the same number for both is far stricter.
      feature_distance: [b] normalized Euclidean, |X - X'| / (|X| + |X'|); None where features are
        kept.
      edge_distance: [b] Jaccard, 1 - |E and E'| / |E or E'|; None where edges are kept.
      renamed: [b] whether the graph is the reference with its nodes renamed: 0 no, 1 yes, 2
        undecided, which counts as trivial as well; None where nodes have their names.
      p_value: [b] of `null_test`, corrected with `holm` where several cells are looked at; None
        where it was not tested or is not applicable.
      alpha: largest p-value that counts.
      num_nodes: of target nodes; where it is known, nodes are counted, which no rounding of
        `agreement` changes.
      min_agreement: least share of target nodes that keep their class; None takes
        `target_share(num_nodes)`, or all of them where `num_nodes` is None.
      min_distance: least distance, of features or of edges, that is not trivial.

    Returns:
      `Success`.

    Raises:
      InputError: shapes disagree or neither distance is given.

    Example:
      >>> bits = success_bits([1e-8, 1e-8, 1e-2], [1e-3] * 3, [1.0] * 3, tolerance=1e-3,
      ...                     worst_node_tolerance=1e-2, feature_distance=[0.6, 0.02, 0.6])
      >>> bits.matches, bits.distinct
      (array([ True,  True, False]), array([ True, False,  True]))
      >>> bits.success
      array([ True, False, False])
    """
    arguments = {
        "squared_error": squared_error,
        "worst_node_error": worst_node_error,
        "agreement": agreement,
        "feature_distance": feature_distance,
        "edge_distance": edge_distance,
        "renamed": renamed,
        "p_value": p_value,
    }
    values = {name: np.asarray(each) for name, each in arguments.items() if each is not None}
    _check(values)
    distances = [values[name] for name in ("feature_distance", "edge_distance") if name in values]
    tested = p_value is not None
    if min_agreement is None:
        min_agreement = 1.0 if num_nodes is None else target_share(num_nodes)
    if num_nodes is None:
        same = values["agreement"] >= min_agreement
    else:
        same = np.rint(values["agreement"] * num_nodes) >= num_needed(min_agreement, num_nodes)
    bits = {
        "matches": np.sqrt(values["squared_error"]) <= tolerance,
        "matches_everywhere": values["worst_node_error"] <= worst_node_tolerance,
        "beats_null": values["p_value"] <= alpha if tested else None,
        "same_classes": same,
        "distinct": np.any([distance >= min_distance for distance in distances], axis=0)
        & (values.get("renamed", 0) == np.int8(0)),
    }
    together = np.all([bit for bit in bits.values() if bit is not None], axis=0)
    return Success(**bits, success=together)


def _check(values: dict[str, np.ndarray]) -> None:
    """Refuse values of metamers that cannot be put together."""
    shapes = {name: value.shape for name, value in values.items()}
    count = shapes["squared_error"]
    wrong = [name for name, shape in shapes.items() if shape != count or len(shape) != 1]
    if wrong:
        raise InputError(
            f"`{wrong[0]}` has shape {shapes[wrong[0]]} and `squared_error` {count}; give one "
            "number for each metamer, [b]."
        )
    if not {"feature_distance", "edge_distance"} & set(values):
        raise InputError(
            "neither `feature_distance` nor `edge_distance` is given; without one nobody can tell "
            "a metamer from a copy of its reference. Give the one of what varies."
        )
