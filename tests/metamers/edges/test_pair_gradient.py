"""The gradient of all pairs, against dense automatic differentiation over the whole matrix A."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.precision import float64_on_host
from jmetamer.graphs.graph import Edges
from jmetamer.graphs.pairs import Pairs, graph_of_pairs_and_loops, loops_of_graph
from jmetamer.metamers.methods.relax_edges.pair_gradient import (
    PairFactors,
    best_pairs,
    pair_factors,
    sampled_gradient,
)
from jmetamer.models import LayerStructure
from jmetamer.models.aggregation import aggregations
from jmetamer.models.gat import GATConvolution

NODES = 9
FACTORED = {
    "gcn": jm.GCN(hidden=4, num_outputs=3),
    "gcn sums before the matrix": jm.GCN(hidden=7, layers=3, activation="elu", num_outputs=3),
    "gcn residual layer norm": jm.GCN(
        hidden=4, layers=3, residual=True, normalization="layer", num_outputs=3
    ),
    "gin": jm.GIN(hidden=4, num_outputs=3, eps=0.3),
    "gin sums before the matrix": jm.GIN(
        hidden=7, activation="tanh", num_outputs=3, train_eps=True, normalization="layer"
    ),
    "sage": jm.GraphSAGE(hidden=4, num_outputs=3),
    "sage averages before the matrix": jm.GraphSAGE(
        hidden=7, layers=3, activation="elu", residual=True, num_outputs=3
    ),
}
OTHERS = {
    "gat": jm.GAT(hidden=4, heads=2, num_outputs=3),
    "sage max": jm.GraphSAGE(hidden=4, num_outputs=3, aggregator="max"),
}


def graph_of_pairs(reference, pairs, weight):
    return graph_of_pairs_and_loops(
        reference, pairs, weight, loops_of_graph(reference), directed=False
    )


def factored_gradient(factors, pairs, directed=False):
    """The gradient of given pairs, [p]; of undirected ones, of both directions together."""

    def one_way(senders, receivers):
        inner = jnp.sum(factors.sender[senders] * factors.receiver[receivers], axis=1)
        return inner + factors.offset[receivers]

    gradient = one_way(pairs.senders, pairs.receivers)
    if not directed:
        gradient += one_way(pairs.receivers, pairs.senders)
    return jnp.where(pairs.is_pair, gradient, 0)


def dense_problem(seed=0):
    """Features [9, 5] and a weighted, directed A [9, 9]; A[i, j] is i -> j. Two self loops.

    Nothing points to node 8, and nodes 7 and 8 have no edge between them.
    """
    rng = np.random.default_rng(seed)
    a = rng.uniform(size=(NODES, NODES)) * (rng.uniform(size=(NODES, NODES)) < 0.4)
    np.fill_diagonal(a, 0)
    a[2, 2], a[5, 5], a[:, 8], a[8, 7] = 1.0, 0.6, 0.0, 0.0
    return rng.normal(size=(NODES, 5)), a


def sparse(nodes, a):
    """The edges of A that are not 0, and one of weight 0."""
    senders, receivers = np.nonzero(a)
    graph = jm.make_graph(nodes, [*senders, 0], [*receivers, 8])
    weight = jnp.asarray([*a[senders, receivers], 0.0])
    return graph._replace(nodes=jnp.asarray(nodes), edges=Edges(weight))


def complete(nodes, a):
    """All n^2 edges, and weights that are those of A: differentiable in A."""
    senders, receivers = (side.ravel() for side in np.indices((NODES, NODES)))
    graph = jm.make_graph(np.zeros((NODES, 1)), senders, receivers)
    return graph._replace(nodes=jnp.asarray(nodes), edges=Edges(a[senders, receivers]))


def loss_of(found):
    """All logits and the hidden layer, so that every layer has a gradient of its own."""
    return jnp.sum(jnp.sin(found["logits"])) + jnp.sum(found["conv1"][:4] ** 2)


def on_device(graph):
    return jax.tree.map(jnp.asarray, graph)


@functools.partial(jax.jit, static_argnums=0)
def factors_of(model, params, graph):
    return pair_factors(model, params, graph, loss_of)


def off_diagonal(gradient):
    return np.where(np.eye(NODES, dtype=bool), 0, gradient)


def from_factors(factors):
    return np.asarray(factors.sender @ factors.receiver.T + factors.offset[None, :])


def relative_error(found, truth):
    return np.abs(found - truth).max() / np.abs(truth).max()


def params_of(model, make_trained, dtype=np.float64):
    graph = jm.make_graph(np.zeros((NODES, 5)), [0], [1])
    return jax.tree.map(lambda p: np.asarray(p, dtype), make_trained(model, graph).params)


@pytest.mark.parametrize("name", FACTORED)
class TestFactors:
    def test_are_the_dense_gradient_in_float64(self, name, make_trained):
        model, (nodes, a) = FACTORED[name], dense_problem()
        params = params_of(model, make_trained)

        def dense(a):
            return loss_of(model.activations(params, complete(nodes, a)))

        with float64_on_host():
            truth = off_diagonal(jax.jit(jax.grad(dense))(jnp.asarray(a)))
            found = off_diagonal(from_factors(factors_of(model, params, sparse(nodes, a))))
        assert found.dtype == np.float64
        assert relative_error(found, truth) < 1e-12

    def test_agree_in_float32_with_one_backward_pass_over_all_pairs(self, name, make_trained):
        model, nodes = FACTORED[name], dense_problem()[0]
        params = params_of(model, make_trained, np.float32)
        senders, receivers = np.triu_indices(NODES, 1)
        pool = Pairs(senders.astype(np.int32), receivers.astype(np.int32))
        reference = on_device(jm.make_graph(nodes, [1, 4], [1, 4]))  # two self loops
        base = Pairs(np.array([0, 2, 5, 3]), np.array([1, 6, 7, 3]))  # the last is padding
        weight = np.array([1.0, 0.5, 0.0, 1.0], np.float32)

        def loss(pairs, weight):
            graph = graph_of_pairs(reference, pairs, weight)
            return loss_of(model.activations(params, graph))

        def both(weight):
            graph = graph_of_pairs(reference, base, weight)
            factors = pair_factors(model, params, graph, loss_of)
            return sampled_gradient(loss, base, weight, pool), factored_gradient(factors, pool)

        truth, found = jax.jit(both)(weight)
        assert found.dtype == np.float32
        assert relative_error(found, truth) < 1e-5


def test_factors_of_a_gcn_are_those_of_its_formula_with_dense_matrices(make_trained):
    """Without any of the package's message passing: S = D^-1/2 (A + I) D^-1/2 in jax.numpy."""
    model, (nodes, a) = FACTORED["gcn"], dense_problem(1)
    params = params_of(model, make_trained)
    np.fill_diagonal(a, 0)
    weights = params["params"]

    def dense(a):
        into = a.T + jnp.eye(NODES)
        scale = 1 / jnp.sqrt(into.sum(axis=1))
        s = scale[:, None] * into * scale[None, :]
        pre = s @ nodes @ weights["conv1"]["kernel"] + weights["conv1"]["bias"]
        hidden = jnp.where(pre > 0, pre, 0)
        logits = s @ hidden @ weights["conv2"]["kernel"] + weights["conv2"]["bias"]
        return loss_of({"conv1": hidden, "logits": logits})

    with float64_on_host():
        truth = off_diagonal(jax.jit(jax.grad(dense))(jnp.asarray(a)))
        factors = factors_of(model, params, sparse(nodes, a))
        found = off_diagonal(from_factors(factors))
    assert factors.sender.shape == (NODES, 4 + 3)
    assert relative_error(found, truth) < 1e-12


@pytest.mark.parametrize("name", OTHERS)
def test_networks_without_a_linear_aggregation_have_no_factors(name, make_trained):
    model, (nodes, a) = OTHERS[name], dense_problem()
    params = params_of(model, make_trained, np.float32)
    assert pair_factors(model, params, sparse(nodes, a), loss_of) is None


def test_a_convolution_that_does_not_show_its_values_has_no_factors(make_trained):
    class SilentConvolution(GATConvolution):
        @nn.nowrap
        def structure(self):
            return LayerStructure(neighborhood="sum")

    class Silent(jm.GAT):
        @nn.nowrap
        def convolution(self, width, *, last, name):
            heads = self.output_heads if last else self.heads
            return SilentConvolution(width, heads, not last, self.dropout, name=name)

    model, (nodes, a) = Silent(hidden=4, heads=2, num_outputs=3), dense_problem()
    params = params_of(model, make_trained, np.float32)
    assert pair_factors(model, params, sparse(nodes, a), loss_of) is None


def test_sampled_gradient_of_attention_is_the_slope_of_the_loss(make_trained):
    model, (nodes, _) = OTHERS["gat"], dense_problem()
    params = params_of(model, make_trained)
    reference = jm.make_graph(nodes, [], [])
    base = Pairs(np.array([0, 2]), np.array([1, 6]))
    pool = Pairs(np.array([3, 0]), np.array([5, 8]))
    joined = Pairs(*(np.concatenate(sides) for sides in zip(base, pool, strict=True)))

    def loss(pairs, weight):
        graph = graph_of_pairs(reference, pairs, weight)
        graph = graph._replace(nodes=jnp.asarray(nodes))  # in float64
        return loss_of(model.activations(params, graph))

    with float64_on_host():
        found = jax.jit(lambda weight: sampled_gradient(loss, base, weight, pool))(jnp.ones(2))
        at = jax.jit(lambda weight: loss(joined, weight))
        here = float(at(jnp.array([1.0, 1.0, 0.0, 0.0])))
        slopes = [
            (float(at(jnp.array([1.0, 1.0, *step]))) - here) / 1e-6
            for step in ((1e-6, 0.0), (0.0, 1e-6))
        ]
    np.testing.assert_allclose(found, slopes, rtol=1e-4)


@pytest.mark.parametrize("name", ["gcn", "gin", "sage"])
def test_looking_at_aggregations_changes_no_activation_and_no_parameters(name, make_trained):
    model, (nodes, a) = FACTORED[name], dense_problem()
    params, graph = params_of(model, make_trained, np.float32), sparse(nodes, a)
    assert set(jax.eval_shape(model.init, jax.random.key(0), graph)) == {"params"}
    plain = jax.jit(lambda: model.activations(params, graph))()
    found = jax.jit(lambda: aggregations(model, params, graph))()
    assert set(found.values) == {"conv1", "conv2"}
    for layer in model.layer_names:
        np.testing.assert_array_equal(found.activations[layer], plain[layer])


def random_factors(num_nodes, rank=3, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (num_nodes, rank), (num_nodes, rank), (num_nodes,)
    return PairFactors(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))


def ranked(factors, num, directed, rows=None):
    """The best pairs from the whole matrix."""
    dense = from_factors(factors)
    dense = dense if directed else dense + dense.T
    allowed = set(range(len(dense)) if rows is None else rows)
    pairs = [
        (i, j)
        for i in range(len(dense))
        for j in range(len(dense))
        if i != j and (j in allowed if directed else i < j and allowed & {i, j})
    ]
    return sorted(pairs, key=lambda pair: dense[pair])[:num], dense


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("rows", [None, [4, 17, 0]])
@pytest.mark.parametrize("block_rows", [1, 5, 100])
def test_best_pairs_are_those_of_the_whole_matrix(directed, rows, block_rows):
    factors = random_factors(23)
    expected, dense = ranked(factors, 12, directed, rows)
    allowed = None if rows is None else jnp.array([*rows, -1, -1], jnp.int32)
    found = best_pairs(factors, 12, block_rows, allowed, directed=directed)
    pairs = list(map(tuple, np.stack(found.pairs, axis=1).tolist()))
    assert pairs == expected
    np.testing.assert_allclose(found.gradient, [dense[pair] for pair in pairs], rtol=1e-5)
    np.testing.assert_allclose(
        found.gradient, factored_gradient(factors, found.pairs, directed), rtol=1e-4, atol=1e-5
    )


def test_best_pairs_are_followed_by_padding_where_there_are_no_more():
    found = best_pairs(random_factors(4), 10, 3)
    assert np.asarray(found.pairs.is_pair).tolist() == [True] * 6 + [False] * 4
    assert found.gradient[6:].tolist() == [0.0] * 4
    assert (np.diff(found.gradient[:6]) >= 0).all()


def test_best_pairs_make_no_array_of_all_pairs():
    factors = random_factors(600)
    jaxpr = jax.make_jaxpr(lambda f: best_pairs(f, 50, 16))(factors)

    def sizes(jaxpr):
        for equation in jaxpr.eqns:
            for variable in equation.outvars:
                yield variable.aval.size
            for inner in jax.tree.leaves(list(equation.params.values())):
                if hasattr(inner, "eqns"):
                    yield from sizes(inner)

    assert max(sizes(jaxpr.jaxpr)) <= 16 * 600
