"""Check exported metamers with PyTorch Geometric alone; see README.md.

python experiments/recheck/recheck.py metamers.npz

Nothing of jmetamer is imported: the network is built again from PyTorch Geometric's own layers and
the weights in the file.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch_geometric.nn as pyg

RELATIVE_ERROR, SAME_CLASS = 1e-4, 0.999
ACTIVATIONS = {
    "relu": torch.relu,
    "elu": torch.nn.functional.elu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "tanh": torch.tanh,
    "gelu": torch.nn.functional.gelu,
    "softplus": torch.nn.functional.softplus,
    "identity": lambda values: values,
}
Graph = tuple[torch.Tensor, torch.Tensor]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", help="a .npz file that `run.export(cell, path)` wrote")
    arguments = parser.parse_args()
    with np.load(arguments.file) as stored:
        file = {name: stored[name] for name in stored.files}
    about = json.loads(str(file["about"]))
    network = Network(about["model"], file)
    missing = [name for name, *_ in about["matched"] if name not in network.names]
    if missing:
        print(f"layers {missing} are not among those that are built again: {network.names}")
        return 2
    nodes = about["settings"]["metamers"]["nodes"]
    chosen = slice(None) if nodes is None else torch.tensor(nodes)
    agree = []
    for title, graph, activations, classes in graphs(file):
        found = compare(network(*graph), activations, classes, about["matched"], chosen)
        agree.append(found.agrees)
        print(f"{title:27}  {found}")
    print(f"{sum(agree)} of {len(agree)} graphs agree")
    return 0 if all(agree) else 1


class Comparison(NamedTuple):
    """How far what is found here is from what the file says.

    Attributes:
      error: largest |h' - h| / |h| of a matched layer, h of the file.
      same: share of nodes of the same predicted class.
    """

    error: float
    same: float

    @property
    def agrees(self) -> bool:
        return self.error <= RELATIVE_ERROR and self.same >= SAME_CLASS

    def __str__(self) -> str:
        mark = "" if self.agrees else "  FAILED"
        return f"activations differ by {self.error:.1e}, {self.same:.2%} of classes equal{mark}"


def compare(
    found: dict[str, torch.Tensor],
    activations: np.ndarray,
    classes: np.ndarray,
    layers: list[list[Any]],
    nodes: Any,
) -> Comparison:
    errors, start = [], 0
    for name, rows, columns in layers:
        told = torch.tensor(activations[start : start + rows * columns]).reshape(rows, columns)
        start += rows * columns
        errors.append(relative(found[name][nodes], told))
    same = found["logits"].argmax(dim=-1) == torch.tensor(classes.astype(np.int64))
    return Comparison(max(errors), float(same.double().mean()))


def relative(found: torch.Tensor, reference: torch.Tensor) -> float:
    return float((found.double() - reference.double()).norm() / reference.double().norm())


def graphs(file: dict[str, np.ndarray]) -> Iterator[tuple[str, Graph, np.ndarray, np.ndarray]]:
    """Yield a title, the graph, and what the file says about it, of the reference and metamers."""
    whole = file["reference_activation"], file["reference_predicted_class"]
    yield "reference", reference_graph(file), *whole
    for number, graph in enumerate(metamer_graphs(file)):
        seed, loss = int(file["seed_id"][number]), float(file["loss_hardened"][number])
        told = file["activation"][number], file["predicted_class"][number]
        yield f"metamer {seed}, L_act {loss:.3e}", graph, *told


def reference_graph(file: dict[str, np.ndarray]) -> Graph:
    ends = file["reference_senders"], file["reference_receivers"]
    return as_graph(file["reference_nodes"], *ends, file["reference_weight"])


def metamer_graphs(file: dict[str, np.ndarray]) -> Iterator[Graph]:
    """Yield features and edges of each metamer; what the file does not hold is the reference's."""
    for number in range(len(file["seed_id"])):
        nodes = file["nodes"][number] if "nodes" in file else file["reference_nodes"]
        names, part = ("reference_senders", "reference_receivers", "reference_weight"), slice(None)
        if "edge_start" in file:
            names = ("senders", "receivers", "weight")
            part = slice(*file["edge_start"][number : number + 2])
        yield as_graph(nodes, *(file[name][part] for name in names))


def as_graph(nodes: Any, senders: Any, receivers: Any, weight: Any) -> Graph:
    """Return features [n, d] and edges [2, e]; an edge of weight 0 is none."""
    if not np.isin(weight, (0, 1)).all():
        raise SystemExit("edge weights other than 0 and 1 are not checked by this script")
    ends = np.stack([senders, receivers])[:, weight > 0]
    return torch.tensor(nodes), torch.tensor(ends.astype(np.int64))


class Network:
    """Layers of PyTorch Geometric with the weights of the file."""

    def __init__(self, about: dict[str, Any], file: dict[str, np.ndarray]) -> None:
        options = about["options"]
        if options["residual"] or options["normalization"] != "none":
            raise SystemExit("residual connections and normalization are not built by this script")
        self.activation = ACTIVATIONS[options["activation"]]
        build = LAYERS[about["architecture"]]
        self.layers = []
        for index in range(1, options["layers"] + 1):
            start = f"weights/params/conv{index}/"
            weights = {n[len(start) :]: file[n] for n in file if n.startswith(start)}
            last = index == options["layers"]
            self.layers.append(build(weights, options, last, self.activation))
        nodes, edges = torch.zeros(1, len(file["reference_nodes"][0])), torch.zeros(2, 0)
        self.names = list(self(nodes, edges.long()))

    @torch.no_grad()
    def __call__(self, nodes: torch.Tensor, edges: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return every activation by the name that the run uses."""
        found, values = {}, nodes
        for index, layer in enumerate(self.layers, 1):
            values = layer(values, edges)
            if isinstance(layer, pyg.GINConv):
                inner = layer.nn[1]
                found |= {f"conv{index}.mlp.pre": inner.given, f"conv{index}.mlp": inner.output}
            if index == len(self.layers):
                found["logits"] = values
                break
            found[f"conv{index}.pre"] = values
            values = found[f"conv{index}"] = self.activation(values)
        return found


def fill(target: torch.Tensor, array: np.ndarray) -> None:
    with torch.no_grad():
        target.copy_(torch.tensor(array).reshape(target.shape))


def gcn(weights: dict[str, np.ndarray], options: Any, last: bool, activation: Any) -> Any:
    layer = pyg.GCNConv(*weights["kernel"].shape)
    fill(layer.lin.weight, weights["kernel"].T)
    fill(layer.bias, weights["bias"])
    return layer


def gat(weights: dict[str, np.ndarray], options: Any, last: bool, activation: Any) -> Any:
    heads, columns = weights["attention_sender"].shape
    layer = pyg.GATConv(len(weights["kernel"]), columns, heads=heads, concat=not last)
    fill(layer.lin.weight, weights["kernel"].T)
    fill(layer.att_src, weights["attention_sender"])
    fill(layer.att_dst, weights["attention_receiver"])
    fill(layer.bias, weights["bias"])
    return layer.eval()


def sage(weights: dict[str, np.ndarray], options: Any, last: bool, activation: Any) -> Any:
    layer = pyg.SAGEConv(*weights["kernel_self"].shape, aggr=options["aggregator"])
    fill(layer.lin_l.weight, weights["kernel_neighbor"].T)
    fill(layer.lin_l.bias, weights["bias"])
    fill(layer.lin_r.weight, weights["kernel_self"].T)
    return layer


class Activated(torch.nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        self.given = self.output = torch.zeros(0)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self.given, self.output = values, self.function(values)  # layers that may be matched, too
        return self.output


def gin(weights: dict[str, np.ndarray], options: Any, last: bool, activation: Any) -> Any:
    first, second = weights["kernel"], weights["out/kernel"]
    inner = torch.nn.Sequential(
        torch.nn.Linear(*first.shape), Activated(activation), torch.nn.Linear(*second.shape)
    )
    layer = pyg.GINConv(inner, train_eps=True)  # draws the weights of `inner` anew
    fill(inner[0].weight, first.T)
    fill(inner[0].bias, weights["bias"])
    fill(inner[2].weight, second.T)
    fill(inner[2].bias, weights["out/bias"])
    fill(layer.eps, weights.get("eps_value", np.float32(options["eps"])))
    return layer


LAYERS = {"gcn": gcn, "gat": gat, "graphsage": sage, "gin": gin}


if __name__ == "__main__":
    sys.exit(main())
