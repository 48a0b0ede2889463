"""How often a report says that rank alone explains an effect, where it does and where it does not.

command:  python experiments/effects/equivalence.py
time:     25 s of processor time
numbers:  README.md
"""

import argparse
import itertools
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from jmetamer._base.errors import InputError
from jmetamer.report.effects_summary import (
    EXPLAINED,
    MORE,
    NO_DIRECT_PART,
    NOTHING,
    UNDETERMINED,
    EqualRank,
)
from jmetamer.results import adjusted_effect, factorial_effects
from jmetamer.results.adjusted_effect import MARGIN

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


class Studies(NamedTuple):
    """Made-up studies: rank and outcome [studies, seeds, cells], levels [cells, factors]."""

    rank: np.ndarray
    y: np.ndarray
    levels: np.ndarray


def studies(
    generator: np.random.Generator,
    count: int,
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
) -> Studies:
    """Return studies whose activation changes the outcome by 1.

    Args:
      generator: of random numbers.
      count: studies.
      seeds: training seeds of each.
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
    """
    levels = np.array(list(itertools.product((0, 1), repeat=factors)))
    elu, rest = levels[:, 0], levels[:, 1:].sum(axis=1)
    each, shape = (count, seeds, 1), (count, seeds, len(levels))
    lowered = RAISED * 0.3 * rest
    drawn = spread * RAISED * (generator.normal(size=each) + generator.normal(size=shape))
    rank = np.round(20 + RAISED * elu - lowered + drawn)
    raised = RAISED
    if full:
        rank = np.where(elu, 32, np.minimum(rank, 32))
        raised = 12 + lowered[elu == 0].mean()
    own = generator.standard_t(3, shape) / np.sqrt(3) if heavy else generator.normal(size=shape)
    y = generator.normal(size=each) + (1 - direct) / raised * rank + noise * own
    y = y + (direct + varying * generator.normal(size=each)) * elu
    y = y + shared * generator.normal(size=(count, seeds, 2))[..., elu]
    y = y + other * rest + together * (elu - 0.5) * (rest - 0.5 * (factors - 1))
    return Studies(rank, y, levels)


def as_the_report_says(made: Studies, place: int) -> EqualRank:
    """Return the effect of the activation beside that at equal rank, by the report's functions."""
    names = ("activation", "residual", "normalization")[: made.levels.shape[1]]
    rows = [
        dict(zip(names, levels.tolist(), strict=True))
        | {"seed": seed, "rank": made.rank[place, seed, cell], "y": made.y[place, seed, cell]}
        for seed in range(made.y.shape[1])
        for cell, levels in enumerate(made.levels)
    ]
    factors = dict.fromkeys(names, (0, 1))
    plain = factorial_effects(rows, factors, "y", order=1)[0]
    try:
        direct = adjusted_effect(rows, factors, "activation", "rank", "y", others="crossed")
    except InputError as error:  # ranks that do not differ between seeds
        return EqualRank("y", plain, None, str(error))
    return EqualRank("y", plain, direct, "")


def direct_parts(made: Studies) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return direct part [studies], its jackknife values and totals [studies, seeds].

    The same as `adjusted_effect`, for all studies at once: what seeds and cells leave of the rank
    gives the slope.
    """
    sign = (2 * made.levels[:, 0] - 1) * 2 / len(made.levels)

    def fits(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        left, of_y = (
            v
            - v.mean(-1, keepdims=True)
            - v.mean(-2, keepdims=True)
            + v.mean((-2, -1), keepdims=True)
            for v in (x, y)
        )
        variation = (left**2).sum((-2, -1))
        known = variation > 1e-9
        slope = np.where(known, (left * of_y).sum((-2, -1)) / np.where(known, variation, 1), np.nan)
        return (y.mean(-2) - slope[..., None] * x.mean(-2)) @ sign

    seeds = made.y.shape[1]
    kept = np.array([np.delete(np.arange(seeds), place) for place in range(seeds)])
    whole = fits(made.rank, made.y)
    without = fits(made.rank[:, kept], made.y[:, kept])
    return whole, seeds * whole[:, None] - (seeds - 1) * without, made.y @ sign


def words(made: Studies) -> np.ndarray:
    """Return the verdict of each study, by the tests that its intervals are made from."""
    direct, pseudo, totals = direct_parts(made)
    seeds = totals.shape[1]
    one_sided, two_sided = special.stdtrit(seeds - 1, [0.95, 0.975])

    def t(mean: np.ndarray, values: np.ndarray) -> np.ndarray:
        return mean / (values.std(axis=1, ddof=1) / np.sqrt(seeds))

    total = totals.mean(axis=1)
    sign, share = np.sign(total), MARGIN * totals
    below = sign * t(direct - MARGIN * total, pseudo - share) < -one_sided
    above = sign * t(direct + MARGIN * total, pseudo + share) > one_sided
    return np.select(
        [
            np.abs(t(total, totals)) <= two_sided,
            ~np.isfinite(pseudo).all(axis=1),
            np.abs(t(direct, pseudo)) > two_sided,
            below & above,
        ],
        [NOTHING, UNDETERMINED, MORE, EXPLAINED],
        NO_DIRECT_PART,
    )


def verdicts(count: int, seed: int = 0, **options: Any) -> Counter[str]:
    """Return how many of so many studies end with which words."""
    return Counter(words(studies(np.random.default_rng(seed), count, **options)).tolist())


def followed(count: int, seed: int = 0, **options: Any) -> tuple[float, float]:
    """Return how often studies with as many seeds as a first one of six names say it, and how many.

    More than 300 seeds are not tried: 300 have to do.

    Args:
      count: first studies, one that follows each; neither has a direct part.
      seed: of random numbers.
      options: of `studies`.

    Returns:
      Share of the studies that follow, and the median number of seeds that was named.
    """
    generator = np.random.default_rng(seed)
    first = studies(generator, count, seeds=6, direct=0.0, **options)
    found = [as_the_report_says(first, place).direct for place in range(count)]
    named = np.array([one.seeds_needed if one else np.inf for one in found])
    said = 0
    for seeds, often in Counter(np.minimum(named, 300).astype(int).tolist()).items():
        for start in range(0, often, 50):
            number = min(50, often - start)
            again = studies(generator, number, seeds=seeds, direct=0.0, **options)
            said += int((words(again) == EXPLAINED).sum())
    return said / count, float(np.median(named))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="studies of each kind")
    count = parser.parse_args().count
    kinds = itertools.product((1, 2, 3), (0.03, 0.1, 0.3), (0.0, 0.15, 0.3, 0.6))
    for factors, noise, direct in kinds:
        cells = []
        for seeds in (3, 6, 9, 12):
            found = verdicts(count, factors=factors, noise=noise, direct=direct, seeds=seeds)
            cells.append(
                " / ".join(f"{found[v] / count:.1%}" for v in (EXPLAINED, NO_DIRECT_PART, MORE))
            )
        print(f"| {factors} | {noise} | {direct:.0%} | {' | '.join(cells)} |", flush=True)
    for name, options in HARD.items():
        found = verdicts(count, seeds=6, direct=0.3, **options)
        print(f"| {name} | {found[EXPLAINED] / count:.1%} |", flush=True)
    for factors, spread in itertools.product((1, 2, 3), (0.3, 0.5)):
        share, named = followed(count // 10, factors=factors, spread=spread)
        print(f"| {factors} | {spread} | {named:.0f} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()
