"""Where the numbers of a table or figure come from: names in the store."""

from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr

from jmetamer.report.cells import flatten

# Parts of every stored cell that are no variables.
_ALWAYS = (
    "status_counts",
    "provenance.command",
    "reference.nodes",
    "reference.senders",
    "reference.receivers",
    "reference.weight",
    "reference.labels",
)

_STORED = ("stored_seed_id", "seed_id", "loss_hardened")
# Title of a figure -> what it reads where it is there.
FIGURES: dict[str, tuple[str, ...]] = {
    "Converged share of every cell": ("status_counts",),
    "Loss during the optimization": (
        "trace_step", "loss_trace", "settings.metamers.tolerance",
    ),
    "Reference against metamers": ("reference.nodes", "reference.labels", "features", *_STORED),
    "Edges beside those of the reference": (
        "reference.senders", "reference.receivers", "reference.weight", "flip_seed_id",
        "flip_sender", "flip_receiver", "flip_added", "edge_sender", "edge_receiver",
        "edge_weight", *_STORED, "settings.metamers.nodes",
    ),
    "Spectrum of the Jacobian": (
        "singular_values_pre", "rank_cutoff_pre", "singular_values_post", "rank_cutoff_post",
    ),
    "Rank and volume": (
        "geometry_node", "num_inputs", "num_outputs", "rank_pre", "rank_low_pre", "rank_high_pre",
        "rank_post", "rank_low_post", "rank_high_post", "volume_change",
    ),
    "Spectra before and after each activation": (
        "geometry_layer", "singular_values", "rank_cutoff",
    ),
    "Dimension against its ceiling": (
        "geometry_layer", "rank", "rank_ceiling", "layer_num_inputs", "tolerance_dimension",
        "relative_tolerance",
    ),
    "Maps over all nodes": (
        "map_layer", "map_nu", "map_log_volume", "map_rank", "map_degree", "map_homophily",
        "map_name", "map_statistic", "map_correlation", "map_correlation_low",
        "map_correlation_high", "map_class", "map_class_mean", "map_class_error",
    ),
    "Ledger of dimension and volume": (
        "ledger_node", "ledger_step", "ledger_layer", "ledger_num_inputs", "ledger_hidden",
        "ledger_dimension", "ledger_certified", "ledger_log_volume", "ledger_rank_loss",
    ),
    "Deviations from the reference": ("measure", "deviation", "deviation_chance"),
    "Layer-by-layer match": (
        "layer", "layer_match", "settings.metamers.layer", "settings.metamers.tolerance",
    ),
}  # fmt: skip


def known_names(settings: Mapping[str, Any], data: xr.Dataset) -> frozenset[str]:
    """Return every name that a note may give for a cell.

    Variables, coordinates and scalars go by their names, a setting as "settings.metamers.layer",
    and arrays of the reference as "reference.nodes".

    Args:
      settings: resolved settings of the cell.
      data: variables of the cell; scalars in its attributes.

    Example:
      >>> sorted(known_names({"seed": 0}, xr.Dataset(attrs={"seconds": 1.0})) - {*_ALWAYS})
      ['seconds', 'settings.seed']
    """
    named = {f"settings.{key}" for key, _ in flatten(settings)}
    return frozenset({*_ALWAYS, *named, *map(str, data.variables), *map(str, data.attrs)})


def those_known(names: Iterable[str], *known: frozenset[str]) -> tuple[str, ...]:
    """Return the names that at least one of these cells holds, in their order, each once.

    Args:
      names: what a table or figure reads where it is there.
      known: names that each of the cells holds.

    Example:
      >>> those_known(("loss_trace", "rank_pre"), frozenset({"loss_trace"}), frozenset())
      ('loss_trace',)
    """
    held = frozenset().union(*known)
    return tuple(name for name in dict.fromkeys(names) if name in held)
