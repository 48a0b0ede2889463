"""Geometry of the set of metamers: functions of callables and arrays that know no graphs.

`jacobian` differentiates, `spectrum` decides ranks, `nonlinearity` and `volume` say what one
activation does to the volume. All numbers here are float64 on the host.
"""

from jmetamer.geometry.jacobian import Linearization, dense_jacobian, linearizer
from jmetamer.geometry.nonlinearity import LOG_DERIVATIVES, LogDerivative, log_derivative
from jmetamer.geometry.spectrum import (
    RankDecision,
    Spectrum,
    compress_rows,
    numerical_rank,
    singular_values,
    spectrum_of,
    stack_spectra,
    tolerance_dimension,
)
from jmetamer.geometry.volume import (
    VolumeChange,
    after_activation,
    count_ties,
    log_volume,
    stack_volume_changes,
    volume_change,
)

__all__ = [
    "LOG_DERIVATIVES",
    "Linearization",
    "LogDerivative",
    "RankDecision",
    "Spectrum",
    "VolumeChange",
    "after_activation",
    "compress_rows",
    "count_ties",
    "dense_jacobian",
    "linearizer",
    "log_derivative",
    "log_volume",
    "numerical_rank",
    "singular_values",
    "spectrum_of",
    "stack_spectra",
    "stack_volume_changes",
    "tolerance_dimension",
    "volume_change",
]
