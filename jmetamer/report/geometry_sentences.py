"""Maps and ledgers in plain words."""

import math

from jmetamer.report.geometry_summary import LedgerSummary, MapSummary
from jmetamer.report.wording import listing, number, percent, plural


def map_sentence(maps: MapSummary) -> str:
    """Say what share of the input the nodes are blind to, and what it goes with.

    Example:
      >>> unknown = (float("nan"),) * 3
      >>> print(map_sentence(MapSummary(34, float("nan"), 0.25, (0.5, 0.2, 0.7), unknown)))
      Over all 34 nodes, the median blind fraction (share of the input's energy that the node's
      representation cannot see to first order) is 25%; its rank correlation with the number of
      neighbors is 0.5 (95% interval 0.2 to 0.7).
    """
    share = percent(maps.after)
    if not math.isnan(maps.before):
        share = f"{percent(maps.before)} before the activation and {share} after it"
    text = (
        f"Over all {plural(maps.num_nodes, 'node')}, the median blind fraction (share of the "
        f"input's energy that the node's representation cannot see to first order) is {share}"
    )
    pairs = (
        ("the number of neighbors", maps.degree),
        ("the share of neighbors of the same class", maps.homophily),
    )
    told = [
        f"with {name} is {number(rho, 2)} (95% interval {number(low, 2)} to {number(high, 2)})"
        for name, (rho, low, high) in pairs
        if not math.isnan(rho)
    ]
    return f"{text}; its rank correlation {listing(told)}." if told else f"{text}."


def ledger_sentence(ledger: LedgerSummary) -> str:
    """Say which step of the network hides how many input directions.

    Example:
      >>> print(ledger_sentence(LedgerSummary(3, 10, 7, {"conv1 weights": 5, "conv1 activation": 2},
      ...     True)))
      At node 3, 7 of 10 input directions are hidden: 5 by conv1 weights and 2 by conv1 activation.
    """
    where = "Over all nodes together" if ledger.node < 0 else f"At node {ledger.node}"
    parts = [f"{number(count)} by {step}" for step, count in ledger.hidden.items() if count]
    doubt = "" if ledger.certified else " Not every rank behind these numbers is certain."
    return (
        f"{where}, {number(ledger.dimension)} of {number(ledger.num_inputs)} input directions are "
        f"hidden: {listing(parts, limit=20) or 'none by any step'}.{doubt}"
    )
