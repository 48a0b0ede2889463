"""Judges of stored metamers: who they are, whether one is the maker, what they read of controls."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from jmetamer._base.arguments import checked
from jmetamer.results.former_settings import judge_as_objects
from jmetamer.results.setting_tree import Settings, flatten

_UNKNOWN = (
    "how the judges of this architecture were trained is not stored, so that they may differ from "
    "the model in more than the seed"
)
# As far from the reference as the metamer is, in no particular direction: one of them a cell.
SAME_LENGTH = ("displacement", "flips", "edge_flips")
NULL_SPACE = "null_space"


class StoredJudge(NamedTuple):
    """A model that read metamers.

    Attributes:
      architecture: its name.
      seed: of its training.
      settings: how it is built and trained, JSON with `model` and `training` as in a cell's
        settings; empty where it is not stored.
    """

    architecture: str
    seed: int
    settings: str


@checked
def stored_judges(data: xr.Dataset) -> tuple[StoredJudge, ...]:
    """Return the judges of a cell in the order of its axis `judge`; none where nobody judged.

    Args:
      data: variables of the cell, from `Run.dataset`.

    Example:
      >>> columns = {"judge_architecture": ["gcn"], "judge_seed": [7]}
      >>> data = xr.Dataset({name: ("judge", column) for name, column in columns.items()})
      >>> stored_judges(data)
      (StoredJudge(architecture='gcn', seed=7, settings=''),)
    """
    if "judge_architecture" not in data or "judge_seed" not in data:
        return ()
    names, seeds = (data[name].values.tolist() for name in ("judge_architecture", "judge_seed"))
    settings = [""] * len(names)
    if "judge_settings" in data:
        settings = data["judge_settings"].values.tolist()
    return tuple(
        StoredJudge(str(name), int(seed), judge_as_objects(str(name), str(text)))
        for name, seed, text in zip(names, seeds, settings, strict=True)
    )


@checked
def unlike_own_judges(settings: Settings, judges: Sequence[StoredJudge]) -> str:
    """Say why judges of the maker's architecture are not the maker trained from another seed.

    Only where they are, 1 - kappa of these judges is what another seed takes (I_seed), and their
    kappa less R what another architecture takes (I_arch). Settings that one side does not have do
    not apply and are passed over.

    Args:
      settings: resolved settings of the cell whose metamers they read, nested.
      judges: from `stored_judges`. Those of other architectures, and those of the maker's own
        seed, which count nowhere, are passed over.

    Returns:
      The reason, for a reader; empty where they are the same but for the seed, or where no judge of
      the maker's architecture has another seed.

    Example:
      >>> cell = {"model": {"gcn": {"activation": "elu"}}, "training": {"seed": 0}}
      >>> judge = StoredJudge("gcn", 1000, '{"model": {"gcn": {"activation": "relu"}}}')
      >>> print(unlike_own_judges(cell, [judge]))
      the judges of this architecture differ from the model in more than the seed: activation relu,
      not elu
      >>> cell["model"]["gcn"]["activation"] = "relu"
      >>> unlike_own_judges(cell, [judge])
      ''
    """
    differences = _differences(settings, judges)
    if differences is None:
        return _UNKNOWN
    if not differences:
        return ""
    texts = (f"{name} {_word(theirs)}, not {_word(own)}" for name, theirs, own in differences)
    return "the judges of this architecture differ from the model in more than the seed: " + (
        "; ".join(texts)
    )


@checked
def settings_unlike_own_judges(
    settings: Settings, judges: Sequence[StoredJudge]
) -> tuple[str, ...]:
    """Name the settings in which judges of the maker's architecture differ from it.

    Args:
      settings: resolved settings of the cell whose metamers they read, nested.
      judges: from `stored_judges`; see `unlike_own_judges` for those that are passed over.

    Returns:
      Names in words, the seed aside; empty where `unlike_own_judges` is.

    Example:
      >>> cell = {"model": {"gcn": {}}, "training": {"weight_decay": 0.1}}
      >>> text = '{"model": {"gcn": {}}, "training": {"weight_decay": 0.0005}}'
      >>> judge = StoredJudge("gcn", 1000, text)
      >>> settings_unlike_own_judges(cell, [judge])
      ('weight decay',)
    """
    differences = _differences(settings, judges)
    if differences is None:
        return ("settings that are not stored",)
    return tuple(dict.fromkeys(name for name, _, _ in differences))


def _differences(
    settings: Settings, judges: Sequence[StoredJudge]
) -> list[tuple[str, object, object]] | None:
    """Return name, judge's value and maker's value of what differs; None where nobody knows."""
    flat = dict(flatten(settings))
    own = [
        one
        for one in judges
        if one.architecture == flat.get("model") and one.seed != (flat.get("training.seed") or 0)
    ]
    if not all(judge.settings for judge in own):
        return None
    differences: list[tuple[str, object, object]] = []
    for judge in own:
        for key, theirs in flatten(json.loads(judge.settings)):
            one = (key.partition(".")[2].replace("_", " ").replace(".", " "), theirs, flat.get(key))
            unlike = key in flat and key != "training.seed" and theirs != flat[key]
            if unlike and one not in differences:
                differences.append(one)
    return differences


def _word(value: object) -> str:
    texts = {"True": "yes", "False": "no", "None": "none"}
    return texts.get(str(value), str(value))


@checked
def paired_controls(data: xr.Dataset) -> dict[str, np.ndarray]:
    """Return how judges read the controls, in the order of the metamers.

    Controls are made for some metamers only (setting `recognition.controls`); a run that does not
    say for which made them for the first ones.

    Args:
      data: variables of a cell, from `Run.dataset`.

    Returns:
      Control -> [b, j] kappa; NaN for metamers without a control. Empty where none was read.

    Example:
      >>> control = (("control", "sample", "judge"), [[[0.5], [0.25]]])
      >>> data = xr.Dataset({"control_kappa": control, "control_seed_id": ("sample", [2, 0]),
      ...                    "seed_id": ("metamer", [0, 1, 2])}, {"control": ["start"]})
      >>> paired_controls(data)["start"].ravel()
      array([0.25,  nan, 0.5 ])
    """
    if "control_kappa" not in data or "control" not in data:
        return {}
    tables = np.asarray(data["control_kappa"].transpose("control", "sample", "judge").values, float)
    num_metamers = data.sizes.get("metamer", 0)
    seeds = _column(data, "seed_id", num_metamers)
    of_controls = _column(data, "control_seed_id", tables.shape[1])
    by_metamer = np.full((len(tables), num_metamers, tables.shape[2]), np.nan)
    for sample, seed in enumerate(of_controls):
        by_metamer[:, seeds == seed] = tables[:, [sample]]
    return dict(zip(map(str, data["control"].values.tolist()), by_metamer, strict=True))


def _column(data: xr.Dataset, name: str, count: int) -> Any:
    return data[name].values if name in data else np.arange(count)
