"""What the targets see of a part of a graph, against what they see of the whole."""

import numpy as np

from jmetamer.metamers.problem import reference_activations


def seen_by_targets(problem, graph):
    found = reference_activations(problem.trained.model, problem.trained.params, graph)
    return {name: np.asarray(values)[problem.nodes] for name, values in found.items()}


def assert_same_view(part, graph, lifted):
    """Hold a graph of `part.problem` against the graph of `part.whole` that it was lifted to."""
    here, there = seen_by_targets(part.problem, graph), seen_by_targets(part.whole, lifted)
    assert here.keys() == there.keys()
    for name in here:
        np.testing.assert_allclose(here[name], there[name], rtol=1e-5, atol=1e-5, err_msg=name)
