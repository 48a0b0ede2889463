"""Success and recognition as a sweep stores them, recomputed from the stored metamers alone."""

import json

import jax
import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import cohen_kappa_score

import jmetamer as jm
from jmetamer.config import cells, find_config, packaged_configs, read_config
from jmetamer.graphs.block_model import class_posterior
from jmetamer.report.harm_summary import read_harm
from jmetamer.results import RunStore, open_run, stored_judges, unlike_own_judges
from jmetamer.sweep.pipeline import prepare, run_cell

SETTINGS = [
    "dataset=karate",
    "model={gcn: {hidden: 6, activation: relu}}",
    "training.epochs=10",
    "metamers={vary: continuous_features, layer: conv1, count: 3, tolerance: 1e-4}",
    "geometry=null",
    "success={null_test: {pairs: 99}, worst_node: 0.5, agreement: 0.9}",
    "recognition={judges: [gin, gcn], seeds: 2, first_seed: 50, hidden: 4, epochs: 10, "
    "controls: 2}",
]


def cell_of(*more):
    path = find_config("quickstart", packaged_configs())
    return cells(read_config(path, [*SETTINGS, *more]))[0]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Return an opened run of one cell, and the models that took part: maker, then judges."""
    folder = tmp_path_factory.mktemp("run")
    cell = cell_of()
    record, reference = run_cell(cell, models=folder / "models")
    store = RunStore(folder)
    store.write_reference(reference)
    store.register([cell.id])
    store.write(cell.id, record)
    found = [jm.load_model(path.parent) for path in sorted((folder / "models").rglob("model.json"))]
    run = open_run(folder)
    return run, cell.id, {(type(one.model).__name__.lower(), one.seed): one for one in found}


def predicted(model, graph):
    return np.asarray(model.predict(jax.tree.map(np.asarray, graph)))


def read_nodes():
    return np.flatnonzero(~np.asarray(jm.load_dataset("karate").train_mask))


def maker_of(models):
    return models["gcn", 0]


class TestRecognition:
    def test_kappa_is_cohens_of_the_stored_graphs(self, stored):
        run, cell, models = stored
        data, nodes = run.dataset(cell), read_nodes()
        assert data["judge"].values.tolist() == ["gin/50", "gin/51", "gcn/50", "gcn/51"]
        for place, name in enumerate(data["judge"].values):
            architecture, seed = str(name).split("/")
            judge = models[architecture, int(seed)]
            before = predicted(judge, run.reference(cell))[nodes]
            for row, graph in enumerate(run.metamers(cell)):
                after = predicted(judge, graph)[nodes]
                kappa = float(data["recognition_kappa"][row, place])
                if data["recognition_undefined"].values[row, place]:
                    assert len({*before, *after}) == 1
                    assert kappa == 0
                else:
                    assert kappa == pytest.approx(cohen_kappa_score(before, after))
                agreement = float(data["recognition_agreement"][row, place])
                assert agreement == pytest.approx(np.mean(before == after))

    def test_accuracy_is_that_of_held_out_nodes(self, stored):
        run, cell, models = stored
        data, nodes = run.dataset(cell), read_nodes()
        labels = run.reference_data(cell).labels[nodes]
        assert run.scalars(cell)["num_nodes_read"] == len(nodes)
        for row, graph in enumerate(run.metamers(cell)):
            own = predicted(maker_of(models), graph)[nodes]
            assert float(data["own_accuracy"][row]) == pytest.approx(np.mean(own == labels))
        judge = models["gin", 51]
        right = np.mean(predicted(judge, run.reference(cell))[nodes] == labels)
        assert float(data["judge_reference_accuracy"][1]) == pytest.approx(right)
        assert float(data["judge_test_accuracy"][1]) == pytest.approx(judge.scores["test"])

    def test_the_settings_of_judges_are_stored_in_the_words_of_a_cell(self, stored):
        run, cell, models = stored
        judges = stored_judges(run.dataset(cell))
        given = run.settings(cell)
        for judge in judges:
            trained, settings = models[judge.architecture, judge.seed], json.loads(judge.settings)
            network, training = settings["model"][judge.architecture], settings["training"]
            for own, fields, known in (
                (trained.model, network, given["model"]["gcn"]),
                (trained.settings, training, given["training"]),
            ):
                shared = set(known) & set(fields)
                assert len(shared) >= 6
                assert all(fields[key] == getattr(own, key) for key in shared)
        # The maker is a GCN of another width, trained as the judges were.
        assert unlike_own_judges(given, judges).endswith("than the seed: hidden 4, not 6")

    def test_controls_are_no_metamers_but_identity_and_null_space_match(self, stored):
        run, cell, _ = stored
        data = run.dataset(cell)
        names = ["identity", "start", "displacement", "neighbor", "null_space"]
        assert data["control"].values.tolist() == names
        assert data["control_kappa"].shape == (5, 2, 4)
        loss = dict(zip(names, data["control_loss"].values, strict=True))
        np.testing.assert_allclose(loss["start"], data["loss_initial"][:2], rtol=1e-4)
        assert (loss["identity"] < 1e-12).all()
        assert (loss["null_space"] < 1e-10).all()
        assert all((loss[name] > 1e-2).all() for name in ("start", "displacement", "neighbor"))
        own = dict(zip(names, data["control_own_kappa"].values, strict=True))
        assert (own["identity"] == 1).all()
        assert (own["null_space"] == 1).all()

    def test_nobody_reads_noise_and_the_maker_reads_the_reference(self):
        more = [
            "dataset={csbm: {num_nodes: 200, num_features: 32, signal: 2.0}}",
            "training.epochs=30",
            "metamers.tolerance=1e-2",
            "success.null_test=null",
            "recognition={judges: [gin, gcn], seeds: 2, first_seed: 50, hidden: 8, epochs: 30, "
            "controls: 3}",
        ]
        record, _ = run_cell(cell_of(*more))
        found = {name: variable.values for name, variable in record.variables.items()}
        row = {name: place for place, name in enumerate(found["control"].tolist())}
        assert (found["judge_reference_accuracy"] > 0.7).all(), "judges that can read"
        noise = found["control_kappa"][row["start"]]
        assert noise.shape == (3, 4)
        assert abs(noise.mean()) <= 0.1
        assert (found["control_kappa"][row["identity"]] == 1).all()
        assert (found["control_own_kappa"][row["identity"]] == 1).all()

    def test_needs_a_judge_with_a_seed_of_its_own(self):
        with pytest.raises(jm.ConfigError, match="first_seed"):
            cell_of("recognition.first_seed=0")

    def test_refuses_a_judge_that_does_not_exist(self):
        with pytest.raises(jm.ConfigError, match="graphsage"):
            cell_of("recognition.judges=[sage]")

    def test_without_judges_nothing_is_trained_or_stored(self, tmp_path):
        cell = cell_of("recognition=null", "metamers.count=1")
        assert cell.recognition is None
        record, _ = run_cell(cell, models=tmp_path)
        assert "judge" not in record.variables
        assert "success" in record.variables
        assert len(list(tmp_path.rglob("model.json"))) == 1


class TestSuccess:
    def test_statistics_are_scipys(self, stored):
        run, cell, models = stored
        data = run.dataset(cell)
        assert data["statistic"].values.tolist() == ["spearman", "pearson", "snr_db"]
        target = np.asarray(maker_of(models).activations(run.reference(cell))["conv1"]).ravel()
        for row, graph in enumerate(run.metamers(cell)):
            found = np.asarray(maker_of(models).activations(graph)["conv1"]).ravel()
            error = np.sum((found - target) ** 2) / np.sum(target**2)
            expected = [
                spearmanr(target, found).statistic,
                pearsonr(target, found).statistic,
                -10 * np.log10(error),
            ]
            np.testing.assert_allclose(data["match_statistic"][row], expected, atol=2e-3)

    def test_every_metamer_beats_all_pairs_and_random_graphs_do_not(self, stored):
        run, cell, _ = stored
        data = run.dataset(cell)
        np.testing.assert_allclose(data["null_p_value"], 0.01)  # 1 / (1 + 99 pairs)
        assert (data["match_statistic"].values > data["null_max"].values).all()

    def test_bits_are_those_of_their_definition(self, stored):
        run, cell, _ = stored
        data = run.dataset(cell)
        bits = {
            "matches": data["loss_hardened"] <= 1e-4,
            "matches_everywhere": data["worst_node_error"] <= 0.5,
            "beats_null": data["null_p_value"] <= 0.05,
            "same_classes": data["class_agreement"] >= 0.9,
            "distinct": data["feature_distance"] >= 0.1,
        }
        for name, expected in bits.items():
            np.testing.assert_array_equal(data[f"success_{name}"], expected)
        np.testing.assert_array_equal(data["success"], np.all([*bits.values()], axis=0))
        before = run.reference(cell).nodes
        for row, graph in enumerate(run.metamers(cell)):
            norms = [np.linalg.norm(x) for x in (graph.nodes - before, graph.nodes, before)]
            distance = norms[0] / (norms[1] + norms[2])
            assert float(data["feature_distance"][row]) == pytest.approx(distance, rel=1e-5)

    def test_the_worst_node_may_be_off_ten_times_as_much_by_default(self):
        assert cell_of("success={worst_node: null}").success.worst_node == pytest.approx(0.1)

    def test_the_null_test_can_be_left_out(self):
        record, _ = run_cell(cell_of("success.null_test=null", "recognition=null"))
        assert "success_beats_null" not in record.variables
        assert "null_pairs" not in record.scalars


class TestHarm:
    def test_outcomes_of_metamers_are_those_of_the_stored_graphs(self, tmp_path):
        options = "{num_nodes: 40, num_features: 16}"
        cell = cell_of(f"dataset={{csbm: {options}}}", "recognition=null")
        record, reference = run_cell(cell, models=tmp_path)
        store = RunStore(tmp_path)
        store.write_reference(reference)
        store.write(cell.id, record)
        run = open_run(tmp_path)
        data, found = jm.load_dataset("csbm", num_nodes=40, num_features=16), run.dataset(cell.id)
        trained = jm.load_model(next(tmp_path.rglob("model.json")).parent)

        def is_right(graph):
            bayes = class_posterior(data.block_model, graph, data.labels).argmax(-1)
            return predicted(trained, graph) == bayes

        before, table = is_right(data.graph), found["harm_outcome"].attrs["table"]
        names = {(1, 1): "kept right", (1, 0): "harmful", (0, 1): "repaired", (0, 0): "still wrong"}
        for row, graph in enumerate(run.metamers(cell.id)):
            stored_names = [table[str(code)] for code in found["harm_outcome"].values[row].tolist()]
            assert stored_names == [
                names[pair]
                for pair in zip(before.astype(int), is_right(graph).astype(int), strict=True)
            ]
        assert found["harm_control"].values.tolist() == ["start", "displacement"]
        assert found["control_harm_outcome"].dims == ("metamer", "harm_control", "harm_node")
        assert found["control_harm_outcome"].shape == (3, 2, 40)
        summary = read_harm(found)
        assert summary.harm["metamers"].outcome.shape == (int(found["success"].sum()), 40)

    @pytest.mark.parametrize("vary", ["edge_weights", "{binary_edges: {directed: true}}"])
    def test_is_not_known_of_edges_that_the_model_has_not(self, vary):
        cell = cell_of(
            "dataset={csbm: {num_nodes: 20}}",
            f"metamers.vary={vary}",
            "recognition=null",
            "training.epochs=0",
        )
        assert prepare(cell).blocks.examination.harm is None

    def test_is_not_stored_where_nobody_knows_the_most_probable_class(self, stored):
        run, cell, _ = stored
        assert "harm_outcome" not in run.dataset(cell)
        assert "harm_control" not in run.dataset(cell)
