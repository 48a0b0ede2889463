"""How searches ended, as a cell stores it."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

UNCHANGED = "UNCHANGED"  # the reference itself, or with its nodes renamed


def status_names(attrs: Mapping[str, object]) -> dict[int, str]:
    """Return code -> name from the attributes of the variable `status`."""
    nested = attrs.get("table")
    pairs = nested.items() if isinstance(nested, Mapping) else ()
    return {int(code): str(name) for code, name in pairs if str(code).lstrip("-").isdigit()}


def with_status(data: xr.Dataset, status: str) -> np.ndarray:
    """Return which searches ended with a status, [metamer] bool."""
    names = status_names(data["status"].attrs)
    codes = [code for code, name in names.items() if name == status]
    return np.isin(data["status"].values, codes)


def is_unchanged(data: xr.Dataset) -> np.ndarray:
    """Return [metamer] whether each is the reference itself, or the reference renamed."""
    if "status" not in data or data["status"].dims != ("metamer",):
        return np.zeros(data.sizes.get("metamer", 0), bool)
    return with_status(data, UNCHANGED)


def without_unchanged(data: xr.Dataset) -> xr.Dataset:
    """Leave out metamers that are the reference itself, or the reference renamed."""
    same = is_unchanged(data)
    return data.isel(metamer=~same) if same.any() else data
