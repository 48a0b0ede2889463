"""The same Jacobians by torch.func, in float64: on the whole graph, and on neighborhoods."""

from typing import Any

import numpy as np
import scipy.sparse
import torch


class TorchGCN:
    """A two-layer ReLU GCN with the weights of a jmetamer one, for the Jacobian of single nodes.

    Everything that does not depend on the features (propagation matrix, neighborhoods, their
    parts of the matrix) is made beforehand and is in nobody's time.
    """

    def __init__(self, params: Any, graph: Any) -> None:
        self.first, self.second = (
            tuple(torch.tensor(np.asarray(layer[name], np.float64)) for name in ("kernel", "bias"))
            for layer in (params["params"]["conv1"], params["params"]["conv2"])
        )
        self.x = torch.tensor(np.asarray(graph.nodes, np.float64))
        n = len(self.x)
        weight = np.asarray(graph.edges.weight, np.float64)
        ends = np.asarray(graph.receivers), np.asarray(graph.senders)
        loops = scipy.sparse.csr_matrix((weight, ends), shape=(n, n)) + scipy.sparse.eye(n)
        scale = scipy.sparse.diags(1 / np.sqrt(np.asarray(loops.sum(axis=1)).reshape(-1)))
        self.matrix = (scale @ loops @ scale).tocsr()
        coo = self.matrix.tocoo()
        self.rows, self.columns = (torch.tensor(a, dtype=torch.int64) for a in (coo.row, coo.col))
        self.values = torch.tensor(coo.data)[:, None]

    def _propagate(self, h: torch.Tensor) -> torch.Tensor:
        # index_add, because torch.func cannot differentiate a sparse product in a batch.
        return torch.zeros_like(h).index_add(0, self.rows, self.values * h[self.columns])

    def on_whole_graph(self, layer: str, node: int, chunk: int) -> torch.Tensor:
        """Return the Jacobian [q, n, d] of one node by all features."""

        def output(x: torch.Tensor) -> torch.Tensor:
            h = torch.relu(self._propagate(x @ self.first[0]) + self.first[1])
            if layer == "conv1":
                return h[node]
            return (self._propagate(h @ self.second[0]) + self.second[1])[node]

        return torch.func.jacrev(output, chunk_size=chunk)(self.x)

    def neighborhood(self, layer: str, node: int) -> tuple[torch.Tensor, ...]:
        """Return features [k, d], and the parts of the propagation matrix that a node needs."""
        near = self.matrix[node].indices
        if layer == "conv1":
            return self.x[near], torch.tensor(self.matrix[node, near].toarray())
        ball = np.unique(self.matrix[near].indices)
        return (
            self.x[ball],
            torch.tensor(self.matrix[near][:, ball].toarray()),
            torch.tensor(self.matrix[node, near].toarray()),
        )

    def on_neighborhood(self, layer: str, parts: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Return the Jacobian [q, k, d] of one node by the features of its neighborhood."""

        def output(x: torch.Tensor) -> torch.Tensor:
            h = torch.relu(parts[1] @ (x @ self.first[0]) + self.first[1])
            if layer == "conv1":
                return h[0]
            return (parts[2] @ (h @ self.second[0]) + self.second[1])[0]

        return torch.func.jacrev(output)(parts[0])
