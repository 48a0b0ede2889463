"""Trained models on disk: parameters with orbax, the record as JSON, a checksum over both.

The parameters are written a second time as `weights.npz`, for readers that have NumPy alone: one
array each, named by its place in the tree, as "params/conv1/kernel". Whichever of the two is read
(`load_model` here, `read_network` in results) is held to the digest of the arrays in the record.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError, StoreError
from jmetamer._base.paths import user_path, write_text
from jmetamer.models.architectures import MODELS, architecture_name
from jmetamer.models.digest import tree_digest
from jmetamer.models.perturbation import perturbation_record, read_perturbation
from jmetamer.models.protocol import Model, Params
from jmetamer.models.settings import TrainSettings
from jmetamer.models.trained_model import TrainedModel
from jmetamer.results.manifest import Manifest, write_manifest
from jmetamer.results.verification import (
    NETWORK_FORMAT,
    read_network_record,
    record_digest,
    require_parameters,
)

_RECORD = "model.json"
_PARAMS = "params"
_WEIGHTS = "weights.npz"
_ROOM = 2**16  # bytes of the files around the numbers
_LATER = ("perturbation", "shuffle_labels")


@checked
def save_model(trained: TrainedModel, folder: str | pathlib.Path) -> pathlib.Path:
    """Write a trained model into `folder`, replacing what is there.

    The folder appears complete or not at all: it is written under another name and renamed.

    Args:
      trained: model and parameters.
      folder: where to; missing parents are made.

    Returns:
      The absolute path of the folder.

    Raises:
      StoreError: the folder cannot be written.

    Example:
      >>> import tempfile
      >>> from jmetamer.graphs import load_dataset
      >>> from jmetamer.models import GCN, TrainSettings, train
      >>> trained = train(GCN(hidden=4), load_dataset("karate"), settings=TrainSettings(epochs=0))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     saved = save_model(trained, f"{folder}/model")
      ...     load_model(saved).model == trained.model
      True
    """
    target = user_path(folder, "folder").absolute()
    if target.exists() and not (target / _RECORD).is_file():
        raise StoreError(
            f"{target} exists and holds no model that jmetamer wrote (no {_RECORD}), so it is not "
            "replaced. Choose another folder."
        )
    unique = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    draft = target.with_name(f".{target.name}.draft-{unique}")
    params = jax.tree.map(np.asarray, trained.params)
    record = {
        "format_version": NETWORK_FORMAT,
        **_identity(trained.model, trained.settings, trained.seed, trained.dataset_digest),
        "dataset": trained.dataset,
        "scores": {name: repr(score) for name, score in trained.scores.items()},
        "params_sha256": tree_digest(params),
    }
    record["record_sha256"] = record_digest(record)
    try:
        draft.mkdir(parents=True)
        _save_params(draft, params)
        np.savez(draft / _WEIGHTS, **_named(params))  # type: ignore[arg-type]
        write_text(draft / _RECORD, json.dumps(record, indent=2) + "\n")
        write_manifest(draft)
        _put_in_place(draft, target, unique)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write the model to {target}: {error}. "
            "Choose a writable folder with free space."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _save_params(folder: pathlib.Path, params: Params) -> None:
    """Write parameters with orbax, which tells a full disk by tracebacks of its threads."""
    needed = _ROOM + 2 * sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        with (
            _readable_by_orbax(folder) as place,
            ocp.Checkpointer(ocp.StandardCheckpointHandler()) as writer,
        ):
            writer.save(place / _PARAMS, params)
    except ValueError as error:  # of tensorstore, whatever the system said
        if code := re.search(r"os_error_code='(\d+)'", str(error)):
            raise OSError(int(code[1]), os.strerror(int(code[1]))) from None
        raise


@checked
def load_model(folder: str | pathlib.Path, model: Model | None = None) -> TrainedModel:
    """Read a trained model and verify every byte that matters.

    Args:
      folder: as given to `save_model`.
      model: the model itself, for architectures outside `MODELS`; None builds it from the record.

    Returns:
      The trained model, parameters as NumPy arrays.

    Raises:
      StoreError: a file is missing or damaged, or holds another model than `model`.

    Example:
      >>> import tempfile
      >>> from jmetamer.graphs import load_dataset
      >>> from jmetamer.models import GCN, TrainSettings, train
      >>> trained = train(GCN(hidden=4), load_dataset("karate"), settings=TrainSettings(epochs=0))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     saved = save_model(trained, f"{folder}/model")
      ...     load_model(saved).model == trained.model
      True
    """
    folder = user_path(folder, "folder").absolute()
    if not os.path.isfile(folder / _RECORD):
        what = (
            "a file"
            if os.path.isfile(folder)
            else "a folder"
            if os.path.isdir(folder)
            else "missing"
        )
        raise StoreError(
            f"{folder} is {what} and no model that `save_model` wrote: that is a folder with "
            f"{_RECORD}. Give such a folder; files of other libraries are not read by `load_model`."
        )
    manifest, record = read_network_record(folder)
    params = _read_params(manifest)
    require_parameters(manifest, _PARAMS, record, tree_digest(params))
    if model is None:
        if record["model"] not in MODELS:
            raise StoreError(
                f"{folder} holds a {record['model']!r}, which is not one of {sorted(MODELS)}. "
                "Pass the model itself as `model`."
            )
        model = MODELS[record["model"]](**record["options"])
    elif _options(model) != record["options"]:
        raise StoreError(
            f"{folder} holds a model with options {record['options']}, "
            f"not {_options(model)}. Pass an equal model, or None."
        )
    return TrainedModel(
        model=model,
        params=params,
        scores={name: float(score) for name, score in record["scores"].items()},
        seed=record["seed"],
        settings=_read_settings(record["settings"], folder / _RECORD),
        dataset=record["dataset"],
        dataset_digest=record["dataset_digest"],
    )


def cache_folder(
    cache: str | pathlib.Path,
    model: Model,
    settings: TrainSettings,
    seed: int,
    dataset: str,
    dataset_digest: str,
) -> pathlib.Path:
    """Return the folder of one trained model in a cache; equal arguments give the same folder.

    Args:
      cache: folder of all trained models.
      model: the network, `num_outputs` filled in.
      settings: how it is trained.
      seed: base seed.
      dataset: name of the dataset, only to make the folder's name readable.
      dataset_digest: SHA-256 of the dataset's arrays.
    """
    return user_path(cache, "cache").absolute() / _folder_name(
        model, settings, seed, dataset, dataset_digest
    )


@checked
def model_folder(trained: TrainedModel) -> str:
    """Return the name of a model's folder in a cache; see `cache_folder`.

    Args:
      trained: as `train` returned it.

    Example:
      >>> from jmetamer.graphs import load_dataset
      >>> from jmetamer.models import GCN, TrainSettings, train
      >>> trained = train(GCN(hidden=4), load_dataset("karate"), settings=TrainSettings(epochs=0))
      >>> model_folder(trained)[:13]
      'karate-gcn-0-'
    """
    identity = trained.settings, trained.seed, trained.dataset, trained.dataset_digest
    return _folder_name(trained.model, *identity)


def _folder_name(
    model: Model, settings: TrainSettings, seed: int, dataset: str, dataset_digest: str
) -> str:
    identity = json.dumps(_identity(model, settings, seed, dataset_digest), sort_keys=True)
    digest = hashlib.sha256(f"{NETWORK_FORMAT}|{identity}".encode()).hexdigest()[:16]
    readable = "".join(c if c.isalnum() or c in "-_" else "_" for c in dataset)
    return f"{readable}-{architecture_name(model)}-{seed}-{digest}"


def _identity(
    model: Model, settings: TrainSettings, seed: int, dataset_digest: str
) -> dict[str, Any]:
    """Return what decides the parameters."""
    return {
        "model": architecture_name(model),
        "options": _options(model),
        "settings": _named_settings(settings),
        "seed": seed,
        "dataset_digest": dataset_digest,
    }


def _named_settings(settings: TrainSettings) -> dict[str, Any]:
    """Return the settings by name, less those that came later and are at their defaults.

    So a network without them keeps the record and the folder that it had before there were any.
    """
    defaults = {f.name: f.default for f in dataclasses.fields(settings) if f.name in _LATER}
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    values["perturbation"] = perturbation_record(settings.perturbation)
    return {k: v for k, v in values.items() if k not in defaults or v != defaults[k]}


def _read_settings(values: Mapping[str, Any], path: pathlib.Path) -> TrainSettings:
    """Return the settings of a record; a former one has the fields of a perturbation beside it."""
    perturbation, former = values.get("perturbation"), {}
    for name in ("size", "steps"):
        if (value := values.get(f"perturbation_{name}")) is not None:
            former[name] = value
    if isinstance(perturbation, str):
        perturbation = {perturbation: former}
    own = {key: value for key, value in values.items() if not key.startswith("perturbation")}
    try:
        return TrainSettings(**own, perturbation=read_perturbation(perturbation))
    except InputError as error:
        raise StoreError(
            f"{path} names what this version of jmetamer does not know: {error}"
        ) from error


def _options(model: Model) -> dict[str, Any]:
    return model.options() if hasattr(model, "options") else {"repr": repr(model)}


def _named(params: Params) -> dict[str, np.ndarray]:
    """Return the path of each array in the tree -> the array."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _read_params(manifest: Manifest) -> Any:
    for problem in manifest.problems():  # orbax prints tracebacks of these
        raise StoreError(problem)
    with (
        manifest.decoding(_PARAMS),
        _readable_by_orbax(manifest.folder / _PARAMS) as place,
        ocp.Checkpointer(ocp.StandardCheckpointHandler()) as reader,
    ):
        return jax.tree.map(np.asarray, reader.restore(place))


@contextlib.contextmanager
def _readable_by_orbax(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield a path of the folder in UTF-8; the one it has may hold other bytes."""
    try:
        str(folder).encode()
        yield folder
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as beside:
            link = pathlib.Path(beside) / "link"
            link.symlink_to(folder)
            yield link


def _put_in_place(draft: pathlib.Path, target: pathlib.Path, unique: str) -> None:
    """Rename the draft to its target; of two processes at once, one is kept whole."""
    retired = target.with_name(f".{target.name}.retired-{unique}")
    for _ in range(10):
        try:
            os.rename(draft, target)
            return
        except OSError:
            if not target.is_dir():
                raise
        try:
            os.rename(target, retired)
        except FileNotFoundError:
            continue
        shutil.rmtree(retired, ignore_errors=True)
    raise OSError("another process keeps writing the same folder")
