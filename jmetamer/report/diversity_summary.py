"""How different the kept metamers of a cell are from each other, in numbers and words."""

import dataclasses

import numpy as np
import xarray as xr

from jmetamer.report.reading import converged, median, scalar, values
from jmetamer.results.setting_tree import Settings, setting

# Of what is compared, the measure that is the same distance from the reference.
_SAME = {
    "features": "features/normalized_euclidean",
    "binary features": "features/jaccard",
    "edges": "structure/edge_jaccard",
}


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
    return [_summary(kind, settings, data) for kind in kinds]


def why_no_diversity(settings: Settings, data: xr.Dataset) -> str:
    """Return why a cell holds no distances among metamers, and which setting gives them."""
    start = "How different metamers are from each other was not measured"
    kept, stored = values(data, "stored_seed_id"), setting(settings, "store.metamers")
    if data.sizes.get("metamer", 0) < 2:
        return f"{start}: the cell has fewer than two; raise `metamers.count`."
    if kept.size < 2:
        return (
            f"{start}: it takes two that are kept, and `store.metamers` is "
            f"{kept.size if stored is None else stored}; set it to 2 or more, or to all."
        )
    seeds = values(data, "seed_id")[converged(data)] if "seed_id" in data else kept
    if np.isin(kept, seeds).sum() < 2:
        return f"{start}: fewer than two of the {kept.size} metamers that are kept converged."
    return f"{start} in this run."


def _summary(kind: str, settings: Settings, data: xr.Dataset) -> DiversitySummary:
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
