"""How other networks read the metamers of each maker."""

import dataclasses
import operator
from collections.abc import Sequence

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.measures.transfer import Paired, Transfer
from jmetamer.report.judge_table import (
    MEASURES,
    BySeed,
    Control,
    JudgeTable,
    summaries,
    summarize_controls,
)
from jmetamer.report.makers import Maker
from jmetamer.report.prose import paragraphs, said
from jmetamer.report.reading import grouped, mean, median
from jmetamer.report.stored_cell import Judge, StoredCell
from jmetamer.report.wording import listing
from jmetamer.results import NULL_SPACE, SAME_LENGTH
from jmetamer.results.judges import settings_unlike_own_judges
from jmetamer.results.seed_interval import KAPPA, SHARE, SeedSummary
from jmetamer.results.setting_tree import setting


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
      each_beside: "agreement" and "accuracy" -> judge architecture -> [seed] means of these;
        without what is not stored.
      chance: judge architecture -> mean agreement by chance; NaN where it is not stored.
      result: R, I_seed and I_arch; None where no other architecture judges.
      paired: control -> recognition of metamers less that of their controls, by other
        architectures; of those in `SAME_LENGTH` and of `NULL_SPACE`, where any metamer that passed
        has one.
      own_kappa, own_accuracy: means of the maker itself on its metamers that passed.
      own_seeds: seeds behind `own_kappa`.
      own_undefined: metamers that passed to which the maker gives one class, so that it has no
        kappa of its own.
      loss: median loss of these.
      passed, total: metamers that passed, and all.
      undefined: metamers that passed but are left out, as a judge's kappa is not finite.
      constant: readings of passed metamers whose kappa is set to 0, as chance agreement is 1.
      reference: judge architecture -> [seed] accuracy on the reference of the judges of kappa.
      judge_accuracy: judge architecture -> mean accuracy on the reference's labels.
      controls: what the judges make of graphs that are no metamers.
      unlike: settings in which the maker differs from judges of its own architecture.
      problem: why there are no entries; empty where there are.
    """

    maker: Maker
    seeds: tuple[int, ...]
    panel: dict[str, tuple[int, ...]]
    by_judge: BySeed
    entries: dict[str, SeedSummary]
    each_beside: dict[str, BySeed]
    chance: dict[str, float]
    result: Transfer | None
    paired: dict[str, Paired]
    own_kappa: float
    own_accuracy: float
    own_seeds: int
    own_undefined: int
    loss: float
    passed: int
    total: int
    undefined: int
    constant: int
    reference: BySeed
    judge_accuracy: dict[str, float]
    controls: tuple[Control, ...]
    unlike: tuple[str, ...]
    problem: str

    @property
    def several_seeds(self) -> bool:
        """Whether any interval over training seeds exists."""
        return any(one.num_seeds > 1 for one in self.entries.values())

    @property
    def num_seeds(self) -> int:
        """Seeds of the maker with a metamer that the judges read."""
        counts = [one.num_seeds for one in self.entries.values()]
        return max(counts, default=0) if self.result is None else self.result.recognition.num_seeds

    @property
    def beside(self) -> dict[str, dict[str, SeedSummary]]:
        """ "agreement" and "accuracy" -> judge architecture -> mean over seeds."""
        return {measure: summaries(each, SHARE) for measure, each in self.each_beside.items()}

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
        lines = list(self.entries.items())
        if self.result is not None:
            lines.append(("R: other architectures", self.result.recognition))
            gap = f"gap to judges with default settings (maker: other {listing(self.unlike)})"
            lines.append((gap if self.unlike else "seed gap", self.result.seed_gap))
            lines.append(("architecture gap", self.result.architecture_gap))
        return [(name, one) for name, one in lines if one.num_seeds]

    def over_others(self, by_judge: BySeed) -> np.ndarray:
        """Return [seed] means over the judges of other architectures, each of the same weight."""
        own = self.maker.architecture
        return np.mean([each for name, each in by_judge.items() if name != own], axis=0)

    @property
    def mark(self) -> str:
        """What the judges of the maker's own architecture are marked with."""
        return "own*" if self.unlike else "own"

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the numbers of this row."""
        return paragraphs("transfer_sentences", "notes", self)


def readings(by_maker: Sequence[Maker]) -> list[Reading]:
    """Return how the judges read the metamers of each maker that has judges.

    Args:
      by_maker: makers of the page; cells without judges take no part, and cells with other judges
        than the rest of their maker are a row of their own.
    """
    return [
        reading_of(dataclasses.replace(maker, cells=tuple(cells)), judges)
        for maker in by_maker
        for judges, cells in grouped((one.judge_keys, one) for one in maker.cells).items()
        if judges
    ]


def judge_architectures(rows: Sequence[Reading]) -> list[str]:
    """Return the architectures of all judges, in order of appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.panel))


def mean_accuracies(rows: Sequence[Reading]) -> list[tuple[str, float]]:
    """Return judge architecture and its accuracy on the reference, where it is known.

    Of several datasets each is named, as judges of one are other networks than those of another.
    """
    by_dataset = grouped(
        (str(setting(row.maker.cells[0].settings, "dataset")), row) for row in rows
    )
    accuracies = [
        (
            f"{name} on {dataset}" if len(by_dataset) > 1 else name,
            mean([row.judge_accuracy[name] for row in own if name in row.judge_accuracy]),
        )
        for dataset, own in by_dataset.items()
        for name in judge_architectures(own)
    ]
    return [(name, value) for name, value in accuracies if not np.isnan(value)]


def own_judges_note(rows: Sequence[Reading]) -> str:
    """Say in what makers differ from the judges of their own architecture, empty if in nothing."""
    names = listing(list(dict.fromkeys(name for row in rows for name in row.unlike)))
    return said("transfer_sentences", "own_judges", names)


def row_notes(rows: Sequence[Reading]) -> list[str]:
    """Return the notes of all rows, each once and with the makers of which it holds."""
    titles_of = grouped((note, row.maker.title) for row in rows for note in row.notes)
    return [f"{listing(titles, limit=12)}: {note}" for note, titles in titles_of.items()]


def reading_of(maker: Maker, judges: tuple[Judge, ...]) -> Reading:
    """Return how some judges, which all cells of a maker have, read its metamers.

    Args:
      maker: with at least one cell.
      judges: by architecture and training seed.
    """
    table = JudgeTable(maker.cells, judges)
    by_judge, result, problem = _transfer(table, maker.architecture)
    beside = _beside(table)
    chance = {name: mean(each) for name, each in beside.pop("chance", {}).items()}
    one_class = table.column("own_undefined") > 0
    own_kappa = np.where(one_class, np.nan, table.column("own_kappa"))
    constant = table.arranged(lambda cell: cell.readings("undefined")) > 0
    passed = table.passed
    return Reading(
        maker=maker,
        seeds=tuple(table.by_seed),
        panel=table.panel,
        by_judge=by_judge,
        entries=summaries(by_judge, KAPPA),
        each_beside=beside,
        chance=chance,
        result=result,
        paired={} if result is None else _paired(table, maker.architecture),
        own_kappa=_mean_of_means(own_kappa, passed),
        own_accuracy=_mean_of_means(table.column("own_accuracy"), passed),
        own_seeds=int((np.isfinite(own_kappa) & passed).any(1).sum()),
        own_undefined=int((one_class & passed).sum()),
        loss=median(table.column("loss_hardened")[passed]),
        passed=int(passed.sum()),
        total=sum(cell.passed.size for cell in maker.cells),
        undefined=int((passed & ~table.readable).sum()),
        constant=int((constant & np.isfinite(table.kappa) & passed[:, None]).sum()),
        reference=table.averaged(table.arranged(_on_reference)),
        judge_accuracy=_judge_accuracy(table),
        controls=summarize_controls(table),
        unlike=settings_unlike_own_judges(maker.cells[0].settings, maker.cells[0].judges),
        problem=problem,
    )


def _transfer(table: JudgeTable, own: str) -> tuple[BySeed, Transfer | None, str]:
    """Return kappa by judge and seed, R with its gaps, and what went wrong."""
    others = any(name != own for name in table.columns)
    try:
        # Where only the maker's own architecture judges there is no R, but its kappa is known.
        transfer = table.transfer(own if others else "")
    except InputError as error:
        return dict.fromkeys(table.columns, np.full(len(table.by_seed), np.nan)), None, str(error)
    return transfer.by_judge, transfer if others else None, ""


def _paired(table: JudgeTable, own: str) -> dict[str, Paired]:
    """Return control -> what metamers have above it."""
    pairs = {}
    for name in (*SAME_LENGTH, NULL_SPACE):
        if any(name in cell.paired for cell in table.cells):
            paired = table.transfer(own, operator.methodcaller("control_of", name)).paired
            if paired is not None and paired.num_pairs:
                pairs[name] = paired
    return pairs


def _beside(table: JudgeTable) -> dict[str, BySeed]:
    """Average what is stored beside kappa over the same judges and metamers as kappa."""
    return {
        measure: table.averaged(table.arranged(operator.methodcaller("readings", measure)))
        for measure in (*MEASURES, "chance")
        if all(f"recognition_{measure}" in cell.data for cell in table.cells)
    }


def _mean_of_means(columns: np.ndarray, passed: np.ndarray) -> float:
    """Return the mean over seeds of the mean over the metamers that passed."""
    return mean([mean(own[mask]) for own, mask in zip(columns, passed, strict=True)])


def _on_reference(cell: StoredCell) -> np.ndarray | None:
    """Return [b, j] accuracy of each judge on the reference, the same for all metamers."""
    accuracy = cell.table("judge_reference_accuracy", ("judge",))
    return (
        None if accuracy is None else np.broadcast_to(accuracy, (cell.passed.size, len(accuracy)))
    )


def _judge_accuracy(table: JudgeTable) -> dict[str, float]:
    accuracies = [
        cell.read_by(table.judges, accuracy)
        for cell in table.cells
        if (accuracy := cell.table("judge_reference_accuracy", ("judge",))) is not None
    ]
    return {
        name: mean([mean(one[places]) for one in accuracies])
        for name, places in table.columns.items()
    }
