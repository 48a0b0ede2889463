"""`StoredCell`: what a board needs of one cell, read from its run folder and nowhere else."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jmetamer.report.cells import setting
from jmetamer.report.harm_summary import StoredHarm, read_harm
from jmetamer.report.reading import mean
from jmetamer.results import (
    Run,
    StoredJudge,
    holm_over_cells,
    paired_controls,
    stored_judges,
    unlike_own_judges,
)
from jmetamer.results.criteria import Missed, most_missed


@dataclasses.dataclass(frozen=True, eq=False)
class StoredCell:
    """The metamers of one trained model. What the cell does not hold is None, NaN or empty.

    Attributes:
      run: name of the run folder.
      cell: identifier within the run.
      settings: resolved settings.
      reference: digest of the reference graph.
      num_metamers: number of metamers b.
      success: [b] bool.
      missed: what most metamers that do not succeed lack.
      p_value: [b] of the null-distribution test, uncorrected.
      p_adjusted: [b] corrected over the cells of the run.
      null_not_applicable: why the null test says nothing of this cell; empty where it counts.
      judges: j judges.
      unlike: why judges of the maker's architecture are not the maker with another seed; empty
        where they are.
      kappa: [b, j].
      accuracy, agreement: [b, j] share of nodes that are read as their label, and as before.
      reference_accuracy: [j] accuracy on the reference.
      controls: name -> [s, j] kappa of s controls.
      paired: name -> [b, j] kappa of the control of each metamer; NaN where it has none.
      harm: where the network is right on the metamers that succeed, and on their controls.
      map_layer: layer of the maps over nodes.
      rank: of the layer's Jacobian, mean over nodes.
      num_units: its ceiling, the layer's activations at one node; NaN where no spectra are stored.
      nu, nu_centered, rank_ratio: means over nodes of the blind fraction of the features, of the
        features less the mean of each, and of rank / inputs.
      test_accuracy: of the model.
      seconds_metamers, seconds_total: wall time.
      device: what computed it.
      planted: scalars of planted problems, see `jmetamer.results.absence`; empty without them.
      unverified: why nothing vouches for the numbers; empty where they are verified.
    """

    run: str
    cell: str
    settings: Mapping[str, Any]
    reference: str
    num_metamers: int
    success: np.ndarray | None
    missed: Missed | None
    p_value: np.ndarray | None
    p_adjusted: np.ndarray | None
    null_not_applicable: str
    judges: tuple[StoredJudge, ...]
    unlike: str
    kappa: np.ndarray | None
    accuracy: np.ndarray | None
    agreement: np.ndarray | None
    reference_accuracy: np.ndarray | None
    controls: Mapping[str, np.ndarray]
    paired: Mapping[str, np.ndarray]
    harm: StoredHarm
    map_layer: str
    rank: float
    num_units: float
    nu: float
    nu_centered: float
    rank_ratio: float
    test_accuracy: float
    seconds_metamers: float
    seconds_total: float
    device: str
    planted: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    unverified: str = ""

    @property
    def seed(self) -> int:
        """Training seed of the model that made the metamers."""
        return int(setting(self.settings, "training.seed") or 0)

    @property
    def architecture(self) -> str:
        """Architecture of the model that made the metamers."""
        return str(setting(self.settings, "model.architecture") or "")


def read_cells(run: Run) -> list[StoredCell]:
    """Read the finished cells of a run, with p-values corrected over all of them.

    Those that are damaged are passed over; `run.readable` names them.

    Args:
      run: an opened run.

    Raises:
      StoreError: the files cannot be read.
    """
    cells = [read_cell(run, cell) for cell in run.readable()[0]]
    given = [np.zeros(0) if cell.p_value is None else cell.p_value for cell in cells]
    return [
        dataclasses.replace(cell, p_adjusted=None if cell.p_value is None else adjusted)
        for cell, adjusted in zip(cells, holm_over_cells(given), strict=True)
    ]


def read_cell(run: Run, cell: str) -> StoredCell:
    """Read one finished cell; without `p_adjusted`, which takes all cells of the run.

    Args:
      run: an opened run.
      cell: one of `run.cells`.

    Raises:
      StoreError: the files cannot be read.
    """
    data, scalars = run.dataset(cell), run.scalars(cell)
    settings = _with_shares(run.settings(cell), scalars)
    judges = stored_judges(data)
    readings: dict[str, Any] = {
        name: _values(data, f"recognition_{name}", ("metamer", "judge")) if judges else None
        for name in ("kappa", "accuracy", "agreement")
    }
    return StoredCell(
        run=run.folder.resolve().name,
        cell=cell,
        settings=settings,
        reference=run.reference_digest(cell),
        num_metamers=sum(run.status_counts(cell).values()),
        success=_values(data, "success", ("metamer",), bool),
        missed=most_missed(data, run.status_counts(cell)),
        p_value=_values(data, "null_p_value", ("metamer",)),
        p_adjusted=None,
        null_not_applicable=str(scalars.get("null_not_applicable", "")),
        judges=judges,
        unlike=unlike_own_judges(settings, judges),
        **readings,
        reference_accuracy=_values(data, "judge_reference_accuracy", ("judge",)),
        controls=_controls(data) if judges else {},
        paired=paired_controls(data) if judges else {},
        harm=read_harm(data),
        map_layer=str(data["map_layer"].values[-1]) if "map_layer" in data else "",
        **_node_means(data),
        test_accuracy=float(scalars.get("test_accuracy", np.nan)),
        seconds_metamers=float(scalars.get("seconds_metamers", np.nan)),
        seconds_total=float(scalars.get("seconds", np.nan)),
        device=str(run.provenance(cell).get("device", "")),
        planted={name: value for name, value in scalars.items() if name.startswith("planted_")},
        unverified=str(scalars.get("unverified", "")),
    )


def _with_shares(settings: Mapping[str, Any], scalars: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings with the shares of target nodes that the data decided, where they are null.

    A cell that names the share and one that takes the default are then of one recipe.
    """
    stored = {key: scalars.get(f"success_{key}") for key in ("share", "agreement")}
    success = dict(settings.get("success") or {})
    success |= {key: v for key, v in stored.items() if v is not None and success.get(key) is None}
    return {**settings, "success": success} if success else settings


def _values(data: Any, name: str, dims: tuple[str, ...], dtype: Any = float) -> np.ndarray | None:
    """Return a variable with its axes in this order, or None where it is not stored."""
    return np.asarray(data[name].transpose(*dims).values, dtype) if name in data else None


def _controls(data: Any) -> dict[str, np.ndarray]:
    kappa = _values(data, "control_kappa", ("control", "sample", "judge"))
    if kappa is None or "control" not in data:
        return {}
    return dict(zip(map(str, data["control"].values.tolist()), kappa, strict=True))


def _node_means(data: Any) -> dict[str, Any]:
    """Return means over nodes of the maps at the matched layer, after its activation."""
    needed = ("map_nu", "map_nu_centered", "map_rank", "map_dimension")
    nu, centered, rank, dimension = (_values(data, name, ("map_layer", "node")) for name in needed)
    ratio = None
    if rank is not None and dimension is not None:
        inputs = rank + dimension
        ratio = np.divide(rank, inputs, out=np.full(rank.shape, np.nan), where=inputs > 0)
        rank = np.where(inputs > 0, rank, np.nan)  # a node without features in sight has none
    units = _values(data, "num_outputs", ("target",))
    return {
        "rank": _last_mean(rank),
        "num_units": float(units.max()) if units is not None and units.size else np.nan,
        "nu": _last_mean(nu),
        "nu_centered": _last_mean(centered),
        "rank_ratio": _last_mean(ratio),
    }


def _last_mean(values: np.ndarray | None) -> float:
    """Return the mean of the last row; nodes without a value, as those without features, aside."""
    return mean([] if values is None else values[-1:])
