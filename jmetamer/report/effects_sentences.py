"""Effects of factors in plain words."""

import math

from jmetamer.report.effects_summary import (
    DEPENDS,
    EXPLAINED,
    MORE,
    NOTHING,
    UNDECIDED,
    EffectStudy,
    EqualRank,
)
from jmetamer.report.factor_grids import ACTIVATION, level_text
from jmetamer.report.outcomes import ACCURACY
from jmetamer.report.wording import listing, number, plural
from jmetamer.results.factorial import AdjustedEffect, Effect

ALPHA = 0.05
_RANK_ENDS = {
    EXPLAINED: "the rank alone explains this, as far as {seeds} can tell",
    MORE: "so more than the rank is at work",
    UNDECIDED: "which {seeds} cannot tell from no effect or from the whole of it",
    DEPENDS: "but it depends on whether the other factors act beside the rank as well",
}


def signed(value: float) -> str:
    """Write an effect with its sign.

    Example:
      >>> print(signed(2.5), signed(-0.1), signed(0.0))
      +2.5 -0.1 0
    """
    return f"+{number(value)}" if value > 0 else number(value)


def interval(effect: Effect | AdjustedEffect) -> str:
    """Write the limits of an effect.

    Example:
      >>> print(interval(AdjustedEffect(0.1, -0.2, 0.4, 1.0, 0.3, 6)))
      -0.2 to +0.4
    """
    return f"{signed(effect.low)} to {signed(effect.high)}"


def grid_sentence(study: EffectStudy) -> str:
    """Say what was crossed with what."""
    grid = study.grid
    told = [f"{f.name} ({', '.join(map(level_text, f.levels))})" for f in grid.factors]
    along = [
        f"{factor.name} stands for what changes with it too: {listing(list(factor.along))}."
        for factor in grid.factors
        if factor.along
    ]
    start = f"Every combination of {listing(told)} at each of {plural(len(grid.seeds), 'seed')}."
    return " ".join([start, *along])


def main_sentence(study: EffectStudy) -> str:
    """Say what each factor changes by itself, where an interval leaves 0 out, and what it costs."""
    parts = []
    for place, factor in enumerate(study.grid.factors):
        found = [
            f"{outcome} by {_told(effects[place])}"
            for outcome, effects in study.effects.items()
            if outcome != ACCURACY and _is_clear(effects[place])
        ]
        changes = listing(found, limit=10) or "no outcome by more than its interval allows for 0"
        parts.append(f"{factor.told} changes {changes}")
    return f"{_capital('; '.join(parts))}.{_cost(study)}"


def _cost(study: EffectStudy) -> str:
    if ACCURACY not in study.effects:
        return ""
    told = [
        f"by {_told(effect)} with {factor.name} {level_text(factor.levels[1])}"
        for factor, effect in zip(study.grid.factors, study.effects[ACCURACY], strict=False)
    ]
    return f" Test accuracy changes {listing(told)}."


def interaction_sentence(study: EffectStudy) -> str:
    """Say where factors do more or less together than one by one."""
    found = [
        f"{' × '.join(one.factors)} on {outcome} ({signed(one.mean)}; {interval(one)})"
        for outcome, one in study.all
        if len(one.factors) > 1 and _is_clear(one)
    ]
    if not any(len(one.factors) > 1 for _, one in study.all):
        return ""
    if not found:
        return "No interaction has an interval that leaves 0 out, so effects add up as far as seen."
    return f"Interactions whose interval leaves 0 out: {listing(found)}."


def certainty_sentence(study: EffectStudy) -> str:
    """Say what is left after the correction for several tests, and what chance would give."""
    effects = [one for _, one in study.all]
    family = max(len(found) for found in study.effects.values())
    seeds = max(one.num_seeds for one in effects)
    count = sum(map(_is_clear, effects))
    text = (
        f"Of {len(effects)} intervals, {count} {'leaves' if count == 1 else 'leave'} 0 out; if "
        f"nothing had an effect, about {number(round(ALPHA * len(effects), 1))} would."
    )
    smallest = min(one.smallest_p for one in effects)
    if family * smallest > ALPHA:
        needed = 1 + math.ceil(math.log2(family / ALPHA))
        return (
            f"{text} With {plural(seeds, 'seed')} no sign-flip p-value is below {number(smallest)},"
            f" so after Holm's correction for the {family} effects on one outcome none can reach "
            f"{ALPHA}; {needed} seeds could."
        )
    clear = sum(one.adjusted_p <= ALPHA for one in effects)
    return (
        f"{text} After Holm's correction for the {family} effects on one outcome, {clear} of the "
        f"sign-flip p-values {'is' if clear == 1 else 'are'} at most {ALPHA}."
    )


def rank_sentences(study: EffectStudy) -> list[str]:
    """Say whether counting rank alone explains what the activation does, outcome by outcome."""
    if not study.at_equal_rank:
        return []
    (factor,) = (one for one in study.grid.factors if one.key == ACTIVATION)
    told = [_rank_sentence(one) for one in study.at_equal_rank if one.verdict != NOTHING]
    nothing = [one.outcome for one in study.at_equal_rank if one.verdict == NOTHING]
    if nothing:
        told.append(
            f"On {listing(nothing, limit=8)} the interval of the effect holds 0, so there is "
            "nothing to explain."
        )
    question = f"Does counting rank alone explain what {factor.told} does?"
    reasons = dict.fromkeys(one.reason for one in study.at_equal_rank if one.reason)
    return [f"{question} {' '.join(told)}", *(f"Not determined: {text}" for text in reasons)]


def _rank_sentence(one: EqualRank) -> str:
    fit = one.alone or one.beside
    start = f"{_capital(one.outcome)}: {_told(one.plain)}"
    if fit is None:
        return f"{start}; at equal rank not determined."
    end = _RANK_ENDS[one.verdict].format(seeds=plural(fit.num_seeds, "seed"))
    found = _told(fit)
    if one.alone and one.beside and one.verdict in (MORE, DEPENDS, UNDECIDED):
        found += f", and {_told(one.beside)} where the other factors may act too"
    return f"{start}, at equal rank {found}; {end}."


def _told(effect: Effect | AdjustedEffect) -> str:
    return f"{signed(effect.mean)} ({interval(effect)})"


def _is_clear(effect: Effect) -> bool:
    return not effect.low <= 0 <= effect.high


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
