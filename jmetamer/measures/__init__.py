"""How far a metamer is from its reference: features, edges, predictions, activations."""

from jmetamer.measures.activations import (
    error_of_share,
    node_errors,
    relative_squared_error,
    snr_db,
    worst_node_error,
)
from jmetamer.measures.controls import random_displacement, random_flips
from jmetamer.measures.cut_norm import CutNorm, cut_norm
from jmetamer.measures.deviation import Deviations, deviations, edge_deviations
from jmetamer.measures.distributions import mmd_p_value
from jmetamer.measures.diversity import (
    Diversity,
    diversity,
    edge_diversity,
    effective_number,
    feature_diversity,
)
from jmetamer.measures.edge_set import EdgeSet, edge_set
from jmetamer.measures.edit_distance import graph_edit_distance
from jmetamer.measures.harm import (
    HARM_OUTCOMES,
    Harm,
    bayes_labels,
    harm_of,
    harm_outcomes,
    unseen_harm,
)
from jmetamer.measures.homophily import Homophily, homophily
from jmetamer.measures.measure import Facts, Measure
from jmetamer.measures.null_test import NullTest, match_values, null_test, null_test_of
from jmetamer.measures.predictions import (
    PredictionAgreement,
    Recognition,
    agreement_chance,
    class_agreement,
    cohen_kappa,
    prediction_agreement,
    recognition,
    recognition_of_classes,
)
from jmetamer.measures.subgraph_counts import SubgraphCounts, subgraph_counts
from jmetamer.measures.success import Success, success_bits, target_share
from jmetamer.measures.table import MEASURES, measures_for, ready
from jmetamer.measures.transfer import Transfer, transfer
from jmetamer.measures.tree_mover import tree_movers_distance
from jmetamer.measures.weisfeiler_leman import folklore_wl_distance, wl_distance

__all__ = [
    "HARM_OUTCOMES",
    "MEASURES",
    "CutNorm",
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
    "SubgraphCounts",
    "Success",
    "Transfer",
    "agreement_chance",
    "bayes_labels",
    "class_agreement",
    "cohen_kappa",
    "cut_norm",
    "deviations",
    "diversity",
    "edge_deviations",
    "edge_diversity",
    "edge_set",
    "effective_number",
    "error_of_share",
    "feature_diversity",
    "folklore_wl_distance",
    "graph_edit_distance",
    "harm_of",
    "harm_outcomes",
    "homophily",
    "match_values",
    "measures_for",
    "mmd_p_value",
    "node_errors",
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
    "subgraph_counts",
    "success_bits",
    "target_share",
    "transfer",
    "tree_movers_distance",
    "unseen_harm",
    "wl_distance",
    "worst_node_error",
]
