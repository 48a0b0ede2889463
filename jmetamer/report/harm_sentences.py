"""Harm in plain words."""

from jmetamer.report.effects_sentences import signed
from jmetamer.report.harm_summary import LESS, HarmSummary
from jmetamer.report.wording import percent, plural
from jmetamer.results.seed_interval import SeedSummary

_SAID = {
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
    metamers, *controls = harm.lines
    shares = {name: percent(one.mean) for name, one in metamers.shares.items()}
    unknown = metamers.counts["unknown"]
    text = (
        "Right is here the most probable class given the other nodes' labels. Over the "
        f"{harm.count:,} of {plural(harm.total, 'metamer')} that succeed, the network was right on "
        f"the reference and is wrong on the metamer (harmful) at {shares['harmful']} of the target "
        f"nodes, at {shares['unseen']} as the most probable class changed and the network's stayed "
        f"(unseen); was wrong and is right (repaired) at {shares['repaired']}; is wrong on both at "
        f"{shares['still_wrong']} and right on both at {shares['kept_right']}"
    )
    if unknown:
        text += f" ({plural(unknown, 'reading')} without such a class left out)"
    for line in controls:
        harmful, unseen = (percent(line.shares[field].mean) for field in LESS)
        text += (
            f". On {_SAID.get(line.name, line.label)} it is harmful at {harmful}, unseen at "
            f"{unseen}: the metamers' unseen harm less theirs is {difference(line.less['unseen'])}"
        )
    if harm.no_start:
        text += f". There is no start to compare with: {harm.no_start}"
    return f"{text}."


def difference(one: SeedSummary) -> str:
    """Write a difference of shares in percentage points, with its interval over networks.

    Example:
      >>> print(difference(SeedSummary(0.015, -0.005, 0.035, 3)))
      +1.5 points (95% interval over 3 networks -0.5 to +3.5)
    """
    if one.num_seeds < 2:
        return f"{points(one.mean)} points (one network, so no interval)"
    limits = f"{points(one.low)} to {points(one.high)}"
    return f"{points(one.mean)} points (95% interval over {one.num_seeds} networks {limits})"


def points(value: float) -> str:
    """Write a difference of shares in percentage points, with its sign.

    Example:
      >>> print(points(0.01234), points(-0.5))
      +1.23 -50
    """
    return signed(round(100 * value, 2))
