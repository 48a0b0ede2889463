"""Controls of stored metamers, each beside the metamer that it was made for."""

from typing import Any

import numpy as np
import xarray as xr

from jmetamer._base.arguments import checked

# As far from the reference as the metamer is, in no particular direction: one of them a cell.
SAME_LENGTH = ("displacement", "flips", "edge_flips")
NULL_SPACE = "null_space"


@checked
def paired_controls(data: xr.Dataset) -> dict[str, np.ndarray]:
    """Return how judges read the controls, in the order of the metamers.

    Controls are made for some metamers only (setting `recognition.controls`); a run that does not
    say for which made them for the first ones.

    Args:
      data: variables of a cell, from `Run.dataset`.

    Returns:
      Control -> [b, j] kappa; NaN for metamers without a control. Empty where none was read.

    Example:
      >>> control = (("control", "sample", "judge"), [[[0.5], [0.25]]])
      >>> data = xr.Dataset({"control_kappa": control, "control_seed_id": ("sample", [2, 0]),
      ...                    "seed_id": ("metamer", [0, 1, 2])}, {"control": ["start"]})
      >>> paired_controls(data)["start"].ravel()
      array([0.25,  nan, 0.5 ])
    """
    if "control_kappa" not in data or "control" not in data:
        return {}
    tables = np.asarray(data["control_kappa"].transpose("control", "sample", "judge").values, float)
    num_metamers = data.sizes.get("metamer", 0)
    seeds = _column(data, "seed_id", num_metamers)
    of_controls = _column(data, "control_seed_id", tables.shape[1])
    by_metamer = np.full((len(tables), num_metamers, tables.shape[2]), np.nan)
    for sample, seed in enumerate(of_controls):
        by_metamer[:, seeds == seed] = tables[:, [sample]]
    return dict(zip(map(str, data["control"].values.tolist()), by_metamer, strict=True))


def _column(data: xr.Dataset, name: str, count: int) -> Any:
    return data[name].values if name in data else np.arange(count)
