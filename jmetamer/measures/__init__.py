"""How far a metamer is from its reference: features, edges, predictions, activations."""

from jmetamer.measures.activations import relative_squared_error, snr_db, worst_node_error
from jmetamer.measures.controls import random_displacement, random_flips
from jmetamer.measures.deviation import Deviations, deviations
from jmetamer.measures.edge_deviation import edge_deviations
from jmetamer.measures.edge_set import EdgeSet, edge_set
from jmetamer.measures.measure import Measure
from jmetamer.measures.null_test import NullTest, null_test
from jmetamer.measures.predictions import (
    PredictionAgreement,
    agreement_chance,
    class_agreement,
    cohen_kappa,
    prediction_agreement,
)
from jmetamer.measures.recognition import Recognition, recognition
from jmetamer.measures.success import Success, success_bits
from jmetamer.measures.table import MEASURES, measures_for
from jmetamer.measures.transfer import Transfer, transfer

__all__ = [
    "MEASURES",
    "Deviations",
    "EdgeSet",
    "Measure",
    "NullTest",
    "PredictionAgreement",
    "Recognition",
    "Success",
    "Transfer",
    "agreement_chance",
    "class_agreement",
    "cohen_kappa",
    "deviations",
    "edge_deviations",
    "edge_set",
    "measures_for",
    "null_test",
    "prediction_agreement",
    "random_displacement",
    "random_flips",
    "recognition",
    "relative_squared_error",
    "snr_db",
    "success_bits",
    "transfer",
    "worst_node_error",
]
