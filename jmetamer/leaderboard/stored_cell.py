"""`StoredCell`: what a board needs of one cell, read from its run folder and nowhere else."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jmetamer.report.cells import setting
from jmetamer.results import Run, hash_settings

Judge = tuple[str, int]  # architecture and training seed


@dataclasses.dataclass(frozen=True, eq=False)
class StoredCell:
    """The metamers of one trained model. What the cell does not hold is None, NaN or empty.

    Attributes:
      run: name of the run folder.
      cell: identifier within the run.
      settings: resolved settings.
      identity: hash of the settings; the same cell of two runs is one.
      reference: digest of the reference graph.
      num_metamers: number of metamers b.
      success: [b] bool.
      judges: j judges.
      kappa: [b, j].
      controls: name -> [s, j] kappa of s controls.
      harmful: [b] share of target nodes whose Bayes label changed while the class stayed.
      map_layer: layer of the maps over nodes.
      nu, nu_centered, rank_ratio: means over nodes of the blind fraction of the features, of the
        features less the mean of each, and of rank / inputs.
      test_accuracy: of the model.
      seconds_metamers, seconds_total: wall time.
      device: what computed it.
    """

    run: str
    cell: str
    settings: Mapping[str, Any]
    identity: str
    reference: str
    num_metamers: int
    success: np.ndarray | None
    judges: tuple[Judge, ...]
    kappa: np.ndarray | None
    controls: Mapping[str, np.ndarray]
    harmful: np.ndarray | None
    map_layer: str
    nu: float
    nu_centered: float
    rank_ratio: float
    test_accuracy: float
    seconds_metamers: float
    seconds_total: float
    device: str

    @property
    def seed(self) -> int:
        """Training seed of the model that made the metamers."""
        return int(setting(self.settings, "training.seed") or 0)

    @property
    def architecture(self) -> str:
        """Architecture of the model that made the metamers."""
        return str(setting(self.settings, "model.architecture") or "")


def read_cell(run: Run, cell: str) -> StoredCell:
    """Read one finished cell.

    Args:
      run: an opened run.
      cell: one of `run.cells`.

    Raises:
      StoreError: the files cannot be read.
    """
    data, scalars, settings = run.dataset(cell), run.scalars(cell), run.settings(cell)
    judges = _judges(data)
    nodes = _node_means(data)
    return StoredCell(
        run=run.folder.resolve().name,
        cell=cell,
        settings=settings,
        identity=hash_settings(settings),
        reference=run.reference_digest(cell),
        num_metamers=sum(run.status_counts(cell).values()),
        success=_values(data, "success", ("metamer",), bool),
        judges=judges,
        kappa=_values(data, "recognition_kappa", ("metamer", "judge")) if judges else None,
        controls=_controls(data) if judges else {},
        harmful=_values(data, "harmful_fraction", ("metamer",)),
        map_layer=str(data["map_layer"].values[-1]) if "map_layer" in data else "",
        nu=nodes["nu"],
        nu_centered=nodes["nu_centered"],
        rank_ratio=nodes["rank_ratio"],
        test_accuracy=float(scalars.get("test_accuracy", np.nan)),
        seconds_metamers=float(scalars.get("seconds_metamers", np.nan)),
        seconds_total=float(scalars.get("seconds", np.nan)),
        device=str(run.provenance(cell).get("device", "")),
    )


def _values(data: Any, name: str, dims: tuple[str, ...], dtype: Any = float) -> np.ndarray | None:
    """Return a variable with its axes in this order, or None where it is not stored."""
    return np.asarray(data[name].transpose(*dims).values, dtype) if name in data else None


def _judges(data: Any) -> tuple[Judge, ...]:
    names = ("judge_architecture", "judge_seed")
    if any(name not in data for name in names):
        return ()
    architectures, seeds = (data[name].values.tolist() for name in names)
    return tuple((str(one), int(seed)) for one, seed in zip(architectures, seeds, strict=True))


def _controls(data: Any) -> dict[str, np.ndarray]:
    kappa = _values(data, "control_kappa", ("control", "sample", "judge"))
    if kappa is None or "control" not in data:
        return {}
    return dict(zip(map(str, data["control"].values.tolist()), kappa, strict=True))


def _node_means(data: Any) -> dict[str, float]:
    """Return means over nodes of the maps at the matched layer, after its activation."""
    needed = ("map_nu", "map_nu_centered", "map_rank", "map_dimension")
    nu, centered, rank, dimension = (_values(data, name, ("map_layer", "node")) for name in needed)
    ratio = None
    if rank is not None and dimension is not None:
        inputs = rank + dimension
        ratio = np.divide(rank, inputs, out=np.full(rank.shape, np.nan), where=inputs > 0)
    return {
        "nu": _last_mean(nu),
        "nu_centered": _last_mean(centered),
        "rank_ratio": _last_mean(ratio),
    }


def _last_mean(values: np.ndarray | None) -> float:
    """Return the mean of the last row; nodes without a value, as those without features, aside."""
    if values is None or not np.isfinite(values[-1:]).any():
        return np.nan
    return float(values[-1][np.isfinite(values[-1])].mean())
