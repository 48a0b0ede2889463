"""What helps where a search ends short: exact methods that apply, and an inner layer."""

import dataclasses
import re
import types

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer import Status
from jmetamer.oracles.known_answers import random_regular

UNTRAINED = jm.TrainSettings(epochs=0)


@pytest.fixture(scope="module")
def karate():
    return jm.load_dataset("karate")


def problem_of(data, model, **options):
    return jm.Problem(jm.train(model, data, settings=UNTRAINED), data.graph, **options)


@pytest.fixture(scope="module")
def gin(karate):
    return problem_of(karate, jm.GIN(hidden=4), layer="conv1")


def test_the_method_that_is_named_reaches_the_tolerance_where_the_search_ends_short(gin):
    short = jm.generate(gin, count=2, steps=2)
    assert (short.status != Status.CONVERGED).all()
    text = jm.remedy(gin, short.status)
    assert "`metamers.method: replace` or `metamers.method: reflect` (one metamer)" in text
    assert "`metamers.layer: conv1.mlp`" in text
    assert "more steps in `metamers.method`" in text
    (power,) = re.findall(r"loss at most 1e(-\d+) in one try", text)
    tries = [jm.generate(gin, seeds=[0], method=name) for name in ("replace", "reflect")]
    assert max(float(one.loss_hardened[0]) for one in tries) <= 10.0 ** int(power)
    assert (jm.generate(gin, count=2, method="replace").loss_hardened < 1e-10).all()


def test_a_layer_that_is_named_decides_the_matched_one(gin):
    inner = dataclasses.replace(gin, layer="conv1.mlp")
    metamers = jm.generate(inner, count=2, tolerance=1e-8)
    names = gin.trained.model.layer_names
    assert (metamers.status == Status.CONVERGED).all()
    assert (metamers.layer_match[:, names.index("conv1")] < 1e-4).all()
    assert "metamers.layer" not in jm.remedy(inner)


@pytest.mark.parametrize(
    "statuses", [[Status.CONVERGED], [Status.CONVERGED, Status.UNCHANGED], [Status.ZERO_TARGET], []]
)
def test_nothing_is_said_where_no_search_ended_short(gin, statuses):
    assert jm.remedy(gin, statuses) == ""


def test_a_first_layer_that_sees_everything_has_no_exact_method(karate):
    wide = problem_of(karate, jm.GCN(hidden=40), layer="conv1")
    assert jm.remedy(wide) == ""


def test_only_methods_within_the_tolerance_are_named(gin):
    assert "metamers.method" not in jm.remedy(gin, tolerance=1e-30)


def test_features_in_a_box_would_have_to_leave_it(karate):
    box = jm.ContinuousFeatures(jm.Box(0, 1))
    problem = problem_of(karate, jm.GCN(hidden=4), layer="conv1", vary=box)
    assert jm.remedy(problem).startswith(
        "`metamers.vary.continuous_features.domain: free` with `metamers.method: replace`"
    )


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"layer": "logits"}, True),
        ({"layer": ("logits", "conv2.mlp")}, True),
        ({"layer": "logits", "nodes": [0, 33]}, False),  # it reads conv1.mlp of their neighbors
        ({"layer": "conv1", "nodes": [0, 33]}, True),
        ({"layer": "logits", "vary": jm.BinaryEdges()}, False),  # over other edges
        ({"layer": "conv1", "vary": jm.BinaryFeatures()}, True),
        ({"layer": "conv1.mlp.pre"}, False),
        ({"layer": "conv1", "target": np.ones((34, 4))}, False),
    ],
)
def test_an_inner_layer_is_named_where_it_decides(karate, options, names):
    problem = problem_of(karate, jm.GIN(hidden=4), **options)
    assert ("`metamers.layer: conv1.mlp`" in jm.remedy(problem)) is names


@pytest.mark.parametrize(("layer", "named"), [("conv1", ""), ("logits", "conv1")])
def test_a_layer_that_a_skip_connection_passes_by_decides_nothing(karate, layer, named):
    text = jm.remedy(problem_of(karate, jm.GIN(hidden=4, residual=True), layer=layer))
    assert ".mlp" not in text
    assert (f"`metamers.layer: {named}`, " in text) is bool(named)


def test_swaps_are_named_where_there_are_any(karate):
    graph = random_regular(20, 3, num_labels=2)
    model = jm.GCN(hidden=4, num_outputs=2)
    trained = types.SimpleNamespace(model=model, params=model.init(jax.random.key(0), graph))
    edges = jm.BinaryEdges(start="rewired")
    some = jm.Problem(trained, graph, layer="conv1", vary=edges)
    assert "`metamers.method: color_swaps`" in jm.remedy(some)
    none = problem_of(karate, jm.GCN(hidden=4), layer="conv1", vary=edges)
    assert "color_swaps" not in jm.remedy(none)


def test_twins_are_named_where_the_first_layer_sees_all_features():
    complete = jm.make_graph(np.eye(3), [0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2])
    model = jm.GCN(hidden=4, num_outputs=2)
    trained = types.SimpleNamespace(model=model, params=model.init(jax.random.key(0), complete))
    text = jm.remedy(jm.Problem(trained, complete, layer="logits"))
    assert "`metamers.method: null_space`" in text
    assert "replace" not in text
