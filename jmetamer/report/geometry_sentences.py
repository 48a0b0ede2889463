"""Maps and ledgers in plain words."""

import math

from jmetamer.report.geometry_summary import LedgerSummary, MapSummary
from jmetamer.report.summary import RankSummary
from jmetamer.report.wording import listing, number, percent, plural


def rank_sentence(ranks: RankSummary) -> str:
    """Say which rank the Jacobian has and which it could have.

    Example:
      >>> print(rank_sentence(RankSummary(1, 8, 8, 6, 570, 576, 0.0, 0)))
      At the node whose spectrum was taken, the Jacobian has rank 8 before the activation and 6
      after it, of at most 8 (the smaller of its numbers of outputs and inputs).
    """
    rank = number(ranks.after)
    if not math.isnan(ranks.before):
        rank = f"{number(ranks.before)} before the activation and {rank} after it"
    return (
        f"{_where(ranks)}, the Jacobian has rank {rank}, of at most {number(ranks.ceiling)} (the "
        f"smaller of its numbers of outputs and inputs).{_doubt(ranks.num_uncertain)}"
    )


def dimension_sentence(ranks: RankSummary) -> str:
    """Say how many input directions are free at a node, and what the activation does to volume.

    Example:
      >>> print(dimension_sentence(RankSummary(3, 8, 8, 6, 570, 576, -0.5, 1, 6, 58, 64,
      ...     (20.0, 15.0), (1.0, 0.1))))
      To first order, 58 of the 64 directions of a node's own features leave its representation
      unchanged (medians; 570 of 576 with all features that vary in the spectra, a number that
      mostly says how many those are). The activation's change of log-volume is undefined at 2 of
      the 3 nodes whose spectra were taken; at the others it is -0.5 nats (median). As a noisy
      channel of all features that vary in the spectra (input with standard deviation 1, noise
      0.1), which is defined at every rank, a node's representation carries 20 nats before the
      activation and 15 after it (medians).
    """
    all_inputs = f"{number(ranks.dimension)} of {number(ranks.num_inputs)}"
    medians = "" if ranks.num_targets == 1 else "medians"
    text = (
        f"To first order, {all_inputs} input directions leave the representation unchanged"
        f"{medians and f' ({medians})'}; the "
        "dimension by a node's own features is n/a, as this run was made before it was stored."
    )
    if not math.isnan(ranks.node_rank):
        text = (
            f"To first order, {number(ranks.node_dimension)} of the {number(ranks.node_inputs)} "
            "directions of a node's own features leave its representation unchanged"
        )
        with_all = ""
        if ranks.num_inputs != ranks.node_inputs:
            with_all = (
                f"{all_inputs} with all features that vary in the spectra, a number that mostly "
                "says how many those are"
            )
        notes = "; ".join(filter(None, (medians, with_all)))
        text += f" ({notes})." if notes else "."
    return " ".join([text, *_volume_texts(ranks)])


def _volume_texts(ranks: RankSummary) -> list[str]:
    """Say where the change of volume is undefined, and the information, which never is."""
    before, after = ranks.information
    texts = []
    if not math.isnan(ranks.before):
        undefined = ranks.num_targets - ranks.num_compared
        told = [f"{number(ranks.volume_change)} nats (median)"] if ranks.num_compared else []
        if undefined:
            told = [f"undefined at {_some_of(undefined, ranks.num_targets)}", *told]
        text = "The activation's change of log-volume is " + "; at the others it is ".join(told)
        texts.append(f"{text}.")
    if not math.isnan(after):
        scales = "" if ranks.scales is None else (
            f" (input with standard deviation {number(ranks.scales[0])}, noise "
            f"{number(ranks.scales[1])})"
        )  # fmt: skip
        carried = f"{number(after)} nats (median)"
        if not math.isnan(before):
            carried = f"{number(before)} nats before the activation and {number(after)} after it "
            carried += "(medians)"
        whose = ""
        if ranks.num_inputs != ranks.node_inputs:
            whose = " of all features that vary in the spectra"
        texts.append(
            f"As a noisy channel{whose}{scales}, which is defined at every rank, a node's "
            f"representation carries {carried}."
        )
    return texts


def _some_of(count: int, total: int) -> str:
    """Say at how many of the nodes whose spectra were taken."""
    if total == 1:
        return "the node whose spectrum was taken"
    return f"{count} of the {plural(total, 'node')} whose spectra were taken"


def _where(ranks: RankSummary) -> str:
    if ranks.num_targets == 1:
        return "At the node whose spectrum was taken"
    return f"At the {plural(ranks.num_targets, 'node')} whose spectra were taken (medians)"


def map_sentence(maps: MapSummary) -> str:
    """Say what share of the input the nodes are blind to, and what it goes with.

    Example:
      >>> unknown = (float("nan"),) * 3
      >>> print(map_sentence(MapSummary(34, float("nan"), 0.25, (0.5, 0.2, 0.7), unknown)))
      Over all 34 nodes, the median blind fraction (share of the input's energy that the node's
      representation cannot see to first order) is 25%; its rank correlation with the number of
      neighbors is 0.5 (0.2 to 0.7); in brackets 95% intervals that take nodes as independent,
      which neighbors are not.
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
        f"with {name} is {number(rho, 2)} ({number(low, 2)} to {number(high, 2)})"
        for name, (rho, low, high) in pairs
        if not math.isnan(rho)
    ]
    if not told:
        return f"{text}.{_doubt(maps.num_uncertain)}"
    which = "its rank correlation"
    if not math.isnan(maps.before):
        which = "the rank correlation of that after it"
    return (
        f"{text}; {which} {listing(told)}; in brackets {maps.interval}.{_doubt(maps.num_uncertain)}"
    )


def _doubt(count: int) -> str:
    """Say at how many nodes a rank is not certain; nothing where there is none."""
    return f" At {plural(count, 'node')} the rank is not certain." if count else ""


def ledger_sentence(ledger: LedgerSummary) -> str:
    """Say which step of the network hides how many input directions.

    Example:
      >>> print(ledger_sentence(LedgerSummary(3, 10, 7, {"conv1 weights": 5, "conv1 activation": 2},
      ...     True)))
      To first order, at node 3, 7 of 10 input directions are hidden: 5 by conv1 weights and 2 by
      conv1 activation.
    """
    where = "over all nodes together" if ledger.node < 0 else f"at node {ledger.node}"
    parts = [f"{number(count)} by {step}" for step, count in ledger.hidden.items() if count]
    doubt = "" if ledger.certified else " Not every rank behind these numbers is certain."
    return (
        f"To first order, {where}, {number(ledger.dimension)} of {number(ledger.num_inputs)} input "
        f"directions are hidden: {listing(parts, limit=20) or 'none by any step'}.{doubt}"
    )
