"""One cell from settings to record: what is stored follows from what is stored."""

import threading

import numpy as np
import pytest

from jmetamer._base.errors import StoreError
from jmetamer.config import (
    build_applying_measures,
    build_problem,
    cells,
    find_config,
    packaged_configs,
    read_config,
)
from jmetamer.measures import MEASURES, Facts
from jmetamer.metamers.vary import BinaryFeatures, ContinuousFeatures
from jmetamer.models import train
from jmetamer.results import PartialCell
from jmetamer.results.record import check_record
from jmetamer.sweep.pipeline import estimate, run_cell

COUNT = 6
METHOD = "{optimize: {steps: 25, optimizer: {adam: {learning_rate: 0.1}}}}"


def tiny_cell(*changes):
    """A cell of karate's club with an untrained network: blocks of four seeds on one lane."""
    settings = [
        "dataset=karate",
        "training.epochs=0",
        "model={gcn: {hidden: 4, activation: relu}}",
        "metamers.layer=conv1",
        f"metamers.count={COUNT}",
        "metamers.lanes=1",
        f"metamers.method={METHOD}",
        "metamers.tolerance=0.01",
        "geometry.nodes=2",
        *changes,
    ]
    path = find_config(None, packaged_configs())
    return cells(read_config(path, settings, smoke=False))[0]


CELLS = {
    "continuous": ("metamers.vary=continuous_features",),
    "binary": ("metamers.vary=binary_features",),
    "exact": ("metamers.vary=continuous_features", "metamers.method=replace"),
}


@pytest.fixture(scope="module", params=list(CELLS))
def finished(request):
    cell = tiny_cell(*CELLS[request.param], "store.metamers=3")
    return cell, *run_cell(cell)


def values(record, name):
    return record.variables[name].values


def stored_features(record):
    variable = record.variables["features"]
    if "packed_bits" in variable.attrs:
        width = variable.attrs["packed_bits"]
        return np.unpackbits(variable.values, axis=-1)[..., :width].astype(np.float32)
    return variable.values


def measures_of(cell, names):
    """The named measures with what they need of the dataset and of the network, trained again."""
    data = cell.dataset.load()
    trained = train(cell.model, data, 0, cell.training.of_network())
    weights = trained.params["params"]["conv1"]["kernel"]
    facts = Facts(data.labels, data.train_mask, weights)
    return [MEASURES[name].given(np.asarray(data.graph.nodes), facts) for name in names]


@pytest.mark.parametrize(("num_nodes", "tiny"), [(8, True), (9, False)])
def test_a_cell_takes_edit_distances_of_tiny_graphs_alone(num_nodes, tiny):
    cell = tiny_cell(
        f"dataset={{csbm: {{num_nodes: {num_nodes}, num_features: 4}}}}",
        "metamers.vary=binary_edges",
        "metamers.method=null",
    )
    data = cell.dataset.load()
    trained = train(cell.model, data, 0, cell.training.of_network())
    assert "structure/edit_distance" in cell.measures
    measures = {measure.name: measure for measure in build_applying_measures(cell, trained, data)}
    left_out = set(cell.measures) - set(measures)
    assert left_out == (set() if tiny else {"structure/edit_distance"})
    assert not any(measure.prepare for measure in measures.values())


class TestARecord:
    def test_passes_its_own_check_and_names_its_cell(self, finished):
        cell, record, reference = finished
        check_record(record)
        assert record.settings_hash == cell.hash
        assert record.reference == reference.digest

    def test_has_one_entry_a_seed_in_order(self, finished):
        _, record, _ = finished
        assert values(record, "seed_id").tolist() == list(range(COUNT))
        assert sum(record.status_counts.values()) == COUNT
        assert values(record, "status").shape == (COUNT,)

    def test_matches_at_the_matched_layer_by_the_hardened_loss(self, finished):
        _, record, _ = finished
        place = values(record, "layer").tolist().index("conv1")
        np.testing.assert_allclose(
            values(record, "layer_match")[:, place], values(record, "loss_hardened"), rtol=1e-6
        )

    def test_stores_features_of_the_first_seeds_only(self, finished):
        _, record, _ = finished
        assert values(record, "stored_seed_id").tolist() == [0, 1, 2]
        assert stored_features(record).shape == (3, 34, 34)

    def test_stored_features_give_the_stored_deviations(self, finished):
        cell, record, reference = finished
        original = np.asarray(reference.nodes, np.float32)
        names = values(record, "measure").tolist()
        split = {"features/inside_row_space", "features/outside_row_space"}
        assert "features/probe" in names
        assert isinstance(cell.metamers.vary, ContinuousFeatures) == (split <= set(names))
        measures = measures_of(cell, names)
        chances = [measure.chance(original) for measure in measures]
        np.testing.assert_allclose(values(record, "deviation_chance"), chances, rtol=1e-6)
        for row, features in enumerate(stored_features(record)):
            expected = [float(measure.function(original, features)) for measure in measures]
            np.testing.assert_allclose(
                values(record, "deviation")[row], expected, rtol=1e-4, atol=1e-6
            )

    def test_the_deviation_of_each_start_is_stored(self, finished):
        cell, record, reference = finished
        data = cell.dataset.load()
        trained = train(cell.model, data, 0, cell.training.of_network())
        problem = build_problem(cell, trained, data)
        start_of = cell.metamers.method.for_problem(problem).starts(
            problem, cell.metamers.seed or 0
        )
        measures = measures_of(cell, values(record, "measure").tolist())
        found = record.variables["deviation_start"]
        assert (found.values.shape, found.attrs["reason"]) == ((COUNT, len(measures)), "")
        original = np.asarray(reference.nodes, np.float32)
        for row in (0, COUNT - 1):
            start = np.asarray(start_of(row).nodes)
            expected = [float(measure.function(original, start)) for measure in measures]
            np.testing.assert_allclose(found.values[row], expected, rtol=1e-4, atol=1e-6)

    def test_stored_features_are_legal(self, finished):
        cell, record, _ = finished
        features = stored_features(record)
        if isinstance(cell.metamers.vary, BinaryFeatures):
            assert record.variables["features"].values.dtype == np.uint8
            assert (features.sum(axis=(1, 2)) == 34).all()
        else:
            assert features.dtype == np.float32
            assert np.isfinite(features).all()

    def test_has_a_geometry_that_adds_up(self, finished):
        _, record, _ = finished
        for where in ("pre", "post"):
            rank, inputs = values(record, f"rank_{where}"), values(record, "num_inputs")
            np.testing.assert_array_equal(values(record, f"dimension_{where}"), inputs - rank)
        loss = values(record, "rank_pre") - values(record, "rank_post")
        np.testing.assert_array_equal(values(record, "rank_loss"), loss)


class StopHere(BaseException):
    pass


def test_an_interrupted_cell_ends_with_the_same_arrays(finished, tmp_path):
    cell, whole, _ = finished
    shelf = PartialCell(tmp_path, cell.id)

    def stop_in_the_second_block(report):
        if report.stage == "metamers" and report.done > 4:
            raise StopHere

    with pytest.raises(StopHere):
        run_cell(cell, partial=shelf, progress=stop_in_the_second_block)
    assert [path.name for path in shelf.folder.iterdir()] == ["seeds-0-3.npz"]
    told = []
    resumed, _ = run_cell(cell, partial=shelf, progress=told.append)
    assert min(report.done for report in told if report.stage == "metamers") >= 4
    assert resumed.variables.keys() == whole.variables.keys()
    for name, variable in whole.variables.items():
        np.testing.assert_array_equal(resumed.variables[name].values, variable.values, name)
        assert resumed.variables[name].dims == variable.dims
    assert resumed.status_counts == whole.status_counts
    assert resumed.settings_hash == whole.settings_hash


def test_nothing_stored_is_an_empty_shelf_and_changes_no_number(finished):
    cell, whole, _ = finished
    if isinstance(cell.metamers.vary, BinaryFeatures) or cell.metamers.method.name != "optimize":
        pytest.skip("once is enough")
    empty, _ = run_cell(tiny_cell(*CELLS["continuous"], "store.metamers=0"))
    check_record(empty)
    assert values(empty, "features").shape == (0, 34, 34)
    np.testing.assert_array_equal(values(empty, "deviation"), values(whole, "deviation"))


def test_an_estimate_gives_the_shapes_without_making_anything(finished):
    cell, *_ = finished
    found = estimate(cell)
    assert found[:4] == (34, 34, 156, 1)
    assert found.bytes > 34 * 34 * 4


class TestBlocksAreSavedBesideTheNextOne:
    class Shelf(PartialCell):
        """Waits with the first block until the second one is under way."""

        def __init__(self, folder, error=None):
            super().__init__(folder, "cell")
            self.going, self.error, self.names = threading.Event(), error, []

        def save(self, name, arrays):
            assert self.going.wait(timeout=60) or self.names, "the next block does not start"
            if self.error is not None:
                raise self.error
            self.names.append(name)
            super().save(name, arrays)

    def run(self, shelf):
        def progress(seen):
            if seen.stage == "metamers" and seen.done >= 4 and not np.isnan(seen.loss):
                shelf.going.set()  # told from within the second block

        return run_cell(tiny_cell("geometry=null"), partial=shelf, progress=progress)

    def test_in_order_and_with_the_same_numbers(self, tmp_path):
        shelf = self.Shelf(tmp_path)
        record, _ = self.run(shelf)
        assert shelf.names == ["seeds-0-3", "seeds-4-5"]
        whole, _ = run_cell(tiny_cell("geometry=null"))
        np.testing.assert_array_equal(
            values(record, "loss_hardened"), values(whole, "loss_hardened")
        )
        # A run that is continued takes the blocks from the shelf.
        shelf.names.clear()
        self.run(shelf)
        assert shelf.names == []

    @pytest.mark.parametrize("what", ["cell", "name", "network"])
    def test_and_those_of_another_cell_or_place_are_made_again(self, tmp_path, monkeypatch, what):
        changes = ("geometry=null", "metamers.count=8")
        other = {
            "cell": ("metamers.method.optimize.steps=3",),
            "network": ("training.epochs=1",),
        }.get(what, ())
        maker, cell = tiny_cell(*changes, *other), tiny_cell(*changes)
        if what == "network":  # as if the network had been trained again on another device
            monkeypatch.setattr(type(maker), "hash", cell.hash)
        shelf = PartialCell(tmp_path, "cell")
        run_cell(maker, partial=shelf)
        if what == "name":
            first, second, spare = (
                shelf.folder / f"{n}.npz" for n in ("seeds-0-3", "seeds-4-7", "x")
            )
            for old, new in ((first, spare), (second, first), (spare, second)):
                old.rename(new)
        record, _ = run_cell(cell, partial=shelf)
        whole, _ = run_cell(cell)
        np.testing.assert_array_equal(
            values(record, "loss_hardened"), values(whole, "loss_hardened")
        )

    def test_and_one_that_cannot_be_written_ends_the_cell(self, tmp_path):
        error = StoreError("cannot write to the run folder `x`: No space left on device")
        with pytest.raises(StoreError, match="No space left on device"):
            self.run(self.Shelf(tmp_path, error))
