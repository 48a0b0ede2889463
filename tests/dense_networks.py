"""The four architectures on adjacency matrices, in NumPy float64: independent of the library.

Undirected graphs without self loops. `matrix[v, u]` is the weight of the edge from u to v.
"""

import numpy as np

ACTIVATIONS = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}


def adjacency(graph):
    matrix = np.zeros((len(graph.nodes),) * 2)
    np.add.at(matrix, (graph.receivers, graph.senders), np.asarray(graph.edges.weight, float))
    return matrix


def normalized(matrix):
    looped = matrix + np.eye(len(matrix))
    root = 1 / np.sqrt(looped.sum(1))
    return root[:, None] * looped * root


# One layer: (its parameters, features, adjacency, nonlinearity) -> pre-activation.


def dense_gcn(layer, x, matrix, sigma):
    return normalized(matrix) @ x @ _of(layer, "kernel") + _of(layer, "bias")


def dense_sage(layer, x, matrix, sigma):
    degree = matrix.sum(1, keepdims=True)
    mean = matrix @ x / np.where(degree > 0, degree, 1)
    return x @ _of(layer, "kernel_self") + mean @ _of(layer, "kernel_neighbor") + _of(layer, "bias")


def dense_gin(layer, x, matrix, sigma):
    summed = (matrix + np.eye(len(x))) @ x
    inner = sigma(summed @ _of(layer, "kernel") + _of(layer, "bias"))
    return inner @ _of(layer["out"], "kernel") + _of(layer["out"], "bias")


def dense_gat(layer, x, matrix, sigma):
    """Heads side by side; one head alone is the average of heads, too."""
    heads, columns = _of(layer, "attention_sender").shape
    product = (x @ _of(layer, "kernel")).reshape(len(x), heads, columns)
    found = []
    for head in range(heads):
        part = product[:, head]
        sender = part @ _of(layer, "attention_sender")[head]
        receiver = part @ _of(layer, "attention_receiver")[head]
        score = receiver[:, None] + sender[None]
        gate = (matrix + np.eye(len(x))) * np.exp(np.where(score > 0, score, 0.2 * score))
        found.append(gate / gate.sum(1, keepdims=True) @ part)
    return np.concatenate(found, axis=1) + _of(layer, "bias")


LAYERS = {"gcn": dense_gcn, "graphsage": dense_sage, "gin": dense_gin, "gat": dense_gat}


def dense_activations(name, trained, x, matrix):
    """Return conv1.pre, conv1 and logits of a two-layer network of architecture `name`."""
    params, sigma = trained.params["params"], ACTIVATIONS[trained.model.activation]
    pre = LAYERS[name](params["conv1"], np.asarray(x, float), matrix, sigma)
    logits = LAYERS[name](params["conv2"], sigma(pre), matrix, sigma)
    return {"conv1.pre": pre, "conv1": sigma(pre), "logits": logits}


def _of(layer, name):
    return np.asarray(layer[name], float)
