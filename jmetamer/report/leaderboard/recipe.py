"""What must be equal for two rows to be compared: the reference graph and how metamers are made."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from jmetamer.report.cells import differing_settings, name_cells
from jmetamer.report.makers import without_seeds
from jmetamer.report.methods import METHOD, WEIGHT, has_start, method_phrase, repulsion_of
from jmetamer.report.prose import is_number
from jmetamer.report.reading import number_of
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.wording import number
from jmetamer.results.setting_tree import Settings, flatten, object_fields, setting

# What varies, and when a metamer counts; the method alone stands for all of its settings.
_RECIPE = ("metamers.vary", "metamers.nodes", "metamers.tolerance", "success")
_OF_A_ROW = ("model", "training", "metamers")
_STARTS = {
    "global": "started from noise with the mean and spread of all features",
    "per_feature": "started from noise with the mean and spread of each feature",
    "permuted": "started from the reference's rows in random order",
}


def dataset_of(cell: StoredCell) -> dict[str, Any]:
    """Return what tells the reference graph and its labels' split from others, JSON-able.

    A seed that only draws a split is no part of it; that of a generated graph is in `reference`.
    """
    name = str(setting(cell.settings, "dataset") or "")
    options = object_fields(cell.settings, "dataset")
    return {
        # A file is known by its content; its folder is a matter of one machine.
        "name": PurePath(name).stem if PurePath(name).name != name else name,
        "options": {key: value for key, value in options.items() if key not in ("seed", "split")},
        "split": options.get("split"),
        "reference": cell.stored("reference_digest"),
    }


def recipe_of(cell: StoredCell) -> dict[str, Any]:
    """Return the dotted settings that say what varies, how, and when a metamer counts."""
    flat = dict(flatten({**cell.settings, "success": cell.criteria}))
    recipe = {key: v for key, v in flat.items() if key.startswith(_RECIPE) or key == METHOD}
    return recipe | ({WEIGHT: flat[WEIGHT]} if repulsion_of(flat) else {})


def row_settings(cell: StoredCell) -> dict[str, Any]:
    """Return the dotted settings that one row of a board shares: model, training, search."""
    return {
        key: value
        for key, value in without_seeds(cell.settings).items()
        if key.startswith(_OF_A_ROW) and not key.startswith((*_RECIPE, "metamers.count"))
    }


def recipe_text(recipe: Settings) -> str:
    """Say in words how metamers are made and when one counts.

    Example:
      >>> vary = {"metamers.vary": "continuous_features", "metamers.vary.domain": "free"}
      >>> recipe_text(vary | {"metamers.method": "reflect", "metamers.tolerance": 0.25})
      'continuous features, free; made by turning around what the first layer does not see;
      matched at all nodes within a relative squared error of 0.25'
    """
    method, weight = str(recipe.get(METHOD) or ""), repulsion_of(recipe)
    starts = [str(v) for key, v in recipe.items() if v and key.endswith(".initialization")]
    nodes, tolerance = recipe.get("metamers.nodes"), number_of(recipe.get("metamers.tolerance"))
    where = f"{len(nodes)} nodes" if isinstance(nodes, list) else "all nodes"
    parts = [
        name_cells({"": recipe})[""].vary,
        method_phrase(method),
        *(_STARTS.get(start, start.replace("_", " ")) for start in starts if has_start(method)),
        f"pushing each other apart with weight {number(weight)}, so that none is independent"
        if weight
        else "",
        f"matched at {where} within a relative squared error of {number(tolerance)}"
        if is_number(tolerance)
        else "",
        _criteria(recipe),
    ]
    return "; ".join(part for part in parts if part)


def _criteria(recipe: Settings) -> str:
    """Say when a metamer counts; null settings ask for nothing."""
    criteria = [
        f"{key.partition('.')[2].replace('.', ' ').replace('_', ' ')} {value}"
        for key, value in recipe.items()
        if key.startswith("success.") and value is not None
    ]
    return f"counted by {', '.join(criteria)}" if criteria else ""


def tell_apart(labels: Sequence[str], settings: Sequence[Settings]) -> list[str]:
    """Append to labels that are equal the settings in which their owners differ, if not none.

    Args:
      settings: of each, nested or dotted.

    Example:
      >>> tell_apart(["gcn", "gcn", "gat"], [{"hidden": 8}, {"hidden": 16}, {"hidden": 9}])
      ['gcn, hidden 8', 'gcn, hidden 16', 'gat']
    """
    flat = [dict(flatten(one)) for one in settings]
    longer = []
    for label, own in zip(labels, flat, strict=True):
        alike = [one for name, one in zip(labels, flat, strict=True) if name == label]
        keys = differing_settings(alike) if len(alike) > 1 else []
        differences = [
            f"{key.rsplit('.', 1)[-1].replace('_', ' ')} {own[key]}"
            for key in keys
            if own.get(key) not in (None, "none", False)
        ]
        longer.append(", ".join([label, *differences]))
    return longer
