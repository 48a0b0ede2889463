"""What is known of a cell's layer at every node, as one number each."""

import numpy as np

from jmetamer.report.reading import mean
from jmetamer.report.stored_cell import StoredCell


def node_means(cell: StoredCell) -> dict[str, float]:
    """Return means over nodes of the maps at the matched layer, after its activation.

    Args:
      cell: of a run.

    Returns:
      "rank" of the layer's Jacobian; "num_units", its ceiling, the layer's activations at one node;
      "nu" and "nu_centered", blind fractions of the features and of these less the mean of each;
      "rank_ratio", rank / inputs. NaN where it is not stored.
    """
    needed = ("map_nu", "map_nu_centered", "map_rank", "map_dimension")
    nu, centered, rank, dimension = (cell.table(name, ("map_layer", "node")) for name in needed)
    ratio = None
    if rank is not None and dimension is not None:
        inputs = rank + dimension
        ratio = np.divide(rank, inputs, out=np.full(rank.shape, np.nan), where=inputs > 0)
        rank = np.where(inputs > 0, rank, np.nan)  # a node without features in sight has none
    units = cell.table("num_outputs", ("target",))
    return {
        "rank": _last_mean(rank),
        "num_units": float(units.max()) if units is not None and units.size else np.nan,
        "nu": _last_mean(nu),
        "nu_centered": _last_mean(centered),
        "rank_ratio": _last_mean(ratio),
    }


def _last_mean(values: np.ndarray | None) -> float:
    """Return the mean of the last row; nodes without a value, as those without features, aside."""
    return mean([] if values is None else values[-1:])
