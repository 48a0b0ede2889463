"""Whether a network has a gradient with respect to the weights of its edges."""

from jmetamer._base.errors import InputError
from jmetamer.models.protocol import Model
from jmetamer.models.structure import neighborhoods


def require_edge_gradient(model: Model, vary: object) -> None:
    """Refuse a network whose aggregation is a maximum, where weights are moved by gradients.

    The maximum over neighbors jumps when an edge appears, so its derivative by the weight is 0
    wherever it exists, and weight 0 is not the limit of small weights.

    Args:
      model: the network.
      vary: what was asked to vary, named in the message.

    Raises:
      InputError: the network takes the maximum of its neighbors.

    Example:
      >>> from jmetamer.models import GraphSAGE
      >>> require_edge_gradient(GraphSAGE(aggregator="mean"), None)
    """
    if "max" in neighborhoods(model):
        raise InputError(
            f"`vary` is {vary!r}, whose weights are moved by gradients, but the maximum over "
            f"neighbors of {type(model).__name__} jumps when an edge appears and has none; use a "
            "network that sums, averages or attends, vary features, or search over hard edges "
            "with the method 'swap_search' of `BinaryEdges`"
        )
