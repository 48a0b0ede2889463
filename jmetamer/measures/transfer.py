"""Who else reads a model's metamers: shared recognition, and what seed and architecture take."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jmetamer._base.errors import InputError
from jmetamer.results.seed_interval import KAPPA, SeedSummary, seed_summary


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
    """

    recognition: SeedSummary
    lowest: float
    highest: float
    without: dict[str, float]
    seed_gap: SeedSummary
    architecture_gap: SeedSummary
    by_judge: dict[str, np.ndarray]


def transfer(
    kappa: Mapping[str, Any],
    own: str,
    maker_seeds: Sequence[int],
    judge_seeds: Mapping[str, Sequence[int]],
    *,
    passed: Any = None,
    alike: bool = True,
    level: float = 0.95,
) -> Transfer:
    """Summarize how judges read the metamers that models of one architecture made.

    For each seed of the maker, kappa is averaged over the judges of an architecture and the
    metamers that passed; a judge of the maker's own seed is left out, as it may share its
    initialization. R is then the mean over architectures other than `own`, and
    I_seed = 1 - kappa_own, I_arch = kappa_own - R. Intervals are Student's over the seeds of the
    maker: models of one seed are not independent. The judges are the same for all seeds, so an
    interval holds for this panel of judges; how much R depends on the panel, the range with one
    architecture left out says.

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
      >>> round(result.architecture_gap.mean, 3)
      0.3
    """
    makers = np.asarray(maker_seeds)
    others = [name for name in kappa if name != own]
    if not others or len(set(makers.tolist())) < len(makers):
        raise InputError(
            f"`kappa` is of judges {list(kappa)}, `own` is {own!r} and `maker_seeds` are "
            f"{makers.tolist()}; a judge of another architecture is needed, and each seed once."
        )
    counts = _counted(passed, kappa[others[0]], len(makers))
    by_judge = {}
    for name, values in kappa.items():
        seeds = np.asarray(judge_seeds[name]) if name in judge_seeds else np.zeros(0)
        foreign = makers[:, None] != seeds
        if name != own and not foreign.any(1).all():
            raise InputError(
                f"`judge_seeds` of {name!r} are {seeds.tolist()}; seed "
                f"{makers[~foreign.any(1)][0]} of the maker has no judge of another seed there."
            )
        by_judge[name] = _mean_per_seed(name, np.asarray(values, np.float64), foreign, counts)
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
    )


def _counted(passed: Any, example: Any, num_makers: int) -> np.ndarray:
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


def _mean_per_seed(
    name: str, values: np.ndarray, foreign: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Return [m] mean over the judges of other seeds and the metamers that count."""
    shape = (*foreign.shape, counts.shape[1])
    if values.shape != shape:
        raise InputError(
            f"`kappa` of {name!r} has shape {values.shape}, but makers, `judge_seeds` and "
            f"metamers make {shape}."
        )
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
