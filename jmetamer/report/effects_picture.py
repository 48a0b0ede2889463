"""The figure of the effects of factors, with its caption and description."""

from collections.abc import Sequence

from jmetamer.report.effects_sentences import interval, signed
from jmetamer.report.effects_summary import EffectStudy
from jmetamer.report.figures import style
from jmetamer.report.figures.effects import MAX_ROWS, effect_panels
from jmetamer.report.picture import Picture, drawn, with_sources


def effects_picture(
    prefix: str, study: EffectStudy, known: Sequence[frozenset[str]]
) -> Picture | None:
    """Draw every effect of a grid with its interval.

    Args:
      prefix: unique within the page.
      study: numbers of the grid.
      known: names that each of its cells holds.
    """
    more = max(map(len, study.effects.values())) - MAX_ROWS
    rest = f" The last {more} effects of each outcome are in the table only." if more > 0 else ""
    texts = "; ".join(
        f"{study.label(one)} on {outcome} {signed(one.mean)}, {interval(one)}"
        for outcome, one in study.all
        if len(one.factors) == 1
    )
    with style.styled():
        picture = drawn(
            prefix, "Effects of the factors", effect_panels(study.effects, study.label),
            f"Effects and their 95% intervals, a panel for each outcome. {texts}.",
            "Dot: mean over training seeds; line: 95% t-interval over seeds. Of a factor the mean "
            "at its second level less that at its first; of two together half the difference of "
            "such differences. Each panel has the units of its outcome, and the vertical line is "
            f"no effect.{rest}",
            wide=True,
        )  # fmt: skip
    return with_sources(picture, *known)
