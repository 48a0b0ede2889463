"""Judges of stored metamers: who they are, and whether one is the maker with another seed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import xarray as xr

from jmetamer._base.arguments import checked

_UNKNOWN = (
    "how the judges of this architecture were trained is not stored, so that they may differ from "
    "the model in more than the seed"
)


class StoredJudge(NamedTuple):
    """A model that read metamers.

    Attributes:
      architecture: its name.
      seed: of its training.
      settings: how it is built and trained, JSON with the sections `model` and `training` and the
        names and values that these have in a cell's settings; empty where it is not stored.
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
        StoredJudge(str(name), int(seed), str(text))
        for name, seed, text in zip(names, seeds, settings, strict=True)
    )


@checked
def unlike_own_judges(settings: Mapping[str, Any], judges: Sequence[StoredJudge]) -> str:
    """Say why judges of the maker's architecture are not the maker trained from another seed.

    Only where they are, 1 - kappa of these judges is what another seed takes (I_seed), and their
    kappa less R what another architecture takes (I_arch). Settings that one side does not have, or
    that are null there, do not apply and are passed over.

    Args:
      settings: resolved settings of the cell whose metamers they read, nested.
      judges: from `stored_judges`. Those of other architectures, and those of the maker's own
        seed, which count nowhere, are passed over.

    Returns:
      The reason, for a reader; empty where they are the same but for the seed, or where no judge of
      the maker's architecture has another seed.

    Example:
      >>> cell = {"model": {"architecture": "gcn", "activation": "elu"}, "training": {"seed": 0}}
      >>> judge = StoredJudge("gcn", 1000, '{"model": {"activation": "relu"}, "training": {}}')
      >>> print(unlike_own_judges(cell, [judge]))
      the judges of this architecture differ from the model in more than the seed: activation relu,
      not elu
      >>> cell["model"]["activation"] = "relu"
      >>> unlike_own_judges(cell, [judge])
      ''
    """
    found = _differences(settings, judges)
    if found is None:
        return _UNKNOWN
    if not found:
        return ""
    told = (f"{name} {_word(theirs)}, not {_word(own)}" for name, theirs, own in found)
    return "the judges of this architecture differ from the model in more than the seed: " + (
        "; ".join(told)
    )


@checked
def settings_unlike_own_judges(
    settings: Mapping[str, Any], judges: Sequence[StoredJudge]
) -> tuple[str, ...]:
    """Name the settings in which judges of the maker's architecture differ from it.

    Args:
      settings: resolved settings of the cell whose metamers they read, nested.
      judges: from `stored_judges`; see `unlike_own_judges` for those that are passed over.

    Returns:
      Names in words, the seed aside; empty where `unlike_own_judges` is.

    Example:
      >>> cell = {"model": {"architecture": "gcn"}, "training": {"weight_decay": 0.1}}
      >>> judge = StoredJudge("gcn", 1000, '{"model": {}, "training": {"weight_decay": 0.0005}}')
      >>> settings_unlike_own_judges(cell, [judge])
      ('weight decay',)
    """
    found = _differences(settings, judges)
    if found is None:
        return ("settings that are not stored",)
    return tuple(dict.fromkeys(name for name, _, _ in found))


def _differences(
    settings: Mapping[str, Any], judges: Sequence[StoredJudge]
) -> list[tuple[str, Any, Any]] | None:
    """Return name, judge's value and maker's value of what differs; None where nobody knows."""
    architecture = (settings.get("model") or {}).get("architecture")
    seed = (settings.get("training") or {}).get("seed") or 0
    own = [one for one in judges if one.architecture == architecture and one.seed != seed]
    if any(not judge.settings for judge in own):
        return None
    found: list[tuple[str, Any, Any]] = []
    for judge in own:
        stored = json.loads(judge.settings)
        for section in ("model", "training"):
            other = stored.get(section) or {}
            for key, value in (settings.get(section) or {}).items():
                theirs, name = other.get(key), key.replace("_", " ")
                known = key != "seed" and value is not None and theirs is not None
                if known and value != theirs and (name, theirs, value) not in found:
                    found.append((name, theirs, value))
    return found


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
