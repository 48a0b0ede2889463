"""R and its parts for the metamers of one kind of model, from stored kappa."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from jmetamer.report.judge_table import BySeed
from jmetamer.report.leaderboard.estimate import (
    NO_SUCCESS,
    Difference,
    Estimate,
    differing,
    estimated,
    over_seeds,
)
from jmetamer.report.leaderboard.recipe import Panel, panel_of
from jmetamer.report.makers import Maker
from jmetamer.report.prose import paragraphs
from jmetamer.report.stored_cell import Judge, StoredCell
from jmetamer.report.transfer_summary import Reading, reading_of
from jmetamer.results import NULL_SPACE, SAME_LENGTH, unlike_own_judges
from jmetamer.results.seed_interval import KAPPA
from jmetamer.results.setting_tree import flatten

_NO_JUDGES = "no judge read these metamers"
_NONE_PASSED = "no metamer succeeded"
_NONE_LEFT = "no metamer that succeeded can be read by all judges"
_NOT_STORED = "this control is not stored"
_NO_CONTROL = "the control does not exist here"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recognized:
    """How other models read the metamers.

    Attributes:
      above_length, above_null_space: R of metamers less that of equally long random changes, and
        less that of null-space replacement, each paired with its metamer.
      recognition: R, mean kappa of judges of other architectures, each of the same weight.
      lowest, highest: range of R with one judge architecture left out; None with fewer than two.
      without: judge architecture -> R without it.
      accuracy, agreement: share of nodes that the judges of R read as their label, and as on the
        reference, each architecture of the same weight.
      reference_accuracy: accuracy of the same judges on the reference.
      seed_gap: I_seed; known only where judges of the own architecture are the model with another
        seed.
      architecture_gap: I_arch; likewise.
      by_judge: architecture -> mean kappa.
      controls: control -> R of what is no metamer, as the start.
      panel: the judges that all cells have; None where there are none.
      notes: what was left out.
    """

    above_length: Difference
    above_null_space: Difference
    recognition: Estimate
    lowest: float | None = None
    highest: float | None = None
    without: Mapping[str, float] = dataclasses.field(default_factory=dict)
    accuracy: Estimate
    agreement: Estimate
    reference_accuracy: Estimate
    seed_gap: Estimate
    architecture_gap: Estimate
    by_judge: Mapping[str, Estimate] = dataclasses.field(default_factory=dict)
    controls: Mapping[str, Estimate] = dataclasses.field(default_factory=dict)
    panel: Panel | None = None
    notes: tuple[str, ...] = ()


def recognized(cells: Sequence[StoredCell]) -> Recognized:
    """Return R, its parts and R of the controls, over the seeds of one kind of model.

    Metamers with `success` count. Of a seed with several cells the metamers are put together; a
    judge that only some cells have is left out.

    Args:
      cells: at least one; equal but for the training seed and the metamers' seed.
    """
    judged = [cell for cell in cells if cell.judges]
    if not judged:
        return unrecognized(_NO_JUDGES)
    judges = tuple(
        judge for judge in judged[0].judge_keys if all(judge in cell.judge_keys for cell in judged)
    )
    notes = _left_out(cells, judged, judges)
    judged = [cell for cell in judged if cell.success is not None]
    if not judged:
        return dataclasses.replace(unrecognized(NO_SUCCESS), notes=tuple(notes))
    panel = _panel(judged[0], judges)
    if why := _unusable(judged, judges):
        return dataclasses.replace(unrecognized(why), panel=panel, notes=tuple(notes))
    first = judged[0]
    reading = reading_of(Maker("", "", dict(flatten(first.settings)), tuple(judged)), judges)
    if reading.undefined:
        notes.append(
            f"{reading.undefined} metamers of which some judge's logits are not finite do not count"
        )
    reason = "" if reading.passed else _NONE_PASSED
    if reading.undefined and reading.undefined == reading.passed:
        reason = _NONE_LEFT
    return dataclasses.replace(_from_reading(reading, reason), panel=panel, notes=tuple(notes))


def _from_reading(reading: Reading, reason: str) -> Recognized:
    """Return what a board shows of a reading; `reason` is why there is no number."""
    result, cells = reading.result, reading.maker.cells
    if result is None:
        return unrecognized(reading.problem)
    texts = (unlike_own_judges(cell.settings, cell.judges) for cell in cells)
    unlike = next(filter(None, texts), "")
    alone = reason or "no judge of the own architecture with another seed"
    gap = reason or unlike or alone
    seed_gap, architecture_gap = (
        Estimate(reason=gap) if unlike else estimated(one, gap)
        for one in (result.seed_gap, result.architecture_gap)
    )
    has_reference = all("judge_reference_accuracy" in cell.data for cell in cells)
    return Recognized(
        above_length=_above(reading, SAME_LENGTH, reason),
        above_null_space=_above(reading, (NULL_SPACE,), reason),
        recognition=estimated(result.recognition, reason),
        lowest=_finite_or_none(result.lowest),
        highest=_finite_or_none(result.highest),
        without={name: value for name, value in result.without.items() if np.isfinite(value)},
        accuracy=_share(reading, reading.each_beside.get("accuracy"), reason),
        agreement=_share(reading, reading.each_beside.get("agreement"), reason),
        reference_accuracy=_share(reading, reading.reference if has_reference else None, reason),
        seed_gap=seed_gap,
        architecture_gap=architecture_gap,
        by_judge={name: estimated(one, alone) for name, one in reading.entries.items()},
        controls={
            one.name: over_seeds(reading.over_others(one.kappa), _NO_CONTROL, KAPPA)
            for one in reading.controls
            if all(one.name in cell.controls("kappa") for cell in cells)
        },
    )


def _share(reading: Reading, by_judge: BySeed | None, reason: str) -> Estimate:
    """Average a share of nodes as R does kappa: over judges of other architectures, seeds."""
    if not by_judge:
        return Estimate(reason=reason or "not stored")
    no_label = "no node that is read has a label"
    return over_seeds(reading.over_others(by_judge), reason or no_label)


def _above(reading: Reading, names: Sequence[str], reason: str) -> Difference:
    """Return the paired difference from the first of these controls that has pairs."""
    name = next((name for name in names if name in reading.paired), "")
    stored = any(name in cell.paired for cell in reading.maker.cells for name in names)
    why = "no metamer that succeeded has this control" if stored else _NOT_STORED
    return differing(name, reading.paired.get(name), reason or why)


def unrecognized(reason: str) -> Recognized:
    """Return what is known where nobody reads the metamers: the reason.

    Example:
      >>> unrecognized("no judges").recognition.reason
      'no judges'
    """
    none, unknown = Difference(reason=reason), Estimate(reason=reason)
    return Recognized(
        above_length=none, above_null_space=none, recognition=unknown, accuracy=unknown,
        agreement=unknown, reference_accuracy=unknown, seed_gap=unknown, architecture_gap=unknown,
    )  # fmt: skip


def _panel(cell: StoredCell, judges: Sequence[Judge]) -> Panel | None:
    """Return the panel of a cell, less the judges that other cells do not have."""
    whole = panel_of(cell)
    if whole is None:
        return None
    kept = [j for j, key in zip(cell.judges, cell.judge_keys, strict=True) if key in judges]
    return dataclasses.replace(whole, judges=tuple(kept))


def _left_out(
    cells: Sequence[StoredCell], judged: Sequence[StoredCell], judges: Sequence[Judge]
) -> list[str]:
    """Say which seeds and judges R does not see."""
    seeds = {cell.seed for cell in cells} - {cell.seed for cell in judged}
    partial = {judge for cell in judged for judge in cell.judge_keys} - set(judges)
    return paragraphs("board_sentences", "judges", sorted(seeds), sorted(partial))


def _unusable(cells: Sequence[StoredCell], judges: Sequence[Judge]) -> str:
    """Say why these judges give no R, or nothing."""
    others = [judge for judge in judges if judge[0] != cells[0].architecture]
    if not others:
        return "no judge has another architecture than the model"
    for name in dict.fromkeys(architecture for architecture, _ in others):
        seeds = {seed for architecture, seed in others if architecture == name}
        for cell in cells:
            if seeds == {cell.seed}:
                return f"the only judge {name}/{cell.seed} has the seed of a model that it judges"
    return ""


def _finite_or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
