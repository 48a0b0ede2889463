"""Color swaps: activations up to the matched layer stay, at every node; the next layer's change."""

import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import networkx
import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.errors import InputError
from jmetamer._base.precision import float64_on_host
from jmetamer.graphs.double_edge_swaps import count_swaps
from jmetamer.graphs.pairs import edge_jaccard, flips_between, pairs_of_graph
from jmetamer.metamers.methods.exact.color_swaps import ColorSwaps, hidden_colors
from jmetamer.oracles.known_answers import cycles, disjoint_copies, random_regular

SMALL = {"hidden": 4, "layers": 3, "num_outputs": 2}
MODELS = {
    "gcn": jm.GCN(**SMALL),
    "gin": jm.GIN(**SMALL),
    "sage": jm.GraphSAGE(**SMALL),
    "sage max": jm.GraphSAGE(aggregator="max", **SMALL),
    "gat": jm.GAT(heads=2, **SMALL),
}
EXACT = 1e-12


@functools.cache
def trained(name, num_features=2, seed=0):
    """A model with drawn parameters, biases included, all without an accidental zero."""
    rng = np.random.default_rng(seed)
    params = MODELS[name].init(jax.random.key(seed), cycles([3], np.arange(3) % num_features))
    params = jax.tree.map(lambda p: np.asarray(p) + 0.3 * abs(rng.normal(size=p.shape)), params)
    return types.SimpleNamespace(model=MODELS[name], params=params)


@functools.partial(jax.jit, static_argnums=0)
def forward(model, params, graph):
    return model.activations(params, graph)


def difference(name, one, other):
    """Layer -> largest difference of two graphs' activations, float64, by their largest value."""
    made = trained(name, one.nodes.shape[1])
    with float64_on_host():
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), made.params)
        before, after = (
            jax.device_get(
                forward(made.model, params, graph._replace(nodes=np.asarray(graph.nodes, "f8")))
            )
            for graph in (one, other)
        )
    assert before["logits"].dtype == np.float64
    return {
        layer: np.abs(after[layer] - value).max() / np.abs(value).max()
        for layer, value in before.items()
    }


DEFAULT = ColorSwaps()


def metamer(name, graph, layer, method=DEFAULT, seed=0):
    problem = jm.Problem(trained(name, graph.nodes.shape[1]), graph, layer=layer)
    return method.make(method.prepare(problem), jax.random.key(seed))


@pytest.fixture(scope="module")
def regular():
    return random_regular(60, 3, num_labels=2, seed=3)


@pytest.fixture(scope="module")
def irregular():
    """Ten copies of 12 nodes with two labels and seven degrees."""
    made = networkx.gnm_random_graph(12, 22, seed=5)
    one, other = np.array(made.edges).T
    labels = np.random.default_rng(2).integers(2, size=12)
    graph = jm.make_graph(np.eye(2)[labels], np.r_[one, other], np.r_[other, one])
    return disjoint_copies(graph, 10)


@pytest.fixture(scope="module")
def directed():
    """Loops at some nodes, edges in one direction and in both."""
    made = networkx.gnm_random_graph(50, 140, seed=2, directed=True)
    one, other = np.array(made.edges).T
    rng = np.random.default_rng(3)
    loops = rng.choice(50, 9, replace=False)
    nodes = np.eye(2)[rng.integers(2, size=50)]
    return jm.make_graph(nodes, np.r_[one, loops], np.r_[other, loops])


class TestActivations:
    @pytest.mark.parametrize("name", MODELS)
    def test_of_two_rounds_stay_and_of_the_third_change(self, name, regular):
        made = metamer(name, regular, "conv2")
        assert made.accepted == 900
        assert made.available > 50
        found = difference(name, regular, made.graph)
        hops = {layer: MODELS[name].num_hops(layer) for layer in found}
        assert max(found[layer] for layer in found if hops[layer] <= 2) <= EXACT
        assert found["logits"] > 1e-3
        flips = flips_between(regular, made.graph, directed=False)
        assert edge_jaccard(flips, 90) > 0.2

    @pytest.mark.parametrize("name", MODELS)
    def test_stay_on_an_irregular_graph(self, name, irregular):
        made = metamer(name, irregular, ("conv1", "conv2.pre"))
        found = difference(name, irregular, made.graph)
        assert max(found[layer] for layer in ("conv1", "conv2.pre", "conv2")) <= EXACT
        assert len(flips_between(irregular, made.graph, directed=False).added) > 100

    @pytest.mark.parametrize("name", MODELS)
    def test_stay_on_a_directed_graph_with_loops(self, name, directed):
        made = metamer(name, directed, "conv1")
        found = difference(name, directed, made.graph)
        assert found["conv1"] <= EXACT
        assert found["conv2"] > 1e-3
        assert made.accepted == 1400
        loops = directed.senders == directed.receivers
        kept = made.graph.senders == made.graph.receivers
        assert sorted(made.graph.senders[kept]) == sorted(directed.senders[loops])

    @pytest.mark.parametrize("name", MODELS)
    def test_of_all_layers_are_those_of_a_ring_of_six_on_two_triangles(self, name):
        found = difference(name, cycles([6], [0] * 6), cycles([3, 3], [0] * 6))
        assert max(found.values()) <= EXACT

    def test_stay_with_labels_alone_where_degrees_do_not_count(self, irregular):
        labels_only = ColorSwaps(degree=False)
        changed = metamer("gcn", irregular, "conv1", labels_only).graph
        assert difference("gcn", irregular, changed)["conv1"] > 1e-2
        for name in ("gin", "sage", "gat"):
            assert difference(name, irregular, changed)["conv1"] <= EXACT
        kept = metamer("gcn", irregular, "conv1").graph
        for name in MODELS:
            assert difference(name, irregular, kept)["conv1"] <= EXACT


class TestTheSwapsAvailable:
    def test_fall_with_the_rounds_of_the_layer(self, regular):
        method = ColorSwaps()
        found = [
            method.prepare(jm.Problem(trained("gin"), regular, layer=layer)).available
            for layer in ("conv1", "conv2", "logits")
        ]
        assert found[0] > 3 * found[1] > 9 * found[2] > 0
        pairs = pairs_of_graph(regular, directed=False)
        labels = regular.nodes[:, 0]
        assert found[0] == count_swaps(pairs, labels, directed=False)

    def test_are_those_of_the_layer_with_the_most_rounds(self, regular):
        method = ColorSwaps()
        layers = ["logits", ("conv1", "logits", "conv1.pre"), "all"]
        found = {
            method.prepare(jm.Problem(trained("gcn"), regular, layer=layer)).available
            for layer in layers
        }
        assert len(found) == 1

    def test_are_none_on_a_sparse_irregular_graph(self):
        made = networkx.gnp_random_graph(60, 0.15, seed=0)
        one, other = np.array(made.edges).T
        graph = jm.make_graph(np.ones((60, 2)), np.r_[one, other], np.r_[other, one])
        found = metamer("gcn", graph, "logits")
        assert found[2:] == (0, 0, 0)
        assert not flips_between(graph, found.graph, directed=False).added.size

    def test_are_all_that_keep_degrees_where_no_message_is_sent(self, regular):
        assert {*hidden_colors(regular, 0, with_degree=True).tolist()} == {0}


class TestASeed:
    def test_has_a_metamer_of_its_own(self, regular):
        one, again, other = (metamer("gin", regular, "conv1", seed=seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(one.graph.senders, again.graph.senders)
        assert one[2:] == again[2:]
        assert not np.array_equal(one.graph.senders, other.graph.senders)
        np.testing.assert_array_equal(one.graph.nodes, regular.nodes)

    @pytest.mark.parametrize("swaps", [1, 2, 3, None])
    def test_does_not_end_on_the_reference(self, swaps):
        # Two edges between colors of their own: one swap there, and the same one back.
        graph = jm.make_graph(np.eye(2)[[0, 0, 1, 1]], [0, 2, 1, 3], [2, 0, 3, 1])
        made = metamer("gcn", graph, "conv1", ColorSwaps(swaps=swaps))
        assert made.available == 1
        assert made.accepted % 2 == 1
        assert made.graph.senders[made.graph.receivers == 0].tolist() == [3]

    def test_makes_as_many_swaps_as_asked_for(self, regular):
        assert metamer("gin", regular, "conv1", ColorSwaps(swaps=7)).accepted == 7
        early = metamer("gin", regular, "logits", ColorSwaps(swaps=900, max_proposals=20))
        assert early.accepted < 20 == early.proposed


class TestTheDegree:
    def test_is_left_out_for_the_layers_known_not_to_use_it(self):
        found = {name: ColorSwaps().takes_degree(model) for name, model in MODELS.items()}
        assert found == {
            "gcn": True, "gin": False, "sage": False, "sage max": False, "gat": False
        }  # fmt: skip

    def test_is_taken_in_for_a_model_that_is_not_known(self):
        class OfItsOwn(jm.GIN):
            """May do anything before its layers."""

            def activations(self, params, graph, **options):
                return super().activations(params, graph, **options)

        assert ColorSwaps().takes_degree(OfItsOwn())
        assert not ColorSwaps(degree=False).takes_degree(OfItsOwn())
        assert ColorSwaps(degree=True).takes_degree(jm.GIN())


class TestSettings:
    def test_are_frozen_and_equal_by_value(self):
        assert hash(ColorSwaps(swaps=3)) == hash(ColorSwaps(swaps=3))
        with pytest.raises(dataclasses.FrozenInstanceError):
            ColorSwaps().swaps = 3

    @pytest.mark.parametrize("option", ["swaps", "max_proposals"])
    def test_allow_one_or_more(self, option):
        with pytest.raises(InputError, match=f"`{option}` is 0; allowed: a whole number from 1 up"):
            ColorSwaps(**{option: 0})

    def test_refuse_a_target_that_is_not_the_references_own(self, regular):
        problem = jm.Problem(trained("gcn"), regular, "logits", target=np.ones((60, 2)))
        with pytest.raises(InputError, match="leave `target` out"):
            ColorSwaps().prepare(problem)

    def test_take_directions_from_what_varies(self, regular):
        problems = [
            jm.Problem(trained("gin"), regular, "conv1", vary=jm.BinaryEdges(directed=asked))
            for asked in (None, False, True)
        ]
        found = [ColorSwaps().prepare(problem) for problem in problems]
        assert [space.directed for space in found] == [False, False, True]
        assert [space.pairs.senders.size for space in found] == [90, 90, 180]
