"""How different the stored metamers of a cell are from each other."""

from collections.abc import Mapping

import numpy as np
import scipy.sparse

from jmetamer.graphs.pairs import pairs_of_graph
from jmetamer.measures import Diversity, diversity, feature_diversity
from jmetamer.metamers import Problem, Status
from jmetamer.metamers.block import Block
from jmetamer.metamers.parameterizations import BinaryFeatures
from jmetamer.metamers.what_varies import directed_edges, edges_that_vary, features_that_vary
from jmetamer.results import Variable

MOST = 1000  # metamers that are compared: work for each pair of them
_BOTH = {"meaning": "distance; both axes are the metamers of `diversity_seed_id`"}


def diversity_variables(
    block: Block, problem: Problem
) -> tuple[dict[str, Variable], dict[str, float]]:
    """Return distances among converged metamers that are stored, and what they amount to.

    Features are compared by normalized Euclidean distance, or Jaccard's where they are 0/1, edges
    by Jaccard's; of each there is a table, mean, minimum and effective number (Vendi score).

    Args:
      block: arrays of all metamers.
      problem: what was matched.
    """
    stored = block["stored_seed_id"]
    converged = block["seed_id"][block["status"] == int(Status.CONVERGED)]
    places = np.flatnonzero(np.isin(stored, converged))[:MOST]
    found: dict[str, Diversity] = {}
    if places.size < 2:
        return {}, {}
    features = features_that_vary(problem.vary)
    if features is not None:
        chosen, kind = block["features"][places], "continuous"
        if isinstance(features, BinaryFeatures):
            width = problem.graph.nodes.shape[1]
            chosen, kind = np.unpackbits(chosen, axis=-1, count=width), "binary"
        found["features"] = feature_diversity(chosen, kind)
    edges = edges_that_vary(problem.vary)
    if edges == "simple_edges":
        found["edges"] = diversity(_edge_distances(block, stored[places], problem))
    if edges == "edge_weights":
        found["edges"] = diversity(_weight_distances(block["edge_weight"][places]))
    return _named(found, stored[places])


def _named(
    found: Mapping[str, Diversity], seeds: np.ndarray
) -> tuple[dict[str, Variable], dict[str, float]]:
    variables = {"diversity_seed_id": Variable(("compared",), seeds)}
    scalars: dict[str, float] = {}
    for name, one in found.items():
        table = one.distances.astype(np.float32)
        variables[f"diversity_{name}"] = Variable(("compared", "compared_with"), table, _BOTH)
        scalars[f"diversity_{name}_mean"] = one.mean
        scalars[f"diversity_{name}_minimum"] = one.minimum
        scalars[f"diversity_{name}_effective_number"] = one.effective_number
    return variables, scalars


def _edge_distances(block: Block, seeds: np.ndarray, problem: Problem) -> np.ndarray:
    """Return Jaccard distances of edge sets, from flips alone.

    Two metamers differ in the pairs that one of them has flipped and the other has not. With d of
    these pairs and m and m' edges, the union has (m + m' + d) / 2.
    """
    mine = np.isin(block["flip_seed_id"], seeds)
    place = {int(seed): row for row, seed in enumerate(seeds)}
    rows = np.array([place[int(seed)] for seed in block["flip_seed_id"][mine]], np.int64)
    pairs = np.stack([block["flip_sender"][mine], block["flip_receiver"][mine]])
    numbers = np.unique(pairs, axis=1, return_inverse=True)[1].ravel()
    shape = (len(seeds), int(numbers.max(initial=-1)) + 1)
    flips = scipy.sparse.csr_array((np.ones(rows.size), (rows, numbers)), shape=shape)
    shared, count = (flips @ flips.T).toarray(), np.bincount(rows, minlength=len(seeds))
    differing = count[:, None] + count[None, :] - 2 * shared
    kept = np.isin(block["seed_id"], seeds)
    before = pairs_of_graph(problem.graph, directed=directed_edges(problem)).senders.size
    change = block["edges_added"].astype(np.int64) - block["edges_removed"]
    size = before + change[kept]
    union = (size[:, None] + size[None, :] + differing) / 2
    return differing / np.where(union == 0, 1.0, union)


def _weight_distances(weights: np.ndarray) -> np.ndarray:
    """Return `1 - sum min(w, w') / sum max(w, w')` of all pairs of rows [b, e]."""
    rows = np.asarray(weights, np.float64)
    table = np.zeros((len(rows), len(rows)))
    for place, row in enumerate(rows):
        most = np.maximum(row, rows).sum(1)
        table[place] = np.abs(row - rows).sum(1) / np.where(most == 0, 1.0, most)
    return table
