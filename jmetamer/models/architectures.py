"""The table of architectures: names to classes and back."""

from jmetamer.models.gat import GAT
from jmetamer.models.gcn import GCN
from jmetamer.models.gin import GIN
from jmetamer.models.graphsage import GraphSAGE
from jmetamer.models.network import Network

# A new architecture is added here; the conformance tests then cover it.
MODELS: dict[str, type[Network]] = {"gcn": GCN, "gat": GAT, "graphsage": GraphSAGE, "gin": GIN}


def architecture_name(model: object) -> str:
    """Return the name of a model's architecture: its key in `MODELS`, else its class name.

    Args:
      model: any model.

    Example:
      >>> architecture_name(GCN())
      'gcn'
    """
    names = [name for name, architecture in MODELS.items() if type(model) is architecture]
    return names[0] if names else type(model).__name__
