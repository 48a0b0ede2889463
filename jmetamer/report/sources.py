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

# What the sentences at the top of the page are made from.
OF_THE_RUN = (
    "status_counts", "settings.dataset.name", "settings.model.architecture",
    "settings.metamers.layer", "test_accuracy", "reference.nodes", "success", "success_matches",
    "success_matches_everywhere", "success_beats_null", "success_same_classes", "success_distinct",
    "deviation", "deviation_start", "deviation_chance", "class_agreement", "class_agreement_chance",
    "recognition_kappa", "own_kappa", "control_kappa", "judge_architecture", "judge_seed",
)  # fmt: skip
# What the sentences of a cell are made from.
OF_A_CELL = (
    "status_counts", "settings.metamers.tolerance", "loss_hardened", "success", "success_matches",
    "success_matches_everywhere", "success_beats_null", "success_same_classes", "success_distinct",
    "success_share", "success_agreement", "planted_problems", "planted_solved",
    "planted_missed_upper", "worst_node_error", "remedy", "null_p_value",
    "null_pairs", "null_others", "null_not_applicable", "renamed", "harm_outcome",
    "harm_same_class", "control_harm_outcome", "control_harm_same_class", "harm_control",
    "deviation", "deviation_start", "deviation_chance", "measure", "class_agreement",
    "class_agreement_chance", "num_available", "num_moves", "num_proposed", "loss_relaxed",
    "loss_rounded", "loss_flipped", "num_flips", "edges_added", "edges_removed", "edge_jaccard",
    "edge_jaccard_chance", "rank_pre", "rank_post", "rank_certified_pre",
    "rank_certified_post", "num_inputs", "num_outputs", "volume_change",
    "node_rank", "node_dimension", "node_num_inputs", "channel_information_pre",
    "channel_information_post", "map_nu", "map_certified", "map_correlation", "map_correlation_low",
    "map_correlation_high", "ledger_node",
    "ledger_num_inputs", "ledger_hidden", "ledger_dimension", "ledger_certified",
)  # fmt: skip
# What is said of how different metamers are from each other, and why it is not known.
OF_DIVERSITY = (
    "diversity_seed_id", "diversity_class", "diversity_num_classes", "diversity_features",
    "diversity_features_mean",
    "diversity_features_minimum", "diversity_features_effective_number", "diversity_edges",
    "diversity_edges_mean", "diversity_edges_minimum", "diversity_edges_effective_number",
    "measure", "deviation", "deviation_start", "deviation_chance",
)  # fmt: skip
OF_NO_DIVERSITY = ("settings.store.metamers", "stored_seed_id", "seed_id", "status")
# What effects of factors are made from.
OF_EFFECTS = (
    "settings.training.seed", "test_accuracy", "rank_post", "num_inputs", "num_outputs", "map_nu",
    "channel_information_post", "channel_information", "geometry_node", "log_volume_post",
    "success", "success_matches",
    "status", "class_agreement", "harm_outcome", "control_harm_outcome", "measure", "deviation",
    "deviation_start", "recognition_kappa", "judge_architecture", "judge_seed", "control_kappa",
)  # fmt: skip
OF_HARM = (
    "harm_outcome", "harm_same_class", "harm_control", "control_harm_outcome",
    "control_harm_same_class", "success", "settings.dataset.seed", "settings.training.seed",
)  # fmt: skip


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
