"""Where models are right on their metamers and on controls, over training seeds."""

import dataclasses
from collections.abc import Mapping, Sequence

from jmetamer.report.harm_summary import LESS, METAMERS, OUTCOMES, summarize_harm
from jmetamer.report.leaderboard.estimate import Estimate, estimated
from jmetamer.report.reading import grouped
from jmetamer.report.stored_cell import StoredCell
from jmetamer.results import SeedSummary


@dataclasses.dataclass(frozen=True)
class Harmed:
    """What became of the target nodes of metamers that succeeded, and of their controls.

    Right is what agrees with the most probable class given the other nodes' labels. Each share is a
    mean over metamers, then over seeds.

    Attributes:
      harmful, repaired, still_wrong, kept_right: shares of target nodes.
      unseen: the part of `harmful` where the model kept its class.
      counts: outcome -> nodes of all metamers together.
      controls: control -> "harmful" and "unseen" -> share of its target nodes.
      less: control -> the same -> share of the metamers less that of the control, paired by
        metamer.
      no_start: why the search has no start among the controls; empty where it has.
    """

    harmful: Estimate
    repaired: Estimate
    still_wrong: Estimate
    kept_right: Estimate
    unseen: Estimate
    counts: Mapping[str, int]
    controls: Mapping[str, Mapping[str, Estimate]]
    less: Mapping[str, Mapping[str, Estimate]]
    no_start: str


def harmed(cells: Sequence[StoredCell]) -> Harmed:
    """Return the harm of the metamers that succeeded.

    Args:
      cells: of one row.
    """
    networks = grouped((cell.seed, cell.harm) for cell in cells)
    harm = summarize_harm([*networks.values()])
    if not harm.lines:
        return unharmed(harm.reason)
    lines = {line.name: line for line in harm.lines}
    metamers = lines.pop(METAMERS)
    return Harmed(
        **{name: estimated(metamers.shares[name], "") for name in (*OUTCOMES, "unseen")},
        counts=metamers.counts,
        controls={name: _both(line.shares) for name, line in lines.items()},
        less={name: _both(line.less) for name, line in lines.items()},
        no_start=harm.no_start,
    )


def unharmed(reason: str) -> Harmed:
    """Return what is known where nothing is: the reason.

    Args:
      reason: why.

    Example:
      >>> unharmed("no metamer succeeded").harmful.reason
      'no metamer succeeded'
    """
    unknown = Estimate(reason=reason)
    return Harmed(unknown, unknown, unknown, unknown, unknown, {}, {}, {}, "")


def _both(of: Mapping[str, SeedSummary]) -> dict[str, Estimate]:
    return {name: estimated(of[name], "no target node is known") for name in LESS}
