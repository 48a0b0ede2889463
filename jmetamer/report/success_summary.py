"""The criteria of success of a cell, one by one, and its null-distribution test."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr

from jmetamer.report.cells import network_of
from jmetamer.report.harm_summary import HarmSummary, read_harm, summarize_harm
from jmetamer.report.reading import Spread, finite, median, number_of, scalar, spread, table, values
from jmetamer.report.share import Share
from jmetamer.report.stored_cell import Correction
from jmetamer.report.wording import number, percent
from jmetamer.results.absence import planted_text
from jmetamer.results.criteria import (
    ANOTHER_GRAPH,
    CRITERIA,
    DISTINCT,
    SAME_CLASSES,
    TOGETHER,
    Missed,
    most_missed,
    without_unchanged,
)
from jmetamer.results.setting_tree import Settings, setting

ALPHA = 0.05  # of a run that does not say
# In the order in which they are told.
_CRITERIA = (*CRITERIA, TOGETHER)
_BEFORE_NULL = ("success_matches", "success_matches_everywhere", "success_beats_null")
_STATISTICS = {
    "spearman": "Spearman's correlation",
    "pearson": "Pearson's correlation",
    "snr": "signal-to-noise ratio (dB)",
    "snr_db": "signal-to-noise ratio (dB)",
}


@dataclasses.dataclass(frozen=True)
class Criterion(Share):
    """One criterion of success, and the share of a cell's metamers that fulfill it.

    Attributes:
      variable: name in the store.
      name: one or two words.
      question: what it asks.
      bound: the tolerance in words; empty where there is none.
      everywhere: where a share of the target nodes is judged, how many metamers fulfill it at all
        of them; None otherwise.
      extreme: the worst target node, in words; empty otherwise.
      by_chance: why it tells nothing; empty where it does.
      planted: of all together, where no metamer fulfills them: what the search may have missed, in
        words; empty otherwise.
    """

    variable: str
    name: str
    question: str
    bound: str
    everywhere: int | None = None
    extreme: str = ""
    by_chance: str = ""
    planted: str = ""


@dataclasses.dataclass(frozen=True)
class Statistic(Spread):
    """One statistic of the match of metamer and reference.

    Attributes:
      name: what it is.
      null_max: the best of all random pairs; NaN where the statistic does not count.
      share_above: share of metamers above the best; NaN likewise.
    """

    name: str
    null_max: float
    share_above: float


@dataclasses.dataclass(frozen=True)
class NullSummary:
    """The null-distribution test of a cell.

    Attributes:
      p_median: median p-value.
      p_corrected: median p-value after Holm's correction over the cells; NaN where not corrected.
      num_cells: cells with such a test, of which the correction is.
      corrected: share of metamers that beat the null after the correction, as a criterion.
      alpha: largest p-value that counts.
      pairs, others: number of random pairs, and of the references they are drawn from.
      most_pairs: largest number of pairs of any cell of the correction.
      statistics: how well metamers match, against the best of the pairs.
      not_applicable: why no match could be told from the null; empty where the test counts.
    """

    p_median: float
    p_corrected: float
    num_cells: int
    corrected: Criterion
    alpha: float
    pairs: float
    others: float
    most_pairs: float
    statistics: tuple[Statistic, ...]
    not_applicable: str = ""

    @property
    def can_pass(self) -> bool:
        """Whether any corrected p-value can be as small as alpha."""
        return self.most_pairs >= self.pairs_needed

    @property
    def pairs_needed(self) -> int:
        """Smallest number of pairs with `num_cells / (1 + pairs)` at most alpha."""
        pairs = max(int(self.num_cells / self.alpha) - 2, 0)
        # Counted up, so that it is rounded as the corrected p-values are.
        while self.num_cells * (1 / (1 + pairs)) > self.alpha:
            pairs += 1
        return pairs

    @property
    def others_needed(self) -> int:
        """Smallest number of references that hold so many different pairs."""
        return math.ceil((1 + math.sqrt(1 + 4 * self.pairs_needed)) / 2)


@dataclasses.dataclass(frozen=True)
class SuccessSummary:
    """What the metamers of a cell fulfill.

    Attributes:
      criteria: those that the store holds, all together last.
      null: the null test, or None where it was not made.
      harm: where the network is right on the metamers that succeed, beside controls.
      missed: what most metamers that do not succeed lack; None where there are none.
      undecided: metamers that may be the reference with its nodes renamed.
      network: what is equal for cells of one trained network.
    """

    criteria: tuple[Criterion, ...]
    null: NullSummary | None
    harm: HarmSummary
    missed: Missed | None = None
    undecided: int = 0
    network: str = ""

    def of(self, variable: str) -> Criterion | None:
        """Return the criterion of this variable, or None where the store does not hold it."""
        return next((one for one in self.criteria if one.variable == variable), None)

    @property
    def lacking(self) -> dict[str, int]:
        """Name -> metamers that lack it; a graph that is no other lacks that, not distance."""
        missing = {one.name: one.total - one.count for one in self.criteria}
        missing.pop(TOGETHER.name, None)
        if self.missed is not None and self.missed.name == ANOTHER_GRAPH:
            missing[DISTINCT] = missing.get(DISTINCT, 0) - self.missed.lacking
            missing[ANOTHER_GRAPH] = self.missed.lacking
        return missing

    @property
    def lines(self) -> tuple[Criterion, ...]:
        """All criteria, and after the null test what it says once corrected."""
        criteria = list(self.criteria)
        if self.null is not None and self.null.corrected.total:
            after = [place for place, one in enumerate(criteria) if one.variable in _BEFORE_NULL]
            criteria.insert(after[-1] + 1 if after else 0, self.null.corrected)
        return tuple(criteria)

    @property
    def met_by_chance(self) -> bool:
        """Whether classes dealt at random would be the same often enough."""
        return any(one.by_chance for one in self.criteria)

    @property
    def together(self) -> Criterion | None:
        """All criteria together, or None where the store does not say."""
        return self.of("success")


def summarize_success(
    settings: Settings,
    data: xr.Dataset,
    correction: Correction | None = None,
    counts: Mapping[str, int] = MappingProxyType({}),
) -> SuccessSummary | None:
    """Return what the metamers of a cell fulfill, or None where the store does not say.

    Args:
      correction: of the null test over the cells of the run; None for a cell alone.
    """
    bounds, extremes = _bounds(settings, data), _extremes(settings, data)
    criteria = tuple(
        _criterion(*one[:3], bounds[one.variable], fulfilled, *extremes.get(one.variable, ()))
        for one in _CRITERIA
        if (fulfilled := values(data, one.variable)).size
    )
    criteria = tuple(_noted(one, settings, data) for one in criteria)
    null = _null(settings, data, correction)
    if not criteria and null is None:
        return None
    harm = summarize_harm([[read_harm(data)]])
    undecided = int(np.sum(values(data, "renamed") == 2))
    missed = most_missed(data, counts, settings)
    return SuccessSummary(criteria, null, harm, missed, undecided, network_of(settings))


@dataclasses.dataclass(frozen=True)
class ToldCriterion:
    """A criterion as the table of all cells explains it.

    Attributes:
      variable, name, question: as in `Criterion`.
      bounds: its different tolerances in the cells.
    """

    variable: str
    name: str
    question: str
    bounds: tuple[str, ...]


def explain_criteria(cells: Iterable[SuccessSummary | None]) -> list[ToldCriterion]:
    """Return every criterion that any cell holds, in the usual order, with its tolerances."""
    bounds: dict[str, dict[str, None]] = {}
    for one in (one for cell in cells if cell is not None for one in cell.criteria):
        bounds.setdefault(one.variable, {}).update({one.bound: None} if one.bound else {})
    return [
        ToldCriterion(one.variable, one.name, one.question, tuple(bounds[one.variable]))
        for one in _CRITERIA
        if one.variable in bounds
    ]


def _bounds(settings: Settings, data: xr.Dataset) -> dict[str, str]:
    """Variable -> its tolerance in words."""

    def limit(key: str, before: str, after: str = "") -> str:
        value = number_of(setting(settings, key))
        return "" if np.isnan(value) else f"{before} {number(value)}{after}"

    share, least = _shares(settings, data)
    where = "" if np.isnan(share) else f" ({_of_them(share)})"
    return {
        "success_matches": limit("metamers.tolerance", "loss at most"),
        "success_matches_everywhere": limit("success.worst_node", "error of a node at most", where),
        "success_beats_null": limit("success.null_test.alpha", "p at most"),
        "success_same_classes": "" if np.isnan(least) else _of_them(least),
        "success_distinct": limit("success.distance", "distance of features or edges at least"),
        "success": "",
    }


def _shares(settings: Settings, data: xr.Dataset) -> tuple[float, float]:
    """Return at what shares of the target nodes error and class are judged; NaN where unknown."""
    least = scalar(data, "success_agreement")
    stored = number_of(setting(settings, "success.agreement"))
    return scalar(data, "success_share"), stored if np.isnan(least) else least


def _noted(one: Criterion, settings: Mapping[str, Any], data: xr.Dataset) -> Criterion:
    """Return a criterion with what a reader must know of its share."""
    if one.variable == TOGETHER.variable:
        return dataclasses.replace(one, planted=planted_text(one.count, data.attrs))
    if one.variable == SAME_CLASSES:
        return dataclasses.replace(one, by_chance=_by_chance(settings, data))
    return one


def _by_chance(settings: Mapping[str, Any], data: xr.Dataset) -> str:
    """Say that the classes dealt at random would agree as well as is asked for, where they do."""
    chance, (_, least) = scalar(data, "class_agreement_chance"), _shares(settings, data)
    return f"tells nothing: chance alone gives {percent(chance)}" if chance >= least else ""


def _of_them(share: float) -> str:
    return "all of them" if share == 1 else f"at least {percent(share)} of them"


def _extremes(settings: Settings, data: xr.Dataset) -> dict[str, tuple[int, str]]:
    """Variable -> metamers of which it holds at all target nodes, and the worst one in words."""
    share, least = _shares(settings, data)
    extremes: dict[str, tuple[int, str]] = {}
    error, most = finite(values(data, "worst_node_error")), setting(settings, "success.worst_node")
    if share < 1 and error.size and most is not None:
        extremes["success_matches_everywhere"] = (
            int(np.sum(error <= most)),
            f"the worst node is off by {number(float(np.median(error)))} (median)",
        )
    agreement = finite(values(data, "class_agreement"))
    if least < 1 and agreement.size:
        extremes["success_same_classes"] = (
            int(np.sum(agreement == 1)),
            f"{percent(float(np.median(agreement)))} of the target nodes (median over metamers), "
            f"at least {percent(float(agreement.min()))}",
        )
    return extremes


def _criterion(
    variable: str, name: str, question: str, bound: str, fulfilled: np.ndarray, *extreme: Any
) -> Criterion:
    count, total = int(np.sum(fulfilled.astype(bool))), int(fulfilled.size)
    return Criterion(count, total, variable, name, question, bound, *extreme)


def _null(
    settings: Settings, data: xr.Dataset, correction: Correction | None
) -> NullSummary | None:
    p_values = finite(values(data, "null_p_value"))
    not_applicable = str(data.attrs.get("null_not_applicable", ""))
    if not p_values.size and not not_applicable:
        return None
    alpha = number_of(setting(settings, "success.null_test.alpha"))
    alpha = ALPHA if np.isnan(alpha) else alpha
    # One cell alone needs no correction.
    num_cells = 1 if correction is None else correction.num_cells
    adjusted = finite(np.zeros(0) if correction is None or num_cells < 2 else correction.p_values)
    return NullSummary(
        p_median=median(p_values),
        p_corrected=median(adjusted),
        num_cells=num_cells,
        corrected=_criterion(
            "null_p_value",
            "better than chance, corrected",
            "The same, with p-values corrected over the cells of the run (Holm)",
            f"corrected p at most {number(alpha)}",
            adjusted <= alpha,
        ),
        alpha=alpha,
        pairs=scalar(data, "null_pairs"),
        others=scalar(data, "null_others"),
        most_pairs=float("nan") if correction is None else correction.most_pairs,
        statistics=tuple(_statistics(without_unchanged(data))),
        not_applicable=not_applicable,
    )


def _statistics(data: xr.Dataset) -> list[Statistic]:
    if "match_statistic" not in data or "statistic" not in data.variables:
        return []
    columns = table(data, "match_statistic", "statistic", "metamer")
    best = np.asarray(values(data, "null_max"), float)
    rows = []
    for column, name in enumerate(data["statistic"].values.tolist()):
        numbers = finite(columns[column])
        limit = float(best[column]) if column < best.size else float("nan")
        above = float(np.mean(numbers > limit)) if numbers.size else float("nan")
        share = float("nan") if np.isnan(limit) else above
        label = _STATISTICS.get(str(name), str(name))
        rows.append(Statistic(*spread(numbers), label, limit, share))
    return rows
