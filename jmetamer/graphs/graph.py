"""The graph type: `jraph.GraphsTuple` with node features and edge weights, and its validation.

Everything here works on the host with NumPy and takes NumPy or JAX arrays.
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jraph
import numpy as np
from jax import dtypes

from jmetamer._base.arguments import AnArray, Numbers, checked
from jmetamer._base.errors import InputError
from jmetamer._base.host_memory import available_host_bytes

_WHOLE = 2.0**24  # float32 holds all whole numbers up to here
_WHOLE_FLOAT64 = 2.0**53  # and float64; beyond, every number is whole, measured ones too
_TO_DENSE = ("toarray", "todense", "to_dense")
NodeArrays = AnArray | Mapping[str, AnArray]  # features, or several arrays by name


class Edges(NamedTuple):
    """What an edge carries.

    Attributes:
      weight: [e] float32; 1 = present, 0 = absent (also padding), between = relaxed.
      features: [e, f] float32 or None.

    Example:
      >>> Edges(weight=[1.0, 0.0]).features is None
      True
    """

    weight: AnArray
    features: AnArray | None = None


@checked
def make_graph(
    nodes: object,
    senders: object,
    receivers: object,
    weight: object = None,
    edge_features: object = None,
) -> jraph.GraphsTuple:
    """Build one validated graph from arrays; the edges keep the order in which they are given.

    A message travels from `senders[k]` to `receivers[k]`. An undirected edge is two entries, one
    for each direction; `symmetrize` adds the missing ones.

    Args:
      nodes: [n, d] node features, any real dtype; float64 must hold no whole number from 2^24 to
        2^53 that float32 changes; sparse where it fits in memory as dense.
      senders: [e] integer index of each edge's source, in [0, n).
      receivers: [e] integer index of each edge's destination, in [0, n).
      weight: [e] finite, non-negative edge weights; all one if None.
      edge_features: [e, f] finite edge features, or None.

    Returns:
      A graph of NumPy arrays: float32 features and weights, int32 indices, `n_node` and `n_edge`
      of length one.

    Raises:
      InputError: an array has the wrong shape or dtype or an illegal entry; names the field and
        the first offending index.

    Example:
      >>> graph = make_graph([[1.0], [2.0]], senders=[0, 1], receivers=[1, 0])
      >>> graph.edges.weight
      array([1., 1.], dtype=float32)
    """
    senders = _as_indices("senders", senders)
    receivers = _as_indices("receivers", receivers)
    nodes = as_float32("nodes", nodes)
    weight = np.ones(senders.shape, np.float32) if weight is None else as_float32("weight", weight)
    if edge_features is not None:
        edge_features = as_float32("edge_features", edge_features)
    _check_features("nodes", nodes)
    graph = jraph.GraphsTuple(
        nodes=nodes,
        edges=Edges(weight, edge_features),
        senders=senders,
        receivers=receivers,
        n_node=np.array([nodes.shape[0]], np.int32),
        n_edge=np.array([senders.size], np.int32),
        globals=None,
    )
    validate_graph(graph)
    # Only after the range check: a large index must be reported as given, not as wrapped.
    return graph._replace(senders=senders.astype(np.int32), receivers=receivers.astype(np.int32))


@checked
def validate_graph(graph: object) -> None:
    """Check that a graph can be used by everything in jmetamer.

    Args:
      graph: a `jraph.GraphsTuple` with `nodes` [n, d] (or a mapping of arrays of leading length n)
        and `edges` an `Edges`.

    Raises:
      InputError: names the field and the first offending index.

    Example:
      >>> graph = make_graph(np.eye(2), [0, 1], [1, 0])
      >>> validate_graph(graph._replace(senders=np.array([0, 7])))
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.InputError: `senders[1]` is 7, which is no node; allowed: 0 to 1...
    """
    if not isinstance(graph, jraph.GraphsTuple):
        raise InputError(
            f"`graph` is a {type(graph).__name__}; allowed: a jraph.GraphsTuple; "
            "build one with `make_graph`, or load a networkx or PyTorch Geometric graph with "
            "`load_dataset`."
        )
    for field, array in _node_arrays(graph.nodes):
        _check_features(field, array)
    _check_counts(graph)
    total = num_nodes(graph)
    for field, indices in (("senders", graph.senders), ("receivers", graph.receivers)):
        require_numbers(field, np.asarray(indices), total)
    _check_edges(graph)


@checked
def num_nodes(graph: jraph.GraphsTuple) -> int:
    """Return the number of nodes, padding included.

    Example:
      >>> num_nodes(make_graph(np.eye(3), [], []))
      3
    """
    return int(next(_node_arrays(graph.nodes))[1].shape[0])


@checked
def with_nodes(graph: jraph.GraphsTuple, nodes: Numbers) -> jraph.GraphsTuple:
    """Return the graph with other node features; usable inside JAX transformations.

    Args:
      graph: the graph whose edges are kept.
      nodes: [n, d'] features; sparse where they fit in memory as dense.

    Raises:
      InputError: the number of rows differs from the number of nodes, or a sparse matrix is too
        large.

    Example:
      >>> with_nodes(make_graph(np.eye(2), [0], [1]), np.zeros((2, 5), np.float32)).nodes.shape
      (2, 5)
    """
    expected = num_nodes(graph)
    nodes = dense("nodes", nodes)
    if np.ndim(nodes) != 2 or np.shape(nodes)[0] != expected:
        raise InputError(
            f"`nodes` has shape {np.shape(nodes)}; allowed: ({expected}, d), one row for each of "
            f"the graph's {expected} nodes."
        )
    return graph._replace(nodes=nodes)


def _node_arrays(nodes: NodeArrays) -> Iterator[tuple[str, AnArray]]:
    """Yield each array of node features with the name it has in messages."""
    if isinstance(nodes, Mapping):
        for name, array in nodes.items():
            yield f"nodes[{name!r}]", array
    else:
        yield "nodes", nodes


def as_float32(field: str, values: object) -> np.ndarray:
    """Return real numbers as a contiguous float32 array of at least one axis.

    Whole numbers are refused from float64 too, which arrays become by one fraction in them; those
    beyond 2^53, where float64 has no fractions, are rounded as fractions are.

    Args:
      field: what they are, for messages.
      values: array, nested list, or sparse matrix (SciPy, BCOO, torch) that fits in memory.

    Raises:
      InputError: not real numbers, a whole number that float32 does not hold, a finite number that
        would become infinite, or a sparse matrix that is too large.
    """
    array = np.atleast_1d(_as_array(field, dense(field, values)))
    if array.dtype.kind not in "fiub" and not dtypes.issubdtype(array.dtype, np.floating):
        raise InputError(f"`{field}` has dtype {array.dtype}; allowed: real numbers.")
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(array, dtype=np.float32)
    places = np.nonzero(np.abs(floats) >= _WHOLE)  # few, if any, so that the rest costs little
    entries, kept = array[places], floats[places]
    merges = "float32 merges whole numbers beyond 2^24; subtract an offset or divide by a scale"
    ends = "float32 ends at 3.4e38; divide by a scale"
    if array.dtype.kind in "iu":
        # Compared as float64, which holds what float32 holds; int64 beyond 2^53 differs as well.
        changed = kept.astype(np.float64) != entries
        changed |= (np.abs(kept) >= _WHOLE_FLOAT64) & (_as_integers(kept, array.dtype) != entries)
        _refuse(field, array, [axis[changed] for axis in places], merges)
    elif array.dtype.itemsize > 4:
        whole = (entries == np.floor(entries)) & (np.abs(entries) <= _WHOLE_FLOAT64)
        _refuse(field, array, [axis[whole & (kept != entries)] for axis in places], merges)
        lost = np.isinf(kept) & np.isfinite(entries)
        _refuse(field, array, [axis[lost] for axis in places], ends)
    return floats


def _as_integers(floats: np.ndarray, dtype: np.dtype) -> np.ndarray:
    limit = float(2 ** (8 * dtype.itemsize - (dtype.kind == "i")))
    safe = np.abs(floats) < limit
    return np.where(safe, floats, 0).astype(dtype)


def _refuse(field: str, array: np.ndarray, places: list[np.ndarray], why: str) -> None:
    if places[0].size:
        where = tuple(int(axis[0]) for axis in places)
        raise InputError(
            f"`{field}[{', '.join(map(str, where))}]` is {array[where]}, which float32 does not "
            f"hold ({places[0].size} such entries): {why}."
        )


def dense(field: str, values: AnArray) -> AnArray:
    """Return a sparse matrix (SciPy, BCOO, torch) as a dense array, and anything else as it is.

    Args:
      field: what it is, for messages.
      values: sparse or not.

    Raises:
      InputError: as dense float32 it would not fit into the memory that is free.
    """
    if not is_sparse(values):
        return values
    shape = tuple(int(size) for size in values.shape)
    # As it is, as float32, and what checking it takes.
    entry = getattr(values.dtype, "itemsize", 8) + 4 + 8
    needed, free = entry * math.prod(shape), available_host_bytes()
    if free is not None and needed > free:
        raise InputError(
            f"`{field}` is sparse of shape {shape}; dense it needs about {needed:,} bytes and "
            f"{free:,} are free. jmetamer keeps features dense: keep fewer columns (those that "
            "occur), or fewer nodes (`ego_graph`)."
        )
    try:
        if hasattr(values, "check_format"):  # SciPy writes to any place that its indices say
            values.check_format(full_check=True)
        if (outside := _outside(values)).size:
            raise ValueError(f"it has an entry at {outside[0].tolist()} of shape {shape}")
        return getattr(values, next(name for name in _TO_DENSE if hasattr(values, name)))()
    except (ValueError, IndexError, RuntimeError) as error:
        raise InputError(f"`{field}` is no sparse matrix that can be read ({error})") from None


def _outside(values: AnArray) -> np.ndarray:
    """Return the places [k, axes] beyond its shape that a matrix of coordinates has entries at.

    What makes them dense writes there, wherever that is, or leaves them out.
    """
    if hasattr(values, "to_bcoo"):  # rows of JAX
        values = values.to_bcoo()
    if hasattr(values, "n_batch"):  # of JAX, which fills up with zeros behind the end
        places = np.asarray(values.indices)
        filled = np.asarray(values.data != 0).reshape((*places.shape[:-1], -1)).any(axis=-1)
        places, first = places[filled], values.n_batch
    elif "sparse_coo" in str(getattr(values, "layout", "")):  # of torch
        places, first = values._indices().numpy(force=True).T, 0
    elif hasattr(values, "row"):  # of SciPy
        places, first = np.stack([values.row, values.col], axis=-1), 0
    else:
        return np.empty((0, 2), int)
    limits = values.shape[first : first + places.shape[-1]]
    return places[((places < 0) | (places >= np.array(limits))).any(axis=-1)]


def is_sparse(values: object) -> bool:
    """Whether something is a sparse matrix of SciPy, JAX or torch."""
    if not any(hasattr(values, name) for name in _TO_DENSE):
        return False
    layout = str(getattr(values, "layout", ""))
    return getattr(values, "is_sparse", True) or layout.startswith("torch.sparse")


def _as_indices(field: str, values: object) -> np.ndarray:
    array = _as_array(field, values)
    return array if array.size else array.reshape(-1).astype(np.int32)


def _as_array(field: str, values: object) -> np.ndarray:
    if is_sparse(values):
        raise InputError(
            f"`{field}` is sparse; allowed: a dense array, such as its own `toarray()` or "
            "`todense()`; `make_graph` and `with_nodes` make one of features where they fit."
        )
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"`{field}` cannot be made an array; rows of equal length are needed: {error}."
        ) from error


def _check_features(field: str, values: object) -> None:
    array = _as_array(field, values)
    if not hasattr(values, "shape"):
        raise InputError(
            f"`{field}` is a {type(values).__name__}; allowed: an array of NumPy or JAX"
        )
    if array.ndim != 2:
        raise InputError(f"`{field}` has shape {array.shape}; allowed: 2 axes, (rows, features).")
    _check_floats(field, array)


def _check_floats(field: str, array: np.ndarray) -> None:
    if not dtypes.issubdtype(array.dtype, np.floating):
        raise InputError(f"`{field}` has dtype {array.dtype}; allowed: floating point (float32).")
    bad = ~np.isfinite(array)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"`{field}[{', '.join(map(str, where))}]` is {array[where]}; allowed: finite numbers "
            f"({int(bad.sum())} of {array.size} entries are not)."
        )


def _check_counts(graph: jraph.GraphsTuple) -> None:
    total = int(np.sum(np.asarray(graph.n_node)))
    for field, array in _node_arrays(graph.nodes):
        if len(array) != total:
            raise InputError(
                f"`n_node` sums to {total} but `{field}` has {len(array)} rows; they must be equal."
            )
    num_edges = int(np.sum(np.asarray(graph.n_edge)))
    for field in ("senders", "receivers"):
        shape = np.shape(getattr(graph, field))
        if len(shape) != 1:
            raise InputError(f"`{field}` has shape {shape}; allowed: one axis, (edges,).")
        if shape[0] != num_edges:
            raise InputError(
                f"`n_edge` sums to {num_edges} but `{field}` has {shape[0]} entries; they must "
                "be equal, as each edge has one sender and one receiver."
            )


def require_numbers(field: str, numbers: np.ndarray, count: int, what: str = "node") -> None:
    """Refuse what are no numbers of nodes, or of classes, of which there are `count`."""
    if numbers.dtype.kind not in "iu":
        raise InputError(f"`{field}` has dtype {numbers.dtype}; allowed: integers ({what} numbers)")
    bad = np.flatnonzero((numbers < 0) | (numbers >= count))
    if bad.size:
        raise InputError(
            f"`{field}[{bad[0]}]` is {numbers[bad[0]]}, which is no {what}; allowed: 0 to "
            f"{count - 1}, of {count} in all ({bad.size} such entries)."
        )


def _check_edges(graph: jraph.GraphsTuple) -> None:
    edges, num_edges = graph.edges, np.shape(graph.senders)[0]
    if not isinstance(edges, Edges):
        raise InputError(
            f"`edges` is a {type(edges).__name__}; allowed: jmetamer.graphs.graph.Edges, which "
            "holds `weight` [e]; `make_graph` fills it."
        )
    weight = _as_array("weight", edges.weight)
    if weight.shape != (num_edges,):
        raise InputError(
            f"`weight` has shape {weight.shape}; allowed: ({num_edges},), one number an edge."
        )
    _check_floats("weight", weight)
    negative = np.flatnonzero(weight < 0)
    if negative.size:
        raise InputError(
            f"`weight[{negative[0]}]` is {weight[negative[0]]}; allowed: 0 (absent) or more "
            f"({negative.size} negative entries)."
        )
    if edges.features is not None:
        _check_features("edge_features", edges.features)
        rows = np.shape(edges.features)[0]
        if rows != num_edges:
            raise InputError(f"`edge_features` has {rows} rows; allowed: {num_edges}, one an edge.")
