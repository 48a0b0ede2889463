"""What the page shows of the effects of factors."""

import dataclasses
from collections.abc import Mapping, Sequence

from jmetamer.report.effects_sentences import (
    certainty_sentence,
    grid_sentence,
    interaction_sentence,
    interval,
    main_sentence,
    rank_sentences,
    signed,
)
from jmetamer.report.effects_summary import Effects, EffectStudy
from jmetamer.report.picture import Picture, drawn, with_sources
from jmetamer.report.sources import OF_EFFECTS

_MAX_DRAWN = 12


@dataclasses.dataclass(frozen=True, eq=False)
class StudySection:
    """One grid as the page shows it.

    Attributes:
      study: its numbers.
      headline: what each factor changes.
      sentences: the rest in words.
      picture: effects with intervals; None beyond the first 12 grids.
      sources: names in the store of what the numbers are made from.
    """

    study: EffectStudy
    headline: str
    sentences: tuple[str, ...]
    picture: Picture | None
    sources: tuple[str, ...]


def study_sections(effects: Effects, known: Mapping[str, frozenset[str]]) -> list[StudySection]:
    """Return the words and the figure of each grid.

    Args:
      effects: from `summarize_effects`.
      known: cell -> names of what the store holds of it.
    """
    return [_section(place, study, known) for place, study in enumerate(effects.studies, start=1)]


def _section(place: int, study: EffectStudy, known: Mapping[str, frozenset[str]]) -> StudySection:
    cells = [known[one.cell] for own in study.grid.cells.values() for one in own]
    keys = [key for factor in study.grid.factors for key in (factor.key, *factor.along)]
    without = ""
    if study.without:
        without = (
            f"Left out, as fewer than two seeds have a number in every cell: "
            f"{', '.join(study.without)}."
        )
    sentences = (
        grid_sentence(study),
        study.grid.note,
        interaction_sentence(study),
        certainty_sentence(study),
        *rank_sentences(study),
        without,
    )
    return StudySection(
        study=study,
        headline=main_sentence(study),
        sentences=tuple(text for text in sentences if text),
        picture=_picture(place, study, cells) if place <= _MAX_DRAWN else None,
        sources=(*(f"settings.{key}" for key in keys), *OF_EFFECTS),
    )


def _picture(place: int, study: EffectStudy, known: Sequence[frozenset[str]]) -> Picture | None:
    from jmetamer.report.figures import style
    from jmetamer.report.figures.effects import MAX_ROWS, effect_panels

    more = max(map(len, study.effects.values())) - MAX_ROWS
    rest = f" The last {more} effects of each outcome are in the table only." if more > 0 else ""
    told = "; ".join(
        f"{' by '.join(one.factors)} on {outcome} {signed(one.mean)}, {interval(one)}"
        for outcome, one in study.all
        if len(one.factors) == 1
    )
    with style.styled():
        picture = drawn(
            f"effects{place}", "Effects of the factors", effect_panels(study.effects),
            f"Effects and their 95% intervals, a panel for each outcome. {told}.",
            "Dot: mean over training seeds; line: 95% t-interval over seeds. Of a factor the mean "
            "at its second level less that at its first; of two together half the difference of "
            "such differences. Each panel has the units of its outcome, and the vertical line is "
            f"no effect.{rest}",
            wide=True,
        )  # fmt: skip
    return with_sources(picture, *known)
