"""The numbers of a cell that a reader wants first."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from jmetamer.report import geometry_summary
from jmetamer.report.cells import CellName, control_of, network_of
from jmetamer.report.distance_summary import (
    Deviation,
    DiversitySummary,
    EdgeSummary,
    LayerMatch,
    summarize_deviations,
    summarize_diversity,
    summarize_edges,
    summarize_layers,
    why_no_diversity,
)
from jmetamer.report.methods import repulsion_of
from jmetamer.report.reading import converged, mean, median, middle, number_of, scalar, values
from jmetamer.report.share import Share
from jmetamer.report.sources import stored_names
from jmetamer.report.stored_cell import Correction
from jmetamer.report.success_summary import Criterion, SuccessSummary, summarize_success
from jmetamer.results.criteria import BEYOND_SWAPS, UNCHANGED, status_names, without_unchanged
from jmetamer.results.setting_tree import Settings, flatten, setting


@dataclasses.dataclass(frozen=True)
class StatusCount:
    """How many metamers ended one way, and what would help.

    Attributes:
      name: status, as in "STALLED".
      count: number of metamers.
      message: what happened; empty where the store does not say.
      remedy: what to try; empty for converged metamers and where the store does not say.
    """

    name: str
    count: int
    message: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class RankSummary:
    """Medians of the local geometry over the target nodes, of counts the lower of two.

    Attributes:
      num_targets: number of target nodes.
      ceiling: the smaller of the numbers of inputs and outputs.
      before, after: rank of the Jacobian before and after the activation; `before` is NaN at a
        layer without one.
      dimension: number of inputs minus the rank after the activation.
      num_inputs: number of inputs.
      volume_change: change of the log-volume, NaN where no node kept its rank.
      num_compared: number of nodes for which that change exists.
      node_rank, node_dimension, node_inputs: rank, dimension and number of inputs by the features
        of a target node alone; NaN in runs that do not hold them.
      information: nats of channel information before and after the activation; NaN where unknown.
      scales: standard deviations of input and noise in it, or None.
      num_uncertain: nodes at which the spectrum leaves a doubt about a rank.
    """

    num_targets: int
    ceiling: float
    before: float
    after: float
    dimension: float
    num_inputs: float
    volume_change: float
    num_compared: int
    node_rank: float = float("nan")
    node_dimension: float = float("nan")
    node_inputs: float = float("nan")
    information: tuple[float, float] = (float("nan"), float("nan"))
    scales: tuple[float, float] | None = None
    num_uncertain: int = 0


@dataclasses.dataclass(frozen=True)
class CellSummary:
    """Everything the success table and the sentences of one cell need.

    Attributes:
      name: what the cell is called.
      count, converged: number of metamers, and of those that reached the tolerance.
      network: what is equal for cells of one trained network.
      statuses: counts of every status that occurred, converged first.
      loss: median loss of the stored (hardened) graphs, NaN where undefined.
      num_loose: metamers marked as converged whose stored graph misses the tolerance.
      tolerance: loss at which a metamer counts, NaN where unknown.
      agreement, agreement_chance: mean share of target nodes that keep their class, and its chance
        level.
      test_accuracy: score of the network, NaN where unknown.
      seconds: run time of the cell, NaN where unknown.
      deviations: one per measure.
      not_measured: measures that the cell asks for and that do not apply to it.
      ranks: local geometry, or None where it was not computed.
      maps, ledger: over all nodes and over the layers, or None where they were not computed.
      edges: how edges changed, or None where they stay.
      success: the criteria of success one by one, or None where the store does not hold them.
      diversity: how different the kept metamers are from each other, features and edges apart.
      no_diversity: why that is not known, where it is not.
      layers: how well the metamers match at every layer; empty where it is not stored.
      repulsion: weight with which the metamers pushed each other apart; 0 where they did not.
      targets: number of target nodes that the settings name; 0 where they name none.
      control: which control the network is, empty where it is none.
      sources: names of what the store holds of the cell, from which all this was taken.
    """

    name: CellName
    count: int
    converged: int
    network: str
    statuses: tuple[StatusCount, ...]
    loss: float
    num_loose: int
    tolerance: float
    agreement: float
    agreement_chance: float
    test_accuracy: float
    seconds: float
    deviations: tuple[Deviation, ...]
    ranks: RankSummary | None
    not_measured: tuple[str, ...] = ()
    maps: geometry_summary.MapSummary | None = None
    ledger: geometry_summary.LedgerSummary | None = None
    edges: EdgeSummary | None = None
    success: SuccessSummary | None = None
    diversity: tuple[DiversitySummary, ...] = ()
    no_diversity: str = ""
    layers: tuple[LayerMatch, ...] = ()
    repulsion: float = 0.0
    targets: int = 0
    control: str = ""
    sources: frozenset[str] = frozenset()

    @property
    def succeeded(self) -> Criterion | None:
        """How many fulfill all criteria, or None where the store does not say."""
        return None if self.success is None else self.success.together

    @property
    def unchanged(self) -> int:
        """How many are the reference itself, or the reference renamed."""
        return sum(status.count for status in self.statuses if status.name == UNCHANGED)

    @property
    def reached(self) -> Share:
        """How many metamers reached the tolerance."""
        return Share(self.converged, self.count)

    @property
    def share(self) -> float:
        """Converged share, NaN without metamers."""
        return self.reached.share


def summarize(
    name: CellName,
    settings: Settings,
    data: xr.Dataset,
    counts: Mapping[str, int],
    correction: Correction | None = None,
) -> CellSummary:
    """Reduce one cell to the numbers that a reader wants first.

    Returns:
      The numbers; NaN stands for whatever the store does not hold.
    """
    edges = summarize_edges(data)
    statuses = _statuses(data, counts)
    if edges is not None and edges.none_exists:
        statuses = tuple(
            dataclasses.replace(one, remedy=BEYOND_SWAPS) if one.name == UNCHANGED else one
            for one in statuses
        )
    others = without_unchanged(data)
    # Where there is no other graph, the numbers of the reference are shown as such.
    shown = others if others.sizes.get("metamer") else data
    count = sum(s.count for s in statuses)
    tolerance = number_of(setting(settings, "metamers.tolerance"))
    nodes = setting(settings, "metamers.nodes")
    return CellSummary(
        name=name,
        count=count,
        converged=sum(s.count for s in statuses if s.name == "CONVERGED"),
        network=network_of(settings),
        statuses=statuses,
        loss=median(values(others, "loss_hardened")),
        num_loose=_num_loose(data, tolerance),
        tolerance=tolerance,
        agreement=mean(values(others, "class_agreement")),
        agreement_chance=scalar(data, "class_agreement_chance"),
        test_accuracy=scalar(data, "test_accuracy", "accuracy_test"),
        seconds=scalar(data, "seconds", "seconds_total", "seconds_run"),
        deviations=tuple(summarize_deviations(others)) if others.sizes.get("metamer") else (),
        not_measured=_not_measured(settings, data),
        ranks=_ranks(data),
        maps=geometry_summary.summarize_maps(data),
        ledger=geometry_summary.summarize_ledger(data),
        edges=edges if shown is data else summarize_edges(shown),
        success=summarize_success(settings, data, correction, counts),
        diversity=tuple(summarize_diversity(settings, data)),
        no_diversity=why_no_diversity(settings, data),
        layers=summarize_layers(name.layer, others) if others.sizes.get("metamer") else (),
        repulsion=repulsion_of(dict(flatten(settings))),
        targets=len(nodes) if isinstance(nodes, list | tuple) else 0,
        control=control_of(settings) or "",
        sources=stored_names(settings, data),
    )


@dataclasses.dataclass(frozen=True)
class Shortfall:
    """What several cells lack, and what to change in them.

    Attributes:
      name: of what is missed most often.
      change: keys to change.
      cells: (place on the page, its cell).
    """

    name: str
    change: str
    cells: tuple[tuple[int, CellSummary], ...]


def shortfalls(cells: Sequence[CellSummary]) -> list[Shortfall]:
    """Put cells together in which metamers lack the same and the same helps, most cells first."""
    groups: dict[tuple[str, str], list[tuple[int, CellSummary]]] = {}
    for number, cell in enumerate(cells, start=1):
        missed = None if cell.success is None else cell.success.missed
        if missed is not None:
            groups.setdefault((missed.names, missed.change), []).append((number, cell))
    each = [Shortfall(*key, tuple(group)) for key, group in groups.items()]
    return sorted(each, key=lambda one: -len(one.cells))


def status_totals(cells: Sequence[CellSummary]) -> list[StatusCount]:
    """Add up the metamers that did not converge, per status over all cells, most frequent first."""
    totals: dict[str, StatusCount] = {}
    for status in (status for cell in cells for status in cell.statuses):
        if status.name != "CONVERGED":
            before = totals.get(status.name, dataclasses.replace(status, count=0))
            totals[status.name] = dataclasses.replace(before, count=before.count + status.count)
    return sorted(totals.values(), key=lambda status: -status.count)


def _statuses(data: xr.Dataset, counts: Mapping[str, int]) -> tuple[StatusCount, ...]:
    table = data["status"].attrs if "status" in data else {}
    counted = []
    for name, count in ((name, int(count)) for name, count in counts.items() if count):
        remedy = "" if name == "CONVERGED" else _text(table, "remedies", name)
        counted.append(StatusCount(name, count, _text(table, "messages", name), remedy))
    return tuple(sorted(counted, key=lambda s: (s.name != "CONVERGED", -s.count)))


def _text(table: Mapping[str, object], field: str, name: str) -> str:
    """Text of a status under a field of the status table, by its name or by its code."""
    texts = table.get(field)
    if not isinstance(texts, Mapping):
        return ""
    codes = [str(code) for code, status in status_names(table).items() if status == name]
    return next((str(texts[key]) for key in (name, *codes) if key in texts), "")


def _num_loose(data: xr.Dataset, tolerance: float) -> int:
    """Converged metamers whose stored graph misses the tolerance by more than round-off."""
    hardened = values(data, "loss_hardened")
    if "status" not in data or data["status"].shape != hardened.shape:
        return 0
    return int(np.sum(converged(data) & (hardened > 1.01 * tolerance)))


def _ranks(data: xr.Dataset) -> RankSummary | None:
    needed = ("rank_post", "num_inputs", "num_outputs")
    if any(name not in data or not data[name].size for name in needed):
        return None
    inputs, outputs = values(data, "num_inputs"), values(data, "num_outputs")
    change = values(data, "volume_change")
    return RankSummary(
        num_targets=inputs.size,
        ceiling=middle(np.minimum(inputs, outputs)),
        before=middle(values(data, "rank_pre")),
        after=middle(values(data, "rank_post")),
        dimension=middle(inputs - values(data, "rank_post")),
        num_inputs=middle(inputs),
        volume_change=median(change),
        num_compared=int(np.isfinite(change).sum()),
        node_rank=middle(values(data, "node_rank")),
        node_dimension=middle(values(data, "node_dimension")),
        node_inputs=middle(values(data, "node_num_inputs")),
        information=(
            median(values(data, "channel_information_pre")),
            median(values(data, "channel_information_post")),
        ),
        scales=_scales(data),
        num_uncertain=geometry_summary.num_uncertain(
            data, "rank_certified_pre", "rank_certified_post"
        ),
    )


def _scales(data: xr.Dataset) -> tuple[float, float] | None:
    if "channel_information_post" not in data:
        return None
    attrs = data["channel_information_post"].attrs
    if "input_std" not in attrs or "noise_std" not in attrs:
        return None
    return float(attrs["input_std"]), float(attrs["noise_std"])


def _not_measured(settings: Settings, data: xr.Dataset) -> tuple[str, ...]:
    """Return the measures of a cell's settings that its record does not hold."""
    requested = setting(settings, "measures")
    if not isinstance(requested, list) or "measure" not in data:
        return ()
    held = set(data["measure"].values.tolist())
    return tuple(str(name) for name in requested if name not in held)
