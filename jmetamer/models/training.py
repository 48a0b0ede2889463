"""`train`: fit a network to a dataset's labels."""

import functools
import pathlib
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import optax

from jmetamer._base.arguments import Seed, checked
from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError, JmetamerError, StoreError, StoreWarning
from jmetamer._base.keys import Stream, base_key
from jmetamer._base.precision import usual_types
from jmetamer._base.undefined import UNDEFINED
from jmetamer.graphs.dataset import Dataset
from jmetamer.models.architectures import architecture_name
from jmetamer.models.digest import dataset_digest
from jmetamer.models.network import Network
from jmetamer.models.perturbation import FeatureChange
from jmetamer.models.protocol import Params
from jmetamer.models.settings import TrainSettings, default_settings, make_optimizer
from jmetamer.models.sparse_features import (
    SparseFeatures,
    drop_entries,
    multiply_sparse,
    sparse_features,
)
from jmetamer.models.storage import cache_folder, load_model, model_folder, save_model
from jmetamer.models.trained_model import TrainedModel

Progress = Callable[[int, float, float], None]
_EPOCHS_PER_CALL = 25


class TrainingError(JmetamerError, ArithmeticError):
    """A training run whose loss is no longer a number."""


class _Split(NamedTuple):
    """What one epoch reads: the graph, labels [n] and masks [n] as float32.

    `features` holds the nonzero features where they are few, else None; perturbed features are
    dense, and do not use them.
    """

    graph: jraph.GraphsTuple
    features: SparseFeatures | None
    labels: jax.Array
    train_mask: jax.Array
    val_mask: jax.Array


class _State(NamedTuple):
    """What one epoch hands to the next."""

    params: Params
    optimizer: optax.OptState
    best: Params
    best_accuracy: jax.Array
    best_loss: jax.Array
    since_best: jax.Array
    bad_epoch: jax.Array


@checked
@usual_types()
def train(
    model: Network,
    data: Dataset,
    seed: Seed = 0,
    settings: TrainSettings | None = None,
    cache: str | pathlib.Path | None = None,
    progress: Progress | None = None,
) -> TrainedModel:
    """Fit `model` to the training nodes and keep the parameters that are best on validation.

    Minimizes the mean cross-entropy of the training nodes' logits, full batch. The parameters of
    the epoch with the highest validation accuracy (of several, the lowest validation loss) are
    kept. The same arguments give the same parameters on the same device.

    With `settings.perturbation` an epoch first changes the features of all nodes at once, by the
    network's own loss without dropout, and then takes its step on the changed ones (see
    `FeatureChange`). Whether features move or are flipped follows from `data.feature_kind`.

    Args:
      model: a network; `num_outputs=None` is filled in with the number of classes.
      data: graph, labels and split.
      seed: base seed of initialization, dropout, perturbation and shuffled labels.
      settings: how to train; None takes `default_settings` of the architecture.
      cache: folder of trained models; one made with equal model options, settings, seed and
        dataset content is loaded instead of trained again.
      progress: called as `progress(epochs_done, training_loss, validation_accuracy)`.

    Returns:
      The trained model with its scores.

    Raises:
      InputError: the model's `num_outputs` contradicts the data, or no node is marked for training.
      TrainingError: the loss is not finite; the message names the epoch.

    Example:
      >>> from jmetamer.graphs import load_dataset
      >>> from jmetamer.models import GCN
      >>> trained = train(GCN(hidden=4), load_dataset("karate"), settings=TrainSettings(epochs=0))
      >>> sorted(trained.scores)
      ['test', 'train', 'val']
    """
    model = _with_outputs(model, data)
    settings = default_settings(architecture_name(model)) if settings is None else settings
    digest = dataset_digest(data)
    folder = cache_folder(cache, model, settings, seed, data.name, digest) if cache else None
    if folder is not None and folder.exists():
        try:
            stored = load_model(folder, model)
            if model_folder(stored) == folder.name:
                return stored
            raise StoreError(f"{folder} holds the model {model_folder(stored)}")
        except StoreError as error:
            reason = f"training again, because the stored model is unusable: {error}"
            warnings.warn(reason, StoreWarning, stacklevel=2)
    params = jax.device_get(_fit(model, data, seed, settings, progress))
    trained = TrainedModel(model, params, {}, seed, settings, data.name, digest)
    logits = trained.activations(_on_device(data.graph))["logits"]
    scores = _scores(np.asarray(logits).argmax(axis=-1), data)
    trained = TrainedModel(model, params, scores, seed, settings, data.name, digest)
    if folder is not None:
        save_model(trained, folder)
    return trained


def _with_outputs(model: Network, data: Dataset) -> Network:
    """Return the model with the number of outputs that the data asks for."""
    if not np.asarray(data.train_mask).any():
        raise InputError(
            f"no node of {data.name!r} is marked for training: `train_mask` is False everywhere. "
            "Mark some nodes."
        )
    if model.num_outputs not in (None, data.num_classes):
        raise InputError(
            f"`num_outputs` of the model is {model.num_outputs}, but {data.name!r} has "
            f"{data.num_classes} classes. Leave it at None to take the number from the data."
        )
    return model.clone(num_outputs=data.num_classes)


def _fit(
    model: Network, data: Dataset, seed: int, settings: TrainSettings, progress: Progress | None
) -> Params:
    """Return the best parameters; one compiled call runs a block of epochs."""
    key_init = base_key(seed, Stream.INITIALIZATION)
    key_dropout = base_key(seed, Stream.DROPOUT)
    graph = _on_device(data.graph)
    params = _init(model, key_init, graph)
    if settings.epochs == 0:
        return params
    split = _Split(
        graph,
        sparse_features(graph.nodes) if model.first_layer(params) is not None else None,
        jnp.asarray(_labels_to_fit(data, seed, settings), jnp.int32),
        jnp.asarray(data.train_mask, jnp.float32),
        jnp.asarray(data.val_mask, jnp.float32),
    )
    infinity = jnp.float32(jnp.inf)
    optimizer = make_optimizer(settings).init(params["params"])
    none_yet = jnp.int32(-1)
    state = _State(params, optimizer, params, -infinity, infinity, jnp.int32(0), none_yet)
    change = settings.perturbation and settings.perturbation.change_of(data)
    for start in range(0, settings.epochs, _EPOCHS_PER_CALL):
        state, (losses, accuracies) = _run_epochs(
            model, settings, change, key_dropout, split, state, jnp.int32(start)
        )
        if (bad := int(state.bad_epoch)) >= 0:
            raise TrainingError(
                f"the training loss of {model!r} is not finite at epoch {bad} of "
                f"{settings.epochs}. Lower `learning_rate` (now {settings.learning_rate}), or "
                "look for very large features."
            )
        if progress is not None:
            last = int(np.sum(np.asarray(losses) >= 0)) - 1  # the epochs that were run
            progress(start + last + 1, float(losses[last]), float(accuracies[last]))
        if settings.patience is not None and int(state.since_best) >= settings.patience:
            break
    return state.best


def _labels_to_fit(data: Dataset, seed: int, settings: TrainSettings) -> np.ndarray:
    """Return the labels, permuted within the training and the validation nodes where asked."""
    labels = np.array(data.labels)
    if settings.shuffle_labels:
        shuffled = {Stream.TRAIN_LABELS: data.train_mask, Stream.VALIDATION_LABELS: data.val_mask}
        for stream, mask in shuffled.items():
            part = np.flatnonzero(mask)
            labels[part] = labels[jax.random.permutation(base_key(seed, stream), part)]
    return labels


@compile_function(static=1)
def _init(model: Network, key: jax.Array, graph: jraph.GraphsTuple) -> Params:
    """Return fresh parameters."""
    return model.init(key, graph)


@compile_function(static=3)
def _run_epochs(
    model: Network,
    settings: TrainSettings,
    change: FeatureChange | None,
    key: jax.Array,
    split: _Split,
    state: _State,
    start: jax.Array,
) -> tuple[_State, tuple[jax.Array, jax.Array]]:
    """Run one block of epochs; after an early stop, or beyond the last epoch, nothing changes."""

    def step(state: _State, epoch: jax.Array) -> tuple[_State, tuple[jax.Array, jax.Array]]:
        running = (epoch < settings.epochs) & (state.bad_epoch < 0)
        if settings.patience is not None:
            running &= state.since_best < settings.patience
        return jax.lax.cond(
            running,
            lambda state: _epoch(
                model, settings, change, jax.random.fold_in(key, epoch), split, state, epoch
            ),
            lambda state: (state, (UNDEFINED, UNDEFINED)),
            state,
        )

    return jax.lax.scan(step, state, start + jnp.arange(_EPOCHS_PER_CALL))


def _epoch(
    model: Network,
    settings: TrainSettings,
    change: FeatureChange | None,
    key: jax.Array,
    split: _Split,
    state: _State,
    epoch: jax.Array,
) -> tuple[_State, tuple[jax.Array, jax.Array]]:
    """Take one optimizer step, then look at the validation nodes."""

    key_entry, key_layers = jax.random.split(key)
    graph = split.graph
    if change is not None:
        # Its product is not taken from the nonzero entries, so their key is free.
        graph = _perturbed(model, change, key_entry, split, state.params)

    def training_loss(weights: Params) -> tuple[jax.Array, Params]:
        params = {**state.params, "params": weights}
        entry = None if change else _entry(model, params, split, key_entry)
        activations, changed = model.apply(
            params,
            graph,
            entry=entry,
            training=True,
            rngs={"dropout": key_layers},
            mutable=["batch_stats"],
        )
        return _cross_entropy(activations["logits"], split.labels, split.train_mask), changed

    weights = state.params["params"]
    (loss, changed), gradient = jax.value_and_grad(training_loss, has_aux=True)(weights)
    updates, optimizer = make_optimizer(settings).update(gradient, state.optimizer, weights)
    params = {**state.params, **changed, "params": optax.apply_updates(weights, updates)}

    entry = _entry(model, params, split)
    logits = model.activations(params, split.graph, entry=entry)["logits"]
    val_loss = _cross_entropy(logits, split.labels, split.val_mask)
    correct = (logits.argmax(-1) == split.labels) * split.val_mask
    accuracy = correct.sum() / jnp.maximum(split.val_mask.sum(), 1)
    better = (accuracy > state.best_accuracy) | (
        (accuracy == state.best_accuracy) & (val_loss < state.best_loss)
    )
    # Without validation nodes there is nothing to choose by: keep the latest.
    better |= split.val_mask.sum() == 0
    keep = functools.partial(jax.tree.map, lambda new, old: jnp.where(better, new, old))
    state = _State(
        params,
        optimizer,
        keep(params, state.best),
        keep(accuracy, state.best_accuracy),
        keep(val_loss, state.best_loss),
        jnp.where(better, 0, state.since_best + 1),
        jnp.where(jnp.isfinite(loss), state.bad_epoch, epoch + 1),
    )
    return state, (loss, accuracy)


def _perturbed(
    model: Network, change: FeatureChange, key: jax.Array, split: _Split, params: Params
) -> Any:
    """Return the graph with changed features.

    An adversary that knew which entries dropout is going to drop would spend nothing on them, and
    its change would be larger than a random one of the same size. So it sees no dropout.
    """

    def loss(nodes: jax.Array) -> jax.Array:
        logits = model.activations(params, split.graph._replace(nodes=nodes))["logits"]
        return _cross_entropy(logits, split.labels, split.train_mask)

    return split.graph._replace(nodes=change.apply(loss, split.graph.nodes, key))


def _entry(
    model: Network, params: Params, split: _Split, key: jax.Array | None = None
) -> jax.Array | None:
    """Return the first layer's product from the nonzero features, dropped out given a key."""
    first = model.first_layer(params)
    if split.features is None or first is None:
        return None
    features = split.features
    if key is not None:
        features = drop_entries(features, model.dropout, key)
    return multiply_sparse(features, first.weights, split.labels.shape[0])


def _cross_entropy(logits: jax.Array, labels: jax.Array, mask: jax.Array) -> jax.Array:
    """Return the mean cross-entropy over the nodes of the mask."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return (losses * mask).sum() / jnp.maximum(mask.sum(), 1)


def _scores(predicted: np.ndarray, data: Dataset) -> dict[str, float]:
    """Return the accuracy on each part of the split, NaN where it is empty."""
    correct = predicted == np.asarray(data.labels)
    masks = {name: np.asarray(getattr(data, f"{name}_mask")) for name in ("train", "val", "test")}
    return {
        name: float(correct[mask].mean()) if mask.any() else float("nan")
        for name, mask in masks.items()
    }


def _on_device(graph: jraph.GraphsTuple) -> jraph.GraphsTuple:
    return jax.tree.map(jnp.asarray, graph)
