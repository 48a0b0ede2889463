"""Success and transfer in plain words."""

from collections.abc import Sequence

import numpy as np

from jmetamer.report.reading import finite
from jmetamer.report.success_summary import NullSummary, SuccessSummary
from jmetamer.report.transfer_summary import Reading
from jmetamer.report.wording import number, percent, plural, span
from jmetamer.results.statistics import wilson_interval


def success_sentence(cells: Sequence[SuccessSummary]) -> str:
    """Say how many metamers fulfill every criterion, and which criterion fails most often.

    Args:
      cells: one of each cell that holds criteria; without `success` they are left out.

    Returns:
      The sentence; empty where no cell says.
    """
    together = [cell.together for cell in cells if cell.together is not None]
    total = sum(one.total for one in together)
    if not total:
        return ""
    count = sum(one.count for one in together)
    low, high = wilson_interval(count, total)
    text = (
        f"{count:,} of {plural(total, 'metamer')} fulfill every criterion of success "
        f"({percent(count / total)}; 95% interval {percent(low)} to {percent(high)})"
    )
    failed: dict[str, int] = {}
    for one in (one for cell in cells for one in cell.criteria if one.variable != "success"):
        failed[one.name] = failed.get(one.name, 0) + one.total - one.count
    worst = max(failed, key=lambda name: failed[name], default="")
    if not worst or not failed[worst]:
        return f"{text}."
    return f"{text}; the one most often missed is “{worst}” ({failed[worst]:,} of {total:,})."


def null_sentence(null: NullSummary) -> str:
    """Say how a match compares with those of unrelated references."""
    drawn = "random pairs of other references"
    if not np.isnan(null.pairs) and not np.isnan(null.others):
        drawn = f"{number(null.pairs)} random pairs of {number(null.others)} other references"
    text = f"Against {drawn}, the match has a median p-value of {number(null.p_median)}"
    if np.isnan(null.p_corrected):
        return f"{text}."
    return (
        f"{text}, and of {number(null.p_corrected)} after Holm's correction over "
        f"{plural(null.num_cells, 'cell')}; {percent(null.corrected.share)} of the metamers then "
        f"have p at most {number(null.alpha)}."
    )


def harm_sentence(harmful: float) -> str:
    """Say how often the true class changed under a class that the network kept.

    Example:
      >>> print(harm_sentence(0.25))
      In 25% of the target nodes (mean over metamers) the true (Bayes) class changed while the
      network's stayed.
    """
    return (
        f"In {percent(harmful)} of the target nodes (mean over metamers) the true (Bayes) class "
        "changed while the network's stayed."
    )


def transfer_sentence(rows: Sequence[Reading]) -> str:
    """Say who else reads the metamers as the reference, and who reads the start of the search so.

    Args:
      rows: how the judges read the metamers of each maker.

    Returns:
      Sentences; empty where nobody judged.
    """
    found = [row for row in rows if row.result is not None]
    shared = finite([row.result.recognition.mean for row in found if row.result is not None])
    if not shared.size:
        return _nobody(rows)
    text = (
        f"Who else is fooled? Other architectures read metamers with a mean kappa of "
        f"{span(shared.tolist(), short)} (1: as the reference; 0: as by chance)"
    )
    same = finite([row.entries[row.maker.architecture].mean for row in found
                   if row.maker.architecture in row.entries])  # fmt: skip
    if same.size:
        text += f", the same architecture from other seeds with {span(same.tolist(), short)}"
    own = finite([row.own_kappa for row in found])
    if own.size:
        text += f", the maker itself with {span(own.tolist(), short)}"
    start = _start(found)
    if start.size:
        text += f". The noise that the search starts from has {span(start.tolist(), short)}"
    return f"{text}."


def short(value: float) -> str:
    """Write a kappa with two decimals, and no sign before what rounds to 0.

    Example:
      >>> short(-0.001), short(0.314)
      ('0.00', '0.31')
    """
    return "undefined" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}"


def _start(rows: Sequence[Reading]) -> np.ndarray:
    """Return mean kappa of the start, as other architectures read it, one for each maker."""
    means = []
    for row in rows:
        for control in row.controls:
            own = row.maker.architecture
            others = finite([k for name, k in control.by_judge.items() if name != own])
            if control.name == "start" and others.size:
                means.append(float(others.mean()))
    return np.array(means)


def _nobody(rows: Sequence[Reading]) -> str:
    if not rows:
        return ""
    if not any(row.passed for row in rows):
        return "Who else is fooled cannot be told: no metamer passed, so none was judged."
    same = finite([entry.mean for row in rows for entry in row.entries.values()])
    if not same.size:
        return "Who else is fooled cannot be told: no reading by the judges is defined."
    return (
        "Judges are of the maker's own architecture alone: trained from other seeds, they read "
        f"metamers with a mean kappa of {span(same.tolist(), short)} (1: as the reference; 0: as "
        "by chance)."
    )
