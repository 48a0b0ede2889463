"""Ranks, maps and ledgers in plain words."""

from jmetamer.report.geometry_summary import LedgerSummary, MapSummary
from jmetamer.report.prose import said
from jmetamer.report.summary import RankSummary


def rank_sentence(ranks: RankSummary) -> str:
    """Say which rank the Jacobian has and which it could have.

    Example:
      >>> print(rank_sentence(RankSummary(1, 8, 8, 6, 570, 576, 0.0, 0)))
      At the node whose spectrum was taken, the Jacobian has rank 8 before the activation and 6
      after it, of at most 8 (the smaller of its numbers of outputs and inputs).
    """
    return said("geometry_sentences", "rank", ranks)


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
    return said("geometry_sentences", "dimension", ranks)


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
    return said("geometry_sentences", "map", maps)


def ledger_sentence(ledger: LedgerSummary) -> str:
    """Say which step of the network hides how many input directions.

    Example:
      >>> print(ledger_sentence(LedgerSummary(3, 10, 7, {"conv1 weights": 5, "conv1 activation": 2},
      ...     True)))
      To first order, at node 3, 7 of 10 input directions are hidden: 5 by conv1 weights and 2 by
      conv1 activation.
    """
    return said("geometry_sentences", "ledger", ledger)
