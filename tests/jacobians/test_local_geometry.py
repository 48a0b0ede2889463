"""Jacobians at single nodes, against closed forms and the dense Jacobian of the whole network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.precision import float64_on_host
from jmetamer.geometry import LOG_DERIVATIVES
from jmetamer.geometry.of_problem import local_geometry
from jmetamer.models.activations import ACTIVATIONS


@pytest.fixture(scope="module")
def tiny():
    """Seven nodes: a path 0-1-2-3, a triangle 3-4-5, and node 6 without an edge."""
    rng = np.random.default_rng(4)
    pairs = np.array([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (3, 5)])
    senders, receivers = np.r_[pairs[:, 0], pairs[:, 1]], np.r_[pairs[:, 1], pairs[:, 0]]
    return jm.make_graph(rng.normal(size=(7, 6)), senders, receivers)


def propagation(graph):
    loops = np.eye(7)
    loops[np.asarray(graph.receivers), np.asarray(graph.senders)] += 1
    scale = 1 / np.sqrt(loops.sum(axis=1))
    return scale[:, None] * loops * scale[None]


def columns(graph, node, inputs, hops):
    """The nodes whose features vary."""
    if inputs == "node":
        return [node]
    if inputs == "all":
        return list(range(7))
    reach = np.linalg.matrix_power(propagation(graph), hops)[node]
    return np.flatnonzero(reach).tolist()


class TestALinearNetwork:
    @pytest.fixture(scope="class", params=["full", "rank 2"])
    @classmethod
    def linear(cls, request, tiny, make_trained):
        trained = make_trained(jm.GCN(hidden=4, num_outputs=3, activation="identity"), tiny)
        if request.param == "rank 2":  # small integers, so the product is exact
            rng = np.random.default_rng(0)
            w = rng.integers(-3, 4, (6, 2)) @ rng.integers(-2, 3, (2, 4))
            assert np.linalg.matrix_rank(w) == 2
            trained.params["params"]["conv1"]["kernel"] = w.astype(np.float32)
        return trained

    @pytest.mark.parametrize("inputs", ["node", "ball", "all"])
    def test_has_the_products_of_both_spectra(self, linear, tiny, inputs):
        weights = [
            np.asarray(linear.params["params"][n]["kernel"], float) for n in ("conv1", "conv2")
        ]
        product = weights[0] @ weights[1]
        sigma = np.linalg.svd(product, compute_uv=False)
        rank = np.linalg.matrix_rank(product)
        power = np.linalg.matrix_power(propagation(tiny), 2)
        nodes = [0, 3, 6]
        problem = jm.Problem(linear, tiny, layer="logits")
        found = jm.jacobian_spectrum(problem, nodes, inputs)
        for i, node in enumerate(nodes):
            varied = columns(tiny, node, inputs, 2)
            row = np.linalg.norm(power[node, varied])
            np.testing.assert_allclose(found.singular_values[i], row * sigma, rtol=1e-9, atol=1e-13)
            assert found.rank[i] == rank
            assert found.certified[i]
            assert found.num_inputs[i] == 6 * len(varied)
            assert found.num_outputs[i] == 3
            assert found.dimension[i] == 6 * len(varied) - rank
            expected = np.log(row * sigma[:rank]).sum()
            assert found.log_volume[i] == pytest.approx(expected, abs=1e-9)

    def test_sees_its_own_features_alone_at_an_isolated_node(self, linear, tiny):
        # S[6, 6] = 1, so the Jacobian is the product of the matrices itself.
        problem = jm.Problem(linear, tiny, layer="logits")
        by_inputs = [
            jm.jacobian_spectrum(problem, [6], inputs) for inputs in ("node", "ball", "all")
        ]
        for found in by_inputs:
            np.testing.assert_allclose(
                found.singular_values, by_inputs[0].singular_values, rtol=1e-12, atol=1e-12
            )
        assert [int(found.num_inputs[0]) for found in by_inputs] == [6, 6, 42]


MODELS = [
    (jm.GCN(hidden=4, num_outputs=3, activation="relu"), "conv1"),
    (jm.GCN(hidden=4, num_outputs=3, activation="elu"), "logits"),
    (jm.GAT(hidden=4, heads=2, num_outputs=3, activation="tanh"), "conv1"),
    (jm.GraphSAGE(hidden=4, num_outputs=3, activation="relu"), "conv1"),
    (jm.GIN(hidden=4, num_outputs=3, activation="elu"), "conv1"),
]


@pytest.fixture(
    scope="module", params=MODELS, ids=lambda pair: f"{type(pair[0]).__name__}-{pair[1]}"
)
def dense(request, tiny, make_trained):
    """A problem, and the Jacobian of all its nodes by all features in float64."""
    model, layer = request.param
    trained = make_trained(model, tiny)
    sigma = model.nonlinearity(layer)
    with jax.enable_x64(True):
        params, graph = jax.tree.map(
            lambda x: (
                jnp.asarray(x, jnp.float64) if np.asarray(x).dtype.kind == "f" else jnp.asarray(x)
            ),
            (trained.params, tiny),
        )

        def both(nodes):
            found = model.activations(params, graph._replace(nodes=nodes))
            return {name: found[name] for name in (layer, f"{layer}.pre") if name in found}

        jacobian = {n: np.asarray(j) for n, j in jax.jit(jax.jacobian(both))(graph.nodes).items()}
        values = {n: np.asarray(v) for n, v in both(graph.nodes).items()}
    assert all(j.dtype == np.float64 for j in jacobian.values())
    return jm.Problem(trained, tiny, layer=layer), layer, sigma, jacobian, values


NODES = [0, 3, 6]


@pytest.mark.parametrize("inputs", ["node", "ball", "all"])
def test_singular_values_are_those_of_the_dense_jacobian(dense, tiny, inputs):
    problem, layer, sigma, jacobian, _ = dense
    hops = problem.trained.model.num_hops(layer)
    wanted = [(layer, False)] + ([(f"{layer}.pre", True)] if sigma else [])
    for name, before in wanted:
        found = jm.jacobian_spectrum(problem, NODES, inputs, before=before)
        for i, node in enumerate(NODES):
            varied = columns(tiny, node, inputs, hops)
            part = jacobian[name][node][:, varied].reshape(jacobian[name].shape[1], -1)
            expected = np.linalg.svd(part, compute_uv=False)
            np.testing.assert_allclose(
                found.singular_values[i], expected, rtol=1e-7, atol=1e-12 * expected[0]
            )
            assert found.rank[i] == np.linalg.matrix_rank(part)
            assert found.dimension[i] == part.shape[1] - np.linalg.matrix_rank(part)


@pytest.mark.parametrize("layer", ["conv1", "logits", ["conv1", "logits"]])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_what_lies_beyond_the_ball_adds_inputs_and_nothing_else(
    graph, make_trained, layer, activation
):
    model = jm.GCN(hidden=4, activation=activation, num_outputs=3)
    problem = jm.Problem(make_trained(model, graph), graph, layer=layer)
    nodes = [2, 9, 4]
    near, far = local_geometry(problem, nodes), local_geometry(problem, nodes, "all")
    assert near.nodes.tolist() == nodes
    assert (near.before is None) == (far.before is None) == (layer == "logits")
    for one, other in ((near.after, far.after), (near.before, far.before)):
        if one is not None:
            np.testing.assert_array_equal(one.rank, other.rank)
            np.testing.assert_allclose(one.log_volume, other.log_volume, atol=1e-10)
            np.testing.assert_allclose(one.singular_values, other.singular_values, atol=1e-12)
            assert (one.num_inputs < other.num_inputs).any()
    if near.change is not None:
        np.testing.assert_allclose(near.change.delta, far.change.delta, atol=1e-9)
        np.testing.assert_array_equal(near.change.rank_loss, far.change.rank_loss)
        np.testing.assert_array_equal(near.change.num_active, far.change.num_active)


def test_volume_change_is_the_difference_of_both_log_volumes(dense):
    problem, _, sigma, _, _ = dense
    if sigma is None:
        with pytest.raises(jm.InputError, match="no nonlinearity makes logits"):
            jm.volume_change(problem, NODES)
        return
    found = local_geometry(problem, NODES)
    lost = found.before.rank - found.after.rank
    np.testing.assert_array_equal(found.change.rank_loss, lost)
    same = lost == 0
    difference = found.after.log_volume - found.before.log_volume
    np.testing.assert_allclose(found.change.delta[same], difference[same], atol=1e-8)
    assert np.isnan(found.change.delta[~same]).all()
    alone = jm.volume_change(problem, NODES)
    np.testing.assert_array_equal(alone.delta, found.change.delta)


def test_a_relu_has_the_rank_of_its_active_units(dense):
    problem, layer, sigma, _, values = dense
    if sigma != "relu":
        pytest.skip("only a ReLU switches units off")
    active = (values[f"{layer}.pre"] > 0).sum(axis=1)
    assert len(set(active.tolist())) > 1
    found = local_geometry(problem, list(range(7)))
    width = values[layer].shape[1]
    np.testing.assert_array_equal(found.before.rank, width)  # full row rank
    np.testing.assert_array_equal(found.after.rank, active)
    np.testing.assert_array_equal(found.change.rank_loss, width - active)
    np.testing.assert_array_equal(found.change.num_active, active)


class TestErrors:
    @pytest.fixture(scope="class")
    @classmethod
    def plain(cls, tiny, make_trained):
        trained = make_trained(jm.GCN(hidden=4, num_outputs=3), tiny)
        return lambda layer: jm.Problem(trained, tiny, layer=layer)

    def test_a_node_out_of_range_is_named_with_the_range(self, plain):
        for call in (jm.jacobian_spectrum, jm.volume_change, local_geometry):
            with pytest.raises(jm.InputError) as raised:
                call(plain("conv1"), [0, 7])
            assert str(raised.value) == (
                "`nodes`[1] is 7, but the graph has 7 nodes: allowed are 0 to 6"
            )

    def test_unknown_inputs_are_refused_with_the_list(self, plain):
        with pytest.raises(jm.InputError) as raised:
            jm.jacobian_spectrum(plain("conv1"), [0], "bal")
        assert "`inputs` is 'bal'" in str(raised.value)

    def test_before_at_a_layer_without_nonlinearity_is_refused(self, plain):
        with pytest.raises(jm.InputError, match="pre-activation of logits, which no nonlinearity"):
            jm.jacobian_spectrum(plain("logits"), [0], before=True)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_log_derivatives_belong_to_the_models_activations(name):
    z = np.linspace(-3, 3, 61) + 0.013  # clear of the kinks
    with float64_on_host():
        slope = np.asarray(jax.vmap(jax.grad(ACTIVATIONS[name]))(jnp.asarray(z)))
    np.testing.assert_allclose(np.exp(LOG_DERIVATIVES[name](z)), np.abs(slope), atol=1e-9)
