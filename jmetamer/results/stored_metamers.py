"""`StoredMetamers`: the metamers of a cell on disk as a sequence of graphs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError, StoreError
from jmetamer.results.record import Reference

if TYPE_CHECKING:
    import jraph


@checked
class StoredMetamers(Sequence["jraph.GraphsTuple"]):
    """Metamers on disk as a sequence of graphs.

    What is not stored does not vary and is the reference's.

    Args:
      arrays: name -> Zarr array. Read are `features` [stored, n, d], or packed bits along the last
        axis with the attribute `packed_bits` = d; edges as flips, `flip_seed_id`, `flip_sender`,
        `flip_receiver`, `flip_added` [flip] with `seed_id`, `edges_added`, `edges_removed`
        [metamer] and `stored_seed_id` [stored]; or `edge_weight` [stored, e], `edge_sender`,
        `edge_receiver` [e].
      reference: the graph that they are metamers of.
    """

    def __init__(self, arrays: Any, reference: Reference) -> None:
        self._arrays = arrays
        self._reference = reference
        self._has = {name: name in arrays for name in ("features", "flip_seed_id", "edge_weight")}
        first = next((n for n in ("features", "edge_weight") if self._has[n]), "stored_seed_id")
        self._length = int(arrays[first].shape[0]) if first in arrays else 0
        self._first_flip: np.ndarray | None = None

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> "jraph.GraphsTuple": ...
    @overload
    def __getitem__(self, index: slice) -> list["jraph.GraphsTuple"]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Return one graph, or a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"metamer {index} was asked for, {len(self)} are stored")
        place = index % len(self)
        ours = self._reference
        if self._has["features"]:
            stored = self._arrays["features"]
            ours = ours._replace(nodes=unpack_features(np.asarray(stored[place]), stored))
        if self._has["edge_weight"]:
            ours = ours._replace(
                senders=np.asarray(self._arrays["edge_sender"][...]),
                receivers=np.asarray(self._arrays["edge_receiver"][...]),
                weight=np.asarray(self._arrays["edge_weight"][place]),
            )
        graph = as_graph(ours)
        return self._flipped(graph, place) if self._has["flip_seed_id"] else graph

    def __iter__(self) -> Iterator["jraph.GraphsTuple"]:
        return (self[i] for i in range(len(self)))

    def _flipped(self, graph: "jraph.GraphsTuple", place: int) -> "jraph.GraphsTuple":
        """Return the graph with the flips of one metamer made."""
        from jmetamer.graphs.pairs import (  # imports jax, as the graph type does
            Flips,
            Pairs,
            flipped,
        )

        first = self._flip_places()
        rows = slice(int(first[place]), int(first[place + 1]))
        seed, sender, receiver, added = (
            np.asarray(self._arrays[f"flip_{name}"][rows])
            for name in ("seed_id", "sender", "receiver", "added")
        )
        whose = int(self._arrays["stored_seed_id"][place])
        directed = bool(self._arrays["flip_sender"].attrs["directed"])
        try:
            _check_flips(seed, sender, receiver, added, whose, rows.stop - rows.start)
            flips = Flips(Pairs(sender, receiver), added)
            return flipped(graph, flips, directed=directed)
        except InputError as error:
            raise StoreError(
                f"the stored flips of metamer {whose} do not make a graph of the reference: "
                f"{error}; compare the cell with its checksum (`run.verify`), and copy or compute "
                "it again"
            ) from error

    def _flip_places(self) -> np.ndarray:
        """Return where the flips of each stored metamer begin, [stored + 1]."""
        if self._first_flip is None:
            arrays = self._arrays
            seeds = np.asarray(arrays["seed_id"][...])
            counts = np.asarray(arrays["edges_added"][...], np.int64)
            counts = counts + np.asarray(arrays["edges_removed"][...])
            number_of = dict(zip(seeds.tolist(), counts.tolist(), strict=True))
            stored = np.asarray(arrays["stored_seed_id"][...]).tolist()
            places = np.cumsum([0, *(number_of.get(seed, 0) for seed in stored)])
            length = arrays["flip_seed_id"].shape[0]
            if places[-1] != length:
                raise StoreError(
                    f"`flip_seed_id` should hold {places[-1]} flips, as `edges_added` and "
                    f"`edges_removed` of the stored metamers say, but holds {length}; compare the "
                    "cell with its checksum (`run.verify`), and copy or compute it again"
                )
            self._first_flip = places
        return self._first_flip


def _check_flips(
    seed: np.ndarray,
    sender: np.ndarray,
    receiver: np.ndarray,
    added: np.ndarray,
    whose: int,
    count: int,
) -> None:
    """Refuse rows that are not `count` different pairs of one metamer."""
    if seed.size != count or not (seed == whose).all():
        raise InputError(
            f"`flip_seed_id` should hold {count} rows of seed {whose} in the place that "
            "`edges_added` and `edges_removed` say, but it does not"
        )
    if (sender == receiver).any():
        raise InputError(f"a flip is the self loop of node {int(sender[sender == receiver][0])}")
    if np.unique(np.stack([sender, receiver]), axis=1).shape[1] < count:
        raise InputError("a pair is flipped twice")


def unpack_features(stored: np.ndarray, array: Any) -> np.ndarray:
    """Return features as float32, whether they were stored so or as packed bits.

    Args:
      stored: [..., d] float32, or [..., ceil(d / 8)] uint8 as from `numpy.packbits`.
      array: what carries the attributes (`attrs`); `packed_bits` = d marks packed bits.

    Returns:
      [..., d] float32.

    Example:
      >>> import types
      >>> packed = np.packbits(np.array([[1, 0, 1]]), axis=-1)
      >>> unpack_features(packed, types.SimpleNamespace(attrs={"packed_bits": 3}))
      array([[1., 0., 1.]], dtype=float32)
    """
    width = array.attrs.get("packed_bits")
    if width is None:
        return stored.astype(np.float32, copy=False)
    return np.unpackbits(stored, axis=-1, count=int(width)).astype(np.float32)


def as_graph(reference: Reference) -> "jraph.GraphsTuple":
    """Return a reference as a graph of NumPy arrays.

    Example:
      >>> from jmetamer.results import make_reference
      >>> as_graph(make_reference([[1.0], [2.0]], [0], [1], [1.0], [0, 1], {})).n_edge.tolist()
      [1]
    """
    import jraph  # imports jax, which opening a run must not wait for

    from jmetamer.graphs.graph import Edges

    return jraph.GraphsTuple(
        nodes=reference.nodes,
        edges=Edges(reference.weight),
        senders=reference.senders,
        receivers=reference.receivers,
        n_node=np.array([len(reference.nodes)], np.int32),
        n_edge=np.array([len(reference.senders)], np.int32),
        globals=None,
    )
