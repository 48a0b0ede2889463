"""What holds for methods by name and from outside of the package, and for what they hand back."""

import re
from pathlib import Path

import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods import method_named
from jmetamer.metamers.methods.method import one_sample


@pytest.fixture(scope="module")
def problem():
    data = jm.load_dataset("karate")
    trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
    return jm.Problem(trained, data.graph, layer="conv1")


def test_the_skeleton_of_the_house_is_a_method_that_is_judged_as_any_other(problem):
    text = (Path(jm.__file__).parent / "README.md").read_text()
    code, _ = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names = {"__name__": "skeleton"}
    exec(compile(code, "jmetamer/README.md", "exec"), names)
    made = jm.generate(problem, count=3, method=names["Shift"](size=0.5))
    assert made.status.tolist() == [jm.Status.UNCHANGED, jm.Status.STALLED, jm.Status.STALLED]
    assert made.loss_hardened[0] == 0 < made.loss_hardened[1] < made.loss_hardened[2]
    moved = np.asarray(jm.metamer_graph(problem, made, 2).nodes)
    np.testing.assert_allclose(moved, np.asarray(problem.graph.nodes) + 1)


def test_a_name_alone_is_refused_where_the_method_needs_more():
    with pytest.raises(jm.InputError, match=r"'repel' has no default for `weight`.*jm\.Repel\("):
        method_named("repel")
    assert method_named("walk") == jm.Walk()


def test_samples_are_taken_in_the_order_asked_for(problem):
    nodes = np.asarray(problem.graph.nodes)
    one = one_sample(7, nodes, problem.graph, np.array([2.0, 1.0]), jm.Status.STALLED)
    both = one._replace(
        seed_id=np.array([7, 9]), theta=np.stack([nodes, nodes + 1]), graphs=one.graphs * 2,
        curves=[*one.curves, np.zeros(1)], task=np.zeros(2), loss_initial=np.zeros(2),
        loss_final=np.zeros(2), penalty=np.zeros(2), steps=np.zeros(2), status=np.zeros(2),
    )  # fmt: skip
    turned = both.of([1, 0])
    assert turned.seed_id.tolist() == [9, 7]
    assert len(turned.curves[0]) == 1
    np.testing.assert_array_equal(turned.theta[0], nodes + 1)
    assert both.of([0, 1]) is both


@pytest.mark.parametrize("vary", [jm.BinaryEdges(), (jm.ContinuousFeatures(), jm.BinaryEdges())])
def test_hard_edges_need_a_loss_with_a_residual(problem, vary):
    def of(edges):
        return jm.Problem(problem.trained, problem.graph, "conv1", edges, loss=jm.Cosine())

    with pytest.raises(jm.InputError, match=r"`loss` is Cosine.*no residual"):
        jm.generate(of(vary), count=1)
    method = jm.RelaxEdges(steps=2, flips=0)
    assert len(jm.generate(of(jm.BinaryEdges()), count=1, method=method).status) == 1
