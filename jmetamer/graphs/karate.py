"""`karate`: Zachary's karate club, 34 nodes; small enough for exhaustive tests."""

import numpy as np

from jmetamer._base.arguments import Count, Seed, checked
from jmetamer.graphs.dataset import Dataset, Provenance, sealed
from jmetamer.graphs.graph import make_graph
from jmetamer.graphs.split import per_class_split
from jmetamer.graphs.symmetry import simple_undirected

_PROVENANCE = Provenance(
    source="networkx.karate_club_graph",
    sha256="",
    licence="BSD-3-Clause (networkx)",
    citation="W. W. Zachary (1977), An Information Flow Model for Conflict and Fission in Small "
    "Groups, Journal of Anthropological Research 33(4), doi:10.1086/jar.33.4.3629752",
)


@checked
def load_karate(*, seed: Seed = 0, train_per_class: Count = 4) -> Dataset:
    """34 members, 78 friendships (unweighted), one-hot identity features, 2 clubs as labels.

    Args:
      seed: draws the split; the graph does not depend on it.
      train_per_class: training nodes of each club; a third of the others is for validation.

    Example:
      >>> karate = load_karate()
      >>> karate.graph.senders.size, karate.num_classes, int(karate.train_mask.sum())
      (156, 2, 8)
    """
    import networkx  # slow to import, and few need it

    club = networkx.karate_club_graph()
    total = club.number_of_nodes()
    ends = np.array(club.edges)
    senders, receivers = simple_undirected(ends[:, 0], ends[:, 1], total)
    labels = np.array([club.nodes[i]["club"] == "Officer" for i in range(total)], np.int32)
    return sealed(
        Dataset(
            name="karate",
            graph=make_graph(np.eye(total), senders, receivers),
            labels=labels,
            **per_class_split(labels, seed, train_per_class=train_per_class)._asdict(),
            num_classes=2,
            feature_kind="one_hot",
            provenance=_PROVENANCE,
            feature_range=(0.0, 1.0),
        )
    )
