"""`Board`: rows that may be compared, because reference and recipe are the same."""

import dataclasses
from collections.abc import Iterable, Sequence

from jmetamer._base.arguments import checked
from jmetamer.report.cells import canonical
from jmetamer.report.leaderboard.panel import by_panel
from jmetamer.report.leaderboard.recipe import (
    dataset_of,
    recipe_of,
    recipe_text,
    row_settings,
    tell_apart,
)
from jmetamer.report.leaderboard.row import Row, identity_row, make_row
from jmetamer.report.reading import grouped
from jmetamer.report.stored_cell import StoredCell
from jmetamer.results.setting_tree import Settings


@checked
@dataclasses.dataclass(frozen=True)
class Board:
    """All models whose metamers were made of one reference by one recipe.

    Attributes:
      dataset: name in words.
      recipe: how the metamers are made, in words.
      dataset_settings, recipe_settings: what all rows share; those of the recipe are dotted.
      rows: by layer, those that are read best above equally long random changes first, then those
        of which this is not known by R, then the identity.
      notes: what a reader should know.
    """

    dataset: str
    recipe: str
    dataset_settings: Settings
    recipe_settings: Settings
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


@checked
def make_boards(cells: Iterable[StoredCell]) -> list[Board]:
    """Sort cells into boards and rows.

    Rows of different references or recipes never meet on one board. Metamers that several cells
    hold, as cells of two runs or with other measures, count once. Cells whose judges of one name
    are built or trained in different ways are rows apart.

    Args:
      cells: of one or several runs, in any order.

    Returns:
      One board for each pair of reference and recipe, in order of appearance.
    """
    groups = grouped((canonical([dataset_of(cell), recipe_of(cell)]), cell) for cell in cells)
    boards = [_board(group) for group in groups.values()]
    datasets = tell_apart(
        [board.dataset for board in boards],
        [{k: v for k, v in b.dataset_settings.items() if k != "reference"} for b in boards],
    )
    datasets = tell_apart(datasets, [{"graph": _short(board)} for board in boards])
    recipes = [board.recipe for board in boards]
    pairs = [f"{dataset}\n{recipe}" for dataset, recipe in zip(datasets, recipes, strict=True)]
    labels = tell_apart(pairs, [board.recipe_settings for board in boards])
    return [
        dataclasses.replace(board, dataset=dataset, recipe=text.split("\n", 1)[1])
        for board, dataset, text in zip(boards, datasets, labels, strict=True)
    ]


def _board(cells: Sequence[StoredCell]) -> Board:
    groups = grouped((canonical(row_settings(cell)), cell) for cell in cells)
    rows = [make_row(part) for group in groups.values() for part in by_panel(group)]
    kinds = [f"{row.model}|{row.control}|{row.layer}" for row in rows]
    labels = tell_apart(kinds, [row.settings for row in rows])
    panels = [row.recognized.panel for row in rows]
    labels = tell_apart(labels, [panel.label_settings if panel else {} for panel in panels])
    named = [
        dataclasses.replace(row, model=row.model + label.removeprefix(kind))
        for row, kind, label in zip(rows, kinds, labels, strict=True)
    ]
    layers = list(dict.fromkeys(row.layer for row in named))
    named.sort(key=lambda row: (layers.index(row.layer), *_headline(row)))
    return Board(
        dataset=str(dataset_of(cells[0])["name"]),
        recipe=recipe_text(recipe_of(cells[0])),
        dataset_settings=dataset_of(cells[0]),
        recipe_settings=recipe_of(cells[0]),
        rows=(*named, identity_row(cells)),
        notes=_notes(named),
    )


def _headline(row: Row) -> tuple[float, ...]:
    """Return what a row is sorted by, smallest first; unknown numbers are last."""
    numbers = row.recognized.above_length.value, row.recognized.recognition.value
    return tuple(float("inf") if value is None else -value for value in numbers)


def _short(board: Board) -> str:
    return str(board.dataset_settings["reference"])[:8]


def _notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """Say what makes rows of this board hard to compare."""
    panels = [row.recognized.panel for row in rows]
    judged = [panel for panel in panels if panel is not None]
    if all(panel.equals(judged[0]) for panel in judged):
        return ()
    return (
        "Not all rows have the same judges: they are others, or of another width, depth or "
        "training. R of two rows is comparable only where they are the same.",
    )
