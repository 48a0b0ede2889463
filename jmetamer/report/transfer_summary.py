"""How other networks read the metamers of each maker."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import xarray as xr

from jmetamer._base.errors import InputError
from jmetamer.measures.transfer import Paired, Transfer, transfer
from jmetamer.report.cells import setting
from jmetamer.report.control_summary import MEASURES, Control, summarize_controls
from jmetamer.report.makers import Maker
from jmetamer.report.reading import converged, grouped, mean, median, values
from jmetamer.report.wording import listing, plural
from jmetamer.results import NULL_SPACE, SAME_LENGTH, paired_controls
from jmetamer.results.judges import settings_unlike_own_judges, stored_judges
from jmetamer.results.seed_interval import KAPPA, SHARE, SeedSummary, seed_summary


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
      beside: "agreement" and "accuracy" -> the same of these; without what is not stored.
      chance: judge architecture -> mean agreement by chance; NaN where it is not stored.
      result: R, I_seed and I_arch; None where no other architecture judges.
      paired: control -> recognition of metamers less that of their controls, by other
        architectures; of those in `SAME_LENGTH` and of `NULL_SPACE`, where any metamer that passed
        has one.
      own_kappa, own_accuracy: means of the maker itself on its metamers that passed.
      loss: median loss of these.
      passed, total: metamers that passed, and all.
      undefined: metamers that passed but are left out, as a judge's kappa is not finite.
      constant: readings of passed metamers whose kappa is set to 0, as chance agreement is 1.
      judge_accuracy: judge architecture -> mean accuracy on the reference's labels.
      controls: what the judges make of graphs that are no metamers.
      unlike: settings in which the maker differs from judges of its own architecture.
      problem: why there are no entries; empty where there are.
    """

    maker: Maker
    seeds: tuple[int, ...]
    panel: dict[str, tuple[int, ...]]
    by_judge: dict[str, np.ndarray]
    entries: dict[str, SeedSummary]
    beside: dict[str, dict[str, SeedSummary]]
    chance: dict[str, float]
    result: Transfer | None
    paired: dict[str, Paired]
    own_kappa: float
    own_accuracy: float
    loss: float
    passed: int
    total: int
    undefined: int
    constant: int
    judge_accuracy: dict[str, float]
    controls: tuple[Control, ...]
    unlike: tuple[str, ...]
    problem: str

    @property
    def several_seeds(self) -> bool:
        """Whether any interval over training seeds exists."""
        return any(one.num_seeds > 1 for one in self.entries.values())

    @property
    def above_length(self) -> Paired | None:
        """Metamers less equally long random changes; None where there are no pairs."""
        return next((self.paired[name] for name in SAME_LENGTH if name in self.paired), None)

    @property
    def above_null_space(self) -> Paired | None:
        """Metamers less null-space replacement; None where there are no pairs."""
        return self.paired.get(NULL_SPACE)

    @property
    def lines(self) -> list[tuple[str, SeedSummary]]:
        """Kappa by judge architecture, R and the two gaps, each over the maker's seeds.

        What is lost to judges of the maker's own architecture is an effect of the seed only where
        maker and judges are made alike.
        """
        found = list(self.entries.items())
        if self.result is not None:
            found.append(("R: other architectures", self.result.recognition))
            gap = f"gap to judges with default settings (maker: other {listing(self.unlike)})"
            found.append((gap if self.unlike else "seed gap", self.result.seed_gap))
            found.append(("architecture gap", self.result.architecture_gap))
        return [(name, one) for name, one in found if one.num_seeds]

    @property
    def mark(self) -> str:
        """What the judges of the maker's own architecture are marked with."""
        return "own*" if self.unlike else "own"

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the numbers of this row."""
        found = [self.problem] if self.problem else []
        if not self.passed:
            found.append("no metamer succeeded, so there is no kappa.")
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
    own_accuracy: np.ndarray
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
    """Return judge architecture and its accuracy on the reference, where it is known.

    Of several datasets each is named, as judges of one are other networks than those of another.
    """
    by_dataset: dict[str, list[Reading]] = {}
    for row in rows:
        name = str(setting(row.maker.cells[0].settings, "dataset.name"))
        by_dataset.setdefault(name, []).append(row)
    found = [
        (
            f"{name} on {dataset}" if len(by_dataset) > 1 else name,
            mean([row.judge_accuracy[name] for row in own if name in row.judge_accuracy]),
        )
        for dataset, own in by_dataset.items()
        for name in judge_architectures(own)
    ]
    return [(name, value) for name, value in found if not np.isnan(value)]


def unlike_told(rows: Sequence[Reading]) -> str:
    """Say in what makers differ from the judges of their own architecture, empty if in nothing."""
    names = listing(list(dict.fromkeys(name for row in rows for name in row.unlike)))
    if not names:
        return ""
    return (
        "own*: judges of the same architecture, trained with default settings. The maker has "
        f"others ({names}), so that what is lost to these judges is no effect of the "
        "seed alone."
    )


def notes_told(rows: Sequence[Reading]) -> list[str]:
    """Return the notes of all rows, each once and with the makers of which it holds."""
    told = grouped((note, row.maker.title) for row in rows for note in row.notes)
    return [f"{listing(titles, limit=12)}: {note}" for note, titles in told.items()]


def _judges(data: xr.Dataset) -> tuple[tuple[str, int], ...]:
    names = values(data, "judge_architecture").tolist()
    return tuple(zip(map(str, names), map(int, values(data, "judge_seed")), strict=True))


def _reading(maker: Maker, judges: tuple[tuple[str, int], ...]) -> Reading:
    by_seed = grouped(
        (int(setting(made.settings, "training.seed") or 0), made.data) for made in maker.cells
    )
    seeds = tuple(by_seed)
    found = [_of_a_seed(cells) for cells in by_seed.values()]
    columns = grouped((architecture, column) for column, (architecture, _) in enumerate(judges))
    panel = {name: tuple(judges[column][1] for column in own) for name, own in columns.items()}
    # Makers may have different numbers of metamers; what is added to the shorter counts nowhere.
    width = max(one.passed.size for one in found)
    kappa = np.stack([_padded(one.kappa, width, np.nan) for one in found])
    passed = np.stack([_padded(one.passed, width, False) for one in found])
    defined = np.isfinite(kappa).all(axis=1)
    counted = passed & defined
    split = {name: kappa[:, own] for name, own in columns.items()}
    whole = split, maker.architecture, seeds, panel, counted
    by_judge, result, problem = _transfer(*whole)
    data = [made.data for made in maker.cells]
    beside = _beside(by_seed, columns, panel)
    chance = {name: one.mean for name, one in beside.pop("chance", {}).items()}
    return Reading(
        maker=maker,
        seeds=seeds,
        panel=panel,
        by_judge=by_judge,
        entries={name: seed_summary(each, bounds=KAPPA) for name, each in by_judge.items()},
        beside=beside,
        chance=chance,
        result=result,
        paired={} if result is None else _paired(by_seed, columns, *whole),
        own_kappa=mean([mean(one.own_kappa[one.passed]) for one in found]),
        own_accuracy=mean([mean(one.own_accuracy[one.passed]) for one in found]),
        loss=median(np.concatenate([one.loss[one.passed] for one in found])),
        passed=int(passed.sum()),
        total=sum(one.passed.size for one in found),
        undefined=int((passed & ~defined).sum()),
        constant=sum(int(one.undefined[:, one.passed].sum()) for one in found),
        judge_accuracy=_judge_accuracy(data, columns),
        controls=summarize_controls(by_seed, columns, panel),
        unlike=settings_unlike_own_judges(maker.cells[0].settings, stored_judges(data[0])),
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
        names = ("own_kappa", "own_accuracy", "loss_hardened")
        columns = [_column(data, name, count) for name in names]
        if "own_undefined" in data:
            columns[0] = np.where(_column(data, "own_undefined", count) > 0, np.nan, columns[0])
        parts.append((kappa, _passed(data, count), *columns, undefined))
    return _Seed(*(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))


def _controls(cells: Sequence[xr.Dataset]) -> dict[str, np.ndarray]:
    """Return control -> [judge, metamer] kappa; NaN where a metamer has none."""
    each = [paired_controls(data) for data in cells]
    shapes = [(data.sizes["judge"], data.sizes["metamer"]) for data in cells]
    return {
        name: np.concatenate(
            [
                one[name].T if name in one else np.full(shape, np.nan)
                for one, shape in zip(each, shapes, strict=True)
            ],
            axis=1,
        )
        for name in (*SAME_LENGTH, NULL_SPACE)
        if any(name in one for one in each)
    }


def _paired(
    by_seed: dict[int, list[xr.Dataset]],
    columns: dict[str, list[int]],
    kappa: dict[str, np.ndarray],
    own: str,
    seeds: tuple[int, ...],
    panel: dict[str, tuple[int, ...]],
    counted: np.ndarray,
) -> dict[str, Paired]:
    """Return control -> what metamers have above it."""
    found = [_controls(cells) for cells in by_seed.values()]
    num_judges = sum(map(len, columns.values()))
    pairs = {}
    for name in dict.fromkeys(name for one in found for name in one):
        table = np.full((len(found), num_judges, counted.shape[1]), np.nan)
        for row, one in zip(table, found, strict=True):
            if name in one:
                row[:, : one[name].shape[1]] = one[name]
        control = {judge: table[:, places] for judge, places in columns.items()}
        paired = transfer(kappa, own, seeds, panel, passed=counted, control=control).paired
        if paired is not None and paired.num_pairs:
            pairs[name] = paired
    return pairs


def _beside(
    by_seed: dict[int, list[xr.Dataset]],
    columns: dict[str, list[int]],
    panel: dict[str, tuple[int, ...]],
) -> dict[str, dict[str, SeedSummary]]:
    """Average what is stored beside kappa over the same judges and metamers as kappa."""
    found = {}
    for measure in (*MEASURES, "chance"):
        variable = f"recognition_{measure}"
        if not all(variable in data for cells in by_seed.values() for data in cells):
            continue
        means: dict[str, list[float]] = {name: [] for name in columns}
        for seed, cells in by_seed.items():
            table, kappa = (_joined(cells, name) for name in (variable, "recognition_kappa"))
            passed = np.concatenate([_passed(data, data.sizes["metamer"]) for data in cells])
            counted = passed & np.isfinite(kappa).all(axis=0)
            for name, own in columns.items():
                judges = zip(own, panel[name], strict=True)
                foreign = [column for column, judge in judges if judge != seed]
                means[name].append(mean(table[foreign][:, counted]))
        found[measure] = {name: seed_summary(each, bounds=SHARE) for name, each in means.items()}
    return found


def _joined(cells: Sequence[xr.Dataset], variable: str) -> np.ndarray:
    """Return [judge, metamer] with the metamers of the cells one after the other."""
    tables = [data[variable].transpose("judge", "metamer").values for data in cells]
    return np.concatenate(tables, axis=1).astype(float)


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
