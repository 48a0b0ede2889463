"""What must be equal for two rows to be compared: the reference graph and how metamers are made."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from jmetamer.report.cells import differing_settings, flatten, name_cells, setting
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.wording import number

# Settings that say which set metamers are drawn from, and when one counts.
_RECIPE = (
    "vary", "features", "edges", "domain", "bounds", "initialization", "ones", "method", "nodes",
    "tolerance",
)  # fmt: skip
_NOT_OF_A_ROW = (*_RECIPE, "repulsion", "layer", "seed", "count")
_METHODS = {
    "optimize": "found by gradient search",
    "reflect": "made by turning around what the first layer does not see",
    "replace": "made by replacing what the first layer does not see",
    "null_space": "made by adding differences between nodes that cancel among neighbors",
    "gauss_newton": "found by Gauss-Newton steps",
    "walk": "found by a walk from the reference",
    "max_distance": "found as unlike the reference as possible",
    "swap_search": "found by swaps of edges",
    "color_swaps": "made by swaps of edges that keep all colors",
}
_STARTS = {
    "global": "started from noise with the mean and spread of all features",
    "per_feature": "started from noise with the mean and spread of each feature",
    "permuted": "started from the reference's rows in random order",
}
_WITHOUT_START = ("reflect", "walk")  # these go from the reference


def dataset_of(cell: StoredCell) -> dict[str, Any]:
    """Return what tells the reference graph and its labels' split from others, JSON-able.

    A seed that only draws a split is no part of it; that of a generated graph is in `reference`.
    """
    name = str(setting(cell.settings, "dataset.name") or "")
    return {
        # A file is known by its content; its folder is a matter of one machine.
        "name": PurePath(name).stem if PurePath(name).name != name else name,
        "options": dict(setting(cell.settings, "dataset.options") or {}),
        "split": setting(cell.settings, "dataset.split"),
        "reference": cell.stored("reference_digest"),
    }


def recipe_of(cell: StoredCell) -> dict[str, Any]:
    """Return the settings that make up a recipe: what varies, method, start, when one counts."""
    metamers = cell.settings.get("metamers") or {}
    recipe = {key: metamers.get(key) for key in _RECIPE}
    # Runs of older versions do not name it.
    recipe["repulsion"] = metamers.get("repulsion") or 0.0
    return {"metamers": recipe, "success": cell.criteria}


def row_settings(cell: StoredCell) -> dict[str, Any]:
    """Return what one row of a board has in common: model, training without its seed, search."""
    training = dict(cell.settings.get("training") or {})
    training.pop("seed", None)
    metamers = cell.settings.get("metamers") or {}
    return {
        "model": cell.settings.get("model"),
        "training": training,
        "layer": metamers.get("layer"),
        "search": {key: value for key, value in metamers.items() if key not in _NOT_OF_A_ROW},
    }


def recipe_words(settings: Mapping[str, Any]) -> str:
    """Say in words how metamers are made and when one counts.

    Args:
      settings: of one cell, or from `recipe_of`.

    Example:
      >>> metamers = {"vary": "continuous_features", "domain": "free", "method": "reflect"}
      >>> recipe_words({"metamers": metamers | {"tolerance": 0.25, "nodes": [1, 2]}})
      'continuous features, free; made by turning around what the first layer does not see;
      matched at 2 nodes within a relative squared error of 0.25'
    """
    metamers = settings.get("metamers") or {}
    method = str(metamers.get("method") or "")
    start = "" if method in _WITHOUT_START else str(metamers.get("initialization") or "")
    nodes, tolerance = metamers.get("nodes"), metamers.get("tolerance")
    repulsion = metamers.get("repulsion") or 0
    where = "all nodes" if nodes is None else f"{len(nodes)} nodes"
    parts = [
        name_cells({"": settings})[""].vary,
        _METHODS.get(method, method.replace("_", " ")),
        _STARTS.get(start, start.replace("_", " ")),
        f"pushing each other apart with weight {number(repulsion)}, so that none is independent"
        if repulsion
        else "",
        f"matched at {where} within a relative squared error of {number(tolerance)}"
        if tolerance is not None
        else "",
        _criteria(settings.get("success") or {}),
    ]
    return "; ".join(part for part in parts if part)


def _criteria(success: Mapping[str, Any]) -> str:
    """Say when a metamer counts; null settings ask for nothing."""
    given = [f"{key.replace('_', ' ')} {v}" for key, v in success.items() if v is not None]
    return f"counted by {', '.join(given)}" if given else ""


def told_apart(labels: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Append to labels that are equal the settings in which their owners differ, if not none.

    Args:
      labels: one for each.
      settings: nested settings of each.

    Example:
      >>> told_apart(["gcn", "gcn", "gat"], [{"hidden": 8}, {"hidden": 16}, {"hidden": 9}])
      ['gcn, hidden 8', 'gcn, hidden 16', 'gat']
    """
    longer = []
    for label, own in zip(labels, settings, strict=True):
        alike = [s for name, s in zip(labels, settings, strict=True) if name == label]
        keys = differing_settings(alike) if len(alike) > 1 else []
        flat = dict(flatten(own))
        said = [key for key in keys if flat[key] not in ("none", False)]
        words = [f"{key.rsplit('.', 1)[-1].replace('_', ' ')} {flat[key]}" for key in said]
        longer.append(", ".join([label, *words]))
    return longer
