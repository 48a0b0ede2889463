"""The heterophilous-graphs collection: graphs whose neighbors tend to differ, ten splits each."""

import os

from jmetamer._base.arguments import Natural, checked
from jmetamer.graphs.data_files import DataFile, digest_of, read_data_files
from jmetamer.graphs.dataset import Dataset, Provenance
from jmetamer.graphs.graph_npz import parse_graph_npz

HETEROPHILOUS_URL = (
    "https://github.com/yandex-research/heterophilous-graphs/raw/"
    "a431395582e929d88271309716bea4fe24ce6318/data"
)

# Chameleon and Squirrel without the duplicated nodes that leak test labels into training.
HETEROPHILOUS_FILES = {
    "chameleon": "chameleon_filtered.npz",
    "squirrel": "squirrel_filtered.npz",
    "actor": "actor.npz",
    "texas": "texas.npz",
    "texas_4_classes": "texas_4_classes.npz",
    "cornell": "cornell.npz",
    "wisconsin": "wisconsin.npz",
    "roman_empire": "roman_empire.npz",
    "amazon_ratings": "amazon_ratings.npz",
    "minesweeper": "minesweeper.npz",
    "tolokers": "tolokers.npz",
    "questions": "questions.npz",
}


@checked
def load_heterophilous(
    name: str, *, split: Natural = 0, root: str | os.PathLike[str] | None = None
) -> Dataset:
    """Read one graph of Platonov et al., each undirected edge stored in both directions.

    "chameleon" and "squirrel" are the filtered versions, from which duplicate nodes are removed.
    Other files of the collection are read by path: `load_dataset("folder/chameleon.npz")`.

    Args:
      name: a key of `HETEROPHILOUS_FILES`.
      split: which of the ten stored splits, 0 to 9.
      root: folder to look in first; see `jmetamer.graphs.data_files` for the others.

    Raises:
      DataError: the file is missing, damaged or tampered with.
    """
    file = DataFile("heterophilous", name, HETEROPHILOUS_FILES[name], HETEROPHILOUS_URL)
    contents = read_data_files([file], root)
    provenance = Provenance(
        source=f"{HETEROPHILOUS_URL}/{file.name}",
        sha256=digest_of(contents),
        licence="MIT (the repository yandex-research/heterophilous-graphs)",
        citation="O. Platonov, D. Kuznedelev, M. Diskin, A. Babenko and L. Prokhorenkova (2023), A "
        "Critical Look at the Evaluation of GNNs under Heterophily, arXiv:2302.11640",
    )
    return parse_graph_npz(contents[file.name], file.name, name, split=split, provenance=provenance)
