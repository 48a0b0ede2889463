"""`Estimate`, `Difference`, `Rate`: numbers over training seeds, or why there is none."""

import collections
import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from jmetamer.measures.transfer import Paired
from jmetamer.report.prose import paragraphs
from jmetamer.report.reading import grouped, mean
from jmetamer.report.share import Share, over_networks
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.success_summary import ALPHA
from jmetamer.results import SeedSummary, seed_summary
from jmetamer.results.absence import planted_text
from jmetamer.results.seed_interval import SHARE, Bounds
from jmetamer.results.setting_tree import setting

NO_SUCCESS = "which metamers succeeded is not stored"
_NO_TEST = "no null-distribution test was made, so there is no p-value to correct"


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over training seeds.

    Attributes:
      value: the mean; None where it is not known.
      low, high: limits of its 95% interval over seeds; None where it is not known, for one, and
        where all are equal.
      num_seeds: seeds with a value.
      reason: why `value` is None; empty where it is not.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    num_seeds: int = 0
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Difference(Estimate):
    """Recognition of metamers less that of a control, over makers' seeds and architectures.

    Attributes:
      control: name of the control; empty where there is none.
      value: mean difference of kappa; None where it is not known.
      low, high: limits of its 95% interval, which takes seeds and architectures as samples; None
        where it is not known, and for fewer than two of either.
      num_seeds, num_architectures: of the maker, and of its judges.
      num_pairs: metamers that succeeded and have this control.
      reason: why `value` is None; empty where it is not.
    """

    control: str = ""
    num_architectures: int = 0
    num_pairs: int = 0


def differing(control: str, paired: Paired | None, reason: str) -> Difference:
    """Return a paired difference, with `reason` where there is no pair.

    Args:
      paired: from `transfer`; None where no control was read.
    """
    if paired is None or not paired.num_pairs:
        return Difference(reason=reason, control=control)
    mean, *limits, seeds, architectures = paired.difference
    low, high = (limit if math.isfinite(limit) else None for limit in limits)
    return Difference(
        mean, low, high, seeds, control=control, num_architectures=architectures,
        num_pairs=paired.num_pairs,
    )  # fmt: skip


def estimated(summary: SeedSummary, reason: str) -> Estimate:
    """Return a summary over seeds, with `reason` where no seed has a value.

    Example:
      >>> estimated(seed_summary([0.5]), "")
      Estimate(value=0.5, low=None, high=None, num_seeds=1, reason='')
    """
    if summary.num_seeds == 0:
        return Estimate(reason=reason)
    low, high = (limit if math.isfinite(limit) else None for limit in (summary.low, summary.high))
    return Estimate(summary.mean, low, high, summary.num_seeds)


def over_seeds(values: Iterable[float], reason: str, bounds: Bounds = SHARE) -> Estimate:
    """Return the mean over seeds of one value each; NaN where a seed has none.

    Args:
      bounds: lowest and highest value that is possible, by default of a share.

    Example:
      >>> over_seeds([0.25, float("nan"), 0.75], "not stored").num_seeds
      2
      >>> over_seeds([], "not stored").reason
      'not stored'
    """
    return estimated(seed_summary(np.array([*values], np.float64), bounds=bounds), reason)


@dataclasses.dataclass(frozen=True)
class Rate:
    """A share of metamers with its 95% interval over networks.

    Attributes:
      count, total: metamers that succeeded, and all.
      value, low, high: the share and its limits; None where it is not known.
      num_networks: training seeds with metamers; with one the limits are Wilson's over its
        metamers, and say nothing about other seeds.
      reason: why it is not known.
      planted: where none succeeded, what the search may have missed, in words; empty otherwise.
    """

    count: int | None = None
    total: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None
    num_networks: int = 0
    reason: str = ""
    planted: str = ""


@dataclasses.dataclass(frozen=True)
class SuccessRates:
    """How many of a row's metamers succeeded.

    Attributes:
      success: of all metamers together, a seed with more of them counting more.
      by_seed: mean over training seeds of the share of each, with its interval over seeds.
      corrected: after Holm's correction of the null test's p-values over the cells of the run.
      corrected_by_seed: the same over training seeds.
      notes: cells that are left out.
    """

    success: Rate
    by_seed: Estimate
    corrected: Rate
    corrected_by_seed: Estimate
    notes: tuple[str, ...]


def success_rates(cells: Sequence[StoredCell]) -> SuccessRates:
    """Return how many metamers succeeded, uncorrected and corrected."""
    success, by_seed = _rate(cells, lambda cell: cell.success, NO_SUCCESS)
    corrected, corrected_by_seed = _rate(cells, corrected_success, success.reason or _NO_TEST)
    judged = [cell for cell in cells if cell.success is not None]
    unjudged = [cell for cell in cells if cell.success is None] if judged else []
    tested = [cell for cell in judged if corrected_success(cell) is not None]
    untested = [cell for cell in judged if cell not in tested] if tested else []
    none = [one.missed for one in cells if one.success is not None and not one.success.any()]
    missed = collections.Counter((m.name, m.change.replace("`", "")) for m in none if m is not None)
    notes = paragraphs("board_sentences", "success", unjudged, untested, list(missed.items()))
    return SuccessRates(success, by_seed, corrected, corrected_by_seed, tuple(notes))


def corrected_success(cell: StoredCell) -> np.ndarray | None:
    """Return [b] bool, metamers that succeed with the corrected p-value; None without a test.

    Success asks for an uncorrected p-value of at most alpha among other things, and the corrected
    one is never less: those are left of which it still is at most alpha. Where the test is not
    applicable there is nothing to correct, and success stands as it is.

    Args:
      cell: with `p_adjusted` where there was a test.
    """
    if cell.null_not_applicable:
        return cell.success
    if cell.success is None or cell.p_adjusted is None:
        return None
    alpha = setting(cell.settings, "success.null_test.alpha")
    with np.errstate(invalid="ignore"):
        return cell.success & (cell.p_adjusted <= (ALPHA if alpha is None else alpha))


def _rate(
    cells: Sequence[StoredCell], bits: Callable[[StoredCell], np.ndarray | None], reason: str
) -> tuple[Rate, Estimate]:
    """Return the share over metamers and over seeds, of the cells where it is known."""
    seeds = grouped(
        (cell.seed, succeeded) for cell in cells if (succeeded := bits(cell)) is not None
    )
    if not seeds:
        total = sum(cell.num_metamers for cell in cells)
        return Rate(total=total, reason=reason), Estimate(reason=reason)
    each = [np.concatenate(group) for group in seeds.values()]
    share = over_networks((str(n), Share(int(b.sum()), b.size)) for n, b in enumerate(each))
    why = "" if share.total else "no metamers"
    planted = planted_text(share.count, *(c.data.attrs for c in cells if c.num_metamers))
    value, num_networks = share.share if share.total else None, sum(bits.size > 0 for bits in each)
    counts = share.count, share.total
    rate = Rate(*counts, value, *share.interval, num_networks, why, planted)
    return rate, over_seeds([mean(bits) for bits in each], why)
