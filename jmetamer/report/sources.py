"""Where the numbers of a table or figure come from: names in the store."""

from collections.abc import Iterable

import xarray as xr

from jmetamer.results.setting_tree import Settings, flatten

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

# What effects of factors are made from.
OF_EFFECTS = (
    "settings.training.seed", "test_accuracy", "rank_post", "num_inputs", "num_outputs", "map_nu",
    "channel_information_post", "channel_information", "geometry_node", "log_volume_post",
    "success", "success_matches",
    "status", "class_agreement", "harm_outcome", "control_harm_outcome", "measure", "deviation",
    "deviation_start", "recognition_kappa", "judge_architecture", "judge_seed", "control_kappa",
)  # fmt: skip


def stored_names(settings: Settings, data: xr.Dataset) -> frozenset[str]:
    """Return every name that a note may give for a cell.

    Variables, coordinates and scalars go by their names, a setting as "settings.metamers.layer",
    and arrays of the reference as "reference.nodes".

    Example:
      >>> sorted(stored_names({"seed": 0}, xr.Dataset(attrs={"seconds": 1.0})) - {*_ALWAYS})
      ['seconds', 'settings.seed']
    """
    named = {f"settings.{key}" for key, _ in flatten(settings)}
    return frozenset({*_ALWAYS, *named, *map(str, data.variables), *map(str, data.attrs)})


def only_stored(names: Iterable[str], *stored: frozenset[str]) -> tuple[str, ...]:
    """Return the names that at least one of these cells holds, in their order, each once.

    Args:
      names: what a table or figure reads where it is there.
      stored: names that each of the cells holds.

    Example:
      >>> only_stored(("loss_trace", "rank_pre"), frozenset({"loss_trace"}), frozenset())
      ('loss_trace',)
    """
    held = frozenset().union(*stored)
    return tuple(name for name in dict.fromkeys(names) if name in held)
