"""Who else reads a model's metamers: shared recognition, and what seed and architecture take."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jmetamer._base.arguments import AnArray, checked
from jmetamer._base.errors import InputError
from jmetamer.results.seed_interval import (
    KAPPA,
    CrossedSummary,
    SeedSummary,
    crossed_summary,
    seed_summary,
)

_Kappa = Mapping[str, AnArray]  # of the judges of each architecture
DIFFERENCE_RANGE = (-2.0, 2.0)  # kappa lies in [-1, 1]


class Paired(NamedTuple):
    """Recognition of metamers less that of their controls.

    Attributes:
      difference: mean over the maker's seeds and the other architectures, with an interval that
        takes both as samples (`crossed_summary`): rows are seeds, columns architectures.
      metamers, controls: mean kappa of both sides of the difference.
      num_pairs: metamers that passed and have a control that every judge can read.
      by_judge: architecture -> [m] difference for each seed of the maker; NaN where it has no pair.
    """

    difference: CrossedSummary
    metamers: float
    controls: float
    num_pairs: int
    by_judge: dict[str, np.ndarray]


class Transfer(NamedTuple):
    """Recognition by other models of the metamers of one architecture's layer.

    Attributes:
      recognition: R, mean kappa of judges of other architectures, each of the same weight. 1 where
        they read the metamers as the reference, 0 as by chance.
      lowest, highest: range of R with one judge architecture left out; NaN with fewer than two.
      without: judge architecture -> R without it; empty with fewer than two.
      seed_gap: I_seed = 1 - kappa of the same architecture trained from other seeds; NaN without
        such a judge that is `alike`.
      architecture_gap: I_arch = kappa of the same architecture - R, paired by seed; NaN likewise.
      by_judge: architecture -> [m] mean kappa for each seed of the maker; NaN where no metamer
        passed or there is no judge.
      paired: the same metamers less their controls; None where no control was given.
    """

    recognition: SeedSummary
    lowest: float
    highest: float
    without: dict[str, float]
    seed_gap: SeedSummary
    architecture_gap: SeedSummary
    by_judge: dict[str, np.ndarray]
    paired: Paired | None = None


@checked
def transfer(
    kappa: _Kappa,
    own: str,
    maker_seeds: Sequence[int],
    judge_seeds: Mapping[str, Sequence[int]],
    *,
    passed: AnArray | None = None,
    alike: bool = True,
    level: float = 0.95,
    control: _Kappa | None = None,
) -> Transfer:
    """Summarize how judges read the metamers that models of one architecture made.

    For each seed of the maker, kappa is averaged over the judges of an architecture and the
    metamers that passed; a judge of the maker's own seed is left out, as it may share its
    initialization. R is then the mean over architectures other than `own`, and
    I_seed = 1 - kappa_own, I_arch = kappa_own - R. Intervals are Student's over the seeds of the
    maker: models of one seed are not independent. The judges are the same for all seeds, so an
    interval holds for this panel of judges; how much R depends on the panel, the range with one
    architecture left out says.

    A high R alone is no evidence that metamers have something in common with the reference: judges
    may read any graph so that lies as far away. `control` holds kappa of one other graph for each
    metamer, such as a random displacement of the same length, and `paired` the differences. Their
    interval takes makers and judges as crossed samples.

    Args:
      kappa: judge architecture -> [m, j, b], of m maker seeds, j judges and b metamers a maker.
      own: the maker's architecture; if it is not among the judges, I_seed and I_arch are NaN.
      maker_seeds: m training seeds, all different.
      judge_seeds: architecture -> j training seeds.
      passed: [m, b] bool, metamers that count; None for all.
      alike: whether judges of the architecture `own` are the maker with other seeds, with the same
        settings of model and training; else I_seed and I_arch are NaN, as they would show more
        than the seed or the architecture. `jmetamer.results.unlike_own_judges` knows.
      level: coverage of the intervals.
      control: judge architecture -> [m, j, b] kappa of the control of each metamer; NaN where a
        metamer has none, or a judge cannot read it: such a metamer is in no pair.

    Returns:
      `Transfer`; NaN where no metamer passed.

    Raises:
      InputError: shapes disagree, a kappa that counts is NaN, there is no other architecture, or
        one of them has no judge of another seed than some maker.

    Example:
      >>> same, other = np.full((3, 3, 1), 0.9), np.full((3, 2, 1), 0.6)
      >>> result = transfer({"gcn": same, "gat": other}, "gcn", [0, 1, 2],
      ...                   {"gcn": [0, 1, 2], "gat": [7, 8]})
      >>> round(result.recognition.mean, 3), round(result.seed_gap.mean, 3)
      (0.6, 0.1)
      >>> far = {"gcn": same - 0.2, "gat": other - 0.1}
      >>> result = transfer({"gcn": same, "gat": other}, "gcn", [0, 1, 2],
      ...                   {"gcn": [0, 1, 2], "gat": [7, 8]}, control=far)
      >>> round(result.paired.difference.mean, 3), result.paired.num_pairs
      (0.1, 3)
    """
    makers = np.asarray(maker_seeds)
    others = [name for name in kappa if name != own]
    if not others or len(set(makers.tolist())) < len(makers):
        raise InputError(
            f"`kappa` is of judges {list(kappa)}, `own` is {own!r} and `maker_seeds` are "
            f"{makers.tolist()}; a judge of another architecture is needed, and each seed once."
        )
    counts = _counted(passed, kappa[others[0]], len(makers))
    foreign = _foreign_judges(makers, kappa, own, judge_seeds)
    by_judge = _by_judge("kappa", kappa, foreign, counts)
    shared = np.mean([by_judge[name] for name in others], axis=0)
    unknown = np.full(len(makers), np.nan)
    same = by_judge.get(own, unknown) if alike else unknown
    without = _leaving_one_out(by_judge, others, level)
    return Transfer(
        recognition=seed_summary(shared, level, KAPPA),
        lowest=min(without.values(), default=np.nan),
        highest=max(without.values(), default=np.nan),
        without=without,
        seed_gap=seed_summary(1 - same, level, (0, 2)),
        architecture_gap=seed_summary(same - shared, level, (-2, 2)),
        by_judge=by_judge,
        paired=None if control is None else _paired(kappa, control, others, foreign, counts, level),
    )


def _foreign_judges(
    makers: np.ndarray,
    kappa: _Kappa,
    own: str,
    judge_seeds: Mapping[str, Sequence[int]],
) -> dict[str, np.ndarray]:
    """Return architecture -> [m, j] whether a judge is of another seed than a maker."""
    foreign = {}
    for name in kappa:
        seeds = np.asarray(judge_seeds[name]) if name in judge_seeds else np.zeros(0)
        differs = foreign[name] = makers[:, None] != seeds
        if name != own and not differs.any(1).all():
            raise InputError(
                f"`judge_seeds` of {name!r} are {seeds.tolist()}; seed "
                f"{makers[~differs.any(1)][0]} of the maker has no judge of another seed there."
            )
    return foreign


def _by_judge(
    argument: str,
    kappa: _Kappa,
    foreign: Mapping[str, np.ndarray],
    counts: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return architecture -> [m] mean over the judges of other seeds and metamers that count."""
    return {
        name: _mean_per_seed(argument, name, np.asarray(kappa[name], np.float64), used, counts)
        for name, used in foreign.items()
    }


def _paired(
    kappa: _Kappa,
    control: _Kappa,
    others: Sequence[str],
    foreign: Mapping[str, np.ndarray],
    counts: np.ndarray,
    level: float,
) -> Paired:
    """Return what metamers have above their controls, of those that have one."""
    if set(control) != set(kappa):
        raise InputError(
            f"`control` is of judges {list(control)} and `kappa` of {list(kappa)}; each metamer "
            "and its control are read by the same judges."
        )
    for name, used in foreign.items():
        values = np.asarray(control[name], np.float64)
        _check_shape("control", name, values, (*used.shape, counts.shape[1]))
        counts = counts & ~(np.isnan(values) & used[:, :, None]).any(1)
    metamers, controls = (
        _by_judge(argument, values, foreign, counts)
        for argument, values in (("kappa", kappa), ("control", control))
    )
    by_judge = {name: metamers[name] - controls[name] for name in metamers}
    mean_of = {
        side: seed_summary(np.mean([values[name] for name in others], axis=0), level).mean
        for side, values in (("metamers", metamers), ("controls", controls))
    }
    table = np.stack([by_judge[name] for name in others], axis=1)
    difference = crossed_summary(table, level, DIFFERENCE_RANGE)
    return Paired(difference, **mean_of, num_pairs=int(counts.sum()), by_judge=by_judge)


def _counted(passed: AnArray | None, example: AnArray, num_makers: int) -> np.ndarray:
    """Return [m, b] bool, the metamers that count."""
    num_metamers = np.shape(example)[-1] if np.ndim(example) else 0
    if passed is None:
        return np.ones((num_makers, num_metamers), bool)
    counts = np.asarray(passed)
    if counts.shape != (num_makers, num_metamers) or counts.dtype != bool:
        raise InputError(
            f"`passed` has shape {counts.shape} and type {counts.dtype}; bool of shape "
            f"({num_makers}, {num_metamers}), makers and metamers, is needed."
        )
    return counts


def _check_shape(argument: str, name: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise InputError(
            f"`{argument}` of {name!r} has shape {values.shape}, but makers, `judge_seeds` and "
            f"metamers make {shape}."
        )


def _mean_per_seed(
    argument: str, name: str, values: np.ndarray, foreign: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Return [m] mean over the judges of other seeds and the metamers that count."""
    _check_shape(argument, name, values, (*foreign.shape, counts.shape[1]))
    used = foreign[:, :, None] & counts[:, None, :]
    if np.isnan(values[used]).any():
        raise InputError(
            f"`kappa` of {name!r} is NaN for a metamer that counts, as where a judge's logits are "
            "not finite; leave such metamers out by `passed`, and say how many they are."
        )
    number = used.sum((1, 2))
    total = np.where(used, values, 0.0).sum((1, 2))
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _leaving_one_out(
    by_judge: Mapping[str, np.ndarray], others: Sequence[str], level: float
) -> dict[str, float]:
    """Return R without each of the other architectures in turn."""
    if len(others) < 2:
        return {}
    return {
        left_out: seed_summary(
            np.mean([by_judge[name] for name in others if name != left_out], axis=0), level
        ).mean
        for left_out in others
    }
