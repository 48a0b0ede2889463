"""Check exported metamers with PyTorch Geometric alone; see README.md.

python experiments/recheck/recheck.py metamers.npz

Nothing of jmetamer is imported: the network is built again from PyTorch Geometric's own layers and
the weights in the file.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

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
    layers = about["settings"]["metamers"]["layer"].split("+")
    nodes = about["settings"]["metamers"]["nodes"]
    network = Network(about["model"], file)
    missing = [name for name in layers if name not in network.names]
    if missing:
        print(f"layers {missing} are not among those that are built again: {network.names}")
        return 2
    reference = network(*reference_graph(file))
    chosen = slice(None) if nodes is None else torch.tensor(nodes)
    failures = 0
    print("seed  L_act here  L_act stored  difference / |h|  same class")
    for number, graph in enumerate(metamer_graphs(file)):
        found = network(*graph)
        losses = [relative(found[name][chosen], reference[name][chosen]) ** 2 for name in layers]
        here, told = max(losses), float(file["loss_hardened"][number])
        # Two losses of relative errors e and e' are of activations that differ by |e - e'| or more.
        error = abs(here**0.5 - told**0.5)
        one, other = (each["logits"][chosen].argmax(dim=-1) for each in (found, reference))
        same = float((one == other).double().mean())
        agreement = float(file["class_agreement"][number])
        failed = error > RELATIVE_ERROR or abs(same - agreement) > 1 - SAME_CLASS
        failures += failed
        mark = "  FAILED" if failed else ""
        print(
            f"{int(file['seed_id'][number]):4d}  {here:.3e}   {told:.3e}     {error:.1e}"
            f"           {same:.4f} (stored {agreement:.4f}){mark}"
        )
    print(f"{len(file['seed_id']) - failures} of {len(file['seed_id'])} metamers agree")
    return 1 if failures else 0


def relative(found: torch.Tensor, reference: torch.Tensor) -> float:
    return float((found.double() - reference.double()).norm() / reference.double().norm())


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
        self.names: list[str] = []
        for index in range(1, len(self.layers)):
            self.names += [f"conv{index}.pre", f"conv{index}"]
        self.names.append("logits")

    @torch.no_grad()
    def __call__(self, nodes: torch.Tensor, edges: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return every activation by the name that the run uses."""
        found, values = {}, nodes
        for index, layer in enumerate(self.layers, 1):
            values = layer(values, edges)
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

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.function(values)


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
