"""What the page shows of the effects of factors."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jmetamer.report.effects_summary import Effects, EffectStudy
from jmetamer.report.prose import paragraphs, said
from jmetamer.report.sources import OF_EFFECTS

if TYPE_CHECKING:
    from jmetamer.report.pictures import Picture

_MAX_DRAWN = 12
MAX_OPEN = 6  # grids that stand on the page; more are folded, behind those of the clearest effects


@dataclasses.dataclass(frozen=True, eq=False)
class StudySection:
    """One grid as the page shows it.

    Attributes:
      study: its numbers.
      headline: what each factor changes.
      sentences: the rest in words.
      pictures: its figures; none beyond the first 12 grids.
      sources: names in the store of what the numbers are made from.
    """

    study: EffectStudy
    headline: str
    sentences: tuple[str, ...]
    pictures: "tuple[Picture, ...]"
    sources: tuple[str, ...]


def study_sections(
    effects: Effects, stored_names: Mapping[str, frozenset[str]]
) -> list[StudySection]:
    """Return the words and the figure of each grid; of many, those of the clearest effects first.

    Effects of the dataset stand last: the clearest of them are facts of the data.

    Args:
      stored_names: cell -> names of what the store holds of it.
    """
    studies = list(effects.studies)
    if len(studies) > MAX_OPEN:
        studies.sort(key=lambda one: (one.grid.compares("dataset"), -_clearest(one)))
    return [_section(place, study, stored_names) for place, study in enumerate(studies, start=1)]


def _clearest(study: EffectStudy) -> float:
    """Return the largest effect of a grid, as a multiple of half its interval."""
    own = [one for _, one in study.all if one.high > one.low]
    return max((2 * abs(one.mean) / (one.high - one.low) for one in own), default=0.0)


def _section(
    place: int, study: EffectStudy, stored_names: Mapping[str, frozenset[str]]
) -> StudySection:
    cells = [stored_names[one.cell] for own in study.grid.cells.values() for one in own]
    keys = [key for factor in study.grid.factors for key in (factor.key, *factor.along)]
    return StudySection(
        study=study,
        headline=said("effects_sentences", "main", study),
        sentences=tuple(paragraphs("effects_sentences", "all", study)),
        pictures=_pictures(place, study, cells),
        sources=(*(f"settings.{key}" for key in keys), *OF_EFFECTS),
    )


def _pictures(
    place: int, study: EffectStudy, stored_names: Sequence[frozenset[str]]
) -> "tuple[Picture, ...]":
    if place > _MAX_DRAWN:
        return ()
    from jmetamer.report.figures.page_figure import GridView
    from jmetamer.report.pictures import draw_all

    return draw_all(f"effects{place}", GridView(study, tuple(stored_names)))[0]
