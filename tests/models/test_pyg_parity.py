"""Agreement with PyTorch Geometric's layers and networks, weights copied across."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer.models import GAT, GCN, GIN, GraphSAGE

torch = pytest.importorskip("torch")
pyg = pytest.importorskip("torch_geometric.nn")
pytestmark = pytest.mark.parity


def tensor(array):
    return torch.tensor(np.array(array))


def copy(target, array):
    with torch.no_grad():
        target.copy_(tensor(array).reshape(target.shape))


def gcn_layer(weights, _last):
    layer = pyg.GCNConv(*weights["kernel"].shape)
    copy(layer.lin.weight, weights["kernel"].T)
    copy(layer.bias, weights["bias"])
    return layer


def gat_layer(weights, last):
    heads, columns = weights["attention_sender"].shape
    layer = pyg.GATConv(weights["kernel"].shape[0], columns, heads=heads, concat=not last)
    copy(layer.lin.weight, weights["kernel"].T)
    copy(layer.att_src, weights["attention_sender"])
    copy(layer.att_dst, weights["attention_receiver"])
    copy(layer.bias, weights["bias"])
    return layer


def sage_layer(aggregator):
    def build(weights, _last):
        layer = pyg.SAGEConv(*weights["kernel_self"].shape, aggr=aggregator)
        copy(layer.lin_l.weight, weights["kernel_neighbor"].T)
        copy(layer.lin_l.bias, weights["bias"])
        copy(layer.lin_r.weight, weights["kernel_self"].T)
        return layer

    return build


def gin_layer(weights, _last):
    first, second = weights["kernel"], weights["out"]["kernel"]
    mlp = torch.nn.Sequential(
        torch.nn.Linear(*first.shape), torch.nn.ReLU(), torch.nn.Linear(*second.shape)
    )
    layer = pyg.GINConv(mlp, train_eps=True)  # draws the weights of `mlp` anew
    copy(mlp[0].weight, first.T)
    copy(mlp[0].bias, weights["bias"])
    copy(mlp[2].weight, second.T)
    copy(mlp[2].bias, weights["out"]["bias"])
    copy(layer.eps, weights["eps_value"])
    return layer


ARCHITECTURES = {
    "gcn": (GCN(hidden=8, num_outputs=3), gcn_layer),
    "gat": (GAT(hidden=8, heads=2, output_heads=3, num_outputs=3), gat_layer),
    "sage-mean": (GraphSAGE(hidden=8, num_outputs=3), sage_layer("mean")),
    "sage-max": (GraphSAGE(hidden=8, num_outputs=3, aggregator="max"), sage_layer("max")),
    "gin": (GIN(hidden=8, num_outputs=3, eps=0.3, train_eps=True), gin_layer),
}


def initialized(model, graph):
    """Return parameters with biases that are not zero."""
    params = model.init(jax.random.key(0), graph)
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: leaf + jnp.array(rng.normal(scale=0.2, size=leaf.shape), jnp.float32), params
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_layer_agrees_on_every_kind_of_graph(name, any_graph):
    model, build = ARCHITECTURES[name]
    params = initialized(model, any_graph)
    edge_index = torch.stack([tensor(any_graph.senders), tensor(any_graph.receivers)]).long()
    found = model.activations(params, any_graph)

    with torch.no_grad():
        first = build(params["params"]["conv1"], False)(tensor(any_graph.nodes), edge_index)
        second = build(params["params"]["conv2"], True)(tensor(found["conv1"]), edge_index)
    np.testing.assert_allclose(found["conv1.pre"], first, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["logits"], second, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("relu", torch.relu),
        ("elu", torch.nn.functional.elu),
        ("leaky_relu", torch.nn.functional.leaky_relu),
        ("tanh", torch.tanh),
        ("gelu", torch.nn.functional.gelu),
        ("softplus", torch.nn.functional.softplus),
    ],
)
def test_whole_network_agrees_with_normalization_and_skip(activation, function, graph):
    model = GCN(
        hidden=8, layers=3, num_outputs=3, residual=True, normalization="layer",
        activation=activation,
    )  # fmt: skip
    params = initialized(model, graph)
    weights = params["params"]
    edge_index = torch.stack([tensor(graph.senders), tensor(graph.receivers)]).long()
    h = tensor(graph.nodes)
    with torch.no_grad():
        for index in (1, 2, 3):
            z = gcn_layer(weights[f"conv{index}"], False)(h, edge_index)
            skip = h
            if f"skip{index}" in weights:
                skip = h @ tensor(weights[f"skip{index}"]["kernel"])
            if index < 3:
                norm = weights[f"norm{index}"]
                z = torch.nn.functional.layer_norm(
                    z, (8,), tensor(norm["scale"]), tensor(norm["bias"])
                )
            z = z + skip
            h = function(z) if index < 3 else z
    logits = model.activations(params, graph)["logits"]
    np.testing.assert_allclose(logits, h, rtol=1e-5, atol=1e-5)


def test_batch_normalization_agrees_in_evaluation(graph):
    model = GCN(hidden=8, num_outputs=3, normalization="batch", activation="identity")
    params = initialized(model, graph)
    params["batch_stats"]["norm1"]["var"] = jnp.linspace(0.5, 2, 8)
    stats, norm = params["batch_stats"]["norm1"], params["params"]["norm1"]
    edge_index = torch.stack([tensor(graph.senders), tensor(graph.receivers)]).long()
    with torch.no_grad():
        z = gcn_layer(params["params"]["conv1"], False)(tensor(graph.nodes), edge_index)
        expected = torch.nn.functional.batch_norm(
            z, *map(tensor, (stats["mean"], stats["var"], norm["scale"], norm["bias"]))
        )
    found = model.activations(params, graph)["conv1.pre"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("relaxed", [0.3, 0.7])
def test_gcn_counts_relaxed_weights_as_degrees(relaxed, make):
    senders, receivers = [0, 1, 1, 2, 2, 2, 3], [1, 0, 2, 1, 2, 3, 2]
    weight = np.array([1, 1, relaxed, relaxed, 0.5, 1, relaxed], np.float32)
    graph = make(senders, receivers, 5, weight=weight)
    model, build = ARCHITECTURES["gcn"]
    params = initialized(model, graph)
    with torch.no_grad():
        layer = build(params["params"]["conv1"], False)
        expected = layer(tensor(graph.nodes), torch.tensor([senders, receivers]), tensor(weight))
    found = model.activations(params, graph)["conv1.pre"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
