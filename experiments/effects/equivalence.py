"""How often a report says that rank alone explains an effect, where it does and where it does not.

command:  python experiments/effects/equivalence.py
time:     TIME
numbers:  README.md
"""

import argparse
import itertools
from collections import Counter
from typing import Any

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.report.effects_summary import EXPLAINED, MORE, NOT_FOUND, EqualRank
from jmetamer.results import adjusted_effect, factorial_effects

RAISED = 6.0  # directions by which the activation raises the rank
# What makes the 30 % hard to see, each with six seeds: how a study differs from the plain one.
HARD: dict[str, dict[str, Any]] = {
    "as above": {},
    "full rank with the second activation": {"full": True},
    "two levels of rank": {"spread": 0.08},
    "a direct part that spreads by as much over seeds": {"varying": 0.3},
    "noise shared by the cells of a seed and level": {"shared": 0.1},
    "the other factor acts directly, too": {"other": 0.5},
    "and more together with the activation": {"other": 0.5, "together": 0.3},
    "noise of half the effect": {"noise": 0.5},
    "noise of a thousandth": {"noise": 0.001},
    "heavy tails": {"heavy": True},
}


def study(
    generator: np.random.Generator,
    *,
    seeds: int,
    direct: float,
    factors: int = 2,
    noise: float = 0.1,
    spread: float = 0.3,
    varying: float = 0.0,
    shared: float = 0.0,
    other: float = 0.0,
    together: float = 0.0,
    full: bool = False,
    heavy: bool = False,
) -> tuple[list[dict[str, Any]], dict[str, tuple[int, int]]]:
    """Return the cells of a made-up study whose activation changes the outcome by 1.

    Args:
      generator: of random numbers.
      seeds: training seeds.
      direct: part of the effect that does not go through the rank.
      factors: that are crossed: the activation, and up to two others; these lower the rank.
      noise: standard deviation of the outcome of a cell, beyond seed, rank and levels.
      spread: of the rank between seeds and cells, as a share of what the activation raises it by.
      varying: standard deviation of the direct part over seeds.
      shared: of noise that the cells of one seed at one level of the activation share.
      other: direct effect of the second factor, which lowers the rank, too.
      together: direct interaction of the two.
      full: whether the second activation leaves all directions, whatever else is done.
      heavy: whether noise has Student's distribution of 3 degrees of freedom.

    Returns:
      Rows and factors, as `adjusted_effect` takes them.
    """
    names = ("activation", "residual", "normalization")[:factors]
    places = np.array(list(itertools.product((0, 1), repeat=factors)))
    elu, rest = places[:, 0], places[:, 1:].sum(axis=1)
    lowered = RAISED * 0.3 * rest
    drawn = generator.normal(0, spread * RAISED, (seeds, 1))
    drawn = drawn + generator.normal(0, spread * RAISED, (seeds, len(places)))
    rank = np.round(20 + RAISED * elu - lowered + drawn)
    raised = RAISED
    if full:
        rank = np.where(elu, 32, np.minimum(rank, 32))
        raised = 12 + lowered[elu == 0].mean()
    draw = (lambda size: generator.standard_t(3, size) / np.sqrt(3)) if heavy else generator.normal
    y = generator.normal(size=(seeds, 1)) + (1 - direct) / raised * rank
    y = y + (direct + varying * generator.normal(size=(seeds, 1))) * elu
    y = y + shared * generator.normal(size=(seeds, 2))[:, elu] + noise * draw(size=rank.shape)
    y = y + other * rest + together * (elu - 0.5) * (rest - 0.5 * (factors - 1))
    rows = [
        dict(zip(names, place.tolist(), strict=True))
        | {"seed": seed, "rank": rank[seed, cell], "y": y[seed, cell]}
        for seed in range(seeds)
        for cell, place in enumerate(places)
    ]
    return rows, dict.fromkeys(names, (0, 1))


def compared(rows: list[dict[str, Any]], factors: dict[str, tuple[int, int]]) -> EqualRank:
    """Return the effect of the activation beside that at equal rank, as a report has them."""
    plain = factorial_effects(rows, factors, "y", order=1)[0]
    try:
        direct = adjusted_effect(rows, factors, "activation", "rank", "y", others="crossed")
    except InputError as error:  # ranks that do not differ between seeds
        return EqualRank("y", plain, None, str(error))
    return EqualRank("y", plain, direct, "")


def verdicts(count: int, seed: int = 0, **options: Any) -> Counter[str]:
    """Return how many of so many studies end with which words."""
    generator = np.random.default_rng(seed)
    return Counter(compared(*study(generator, **options)).verdict for _ in range(count))


def followed(count: int, seed: int = 0, **options: Any) -> tuple[float, float]:
    """Return how often studies with as many seeds as a first one of six names say it, and how many.

    More than 300 seeds are not tried: 300 have to do.

    Args:
      count: first studies, one that follows each; neither has a direct part.
      seed: of random numbers.
      options: of `study`.

    Returns:
      Share of the studies that follow, and the median number of seeds that was named.
    """
    generator = np.random.default_rng(seed)
    said, named = [], []
    for _ in range(count):
        first = compared(*study(generator, seeds=6, direct=0.0, **options)).direct
        named.append(first.seeds_needed if first else np.inf)
        again = compared(*study(generator, seeds=int(min(named[-1], 300)), direct=0.0, **options))
        said.append(again.verdict == EXPLAINED)
    return float(np.mean(said)), float(np.median(named))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="studies of each kind")
    count = parser.parse_args().count
    kinds = [
        *itertools.product((1, 2), (0.1,), (0.0, 0.15, 0.3, 0.6)),
        (2, 0.3, 0.0),
        (2, 0.3, 0.3),
    ]
    for factors, noise, direct in kinds:
        cells = []
        for seeds in (3, 6, 9, 12):
            found = verdicts(count, factors=factors, noise=noise, direct=direct, seeds=seeds)
            cells.append(
                " / ".join(f"{found[v] / count:.1%}" for v in (EXPLAINED, NOT_FOUND, MORE))
            )
        print(f"| {factors} | {noise} | {direct:.0%} | {' | '.join(cells)} |", flush=True)
    for name, options in HARD.items():
        found = verdicts(count, seeds=6, direct=0.3, **options)
        print(f"| {name} | {found[EXPLAINED] / count:.1%} |", flush=True)
    for factors, spread in itertools.product((1, 2, 3), (0.3, 0.5)):
        share, named = followed(count // 4, factors=factors, spread=spread)
        print(f"| {factors} | {spread} | {named:.0f} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()
