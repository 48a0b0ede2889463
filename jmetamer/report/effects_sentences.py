"""Effects of factors in plain words."""

import math

from jmetamer.report.effects_summary import VERDICTS, EffectStudy
from jmetamer.report.factor_settings import ACTIVATION
from jmetamer.report.outcomes import ACCURACY
from jmetamer.report.prose import paragraphs, said
from jmetamer.report.reading import grouped
from jmetamer.report.wording import listing, percent
from jmetamer.results.adjusted_effect import MARGIN

ALPHA = 0.05


def grid_sentence(study: EffectStudy) -> str:
    """Say what was crossed with what."""
    return said("effects_sentences", "grid", study)


def main_sentence(study: EffectStudy) -> str:
    """Say what each factor changes by itself, where an interval leaves 0 out, and what it costs."""
    return said("effects_sentences", "main", study, ACCURACY)


def interaction_sentence(study: EffectStudy) -> str:
    """Say where factors do more or less together than one by one."""
    return said("effects_sentences", "interactions", study)


def certainty_sentence(study: EffectStudy) -> str:
    """Say what is left after the correction for several tests, and what chance would give."""
    family = max(map(len, study.effects.values()))
    needed = 1 + math.ceil(math.log2(family / ALPHA))  # seeds, for sign-flip tests
    effects = [one for _, one in study.all]
    return said("effects_sentences", "certainty", effects, family, ALPHA, needed)


def rank_sentences(study: EffectStudy) -> list[str]:
    """Say of which outcomes counting rank alone explains what the activation does."""
    factor = next((one for one in study.grid.factors if one.key == ACTIVATION), None)
    return paragraphs(
        "effects_sentences", "at_equal_rank", study.at_equal_rank, factor, percent(MARGIN), VERDICTS
    )


def without_sentence(study: EffectStudy) -> str:
    """Say which outcomes are left out, and why."""
    reasons = {**study.without, **study.absent}
    by_reason = grouped((reason, outcome) for outcome, reason in reasons.items())
    texts = [f"{listing(own, limit=8)} ({reason})" for reason, own in by_reason.items()]
    return f"Left out: {'; '.join(texts)}." if texts else ""
