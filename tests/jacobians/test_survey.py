"""What a sweep keeps of the geometry is what the single functions give."""

import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.errors import InputError
from jmetamer.geometry import tolerance_dimension
from jmetamer.geometry.of_problem import (
    local_geometry,
    map_correlations,
    node_maps,
    structural_bound,
)
from jmetamer.geometry.of_problem import survey as module
from jmetamer.geometry.of_problem.survey import layer_geometry, map_entries, map_survey, survey

NODES = [2, 9, 4]
LABELS = np.arange(16) % 3


def spectra_agree(found, expected):
    np.testing.assert_array_equal(found.rank, expected.rank)
    np.testing.assert_array_equal(found.dimension, expected.dimension)
    np.testing.assert_allclose(found.log_volume, expected.log_volume, atol=1e-10)
    np.testing.assert_allclose(found.singular_values, expected.singular_values, atol=1e-12)
    np.testing.assert_allclose(found.cutoff, expected.cutoff, rtol=1e-6)


class TestSpectraOfEveryLayer:
    @pytest.mark.parametrize("inputs", ["node", "ball", "all"])
    def test_are_those_of_each_layer_as_the_matched_one(self, problem, inputs):
        found = layer_geometry(problem, NODES, inputs)
        assert found.layers == ("conv1.pre", "conv1", "logits")
        for name, spectrum in zip(found.layers, found.spectra, strict=True):
            one = jm.Problem(problem.trained, problem.graph, layer=name.removesuffix(".pre"))
            expected = local_geometry(one, NODES, inputs)
            spectra_agree(spectrum, expected.before if name.endswith(".pre") else expected.after)

    def test_lie_below_the_ceiling_of_the_structure(self, problem):
        found = layer_geometry(problem, NODES)
        one = jm.Problem(problem.trained, problem.graph, layer="conv1")
        assert found.ceiling[1].tolist()[:2] == [
            structural_bound(one, NODES[1], before=True), structural_bound(one, NODES[1]),
        ]  # fmt: skip
        ranks = np.stack([spectrum.rank for spectrum in found.spectra], axis=1)
        assert (ranks <= found.ceiling).all()

    def test_count_the_directions_above_each_tolerance(self, problem, oracle):
        found = layer_geometry(problem, NODES)
        logits = oracle(problem.trained.params, problem.graph)["logits"]
        for row, node in enumerate(NODES):
            seen = jm.ego_graph(problem.graph, node, 2)[1]
            sizes = np.linalg.norm(problem.graph.nodes[seen]), np.linalg.norm(logits[node])
            values = found.spectra[2].singular_values[row]
            expected = [
                tolerance_dimension(values, 10 * len(seen), *sizes, e) for e in (1e-2, 1e-3, 1e-6)
            ]
            assert found.tolerance_dimension[row, 2].tolist() == expected

    def test_may_be_asked_for_by_name(self, problem):
        assert layer_geometry(problem, [0], layers="matched").layers == ("conv1.pre", "conv1")
        assert layer_geometry(problem, [0], layers=["logits", "conv1.pre"]).layers == (
            "conv1.pre", "logits",
        )  # fmt: skip
        with pytest.raises(InputError, match="unknown layer in `layers` 'conv9'; did you mean"):
            layer_geometry(problem, [0], layers=["conv9"])


class TestMaps:
    def test_are_those_of_node_maps_and_their_correlations(self, problem):
        found, maps = map_survey(problem, LABELS), node_maps(problem)
        assert found.layers == ("conv1.pre", "conv1")
        for values, correlations, side in zip(
            found.values, found.correlations, (maps.before, maps.after), strict=True
        ):
            np.testing.assert_array_equal(values["nu"], side.nu)
            np.testing.assert_array_equal(values["dimension"], side.dimension)
            np.testing.assert_array_equal(values["log_volume"], side.spectrum.log_volume)
            expected = map_correlations(side.nu, problem.graph, LABELS)
            assert correlations["nu"].degree == expected.degree
            np.testing.assert_array_equal(correlations["nu"].class_mean, expected.class_mean)

    def test_do_not_compare_volumes_of_different_dimension(self, problem):
        found = map_survey(problem, LABELS)
        assert [np.ptp(values["rank"]) > 0 for values in found.values] == [False, True]
        assert [side["log_volume"] is None for side in found.correlations] == [False, True]

    def test_need_no_classes(self, problem):
        found = map_survey(problem)
        assert found.homophily is None
        assert found.correlations == ()
        with pytest.raises(InputError, match=r"`labels` has shape \(3,\), but the graph has 16"):
            map_survey(problem, [0, 1, 2])

    @pytest.mark.parametrize(("layer", "outputs"), [("conv1", 4), ("logits", 3)])
    def test_are_never_larger_than_expected(self, problem, layer, outputs):
        one = jm.Problem(problem.trained, problem.graph, layer=layer)
        exact = node_maps(one).ball_size.sum() * 4 * outputs
        assert exact <= map_entries(one) <= 16 * 16 * 4 * outputs

    def test_are_left_out_where_they_would_take_long(self, problem, monkeypatch):
        def made(**options):
            return survey(problem, [0], layers="matched", **options).maps is not None

        assert made()
        assert not made(maps=False)
        monkeypatch.setattr(module, "AFFORDABLE_MAPS", 10)
        assert not made()
        assert made(maps=True)


class TestTheLedgerOfASurvey:
    def nodes(self, problem, **options):
        found = survey(problem, NODES, layers="matched", maps=False, **options).ledger
        return None if found is None else found.nodes.tolist()

    def test_takes_the_first_nodes_that_are_small_enough(self, problem, monkeypatch):
        deep = jm.Problem(problem.trained, problem.graph, layer="logits")
        assert self.nodes(deep) is None
        assert self.nodes(deep, ledger=2) == NODES[:2]
        assert self.nodes(deep, ledger=True) == NODES
        sizes = [4 * len(jm.ego_graph(problem.graph, node, 1)[1]) for node in NODES]
        monkeypatch.setattr(module, "AFFORDABLE_LEDGER", min(sizes))
        small = [node for node, size in zip(NODES, sizes, strict=True) if size == min(sizes)]
        assert self.nodes(deep, ledger=True) == small
        monkeypatch.setattr(module, "AFFORDABLE_LEDGER", 3)
        assert self.nodes(deep, ledger=True) is None

    def test_is_that_of_the_last_of_several_layers(self, problem):
        both = jm.Problem(problem.trained, problem.graph, layer=["logits", "conv1"])
        found = survey(both, [0], layers="matched", maps=False, ledger=1)
        assert found.ledger.layers == ("conv1", "logits")
