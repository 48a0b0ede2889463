"""How other networks read the metamers of each maker, and what they make of the controls."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import xarray as xr

from jmetamer._base.errors import InputError
from jmetamer.measures.transfer import Transfer, transfer
from jmetamer.report.cells import setting
from jmetamer.report.makers import Maker
from jmetamer.report.reading import converged, finite, mean, median, values
from jmetamer.report.wording import plural
from jmetamer.results.seed_interval import SeedSummary, seed_summary

_LABELS = {
    "start": "start of the search (noise)",
    "displacement": "random displacement as far as the metamer's",
    "flips": "random flips, as many as the metamer's",
    "neighbor": "nearest neighbor in representation space",
    "null_space": "null-space replacement",
    "random_edges": "as many edges between random pairs",
    "identity": "the reference itself",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Control:
    """Graphs that are no metamers, read by the same judges.

    Attributes:
      name: of the control in the store.
      label: what it is.
      loss: median loss (L_act) at the matched layer.
      own_kappa: mean kappa of the maker itself.
      by_judge: judge architecture -> mean kappa; NaN where undefined.
    """

    name: str
    label: str
    loss: float
    own_kappa: float
    by_judge: dict[str, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """How judges read the metamers of one maker.

    Attributes:
      maker: whose metamers they are.
      seeds: training seeds of the maker.
      panel: judge architecture -> training seeds of its judges.
      by_judge: judge architecture -> [seed] mean kappa over judges and metamers that passed; NaN
        where none passed.
      entries: judge architecture -> mean of these over seeds, with its t-interval.
      result: R, I_seed and I_arch; None where no other architecture judges.
      own_kappa: mean kappa of the maker itself on its metamers that passed.
      loss: median loss of these.
      passed, total: metamers that passed, and all.
      undefined: metamers that passed but are left out, as a judge's kappa is not finite.
      constant: readings of passed metamers whose kappa is set to 0, as chance agreement is 1.
      judge_accuracy: judge architecture -> mean accuracy on the reference's labels.
      controls: what the judges make of graphs that are no metamers.
      problem: why there are no entries; empty where there are.
    """

    maker: Maker
    seeds: tuple[int, ...]
    panel: dict[str, tuple[int, ...]]
    by_judge: dict[str, np.ndarray]
    entries: dict[str, SeedSummary]
    result: Transfer | None
    own_kappa: float
    loss: float
    passed: int
    total: int
    undefined: int
    constant: int
    judge_accuracy: dict[str, float]
    controls: tuple[Control, ...]
    problem: str

    @property
    def several_seeds(self) -> bool:
        """Whether any interval over training seeds exists."""
        return any(one.num_seeds > 1 for one in self.entries.values())

    @property
    def lines(self) -> list[tuple[str, SeedSummary]]:
        """Kappa by judge architecture, R and the two gaps, each over the maker's seeds."""
        found = list(self.entries.items())
        if self.result is not None:
            found.append(("R: other architectures", self.result.recognition))
            found.append(("seed gap", self.result.seed_gap))
            found.append(("architecture gap", self.result.architecture_gap))
        return [(name, one) for name, one in found if one.num_seeds]

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the numbers of this row."""
        found = [self.problem] if self.problem else []
        if not self.passed:
            found.append("no metamer passed, so there is no kappa.")
        if self.undefined:
            found.append(
                f"{plural(self.undefined, 'metamer')} left out, as a judge's logits are not finite."
            )
        if self.constant:
            found.append(
                f"{plural(self.constant, 'reading')} with a kappa of 0 by definition, as a judge "
                "gives all nodes one class."
            )
        return found


@dataclasses.dataclass(frozen=True, eq=False)
class _Seed:
    """What judges said of the metamers of one training seed; arrays end with an axis of these."""

    kappa: np.ndarray
    passed: np.ndarray
    own_kappa: np.ndarray
    loss: np.ndarray
    undefined: np.ndarray


def readings(found: Sequence[Maker]) -> list[Reading]:
    """Return how the judges read the metamers of each maker that has judges.

    Args:
      found: makers of the page; cells without judges take no part, and cells with other judges
        than the rest of their maker are a row of their own.
    """
    rows = []
    for maker in found:
        panels: dict[tuple[tuple[str, int], ...], list] = {}
        for made in maker.cells:
            if "recognition_kappa" in made.data and made.data["recognition_kappa"].size:
                panels.setdefault(_judges(made.data), []).append(made)
        for judges, cells in panels.items():
            rows.append(_reading(dataclasses.replace(maker, cells=tuple(cells)), judges))
    return rows


def judge_architectures(rows: Sequence[Reading]) -> list[str]:
    """Return the architectures of all judges, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.panel))


def mean_accuracies(rows: Sequence[Reading]) -> list[tuple[str, float]]:
    """Return judge architecture and its accuracy on the reference, where it is known."""
    found = [
        (name, mean([row.judge_accuracy[name] for row in rows if name in row.judge_accuracy]))
        for name in judge_architectures(rows)
    ]
    return [(name, value) for name, value in found if not np.isnan(value)]


def _judges(data: xr.Dataset) -> tuple[tuple[str, int], ...]:
    names = values(data, "judge_architecture").tolist()
    return tuple(zip(map(str, names), map(int, values(data, "judge_seed")), strict=True))


def _reading(maker: Maker, judges: tuple[tuple[str, int], ...]) -> Reading:
    by_seed: dict[int, list[xr.Dataset]] = {}
    for made in maker.cells:
        seed = setting(made.settings, "training.seed")
        by_seed.setdefault(int(seed) if seed is not None else 0, []).append(made.data)
    seeds = tuple(by_seed)
    found = [_of_a_seed(cells) for cells in by_seed.values()]
    columns: dict[str, list[int]] = {}
    for column, (architecture, _) in enumerate(judges):
        columns.setdefault(architecture, []).append(column)
    panel = {name: tuple(judges[column][1] for column in own) for name, own in columns.items()}
    # Makers may have different numbers of metamers; what is added to the shorter counts nowhere.
    width = max(one.passed.size for one in found)
    kappa = np.stack([_padded(one.kappa, width, np.nan) for one in found])
    passed = np.stack([_padded(one.passed, width, False) for one in found])
    defined = np.isfinite(kappa).all(axis=1)
    counted = passed & defined
    split = {name: kappa[:, own] for name, own in columns.items()}
    by_judge, result, problem = _transfer(split, maker.architecture, seeds, panel, counted)
    data = [made.data for made in maker.cells]
    return Reading(
        maker=maker,
        seeds=seeds,
        panel=panel,
        by_judge=by_judge,
        entries={name: seed_summary(numbers) for name, numbers in by_judge.items()},
        result=result,
        own_kappa=mean([mean(one.own_kappa[one.passed]) for one in found]),
        loss=median(np.concatenate([one.loss[one.passed] for one in found])),
        passed=int(passed.sum()),
        total=sum(one.passed.size for one in found),
        undefined=int((passed & ~defined).sum()),
        constant=sum(int(one.undefined[:, one.passed].sum()) for one in found),
        judge_accuracy=_judge_accuracy(data, columns),
        controls=_controls(by_seed, columns, panel),
        problem=problem,
    )


def _of_a_seed(cells: Sequence[xr.Dataset]) -> _Seed:
    """Put the metamers of a seed's cells one after the other."""
    parts = []
    for data in cells:
        kappa = np.asarray(data["recognition_kappa"].transpose("judge", "metamer").values, float)
        count = kappa.shape[1]
        undefined = np.zeros(kappa.shape, bool)
        if "recognition_undefined" in data:
            flags = data["recognition_undefined"].transpose("judge", "metamer").values
            undefined = np.asarray(flags, bool) & np.isfinite(kappa)
        own, loss = (_column(data, name, count) for name in ("own_kappa", "loss_hardened"))
        parts.append((kappa, _passed(data, count), own, loss, undefined))
    return _Seed(*(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))


def _column(data: xr.Dataset, name: str, count: int) -> np.ndarray:
    found = np.asarray(values(data, name), float)
    return found if found.size == count else np.full(count, np.nan)


def _passed(data: xr.Dataset, count: int) -> np.ndarray:
    """Return which metamers count: those that fulfill all criteria, or that converged."""
    if "success" in data and data["success"].size == count:
        return np.asarray(data["success"].values, bool)
    return converged(data)


def _padded(table: np.ndarray, width: int, value: float | bool) -> np.ndarray:
    wanted = [(0, 0)] * (table.ndim - 1) + [(0, width - table.shape[-1])]
    return np.pad(table, wanted, constant_values=value)


def _transfer(
    kappa: dict[str, np.ndarray],
    own: str,
    seeds: tuple[int, ...],
    panel: dict[str, tuple[int, ...]],
    counted: np.ndarray,
) -> tuple[dict[str, np.ndarray], Transfer | None, str]:
    """Return kappa by judge and seed, R with its gaps, and what went wrong."""
    others = any(name != own for name in kappa)
    try:
        # Where only the maker's own architecture judges there is no R, but its kappa is known.
        found = transfer(kappa, own if others else "", seeds, panel, passed=counted)
    except InputError as error:
        return {name: np.full(len(seeds), np.nan) for name in kappa}, None, str(error)
    return found.by_judge, found if others else None, ""


def _judge_accuracy(cells: Sequence[xr.Dataset], columns: dict[str, list[int]]) -> dict[str, float]:
    tables = [np.asarray(values(data, "judge_reference_accuracy"), float) for data in cells]
    return {
        name: mean([mean(table[own]) for table in tables if table.size])
        for name, own in columns.items()
    }


def _controls(
    by_seed: dict[int, list[xr.Dataset]],
    columns: dict[str, list[int]],
    panel: dict[str, tuple[int, ...]],
) -> tuple[Control, ...]:
    """Average each control over samples and judges, then over cells of a seed, then over seeds."""
    cells = [(seed, data) for seed, group in by_seed.items() for data in group]
    names = dict.fromkeys(
        str(name) for _, data in cells if "control_kappa" in data for name in data["control"].values
    )
    rows = []
    for name in names:
        held = [(s, d) for s, d in cells if "control" in d and name in d["control"].values]
        parts = [(seed, data.sel(control=name)) for seed, data in held]
        by_judge = {}
        for architecture, own in columns.items():
            per_seed: dict[int, list[float]] = {}
            for seed, data in parts:
                foreign = [
                    c for c, judge in zip(own, panel[architecture], strict=True) if judge != seed
                ]
                table = data["control_kappa"].transpose("sample", "judge").values[:, foreign]
                per_seed.setdefault(seed, []).append(mean(table))
            by_judge[architecture] = mean([mean(numbers) for numbers in per_seed.values()])
        losses = [finite(values(data, "control_loss")) for _, data in parts]
        own_kappa = mean([mean(values(data, "control_own_kappa")) for _, data in parts])
        loss = np.concatenate(losses) if losses else np.zeros(0)
        if np.isnan([*by_judge.values(), own_kappa]).all() and not loss.size:
            continue  # a control that does not exist for this cell
        middle = float(np.median(loss)) if loss.size else float("nan")
        rows.append(Control(name, _LABELS.get(name, name), middle, own_kappa, by_judge))
    return tuple(rows)
