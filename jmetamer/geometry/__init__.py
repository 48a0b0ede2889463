"""Geometry of the set of metamers: functions of callables and arrays that know no graphs.

`jacobian` differentiates, `operator` without a matrix, `spectrum` decides ranks, `nonlinearity` and
`volume` say what one activation does to the volume, `ledger` what every layer does; `channel`,
`lanczos` and the stochastic files serve Jacobians too large for a matrix. All numbers here
are float64 on the host.
"""

from jmetamer.geometry.channel import (
    Channel,
    channel_information,
    effective_dimension,
    stochastic_channel,
)
from jmetamer.geometry.jacobian import Linearization, dense_jacobian, linearizer
from jmetamer.geometry.lanczos import LeadingValues, leading_singular_values
from jmetamer.geometry.ledger import (
    RankLedger,
    VolumeLedger,
    entry_split,
    rank_ledger,
    volume_ledger,
)
from jmetamer.geometry.nonlinearity import LOG_DERIVATIVES, LogDerivative, log_derivative
from jmetamer.geometry.operator import JacobianOperator, JacobianPrograms
from jmetamer.geometry.spectrum import (
    RankDecision,
    Spectrum,
    compress_rows,
    numerical_rank,
    singular_values,
    spectrum_of,
    stack_spectra,
)
from jmetamer.geometry.stochastic_trace import (
    Estimate,
    EstimateStatus,
    QuadratureSettings,
    log_determinant,
)
from jmetamer.geometry.stochastic_volume import (
    stochastic_log_volume,
    stochastic_volume_change,
    stochastic_volume_split,
)
from jmetamer.geometry.tolerance import tolerance_dimension, tolerance_dimensions
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
    "Channel",
    "Estimate",
    "EstimateStatus",
    "JacobianOperator",
    "JacobianPrograms",
    "LeadingValues",
    "Linearization",
    "LogDerivative",
    "QuadratureSettings",
    "RankDecision",
    "RankLedger",
    "Spectrum",
    "VolumeChange",
    "VolumeLedger",
    "after_activation",
    "channel_information",
    "compress_rows",
    "count_ties",
    "dense_jacobian",
    "effective_dimension",
    "entry_split",
    "leading_singular_values",
    "linearizer",
    "log_derivative",
    "log_determinant",
    "log_volume",
    "numerical_rank",
    "rank_ledger",
    "singular_values",
    "spectrum_of",
    "stack_spectra",
    "stack_volume_changes",
    "stochastic_channel",
    "stochastic_log_volume",
    "stochastic_volume_change",
    "stochastic_volume_split",
    "tolerance_dimension",
    "tolerance_dimensions",
    "volume_change",
    "volume_ledger",
]
