"""Whether a metamer is one: each criterion as a bit of its own, and all of them together."""

from typing import Any, NamedTuple

import numpy as np

from jmetamer._base.errors import InputError

MIN_DISTANCE = 0.1  # of features or edges; a metamer nearer to its reference is called trivial


class Success(NamedTuple):
    """What each of b metamers fulfills.

    Attributes:
      matches: [b] bool, e_act = sqrt(L_act) is within the tolerance.
      matches_everywhere: [b] bool, the worst node is within its tolerance.
      beats_null: [b] bool, the match is better than chance; None where it was not tested.
      same_classes: [b] bool, the model predicts enough target nodes' class as before; by default
        all of them.
      distinct: [b] bool, features or edges are far enough from the reference's; else it is
        trivial.
      success: [b] bool, all of the above that were tested.
    """

    matches: np.ndarray
    matches_everywhere: np.ndarray
    beats_null: np.ndarray | None
    same_classes: np.ndarray
    distinct: np.ndarray
    success: np.ndarray


def success_bits(
    squared_error: Any,
    worst_node_error: Any,
    agreement: Any,
    *,
    tolerance: float,
    worst_node_tolerance: float,
    feature_distance: Any = None,
    edge_distance: Any = None,
    p_value: Any = None,
    alpha: float = 0.05,
    min_agreement: float = 1.0,
    min_distance: float = MIN_DISTANCE,
) -> Success:
    """Return which criteria of success each metamer fulfills.

    success = (sqrt(L_act) <= tolerance) and (worst node <= its tolerance) and (p <= alpha, if
    tested) and (agreement >= 1) and (feature distance >= 0.1 or edge distance >= 0.1). What is NaN,
    as where activations are not finite or a reference is silent, fulfills nothing.

    Args:
      squared_error: [b] L_act, of `relative_squared_error`.
      worst_node_error: [b], of `worst_node_error`.
      agreement: [b] share of target nodes whose predicted class is unchanged.
      tolerance: largest e_act, the root of L_act.
      worst_node_tolerance: largest error of a node. It has no default: a node may be off by much
        more than e_act says, so the same number for both is far stricter.
      feature_distance: [b] normalized Euclidean, |X - X'| / (|X| + |X'|); None where features are
        kept.
      edge_distance: [b] Jaccard, 1 - |E and E'| / |E or E'|; None where edges are kept.
      p_value: [b] of `null_test`, corrected with `holm` where several cells are looked at; None
        where it was not tested.
      alpha: largest p-value that counts.
      min_agreement: least share of target nodes that keep their class; of thousands, single ones
        that lie at a class boundary may change theirs.
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
    given = {
        "squared_error": squared_error,
        "worst_node_error": worst_node_error,
        "agreement": agreement,
        "feature_distance": feature_distance,
        "edge_distance": edge_distance,
        "p_value": p_value,
    }
    values = {name: np.asarray(each) for name, each in given.items() if each is not None}
    _check(values)
    distances = [values[name] for name in ("feature_distance", "edge_distance") if name in values]
    tested = p_value is not None
    bits = {
        "matches": np.sqrt(values["squared_error"]) <= tolerance,
        "matches_everywhere": values["worst_node_error"] <= worst_node_tolerance,
        "beats_null": values["p_value"] <= alpha if tested else None,
        "same_classes": values["agreement"] >= min_agreement,
        "distinct": np.any([distance >= min_distance for distance in distances], axis=0),
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
