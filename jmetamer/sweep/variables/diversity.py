"""How different the stored metamers of a cell are from each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import jraph
import numpy as np
import scipy.sparse

from jmetamer.graphs.pairs import Flips, Pairs, flipped, pairs_of_graph
from jmetamer.measures import Diversity, diversity, feature_diversity
from jmetamer.metamers import Problem, Status
from jmetamer.metamers.renamed import Renaming, class_of_each
from jmetamer.results import Variable
from jmetamer.sweep.block import Block

MOST = 1000  # metamers that are compared: work for each pair of them
_BOTH = {"meaning": "distance; both axes are the metamers of `diversity_seed_id`"}


def diversity_variables(
    block: Block, problem: Problem, tolerance: float = 0.0
) -> tuple[dict[str, Variable], dict[str, float]]:
    """Return distances among converged metamers that are stored, and what they amount to.

    Metamers that are, or nearly are, one graph with its nodes renamed are one metamer: each class
    stands at the place of the first that is stored, and within it distances are 0.

    Features are compared by normalized Euclidean distance, or Jaccard's where they are 0/1, edges
    by Jaccard's; of each there is a table, mean, minimum and effective number (Vendi score).

    Args:
      block: arrays of all metamers.
      problem: what was matched.
      tolerance: of L_act, as `Renaming` takes it.
    """
    stored = block["stored_seed_id"]
    converged = block["seed_id"][block["status"] == int(Status.CONVERGED)]
    places = np.flatnonzero(np.isin(stored, converged))[:MOST]
    if places.size < 2:
        return {}, {}
    tables: dict[str, np.ndarray] = {}
    kept = StoredGraphs(block, problem, places)
    if kept.features is not None:
        tables["features"] = feature_diversity(kept.features, kept.kind).distances
    if problem.edge_kind == "simple_edges":
        tables["edges"] = _edge_distances(block, stored[places], problem)
    if problem.edge_kind == "edge_weights":
        tables["edges"] = _weight_distances(block["edge_weight"][places])
    first = class_of_each(kept, Renaming(problem, tolerance))
    by_table = {name: diversity(table[np.ix_(first, first)]) for name, table in tables.items()}
    variables, scalars = _named(by_table, stored[places])
    meaning = {"meaning": "equal for metamers that are one graph with its nodes renamed"}
    classes = np.unique(first, return_inverse=True)[1].astype(np.int32)
    variables["diversity_class"] = Variable(("compared",), classes, meaning)
    return variables, scalars | {"diversity_num_classes": float(classes.max() + 1)}


class StoredGraphs(Sequence[jraph.GraphsTuple]):
    """The graphs of some stored metamers of a block, each built when it is asked for.

    Args:
      block: arrays of all metamers.
      problem: what was matched.
      places: [k] of the metamers among those stored.
    """

    def __init__(self, block: Block, problem: Problem, places: np.ndarray) -> None:
        self.block, self.problem, self.places = block, problem, places
        self.features: np.ndarray | None = None
        self.kind = problem.features.kind if problem.features else "continuous"
        if problem.features is not None:
            self.features = block["features"][places]
            if self.kind == "binary":
                width = problem.graph.nodes.shape[1]
                self.features = np.unpackbits(self.features, axis=-1, count=width)
        self.simple = problem.edge_kind == "simple_edges"
        self.listed = problem.listed if problem.edge_kind == "edge_weights" else problem.graph

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        graph, block, place = self.listed, self.block, self.places[index]
        if self.simple:
            of_seed = block["flip_seed_id"] == block["stored_seed_id"][place]
            pairs = Pairs(block["flip_sender"][of_seed], block["flip_receiver"][of_seed])
            flips = Flips(pairs, block["flip_added"][of_seed])
            graph = flipped(graph, flips, directed=self.problem.directed)
        if "edge_weight" in block:
            graph = graph._replace(edges=graph.edges._replace(weight=block["edge_weight"][place]))
        return graph if self.features is None else graph._replace(nodes=self.features[index])


def _named(
    diversities: Mapping[str, Diversity], seeds: np.ndarray
) -> tuple[dict[str, Variable], dict[str, float]]:
    variables = {"diversity_seed_id": Variable(("compared",), seeds)}
    scalars: dict[str, float] = {}
    for name, one in diversities.items():
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
    are_stored = np.isin(block["flip_seed_id"], seeds)
    place = {int(seed): row for row, seed in enumerate(seeds)}
    rows = np.array([place[int(seed)] for seed in block["flip_seed_id"][are_stored]], np.int64)
    pairs = np.stack([block["flip_sender"][are_stored], block["flip_receiver"][are_stored]])
    numbers = np.unique(pairs, axis=1, return_inverse=True)[1].ravel()
    shape = (len(seeds), int(numbers.max(initial=-1)) + 1)
    flips = scipy.sparse.csr_array((np.ones(rows.size), (rows, numbers)), shape=shape)
    shared, count = (flips @ flips.T).toarray(), np.bincount(rows, minlength=len(seeds))
    differing = count[:, None] + count[None, :] - 2 * shared
    kept = np.isin(block["seed_id"], seeds)
    before = pairs_of_graph(problem.graph, directed=problem.directed).senders.size
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
