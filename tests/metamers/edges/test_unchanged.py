"""A search that comes back to the reference has found no metamer, and says so."""

import numpy as np
import pytest

import jmetamer as jm


@pytest.fixture(scope="module")
def problem(draw, make_undirected):
    """Nodes that carry their own names, in a network that counts neighbors: no other graph fits."""
    graph = make_undirected(np.eye(6, dtype=np.float32), [(0, 1), (1, 2), (3, 4)])
    return jm.Problem(draw("gin"), graph, layer="conv1", vary=jm.BinaryEdges())


def test_the_reference_found_again_is_no_success(problem):
    made = jm.generate(problem, count=4, steps=60, tolerance=1e-8)
    again = made.loss_hardened <= 1e-8
    assert again.any()
    assert (made.status[again] == jm.Status.UNCHANGED).all()
    assert not (made.status == jm.Status.CONVERGED).any()
    for place in np.flatnonzero(again):
        graph = jm.metamer_graph(problem, made, int(place))
        assert set(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True)) == set(
            zip(problem.graph.senders.tolist(), problem.graph.receivers.tolist(), strict=True)
        )


def test_another_graph_with_the_same_activations_is_one(draw, make_undirected):
    ring = [(i, (i + 1) % 6) for i in range(6)]
    graph = make_undirected(np.ones((6, 6), np.float32), ring)
    problem = jm.Problem(draw("graphsage"), graph, layer="conv1", vary=jm.BinaryEdges())
    made = jm.generate(problem, count=4, steps=60, tolerance=1e-8)
    assert (made.status == jm.Status.CONVERGED).any()
