"""What every architecture in `MODELS` must hold; a new one is covered without a further line."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

from jmetamer.graphs.graph import Edges
from jmetamer.models import ACTIVATIONS, MODELS, Model

VARIANTS = [
    pytest.param(name, options, id="-".join([name, *map(str, options.values())]))
    for name in MODELS
    for options in (
        {},
        {"normalization": "batch", "activation": "elu", "residual": True},
    )
]
if "graphsage" in MODELS:
    VARIANTS.append(pytest.param("graphsage", {"aggregator": "max"}, id="graphsage-max"))


def build(name, graph, **options):
    """Return a network and parameters without any accidental zero."""
    model = MODELS[name](**{"hidden": 8, "num_outputs": 3, **options})
    return model, initialize(model, graph.nodes.shape[1])


@functools.cache
def initialize(model, num_features):
    nothing = jnp.zeros(0, jnp.int32)
    graph = jraph.GraphsTuple(
        jnp.ones((1, num_features)), Edges(jnp.zeros(0)), nothing, nothing, None, None, None
    )
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.array(leaf + 0.1 * abs(rng.normal(size=leaf.shape)), jnp.float32),
        jax.jit(model.init)(jax.random.key(0), graph),
    )


def assert_close(found, expected, tolerance=1e-5):
    assert set(found) == set(expected)
    for layer in found:
        np.testing.assert_allclose(
            found[layer], expected[layer], rtol=tolerance, atol=tolerance, err_msg=layer
        )


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_layers_are_named_in_order_and_finite(name, options, graph):
    model, params = build(name, graph, **options)
    found = model.activations(params, graph)
    assert isinstance(model, Model)
    assert tuple(found) == model.layer_names
    assert found["logits"].shape == (7, 3)
    assert found["conv1"].shape == (7, 8)
    assert all(np.isfinite(value).all() for value in found.values())


@pytest.mark.parametrize("name", MODELS)
def test_equal_options_make_equal_models(name):
    one, two = MODELS[name](hidden=8), MODELS[name](hidden=8)
    assert one == two
    assert hash(one) == hash(two)
    assert one != MODELS[name](hidden=16)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_relabeling_nodes_relabels_every_activation(name, options, graph):
    model, params = build(name, graph, **options)
    order = np.random.default_rng(0).permutation(7)  # new node i is old node order[i]
    place = jnp.array(np.argsort(order))
    edges = np.random.default_rng(1).permutation(10)
    relabeled = graph._replace(
        nodes=graph.nodes[order],
        senders=place[graph.senders][edges],
        receivers=place[graph.receivers][edges],
    )
    expected = {k: v[order] for k, v in model.activations(params, graph).items()}
    assert_close(model.activations(params, relabeled), expected)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_weight_zero_equals_the_edge_list_without_the_edge(name, options, graph):
    model, params = build(name, graph, **options)
    present = np.random.default_rng(3).integers(0, 2, 10).astype(bool)
    gated = graph._replace(edges=Edges(jnp.array(present, jnp.float32)))
    pruned = graph._replace(
        edges=Edges(jnp.ones(int(present.sum()))),
        senders=graph.senders[present],
        receivers=graph.receivers[present],
    )
    assert_close(model.activations(params, gated), model.activations(params, pruned), 1e-6)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_padding_with_edges_of_weight_zero_changes_nothing(name, options, graph):
    model, params = build(name, graph, **options)
    padding = jnp.array([0, 3, 6], jnp.int32)
    padded = graph._replace(
        edges=Edges(jnp.concatenate([graph.edges.weight, jnp.zeros(3)])),
        senders=jnp.concatenate([graph.senders, padding]),
        receivers=jnp.concatenate([graph.receivers, jnp.array([0, 1, 6], jnp.int32)]),
    )
    assert_close(model.activations(params, padded), model.activations(params, graph), 1e-6)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_edges_of_weight_zero_equal_no_edges_at_all(name, options, graph):
    model, params = build(name, graph, **options)
    nothing = jnp.zeros(0, jnp.int32)
    empty = graph._replace(edges=Edges(jnp.zeros(0)), senders=nothing, receivers=nothing)
    absent = graph._replace(edges=Edges(graph.edges.weight * 0))
    found = model.activations(params, empty)
    assert all(np.isfinite(value).all() for value in found.values())
    assert_close(model.activations(params, absent), found, 1e-6)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_entry_stands_for_the_product_of_features_and_first_weights(name, options, graph):
    model, params = build(name, graph, **options)
    first = model.first_layer(params)
    if first is None:
        pytest.skip("the first layer reads the raw features")
    entry = graph.nodes @ first.weights
    without = graph._replace(nodes=None)
    assert_close(model.activations(params, without, entry=entry), model.activations(params, graph))


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_vmap_equals_loop(name, options, graph):
    model, params = build(name, graph, **options)
    many = jax.random.normal(jax.random.key(2), (3, *graph.nodes.shape))

    def at(nodes):
        return model.activations(params, graph._replace(nodes=nodes))

    together = jax.vmap(at)(many)
    for index in range(3):
        assert_close({k: v[index] for k, v in together.items()}, dict(at(many[index])))


@pytest.mark.parametrize("name", MODELS)
def test_one_compilation_serves_all_values_of_a_shape(name, graph):
    model, params = build(name, graph)
    traces = []

    def activations(model, params, graph):
        traces.append(None)
        return model.activations(params, graph)

    compiled = jax.jit(activations, static_argnums=0)
    compiled(model, params, graph)
    other = graph._replace(
        nodes=graph.nodes + 1, edges=Edges(graph.edges.weight * 0), senders=graph.receivers
    )
    compiled(model.clone(), jax.tree.map(lambda leaf: 2 * leaf, params), other)
    assert len(traces) == 1


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_gradients_are_finite_in_features_weights_and_parameters(name, options, graph):
    model, params = build(name, graph, **options)

    @jax.jit
    def gradients(nodes, weight, params):
        def total(nodes, weight, params):
            changed = graph._replace(nodes=nodes, edges=Edges(weight))
            return (model.activations(params, changed)["logits"] ** 2).sum()

        return jax.grad(total, argnums=(0, 1, 2))(nodes, weight, params)

    for weight in (0.0, 0.5, 1.0):
        found = gradients(graph.nodes, jnp.full(10, weight), params)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", MODELS)
def test_layer_is_the_nonlinearity_of_its_pre_activation(name, activation, graph):
    model, params = build(name, graph, activation=activation, residual=True, normalization="layer")
    found = model.activations(params, graph)
    for layer in model.layer_names:
        assert (model.nonlinearity(layer) == activation) == (f"{layer}.pre" in found)
        if model.nonlinearity(layer):
            expected = ACTIVATIONS[activation](found[f"{layer}.pre"])
            np.testing.assert_array_equal(found[layer], expected)


@pytest.mark.parametrize("name", MODELS)
def test_identity_backward_keeps_values_and_passes_gradients_through(name, graph):
    model, params = build(name, graph, activation="relu")
    plain = model.activations(params, graph)
    through = model.activations(params, graph, identity_backward=("conv1",))
    for layer in plain:
        np.testing.assert_array_equal(plain[layer], through[layer])

    def total(nodes, layer, identity_backward):
        found = model.activations(
            params, graph._replace(nodes=nodes), identity_backward=identity_backward
        )
        return found[layer].sum()

    gradient = jax.grad(total)
    np.testing.assert_allclose(
        gradient(graph.nodes, "conv1", ("conv1",)),
        gradient(graph.nodes, "conv1.pre", ()),
        rtol=1e-5,
        atol=1e-5,
    )
    assert not np.allclose(
        gradient(graph.nodes, "conv1", ()), gradient(graph.nodes, "conv1.pre", ())
    )


@pytest.mark.mixes_types
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_float64_parameters_and_features_give_float64_to_full_precision(name, options, graph):
    model, params = build(name, graph, **options)
    single = model.activations(params, graph)
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)
        double = model.activations(
            wide, graph._replace(nodes=jnp.asarray(graph.nodes, jnp.float64))
        )
        shifted = model.activations(
            wide, graph._replace(nodes=jnp.asarray(graph.nodes, jnp.float64) * (1 + 1e-12))
        )
    for layer, value in double.items():
        assert value.dtype == jnp.float64, layer
        np.testing.assert_allclose(value, single[layer], rtol=1e-4, atol=1e-4)
        # A float32 cast anywhere would swallow a relative change of 1e-12 or blow it up to 1e-7.
        change = np.abs(np.asarray(shifted[layer] - value)).max()
        assert 0 < change < 1e-10, layer


@pytest.mark.parametrize("name", MODELS)
def test_depth_and_width_are_as_asked(name, graph):
    for layers, hidden in itertools.product((1, 2), (8, 16)):
        model, params = build(name, graph, layers=layers, hidden=hidden)
        found = model.activations(params, graph)
        assert sum(layer.count(".") == 0 for layer in found) == layers
        if layers > 1:
            assert found["conv1"].shape == (7, hidden)


@pytest.mark.parametrize("name", MODELS)
def test_every_option_is_a_plain_value_that_rebuilds_the_model(name):
    model = MODELS[name](hidden=16, activation="tanh", residual=True)
    assert MODELS[name](**model.options()) == model
    assert set(model.options()) == {f.name for f in dataclasses.fields(model)} - {"parent", "name"}
