"""What must match: given targets, several layers, some nodes, and gradients that pass a ReLU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer import Status

SETTINGS = {"count": 3, "lanes": 3, "steps": 60, "tolerance": 1e-3}
# For Adam, which compiles faster than L-BFGS.
LOOSE = {**SETTINGS, "steps": 150, "tolerance": 0.02}


def found(problem, metamers, oracle, index=0):
    return oracle(problem.trained.params, jm.metamer_graph(problem, metamers, index))


def test_a_target_needs_no_reference_features(trained, graph, make_random_graph, oracle, l_act):
    hidden = make_random_graph(0)._replace(
        nodes=np.random.default_rng(9).normal(size=(16, 10)).astype("f4") * 2
    )
    target = oracle(trained.params, hidden)["conv1"].astype(np.float32)
    problem = jm.Problem(trained, graph, layer="conv1", target=target)
    assert l_act(oracle(trained.params, graph)["conv1"], target) > 0.1
    made = jm.generate(problem, **SETTINGS)
    assert made.status.tolist() == [Status.CONVERGED] * 3
    for i in range(3):
        match = l_act(found(problem, made, oracle, i)["conv1"], target)
        assert match <= 1.01e-3
        assert made.loss_hardened[i] == pytest.approx(match, rel=1e-2)


def test_a_target_needs_no_features_at_all(trained, graph, oracle, l_act):
    target = oracle(trained.params, graph)["conv1"].astype(np.float32)
    edges = jm.make_graph(np.zeros((16, 0)), graph.senders, graph.receivers, graph.edges.weight)
    problem = jm.Problem(trained, edges, layer="conv1", target=target)
    made = jm.generate(problem, **SETTINGS)
    assert made.status.tolist() == [Status.CONVERGED] * 3
    assert np.isnan(made.agreement).all()
    for i in range(3):
        assert jm.metamer_graph(problem, made, i).nodes.shape == graph.nodes.shape
        assert l_act(found(problem, made, oracle, i)["conv1"], target) <= 1.01e-3


def test_without_features_starts_are_standard_normal(trained, graph):
    edges = jm.make_graph(np.zeros((16, 0)), graph.senders, graph.receivers)
    target = np.ones((16, 4), np.float32)
    problem = jm.Problem(trained, edges, layer="conv1", target=target)
    starts = [problem.vary.init(jax.random.key(i), problem.graph) for i in range(50)]
    assert abs(np.mean(starts)) < 0.05
    assert np.std(starts) == pytest.approx(1, abs=0.05)


def test_a_mapping_of_targets_serves_several_layers(trained, graph, oracle):
    activations = oracle(trained.params, graph)
    target = {name: activations[name] * 1.5 for name in ("conv1", "logits")}
    problem = jm.Problem(trained, graph, layer=("conv1", "logits"), target=target)
    for name, value in target.items():
        np.testing.assert_allclose(problem.arrays.targets[name], value, rtol=1e-6)


@pytest.fixture(scope="module")
def both(trained, graph, adam):
    problem = jm.Problem(trained, graph, layer=("conv1", "logits"))
    return problem, jm.generate(problem, **LOOSE, optimizer=adam)


def test_several_layers_all_match_and_the_worst_counts(both, oracle, l_act):
    problem, made = both
    assert made.status.tolist() == [Status.CONVERGED] * 3
    truth = oracle(problem.trained.params, problem.graph)
    for i in range(2):
        activations = found(problem, made, oracle, i)
        match = [l_act(activations[name], truth[name]) for name in ("conv1", "logits")]
        assert max(match) <= 0.0202
        assert made.loss_hardened[i] == pytest.approx(max(match), rel=1e-2)


def test_all_layers_are_those_after_their_nonlinearity(trained, graph, both, adam):
    problem = jm.Problem(trained, graph, layer="all")
    assert problem.layers == ("conv1", "logits")
    made = jm.generate(problem, **LOOSE, optimizer=adam)
    np.testing.assert_array_equal(made.loss_trace, both[1].loss_trace)


def test_a_layer_named_twice_counts_once(trained, graph):
    assert jm.Problem(trained, graph, layer=("conv1", "conv1")).layers == ("conv1",)


@pytest.mark.parametrize("nodes", [[5], [11, 2, 7]])
def test_only_the_target_nodes_match(trained, graph, oracle, l_act, adam, nodes):
    problem = jm.Problem(trained, graph, layer="conv1", nodes=nodes)
    truth = oracle(trained.params, graph)["conv1"]
    np.testing.assert_allclose(problem.arrays.targets["conv1"], truth[nodes], atol=1e-5)
    made = jm.generate(problem, **LOOSE, optimizer=adam)
    assert made.status.tolist() == [Status.CONVERGED] * 3
    others = np.setdiff1d(np.arange(16), nodes)
    for i in range(2):
        activation = found(problem, made, oracle, i)["conv1"]
        match = l_act(activation[nodes], truth[nodes])
        assert match <= 0.0202
        assert made.loss_hardened[i] == pytest.approx(match, rel=1e-2)
        assert l_act(activation[others], truth[others]) > 0.1
    # Class agreement is that of the target nodes: a multiple of 1 / t.
    np.testing.assert_allclose(made.agreement * len(nodes), np.rint(made.agreement * len(nodes)))


class TestIdentityBackward:
    @pytest.fixture
    def pair(self, trained, graph):
        options = {"layer": "conv1", "loss": jm.RelativeSquared()}
        return (
            jm.Problem(trained, graph, **options),
            jm.Problem(trained, graph, identity_backward=True, **options),
        )

    def test_leaves_the_forward_pass_alone_and_changes_the_gradient(self, pair):
        plain, through = pair
        model, params = plain.trained.model, plain.trained.params
        names = through.matching.identity_backward
        assert (plain.matching.identity_backward, names) == ((), ("conv1",))

        def total(nodes, layers):
            graph = jax.tree.map(jnp.asarray, plain.graph)._replace(nodes=nodes)
            return jnp.sum(model.activations(params, graph, identity_backward=layers)["conv1"])

        nodes = jnp.asarray(plain.graph.nodes)
        assert float(total(nodes, ())) == float(total(nodes, names))
        slopes = [np.asarray(jax.grad(total)(nodes, layers)) for layers in ((), names)]
        assert np.abs(slopes[0] - slopes[1]).max() > 1e-2
        # With derivative one everywhere the sum is linear: S^T 1 times the row sums of W.
        weights = np.asarray(params["params"]["conv1"]["kernel"]).sum(axis=1)
        assert np.linalg.matrix_rank(slopes[1], tol=1e-4) == 1
        assert np.abs(slopes[1] @ weights).min() > 0

    def test_makes_metamers(self, pair, adam, oracle, l_act):
        _, through = pair
        made = jm.generate(through, **LOOSE, optimizer=adam)
        truth = oracle(through.trained.params, through.graph)["conv1"]
        for i in range(3):
            match = l_act(found(through, made, oracle, i)["conv1"], truth)
            assert match < 0.2 * made.loss_initial[i]
            assert made.loss_hardened[i] == pytest.approx(match, rel=1e-2)
