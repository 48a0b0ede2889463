"""`generate` by color-preserving swaps: exact metamers, their number, none without a swap."""

import functools
import logging
import types

import jax
import networkx
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.graphs.double_edge_swaps import count_swaps
from jmetamer.graphs.pairs import flips_between, pairs_of_graph
from jmetamer.metamers.methods.exact.color_swaps import hidden_colors
from jmetamer.oracles.known_answers import random_regular

SMALL = {"hidden": 4, "layers": 3, "num_outputs": 2}
MODELS = {
    "gcn": jm.GCN(**SMALL),
    "gin": jm.GIN(**SMALL),
    "sage": jm.GraphSAGE(**SMALL),
    "gat": jm.GAT(heads=2, **SMALL),
}
# Of float32 activations; in float64 they agree to 1e-12, see test_color_swaps.py.
EXACT = 1e-6


@functools.cache
def regular():
    return random_regular(60, 3, num_labels=2, seed=3)


@functools.cache
def directed():
    made = networkx.gnm_random_graph(50, 140, seed=2, directed=True)
    one, other = np.array(made.edges).T
    labels = np.random.default_rng(3).integers(2, size=50)
    return jm.make_graph(np.eye(2)[labels], np.r_[one, 3], np.r_[other, 3])


@functools.cache
def unlike():
    """Every node has a feature of its own, so that no two have one color."""
    graph = regular()
    return graph._replace(nodes=np.eye(60, dtype=np.float32))


def problem(name, graph, layer="conv1", vary=None, **options):
    """A network with drawn parameters, without a layer that is silent by accident."""
    params = MODELS[name].init(jax.random.key(0), graph)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda p: np.asarray(p) + 0.3 * abs(rng.normal(size=p.shape)), params)
    trained = types.SimpleNamespace(model=MODELS[name], params=params)
    return jm.Problem(trained, graph, layer, vary=vary or jm.BinaryEdges(), **options)


def message(call):
    with pytest.raises(jm.InputError) as raised:
        call()
    return str(raised.value)


def edges_of(graph):
    return sorted(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
@pytest.mark.parametrize("name", MODELS)
def test_seeds_find_metamers_of_one_and_of_two_rounds(name, layer):
    asked = problem(name, regular(), layer)
    made = jm.generate(asked, count=3, method="color_swaps")
    assert (made.loss_hardened <= EXACT).all()
    assert made.status.tolist() == [jm.Status.CONVERGED] * 3
    graphs = [jax.tree.map(np.asarray, jm.metamer_graph(asked, made, i)) for i in range(3)]
    for graph in graphs:
        flips = flips_between(regular(), graph, directed=False)
        assert flips.added.size >= 4
        assert 2 * flips.added.sum() == flips.added.size
        np.testing.assert_array_equal(np.bincount(graph.receivers), np.full(60, 3))
        np.testing.assert_array_equal(graph.nodes, regular().nodes)
    assert len({tuple(edges_of(graph)) for graph in graphs}) == 3
    # The layer that one round more leads to is another: it is not that nothing changed.
    further = {"conv1": "conv2", "conv2": "logits"}[layer]
    place = asked.trained.model.layer_names.index(further)
    assert (made.layer_match[:, place] > EXACT).all()


def test_numbers_of_swaps_are_told():
    made = jm.generate(problem("gin", regular()), count=2, method="color_swaps")
    pairs = pairs_of_graph(regular(), directed=False)
    colors = hidden_colors(regular(), 1, with_degree=False)
    expected = count_swaps(pairs, colors, directed=False)
    assert made.details["num_available"].tolist() == [expected] * 2
    assert (made.details["num_moves"] >= 10 * 90).all()
    assert (made.details["num_proposed"] >= made.details["num_moves"]).all()
    assert made.method == jm.ColorSwaps()
    assert made.trace_step.tolist() == [0, 1]
    few = jm.generate(problem("gin", regular()), count=2, method=jm.ColorSwaps(swaps=2))
    assert (few.details["num_moves"] < 5).all()
    assert few.method == jm.ColorSwaps(swaps=2)


def test_a_seed_is_its_own_whoever_is_beside_it():
    asked = problem("gcn", regular())
    made = jm.generate(asked, seeds=[4, 9], method="color_swaps", seed=5)
    alone = jm.generate(asked, seeds=[9], method="color_swaps", seed=5)
    np.testing.assert_array_equal(alone.theta.senders[0], made.theta.senders[1])
    np.testing.assert_array_equal(alone.theta.receivers[0], made.theta.receivers[1])
    other = jm.generate(asked, seeds=[9], method="color_swaps", seed=6)
    assert not np.array_equal(other.theta.receivers, alone.theta.receivers)
    told = {}
    jm.generate(
        asked, seeds=[9], method="color_swaps", seed=5, keep_theta=False,
        on_metamer=told.__setitem__,
    )  # fmt: skip
    assert edges_of(told[9]) == edges_of(jm.metamer_graph(asked, alone, 0))


@pytest.mark.parametrize("name", MODELS)
def test_edges_with_directions_keep_both_degrees_and_loops(name):
    asked = problem(name, directed())
    made = jm.generate(asked, count=2, method="color_swaps")
    assert (made.loss_hardened <= EXACT).all()
    assert (made.details["num_available"] > 0).all()
    for i in range(2):
        graph = jm.metamer_graph(asked, made, i)
        for side in ("senders", "receivers"):
            np.testing.assert_array_equal(
                np.bincount(getattr(graph, side)), np.bincount(getattr(directed(), side))
            )
        assert edges_of(graph) != edges_of(directed())
        assert (3, 3) in edges_of(graph)


class TestWithoutASwap:
    @pytest.mark.parametrize("name", MODELS)
    def test_none_exists_and_none_is_found(self, name, caplog):
        asked = problem(name, unlike())
        with caplog.at_level(logging.WARNING):
            made = jm.generate(asked, count=2, method="color_swaps")
        assert {name: rows.tolist() for name, rows in made.details.items()} == {
            "num_available": [0, 0], "num_moves": [0, 0], "num_proposed": [0, 0],
        }  # fmt: skip
        # The loss of the reference is as small as can be, and still this is no success.
        assert (made.loss_hardened <= EXACT).all()
        assert made.status.tolist() == [jm.Status.UNCHANGED] * 2
        assert edges_of(jm.metamer_graph(asked, made, 0)) == edges_of(unlike())
        assert "no metamer exists by this construction" in caplog.text
        assert "UNCHANGED" in caplog.text

    def test_met_in_the_proposals_allowed_the_reference_stays_too(self):
        asked = problem("gin", regular(), "logits")
        made = jm.generate(asked, count=20, method=jm.ColorSwaps(max_proposals=1))
        unchanged = made.details["num_moves"] == 0
        assert 0 < unchanged.sum() < 20
        np.testing.assert_array_equal(unchanged, made.status == jm.Status.UNCHANGED)
        assert (made.details["num_available"] > 0).all()


class TestRefused:
    @pytest.mark.parametrize(
        "options",
        [{"budget": 3}, {"start": "rewired"}, {"start": "reference", "distance": 0.1}],
        ids=lambda options: "-".join(options),
    )
    def test_is_a_setting_that_would_be_ignored(self, options):
        asked = problem("gcn", regular(), vary=jm.BinaryEdges(**options))
        text = message(lambda: jm.generate(asked, count=1, method="color_swaps"))
        for name, value in options.items():
            assert f"`{name}`={value!r}" in text
        assert "keeps only `directed` of `BinaryEdges`" in text

    @pytest.mark.parametrize("vary", [
        jm.ContinuousFeatures(), (jm.ContinuousFeatures(), jm.BinaryEdges()),
        (jm.ContinuousFeatures(), jm.RandomEdges()), jm.EdgeWeights(),
    ])  # fmt: skip
    def test_is_what_varies_beside_or_instead_of_edges(self, vary):
        asked = problem("gcn", regular(), vary=vary)
        for method in ("color_swaps", jm.ColorSwaps(swaps=3)):
            text = message(lambda: jm.generate(asked, count=1, method=method))  # noqa: B023
            assert "use `BinaryEdges()`, or leave `method` out" in text

    def test_is_a_target_of_its_own(self):
        asked = problem("gcn", regular(), "logits", target=np.ones((60, 2)))
        text = message(lambda: jm.generate(asked, count=1, method="color_swaps"))
        assert "swaps keep the reference's own activations" in text


def test_the_construction_is_not_exact_where_the_color_leaves_out_what_counts():
    """And the judge says so: GCN divides by degrees, which `degree=False` leaves out."""
    made = networkx.gnm_random_graph(40, 80, seed=5)
    one, other = np.array(made.edges).T
    graph = jm.make_graph(np.ones((40, 1)), np.r_[one, other], np.r_[other, one])
    asked = problem("gcn", graph)
    found = jm.generate(asked, count=2, method=jm.ColorSwaps(degree=False), tolerance=1e-4)
    assert (found.loss_hardened > 1e-4).all()
    assert found.status.tolist() == [jm.Status.STALLED] * 2
    assert (jm.generate(asked, count=2, method="color_swaps").loss_hardened <= EXACT).all()


def test_progress_counts_metamers():
    seen = []
    jm.generate(problem("gcn", regular()), count=3, method="color_swaps", progress=seen.append)
    assert [(one.done, one.total) for one in seen] == [(1, 3), (2, 3), (3, 3)]
