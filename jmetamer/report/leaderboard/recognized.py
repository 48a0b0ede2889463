"""R and its parts for the metamers of one kind of model, from stored kappa."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from jmetamer.measures.transfer import Transfer, transfer
from jmetamer.report.leaderboard.estimate import (
    Difference,
    Estimate,
    differing,
    estimated,
    over_seeds,
)
from jmetamer.report.leaderboard.panel import Panel, panel_of
from jmetamer.report.leaderboard.stored_cell import StoredCell
from jmetamer.report.leaderboard.success import NO_SUCCESS
from jmetamer.results import NULL_SPACE, SAME_LENGTH
from jmetamer.results.seed_interval import KAPPA

_NO_JUDGES = "no judge read these metamers"
_NONE_PASSED = "no metamer succeeded"
_NONE_LEFT = "no metamer that succeeded can be read by all judges"
Judge = tuple[str, int]  # architecture and training seed


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
    judged = [cell for cell in cells if cell.kappa is not None]
    if not judged:
        return unrecognized(_NO_JUDGES)
    shared = set(_keys(judged[0])).intersection(*map(_keys, judged))
    judges = [judge for judge in _keys(judged[0]) if judge in shared]
    notes = _left_out(cells, judged, judges)
    judged = [cell for cell in judged if cell.success is not None]
    if not judged:
        return dataclasses.replace(unrecognized(NO_SUCCESS), notes=tuple(notes))
    tables = [_columns(cell, cell.kappa, judges) for cell in judged]
    passed = [np.asarray(cell.success, bool) for cell in judged]
    readable = [_readable(c, t, judges) for c, t in zip(judged, tables, strict=True)]
    unread = sum(int((p & ~r).sum()) for p, r in zip(passed, readable, strict=True))
    if unread:
        notes.append(f"{unread} metamers of which some judge's logits are not finite do not count")
    counted = [p & r for p, r in zip(passed, readable, strict=True)]
    panel = _panel(judged[0], judges)
    if why := _unusable(judged, judges):
        return dataclasses.replace(unrecognized(why), panel=panel, notes=tuple(notes))
    unlike = next((cell.unlike for cell in judged if cell.unlike), "")
    found = _transfer(judged, tables, counted, judges, alike=not unlike)
    reason = "" if any(one.any() for one in counted) else _NONE_LEFT if unread else _NONE_PASSED
    alone = reason or "no judge of the own architecture with another seed"
    gap = reason or unlike or alone
    return Recognized(
        above_length=_above(judged, tables, counted, judges, SAME_LENGTH, reason),
        above_null_space=_above(judged, tables, counted, judges, (NULL_SPACE,), reason),
        recognition=estimated(found.recognition, reason),
        lowest=_known(found.lowest),
        highest=_known(found.highest),
        without={name: value for name, value in found.without.items() if np.isfinite(value)},
        accuracy=_share(judged, [cell.accuracy for cell in judged], counted, judges, reason),
        agreement=_share(judged, [cell.agreement for cell in judged], counted, judges, reason),
        reference_accuracy=_share(judged, _on_reference(judged), counted, judges, reason),
        seed_gap=estimated(found.seed_gap, gap),
        architecture_gap=estimated(found.architecture_gap, gap),
        by_judge={name: over_seeds(each, alone, KAPPA) for name, each in found.by_judge.items()},
        controls=_controls(judged, judges),
        panel=panel,
        notes=tuple(notes),
    )


def unrecognized(reason: str) -> Recognized:
    """Return what is known where nobody reads the metamers: the reason.

    Args:
      reason: why.

    Example:
      >>> unrecognized("no judges").recognition.reason
      'no judges'
    """
    unknown = Estimate(reason=reason)
    return Recognized(
        above_length=Difference(reason=reason),
        above_null_space=Difference(reason=reason),
        recognition=unknown,
        accuracy=unknown,
        agreement=unknown,
        reference_accuracy=unknown,
        seed_gap=unknown,
        architecture_gap=unknown,
    )


def _keys(cell: StoredCell) -> list[Judge]:
    return [(judge.architecture, judge.seed) for judge in cell.judges]


def _panel(cell: StoredCell, judges: Sequence[Judge]) -> Panel | None:
    """Return the panel of a cell, less the judges that other cells do not have."""
    whole = panel_of(cell)
    if whole is None:
        return None
    kept = [j for j, key in zip(cell.judges, _keys(cell), strict=True) if key in judges]
    return dataclasses.replace(whole, judges=tuple(kept))


def _left_out(
    cells: Sequence[StoredCell], judged: Sequence[StoredCell], judges: Sequence[Judge]
) -> list[str]:
    """Say which seeds and judges R does not see."""
    notes = []
    missing = {cell.seed for cell in cells} - {cell.seed for cell in judged}
    if missing:
        notes.append(f"no judge read the metamers of the seeds {sorted(missing)}")
    partial = {judge for cell in judged for judge in _keys(cell)} - set(judges)
    if partial:
        names = ", ".join(f"{architecture}/{seed}" for architecture, seed in sorted(partial))
        notes.append(f"left out, because they read only some cells: {names}")
    return notes


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


def _columns(cell: StoredCell, values: np.ndarray | None, judges: Sequence[Judge]) -> np.ndarray:
    """Return [b, j] kappa with the judges in this order."""
    assert values is not None
    names = _keys(cell)
    return values[:, [names.index(judge) for judge in judges]]


def _readable(cell: StoredCell, table: np.ndarray, judges: Sequence[Judge]) -> np.ndarray:
    """Return [b] whether every judge of another seed has a kappa."""
    foreign = np.array([seed != cell.seed for _, seed in judges], bool)
    return np.isfinite(table[:, foreign]).all(1)


def _transfer(
    cells: Sequence[StoredCell],
    tables: Sequence[np.ndarray],
    passed: Sequence[np.ndarray],
    judges: Sequence[Judge],
    alike: bool = True,
    controls: Sequence[np.ndarray] | None = None,
) -> Transfer:
    """Arrange [b, j] tables of cells as `transfer` wants them, and ask it.

    Seeds with fewer metamers than others are filled up with ones that do not count.
    """
    seeds = sorted({cell.seed for cell in cells})
    own = cells[0].architecture
    groups = [[place for place, cell in enumerate(cells) if cell.seed == seed] for seed in seeds]
    width = max(sum(len(tables[place]) for place in group) for group in groups)
    counts = np.zeros((len(seeds), width), bool)
    for row, group in enumerate(groups):
        known = np.concatenate([passed[place] for place in group])
        counts[row, : len(known)] = known
    architectures = list(dict.fromkeys(architecture for architecture, _ in judges))
    columns = {
        name: [place for place, (other, _) in enumerate(judges) if other == name]
        for name in architectures
    }

    def arranged(tables: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        kappa = np.full((len(seeds), len(judges), width), np.nan)
        for row, group in enumerate(groups):
            table = np.concatenate([tables[place] for place in group])
            kappa[row, :, : len(table)] = table.T
        return {name: kappa[:, places] for name, places in columns.items()}

    return transfer(
        arranged(tables),
        own,
        seeds,
        {name: [judges[place][1] for place in places] for name, places in columns.items()},
        passed=counts,
        alike=alike,
        control=None if controls is None else arranged(controls),
    )


def _above(
    cells: Sequence[StoredCell],
    tables: Sequence[np.ndarray],
    counted: Sequence[np.ndarray],
    judges: Sequence[Judge],
    names: Sequence[str],
    reason: str,
) -> Difference:
    """Return R of metamers less that of the first of these controls that some cell has."""
    name = next((name for name in names if any(name in cell.paired for cell in cells)), "")
    if not name:
        return Difference(reason=reason or "this control is not stored")
    nothing = (np.full(table.shape, np.nan) for table in tables)
    controls = [
        _columns(cell, cell.paired[name], judges) if name in cell.paired else none
        for cell, none in zip(cells, nothing, strict=True)
    ]
    found = _transfer(cells, tables, counted, judges, controls=controls).paired
    return differing(name, found, reason or "no metamer that succeeded has this control")


def _share(
    cells: Sequence[StoredCell],
    values: Sequence[np.ndarray | None],
    passed: Sequence[np.ndarray],
    judges: Sequence[Judge],
    reason: str,
) -> Estimate:
    """Return a share of nodes as R is of kappa: over judges of other architectures, and seeds."""
    if any(table is None for table in values):
        return Estimate(reason=reason or "not stored")
    tables = [_columns(cell, table, judges) for cell, table in zip(cells, values, strict=True)]
    known = [p & _readable(c, t, judges) for c, t, p in zip(cells, tables, passed, strict=True)]
    found = _transfer(cells, tables, known, judges).by_judge
    others = [each for name, each in found.items() if name != cells[0].architecture]
    return over_seeds(np.mean(others, axis=0), reason or "no node that is read has a label")


def _on_reference(cells: Sequence[StoredCell]) -> list[np.ndarray | None]:
    """Return [b, j] accuracy of each judge on the reference, the same for all metamers."""
    return [
        None
        if cell.reference_accuracy is None
        else np.broadcast_to(cell.reference_accuracy, (cell.num_metamers, len(cell.judges)))
        for cell in cells
    ]


def _controls(cells: Sequence[StoredCell], judges: Sequence[Judge]) -> dict[str, Estimate]:
    """Return R of every control that all cells have; all samples with a kappa count."""
    names = [name for name in cells[0].controls if all(name in cell.controls for cell in cells)]
    found = {}
    for name in names:
        tables = [_columns(cell, cell.controls[name], judges) for cell in cells]
        known = [_readable(c, t, judges) for c, t in zip(cells, tables, strict=True)]
        shared = _transfer(cells, tables, known, judges).recognition
        found[name] = estimated(shared, "the control does not exist here")
    return found


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
