"""What a cell is called, which settings tell it apart, and the command that makes it again."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_IN_TITLE = (
    "dataset.name", "model.architecture", "model.activation", "training.epochs",
    "metamers.layer", "metamers.vary", "metamers.features", "metamers.domain",
    "metamers.edges.start",
)  # fmt: skip
_STARTS = {
    "noise": "from random edges",
    "any_density": "from random edges of any density",
    "rewired": "from rewired edges",
    "reference": "from the reference",
}


@dataclasses.dataclass(frozen=True)
class CellName:
    """The words a reader knows a cell by.

    Attributes:
      cell: identifier within the run.
      dataset, model, layer, vary: what was asked, each in a few words.
      differences: dotted setting -> value, for the settings that differ between cells of one run.
      run: name of the run; empty where the page is of one run.
    """

    cell: str
    dataset: str
    model: str
    layer: str
    vary: str
    differences: Mapping[str, Any]
    run: str = ""

    @property
    def title(self) -> str:
        """Headline of the cell; settings that no other column shows are appended."""
        layer = f"layer {self.layer}" if self.layer else ""
        parts = [self.run, self.dataset, self.model, layer, self.vary]
        for key, value in self.differences.items():
            if not is_in_title(key):
                parts.append(f"{key.rsplit('.', 1)[-1]} {value_text(value)}")
        return " · ".join(part for part in parts if part)


def is_in_title(key: str) -> bool:
    """Return whether dataset, model, layer or vary already say what this dotted setting says.

    Example:
      >>> is_in_title("model.activation"), is_in_title("model.layers")
      (True, False)
    """
    return key in _IN_TITLE


def flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) for every leaf of nested settings; lists are leaves.

    Example:
      >>> dict(flatten({"model": {"name": "gcn", "layers": 2}, "seed": 0}))
      {'model.name': 'gcn', 'model.layers': 2, 'seed': 0}
    """
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def setting(settings: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted setting, or None where there is none.

    Example:
      >>> setting({"metamers": {"tolerance": 1e-4}}, "metamers.tolerance")
      0.0001
    """
    value: Any = settings
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def differing_settings(all_settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the dotted settings that are not the same in every cell, in order of appearance.

    A setting that is null in some cell does not apply there, as the slope of 0/1 features to
    continuous ones: it follows from another difference and is left out.

    Example:
      >>> differing_settings([{"a": 1, "b": {"c": 1}}, {"a": 1, "b": {"c": 2}}])
      ['b.c']
    """
    flat = [dict(flatten(settings)) for settings in all_settings]
    keys = dict.fromkeys(key for each in flat for key in each)
    keys.pop("measures", None)  # which measures apply follows from what varies
    keys.pop("planted.problems", None)  # searched beside a cell, and no part of its metamers
    if "metamers.tolerance" in keys and len({each.get("metamers.tolerance") for each in flat}) > 1:
        keys.pop("success.worst_node", None)  # follows from the tolerance, unless it is given
    applying = [key for key in keys if all(each.get(key) is not None for each in flat)]
    return [key for key in applying if len({canonical(each[key]) for each in flat}) > 1]


def canonical(value: Any) -> str:
    """Return settings as text that is equal where they are.

    Example:
      >>> canonical({"b": 1, "a": [2]})
      '{"a": [2], "b": 1}'
    """
    return json.dumps(value, sort_keys=True, default=str)


def network_of(settings: Mapping[str, Any]) -> str:
    """Return what is equal for cells of one trained network: its data, settings and seed.

    Example:
      >>> network_of({"model": {"hidden": 8}, "seed": 3, "metamers": {"layer": "conv1"}})
      '{"model.hidden": 8, "seed": 3}'
    """
    flat = dict(flatten(settings))
    seed = "training.seed" if flat.get("training.seed") is not None else "seed"
    parts = ("dataset.", "model.", "training.")
    return canonical({k: v for k, v in flat.items() if k == seed or k.startswith(parts)})


def name_cells(
    all_settings: Mapping[str, Mapping[str, Any]], runs: Mapping[str, str] | None = None
) -> dict[str, CellName]:
    """Name every cell of a run from its resolved settings.

    Args:
      all_settings: cell identifier -> nested settings.
      runs: cell identifier -> name of its run, where the cells are of several.

    Returns:
      Cell identifier -> its name.

    Example:
      >>> settings = {"dataset": {"name": "karate"}, "metamers": {"layer": "conv1"}}
      >>> print(name_cells({"c0": settings})["c0"].title)
      karate · layer conv1
    """
    by_run: dict[str, list[Mapping[str, Any]]] = {}
    for cell, settings in all_settings.items():
        by_run.setdefault((runs or {}).get(cell, ""), []).append(settings)
    # What tells whole runs apart is said by their names.
    keys = {key for cells in by_run.values() for key in differing_settings(cells)}
    return {
        cell: CellName(
            cell=cell,
            dataset=" ".join(_words(settings, "dataset.name")),
            model=_model_text(settings),
            layer=" ".join(_words(settings, "metamers.layer")),
            vary=_vary_text(settings),
            differences={k: v for k, v in flatten(settings) if k in keys},
            run=(runs or {}).get(cell, ""),
        )
        for cell, settings in all_settings.items()
    }


def distinguishing(titles: Sequence[str]) -> list[str]:
    """Shorten titles to the parts that not all of them share.

    Example:
      >>> distinguishing(["digits · gcn · conv1", "digits · gcn · logits"])
      ['conv1', 'logits']
    """
    parts = [title.split(" · ") for title in titles]
    shared = set(parts[0]).intersection(*parts[1:]) if len(parts) > 1 else set()
    short = [" · ".join(part for part in each if part not in shared) for each in parts]
    return [text or title for text, title in zip(short, titles, strict=True)]


def value_text(value: Any, null: str = "default") -> str:
    """Return a value of a setting as text, lists in brackets."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(value_text(one, null) for one in value) + "]"
    return null if value is None else str(value)


def _words(settings: Mapping[str, Any], *keys: str) -> list[str]:
    found = (setting(settings, key) for key in keys)
    return [str(value) for value in found if value is not None]


def _model_text(settings: Mapping[str, Any]) -> str:
    words = _words(settings, "model.architecture", "model.activation")
    return " ".join(words + ["untrained"] * (setting(settings, "training.epochs") == 0))


def _vary_text(settings: Mapping[str, Any]) -> str:
    words = _words(settings, "metamers.vary", "metamers.domain")
    if setting(settings, "metamers.features") == "binary_features":
        words.append("binary features")
    start = setting(settings, "metamers.edges.start")
    if start is not None:
        words.append(_STARTS.get(start, str(start)))
    if setting(settings, "metamers.method") == "color_swaps":
        words.append("by color-preserving swaps")
    return ", ".join(words).replace("_", " ")
