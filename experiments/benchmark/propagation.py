"""Ways to sum over neighbors, timed in turn: what backs `message_passing.propagate`.

    python experiments/benchmark/propagation.py [--datasets cora digits] [--columns 7 64]
        [--lanes 1 16] [--out FILE.json]

Every way computes `sum_u w_uv x_u` and its gradient in x, inside a compiled loop as the engine
runs it. "folded" puts the lanes side by side into the columns; the others are mapped over lanes.
"""

import argparse
import json
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import sparse

import jmetamer as jm
from jmetamer._base.provenance import provenance
from jmetamer.graphs.message_passing import propagate

REPEATS, ROUNDS = 20, 5
LARGEST_DENSE = 6_000  # nodes; above, the dense matrix alone takes more than 144 MB


class Edges:
    """A dataset's edges in every form, and each way as a function of x [n, c]."""

    def __init__(self, name: str) -> None:
        graph = jm.load_dataset(name).graph
        self.name, self.num_nodes = name, len(graph.nodes)
        senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
        self.num_edges = len(senders)
        self.weight = jnp.asarray(np.random.default_rng(0).uniform(0.1, 1, self.num_edges), "f4")
        self.senders, self.receivers = jnp.asarray(senders), jnp.asarray(receivers)
        self.order = np.argsort(receivers, kind="stable")
        self.padded = _padded_neighbors(senders, receivers, self.num_nodes)

    def ways(self) -> dict[str, Callable[[jax.Array], jax.Array]]:
        """Return name -> function; those that do not fit the graph are left out."""
        pair = jnp.stack([self.receivers, self.senders], axis=1)
        matrix = sparse.BCOO((self.weight, pair), shape=(self.num_nodes, self.num_nodes))
        found = {
            "edge by edge": self.edge_by_edge,
            "sorted edges": self.sorted_edges,
            "padded": self.by_padded_neighbors,
            "sparse product": lambda x: matrix @ x,
        }
        if self.num_nodes <= LARGEST_DENSE:
            dense = matrix.todense()
            found["dense"] = lambda x: dense @ x
        return found

    def edge_by_edge(self, x: jax.Array) -> jax.Array:
        """Gather, weigh, scatter."""
        return propagate(x, self.senders, self.receivers, self.weight)

    def sorted_edges(self, x: jax.Array) -> jax.Array:
        """The same, with the edges sorted by receiver and the scatter told so."""
        messages = x[self.senders[self.order]] * self.weight[self.order][:, None]
        rows = self.receivers[self.order]
        return jax.ops.segment_sum(messages, rows, self.num_nodes, indices_are_sorted=True)

    def by_padded_neighbors(self, x: jax.Array) -> jax.Array:
        """Every node's neighbors padded to the next power of two, a bucket a width."""
        weight = jnp.concatenate([self.weight, jnp.zeros(1)])
        buckets, position = self.padded
        sums = []
        for senders, edges in buckets:
            terms = [weight[edges[:, k], None] * x[senders[:, k]] for k in range(edges.shape[1])]
            sums.append(sum(terms) if terms else jnp.zeros((len(edges), x.shape[1])))
        return jnp.concatenate(sums)[position]


def _padded_neighbors(
    senders: np.ndarray, receivers: np.ndarray, num_nodes: int
) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    degree = np.bincount(receivers, minlength=num_nodes)
    by_row = np.argsort(receivers, kind="stable")
    first = np.concatenate([[0], np.cumsum(degree)])
    width = np.where(degree > 0, 2 ** np.ceil(np.log2(np.maximum(degree, 1))), 0).astype(int)
    buckets, rows = [], []
    for size in np.unique(width):
        here = np.flatnonzero(width == size)
        edges = np.full((len(here), size), len(senders))
        for place, node in enumerate(here):
            edges[place, : degree[node]] = by_row[first[node] : first[node + 1]]
        buckets.append((np.append(senders, 0)[edges], edges))
        rows.append(here)
    return buckets, np.argsort(np.concatenate(rows))


def seconds_of(way: Callable[[jax.Array], jax.Array], x: jax.Array) -> Callable[[], float]:
    """Return a clock of one forward and backward pass, compiled and warm."""

    def body(_: int, x: jax.Array) -> jax.Array:
        value, pull = jax.vjp(way, x)
        return 0.5 * x + 0.01 * pull(jnp.tanh(value))[0]

    loop = jax.jit(lambda x: jax.lax.fori_loop(0, REPEATS, body, x))
    jax.block_until_ready(loop(x))

    def clock() -> float:
        started = time.perf_counter()
        jax.block_until_ready(loop(x))
        return (time.perf_counter() - started) / REPEATS

    return clock


def measured(edges: Edges, columns: int, lanes: int) -> dict[str, float]:
    """Return milliseconds a lane of every way, the least of several rounds in turn."""
    x = jax.random.normal(jax.random.key(0), (lanes, edges.num_nodes, columns))
    clocks = {}
    for name, way in edges.ways().items():
        mapped = way if lanes == 1 else jax.vmap(way)
        clocks[name] = seconds_of(mapped, x[0] if lanes == 1 else x)
    if lanes > 1:
        folded = jnp.moveaxis(x, 0, 1).reshape(edges.num_nodes, lanes * columns)
        clocks["edge by edge, folded"] = seconds_of(edges.edge_by_edge, folded)
        clocks["padded, folded"] = seconds_of(edges.by_padded_neighbors, folded)
    rounds = [{name: clock() for name, clock in clocks.items()} for _ in range(ROUNDS)]
    return {name: 1e3 / lanes * min(r[name] for r in rounds) for name in clocks}


def main() -> None:
    """Print one line a setting and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=["cora", "digits"])
    parser.add_argument("--columns", nargs="+", type=int, default=[7, 64])
    parser.add_argument("--lanes", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--out")
    given = parser.parse_args()
    rows = []
    for name in given.datasets:
        edges = Edges(name)
        for columns in given.columns:
            for lanes in given.lanes:
                found = measured(edges, columns, lanes)
                size = f"{name}: {edges.num_nodes} nodes, {edges.num_edges} edges"
                text = ", ".join(f"{way} {ms:.3f}" for way, ms in found.items())
                print(f"{size}, {columns} columns, {lanes} lanes, ms a lane: {text}", flush=True)
                rows.append({"dataset": name, "columns": columns, "lanes": lanes, "ms": found})
    if given.out:
        with open(given.out, "w") as file:
            json.dump({"provenance": provenance(), "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
