"""Effects of factors in plain words."""

import math
from collections.abc import Iterator, Sequence

from jmetamer.report.effects_summary import (
    EXPLAINED,
    MORE,
    NOT_FOUND,
    NOTHING,
    UNDETERMINED,
    EffectStudy,
    EqualRank,
)
from jmetamer.report.factor_settings import ACTIVATION, level_text
from jmetamer.report.outcomes import ACCURACY
from jmetamer.report.reading import grouped
from jmetamer.report.wording import listing, number, percent, plural, signed
from jmetamer.results.adjusted_effect import MARGIN, AdjustedEffect
from jmetamer.results.factorial import Effect

ALPHA = 0.05
# Beginning of a factor's key -> what its effects do not say.
_CAUTIONS = {
    "dataset.name": "Datasets differ in nodes, features and classes at once, and their networks "
    "share a seed but no data: an effect of {name} is that of all of these, and seeds are paired "
    "by number alone.",
    "metamers.layer": "Layers differ in width and in what they can see, so that an effect of "
    "{name} on a rank is one of numbers of directions, not of shares.",
    "metamers.vary": "Where different parts of the graph vary, inputs and measures are not the "
    "same; only what all cells hold is compared, and ranks are of different inputs.",
}


def interval(effect: Effect | AdjustedEffect) -> str:
    """Write the limits of an effect.

    Example:
      >>> print(interval(AdjustedEffect(0.1, -0.2, 0.4, 1.0, 0.3, 6)))
      -0.2 to +0.4
      >>> print(interval(AdjustedEffect(0.0, 0.0, 0.0, 1.0, 0.3, 3)))
      all 3 equal
    """
    if effect.num_seeds == 1:
        return "one seed"
    if effect.all_equal:
        return f"all {effect.num_seeds} equal"
    return f"{signed(effect.low)} to {signed(effect.high)}"


def grid_sentence(study: EffectStudy) -> str:
    """Say what was crossed with what."""
    grid = study.grid
    texts = [f"{f.name} ({', '.join(map(level_text, f.levels))})" for f in grid.factors]
    start = "Every combination of " if len(texts) > 1 else "Levels of "
    sentences = [f"{start}{listing(texts)} at each of {plural(len(grid.seeds), 'seed')}."]
    sentences += [
        f"{factor.name} stands for what changes with it too: {listing(list(factor.along))}."
        for factor in grid.factors
        if factor.along
    ]
    rest = [factor.name for factor in grid.factors if factor.name not in grid.about]
    if rest:
        sentences.append(
            f"Effects of {listing(sorted(grid.about))} are means over {listing(rest)}, whose own "
            "effects stand in the parts that leave the others as they are."
        )
    return " ".join([*sentences, *_cautions(study)])


def _cautions(study: EffectStudy) -> Iterator[str]:
    for factor in study.grid.factors:
        for start, text in _CAUTIONS.items():
            if factor.key.startswith(start) and factor.name in study.grid.about:
                yield text.format(name=factor.name)


def main_sentence(study: EffectStudy) -> str:
    """Say what each factor changes by itself, where an interval leaves 0 out, and what it costs."""
    parts = []
    for factor in study.grid.factors:
        for second in factor.levels[1:] if factor.name in study.grid.about else ():
            own = {outcome: _main(study, outcome, factor.name, second) for outcome in study.effects}
            changes = [
                f"{outcome} by {_with_limits(effect)}"
                for outcome, effect in own.items()
                if outcome != ACCURACY and effect.is_clear
            ]
            text = listing(changes, limit=10) or "no outcome so that its interval leaves 0 out"
            parts.append(f"{factor.compared(second)} changes {text}")
    return f"{_capital('; '.join(parts))}.{_cost(study)}"


def _main(study: EffectStudy, outcome: str, name: str, second: object) -> Effect:
    """Return the effect of a factor's level by itself."""
    return next(
        one
        for one in study.effects[outcome]
        if one.factors == (name,) and one.levels[0][1] == second
    )


def _cost(study: EffectStudy) -> str:
    if ACCURACY not in study.effects:
        return ""
    costs = [
        (_main(study, ACCURACY, factor.name, second), f"{factor.name} {level_text(second)}")
        for factor in study.grid.factors
        if factor.name in study.grid.about
        for second in factor.levels[1:]
    ]
    if all(effect.all_equal and effect.mean == 0 for effect, _ in costs):
        return " Test accuracy is the same at every seed."
    texts = []
    for effect, name in costs:
        may_be = not effect.all_equal and effect.low < 0 < effect.high
        texts.append(f"by {_with_limits(effect)}{', which may be 0,' * may_be} with {name}")
    return f" Test accuracy changes {listing(texts)}."


def interaction_sentence(study: EffectStudy) -> str:
    """Say where factors do more or less together than one by one."""
    found = [
        f"{study.label(one)} on {outcome} ({signed(one.mean)}; {interval(one)})"
        for outcome, one in study.all
        if len(one.factors) > 1 and one.is_clear
    ]
    if not any(len(one.factors) > 1 for _, one in study.all):
        return ""
    if not found:
        return "No interaction has an interval that leaves 0 out; that does not say there is none."
    return f"Interactions whose interval leaves 0 out: {listing(found)}."


def certainty_sentence(study: EffectStudy) -> str:
    """Say what is left after the correction for several tests, and what chance would give."""
    effects = [one for _, one in study.all]
    family = max(len(found) for found in study.effects.values())
    seeds = max(one.num_seeds for one in effects)
    equal = sum(one.all_equal for one in effects)
    own = [one for one in effects if not one.all_equal]
    count = sum(one.is_clear for one in own)
    text = (
        f"Of {plural(len(own), 'interval')}, {count} {'leaves' if count == 1 else 'leave'} 0 out; "
        f"if nothing had an effect, about {number(round(ALPHA * len(own), 1))} would."
    )
    if equal:
        text += f" {plural(equal, 'effect')} more: equal at all seeds, which gives no interval."
    smallest = min(one.smallest_p for one in effects)
    corrected = f"after Holm's correction for the {family} effects on one outcome " * (family > 1)
    if family * smallest > ALPHA:
        needed = 1 + math.ceil(math.log2(family / ALPHA))
        return (
            f"{text} With {plural(seeds, 'seed')} no sign-flip p-value is below {number(smallest)},"
            f" so {corrected}none can reach {ALPHA}; {needed} seeds could."
        )
    clear = sum(one.adjusted_p <= ALPHA for one in effects)
    verb = "is" if clear == 1 else "are"
    end = f"{corrected}{clear} of the sign-flip p-values {verb} at most {ALPHA}."
    return f"{text} {_capital(end)}"


def rank_sentences(study: EffectStudy) -> list[str]:
    """Say of which outcomes counting rank alone explains what the activation does."""
    if not study.at_equal_rank:
        return []
    (factor,) = (one for one in study.grid.factors if one.key == ACTIVATION)
    sentences = []
    for levels in dict.fromkeys(one.plain.levels for one in study.at_equal_rank):
        own = [one for one in study.at_equal_rank if one.plain.levels == levels]
        question = f"Does counting rank alone explain what {factor.compared(levels[0][1])} does?"
        sentences.append(" ".join([question, *_answers(own)]))
    reasons = dict.fromkeys(one.reason for one in study.at_equal_rank if one.reason)
    return [*sentences, *(f"Not determined: {text}" for text in reasons)]


def _answers(compared: Sequence[EqualRank]) -> Iterator[str]:
    """Yield a sentence for each verdict; shares are of the direct part, with 90% limits."""
    margin = percent(MARGIN)
    found = {
        verdict: [f"{one.outcome}{_share(one)}" for one in compared if one.verdict == verdict]
        for verdict in (EXPLAINED, MORE, NOT_FOUND, UNDETERMINED, NOTHING)
    }
    starts = {
        EXPLAINED: f"Rank alone explains it, to within {margin} of the effect, of",
        MORE: "A part of the effect is left at an equal median rank of",
        NOT_FOUND: f"No direct part was found, but the interval does not fit into {margin}, of",
        UNDETERMINED: "At equal rank nothing is determined of",
        NOTHING: "The interval of the effect holds 0, so that none was found to explain, of",
    }
    for verdict, outcomes in found.items():
        if outcomes:
            yield f"{starts[verdict]} {listing(outcomes, limit=6)}."


def _share(one: EqualRank) -> str:
    """Write the direct part as a share of the effect, and how many seeds would be enough."""
    if not one.is_clear or one.direct is None:
        return ""
    text = f"{percent(one.direct.share)}, 90% limits {share_limits(one.direct)}"
    if one.verdict == NOT_FOUND:
        text += f"; without a direct part {seeds_needed(one.direct)} seeds would do"
    return f" ({text})"


def share_limits(fit: AdjustedEffect) -> str:
    """Write the limits of the direct part as a share of the effect.

    Example:
      >>> share_limits(AdjustedEffect(0.1, -0.2, 0.4, 1.0, 0.3, 6, 0.3, -0.2, 0.9))
      '-20% to 90%'
    """
    if math.isinf(fit.share_low):
        return "no limits"
    if fit.all_equal:
        return f"all {fit.num_seeds} equal"
    return f"{percent(fit.share_low)} to {percent(fit.share_high)}"


def without_sentence(study: EffectStudy) -> str:
    """Say which outcomes are left out, and why."""
    reasons = {**study.without, **study.absent}
    by_reason = grouped((reason, outcome) for outcome, reason in reasons.items())
    texts = [f"{listing(own, limit=8)} ({reason})" for reason, own in by_reason.items()]
    return f"Left out: {'; '.join(texts)}." if texts else ""


def seeds_needed(fit: AdjustedEffect) -> str:
    """Write how many seeds would be enough.

    Example:
      >>> seeds_needed(AdjustedEffect(0.1, -0.2, 0.4, 1.0, 0.3, 6))
      'more than 10,000'
    """
    needed = fit.seeds_needed
    return f"{needed:,.0f}" if math.isfinite(needed) else "more than 10,000"


def _with_limits(effect: Effect | AdjustedEffect) -> str:
    return f"{signed(effect.mean)} ({interval(effect)})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
