"""Effects of activation, residual connection and training on metamers; see README.md.

python experiments/mitigations/mitigations.py runs/mitigations --out mitigations
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jmetamer as jm
from jmetamer.report.effects_summary import Effects, EffectStudy, EqualRank, summarize_effects
from jmetamer.report.outcomes import grid_rows
from jmetamer.report.prose import said
from jmetamer.report.stored_cell import StoredCell
from jmetamer.report.wording import interval, seeds_needed, share_limits
from jmetamer.results.zarr_group import json_safe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="folder of a finished run of configs/mitigations.yaml")
    parser.add_argument("--out", default=None, help="write OUT.md and OUT.json")
    parser.add_argument("--order", type=int, default=3, help="largest order of interactions")
    arguments = parser.parse_args()
    run = jm.open_run(arguments.run)
    found = effects_of(run, arguments.order)
    if not found.studies:
        raise SystemExit(
            f"{arguments.run} holds no setting that differs at the same two training seeds in "
            f"its {len(run.cells)} cells; finish the sweep first. {' '.join(found.refused)}"
        )
    text = "\n".join([*map(markdown, found.studies), *found.refused])
    print(text)
    if arguments.out:
        Path(f"{arguments.out}.md").write_text(text + "\n")
        # Equal effects have infinite limits, and cells without a number NaN: JSON has neither.
        document = json_safe([document_of(study) for study in found.studies])
        text = json.dumps(document, indent=1, allow_nan=False)
        Path(f"{arguments.out}.json").write_text(text + "\n")


def effects_of(run: jm.Run, order: int = 3) -> Effects:
    """Return the effects of each factorial grid of a run, as its report shows them."""
    cells = [
        StoredCell("", cell, number, run.settings(cell), run.dataset(cell))
        for number, cell in enumerate(run.cells, start=1)
    ]
    failed = [("", entry["settings"]) for entry in run.failures.values()]
    return summarize_effects(cells, failed, order)


def document_of(study: EffectStudy) -> dict[str, Any]:
    """Return one study as JSON holds it, with the numbers of its cells."""
    return {
        "where": study.grid.where,
        "factors": study.grid.pairs,
        "seeds": study.grid.seeds,
        "rows": grid_rows(study.grid).rows,
        "effects": [{"outcome": name, **one._asdict()} for name, one in study.all],
        "at_equal_rank": [
            {
                "outcome": one.outcome,
                "verdict": one.verdict,
                "direct": one.direct and one.direct._asdict(),
            }
            for one in study.at_equal_rank
        ],
        "without": study.without,
    }


def markdown(study: EffectStudy) -> str:
    """Return the tables of one study."""
    compared = "; ".join(factor.contrast for factor in study.grid.factors)
    lines = [f"## {study.grid.where}", "", f"{compared}.", ""]
    lines += ["| outcome | effect | mean | 95 % interval | p | Holm | seeds |", "|---" * 7 + "|"]
    for outcome, one in study.all:
        lines.append(
            f"| {outcome} | {study.label(one)} | {one.mean:.3g} | {interval(one)} "
            f"| {one.p_value:.3g} | {one.adjusted_p:.3g} | {one.num_seeds} |"
        )
    if study.at_equal_rank:
        lines += ["", "Effect of the activation at an equal rank:", ""]
        lines += ["| outcome | plain | at equal rank | share, 90 % | it says | seeds for that |"]
        lines += ["|---" * 6 + "|"]
        lines += [" | ".join(_equal_rank(one)) for one in study.at_equal_rank]
    reasons = dict.fromkeys(one.reason for one in study.at_equal_rank if one.reason)
    lines += [f"\nNot determined: {reason}" for reason in reasons]
    lines += [
        f"\n{text}" for text in (said("effects_sentences", "without", study), study.note) if text
    ]
    lines += [f"\n{study.grid.note}"] if study.grid.note else []
    return "\n".join(lines) + "\n"


def _equal_rank(one: EqualRank) -> Iterator[str]:
    yield f"| {one.outcome} ({one.plain.levels[0][1]})"
    for fit in (one.plain, one.direct):
        yield f"{fit.mean:.3g} ({interval(fit)})" if fit else "not determined"
    share = one.direct is not None and one.is_clear
    yield f"{one.direct.share:.0%} ({share_limits(one.direct)})" if share else "-"
    yield one.verdict
    yield f"{seeds_needed(one.direct)} |" if share else "- |"


if __name__ == "__main__":
    main()
