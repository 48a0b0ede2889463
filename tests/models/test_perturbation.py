"""Perturbed features and shuffled labels: sizes, what they do to the loss, and who may ask."""

import dataclasses
import hashlib
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer._base.errors import InputError, StoreError
from jmetamer.models import (
    GCN,
    PERTURBATIONS,
    AdversarialPerturbation,
    GraphSAGE,
    RandomPerturbation,
    TrainSettings,
    load_model,
    model_folder,
    save_model,
    train,
)
from jmetamer.models.digest import dataset_digest, tree_digest
from jmetamer.models.perturbation import FeatureChange, random_columns
from jmetamer.models.training import _labels_to_fit
from jmetamer.results.manifest import MANIFEST, write_manifest
from jmetamer.results.verification import record_digest

KEY = jax.random.key(5)
QUICK = TrainSettings(epochs=25, learning_rate=0.03, patience=None)


@dataclasses.dataclass(frozen=True)
class Doubled:
    """A perturbation that no table knows."""

    times: int

    def change_of(self, data):
        return self

    def apply(self, loss, nodes, key):
        return 2 * self.times * nodes


@pytest.fixture
def words(two_blocks):
    """The two communities with 0/1 features, of which the first ten tell them apart."""
    rng = np.random.default_rng(1)
    own = two_blocks.labels[:, None] == (np.arange(40) < 5)
    share = np.where(np.arange(40) < 10, np.where(own, 0.5, 0.1), 0.15)
    nodes = (rng.uniform(size=(60, 40)) < share).astype(np.float32)
    graph = two_blocks.graph._replace(nodes=nodes)
    return dataclasses.replace(two_blocks, graph=graph, feature_kind="binary")


def training_loss(trained, data):
    labels = jnp.asarray(data.labels)

    def loss(nodes):
        graph = data.graph._replace(nodes=nodes)
        logits = trained.model.activations(trained.params, graph)["logits"]
        chosen = jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels]
        return -chosen[data.train_mask].mean()

    return loss


def losses_of(change, loss, nodes, draws):
    """Losses after many changes, drawn with different keys."""
    keys = jax.random.split(KEY, draws)
    return jax.lax.map(lambda key: loss(change.apply(loss, nodes, key)), keys)


def lengths(change):
    return np.linalg.norm(change, axis=1)


def assert_worse_than_random(data, **size):
    nodes = jnp.asarray(data.graph.nodes)
    loss = training_loss(train(GCN(hidden=8), data, settings=QUICK), data)
    worst = loss(FeatureChange(5, **size).apply(loss, nodes, KEY))
    others = losses_of(FeatureChange(0, **size), loss, nodes, 100)
    assert worst > others.max() > loss(nodes)


class TestContinuousFeatures:
    def test_stay_on_the_sphere_of_the_size_that_was_asked_for(self, two_blocks):
        nodes = jnp.asarray(two_blocks.graph.nodes)
        loss = training_loss(train(GCN(hidden=8), two_blocks, settings=QUICK), two_blocks)
        radius = 0.3 * np.sqrt(np.mean(np.sum(np.square(nodes), axis=1)))
        for kind in PERTURBATIONS.values():
            change = kind(size=0.3).change_of(two_blocks)
            moved = np.asarray(change.apply(loss, nodes, KEY) - nodes)
            # Also of nodes that no training node can see.
            np.testing.assert_allclose(lengths(moved), radius, rtol=1e-5)

    def test_raise_the_loss_more_than_any_of_many_random_changes_of_the_same_size(self, two_blocks):
        assert_worse_than_random(two_blocks, radius=0.5)

    def test_of_a_linear_loss_are_the_closed_form(self):
        rng = np.random.default_rng(0)
        nodes, slope = (jnp.asarray(rng.normal(size=(6, 4)), jnp.float32) for _ in range(2))
        # Cauchy and Schwarz: <slope, d> over |d| <= r is largest at r slope / |slope|.
        expected = nodes + 0.7 * slope / jnp.linalg.norm(slope, axis=1, keepdims=True)
        for steps in (1, 2, 5, 20):
            change = FeatureChange(steps, radius=0.7)
            found = change.apply(lambda x: 1e-12 * (slope * x).sum(), nodes, KEY)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    def test_never_ask_for_the_loss_outside_the_ball(self):
        def loss(x):  # a trap: outside, it rises in another direction
            outside = jnp.linalg.norm(x, axis=1) > 1 + 1e-5
            return jnp.where(outside, x[:, 1], x[:, 0]).sum()

        start = jnp.full((3, 2), 1e-9)
        found = FeatureChange(10, radius=1.0).apply(loss, start, KEY)
        np.testing.assert_allclose(found, [[1, 0]] * 3, atol=1e-4)

    def test_get_worse_with_more_steps_up_to_the_worst_of_a_curved_loss(self):
        # Of |A x|^2 over the sphere of radius r the largest is r^2 times the largest eigenvalue of
        # A' A; the gradient at a start near 0 does not point there yet.
        rng = np.random.default_rng(2)
        matrix = jnp.asarray(rng.normal(size=(5, 5)) * [3, 2, 1, 1, 1], jnp.float32)
        start = jnp.asarray(1e-3 * rng.normal(size=(8, 5)), jnp.float32)

        def each(x):
            return ((x @ matrix) ** 2).sum(1)

        found = [
            each(FeatureChange(steps, radius=1.0).apply(lambda x: each(x).sum(), start, KEY))
            for steps in (1, 3, 10, 40)
        ]
        best = np.linalg.eigvalsh(matrix @ matrix.T).max()
        means = np.array([np.mean(values) for values in found])
        assert (np.diff(means) > -1e-3 * best).all()
        assert means[0] < 0.95 * best
        # All steps together are 2.5 radii long, so a bad start may not come all the way.
        assert means[-1] == pytest.approx(best, rel=0.05)
        assert all(float(values.max()) <= best * 1.01 for values in found)

    def test_of_the_control_point_in_no_direction(self):
        nodes = jnp.zeros((20_000, 3))
        moved = FeatureChange(0, radius=2.0).apply(lambda x: x.sum(), nodes, KEY)
        # Uniform on the sphere: mean 0, covariance r^2 / d.
        np.testing.assert_allclose(moved.mean(0), 0, atol=4 * 2 / np.sqrt(3 * 20_000))
        np.testing.assert_allclose(np.cov(moved.T), np.eye(3) * 4 / 3, atol=0.05)


class TestFeaturesOfZeroAndOne:
    def test_stay_zero_and_one_with_the_same_number_of_flips_at_every_node(self, words):
        nodes = jnp.asarray(words.graph.nodes)
        loss = training_loss(train(GCN(hidden=8), words, settings=QUICK), words)
        for size in (0.01, 0.6):
            budget = max(1, round(size * float(nodes.sum(1).mean())))
            for kind in PERTURBATIONS.values():
                change = kind(size=size).change_of(words)
                found = np.asarray(change.apply(loss, nodes, KEY))
                assert set(np.unique(found)) == {0.0, 1.0}
                assert ((found != nodes).sum(axis=1) == budget).all()

    def test_raise_the_loss_more_than_any_of_many_random_flips(self, words):
        assert_worse_than_random(words, budget=2)

    @pytest.mark.parametrize("steps", [1, 5])
    def test_of_a_linear_loss_are_the_best_of_all_sets_of_flips(self, steps):
        rng = np.random.default_rng(3)
        nodes = jnp.asarray(rng.uniform(size=(4, 6)) < 0.4, jnp.float32)
        slope = jnp.asarray(rng.normal(size=(4, 6)), jnp.float32)
        found = FeatureChange(steps, budget=2).apply(lambda x: (slope * x).sum(), nodes, KEY)
        for row in range(4):
            every = []
            for pair in itertools.combinations(range(6), 2):
                flipped = nodes[row].at[jnp.array(pair)].set(1 - nodes[row, jnp.array(pair)])
                every.append(float(slope[row] @ flipped))
            assert float(slope[row] @ found[row]) == pytest.approx(max(every), abs=1e-5)

    def test_are_flipped_at_random_where_the_loss_sees_nothing(self):
        nodes = jnp.zeros((500, 9))
        found = FeatureChange(3, budget=2).apply(lambda x: x[:10, 4].sum(), nodes, KEY)
        assert (found[:10, 4] == 1).all()
        assert (np.asarray(found[10:]).mean(0) > 0.1).all()

    def test_are_drawn_from_all_sets_alike(self):
        drawn = np.sort(random_columns(KEY, 30_000, 5, 3), axis=1)
        sets, counts = np.unique(drawn, axis=0, return_counts=True)
        assert len(sets) == 10
        np.testing.assert_allclose(counts, 3000, atol=4 * np.sqrt(30_000 * 0.1 * 0.9))


class TestTraining:
    @pytest.mark.parametrize(
        ("kind", "model"),
        [
            (AdversarialPerturbation(), GraphSAGE(hidden=8, normalization="batch")),
            (RandomPerturbation(), GCN(hidden=8)),
        ],
    )
    def test_repeats_and_differs_from_the_plain_one(self, kind, model, words):
        settings = dataclasses.replace(QUICK, epochs=10, perturbation=kind)
        one, again = (train(model, words, settings=settings) for _ in range(2))
        assert tree_digest(one.params) == tree_digest(again.params)
        plain = train(model, words, settings=dataclasses.replace(QUICK, epochs=10))
        assert tree_digest(one.params) != tree_digest(plain.params)

    def test_makes_the_network_withstand_what_it_was_trained_against(self, words):
        change = FeatureChange(5, budget=3)
        nodes, losses = jnp.asarray(words.graph.nodes), {}
        size = 3 / float(nodes.sum(1).mean())
        kinds = {"none": None} | {name: kind(size=size) for name, kind in PERTURBATIONS.items()}
        for kind, perturbation in kinds.items():
            settings = dataclasses.replace(QUICK, epochs=50, perturbation=perturbation)
            trained = train(GCN(hidden=8, dropout=0.0), words, settings=settings)
            loss = training_loss(trained, words)
            losses[kind] = loss(change.apply(loss, nodes, KEY))
        assert losses["adversarial"] < 0.8 * min(losses["random"], losses["none"])

    def test_of_one_epoch_is_one_step_on_the_perturbed_features(self, two_blocks):
        model = GCN(hidden=8, dropout=0.0, num_outputs=2)
        start = train(model, two_blocks, settings=TrainSettings(epochs=0))
        perturbation = AdversarialPerturbation()
        settings = TrainSettings(epochs=1, perturbation=perturbation, weight_decay=0.0)
        loss = training_loss(start, two_blocks)
        change = perturbation.change_of(two_blocks)
        moved = change.apply(loss, jnp.asarray(two_blocks.graph.nodes), KEY)

        def loss_of(params):
            return training_loss(dataclasses.replace(start, params=params), two_blocks)(moved)

        gradient = jax.grad(loss_of)(start.params)
        expected = jax.tree.map(lambda p, g: p - 0.01 * jnp.sign(g), start.params, gradient)
        found = train(model, two_blocks, settings=settings).params
        # Where a gradient is not next to nothing, the first step of Adam is its sign.
        for a, b, g in zip(*map(jax.tree.leaves, (found, expected, gradient)), strict=True):
            clear = np.abs(g) > 1e-5
            np.testing.assert_allclose(np.asarray(a)[clear], np.asarray(b)[clear], atol=1e-4)


class TestShuffledLabels:
    SETTINGS = dataclasses.replace(QUICK, shuffle_labels=True)

    def test_are_permuted_within_training_and_within_validation_nodes(self, two_blocks):
        found = _labels_to_fit(two_blocks, 0, self.SETTINGS)
        true = two_blocks.labels
        for mask in (two_blocks.train_mask, two_blocks.val_mask):
            assert sorted(found[mask]) == sorted(true[mask])
            assert (found[mask] != true[mask]).any()
        np.testing.assert_array_equal(found[two_blocks.test_mask], true[two_blocks.test_mask])
        again, other = (_labels_to_fit(two_blocks, seed, self.SETTINGS) for seed in (0, 1))
        np.testing.assert_array_equal(found, again)
        assert (found != other).any()

    def test_leave_nothing_to_learn_while_scores_are_against_the_true_ones(self, two_blocks):
        scores = [
            train(GCN(hidden=8), two_blocks, seed, self.SETTINGS).scores["test"]
            for seed in range(4)
        ]
        assert np.mean(scores) < 0.75  # 0.95 and more with the true labels
        trained = train(GCN(hidden=8), two_blocks, 0, self.SETTINGS)
        correct = np.asarray(trained.predict(two_blocks.graph)) == two_blocks.labels
        for part in ("train", "val", "test"):
            mask = getattr(two_blocks, f"{part}_mask")
            assert trained.scores[part] == pytest.approx(correct[mask].mean())


class TestIdentity:
    def test_of_a_plain_network_is_that_of_before_there_were_perturbations(self, two_blocks):
        settings = TrainSettings(epochs=0)
        trained = train(GCN(hidden=8), two_blocks, 2, settings)
        names = ("epochs", "learning_rate", "weight_decay", "decayed", "patience", "optimizer")
        identity = {
            "model": "gcn",
            "options": trained.model.options(),
            "settings": {name: getattr(settings, name) for name in names},
            "seed": 2,
            "dataset_digest": dataset_digest(two_blocks),
        }
        text = f"1|{json.dumps(identity, sort_keys=True)}"
        assert model_folder(trained).endswith(hashlib.sha256(text.encode()).hexdigest()[:16])

    def test_depends_on_each_of_its_settings_and_not_on_written_defaults(self, two_blocks):
        trained = train(GCN(hidden=8), two_blocks, settings=TrainSettings(epochs=0))
        kinds = [
            None, RandomPerturbation(), RandomPerturbation(size=0.2), AdversarialPerturbation(),
            AdversarialPerturbation(steps=3),
        ]  # fmt: skip
        asked = [TrainSettings(perturbation=kind) for kind in kinds]
        asked.append(TrainSettings(shuffle_labels=True))
        made = [dataclasses.replace(trained, settings=one) for one in asked]
        assert len({model_folder(one) for one in made}) == len(asked)
        assert TrainSettings(perturbation=AdversarialPerturbation(0.1, 5)) == asked[3]

    @pytest.mark.parametrize(
        ("former", "perturbation"),
        [
            (("random", 0.1, None), RandomPerturbation()),
            (("adversarial", 0.3, 2), AdversarialPerturbation(size=0.3, steps=2)),
        ],
    )
    def test_of_a_former_record_is_read_as_the_object(
        self, former, perturbation, two_blocks, tmp_path
    ):
        names = ("perturbation", "perturbation_size", "perturbation_steps")
        flat = {name: value for name, value in zip(names, former, strict=True) if value is not None}
        settings = TrainSettings(epochs=0, perturbation=perturbation)
        folder = save_model(train(GCN(hidden=4), two_blocks, settings=settings), tmp_path / "model")
        record = json.loads((folder / "model.json").read_text())
        nested = record["settings"].pop("perturbation")
        assert nested == {
            former[0]: {key: flat[f"perturbation_{key}"] for key in nested[former[0]]}
        }
        record["settings"] |= flat
        record["record_sha256"] = record_digest(record)
        (folder / "model.json").write_text(json.dumps(record))
        (folder / MANIFEST).unlink()
        write_manifest(folder)
        assert load_model(folder).settings == settings

    def test_of_a_plug_in_is_read_where_the_table_has_a_line_for_it(
        self, two_blocks, tmp_path, monkeypatch
    ):
        settings = TrainSettings(epochs=2, patience=None, perturbation=Doubled(1))
        saved = save_model(train(GCN(hidden=4), two_blocks, settings=settings), tmp_path / "model")
        with pytest.raises(StoreError, match=r"model.json .*'Doubled'"):
            load_model(saved)
        monkeypatch.setitem(PERTURBATIONS, "Doubled", Doubled)
        assert load_model(saved).settings == settings

    def test_survives_a_cache(self, two_blocks, tmp_path, monkeypatch):
        perturbation = AdversarialPerturbation()
        settings = TrainSettings(epochs=2, perturbation=perturbation, shuffle_labels=True)
        first = train(GCN(hidden=8), two_blocks, 0, settings, cache=tmp_path)
        monkeypatch.setattr("jmetamer.models.training._fit", None)
        again = train(GCN(hidden=8), two_blocks, 0, settings, cache=tmp_path)
        assert again.settings == settings
        assert tree_digest(again.params) == tree_digest(first.params)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"perturbation": "adversarial"}, "`perturbation` is 'adversarial'; allowed: Perturbation"),
        ({"perturbation": RandomPerturbation}, r"call it first: `RandomPerturbation\(...\)`"),
        ({"perturbation_size": 0.1}, "'perturbation_size'; did you mean `perturbation`"),
        ({"shuffle_labels": 1}, "`shuffle_labels` is 1; allowed: True or False"),
    ],
)
def test_settings_that_do_not_apply_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        TrainSettings(**given)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 0}, "`size` is 0"),
        ({"size": "big"}, "`size` is 'big'"),
        ({"steps": 0}, "`steps` is"),
    ],
)
def test_perturbations_of_another_size_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        AdversarialPerturbation(**fields)
