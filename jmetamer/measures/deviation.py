"""Deviations of many metamers from one reference: of features in bounded memory, and of edges."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.arguments import AnArray, Numbers, checked
from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError, unknown_name
from jmetamer._base.precision import usual_types
from jmetamer.graphs.graph import num_nodes
from jmetamer.measures.edge_set import edge_set
from jmetamer.measures.measure import NOTHING, Facts, Measure
from jmetamer.measures.table import EDGE_KINDS, FEATURE_KINDS, measures_for, ready

BLOCK_BYTES = 2**26  # bytes of metamers looked at together; temporaries are a small multiple
MIN_BLOCK = 2  # metamers in a block, see `_blocks`


class Deviations(NamedTuple):
    """Deviations of b metamers under m measures.

    Attributes:
      names: m names of measures.
      values: [b, m] float32; NaN for a metamer with values that are not finite.
      chance: [m] float64, what an unrelated metamer would give.
      low, high: [m] float64, range of each measure.
    """

    names: tuple[str, ...]
    values: np.ndarray
    chance: np.ndarray
    low: np.ndarray
    high: np.ndarray


@checked
@usual_types()
def deviations(
    reference_features: Numbers,
    metamer_features: Iterable[Numbers],
    feature_kind: str,
    names: Sequence[str] | None = None,
    *,
    facts: Facts = NOTHING,
    block_bytes: int = BLOCK_BYTES,
) -> Deviations:
    """Measure how far each metamer's features are from the reference's.

    Metamers are looked at in blocks, and within a block one after the other, so memory stays near
    `block_bytes` whatever their number. Pass an iterable of host blocks where not even the
    features fit at once, as when they are read from a store.

    Args:
      reference_features: [n, d], finite.
      metamer_features: [b, n, d], or an iterable of arrays [b_i, n, d].
      feature_kind: "binary", "one_hot" or "continuous", of the metamers; real-valued metamers of a
        binary reference are "continuous".
      names: keys of `MEASURES` in the order wanted, or None for all that apply and are cheap.
      facts: what is known beside the features, for measures that need it.
      block_bytes: upper bound of the bytes of metamers moved at a time (two metamers at least).

    Returns:
      `Deviations`, in the order of the metamers.

    Raises:
      InputError: if shapes disagree, the reference is not finite, a name is unknown or does not
        apply (for lack of facts, too), or features called binary or one-hot hold other values than
        0 and 1.

    Example:
      >>> result = deviations(np.eye(2), np.stack([np.eye(2), 1 - np.eye(2)]), "binary",
      ...                     ["features/jaccard", "features/hamming"])
      >>> result.values
      array([[0., 0.], [1., 1.]], dtype=float32)
      >>> result.chance.round(3)
      array([0.667, 0.5 ])
    """
    if feature_kind not in FEATURE_KINDS:
        raise unknown_name("feature kind", feature_kind, FEATURE_KINDS)
    chosen = measures_for(feature_kind, names)
    zero_one = feature_kind != "continuous"
    reference = np.asarray(reference_features)
    _check_reference(reference, zero_one)
    chosen = ready(chosen, reference, facts, by_name=names is not None)
    functions = tuple(measure.as_tree for measure in chosen)
    on_device = jnp.asarray(reference, jnp.float32)
    rows = [np.zeros((0, len(chosen)), np.float32)]
    done = 0
    for block, count in _blocks(metamer_features, reference.shape, block_bytes):
        values, legal = _block_values(functions, on_device, jnp.asarray(block, jnp.float32))
        if zero_one and not np.asarray(legal)[:count].all():
            raise InputError(
                f"`metamer_features` of metamer {done + int(np.argmin(legal[:count]))} hold values "
                f"other than 0 and 1, but `feature_kind` is {feature_kind!r}; harden the metamers, "
                "or pass 'continuous'."
            )
        rows.append(np.asarray(values, np.float32)[:count])
        done += count
    return tabulated(chosen, np.concatenate(rows), reference)


def tabulated(chosen: Sequence[Measure], values: np.ndarray, reference: object) -> Deviations:
    """Return deviations beside what the measures say of themselves.

    Args:
      chosen: m measures.
      values: [b, m].
      reference: as the measures take it.
    """
    return Deviations(
        names=tuple(measure.name for measure in chosen),
        values=values,
        chance=np.array([measure.chance(reference) for measure in chosen], np.float64),
        low=np.array([measure.low for measure in chosen], np.float64),
        high=np.array([measure.high for measure in chosen], np.float64),
    )


@compile_function()
def _block_values(
    functions: tuple[Callable[[jax.Array, jax.Array], jax.Array], ...],
    reference: jax.Array,
    block: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Return [b, m] deviations and [b] whether all finite values are 0 or 1."""

    def one(metamer: jax.Array) -> tuple[jax.Array, jax.Array]:
        legal = jnp.all((metamer == 0) | (metamer == 1) | ~jnp.isfinite(metamer))
        values = [function(reference, metamer).astype(jnp.float32) for function in functions]
        return jnp.stack(values) if values else jnp.zeros(0, jnp.float32), legal

    return jax.lax.map(one, block)


def _blocks(
    metamers: Iterable[AnArray], shape: tuple[int, ...], block_bytes: int
) -> Iterator[tuple[AnArray, int]]:
    """Yield (block, how many of its metamers count); the last block is filled up.

    Blocks have one length throughout, so that one compiled program serves all of them. The length
    is at least 2: a loop of length 1 is compiled differently and rounds differently, and a metamer
    must deviate equally alone and in company.
    """
    length = max(MIN_BLOCK, block_bytes // max(4 * int(np.prod(shape)), 1))
    pieces: Iterable[AnArray] = [metamers] if hasattr(metamers, "shape") else metamers
    size = 0
    for piece in pieces:
        array: AnArray = piece if hasattr(piece, "shape") else np.asarray(piece)
        if tuple(array.shape[1:]) != tuple(shape):
            raise InputError(
                f"`metamer_features` has shape {tuple(array.shape)}; with a reference of shape "
                f"{tuple(shape)} it must be [metamers, {', '.join(map(str, shape))}]."
            )
        size = size or max(MIN_BLOCK, min(length, len(array)))  # the first piece decides
        for start in range(0, len(array), size):
            block = array[start : start + size]
            count = len(block)
            if count < size:
                filler = np.broadcast_to(np.zeros((), np.float32), (size - count, *shape))
                block = np.concatenate([np.asarray(block), filler])
            yield block, count


def _check_reference(reference: np.ndarray, zero_one: bool) -> None:
    if reference.ndim != 2:
        raise InputError(
            f"`reference_features` has shape {reference.shape}; [n, d], one row a node, is needed."
        )
    if not np.isfinite(reference).all():
        node = int(np.argwhere(~np.isfinite(reference))[0, 0])
        raise InputError(
            f"`reference_features` of node {node} are not finite; a deviation from them is not "
            "defined. Remove or fill in the missing values."
        )
    if zero_one and not np.isin(reference, (0, 1)).all():
        node = int(np.argwhere(~np.isin(reference, (0, 1)))[0, 0])
        raise InputError(
            f"`reference_features` of node {node} hold values other than 0 and 1, but "
            "`feature_kind` says they are 0/1; pass 'continuous'."
        )


@checked
def edge_deviations(
    reference: jraph.GraphsTuple,
    metamers: Iterable[jraph.GraphsTuple],
    edge_kind: str = "simple_edges",
    names: Sequence[str] | None = None,
    *,
    facts: Facts = NOTHING,
) -> Deviations:
    """Measure how far the edges of each metamer are from the reference's, on the host.

    Args:
      reference: graph of n nodes.
      metamers: graphs of the same nodes, one at a time where they come from a store.
      edge_kind: "simple_edges" (there or not) or "edge_weights".
      names: keys of `MEASURES` in the order wanted, or None for all that apply and are cheap.
      facts: what is known beside the edges, for measures that need it.

    Returns:
      `Deviations`, in the order of the metamers.

    Raises:
      InputError: a name is unknown or does not apply (for lack of facts, too), a metamer has
        another number of nodes, or edges called simple have other weights than 0 and 1.

    Example:
      >>> import jmetamer as jm
      >>> pair = jm.make_graph(np.eye(3), [0, 1], [1, 0])
      >>> other = jm.make_graph(np.eye(3), [0, 2], [2, 0])
      >>> edge_deviations(pair, [pair, other], names=["structure/edge_jaccard"]).values
      array([[0.], [1.]], dtype=float32)
    """
    if edge_kind not in EDGE_KINDS:
        raise unknown_name("edge kind", edge_kind, EDGE_KINDS)
    original = edge_set(reference)
    chosen = measures_for(edge_kind, names)
    chosen = ready(chosen, original, facts, by_name=names is not None)
    rows = []
    for place, graph in enumerate(metamers):
        if num_nodes(graph) != original.num_nodes:
            raise InputError(
                f"`metamers` {place} has {num_nodes(graph)} nodes and `reference` "
                f"{original.num_nodes}; edges are compared between the same nodes"
            )
        edges = edge_set(graph)
        if edge_kind == "simple_edges" and not (edges.weight == 1).all():
            raise InputError(
                f"`metamers` {place} has an edge of weight {edges.weight[edges.weight != 1][0]}, "
                "but `edge_kind` is 'simple_edges'; pass 'edge_weights'"
            )
        rows.append([measure.function(original, edges) for measure in chosen])
    values = np.array(rows, np.float32).reshape(len(rows), len(chosen))
    return tabulated(chosen, values, original)
