"""Success and transfer in plain words."""

from collections.abc import Sequence

import numpy as np

from jmetamer.measures.transfer import Paired
from jmetamer.report.reading import finite, mean
from jmetamer.report.share import over_networks
from jmetamer.report.success_summary import NullSummary, SuccessSummary
from jmetamer.report.transfer_summary import Reading
from jmetamer.report.wording import number, percent, plural, span

_OTHER_SEEDS = "the same architecture from other seeds"
_DEFAULTS = "judges of the same architecture, trained with default settings,"


def success_sentence(cells: Sequence[SuccessSummary]) -> str:
    """Say how many metamers fulfill every criterion, and which criterion fails most often.

    Args:
      cells: one of each cell that holds criteria; without `success` they are left out.

    Returns:
      The sentence; empty where no cell says.
    """
    every = over_networks((cell.network, cell.together) for cell in cells if cell.together)
    together = [cell.together for cell in cells if cell.together]
    if not every.total:
        return ""
    text = (
        f"{every.count:,} of {plural(every.total, 'metamer')} fulfill every criterion of success "
        f"({every.words})"
    )
    failed: dict[str, int] = {}
    for cell in cells:
        for name, count in cell.lacking.items():
            failed[name] = failed.get(name, 0) + count
    worst = max(failed, key=lambda name: failed[name], default="")
    planted = [f" {one.planted}." for one in together if one.planted and not every.count]
    after = "".join(dict.fromkeys(planted))
    if not worst or not failed[worst]:
        return f"{text}.{after}"
    missed = f"; the one most often missed is “{worst}” ({failed[worst]:,} of {every.total:,})."
    return f"{text}{missed}{after}"


def undecided_sentence(success: SuccessSummary) -> str:
    """Say how many metamers may be the reference with its nodes renamed; empty where none may.

    Example:
      >>> print(undecided_sentence(SuccessSummary((), None, float("nan"), undecided=2)))
      2 metamers may be the reference with its nodes renamed: isomorphism was not decided within
      its limits, and they do not count as distinct.
    """
    if not success.undecided:
        return ""
    return (
        f"{plural(success.undecided, 'metamer')} may be the reference with its nodes renamed: "
        "isomorphism was not decided within its limits, and they do not count as distinct."
    )


def null_sentence(null: NullSummary) -> str:
    """Say how a match compares with those of other nodes, or why that says nothing."""
    if null.not_applicable:
        return (
            f"The null test is not applicable: {null.not_applicable}. Success is decided by the "
            "other criteria."
        )
    others = "other references (the same activations with other nodes in the targets' places)"
    drawn = f"random pairs of {others}"
    if not np.isnan(null.pairs) and not np.isnan(null.others):
        different = null.others * (null.others - 1)
        drawn = f"{number(null.pairs)} random pairs of {number(null.others)} {others}"
        if different <= null.pairs:
            drawn = f"all {number(different)} ordered pairs of {number(null.others)} {others}"
    text = f"Against {drawn}, the match has a median p-value of {number(null.p_median)}"
    if np.isnan(null.p_corrected):
        return f"{text}."
    text = (
        f"{text}, and of {number(null.p_corrected)} after Holm's correction over "
        f"{plural(null.num_cells, 'cell')}; {percent(null.corrected.share)} of the metamers then "
        f"have p at most {number(null.alpha)}."
    )
    return " ".join(filter(None, (text, too_few_pairs(null))))


def too_few_pairs(null: NullSummary) -> str:
    """Say that no metamer can pass the corrected test, and how many pairs would do.

    The smallest p-value is 1 / (1 + pairs), which Holm's first step multiplies by the number of
    cells.

    Args:
      null: the null test of a cell.

    Returns:
      The sentence; empty where some metamer can pass.
    """
    if np.isnan(null.p_corrected) or np.isnan(null.most_pairs) or null.can_pass:
        return ""
    lowest = null.num_cells / (1 + null.most_pairs)
    return (
        f"With {number(null.most_pairs)} pairs no p-value is below "
        f"{number(1 / (1 + null.most_pairs))}, which the correction over "
        f"{plural(null.num_cells, 'cell')} raises to {number(min(lowest, 1.0))}: no cell can pass. "
        f"It takes at least {null.pairs_needed:,} pairs (success.null_pairs), of "
        f"{null.others_needed} others or more (success.null_others)."
    )


def transfer_sentence(rows: Sequence[Reading]) -> str:
    """Say what others read in metamers beyond what they read in graphs that are as far away.

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
        f"Other architectures read metamers with a mean kappa of {span(shared.tolist(), short)} "
        "(1: as the reference is read; 0: as by chance)"
    )
    for unlike, who in ((False, _OTHER_SEEDS), (True, _DEFAULTS)):
        same = _own_architecture([row for row in found if bool(row.unlike) is unlike])
        if same.size:
            text += f", {who} with {span(same.tolist(), short)}"
    own = finite([row.own_kappa for row in found])
    if own.size:
        text += f", the maker itself with {span(own.tolist(), short)}"
    starts = _of_starts(found)
    if starts.size:
        text += f"; the starts of the searches with {span(starts.tolist(), short)}"
    above = [
        _above([row.above_length for row in found], "random changes of the same length"),
        _above([row.above_null_space for row in found], "null-space replacement"),
    ]
    if not any(above):
        above = ["no control was read beside them, so that this alone tells nothing"]
    said = "; ".join(filter(None, above))
    return f"Who else is fooled? {said[:1].upper()}{said[1:]}. {text}."


def _above(pairs: Sequence[Paired | None], what: str) -> str:
    """Say how much better than a control metamers are read, and where the interval leaves 0."""
    found = [one for one in pairs if one is not None]
    if not found:
        return ""
    means = [one.difference.mean for one in found]
    text = f"kappa of other architectures less that of {what} is {span(means, short)}"
    known = [one.difference for one in found if np.isfinite(one.difference.low)]
    if len(found) == 1 and known:
        return f"{text} (95% interval {short(known[0].low)} to {short(known[0].high)})"
    if not known and any(min(one.difference[3:]) > 1 for one in found):
        return f"{text} (equal for all seeds and architectures, so that there is no interval)"
    if not known:
        return f"{text} (an interval needs two seeds of the maker and two other architectures)"
    above, below = sum(one.low > 0 for one in known), sum(one.high < 0 for one in known)
    return (
        f"{text} (95% intervals of {plural(len(known), 'maker')}: {above} above 0, {below} below, "
        f"{len(known) - above - below} with 0 inside)"
    )


def short(value: float) -> str:
    """Write a kappa with two decimals, and no sign before what rounds to 0.

    Example:
      >>> short(-0.001), short(0.314)
      ('0.00', '0.31')
    """
    return "undefined" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}"


def _own_architecture(rows: Sequence[Reading]) -> np.ndarray:
    """Return mean kappa of the judges of each maker's own architecture."""
    held = [row for row in rows if row.maker.architecture in row.entries]
    return finite([row.entries[row.maker.architecture].mean for row in held])


def _of_starts(rows: Sequence[Reading]) -> np.ndarray:
    """Return mean kappa of the starts, as other architectures read them, one for each maker."""
    found = [(row.maker.architecture, one) for row in rows for one in row.controls]
    return finite(
        [
            mean([kappa.mean for name, kappa in one.by_judge.items() if name != own])
            for own, one in found
            if one.name == "start"
        ]
    )


def _nobody(rows: Sequence[Reading]) -> str:
    if not rows:
        return ""
    if not any(row.passed for row in rows):
        return "Who else is fooled cannot be told: no metamer passed, so none was judged."
    same = finite([entry.mean for row in rows for entry in row.entries.values()])
    if not same.size:
        return "Who else is fooled cannot be told: no reading by the judges is defined."
    trained = "with default settings" if any(row.unlike for row in rows) else "from other seeds"
    return (
        f"Judges are of the maker's own architecture alone: trained {trained}, they read "
        f"metamers with a mean kappa of {span(same.tolist(), short)} (1: as the reference; 0: as "
        "by chance)."
    )
