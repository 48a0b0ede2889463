"""What networks say of their layers, and what a network that is new to the package gets by it."""

import types

import flax.linen as nn
import jax
import numpy as np
import pytest
from planted_network import Diffusion, diffusion

import jmetamer as jm
from jmetamer._base.precision import float64_on_host
from jmetamer.geometry.of_problem import jacobian_spectrum
from jmetamer.geometry.of_problem.ledger import rank_ledger_of
from jmetamer.geometry.of_problem.structural_bound import structural_bound
from jmetamer.metamers.methods.exact import NullSpace, Point, Reflect, Replace
from jmetamer.metamers.methods.exact.color_swaps import ColorSwaps
from jmetamer.metamers.methods.exact.preconditioner import choose_preconditioner
from jmetamer.metamers.methods.exact.residual import ResidualMap
from jmetamer.models import Convolution, LayerStructure
from jmetamer.models.architectures import MODELS
from jmetamer.models.gcn import GCNConvolution
from jmetamer.models.structure import operator_matrix, passes_through

VARIANTS = [
    *((name, {}) for name in MODELS),
    *((name, {"residual": True, "layers": 3}) for name in MODELS),
    ("gcn", {"normalization": "layer"}),
    ("gin", {"normalization": "batch", "eps": 0.3, "train_eps": True}),
    ("graphsage", {"aggregator": "max"}),
]


def network(name, options, graph, seed=0):
    model = MODELS[name](hidden=8, num_outputs=3, **options)
    return model, model.init(jax.random.key(seed), graph)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_an_operator_with_weights_makes_the_layer(name, options, graph):
    model, params = network(name, options, graph)
    found = model.activations(params, graph) | {"features": graph.nodes}
    declared = 0
    for layer in model.layer_names:
        known = model.layer_structure(layer)
        if known.weights is None:
            continue
        declared += 1
        values = found[known.sources[0]]
        if known.operator is not None:
            values = known.operator(params, graph, values)
        rest = np.asarray(found[layer] - values @ known.weights(params))
        np.testing.assert_allclose(rest, rest[:1].repeat(len(rest), 0), atol=2e-5)  # b
    plain = name in ("gcn", "gin") and not (name == "gcn" and options.get("residual"))
    assert (declared > 0) == plain


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_a_layer_moves_with_nothing_that_its_gates_do_not_see(name, options, graph):
    model, params = network(name, options, graph)
    with float64_on_host():
        raised = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
        wide = graph._replace(nodes=np.asarray(graph.nodes, np.float64))
        found = jax.jacobian(lambda x: model.activations(raised, wide._replace(nodes=x)))(
            wide.nodes
        )
    rows = {layer: np.asarray(j).reshape(-1, wide.nodes.size) for layer, j in found.items()}
    for layer in model.layer_names:
        gates = passes_through(model, layer)
        assert ("conv1" in gates) == (layer not in gates and model.num_hops(layer) > 1)
        for gate in gates:
            both = np.concatenate([rows[gate], rows[layer]])
            gated, together = (np.linalg.matrix_rank(m, rtol=1e-10) for m in (rows[gate], both))
            assert gated == together, (layer, gate)


def test_an_inner_layer_is_no_gate_where_a_residual_passes_beside_it():
    for layer, expected in (("conv1", ("conv1.pre",)), ("conv1.mlp", ("conv1.mlp.pre",))):
        assert passes_through(jm.GIN(residual=True), layer) == expected
    assert "conv1.mlp" in passes_through(jm.GIN(), "conv1")


class Mystery(Convolution):
    """A convolution that says nothing."""

    @nn.compact
    def __call__(self, x, graph, *, product, training, activate):
        return self.multiply(x, product, kernel=self.width)[0]


class TestWhatIsNotSaidIsUnknown:
    def test_of_another_convolution(self):
        class Other(jm.GCN):
            @nn.nowrap
            def convolution(self, width, *, last, name):
                return Mystery(width, name=name)

        assert Other().layer_structure("logits") == LayerStructure(("conv1",))

    def test_of_a_convolution_that_computes_otherwise_than_the_one_it_comes_from(self):
        class Twice(GCNConvolution):
            @nn.compact
            def __call__(self, x, graph, **options):
                return 2 * super().__call__(x, graph, **options)

        assert Twice(3).structure() == LayerStructure()
        assert GCNConvolution(3).structure().neighborhood == "symmetric"

    def test_of_a_network_that_computes_otherwise(self):
        class Squared(jm.GCN):
            def activations(self, params, graph, **options):
                return super().activations(params, graph._replace(nodes=graph.nodes**2))

        assert Squared().layer_structure("conv1") is None
        assert passes_through(Squared(), "logits") == ()
        with pytest.raises(jm.InputError, match="layer"):
            jm.GCN().layer_structure("conv9")


@pytest.fixture(scope="module")
def grid():
    """A ring of five cliques of three twins, so that the operator is singular: rank 5 of 15."""
    edges = [
        (i, j)
        for i in range(15)
        for j in range(15)
        if i != j and (i // 3 - j // 3) % 5 in (0, 1, 4)
    ]
    nodes = np.random.default_rng(0).normal(size=(15, 9)).astype(np.float32)
    return jm.make_graph(nodes, *np.array(edges).T)


def planted(grid, layer, *, silent=False, **options):
    model = Diffusion(silent)
    params = jax.tree.map(np.asarray, model.init(jax.random.key(0), grid))
    return jm.Problem(types.SimpleNamespace(model=model, params=params), grid, layer, **options)


def oracle(problem, features):
    """Activations in NumPy float64."""
    params, m = problem.trained.params, diffusion(problem.graph)
    first, second = (np.asarray(params[name], np.float64) for name in ("first", "second"))
    mixed = np.tanh(m @ features @ first)
    return {"mixed": mixed, "logits": m @ mixed @ second + params["b"]}


class TestANetworkOfItsOwn:
    def test_has_the_operator_that_it_declares(self, grid):
        problem = planted(grid, "logits")
        first = problem.trained.model.first_layer(problem.trained.params)
        np.testing.assert_allclose(
            operator_matrix(first.operator, grid), diffusion(grid), atol=1e-15
        )

    def test_gets_the_rank_bound_of_its_operator(self, grid):
        rank = np.linalg.matrix_rank(diffusion(grid)) * 4
        for layer in ("mixed", "logits"):
            problem = planted(grid, layer)
            assert structural_bound(problem, of="all") == rank == 20
            assert structural_bound(planted(grid, layer, silent=True), of="all") > rank
        assert rank_ledger_of(planted(grid, "mixed")).spectra[-1].rank[0] == rank
        ledger = rank_ledger_of(planted(grid, "logits"))
        assert ledger.layers == ("mixed", "logits")
        assert ledger.ceiling.max() == rank
        assert rank_ledger_of(planted(grid, "logits", silent=True)).layers == ("logits",)

    def test_gets_the_bound_of_what_single_nodes_see(self, grid):
        problem = planted(grid, "mixed")
        bound = structural_bound(problem, of=0)
        assert bound == jacobian_spectrum(problem, [0]).rank[0] == 4

    @pytest.mark.parametrize("method", [NullSpace(), Reflect("aggregation"), Replace()])
    def test_gets_exact_metamers(self, grid, method):
        problem = planted(grid, "logits")
        point = Point(problem)
        start = np.random.default_rng(1).normal(size=point.features.shape)
        made = method.make(start, point, method.prepare(point)).features
        assert np.linalg.norm(made - point.features) > 0.3 * np.linalg.norm(point.features)
        for name, value in oracle(problem, made).items():
            np.testing.assert_allclose(value, oracle(problem, point.features)[name], atol=1e-12)
        with pytest.raises(jm.InputError):
            method.prepare(Point(planted(grid, "logits", silent=True)))

    @pytest.mark.parametrize("layer", ["mixed", "logits"])
    def test_gets_the_preconditioner(self, grid, layer):
        """Where nothing bends it is the inverse of J J^T, on the range of J."""
        problem = planted(grid, layer)
        params = {**problem.trained.params}
        params["first"] = 1e-6 * params["first"]  # tanh is the identity
        trained = types.SimpleNamespace(model=problem.trained.model, params=params)
        target = oracle(jm.Problem(trained, grid, layer), np.asarray(grid.nodes, np.float64))[layer]
        residual = ResidualMap(Point(jm.Problem(trained, grid, layer)))
        base = residual.base(residual.point.features)
        x = np.zeros(residual.num_inputs)
        blocks = choose_preconditioner(residual).at(x, base)
        jacobian = residual.jacobian(x, base)
        gram, found = jacobian @ jacobian.T, np.zeros((target.size, target.size))
        for block, vector in zip(blocks.matrices, blocks.vectors.T, strict=True):
            found += np.kron(np.outer(vector, vector), block)
        assert np.abs(found - gram).max() <= 1e-8 * np.abs(gram).max()
        silent = Point(planted(grid, layer, silent=True))
        assert choose_preconditioner(ResidualMap(silent)) is None

    def test_says_whether_swaps_must_keep_degrees(self):
        assert not ColorSwaps().takes_degree(Diffusion())
        assert ColorSwaps().takes_degree(Diffusion(silent=True))
