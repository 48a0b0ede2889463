"""Cells that differ in nothing but their seeds, taken together: one maker of metamers."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

from jmetamer.report.cells import canonical, distinguishing, name_cells, network_of
from jmetamer.report.harm_summary import HarmSummary, summarize_harm
from jmetamer.report.reading import grouped
from jmetamer.report.stored_cell import StoredCell
from jmetamer.results.setting_tree import Settings, flatten

SEEDS = ("seed", "dataset.seed", "training.seed", "metamers.seed")


@dataclasses.dataclass(frozen=True, eq=False)
class Maker:
    """One architecture with its settings and layer, trained from one seed or several.

    Attributes:
      run: name of the run; empty where the page is of one run.
      title: what is different from other makers, in a few words.
      settings: dotted setting -> value, without the seeds.
      cells: cells of all its seeds.
    """

    run: str
    title: str
    settings: Settings
    cells: tuple[StoredCell, ...]

    @property
    def architecture(self) -> str:
        """Name of the architecture, empty where unknown."""
        return str(self.settings.get("model") or "")

    @property
    def numbers(self) -> tuple[int, ...]:
        """Places of its cells on the page."""
        return tuple(cell.number for cell in self.cells)

    @functools.cached_property
    def harm(self) -> HarmSummary:
        """Harm of its metamers over its networks, one of each seed of their training."""
        networks = grouped((network_of(one.settings), one.harm) for one in self.cells)
        return summarize_harm(list(networks.values()))


def without_seeds(settings: Settings) -> dict[str, Any]:
    """Return dotted settings without those that only choose random numbers.

    Example:
      >>> without_seeds({"model": {"gcn": {"hidden": 8}}, "training": {"seed": 3, "epochs": 5}})
      {'model': 'gcn', 'model.hidden': 8, 'training.epochs': 5}
    """
    return {key: value for key, value in flatten(settings) if key not in SEEDS}


def makers(cells: Iterable[StoredCell]) -> list[Maker]:
    """Group the cells of each run by their settings without the seeds.

    Returns:
      Makers in the order of their first cells; titles name all settings that differ between them.
    """
    groups = grouped(((one.run, canonical(without_seeds(one.settings))), one) for one in cells)
    runs = {str(place): group[0].run for place, group in enumerate(groups.values())}
    flat = {
        str(place): without_seeds(group[0].settings) for place, group in enumerate(groups.values())
    }
    # The run has a name of its own beside the title.
    names = [dataclasses.replace(one, run="") for one in name_cells(flat, runs).values()]
    titles = distinguishing([name.title for name in names]) if names else []
    return [
        Maker(group[0].run, title, own, tuple(group))
        for title, own, group in zip(titles, flat.values(), groups.values(), strict=True)
    ]
