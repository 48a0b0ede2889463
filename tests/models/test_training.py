"""Training: what it minimizes, what it keeps, when it stops, what it refuses."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jmetamer._base.errors import InputError
from jmetamer._base.precision import usual_types
from jmetamer.models import GCN, MODELS, GraphSAGE, TrainSettings, train
from jmetamer.models.settings import make_optimizer
from jmetamer.models.sparse_features import drop_entries, multiply_sparse, sparse_features
from jmetamer.models.training import TrainingError

QUICK = TrainSettings(epochs=75, patience=None)


@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_learns_two_blocks(name, two_blocks):
    model = MODELS[name](hidden=8, dropout=0.2)
    trained = train(model, two_blocks, settings=QUICK)
    assert trained.model.num_outputs == 2
    assert trained.scores["test"] >= 0.9
    predicted = np.asarray(trained.predict(two_blocks.graph))
    correct = predicted == two_blocks.labels
    assert trained.scores["test"] == pytest.approx(correct[two_blocks.test_mask].mean())
    assert trained.scores["val"] == pytest.approx(correct[two_blocks.val_mask].mean())


def test_trained_model_names_layers_in_order(two_blocks):
    trained = train(GCN(hidden=8, layers=3), two_blocks, settings=TrainSettings(epochs=0))
    assert tuple(trained.activations(two_blocks.graph)) == trained.model.layer_names


def test_zero_epochs_is_the_untrained_network(two_blocks):
    trained = train(GCN(hidden=8), two_blocks, seed=3, settings=TrainSettings(epochs=0))
    graph = jax.tree.map(jnp.asarray, two_blocks.graph)
    key, _ = jax.random.split(jax.random.key(3))
    with usual_types():  # as networks are trained, whatever the session's
        expected = GCN(hidden=8, num_outputs=2).init(key, graph)
    jax.tree.map(np.testing.assert_array_equal, trained.params, jax.device_get(expected))


def test_one_epoch_without_dropout_is_one_optimizer_step_on_the_training_nodes(two_blocks):
    settings = TrainSettings(epochs=1, weight_decay=0.1)
    model = GCN(hidden=8, dropout=0.0, num_outputs=2)
    trained = train(model, two_blocks, settings=settings)
    start = train(model, two_blocks, settings=TrainSettings(epochs=0)).params
    nodes = np.flatnonzero(two_blocks.train_mask)

    def loss(params):
        logits = model.activations(params, two_blocks.graph)["logits"]
        chosen = jax.nn.log_softmax(logits)[nodes, two_blocks.labels[nodes]]
        decay = (params["params"]["conv1"]["kernel"] ** 2).sum()
        return -chosen.mean() + 0.05 * decay

    gradient = jax.grad(loss)(start)
    # The first step of Adam is the sign of the gradient times the learning rate.
    expected = jax.tree.map(lambda p, g: p - 0.01 * g / (abs(g) + 1e-8), start, gradient)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        trained.params,
        expected,
    )


def test_seeds_decide_and_repeat(two_blocks):
    one, again, other = (train(GCN(hidden=8), two_blocks, s, QUICK) for s in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, one.params, again.params)
    kernels = [t.params["params"]["conv1"]["kernel"] for t in (one, other)]
    assert not np.allclose(*kernels)


def test_kept_parameters_are_the_best_on_validation(two_blocks):
    seen = []
    trained = train(
        GCN(hidden=8), two_blocks, settings=QUICK, progress=lambda *step: seen.append(step)
    )
    assert [step[0] for step in seen] == [25, 50, 75]
    assert trained.scores["val"] >= max(step[2] for step in seen) - 1e-6


def test_patience_stops_early(two_blocks):
    seen = []
    train(
        GCN(hidden=8), two_blocks,
        settings=TrainSettings(epochs=500, patience=3, learning_rate=0.0),
        progress=lambda *step: seen.append(step),
    )  # fmt: skip
    # Epoch 1 sets the best value; nothing changes after it, so three more epochs are run.
    assert [step[0] for step in seen] == [4]


def test_asking_for_activations_never_applies_dropout(two_blocks):
    model = GCN(hidden=8, num_outputs=2, dropout=0.9)
    graph = jax.tree.map(jnp.asarray, two_blocks.graph)
    params = model.init(jax.random.key(0), graph)
    plain = GCN(hidden=8, num_outputs=2, dropout=0.0).activations(params, graph)
    found = model.activations(params, graph)
    jax.tree.map(np.testing.assert_array_equal, dict(found), dict(plain))


def test_batch_statistics_are_updated_in_training(two_blocks):
    model = GCN(hidden=8, normalization="batch")
    trained = train(model, two_blocks, settings=QUICK)
    assert np.abs(trained.params["batch_stats"]["norm1"]["mean"]).max() > 1e-3


def test_sparse_features_give_the_training_of_dense_ones(two_blocks, monkeypatch):
    rng = np.random.default_rng(0)
    nodes = (rng.uniform(size=(60, 40)) < 0.05).astype(np.float32)
    data = dataclasses.replace(two_blocks, graph=two_blocks.graph._replace(nodes=nodes))
    model = GraphSAGE(hidden=8, dropout=0.0)
    sparse = train(model, data, settings=QUICK)
    monkeypatch.setattr("jmetamer.models.training.sparse_features", lambda nodes: None)
    dense = train(model, data, settings=QUICK)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
        sparse.params, dense.params,
    )  # fmt: skip


def test_sparse_product_is_the_dense_product_and_dropout_keeps_the_mean():
    rng = np.random.default_rng(0)
    dense = np.where(rng.uniform(size=(200, 30)) < 0.09, rng.normal(size=(200, 30)), 0)
    dense = jnp.array(dense, jnp.float32)
    features = sparse_features(dense)
    matrix = jnp.array(rng.normal(size=(30, 4)), jnp.float32)
    np.testing.assert_allclose(multiply_sparse(features, matrix, 200), dense @ matrix, atol=1e-5)
    dropped = drop_entries(
        features._replace(values=jnp.ones(len(features.rows))), 0.75, jax.random.key(0)
    ).values
    assert set(np.unique(dropped)) == {0.0, 4.0}
    assert dropped.mean() == pytest.approx(1.0, abs=0.3)


def test_decay_reaches_only_matrices_of_the_first_layer():
    weights = {
        layer: {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)} for layer in ("conv1", "conv2")
    }
    zero = jax.tree.map(jnp.zeros_like, weights)
    for decayed, moved in (("first", {"conv1"}), ("all", {"conv1", "conv2"})):
        settings = TrainSettings(optimizer="sgd", weight_decay=0.1, decayed=decayed)
        optimizer = make_optimizer(settings)
        updates, _ = optimizer.update(zero, optimizer.init(weights), weights)
        changed = optax.apply_updates(weights, updates)
        assert {k for k in changed if (changed[k]["kernel"] < 1).all()} == moved
        assert all((changed[k]["bias"] == 1).all() for k in changed)


@pytest.mark.makes_nan
def test_loss_that_is_not_finite_names_the_epoch(two_blocks):
    settings = TrainSettings(epochs=30, learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"not finite at epoch 2 of 30. Lower `learning_rate`"):
        train(GCN(hidden=8), two_blocks, settings=settings)


def test_contradicting_number_of_outputs_is_refused(two_blocks):
    with pytest.raises(InputError, match="`num_outputs` of the model is 5, but 'two blocks' has 2"):
        train(GCN(num_outputs=5), two_blocks)


def test_empty_training_mask_is_refused(two_blocks):
    data = dataclasses.replace(two_blocks, train_mask=np.zeros(60, bool))
    with pytest.raises(InputError, match="no node of 'two blocks' is marked for training"):
        train(GCN(), data)
