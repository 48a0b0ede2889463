"""Arrays of a cell with names and labelled axes, as the store keeps them."""

from jmetamer.sweep.variables.geometry import (
    geometry_variables,
    layer_variables,
    ledger_variables,
    map_variables,
    survey_variables,
)
from jmetamer.sweep.variables.metamers import metamer_variables

__all__ = [
    "geometry_variables",
    "layer_variables",
    "ledger_variables",
    "map_variables",
    "metamer_variables",
    "survey_variables",
]
