"""What must be equal for two rows to be compared: reference, how metamers are made, and judges."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from jmetamer.report.cells import differing_settings, name_cells
from jmetamer.report.makers import without_seeds
from jmetamer.report.methods import METHOD, WEIGHT, has_start, method_phrase, repulsion_of
from jmetamer.report.prose import paragraphs
from jmetamer.report.reading import grouped, mean, number_of
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.wording import listing
from jmetamer.results import StoredJudge
from jmetamer.results.setting_tree import Settings, flatten, object_fields, setting

# What varies, and when a metamer counts; the method alone stands for all of its settings.
_RECIPE = ("metamers.vary", "metamers.nodes", "metamers.tolerance", "success")
_OF_A_ROW = ("model", "training", "metamers")
_JUDGE_SIZES = {"judge_hidden": "recognition.hidden", "judge_epochs": "recognition.epochs"}


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
    method = str(recipe.get(METHOD) or "")
    starts = [str(v) for key, v in recipe.items() if v and key.endswith(".initialization")]
    vary, weight = name_cells({"": recipe})[""].vary, repulsion_of(recipe)
    shown = starts if has_start(method) else []
    tolerance = number_of(recipe.get("metamers.tolerance"))
    parts = vary, method_phrase(method), shown, weight, tolerance, recipe
    return "; ".join(paragraphs("board_sentences", "recipe", *parts))


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


@dataclasses.dataclass(frozen=True)
class Panel:
    """Judges with what is known of how they were built and trained.

    Attributes:
      judges: names, seeds and, in newer records, their settings.
      sizes: what the cell's settings say of them: width, epochs and number of layers.
    """

    judges: tuple[StoredJudge, ...]
    sizes: tuple[tuple[str, object], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the judges, "architecture/seed"."""
        return tuple(f"{judge.architecture}/{judge.seed}" for judge in self.judges)

    @property
    def settings(self) -> dict[str, Any]:
        """Judge architecture -> settings of model and training; None where they are not stored."""
        return {
            judge.architecture: json.loads(judge.settings) if judge.settings else None
            for judge in self.judges
        }

    @property
    def label_settings(self) -> dict[str, Any]:
        """What tells the panel from others, by words for a label."""
        return {**dict(self.sizes), "judges": " ".join(self.names)}

    def agrees(self, other: "Panel") -> bool:
        """Return whether some judge is in both, and judges of one name are the same.

        Args:
          other: of another cell.
        """
        theirs = dict(zip(other.names, other.judges, strict=True))
        shared = [(judge, theirs[name]) for name, judge in self._named if name in theirs]
        settings = [(one.settings, two.settings) for one, two in shared]
        alike = all(one == two for one, two in settings if one and two)
        return bool(shared) and self.sizes == other.sizes and alike

    def equals(self, other: "Panel") -> bool:
        """Return whether both have the same judges.

        Args:
          other: of another row.
        """
        return set(self.names) == set(other.names) and self.agrees(other)

    @property
    def _named(self) -> list[tuple[str, StoredJudge]]:
        return list(zip(self.names, self.judges, strict=True))


def panel_of(cell: StoredCell) -> Panel | None:
    """Return the judges of a cell, or None where nobody read its metamers."""
    if not cell.judges:
        return None
    sizes = {word: setting(cell.settings, key) for word, key in _JUDGE_SIZES.items()}
    sizes["judge_layers"] = setting(cell.settings, "model.layers")
    texts = tuple((key, "default" if v is None else v) for key, v in sizes.items())
    return Panel(cell.judges, texts)


def by_panel(cells: Sequence[StoredCell]) -> list[list[StoredCell]]:
    """Part cells that one row must not put together, as judges of one name are not the same.

    A cell that nobody judged goes with the first part.

    Args:
      cells: at least one; equal but for seeds and judges.
    """
    parts: list[list[StoredCell]] = []
    for cell in cells:
        own = panel_of(cell)
        fitting = (part for part in parts if own is None or _fits(own, part))
        part = next(fitting, None)
        if part is None:
            parts.append([cell])
        else:
            part.append(cell)
    return parts


def each_once(cells: Sequence[StoredCell]) -> tuple[list[StoredCell], tuple[str, ...]]:
    """Leave out cells whose metamers another cell holds too, and say which.

    In one row, cells of the same seeds made the same metamers: they differ in what was measured on
    them or in their number. The cell with most judges is kept; of several, one with maps over
    nodes, and of these the one with most metamers.

    Returns:
      Those that are kept, in their order, and notes.
    """
    groups = grouped((_maker_settings(cell), cell) for cell in cells)
    best = [max(group, key=_worth) for group in groups.values()]
    left = [cell for cell in cells if not any(cell is one for one in best)]
    names = listing([f"{cell.run} {cell.cell}" for cell in left])
    note = f"left out, as other cells hold the same metamers: {names}"
    return best, (note,) if left else ()


def _maker_settings(cell: StoredCell) -> tuple[Any, ...]:
    """Return the settings by which the metamers of cells of one row may differ."""
    seeds = ("dataset.seed", "training.seed", "metamers.seed")
    drawn = tuple(setting(cell.settings, key) for key in seeds)
    # Metamers that push each other apart depend on how many they are.
    return (*drawn, cell.num_metamers if repulsion_of(dict(flatten(cell.settings))) else None)


def _worth(cell: StoredCell) -> tuple[float, ...]:
    has_maps = bool(np.isfinite(node_means(cell)["nu"]))
    return len(cell.judges), cell.success is not None, has_maps, cell.num_metamers


def _fits(panel: Panel, part: Sequence[StoredCell]) -> bool:
    there = [other for other in map(panel_of, part) if other is not None]
    return all(panel.agrees(other) for other in there)


def node_means(cell: StoredCell) -> dict[str, float]:
    """Return means over nodes of the maps at the matched layer, after its activation.

    Returns:
      "rank" of the layer's Jacobian; "num_units", its ceiling, the layer's activations at one node;
      "nu" and "nu_centered", blind fractions of the features and of these less the mean of each;
      "rank_ratio", rank / inputs. NaN where it is not stored.
    """
    needed = ("map_nu", "map_nu_centered", "map_rank", "map_dimension")
    nu, centered, rank, dimension = (cell.table(name, ("map_layer", "node")) for name in needed)
    ratio = None
    if rank is not None and dimension is not None:
        inputs = rank + dimension
        ratio = np.divide(rank, inputs, out=np.full(rank.shape, np.nan), where=inputs > 0)
        rank = np.where(inputs > 0, rank, np.nan)  # a node without features in sight has none
    units = cell.table("num_outputs", ("target",))
    return {
        "rank": _last_mean(rank),
        "num_units": float(units.max()) if units is not None and units.size else np.nan,
        "nu": _last_mean(nu),
        "nu_centered": _last_mean(centered),
        "rank_ratio": _last_mean(ratio),
    }


def _last_mean(values: np.ndarray | None) -> float:
    """Return the mean of the last row; nodes without a value, as those without features, aside."""
    return mean([] if values is None else values[-1:])
