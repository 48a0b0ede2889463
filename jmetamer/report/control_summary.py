"""What judges make of graphs that are no metamers."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from jmetamer.report.reading import finite, mean, values
from jmetamer.results.seed_interval import ANYWHERE, KAPPA, SHARE, SeedSummary, seed_summary

# What is stored of every reading beside kappa, and what it says.
MEASURES = {
    "agreement": "share of nodes read as on the reference",
    "accuracy": "share of nodes read as their label",
}
LABELS = {
    "start": "start of the search",
    "displacement": "random displacement as far as the metamer's",
    "flips": "random flips, as many as the metamer's",
    "edge_flips": "random changes of edges, as many as the metamer's",
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
      by_judge: judge architecture -> mean kappa over the maker's seeds, with its t-interval.
      beside: "agreement" and "accuracy" -> the same of these; without what is not stored.
      chance: judge architecture -> mean agreement by chance; NaN where it is not stored.
    """

    name: str
    label: str
    loss: float
    own_kappa: float
    by_judge: dict[str, SeedSummary]
    beside: dict[str, dict[str, SeedSummary]]
    chance: dict[str, float]


def summarize_controls(
    by_seed: Mapping[int, Sequence[xr.Dataset]],
    columns: Mapping[str, Sequence[int]],
    panel: Mapping[str, Sequence[int]],
) -> tuple[Control, ...]:
    """Average each control over samples and judges, then over cells of a seed, then over seeds.

    Args:
      by_seed: training seed of the maker -> variables of its cells.
      columns: judge architecture -> places of its judges along the axis "judge".
      panel: judge architecture -> training seeds of these; one of the maker's seed is left out.

    Returns:
      One of each control that any cell has.
    """
    held = [data for group in by_seed.values() for data in group if "control_kappa" in data]
    names = dict.fromkeys(str(name) for data in held for name in data["control"].values)
    found = (_control(name, by_seed, columns, panel) for name in names)
    return tuple(one for one in found if one is not None)


def _control(
    name: str,
    by_seed: Mapping[int, Sequence[xr.Dataset]],
    columns: Mapping[str, Sequence[int]],
    panel: Mapping[str, Sequence[int]],
) -> Control | None:
    parts = {
        seed: [d.sel(control=name) for d in group if "control" in d and name in d["control"].values]
        for seed, group in by_seed.items()
    }
    cells = [data for group in parts.values() for data in group]

    def read(variable: str) -> dict[str, SeedSummary]:
        bounds = KAPPA if variable == "control_kappa" else SHARE
        if name == "identity":
            bounds = ANYWHERE  # it is known, and no draw
        return {
            architecture: seed_summary(
                list(_means(variable, parts, own, panel[architecture])), bounds=bounds
            )
            for architecture, own in columns.items()
        }

    by_judge = read("control_kappa")
    own_kappa = mean([mean(values(data, "control_own_kappa")) for data in cells])
    loss = np.concatenate([finite(values(data, "control_loss")) for data in cells])
    if np.isnan([own_kappa, *(one.mean for one in by_judge.values())]).all() and not loss.size:
        return None  # a control that does not exist for this maker
    return Control(
        name=name,
        label=LABELS.get(name, name),
        loss=float(np.median(loss)) if loss.size else float("nan"),
        own_kappa=own_kappa,
        by_judge=by_judge,
        beside={
            measure: read(f"control_{measure}")
            for measure in MEASURES
            if any(f"control_{measure}" in data for data in cells)
        },
        chance={judge: one.mean for judge, one in read("control_chance").items()},
    )


def _means(
    variable: str,
    parts: Mapping[int, Sequence[xr.Dataset]],
    own: Sequence[int],
    judge_seeds: Sequence[int],
) -> Iterator[float]:
    """Yield the mean of each seed of the maker, over its cells, NaN where it has none."""
    for seed, cells in parts.items():
        foreign = [place for place, judge in zip(own, judge_seeds, strict=True) if judge != seed]
        tables = [data[variable].transpose("sample", "judge") for data in cells if variable in data]
        yield mean([mean(table.values[:, foreign]) for table in tables])
