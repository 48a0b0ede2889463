"""How far a metamer is from its reference: features, predictions, activations."""

from jmetamer.measures.activations import relative_squared_error, snr_db, worst_node_error
from jmetamer.measures.deviation import Deviations, deviations
from jmetamer.measures.measure import Measure
from jmetamer.measures.predictions import (
    PredictionAgreement,
    agreement_chance,
    class_agreement,
    cohen_kappa,
    prediction_agreement,
)
from jmetamer.measures.table import MEASURES, measures_for

__all__ = [
    "MEASURES",
    "Deviations",
    "Measure",
    "PredictionAgreement",
    "agreement_chance",
    "class_agreement",
    "cohen_kappa",
    "deviations",
    "measures_for",
    "prediction_agreement",
    "relative_squared_error",
    "snr_db",
    "worst_node_error",
]
