"""How often a certified rank is wrong, for matrices of known rank whose entries carry an error.

Command: python experiments/certificates/known_ranks.py --draws 1000
Time: about 10 seconds. Numbers seen: see the README beside it.
"""

import argparse
from typing import NamedTuple

import numpy as np

from jmetamer.geometry import spectrum_of

SHAPE = 32, 500
RANKS = (1, 4, 8, 12, 16, 24, 31, 32)
KINDS = ("flat", "linear", "power", "geometric", "accelerating")


class Counts(NamedTuple):
    """Shares of draws.

    Attributes:
      wrong: certified at another rank than the true one, with the error given.
      clear: certified, of those whose smallest value is at least 100 times the norm of the noise.
      wrong_without: as `wrong`, without the error.
      inside: whose interval holds the true rank.
      wrong_visible: as `wrong`, of those whose values all exceed the norm of the noise: a value
        below it leaves no trace that any rule could see.
    """

    wrong: float
    clear: float
    wrong_without: float
    inside: float
    wrong_visible: float


def true_values(kind: str, rank: int, smallest: float) -> np.ndarray:
    """Return singular values from 1 down; power laws end where they end."""
    steps = np.linspace(0, 1, rank)
    return {
        "flat": np.ones(rank),
        "linear": 1 - steps * (1 - max(smallest, 1 / (rank + 1))),
        "power": np.arange(1, rank + 1.0) ** -2,
        "geometric": smallest**steps,
        "accelerating": smallest ** (steps**2),
    }[kind]


def count(draws: int, seed: int = 0, ranks: tuple[int, ...] = RANKS) -> Counts:
    """Draw rank, spectrum and error; half of the draws end at 100 times the norm of the noise.

    The others end anywhere between 1e-12 and 1, so below the noise too.
    """
    rng = np.random.default_rng(seed)
    table = []
    for draw in range(draws):
        rank, kind = int(rng.choice(ranks)), str(rng.choice(KINDS))
        error = 10 ** rng.uniform(-10, -4)
        noise = error * rng.normal(size=SHAPE)
        norm = np.linalg.norm(noise, 2)
        smallest = min(1.0, 100 * norm) if draw % 2 else 10 ** rng.uniform(-12, 0)
        left, right = (np.linalg.qr(rng.normal(size=(n, rank)))[0] for n in SHAPE)
        values = true_values(kind, rank, smallest)
        matrix = (left * values) @ right.T + noise
        with_error, without = spectrum_of(matrix, entry_error=error), spectrum_of(matrix)
        certified = bool(with_error.certified[0])
        wrong = certified and with_error.rank[0] != rank
        table.append(
            (
                wrong,
                certified if values[-1] >= 99.999 * norm else np.nan,
                without.certified[0] and without.rank[0] != rank,
                with_error.rank_low[0] <= rank <= with_error.rank_high[0],
                wrong if values[-1] >= norm else np.nan,
            )
        )
    return Counts(*np.nanmean(np.array(table, float), axis=0).tolist())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--ranks", type=int, nargs="*", default=RANKS)
    given = parser.parse_args()
    print(count(given.draws, ranks=tuple(given.ranks)))
