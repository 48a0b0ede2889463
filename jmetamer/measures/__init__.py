"""How far a metamer is from its reference: features, edges, predictions, activations."""

from jmetamer.measures.activations import relative_squared_error, snr_db, worst_node_error
from jmetamer.measures.bayes_labels import Harm, bayes_labels, unseen_harm
from jmetamer.measures.controls import random_displacement, random_flips
from jmetamer.measures.deviation import Deviations, deviations
from jmetamer.measures.distributions import mmd_p_value
from jmetamer.measures.diversity import (
    Diversity,
    diversity,
    edge_diversity,
    effective_number,
    feature_diversity,
)
from jmetamer.measures.edge_deviation import edge_deviations
from jmetamer.measures.edge_set import EdgeSet, edge_set
from jmetamer.measures.edit_distance import graph_edit_distance
from jmetamer.measures.facts import Facts
from jmetamer.measures.homophily import Homophily, homophily
from jmetamer.measures.measure import Measure
from jmetamer.measures.null_test import NullTest, match_values, null_test, null_test_of
from jmetamer.measures.predictions import (
    PredictionAgreement,
    agreement_chance,
    class_agreement,
    cohen_kappa,
    prediction_agreement,
)
from jmetamer.measures.recognition import Recognition, recognition, recognition_of_classes
from jmetamer.measures.success import Success, success_bits
from jmetamer.measures.table import MEASURES, measures_for, ready
from jmetamer.measures.transfer import Transfer, transfer
from jmetamer.measures.weisfeiler_leman import wl_distance

__all__ = [
    "MEASURES",
    "Deviations",
    "Diversity",
    "EdgeSet",
    "Facts",
    "Harm",
    "Homophily",
    "Measure",
    "NullTest",
    "PredictionAgreement",
    "Recognition",
    "Success",
    "Transfer",
    "agreement_chance",
    "bayes_labels",
    "class_agreement",
    "cohen_kappa",
    "deviations",
    "diversity",
    "edge_deviations",
    "edge_diversity",
    "edge_set",
    "effective_number",
    "feature_diversity",
    "graph_edit_distance",
    "homophily",
    "match_values",
    "measures_for",
    "mmd_p_value",
    "null_test",
    "null_test_of",
    "prediction_agreement",
    "random_displacement",
    "random_flips",
    "ready",
    "recognition",
    "recognition_of_classes",
    "relative_squared_error",
    "snr_db",
    "success_bits",
    "transfer",
    "unseen_harm",
    "wl_distance",
    "worst_node_error",
]
