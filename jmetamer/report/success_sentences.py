"""Success and transfer in plain words."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from jmetamer.measures.transfer import Paired
from jmetamer.report.cells import control_of
from jmetamer.report.prose import said
from jmetamer.report.reading import finite, grouped, mean
from jmetamer.report.share import Share, over_networks
from jmetamer.report.success_summary import NullSummary, SuccessSummary
from jmetamer.report.transfer_summary import Reading


def success_sentence(
    cells: Sequence[SuccessSummary],
    of: str = "",
    controls: Mapping[str, Share] = MappingProxyType({}),
) -> str:
    """Say how many metamers fulfill every criterion, and which criteria fail most often.

    Args:
      cells: one of each cell that holds criteria; without `success` they are left out.
      of: whose metamers they are, beginning with a space.
      controls: name -> how many of a control succeed, told apart.

    Returns:
      The sentence; empty where no cell says.
    """
    every = over_networks((cell.network, cell.together) for cell in cells if cell.together)
    together = [cell.together for cell in cells if cell.together]
    if not every.total:
        return ""
    failed: dict[str, int] = {}
    for cell in cells:
        for name, count in cell.lacking.items():
            failed[name] = failed.get(name, 0) + count
    most = max(failed.values(), default=0)
    worst = [name for name, count in failed.items() if count == most]
    chance = [cell.together for cell in cells if cell.together and cell.met_by_chance]
    planted = dict.fromkeys(one.planted for one in together if one.planted and not every.count)
    return said(
        "success_sentences", "together", every, (worst, most), list(planted), of, chance, controls
    )


def too_few_pairs(null: NullSummary) -> str:
    """Say that no metamer can pass the corrected test, and how many pairs would do.

    The smallest p-value is 1 / (1 + pairs), which Holm's first step multiplies by the number of
    cells.

    Returns:
      The sentence; empty where some metamer can pass.
    """
    return said("success_sentences", "too_few_pairs", null)


def transfer_sentence(rows: Sequence[Reading]) -> str:
    """Say what others read in metamers beyond what they read in graphs that are as far away.

    Returns:
      Sentences; empty where nobody judged.
    """
    if not rows:
        return ""
    kinds = grouped((control_of(row.maker.settings) or "", row) for row in rows)
    own = kinds.pop("", None) or rows
    of = " of trained networks" if kinds and own is not rows else ""
    with_result = [row for row in own if row.result is not None]
    shared = _recognized(own)
    if not shared:
        kappa = _finite(entry.mean for row in rows for entry in row.entries.values())
        unlike = any(row.unlike for row in rows)
        return said("success_sentences", "nobody", sum(row.passed for row in rows), kappa, unlike)
    return said(
        "success_sentences",
        "transfer",
        of,
        shared,
        _own_architecture(row for row in with_result if not row.unlike),
        _own_architecture(row for row in with_result if row.unlike),
        _finite(row.own_kappa for row in with_result),
        sum(row.own_undefined for row in with_result),
        _of_starts(with_result),
        _same_length(own),
        [row.above_null_space for row in with_result if row.above_null_space is not None],
        [(name, _recognized(some), _same_length(some)) for name, some in kinds.items() if of],
    )


def _recognized(rows: Iterable[Reading]) -> list[float]:
    """Return R of each maker that has one."""
    return _finite(row.result.recognition.mean for row in rows if row.result is not None)


def _same_length(rows: Iterable[Reading]) -> list[Paired]:
    return [row.above_length for row in rows if row.above_length is not None]


def _own_architecture(rows: Iterable[Reading]) -> list[float]:
    """Return mean kappa of the judges of each maker's own architecture."""
    held = (row for row in rows if row.maker.architecture in row.entries)
    return _finite(row.entries[row.maker.architecture].mean for row in held)


def _of_starts(rows: Sequence[Reading]) -> list[float]:
    """Return mean kappa of the starts, as other architectures read them, one for each maker."""
    return _finite(
        mean([kappa.mean for name, kappa in one.by_judge.items() if name != row.maker.architecture])
        for row in rows
        for one in row.controls
        if one.name == "start"
    )


def _finite(numbers: Iterable[float]) -> list[float]:
    return finite([*numbers]).tolist()
