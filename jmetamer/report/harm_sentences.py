"""Harm in plain words."""

from jmetamer.report.harm_summary import HarmSummary
from jmetamer.report.prose import said
from jmetamer.report.wording import signed

CONTROLS_SAID = {
    "displacement": "random displacements as far as the metamer's",
    "flips": "random flips, as many as the metamer's",
    "edge_flips": "random changes of edges, as many as the metamer's",
    "start": "the starts of the search",
}


def harm_sentence(harm: HarmSummary) -> str:
    """Say where the network is right on the metamers that succeed, and on their controls.

    Args:
      harm: of one network, with lines.
    """
    return said("success_sentences", "harm", harm, CONTROLS_SAID)


def points(value: float) -> str:
    """Write a difference of shares in percentage points, with its sign.

    Example:
      >>> print(points(0.01234), points(-0.5))
      +1.23 -50
    """
    return signed(round(100 * value, 2))
