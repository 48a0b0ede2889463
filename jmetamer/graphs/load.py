"""`load_dataset`: one door for every source of graphs, and the table of dataset names.

A dataset is added with a loader in a file of its own and one line in `DATASETS`. A loader returns
`dataset.sealed(...)` and names those of `split`, `seed` and `root` that it uses, and its options,
as keyword-only arguments.
"""

import functools
import inspect
import os
import pathlib
from collections.abc import Callable, Mapping

from jmetamer._base.arguments import Natural, Seed, checked
from jmetamer._base.errors import InputError, unknown_name
from jmetamer._base.paths import user_path
from jmetamer.graphs.built_in import load_digits, load_karate
from jmetamer.graphs.dataset import Dataset, validate_dataset
from jmetamer.graphs.drawn import load_csbm, load_dcsbm, load_sbm
from jmetamer.graphs.from_objects import is_networkx, is_pyg, load_networkx, load_pyg
from jmetamer.graphs.graph_npz import HETEROPHILOUS_FILES, load_graph_npz, load_heterophilous
from jmetamer.graphs.ogb_raw import load_ogb, load_ogbn
from jmetamer.graphs.planetoid import load_planetoid

Loader = Callable[..., Dataset]

DATASETS: dict[str, Loader] = {
    "digits": load_digits,
    "karate": load_karate,
    "sbm": load_sbm,
    "csbm": load_csbm,
    "dcsbm": load_dcsbm,
    "cora": functools.partial(load_planetoid, "cora"),
    "citeseer": functools.partial(load_planetoid, "citeseer"),
    "pubmed": functools.partial(load_planetoid, "pubmed"),
    "ogbn_arxiv": functools.partial(load_ogbn, "ogbn_arxiv"),
    **{name: functools.partial(load_heterophilous, name) for name in HETEROPHILOUS_FILES},
}


@checked
def load_dataset(
    source: object,
    *,
    split: Natural = 0,
    seed: Seed = 0,
    root: str | os.PathLike[str] | None = None,
    **options: object,
) -> Dataset:
    """Load a graph with labels and masks, by name, from a file, or from another library's object.

    Args:
      source: one of
        - a name in `DATASETS` (upper case and "-" are understood: "Roman-Empire"),
        - the path of a `.npz` file (layout: `jmetamer.graphs.graph_npz`),
        - the path of a folder of the Open Graph Benchmark (layout: `jmetamer.graphs.ogb_raw`),
        - a networkx graph (attributes: `jmetamer.graphs.from_objects.load_networkx`),
        - a PyTorch Geometric `Data` object,
        - a `Dataset`, which is checked and returned.
      split: which split, where several are stored (the heterophilous graphs have ten).
      seed: draws what is random: generated graphs, and splits where none is stored. Datasets
        with a stored split do not depend on it.
      root: folder to look for files in first (`jmetamer.graphs.data_files` says where else).
      **options: the loader's own, such as `neighbors` of "digits".

    Returns:
      A validated dataset; its arrays are NumPy.

    Raises:
      InputError: an unknown name or option, or data that cannot be used.
      DataError: a file is missing, damaged or tampered with.

    Example:
      >>> karate = load_dataset("karate")
      >>> karate.graph.nodes.shape, karate.num_classes
      ((34, 34), 2)
      >>> load_dataset("core")
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.InputError: unknown dataset 'core'; did you mean 'cora'? ...
    """
    if isinstance(source, Dataset):
        if options:
            raise _unknown_options("a Dataset object", options, [])
        validate_dataset(source)
        return source
    name, loader = _loader(source)
    names = list(inspect.signature(loader).parameters)
    allowed = [key for key in names if key not in ("split", "seed", "root")]
    if unexpected := {key: value for key, value in options.items() if key not in allowed}:
        raise _unknown_options(name, unexpected, allowed)
    common = {"split": split, "seed": seed, "root": root}
    if "split" not in names and split != 0:
        raise InputError(f"`split` is {split}; allowed: 0, as {name} has one split.")
    return loader(**{key: value for key, value in common.items() if key in names}, **options)


def reader_of_path(path: str | os.PathLike[str]) -> Loader:
    """Return the function that reads a path: a folder is one of OGB, a file is a `.npz` file.

    Example:
      >>> reader_of_path("own.npz") is load_graph_npz
      True
    """
    return load_ogb if os.path.isdir(user_path(path)) else load_graph_npz


def _loader(source: object) -> tuple[str, Loader]:
    """Find who can read a source, and what to call the source in messages."""
    if isinstance(source, str | os.PathLike):
        path = pathlib.Path(source)
        if not isinstance(source, str) or path.suffix == ".npz" or path.name != source:
            return repr(str(source)), functools.partial(reader_of_path(source), source)
        name = source.lower().replace("-", "_")
        if name in DATASETS:
            return repr(name), DATASETS[name]
        if os.path.isdir(path):
            return repr(source), functools.partial(load_ogb, source)
        raise unknown_name("dataset", source, DATASETS)
    if is_pyg(source):
        return "a PyTorch Geometric object", functools.partial(load_pyg, source)
    if is_networkx(source):
        return "a networkx graph", functools.partial(load_networkx, source)
    raise InputError(
        f"`source` is a {type(source).__name__}; allowed: a dataset name, the path of a .npz "
        "file or of an OGB folder, a networkx graph, a PyTorch Geometric Data object or a Dataset. "
        "A bare jraph.GraphsTuple has no labels: put it into a `Dataset`."
    )


def _unknown_options(name: str, options: Mapping[str, object], allowed: list[str]) -> InputError:
    first, value = next(iter(options.items()))
    if not allowed:
        return InputError(f"unknown option `{first}={value!r}`: {name} takes no options.")
    error = unknown_name("option", first, allowed)
    return InputError(f"{name}: {error} (the value given was {value!r})")
