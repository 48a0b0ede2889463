"""What is stored of a geometry is what was computed, with labelled axes."""

import numpy as np
import pytest

import jmetamer as jm
from jmetamer.geometry.channel import channel_information
from jmetamer.geometry.of_problem.survey import survey
from jmetamer.results import Record, RunStore, hash_settings, make_reference, open_run
from jmetamer.sweep.variables import survey_variables

LABELS = np.arange(16) % 3
NODES = [2, 9, 4]


@pytest.fixture(scope="module")
def found(graph, make_trained):
    trained = make_trained(jm.GCN(hidden=4, num_outputs=3), graph)
    problem = jm.Problem(trained, graph, layer="logits")
    return survey(problem, NODES, ledger=2, labels=LABELS, channel=(2.0, 0.5))


@pytest.fixture(scope="module")
def stored(found, graph, tmp_path_factory):
    """The variables as the store gives them back."""
    reference = make_reference(
        graph.nodes, graph.senders, graph.receivers, graph.edges.weight, LABELS, {}
    )
    record = Record({}, hash_settings({}), survey_variables(found), {}, {}, {}, reference.digest)
    store = RunStore(tmp_path_factory.mktemp("run"))
    store.register(["cell"])
    store.write_reference(reference)
    store.write("cell", record)
    assert open_run(store.folder).verify("cell")
    return open_run(store.folder).dataset("cell")


def test_spectra_have_a_layer_axis_with_names(stored, found):
    assert stored["geometry_layer"].values.tolist() == ["conv1.pre", "conv1", "logits"]
    assert stored["geometry_node"].values.tolist() == NODES
    for name, spectrum in zip(found.layers.layers, found.layers.spectra, strict=True):
        one = stored.sel(geometry_layer=name)
        width = spectrum.singular_values.shape[1]
        np.testing.assert_array_equal(one["singular_values"][:, :width], spectrum.singular_values)
        assert np.isnan(one["singular_values"][:, width:]).all()
        np.testing.assert_array_equal(one["rank"], spectrum.rank)
        np.testing.assert_array_equal(one["dimension"], spectrum.dimension)
        np.testing.assert_array_equal(one["log_volume"], spectrum.log_volume)
        np.testing.assert_array_equal(one["rank_certified"], spectrum.certified)
        information = channel_information(spectrum.singular_values, input_std=2.0, noise_std=0.5)
        np.testing.assert_allclose(one["channel_information"], information)
    assert stored["channel_dimension"].attrs["noise_std"] == 0.5
    at = stored["tolerance_dimension"].sel(geometry_layer="logits", relative_tolerance=1e-3)
    np.testing.assert_array_equal(at, found.layers.tolerance_dimension[:, 2, 1])
    np.testing.assert_array_equal(stored["rank_ceiling"], found.layers.ceiling)


def test_the_matched_layer_keeps_its_old_names(stored):
    last = stored.sel(geometry_layer="logits")
    for old, new in (("rank_post", "rank"), ("dimension_post", "dimension")):
        np.testing.assert_array_equal(stored[old], last[new])
    np.testing.assert_array_equal(stored["num_inputs"], last["layer_num_inputs"])


def test_maps_have_an_axis_of_nodes_and_correlations_one_of_names(stored, found):
    assert stored["map_layer"].values.tolist() == ["logits"]
    (values,), (correlations,) = found.maps.values, found.maps.correlations
    for name in ("rank", "dimension", "nu", "nu_centered", "log_volume"):
        one = stored[f"map_{name}"].sel(map_layer="logits")
        assert one.dims == ("node",)
        np.testing.assert_array_equal(one, values[name])
    rho = stored["map_correlation"].sel(map_layer="logits", map_name="nu", map_statistic="degree")
    assert float(rho) == correlations["nu"].degree.rho
    mean = stored["map_class_mean"].sel(map_layer="logits", map_name="nu", map_class=2)
    assert float(mean) == pytest.approx(values["nu"][LABELS == 2].mean())
    np.testing.assert_array_equal(stored["map_homophily"], found.maps.homophily)


def test_ledgers_have_an_axis_of_steps_that_sums_to_the_dimension(stored, found):
    assert stored["ledger_node"].values.tolist() == NODES[:2]
    assert stored["ledger_step"].values.tolist() == [
        "conv1 weights", "conv1 propagation", "conv1 activation", "logits linear map",
    ]  # fmt: skip
    total = stored["ledger_hidden"].sum("ledger_step")
    np.testing.assert_array_equal(total, stored["ledger_dimension"])
    np.testing.assert_array_equal(total, stored["dimension"].sel(geometry_layer="logits")[:2])
    assert stored["ledger_layer"].values.tolist() == ["conv1.pre", "conv1", "logits"]
    np.testing.assert_allclose(
        stored["ledger_volume_change"].cumsum("ledger_layer"), stored["ledger_log_volume"]
    )
    rank = stored["ledger_num_inputs"] - stored["ledger_rank_loss"].cumsum("ledger_layer")
    np.testing.assert_array_equal(rank, stored["ledger_rank"])


def test_what_was_not_asked_for_is_not_stored(graph, make_trained):
    trained = make_trained(jm.GCN(hidden=4, num_outputs=3), graph)
    bare = survey(jm.Problem(trained, graph, layer="logits"), [0], layers="matched", maps=False)
    names = set(survey_variables(bare))
    assert not [name for name in names if name.startswith(("map_", "ledger_", "channel_"))]
    assert "singular_values_post" in names
