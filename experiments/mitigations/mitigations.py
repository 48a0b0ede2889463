"""Effects of activation, residual connection and training on metamers; see README.md.

python experiments/mitigations/mitigations.py runs/mitigations --out mitigations
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jmetamer as jm
from jmetamer.results import adjusted_effect, factorial_effects

LEVELS = {"activation": ("relu", "elu"), "residual": (False, True)}
# First and second level of the training; the last says what the adversary does beyond its size.
CONTRASTS = (("none", "adversarial"), ("none", "random"), ("random", "adversarial"))
COVARIATES = ("rank", "dimension")
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="folder of a finished run of configs/mitigations.yaml")
    parser.add_argument("--out", default=None, help="write OUT.md and OUT.json")
    parser.add_argument("--order", type=int, default=3, help="largest order of interactions")
    arguments = parser.parse_args()
    run = jm.open_run(arguments.run)
    rows = [row_of(run, cell) for cell in run.cells]
    found = list(studies(rows, arguments.order))
    if not found:
        raise SystemExit(
            f"{arguments.run} holds no full factorial: of its {len(rows)} cells, no seed has every "
            "combination of activation, residual connection and training; finish the sweep first"
        )
    text = "\n".join(markdown(study) for study in found)
    print(text)
    if arguments.out:
        Path(f"{arguments.out}.md").write_text(text + "\n")
        document = {"rows": rows, "studies": found}
        Path(f"{arguments.out}.json").write_text(json.dumps(document, indent=1) + "\n")


def row_of(run: jm.Run, cell: str) -> Row:
    """Return the levels of a cell and its outcomes, one number each, as far as they are stored."""
    settings, data = run.settings(cell), run.dataset(cell)
    row: Row = {
        "dataset": settings["dataset"]["name"],
        "layer": settings["metamers"]["layer"],
        "seed": settings["training"]["seed"],
        "activation": settings["model"]["activation"],
        "residual": settings["model"]["residual"],
        "training": settings["training"].get("perturbation", "none"),
    }
    return row | {name: value for name, value in _outcomes(data) if np.isfinite(value)}


def _outcomes(data: Any) -> Iterator[tuple[str, float]]:
    """Yield names and values; of metamers the mean over those that match, as others are none."""
    yield "test accuracy", float(data.attrs.get("test_accuracy", np.nan))
    for name, stored in zip(COVARIATES, ("rank_post", "dimension_post"), strict=True):
        if stored in data:
            yield name, float(np.median(data[stored].values))
    table = data["status"].attrs["table"]
    matches = np.array([table[str(int(code))] == "CONVERGED" for code in data["status"].values])
    if "success_matches" in data:
        matches = data["success_matches"].values.astype(bool)
    yield "share that match", float(matches.mean())
    if "success" in data:
        yield "share that succeed", float(data["success"].values.mean())
    if not matches.any():
        return
    for name, stored in (("class agreement", "class_agreement"), ("own kappa", "own_kappa")):
        if stored in data:
            yield name, _mean(data[stored].values[matches])
    for place, measure in enumerate(data["measure"].values):
        yield f"deviation {measure}", _mean(data["deviation"].values[matches, place])
    if "recognition_kappa" in data:
        kappa = data["recognition_kappa"].values[matches]
        yield "judges' kappa", _mean(kappa)
        kinds = data["judge_architecture"].values.astype(str)
        for kind in sorted(set(kinds)):
            yield f"judges' kappa, {kind}", _mean(kappa[:, kinds == kind])


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def studies(rows: Sequence[Row], order: int = 3) -> Iterator[dict[str, Any]]:
    """Yield the effects for each dataset, layer and contrast of trainings that has cells."""
    for dataset, layer in dict.fromkeys((row["dataset"], row["layer"]) for row in rows):
        here = [row for row in rows if (row["dataset"], row["layer"]) == (dataset, layer)]
        present = {row["training"] for row in here}
        contrasts = [pair for pair in CONTRASTS if set(pair) <= present] or [("none", "none")]
        for pair in contrasts:
            factors = _factors(here, pair)
            chosen = [row for row in here if all(row[f] in factors[f] for f in factors)]
            chosen = [row for row in chosen if row["training"] in pair]
            study = _study(chosen, factors, order)
            if study["effects"]:
                yield {"dataset": dataset, "layer": layer, "training": pair, **study}


def _factors(rows: Sequence[Row], training: tuple[str, str]) -> dict[str, tuple[Any, Any]]:
    """Return the factors of which both levels are there."""
    wanted = {**LEVELS, "training": training}
    return {
        name: pair
        for name, pair in wanted.items()
        if pair[0] != pair[1] and set(pair) <= {row[name] for row in rows}
    }


def _study(rows: Sequence[Row], factors: Mapping[str, Any], order: int) -> dict[str, Any]:
    known = {"dataset", "layer", "seed", "activation", "residual", "training"}
    outcomes = list(dict.fromkeys(name for row in rows for name in row if name not in known))
    effects, adjusted, without = [], [], []
    for outcome in outcomes:
        try:
            found = factorial_effects(rows, factors, outcome, order=order)
        except jm.InputError as error:
            without.append(f"{outcome}: {error}")
            continue
        effects += [{"outcome": outcome, **effect._asdict()} for effect in found]
        if "activation" in factors and outcome not in COVARIATES:
            adjusted += list(_adjusted(rows, factors, outcome))
    return {"effects": effects, "adjusted": adjusted, "without": without}


def _adjusted(
    rows: Sequence[Row], factors: Mapping[str, Any], outcome: str
) -> Iterator[dict[str, Any]]:
    """Yield the activation's effect at an equal covariate, without and with the other factors."""
    rest = tuple(name for name in factors if name != "activation")
    for covariate in COVARIATES:
        for others in dict.fromkeys(((), rest)):
            about = {"outcome": outcome, "covariate": covariate, "others": others}
            try:
                found = adjusted_effect(
                    rows, factors, "activation", covariate, outcome, others=others
                )
            except jm.InputError as error:
                yield {**about, "reason": str(error)}
            else:
                yield {**about, **found._asdict()}


def markdown(study: Mapping[str, Any]) -> str:
    """Return the tables of one study."""
    first, second = study["training"]
    against = f": {second} against {first} training" if first != second else ""
    lines = [f"## {study['dataset']}, {study['layer']}{against}", ""]
    lines += ["| outcome | effect | mean | 95 % interval | p | Holm | seeds |", "|---" * 7 + "|"]
    for one in study["effects"]:
        name = " x ".join(one["factors"])
        interval, tests = _interval(one), f"{one['p_value']:.3g} | {one['adjusted_p']:.3g}"
        lines.append(
            f"| {one['outcome']} | {name} | {one['mean']:.3g} | {interval} | {tests} "
            f"| {one['num_seeds']} |"
        )
    if study["adjusted"]:
        lines += ["", "Effect of the activation at an equal covariate:", ""]
        lines += [
            "| outcome | covariate | others in the model | plain | adjusted | 95 % interval |"
        ]
        lines += ["|---" * 6 + "|"]
    for one in study["adjusted"]:
        cells = f"| {one['outcome']} | {one['covariate']} | {', '.join(one['others']) or 'none'} "
        if "reason" in one:
            lines.append(f"{cells}| | | not determined |")
        else:
            found = f"{one['unadjusted']:.3g} | {one['mean']:.3g} | {_interval(one)}"
            lines.append(f"{cells}| {found} |")
    reasons = dict.fromkeys(one["reason"] for one in study["adjusted"] if "reason" in one)
    lines += [f"\nNot determined: {reason}" for reason in reasons]
    lines += [f"\nLeft out, {text}" for text in study["without"]]
    return "\n".join(lines) + "\n"


def _interval(one: Mapping[str, Any]) -> str:
    return f"{one['low']:.3g} to {one['high']:.3g}"


if __name__ == "__main__":
    main()
