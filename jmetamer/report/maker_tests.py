"""Whether the metamers of one maker are read better by others than those of another."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from jmetamer.report.cells import canonical, distinguishing, name_cells
from jmetamer.report.transfer_summary import Reading
from jmetamer.results.p_values import holm, sign_flip_test

MIN_PAIRS = 6  # with five, no sign-flip test reaches 0.05
_CONTEXT = ("dataset", "metamers.layer")


@dataclasses.dataclass(frozen=True)
class MakerTest:
    """Two makers at one dataset and layer, compared seed by seed.

    Attributes:
      where: dataset and layer.
      first, second: titles of the makers.
      judges: architectures whose readings are compared, none of them that of a maker.
      num_seeds: pairs of the same training seed.
      difference: mean kappa of the first less that of the second.
      p_value: two-sided, of the sign-flip test.
      corrected: after Holm's correction over the datasets and layers of this pair.
      family: number of these.
    """

    where: str
    first: str
    second: str
    judges: tuple[str, ...]
    num_seeds: int
    difference: float
    p_value: float
    corrected: float
    family: int


@dataclasses.dataclass(frozen=True)
class MakerTests:
    """All comparisons of two makers that the page allows.

    Attributes:
      tests: those with at least 6 paired seeds.
      num_pairs: pairs of makers at the same dataset and layer that share judges and seeds.
      most_seeds: most paired seeds of such a pair.
    """

    tests: tuple[MakerTest, ...]
    num_pairs: int
    most_seeds: int


@dataclasses.dataclass(frozen=True, eq=False)
class _Pair:
    """Differences [seed] of mean kappa of two makers in one place."""

    where: str
    titles: tuple[str, str]
    judges: tuple[str, ...]
    differences: np.ndarray


def compare_makers(rows: Sequence[Reading]) -> MakerTests:
    """Compare every two makers at the same dataset and layer on the seeds that they share.

    The value of a seed is mean kappa over judges of the architectures that neither maker has, so
    both are read by the same networks. The family of Holm's correction are the datasets and layers
    at which the same two makers meet.
    """
    families: dict[tuple[str, str], list[_Pair]] = {}
    for one, other in itertools.combinations(rows, 2):
        variants = _variant(one), _variant(other)
        if _context(one) == _context(other) and variants[0] != variants[1]:
            pair = _paired(one, other)
            if pair is not None:
                families.setdefault(variants, []).append(pair)
    pairs = [pair for family in families.values() for pair in family]
    return MakerTests(
        tests=tuple(test for family in families.values() for test in _tested(family)),
        num_pairs=len(pairs),
        most_seeds=max((len(pair.differences) for pair in pairs), default=0),
    )


def _paired(one: Reading, other: Reading) -> _Pair | None:
    own = {one.maker.architecture, other.maker.architecture}
    judges = tuple(
        name
        for name, seeds in one.panel.items()
        if name not in own and other.panel.get(name) == seeds
    )
    shared = [seed for seed in one.seeds if seed in other.seeds]
    if not judges or not shared:
        return None
    values = [
        np.mean([row.by_judge[name][[row.seeds.index(s) for s in shared]] for name in judges], 0)
        for row in (one, other)
    ]
    differences = values[0] - values[1]
    settings = one.maker.settings
    where = " · ".join(str(settings[key]) for key in _CONTEXT if settings.get(key))
    finite = differences[np.isfinite(differences)]
    return _Pair(where, _titles(one, other), judges, finite) if finite.size else None


def _titles(one: Reading, other: Reading) -> tuple[str, str]:
    """Name two makers by what is different between them."""
    names = name_cells({"0": one.maker.settings, "1": other.maker.settings})
    first, second = distinguishing([name.title for name in names.values()])
    if one.maker.run == other.maker.run:
        return first, second
    runs = one.maker.run, other.maker.run
    if first == second:
        return runs
    return f"{runs[0]} · {first}", f"{runs[1]} · {second}"


def _tested(family: Sequence[_Pair]) -> list[MakerTest]:
    enough = [pair for pair in family if len(pair.differences) >= MIN_PAIRS]
    tests = [sign_flip_test(pair.differences) for pair in enough]
    corrected = holm([test.p_value for test in tests])
    return [
        MakerTest(
            pair.where, *pair.titles, pair.judges, len(pair.differences), test.mean, test.p_value,
            float(adjusted), len(enough),
        )
        for pair, test, adjusted in zip(enough, tests, corrected, strict=True)
    ]  # fmt: skip


def _context(row: Reading) -> str:
    return canonical({k: v for k, v in row.maker.settings.items() if k.startswith(_CONTEXT)})


def _variant(row: Reading) -> str:
    rest = {k: v for k, v in row.maker.settings.items() if not k.startswith(_CONTEXT)}
    return canonical({**rest, "run": row.maker.run})
