"""The folder of raw files of the Open Graph Benchmark: one graph with node labels (ogbn-...).

    raw/edge.csv.gz           [e, 2] node numbers: (sender, receiver)              required
    raw/node-feat.csv.gz      [n, d] real numbers                                  required
    raw/node-label.csv.gz     [n, 1] class numbers; "nan" where there is none      required
    raw/num-node-list.csv.gz  [1] n; checked                                       optional
    raw/num-edge-list.csv.gz  [1] e; checked                                       optional
    split/<scheme>/train.csv.gz, valid.csv.gz, test.csv.gz  [k] node numbers       optional

No file has a header. Instead of `<name>.csv.gz` there may be an unpacked `<name>.csv`, or in `raw`
a `<name>.npz` with the key below; instead of all but the labels, one `raw/data.npz` with these
keys, the binary form of OGB: `edge_index` [2, e], `node_feat`, `num_nodes_list`, `num_edges_list`;
the labels then lie in `raw/node-label.npz`, key `node_label`. Nothing is unpickled, so the
`split_dict.pt` that `ogb.io.DatasetSaver` writes is not read. Nor are other files (`node_year`,
`edge-feat`, `mapping/`, `processed/`).

The folder may have any name. `ogbn_arxiv` and `ogbn_products` (with "-" for "_", with the `_pyg` or
`_dgl` of old versions at the end, or as `arxiv` and `products` in the archives) are known: their
labels must lie below their number of classes.
"""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import Count, Natural, Seed, checked
from jmetamer._base.errors import DataError, InputError
from jmetamer._base.paths import user_path
from jmetamer.graphs.data_files import base_folders, joint_digest
from jmetamer.graphs.dataset import Dataset, Provenance, dataset_of
from jmetamer.graphs.edge_lists import simple_undirected
from jmetamer.graphs.graph import as_float32, make_graph
from jmetamer.graphs.labels import Classes, Split, class_numbers, per_class_split
from jmetamer.graphs.number_files import (
    MAX_BYTES,
    Table,
    file_sha256,
    read_npz_tables,
    read_text_table,
)

OGB_URL = "https://ogb.stanford.edu/docs/nodeprop/"
_CITATION = (
    "W. Hu, M. Fey, M. Zitnik, Y. Dong, H. Ren, B. Liu, M. Catasta and J. Leskovec (2020), Open "
    "Graph Benchmark: Datasets for Machine Learning on Graphs, arXiv:2005.00687"
)
_KEYS = {
    "edge": "edge_index",
    "node-feat": "node_feat",
    "node-label": "node_label",
    "num-node-list": "num_nodes_list",
    "num-edge-list": "num_edges_list",
}
_SPLIT_FILES = {"train_mask": "train", "val_mask": "valid", "test_mask": "test"}


class _PublicGraph(NamedTuple):
    archive: str
    num_classes: int
    licence: str


_PUBLIC_GRAPHS = {
    "ogbn_arxiv": _PublicGraph("arxiv", 40, "ODC-BY"),
    "ogbn_products": _PublicGraph("products", 47, "Amazon license"),
}


@checked
def load_ogb(
    path: str | os.PathLike[str],
    *,
    split: Natural = 0,
    seed: Seed = 0,
    directed: bool = False,
    num_classes: Count | None = None,
    max_bytes: Count = MAX_BYTES,
) -> Dataset:
    """Read a graph from OGB's folder of raw files; the layout is at the top of this file.

    Citations of ogbn-arxiv have a direction. As most published results do, and as every other
    loader here does unless told otherwise, edges are made undirected: each pair is stored in both
    directions once, without loops, sorted by receiver. With `directed` they are taken as listed,
    repeats and loops included, messages going from the first column to the second. A node without
    a label gets the first class and may be in no split.

    Args:
      path: the folder that holds `raw` and `split`.
      split: which of the schemes under `split`, in the order of their names.
      seed: draws a split where the folder has none (`labels.per_class_split`).
      directed: take edges as they are listed.
      num_classes: labels must be smaller; of folders that are not known as `class_numbers` counts.
      max_bytes: limit of what one file unpacks to.

    Raises:
      DataError: a file is missing or does not follow the layout; names the file and the line.
      InputError: there is no such split.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     raw = pathlib.Path(folder, "raw")
      ...     raw.mkdir()
      ...     files = {"edge": "0,1", "node-feat": "1\\n2", "node-label": "0\\n1"}
      ...     for name, text in files.items():
      ...         _ = (raw / f"{name}.csv").write_text(text)
      ...     load_ogb(folder).graph.senders.tolist()
      [1, 0]
    """
    folder = user_path(path)
    files = _RawFiles(folder, max_bytes)
    nodes = _features(files)
    total = len(nodes)
    senders, receivers = _ends(files, total)
    name, public = _named(folder)
    classes, labeled = _labels(files, total, num_classes, public)
    masks = _split(files, split, classes.labels, labeled, seed)
    if not directed:
        senders, receivers = simple_undirected(senders, receivers, total)
    try:
        graph = make_graph(nodes, senders, receivers)
        return dataset_of(name, graph, classes, masks, _provenance(files, public))
    except DataError:
        raise
    except InputError as error:
        raise DataError(f"{str(folder)!r}: {error}") from None


@checked
def load_ogbn(
    name: str,
    *,
    split: Natural = 0,
    seed: Seed = 0,
    directed: bool = False,
    root: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Find the folder of a known graph of OGB and read it; nothing is downloaded.

    Args:
      name: "ogbn_arxiv" or "ogbn_products".
      split: see `load_ogb`.
      seed: see `load_ogb`.
      directed: see `load_ogb`.
      root: folder to look in first; see `jmetamer.graphs.data_files` for the others. Looked for is
        a folder with one of the names at the top of this file that holds `raw`.

    Raises:
      DataError: there is no such folder, or its files do not follow the layout.
    """
    bases = base_folders(root)
    for base in bases:
        for folder in sorted(base.iterdir()) if os.path.isdir(base) else ():
            if (folder / "raw").is_dir() and _named(folder)[0] == name:
                return load_ogb(folder, split=split, seed=seed, directed=directed)
    raise DataError(
        f"dataset {name!r} needs its folder of raw files, which is in none of the folders searched "
        f"({', '.join(map(str, bases))}). Get it from {OGB_URL} (the package `ogb` downloads it) "
        f"and pass the folder above {name!r} as `root=`, or load it by its path."
    )


def _named(folder: pathlib.Path) -> tuple[str, _PublicGraph | None]:
    """Return the dataset's name, and what is known of it."""
    own = folder.resolve().name
    plain = own.lower().replace("-", "_").removesuffix("_pyg").removesuffix("_dgl")
    for name, public in _PUBLIC_GRAPHS.items():
        if plain in (name, public.archive):
            return name, public
    return own, None


class _RawFiles:
    """Tables by their name in the layout, wherever they lie; remembers the files that were read."""

    def __init__(self, folder: pathlib.Path, max_bytes: int) -> None:
        self.folder, self.raw, self.max_bytes = folder, folder / "raw", max_bytes
        self.read: list[pathlib.Path] = []
        if not os.path.isdir(self.raw):
            hint = f"; give {str(folder.parent)!r}" if folder.name == "raw" else ""
            raise DataError(
                f"{str(folder)!r} holds no folder 'raw', so it is not in the layout of OGB{hint}. "
                "Allowed: the folder with 'raw' and 'split' in it."
            )
        binary = self.raw / "data.npz"
        self.binary = self._npz(binary) if binary.is_file() else {}

    def required(self, name: str) -> Table:
        """Return a table, or raise `DataError` where it is nowhere."""
        table = self.optional(name)
        if table is None:
            raise DataError(
                f"{str(self.raw / name) + '.csv.gz'!r} is missing; allowed instead: {name}.csv, "
                f"{name}.npz with the key {_KEYS[name]!r}, or that key in data.npz."
            )
        return table

    def optional(self, name: str) -> Table | None:
        """Return a table, or None where it is nowhere."""
        key = _KEYS[name]
        if key in self.binary:
            return self.binary[key]
        packed = self.raw / f"{name}.npz"
        if packed.is_file():
            tables = self._npz(packed)
            if key not in tables:
                raise DataError(f"{str(packed)!r} lacks the array {key!r}, which is required.")
            return tables[key]
        return self.text(self.raw / name)

    def text(self, stem: pathlib.Path) -> Table | None:
        """Return the table of `<stem>.csv.gz` or `<stem>.csv`, or None where both are missing."""
        for file in (stem.with_name(stem.name + ending) for ending in (".csv.gz", ".csv")):
            if file.is_file():
                self.read.append(file)
                return read_text_table(file, self.max_bytes)
        return None

    def count(self, name: str, expected: int, what: str) -> None:
        """Check a list of one number against what was read."""
        table = self.optional(name)
        if table is None:
            return
        counts = table.integers().ravel().tolist()
        if len(counts) != 1:
            raise DataError(
                f"{table.source} lists {len(counts)} graphs; allowed: 1, as nodes have labels."
            )
        if counts != [expected]:
            raise DataError(f"{table.source} says {counts[0]}, but there are {expected} {what}.")

    def _npz(self, file: pathlib.Path) -> dict[str, Table]:
        self.read.append(file)
        return read_npz_tables(file, tuple(_KEYS.values()), self.max_bytes)


def _features(files: _RawFiles) -> np.ndarray:
    table = files.required("node-feat")
    if len(table.values) == 0:
        raise DataError(f"{table.source} is empty; at least 1 node is needed.")
    table.check_finite()
    files.count("num-node-list", len(table.values), f"rows in {table.source}")
    try:
        return as_float32("features", table.values)
    except InputError as error:
        raise DataError(f"{table.source}: {error}") from None


def _ends(files: _RawFiles, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Return senders and receivers, [e] int64, in the order of the file."""
    table = files.required("edge")
    if not table.is_text and table.values.size:
        if table.values.shape[0] != 2:
            raise DataError(f"{table.source} has shape {table.values.shape}; allowed: (2, edges).")
        table = table._replace(values=table.values.T)
    if table.values.size == 0:
        table = table._replace(values=table.values.reshape(0, 2))
    if table.values.shape[1] != 2:
        raise DataError(
            f"{table.source} has {table.values.shape[1]} columns; allowed: 2, a sender and a "
            "receiver an edge."
        )
    files.count("num-edge-list", len(table.values), f"edges in {table.source}")
    ends = table.integers()
    _check_nodes(table, ends, total)
    return ends[:, 0], ends[:, 1]


def _labels(
    files: _RawFiles, total: int, num_classes: int | None, public: _PublicGraph | None
) -> tuple[Classes, np.ndarray]:
    """Return the classes, and which nodes have one [n] bool."""
    table = files.required("node-label")
    if table.values.shape != (total, 1):
        raise DataError(
            f"{table.source} has shape {table.values.shape}; allowed: ({total}, 1), one class for "
            f"each of the {total} nodes with features."
        )
    labeled = ~np.isnan(table.values[:, 0])
    least = np.nanmin(table.values) if labeled.any() else 0
    filled = np.where(labeled[:, None], table.values, least)
    numbers = table._replace(values=filled).integers()[:, 0]
    if num_classes is None and public:
        num_classes = public.num_classes
    most = 2**31 if num_classes is None else num_classes
    wrong = np.flatnonzero((numbers < 0) | (numbers >= most))
    if wrong.size:
        raise table.error(
            int(wrong[0]),
            f"label {numbers[wrong[0]]}; allowed: 0 to {most - 1} ({wrong.size} such nodes).",
        )
    return class_numbers(table.source, numbers, total, num_classes), labeled


def _split(
    files: _RawFiles, split: int, labels: np.ndarray, labeled: np.ndarray, seed: int
) -> Split:
    folder = files.folder / "split"
    schemes = sorted(path for path in folder.glob("*") if _is_scheme(path))
    if not 0 <= split < max(1, len(schemes)):
        names = ", ".join(repr(path.name) for path in schemes) or "none, so one is drawn by `seed`"
        raise InputError(
            f"`split` is {split}; allowed: 0 to {max(1, len(schemes)) - 1}, as {str(folder)!r} "
            f"holds {len(schemes)} split(s): {names}."
        )
    if schemes:
        parts = {
            field: _part(files, schemes[split] / name, labeled)
            for field, name in _SPLIT_FILES.items()
        }
        return Split(**parts)
    drawn = per_class_split(labels[labeled], seed)
    masks = np.zeros((len(drawn), labels.size), bool)
    masks[:, labeled] = drawn
    return Split(*masks)


def _is_scheme(folder: pathlib.Path) -> bool:
    """Whether a folder holds a part of a split; those of editors and file systems do not."""
    parts = (*_SPLIT_FILES.values(), "split_dict")
    return any(file.name.partition(".")[0] in parts for file in folder.glob("*.*"))


def _part(files: _RawFiles, stem: pathlib.Path, labeled: np.ndarray) -> np.ndarray:
    table = files.text(stem)
    if table is None:
        pickled = (stem.parent / "split_dict.pt").is_file()
        hint = (
            " The pickled 'split_dict.pt' is not read: write its three lists as text."
            if pickled
            else ""
        )
        raise DataError(f"{str(stem) + '.csv.gz'!r} is missing; so is the unpacked .csv.{hint}")
    if table.values.size and table.values.shape[1] != 1:
        raise DataError(f"{table.source} has {table.values.shape[1]} columns; allowed: 1.")
    nodes = table.integers().reshape(-1, 1)
    _check_nodes(table, nodes, labeled.size)
    unlabeled = np.flatnonzero(~labeled[nodes[:, 0]])
    if unlabeled.size:
        raise table.error(int(unlabeled[0]), f"node {nodes[unlabeled[0], 0]} has no label.")
    mask = np.zeros(labeled.size, bool)
    mask[nodes[:, 0]] = True
    if mask.sum() != len(nodes):
        node = int(np.argmax(np.bincount(nodes[:, 0])))
        raise DataError(f"{table.source} lists node {node} more than once.")
    return mask


def _check_nodes(table: Table, nodes: np.ndarray, total: int) -> None:
    wrong = np.argwhere((nodes < 0) | (nodes >= total))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise table.error(
            row,
            f"node {nodes[row, column]}; allowed: 0 to {total - 1}, as there are {total} nodes.",
        )


def _provenance(files: _RawFiles, public: _PublicGraph | None) -> Provenance:
    digests = {file.relative_to(files.folder).as_posix(): file_sha256(file) for file in files.read}
    if public is None:
        return Provenance(str(files.folder), joint_digest(digests))
    return Provenance(OGB_URL, joint_digest(digests), public.licence, _CITATION)
