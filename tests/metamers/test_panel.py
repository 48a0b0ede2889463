"""Who may sit on a panel, and that its classes are the models' own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.evaluation.panel import Panel

DATA = jm.load_dataset("karate")
UNTRAINED = jm.TrainSettings(epochs=0)


def model(seed, architecture=jm.GCN, data=DATA):
    return jm.train(architecture(hidden=4), data, seed, UNTRAINED)


def test_classes_are_those_of_every_model_in_the_order_of_the_panel():
    maker = model(0)
    judges = [model(7, jm.GIN), model(8), model(9, jm.GIN), model(7)]
    graph, nodes = jax.tree.map(jnp.asarray, DATA.graph), np.array([3, 30, 4])
    panel = Panel(maker, judges, nodes)
    assert panel.names == ["gin/7", "gcn/8", "gin/9", "gcn/7"]
    expected = [np.asarray(one.predict(graph))[nodes] for one in judges]
    np.testing.assert_array_equal(panel.classes(graph), expected)


def test_a_graph_that_overflows_is_left_unread():
    graph = jax.tree.map(jnp.asarray, DATA.graph)
    broken = graph._replace(nodes=graph.nodes.at[0, 0].set(jnp.inf))
    assert (np.asarray(Panel(model(0), [model(1)]).classes(broken)) == -1).all()


def test_a_judge_with_the_makers_seed_is_refused():
    with pytest.raises(jm.InputError, match="trained with seed 0"):
        Panel(model(0), [model(0, jm.GIN)])


def test_a_judge_of_other_data_is_refused():
    other = jm.load_dataset("sbm", num_nodes=40)
    with pytest.raises(jm.InputError, match="same data"):
        Panel(model(0), [model(1, data=other)])


def test_two_judges_of_one_name_are_refused():
    with pytest.raises(jm.InputError, match="of its own"):
        Panel(model(0), [model(1), model(1)])
