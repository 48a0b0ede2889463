"""Coverage of the interval of paired differences, where makers and judges are both samples.

command:  python experiments/intervals/crossed.py
time:     40 s on one core of an AMD EPYC
numbers:  2,000 studies each; 3, 6 or 9 makers, judges of 2, 3 or 5 architectures, two of each.
          Normal effects: the interval covers in 94.3 to 99.9 %, Student's over makers alone in 4 to
          96 %, Satterthwaite's in 89 to 99 %, the longer of Student's over makers and over
          architectures in 93 to 100 %. Effects as skewed as an exponential distribution: 88 to
          99 %, as Student's interval of so few numbers.
"""

import argparse

import numpy as np
from scipy import special

from jmetamer.results import crossed_summary

LEVEL = 0.95
JUDGES = 2  # of each architecture, with other seeds
# Variances of makers, of architectures and judges, and of what a maker and a judge have together.
RATIOS = (
    (1, 0, 0.01), (0, 1, 0.01), (0, 0, 1), (1, 1, 1), (4, 1, 1), (1, 4, 1), (1, 1, 0.1),
    (1, 1, 4), (0.25, 1, 0.25),
)  # fmt: skip
DRAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "skewed": lambda rng, shape: rng.exponential(size=shape) - 1,
}


def studies(rng, draw, count, makers, architectures, ratio):
    """Return [count, makers, architectures] differences of mean 0, over the judges of each."""
    of_maker, of_judge, of_both = ratio
    judges = (architectures, JUDGES)
    table = np.sqrt(of_maker) * draw(rng, (count, makers, 1, 1))
    # Two thirds of what judges differ by is their architecture's.
    table = table + np.sqrt(of_judge * 2 / 3) * draw(rng, (count, 1, architectures, 1))
    table = table + np.sqrt(of_judge * 1 / 3) * draw(rng, (count, 1, *judges))
    return (table + np.sqrt(of_both) * draw(rng, (count, makers, *judges))).mean(3)


def crossed(tables):
    """The interval of the package."""
    found = (crossed_summary(table, LEVEL) for table in tables)
    return np.array([(one.low, one.high) for one in found]).T


def by_makers(tables):
    """Student's interval over makers alone: it holds for these judges only."""
    half = _quantile(tables.shape[1] - 1) * np.sqrt(_variance(tables, 1))
    return tables.mean((1, 2)) + half * np.array([[-1], [1]])


def satterthwaite(tables):
    """Both variances with the degrees of freedom of their sum (Welch 1947)."""
    rows, columns = _variance(tables, 1), _variance(tables, 2)
    both = rows**2 / (tables.shape[1] - 1) + columns**2 / (tables.shape[2] - 1)
    half = _quantile((rows + columns) ** 2 / both) * np.sqrt(rows + columns)
    return tables.mean((1, 2)) + half * np.array([[-1], [1]])


def longer(tables):
    """The longer one of two Student's intervals, over makers and over architectures."""
    halves = [_quantile(tables.shape[i] - 1) * np.sqrt(_variance(tables, i)) for i in (1, 2)]
    return tables.mean((1, 2)) + np.maximum(*halves) * np.array([[-1], [1]])


def _quantile(freedom):
    return special.stdtrit(freedom, 0.5 + LEVEL / 2)


def _variance(tables, axis):
    """Return the variance of a mean over this axis."""
    return tables.mean(3 - axis).var(1, ddof=1) / tables.shape[axis]


METHODS = (crossed, by_makers, satterthwaite, longer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--makers", type=int, nargs="+", default=[3, 6, 9])
    parser.add_argument("--architectures", type=int, nargs="+", default=[2, 3, 5])
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    names = [method.__name__ for method in METHODS]
    print("lowest to highest coverage in % over", len(RATIOS), "ratios; mean length")
    print("effects architectures makers |", " | ".join(names))
    for kind, draw in DRAWS.items():
        for architectures in arguments.architectures:
            for makers in arguments.makers:
                covered, length = [], []
                for ratio in RATIOS:
                    tables = studies(rng, draw, arguments.studies, makers, architectures, ratio)
                    found = [method(tables) for method in METHODS]
                    covered.append([np.mean((low <= 0) & (high >= 0)) for low, high in found])
                    length.append([np.mean(high - low) for low, high in found])
                low, high = (100 * side(covered, axis=0) for side in (np.min, np.max))
                columns = zip(low, high, np.mean(length, 0), strict=True)
                words = (f"{least:.1f} to {most:.1f}; {mean:.2f}" for least, most, mean in columns)
                print(kind, architectures, makers, "|", " | ".join(words))


if __name__ == "__main__":
    main()
