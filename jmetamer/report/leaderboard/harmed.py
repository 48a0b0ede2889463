"""Where models are right on their metamers and on controls, as the document of a board has it."""

from collections.abc import Mapping

from jmetamer.report.harm_summary import LESS, METAMERS, OUTCOMES, HarmSummary
from jmetamer.report.leaderboard.estimate import Estimate, estimated
from jmetamer.results import SeedSummary


def harm_numbers(harm: HarmSummary) -> dict[str, object]:
    """Return the entries of a row's `harm`; estimates without a value say why."""
    lines = {line.name: line for line in harm.lines}
    metamers = lines.pop(METAMERS, None)
    shares = {
        name: estimated(metamers.shares[name], "") if metamers else Estimate(reason=harm.reason)
        for name in (*OUTCOMES, "unseen")
    }
    return {
        **shares,
        "counts": metamers.counts if metamers else {},
        "controls": {name: _both(line.shares) for name, line in lines.items()},
        "less": {name: _both(line.less) for name, line in lines.items()},
        "no_start": harm.no_start,
    }


def _both(of: Mapping[str, SeedSummary]) -> dict[str, Estimate]:
    return {name: estimated(of[name], "no target node is known") for name in LESS}
