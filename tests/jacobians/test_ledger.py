"""Ledgers of small networks against the definition, the single nodes and Kronecker products."""

import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.errors import InputError
from jmetamer.geometry.ledger import entry_split
from jmetamer.geometry.of_problem import jacobian_spectrum, joint_spectrum
from jmetamer.geometry.of_problem.ledger import ledger_size, rank_ledger_of

NODES = [0, 5]
MODELS = {
    "gcn": jm.GCN(hidden=4, num_outputs=3),
    "gcn-elu-residual": jm.GCN(hidden=4, activation="elu", residual=True, num_outputs=3),
    "gat": jm.GAT(hidden=4, heads=2, num_outputs=3),
    "sage": jm.GraphSAGE(hidden=4, activation="tanh", num_outputs=3),
    "gin-residual": jm.GIN(hidden=4, residual=True, num_outputs=3),
}


@pytest.fixture(scope="module", params=list(MODELS))
def deep(request, graph, make_trained):
    return jm.Problem(make_trained(MODELS[request.param], graph), graph, layer="logits")


@pytest.fixture(scope="module")
def ledger(deep):
    return rank_ledger_of(deep, NODES)


def propagation(graph):
    """S = D^-1/2 (A + I) D^-1/2 of a small graph."""
    a = np.eye(len(graph.nodes))
    np.add.at(a, (graph.receivers, graph.senders), np.asarray(graph.edges.weight))
    scale = 1 / np.sqrt(a.sum(axis=1))
    return scale[:, None] * a * scale


class TestALedgerOfNodes:
    def test_sums_to_the_dimension_at_the_node(self, deep, ledger):
        total = ledger.ranks.linear.sum(axis=0) + ledger.ranks.activation.sum(axis=0)
        expected = jacobian_spectrum(deep, NODES)
        np.testing.assert_array_equal(total, expected.dimension)
        np.testing.assert_array_equal(ledger.ranks.dimension, expected.dimension)
        np.testing.assert_allclose(ledger.spectra[-1].log_volume, expected.log_volume, atol=1e-9)

    @pytest.mark.parametrize("inputs", ["node", "all"])
    def test_takes_other_inputs_too(self, problem, inputs):
        found = rank_ledger_of(problem, NODES, inputs).ranks
        total = found.linear.sum(axis=0) + found.activation.sum(axis=0)
        expected = jacobian_spectrum(problem, NODES, inputs)
        np.testing.assert_array_equal(total, expected.dimension)

    def test_has_no_negative_entry_and_no_rank_above_its_ceiling(self, ledger):
        assert min(ledger.ranks.linear.min(), ledger.ranks.activation.min()) >= 0
        assert min(part.min() for part in ledger.entry) >= 0
        ranks = np.array([spectrum.rank for spectrum in ledger.spectra])
        assert (ranks <= ledger.ceiling).all()
        assert (np.diff(ledger.ceiling, axis=0) <= 0).all()

    def test_telescopes_the_log_volume(self, ledger):
        found = ledger.volumes
        total = found.linear.sum(axis=0) + found.activation.sum(axis=0)
        np.testing.assert_allclose(total, found.log_volume, atol=1e-9)

    def test_looks_at_each_layer_where_the_target_depends_on_it(self, problem):
        seen = jm.ego_graph(problem.graph, 3, 1)[1].tolist()
        deep = jm.Problem(problem.trained, problem.graph, layer="logits")
        found = rank_ledger_of(deep, [3])
        values = found.spectra[1].singular_values[0]
        expected = joint_spectrum(problem, seen).singular_values[0]
        np.testing.assert_allclose(values, expected, atol=1e-12 * expected[0])

    def test_does_not_depend_on_who_shares_its_program(self, problem):
        deep = jm.Problem(problem.trained, problem.graph, layer="logits")
        together, alone = rank_ledger_of(deep, [3, 0, 7]), rank_ledger_of(deep, 0)
        for both, one in zip(together.spectra, alone.spectra, strict=True):
            values = one.singular_values[0]
            shared = both.singular_values[1][: len(values)]
            np.testing.assert_allclose(shared, values, atol=1e-12 * values[0])

    def test_gives_the_tolerance_dimensions_between_rank_and_inputs(self, ledger):
        found = ledger
        for spectrum, dimension in zip(found.spectra, found.tolerance_dimension, strict=True):
            assert dimension.shape == (2, 3)
            assert (np.diff(dimension, axis=1) <= 0).all()
            assert (dimension >= spectrum.dimension[:, None]).all()


class TestALedgerOfTheWholeGraph:
    def test_splits_the_entry_by_the_ranks_of_weights_and_propagation(self, problem):
        found = rank_ledger_of(problem)
        kernel = np.asarray(problem.trained.params["params"]["conv1"]["kernel"], float)
        ranks = (np.linalg.matrix_rank(m) for m in (propagation(problem.graph), kernel))
        names = ("rank_propagation", "rank_weight")
        split = entry_split(
            found.ranks, num_nodes=16, num_features=10, **dict(zip(names, ranks, strict=True))
        )
        assert found.nodes is None
        np.testing.assert_array_equal(found.entry, split)

    def test_has_the_spectra_of_all_nodes_together(self, problem):
        found = rank_ledger_of(problem)
        for place, before in enumerate((True, False)):
            expected = joint_spectrum(problem, "all", before=before)
            np.testing.assert_array_equal(found.spectra[place].rank, expected.rank)
            np.testing.assert_allclose(
                found.spectra[place].singular_values, expected.singular_values, atol=1e-12
            )

    def test_counts_twins_as_hidden_by_the_propagation(self, make_trained):
        pair = jm.make_graph(np.arange(6.0).reshape(3, 2), [0, 1, 0, 2, 1, 2], [1, 0, 2, 0, 2, 1])
        model = jm.GCN(hidden=2, activation="elu", num_outputs=3)
        found = rank_ledger_of(jm.Problem(make_trained(model, pair), pair, layer="conv1"))
        assert found.entry.aggregation.tolist() == [4]  # rank 1 of 3, two units
        assert found.ranks.dimension.tolist() == [4]


def test_the_size_is_that_of_the_widest_step(problem):
    deep = jm.Problem(problem.trained, problem.graph, layer="logits")
    assert ledger_size(deep, 3) == 4 * len(jm.ego_graph(problem.graph, 3, 1)[1])


class TestALedgerIsRefused:
    def test_for_several_layers(self, problem):
        both = jm.Problem(problem.trained, problem.graph, layer=["conv1", "logits"])
        with pytest.raises(InputError, match="matches 2 layers, conv1, logits; a ledger follows"):
            rank_ledger_of(both, 0)

    def test_for_a_target_that_is_too_large(self, problem):
        with pytest.raises(InputError, match=r"whole graph looks at 64 units .* = 63, .* Take"):
            rank_ledger_of(problem, largest=63)

    def test_for_all_nodes_by_their_own_features(self, problem):
        with pytest.raises(InputError, match="`inputs` is 'node', but `nodes` is None"):
            rank_ledger_of(problem, inputs="node")

    def test_for_unknown_inputs_and_nodes(self, problem):
        with pytest.raises(InputError, match="`inputs` is 'balls'"):
            rank_ledger_of(problem, 0, "balls")
        with pytest.raises(InputError, match="16"):
            rank_ledger_of(problem, [16])
