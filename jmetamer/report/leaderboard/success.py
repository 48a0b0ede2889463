"""`Rate`: the share of a row's metamers that succeeded, with its interval over training seeds."""

import collections
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from jmetamer.report.leaderboard.estimate import Estimate, over_seeds
from jmetamer.report.reading import grouped, mean
from jmetamer.report.share import Share, over_networks
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.success_summary import ALPHA
from jmetamer.report.wording import plural
from jmetamer.results.absence import planted_text
from jmetamer.results.setting_tree import setting

NO_SUCCESS = "which metamers succeeded is not stored"
_NO_TEST = "no null-distribution test was made, so there is no p-value to correct"


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
    notes = []
    unknown = [cell for cell in cells if cell.success is None]
    if unknown and len(unknown) < len(cells):
        notes.append(
            f"{_counted(unknown)} left out of the success rate, R, I and harmful, as which of them "
            "succeeded is not stored"
        )
    with_success = [cell for cell in cells if cell.success is not None]
    untested = [cell for cell in with_success if corrected_success(cell) is None]
    if untested and len(untested) < len(with_success):
        notes.append(
            f"{_counted(untested)} left out of the corrected success rate, as no null-distribution "
            "test was made"
        )
    none = [cell for cell in cells if cell.success is not None and not cell.success.any()]
    failed = [cell.missed for cell in none if cell.missed is not None]
    counted = collections.Counter((one.name, one.change.replace("`", "")) for one in failed)
    notes += [
        f"no metamer of {plural(count, 'training seed')} succeeded, as most miss “{name}”; remedy: "
        f"{change}"
        for (name, change), count in counted.items()
    ]
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


def _counted(cells: Sequence[StoredCell]) -> str:
    total = sum(cell.num_metamers for cell in cells)
    return f"{plural(total, 'metamer')} of {plural(len(cells), 'cell')}"
