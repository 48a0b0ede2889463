"""Calibrated absence: what it means that a search found no structure metamer.

A search that finds nothing may have had nothing to find, or be a poor search. Planted metamers,
which are known to exist, tell one from the other: the share of them that the same search finds at
the same budget is its recall.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from jmetamer._base.errors import InputError
from jmetamer.results.statistics import clopper_pearson_interval

PLANTED_LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class AbsenceBound:
    """How many problems may have metamers, given how many searches found one.

    Attributes:
      found: searches that ended with a verified metamer, of `searched`.
      searched: searches of the problems in question, one a problem.
      recalled: searches that found a planted metamer, of `planted`.
      planted: searches of problems with a planted metamer, at the same budget.
      level: probability with which `share_upper` holds.
      success_upper: upper confidence limit of the rate of success.
      recall_lower: lower confidence limit of the recall.
      share_upper: upper confidence limit of the share of problems that have a metamer,
        `min(1, success_upper / recall_lower)`; 1 where the recall may be 0.
      least_recall: what `recall_lower` must reach for `calibrated`.
    """

    found: int
    searched: int
    recalled: int
    planted: int
    level: float
    success_upper: float
    recall_lower: float
    share_upper: float
    least_recall: float

    @property
    def calibrated(self) -> bool:
        """Whether the recall on planted metamers is high enough to speak of absence."""
        return self.recall_lower >= self.least_recall

    @property
    def missed_upper(self) -> float:
        """Largest share of metamers as hard as those planted that a search may have missed."""
        return 1 - self.recall_lower


def absence_bound(
    found: int,
    searched: int,
    recalled: int,
    planted: int,
    *,
    level: float = 0.95,
    least_recall: float = 0.8,
) -> AbsenceBound:
    """Bound the share of problems that have metamers, from counts of two kinds of searches.

    A problem has a metamer with probability t, and a search finds one that exists with
    probability r. Every success is checked on the rebuilt graph, so that nothing is found where
    nothing exists: the rate of success is s = t r, and t = s / r. With the Clopper-Pearson limits
    `s <= U` and `r >= L`, of which each fails with probability (1 - level) / 2 at most,

        t <= U / L   with probability `level` or more.

    What may be concluded, where `calibrated`: at this network, layer, tolerance and budget, no
    more than `share_upper` of the problems of the kind searched have metamers of the kind planted.

    What may not: that there is no metamer; with few searches `share_upper` is large even where
    nothing was found (0.06 after 64 searches of perfect recall). Nor anything on metamers that are
    harder to find than those planted: r is taken over from them, so plant in graphs of the same
    size, density and features. Nor anything at another layer, network, tolerance or budget, which
    have recalls of their own. Where not `calibrated`, a search without success says little of
    the network and much of the search.

    Args:
      found: searches that ended with a verified metamer that is more than the reference renamed.
      searched: searches done, each of another problem drawn alike, all with the same budget
        (seeds and steps).
      recalled: searches of planted problems that ended with a metamer.
      planted: searches of planted problems done, with that budget.
      level: probability with which the bound holds.
      least_recall: lower limit of the recall from which on absence counts as calibrated.

    Raises:
      InputError: counts or levels out of range.

    Example:
      >>> bound = absence_bound(found=0, searched=64, recalled=40, planted=40)
      >>> print(f"{bound.success_upper:.3f} {bound.recall_lower:.3f} {bound.share_upper:.3f}")
      0.056 0.912 0.061
      >>> bound.calibrated, absence_bound(0, 64, 3, 40).calibrated
      (True, False)
    """
    if not 0 < least_recall <= 1:
        raise InputError(
            f"`least_recall` is {least_recall}; allowed: above 0 and at most 1, as a recall of 0 "
            "finds nothing that exists; 0.8 is usual"
        )
    _, success_upper = clopper_pearson_interval(found, searched, level)
    recall_lower, _ = clopper_pearson_interval(recalled, planted, level)
    share_upper = min(1.0, success_upper / recall_lower) if recall_lower > 0 else 1.0
    counts = found, searched, recalled, planted
    return AbsenceBound(*counts, level, success_upper, recall_lower, share_upper, least_recall)


def planted_scalars(solved: int, planted: int) -> dict[str, Any]:
    """Return what a record holds of planted problems that were searched as its cell was.

    One search of one graph says nothing of how many graphs have metamers, so what is bounded is
    the share of metamers, as hard to find as those planted, that the search misses: at most
    1 - L, L the lower Clopper-Pearson limit of the recall, with 95 % confidence.

    Args:
      solved: planted problems in which the budget of the cell found a metamer.
      planted: planted problems searched, at least 1.

    Example:
      >>> planted_scalars(8, 8)["planted_missed_upper"].__round__(3)
      0.312
    """
    # The limit of the rate of success is not used, so that all of the error is the recall's.
    bound = absence_bound(0, 1, solved, planted, level=2 * PLANTED_LEVEL - 1)
    return {
        "planted_problems": planted,
        "planted_solved": solved,
        "planted_missed_upper": bound.missed_upper,
    }


def planted_text(succeeded: float, *records: Mapping[str, Any]) -> str:
    """Say beside "0 of N" how many planted problems the budget solved, and what it may miss.

    Of several records, as of several training seeds, the largest of their bounds holds for each.

    Args:
      succeeded: metamers of all records that succeed; NaN where that is not stored.
      records: scalars of each, with those of `planted_scalars` or without.

    Returns:
      The words; empty where a metamer succeeds, or a record has no planted problems.

    Example:
      >>> planted_text(0, planted_scalars(20, 20))[:68]
      '20 of 20 planted problems (6 nodes) solved: up to 14% of metamers as'
      >>> planted_text(1, planted_scalars(20, 20)), planted_text(0, {})
      ('', '')
    """
    if succeeded or not records or not all("planted_problems" in one for one in records):
        return ""
    solved, planted = (
        sum(int(scalars[f"planted_{name}"]) for scalars in records)
        for name in ("solved", "problems")
    )
    missed = max(float(scalars["planted_missed_upper"]) for scalars in records)
    return (
        f"{solved} of {planted} planted problems (6 nodes) solved: up to {missed:.0%} of "
        f"metamers as hard to find may be missed ({PLANTED_LEVEL:.0%} limit)"
    )
