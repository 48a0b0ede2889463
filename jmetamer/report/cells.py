"""What a cell is called, which settings tell it apart, and the command that makes it again."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from jmetamer.report.methods import METHOD, has_start
from jmetamer.report.wording import level_text
from jmetamer.results.setting_tree import Settings, flatten

_IN_TITLE = re.compile(
    r"dataset|model|model\.activation|training\.(epochs|shuffle_labels|perturbation)"
    r"|metamers\.layer|metamers\.vary"
    r"|metamers\.vary(\.\w+)?\.(domain|start)"
)
# Where null is one of the values, and does not say that the setting does not apply.
_NULL_IS_NONE = "training.perturbation"
Control = Literal["untrained", "shuffled labels", "random perturbation", "identity"]
CONTROL_NETWORKS: tuple[Control, ...] = ("untrained", "shuffled labels", "random perturbation")
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
      dataset, model, layer, vary: the settings that every cell has, each in a few words.
      differences: dotted setting -> value as text, where cells of one run differ.
      run: name of the run; empty where the page is of one run.
    """

    cell: str
    dataset: str
    model: str
    layer: str
    vary: str
    differences: Mapping[str, str]
    run: str = ""

    @property
    def title(self) -> str:
        """Headline of the cell; settings that no other column shows are appended."""
        layer = f"layer {self.layer}" if self.layer else ""
        parts = [self.run, self.dataset, self.model, layer, self.vary]
        for key, value in self.differences.items():
            if not is_in_title(key):
                parts.append(f"{key.rsplit('.', 1)[-1]} {value}")
        return " · ".join(part for part in parts if part)


def is_in_title(key: str) -> bool:
    """Return whether dataset, model, layer or vary already say what this dotted setting says.

    Example:
      >>> is_in_title("model.activation"), is_in_title("model.layers")
      (True, False)
    """
    return _IN_TITLE.fullmatch(key) is not None


def differing_settings(each: Sequence[Settings]) -> list[str]:
    """Return the settings that are not the same in every cell, in order of appearance.

    A setting that some cell does not have, or that is null there, follows from another difference
    and is left out, as the slope of 0/1 features beside continuous ones.

    Args:
      each: dotted setting -> value, of each cell.

    Example:
      >>> differing_settings([{"a": 1, "b.c": 1}, {"a": 1, "b.c": 2}])
      ['b.c']
    """
    keys = dict.fromkeys(key for flat in each for key in flat)
    keys.pop("measures", None)  # which measures apply follows from what varies
    keys.pop("planted.problems", None)  # searched beside a cell, and no part of its metamers
    if "metamers.tolerance" in keys and len({flat.get("metamers.tolerance") for flat in each}) > 1:
        keys.pop("success.worst_node", None)  # follows from the tolerance, unless it is given
    method = {(flat.get("metamers.vary"), flat.get("metamers.method")) for flat in each}
    if len({vary for vary, _ in method}) == len(method):
        keys.pop("metamers.method", None)  # follows from what varies
    applying = [
        key
        for key in keys
        if key == _NULL_IS_NONE or all(flat.get(key) is not None for flat in each)
    ]
    return [key for key in applying if len({canonical(flat.get(key)) for flat in each}) > 1]


def canonical(value: object) -> str:
    """Return settings as text that is equal where they are.

    Example:
      >>> canonical({"b": 1, "a": [2]})
      '{"a": [2], "b": 1}'
    """
    return json.dumps(value, sort_keys=True, default=str)


def network_of(settings: Settings) -> str:
    """Return what is equal for cells of one trained network: its data, settings and seed.

    Example:
      >>> network_of({"model": {"gcn": {}}, "seed": 3, "metamers": {"layer": "conv1"}})
      '{"model": "gcn", "seed": 3}'
    """
    flat = dict(flatten(settings))
    seed = "training.seed" if flat.get("training.seed") is not None else "seed"
    parts = ("dataset", "model", "training")
    return canonical({k: v for k, v in flat.items() if k == seed or k.split(".")[0] in parts})


def name_cells(
    all_settings: Mapping[str, Settings], runs: Mapping[str, str] | None = None
) -> dict[str, CellName]:
    """Name every cell of a run from its resolved settings.

    Args:
      all_settings: cell identifier -> settings, nested or dotted.
      runs: cell identifier -> name of its run, where the cells are of several.

    Returns:
      Cell identifier -> its name.

    Example:
      >>> print(name_cells({"c0": {"dataset": "karate", "metamers.layer": "conv1"}})["c0"].title)
      karate · layer conv1
    """
    each = {cell: dict(flatten(settings)) for cell, settings in all_settings.items()}
    by_run: dict[str, list[Mapping[str, object]]] = {}
    for cell, flat in each.items():
        by_run.setdefault((runs or {}).get(cell, ""), []).append(flat)
    # What tells whole runs apart is said by their names.
    keys = {key for cells in by_run.values() for key in differing_settings(cells)}
    return {
        cell: CellName(
            cell=cell,
            dataset=_joined(flat, "dataset"),
            model=_model_text(flat),
            layer=_joined(flat, "metamers.layer"),
            vary=_vary_text(flat),
            differences={k: value_text(v) for k, v in flat.items() if k in keys},
            run=(runs or {}).get(cell, ""),
        )
        for cell, flat in each.items()
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


def value_text(value: object) -> str:
    """Return a value of a setting as the configuration has it, lists in brackets."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(value_text, value)) + "]"
    return level_text(value)


def _joined(flat: Settings, *keys: str) -> str:
    return " ".join(str(flat[key]) for key in keys if flat.get(key) is not None)


def _model_text(flat: Settings) -> str:
    return " ".join(filter(None, (_joined(flat, "model", "model.activation"), *_unlike(flat))))


def control_of(settings: Settings) -> Control | None:
    """Return which control a network is by its settings, nested or dotted, or None.

    Example:
      >>> control_of({"training": {"epochs": 0}}), control_of({"training": {"epochs": 9}})
      ('untrained', None)
    """
    unlike = _unlike(dict(flatten(settings)))
    return next((name for name in CONTROL_NETWORKS if name in unlike), None)


def _unlike(flat: Settings) -> list[str]:
    """Return what sets training apart from that on the labels and the graph as they are."""
    perturbation = flat.get("training.perturbation")
    parts = ["untrained"] if flat.get("training.epochs") == 0 else []
    parts += ["shuffled labels"] if flat.get("training.shuffle_labels") else []
    return [*parts, f"{perturbation} perturbation"] if perturbation else parts


def _vary_text(flat: Settings) -> str:
    """Say what varies, in which domain, and where a search for it begins."""
    parts = [_joined(flat, "metamers.vary").replace("+", " and ")]
    for key, value in flat.items():
        if key.startswith("metamers.vary.") and is_in_title(key) and value is not None:
            if key.endswith(".domain"):
                parts.append(str(value))
            elif has_start(str(flat.get(METHOD) or "")):
                parts.append(_STARTS.get(str(value), f"from {value}"))
    return ", ".join(filter(None, parts)).replace("_", " ")
