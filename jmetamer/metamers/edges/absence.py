"""Calibrated absence: what it means that a search found no structure metamer.

A search that finds nothing may have had nothing to find, or be a poor search. Planted metamers,
which are known to exist, tell one from the other: the share of them that the same search finds at
the same budget is its recall.
"""

import dataclasses

from jmetamer._base.errors import InputError
from jmetamer.results.statistics import clopper_pearson_interval


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
    return AbsenceBound(
        found,
        searched,
        recalled,
        planted,
        level,
        success_upper,
        recall_lower,
        share_upper,
        least_recall,
    )
