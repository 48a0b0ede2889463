"""What judges make of graphs that are no metamers."""

import dataclasses

import numpy as np

from jmetamer.report.judge_table import BySeed, JudgeTable, summaries
from jmetamer.report.reading import finite, mean
from jmetamer.report.wording import CONTROLS
from jmetamer.results.seed_interval import KAPPA, SHARE, SeedSummary

# What is stored of every reading beside kappa, and what it says.
MEASURES = {
    "agreement": "share of nodes read as on the reference",
    "accuracy": "share of nodes read as their label",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Control:
    """Graphs that are no metamers, read by the same judges.

    Attributes:
      name: of the control in the store.
      label: what it is.
      loss: median loss (L_act) at the matched layer.
      own_kappa: mean kappa of the maker itself.
      kappa: judge architecture -> [seed] mean kappa.
      by_judge: the same over the maker's seeds, with its t-interval.
      beside: "agreement" and "accuracy" -> the same of these; without what is not stored.
      chance: judge architecture -> mean agreement by chance; NaN where it is not stored.
    """

    name: str
    label: str
    loss: float
    own_kappa: float
    kappa: BySeed
    by_judge: dict[str, SeedSummary]
    beside: dict[str, dict[str, SeedSummary]]
    chance: dict[str, float]


def summarize_controls(table: JudgeTable) -> tuple[Control, ...]:
    """Average each control over samples and judges, then over cells of a seed, then over seeds.

    Returns:
      One of each control that any cell has.
    """
    names = dict.fromkeys(name for cell in table.cells for name in cell.controls("kappa"))
    controls = (_control(name, table) for name in names)
    return tuple(one for one in controls if one is not None)


def _control(name: str, table: JudgeTable) -> Control | None:
    kappa, own = _means("kappa", name, table), _numbers("own_kappa", name, table)
    loss = finite(np.concatenate([*_numbers("loss", name, table), np.zeros(0)]))
    own_kappa = mean([mean(one) for one in own])
    if np.isnan([own_kappa, *np.concatenate(list(kappa.values()))]).all() and not loss.size:
        return None  # a control that does not exist for this maker
    return Control(
        name=name,
        label=CONTROLS.get(name, name),
        loss=float(np.median(loss)) if loss.size else float("nan"),
        own_kappa=own_kappa,
        kappa=kappa,
        by_judge=summaries(kappa, KAPPA),
        beside={
            measure: summaries(_means(measure, name, table), SHARE)
            for measure in MEASURES
            if _numbers(measure, name, table)
        },
        chance={judge: mean(each) for judge, each in _means("chance", name, table).items()},
    )


def _numbers(measure: str, name: str, table: JudgeTable) -> list[np.ndarray]:
    """Return what is stored of a control in the cells that hold it."""
    return [held[name] for cell in table.cells if name in (held := cell.controls(measure))]


def _means(measure: str, name: str, table: JudgeTable) -> BySeed:
    """Return the mean of each seed of the maker, over its cells, NaN where it has none."""
    tables = [
        [
            cell.read_by(table.judges, held[name])
            for cell in cells
            if name in (held := cell.controls(measure))
        ]
        for cells in table.by_seed.values()
    ]
    return table.over_judges(
        lambda row, judges: mean([mean(each[:, judges]) for each in tables[row]])
    )
