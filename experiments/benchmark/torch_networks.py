"""The networks of jmetamer in PyTorch, with the same weights.

`PygNetwork` is what a user of PyTorch Geometric would write, for all four architectures.
`GcnFromEntry` is a GCN from `Y = X W_1` onward for many seeds at once, for the faster baselines.
"""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import torch_geometric.nn as pyg

import jmetamer as jm


class Activation(NamedTuple):
    """Input and output of a layer's nonlinearity; `pre` is None for the logits."""

    pre: torch.Tensor | None
    post: torch.Tensor


class Goal(NamedTuple):
    """What must be matched: the layer, its target [n, c] and |target|^2."""

    layer: str
    target: torch.Tensor
    scale: float


def tensor(array: Any, device: torch.device, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return a copy of any array."""
    return torch.tensor(np.asarray(array), dtype=dtype, device=device)


def edge_index(graph: Any, device: torch.device) -> torch.Tensor:
    """Return the edges [2, e] int64."""
    ends = np.stack([np.asarray(graph.senders), np.asarray(graph.receivers)])
    return torch.tensor(ends, dtype=torch.int64, device=device)


def goal(problem: jm.Problem, device: torch.device, dtype: torch.dtype = torch.float32) -> Goal:
    """Return what a problem of one layer and all nodes asks for."""
    (layer,) = problem.layers
    target = tensor(problem.arrays.targets[layer], device, dtype)
    return Goal(layer, target, float(target.square().sum()))


def relative_squared_error(found: torch.Tensor, goal: Goal) -> torch.Tensor:
    """Return `L_act = |h' - h|^2 / |h|^2` over the last axis but leading ones, [...]."""
    return (found - goal.target).square().sum((-2, -1)) / goal.scale


def complementarity(found: Activation, target: torch.Tensor) -> torch.Tensor:
    """Return the residual without a dead zone: `z - h` where `h > 0`, else `max(z, 0)`."""
    if found.pre is None:
        return found.post - target
    return torch.where(target > 0, found.pre - target, found.pre.clamp(min=0))


def require_default_options(model: Any) -> None:
    """Raise `InputError` for a network that these files do not rebuild."""
    options = model.options()
    expected = {"activation": "relu", "residual": False, "normalization": "none"}
    expected |= {"aggregator": "mean"} if "aggregator" in options else {}
    wrong = {name: options[name] for name, value in expected.items() if options[name] != value}
    if wrong:
        raise jm.InputError(
            f"the PyTorch baselines rebuild networks with {expected}, but this one has {wrong}; "
            "compare a network with the default options"
        )


class PygNetwork(torch.nn.Module):
    """A trained network as a stack of PyTorch Geometric's convolutions.

    Args:
      trained: with the default activation, normalization and aggregator.
      device: where the weights go.
      dtype: of the weights.
    """

    def __init__(
        self, trained: Any, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        model = trained.model
        require_default_options(model)
        build = _CONVOLUTIONS[type(model)]
        weights = trained.params["params"]
        numbers = range(1, model.layers + 1)
        last = model.layers
        self.convolutions = torch.nn.ModuleList(
            build(weights[f"conv{k}"], model, k == last) for k in numbers
        )
        self.to(device=device, dtype=dtype).requires_grad_(False)

    def forward(self, x: torch.Tensor, edges: torch.Tensor, layer: str) -> Activation:
        """Return a layer's activation from features [n, d].

        Args:
          x: features.
          edges: [2, e].
          layer: "conv1", "conv2", ..., or "logits"; later layers are not computed.
        """
        for number, convolution in enumerate(self.convolutions, start=1):
            z = convolution(x, edges)
            if number == len(self.convolutions):
                break
            x = torch.relu(z)
            if layer == f"conv{number}":
                return Activation(z, x)
        return Activation(None, z)


def _put(place: torch.Tensor, array: Any) -> None:
    place.data = torch.tensor(np.asarray(array), dtype=torch.float32).reshape(place.shape)


def _gcn(weights: Mapping[str, Any], _model: Any, _last: bool) -> torch.nn.Module:
    layer = pyg.GCNConv(*weights["kernel"].shape, cached=True)
    _put(layer.lin.weight, np.asarray(weights["kernel"]).T)
    _put(layer.bias, weights["bias"])
    return layer


def _gat(weights: Mapping[str, Any], _model: Any, last: bool) -> torch.nn.Module:
    heads, columns = weights["attention_sender"].shape
    layer = pyg.GATConv(weights["kernel"].shape[0], columns, heads=heads, concat=not last)
    _put(layer.lin.weight, np.asarray(weights["kernel"]).T)
    _put(layer.att_src, weights["attention_sender"])
    _put(layer.att_dst, weights["attention_receiver"])
    _put(layer.bias, weights["bias"])
    return layer


def _sage(weights: Mapping[str, Any], _model: Any, _last: bool) -> torch.nn.Module:
    layer = pyg.SAGEConv(*weights["kernel_self"].shape)
    _put(layer.lin_r.weight, np.asarray(weights["kernel_self"]).T)
    _put(layer.lin_l.weight, np.asarray(weights["kernel_neighbor"]).T)
    _put(layer.lin_l.bias, weights["bias"])
    return layer


def _gin(weights: Mapping[str, Any], model: Any, _last: bool) -> torch.nn.Module:
    first, second = weights["kernel"], weights["out"]["kernel"]
    inner, outer = torch.nn.Linear(*first.shape), torch.nn.Linear(*second.shape)
    eps = float(weights["eps_value"]) if model.train_eps else model.eps
    layer = pyg.GINConv(torch.nn.Sequential(inner, torch.nn.ReLU(), outer), eps=eps)
    for linear, kernel, bias in (
        (inner, first, weights["bias"]),
        (outer, second, weights["out"]["bias"]),
    ):
        _put(linear.weight, np.asarray(kernel).T)
        _put(linear.bias, bias)
    return layer


_CONVOLUTIONS = {jm.GCN: _gcn, jm.GAT: _gat, jm.GraphSAGE: _sage, jm.GIN: _gin}


class _Propagate(torch.autograd.Function):
    """`S H` with a sparse matrix, whose backward pass is the product with its transpose."""

    @staticmethod
    def forward(ctx: Any, matrix: Any, transpose: Any, values: torch.Tensor) -> torch.Tensor:
        ctx.transpose = transpose
        return matrix @ values

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None, torch.Tensor]:
        return None, None, ctx.transpose @ gradients[0]


class GcnFromEntry:
    """A GCN from the product `Y = X W_1` onward, for b seeds at once.

    The seeds are folded into the columns, so that one sparse product serves all of them.

    Args:
      trained: a `jm.GCN` with the default options.
      graph: its edges.
      device: where the arrays go.
    """

    def __init__(self, trained: Any, graph: Any, device: torch.device) -> None:
        require_default_options(trained.model)
        weights = trained.params["params"]
        self.kernels, self.biases = (
            [tensor(weights[f"conv{k + 1}"][name], device) for k in range(trained.model.layers)]
            for name in ("kernel", "bias")
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse")  # PyTorch: "CSR tensor support is in beta"
            propagation = _normalized(graph, device)
            self.matrix = propagation.to_sparse_csr()
            self.transpose = propagation.t().coalesce().to_sparse_csr()

    def __call__(self, entry: torch.Tensor, layer: str) -> Activation:
        """Return a layer's activation [n, b, c] from `entry` [n, b, m]."""
        values = entry
        for index, bias in enumerate(self.biases):
            if index:
                values = values @ self.kernels[index]
            flat = values.reshape(len(values), -1)
            z = _Propagate.apply(self.matrix, self.transpose, flat).reshape(values.shape) + bias
            if index == len(self.biases) - 1:
                break
            values = torch.relu(z)
            if layer == f"conv{index + 1}":
                return Activation(z, values)
        return Activation(None, z)


def _normalized(graph: Any, device: torch.device) -> torch.Tensor:
    """Return `D^-1/2 (A + I) D^-1/2` as a sparse matrix, from the edges that are no loops."""
    edges = edge_index(graph, device)
    edges = edges[:, edges[0] != edges[1]]
    n = len(graph.nodes)
    loops = torch.arange(n, device=device)
    rows, columns = torch.cat([edges[1], loops]), torch.cat([edges[0], loops])
    scale = torch.bincount(rows, minlength=n).float().rsqrt()
    values = scale[rows] * scale[columns]
    return torch.sparse_coo_tensor(torch.stack([rows, columns]), values, (n, n)).coalesce()
