"""How far the metamers of a cell lie from their reference, by measure, layer and edges, and how far
from each other.
"""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import xarray as xr

from jmetamer.measures.table import MEASURES
from jmetamer.report.prose import said
from jmetamer.report.reading import (
    Spread,
    converged,
    median,
    number_of,
    scalar,
    spread,
    table,
    values,
)
from jmetamer.report.wording import listing
from jmetamer.results.setting_tree import Settings, setting

_ROUND_OFF = 1e-5
_ROWS = {
    "loss_relaxed": "loss with weights between 0 and 1",
    "loss_rounded": "loss after rounding",
    "loss_flipped": "loss after flips of single pairs",
    "num_flips": "flips of single pairs",
    "num_available": "graphs one color-preserving swap away",
    "num_moves": "moves of the search",
    "num_proposed": "swaps proposed",
    "num_changed": "pairs changed since the start",
    "edges_added": "edges added to the reference's",
    "edges_removed": "edges of the reference removed",
    "edge_jaccard": "Jaccard distance of the edge sets",
}
# Of what is compared, the measure that is the same distance from the reference.
_SAME = {
    "features": "features/normalized_euclidean",
    "binary features": "features/jaccard",
    "edges": "structure/edge_jaccard",
}


@dataclasses.dataclass(frozen=True)
class Deviation(Spread):
    """How far the metamers of a cell lie from their reference by one measure.

    Attributes:
      measure: name, as in "features/cosine".
      chance: chance level of the measure, NaN where unknown.
      start: median over the starts of the metamers' searches, NaN where there is none.
      less_start: median over metamers of deviation less that of its own start, NaN likewise.
      nearer, equal: metamers that lie nearer to the reference than their start, and as near.
      paired: metamers of which both are known.
      no_start: why there is no start; empty where there is one.
    """

    measure: str
    chance: float
    start: float = float("nan")
    less_start: float = float("nan")
    nearer: int = 0
    equal: int = 0
    paired: int = 0
    no_start: str = ""


def summarize_deviations(data: xr.Dataset) -> Iterator[Deviation]:
    """Yield the deviations of a cell's metamers, measure by measure."""
    if "deviation" not in data:
        return
    of_metamers = table(data, "deviation", "metamer", "measure")
    of_starts, no_start = np.full(of_metamers.shape, np.nan), "its deviation is not stored"
    if "deviation_start" in data:
        of_starts = table(data, "deviation_start", "metamer", "measure")
        no_start = str(data["deviation_start"].attrs.get("reason", ""))
    chance = values(data, "deviation_chance")
    for column, measure in enumerate(data["measure"].values.tolist()):
        numbers, starts = of_metamers[:, column], of_starts[:, column]
        pairs = np.isfinite(numbers) & np.isfinite(starts)
        # Some have a sign; stored in float32, equal ones differ by round-off.
        of_metamer, of_its_start = np.abs(numbers[pairs]), np.abs(starts[pairs])
        nearer = of_metamer < (1 - _ROUND_OFF) * of_its_start
        farther = of_its_start < (1 - _ROUND_OFF) * of_metamer
        less = numbers - starts
        less[np.abs(less) <= _ROUND_OFF * np.maximum(np.abs(numbers), np.abs(starts))] = 0.0
        yield Deviation(
            *spread(numbers),
            measure=str(measure),
            chance=float(chance[column]) if column < chance.size else float("nan"),
            start=median(starts),
            less_start=median(less),
            nearer=int(nearer.sum()),
            equal=int((~nearer & ~farther).sum()),
            paired=int(pairs.sum()),
            no_start=no_start,
        )


def what_chance_is(deviations: Iterable[Deviation]) -> str:
    """Say with what a measure compares the reference for its chance level.

    Example:
      >>> print(what_chance_is([]))
      what each measure's own null gives
    """
    kinds: dict[str, dict[str, None]] = {}
    for one in (
        d.measure for d in deviations if d.measure in MEASURES and MEASURES[d.measure].null
    ):
        kinds.setdefault(MEASURES[one].null, {})[one.split("/")[0]] = None
    nulls = list(kinds)
    if len(kinds) > 1:
        nulls = [f"{null} ({listing(list(of))})" for null, of in kinds.items()]
    return listing(nulls) or "what each measure's own null gives"


@dataclasses.dataclass(frozen=True)
class LayerMatch(Spread):
    """The relative squared difference of metamers and reference at one layer.

    Attributes:
      layer: its name.
      matched: whether the metamers were searched for by this layer.
    """

    layer: str
    matched: bool


def matched_layers(named: str, data: xr.Dataset) -> set[str]:
    """Return the layers that had to match.

    Args:
      named: the setting `metamers.layer`: a layer, several joined by "+", or "all".
    """
    layers = {name.strip() for name in named.split("+")}
    if layers == {"all"} and "layer" in data.coords:
        return {str(name) for name in data["layer"].values.tolist()}
    return layers


def summarize_layers(named: str, data: xr.Dataset) -> tuple[LayerMatch, ...]:
    """Return the match at every layer in the order of the network, empty where it is not stored.

    Args:
      named: as for `matched_layers`.
    """
    if "layer_match" not in data or "layer" not in data.variables:
        return ()
    columns, matched = table(data, "layer_match", "layer", "metamer"), matched_layers(named, data)
    names = map(str, data["layer"].values.tolist())
    return tuple(
        LayerMatch(*spread(numbers), name, name in matched)
        for name, numbers in zip(names, columns, strict=True)
    )


@dataclasses.dataclass(frozen=True)
class EdgeNumber(Spread):
    """One number of every metamer.

    Attributes:
      label: what it is.
      chance: level of unrelated graphs; NaN where there is none.
    """

    label: str
    chance: float


@dataclasses.dataclass(frozen=True)
class EdgeSummary:
    """Metamers whose edges vary.

    Attributes:
      features_stay: whether edges alone vary.
      are_weights: whether edges have real weights, instead of being there or not.
      numbers: name of the variable -> its spread, for those that the cell holds.
    """

    features_stay: bool
    are_weights: bool
    numbers: dict[str, EdgeNumber]

    def median(self, name: str) -> float:
        """Return a median; NaN where the cell does not hold the number."""
        return self.numbers[name].median if name in self.numbers else float("nan")

    @property
    def by_swaps(self) -> bool:
        """Whether edges changed by swaps that keep colors, and not by what the loss said."""
        return "num_available" in self.numbers

    @property
    def none_exists(self) -> bool:
        """Whether no such swap is available, so that every graph is the reference itself."""
        return self.by_swaps and self.median("num_available") == 0


def summarize_edges(data: xr.Dataset) -> EdgeSummary | None:
    """Return the numbers of edges that vary, or None where they stay."""
    are_weights = "edge_weight" in data
    if not are_weights and "edge_jaccard" not in data:
        return None
    numbers = {}
    for name, label in _ROWS.items():
        over_metamers = spread(values(data, name))
        if not np.isnan(over_metamers[0]):
            chance = number_of(data.attrs.get(f"{name}_chance"))
            numbers[name] = EdgeNumber(*over_metamers, label, chance)
    return EdgeSummary("features" not in data, are_weights, numbers)


@dataclasses.dataclass(frozen=True)
class DiversitySummary:
    """Distances, from 0 to 1, among the metamers of a cell that are kept and converged.

    Attributes:
      kind: "features" or "edges".
      num_compared: number of these metamers.
      mean, minimum: over their pairs.
      effective_number: Vendi score, from 1 (copies of one) to `num_compared` (nothing shared).
      from_reference: median distance of metamers from the reference; NaN where not measured.
      start: the same of the starts of their searches; NaN where there are none.
      chance: the same by chance; NaN where unknown.
      num_classes: number of different graphs among them, those that differ by the names of nodes
        alone counted once; NaN where unknown.
    """

    kind: str
    num_compared: int
    mean: float
    minimum: float
    effective_number: float
    from_reference: float
    start: float
    chance: float
    num_classes: float = float("nan")


def summarize_diversity(settings: Settings, data: xr.Dataset) -> list[DiversitySummary]:
    """Return what the store holds of distances among metamers, empty where it holds none."""
    kinds = [kind for kind in ("features", "edges") if f"diversity_{kind}" in data]
    return [_diversity(kind, settings, data) for kind in kinds]


def why_no_diversity(settings: Settings, data: xr.Dataset) -> str:
    """Return why a cell holds no distances among metamers, and which setting gives them."""
    kept, stored = values(data, "stored_seed_id"), setting(settings, "store.metamers")
    seeds = values(data, "seed_id")[converged(data)] if "seed_id" in data else kept
    num_converged = int(np.isin(kept, seeds).sum())
    count = data.sizes.get("metamer", 0)
    return said("edge_sentences", "no_diversity", count, kept.size, stored, num_converged)


def _diversity(kind: str, settings: Settings, data: xr.Dataset) -> DiversitySummary:
    from_reference, start, chance = _beside(kind, settings, data)
    return DiversitySummary(
        kind=kind,
        num_compared=int(data[f"diversity_{kind}"].shape[0]),
        mean=scalar(data, f"diversity_{kind}_mean"),
        minimum=scalar(data, f"diversity_{kind}_minimum"),
        effective_number=scalar(data, f"diversity_{kind}_effective_number"),
        from_reference=from_reference,
        start=start,
        chance=chance,
        num_classes=scalar(data, "diversity_num_classes"),
    )


def _beside(kind: str, settings: Settings, data: xr.Dataset) -> tuple[float, float, float]:
    """Return the same distance from the reference, of metamers, starts and by chance."""
    measures = values(data, "measure").tolist()
    varied = str(setting(settings, "metamers.vary")).split("+")
    binary = kind == "features" and "binary_features" in varied
    name = _SAME["binary features" if binary else kind]
    if name not in measures or "deviation" not in data:
        return float("nan"), float("nan"), float("nan")
    place, chance = measures.index(name), values(data, "deviation_chance")
    held = [name for name in ("deviation", "deviation_start") if name in data]
    medians = {name: median(data[name].isel(measure=place).values) for name in held}
    level = float(chance[place]) if place < chance.size else float("nan")
    return medians["deviation"], medians.get("deviation_start", float("nan")), level
