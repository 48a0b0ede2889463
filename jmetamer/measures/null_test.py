"""The null-distribution test: does a metamer match better than random pairs of references do?"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.arguments import AnArray, Key, Numbers, checked
from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.keys import Stream
from jmetamer._base.precision import narrowed
from jmetamer.measures.activations import STATISTICS, MatchForms, match_forms, match_statistics
from jmetamer.results.p_values import add_one_p_value

MIN_WIDTH = 30  # entries; on fewer, random pairs reach correlations of 1
PASS_BYTES = 2**26  # bytes of activations gathered for the pairs of one pass
_ROUND_OFF = 100  # units of round-off below which activations are equal: 98 dB in float32
MAX_PAIRS = 2**30  # they are counted in int32

Convention = Literal["power", "feather"]
_State = tuple[jax.Array, jax.Array, jax.Array]


class NullTest(NamedTuple):
    """Match of b metamers with their reference, against random pairs of different references.

    Attributes:
      names: the three statistics, larger meaning a better match; the columns below.
      values: [b, 3] of each metamer; NaN where its activations are not finite.
      p_values: [b, 3] add-one p-values (1 + #{null >= value}) / (1 + N); NaN where not used.
      null_max: [3] the best of the null; NaN where not used.
      used: [3] bool, the statistics that count: all, or the SNR alone below 30 entries; none where
        the null is not applicable.
      p_value: [b] the largest of the used p-values, the p-value of "better in every one". As all
        of them are needed, three statistics call for no correction. NaN where not applicable.
      beats_all: [b] bool, every used statistic is above the whole null, the criterion of Feather
        et al. (2023); False where not applicable.
      num_pairs: N, random pairs; r (r - 1), all that there are, where more were asked for.
      num_others: r, references that they were drawn from.
      not_applicable: why no metamer, however perfect, could be told from the null; empty where one
        can be.
    """

    names: tuple[str, ...]
    values: np.ndarray
    p_values: np.ndarray
    null_max: np.ndarray
    used: np.ndarray
    p_value: np.ndarray
    beats_all: np.ndarray
    num_pairs: int
    num_others: int
    not_applicable: str = ""


@checked
def null_test(
    reference: AnArray,
    metamers: Numbers,
    others: Numbers,
    *,
    num_pairs: int,
    key: Key,
    convention: Convention = "power",
    pass_bytes: int = PASS_BYTES,
) -> NullTest:
    """Compare each metamer's match with that of random pairs of different references.

    Activations are compared as vectors of all their q entries, a of the reference and b of the
    metamer: Spearman's and Pearson's correlation, and SNR = -10 log10(|a - b|^2 / |a|^2) in dB,
    after Feather, Leclerc, Madry and McDermott, Nature Neuroscience 26 (2023). A constant vector
    correlates 0 with any, and an all-zero one has SNR 0 with any.

    Below 30 entries the SNR alone counts, since correlations of so few say little: random pairs of
    nodes of a trained GCN reached 1.0 in 4 entries. There is a better way, to concatenate the
    activations of all target nodes.

    A statistic counts only if it can tell: not the correlations of a constant target, and none
    that any of the pairs match perfectly (up to round-off): its largest value is then infinite, and
    a metamer without any error no better. Where that is the SNR, or the target is all zero, the
    test is not applicable: as where features are constant on a vertex-transitive graph, so that
    other nodes' activations are the target's. `not_applicable` says why.

    r others hold r (r - 1) different ordered pairs. Where N is as many or more, each of them is
    counted once and no more, so that p is a multiple of 1 / (1 + r (r - 1)): pairs drawn twice say
    nothing new. Of fewer, pairs are drawn with replacement, each from a fold of `key`.
    They are only counted, so memory does not grow with N and `pass_bytes` changes no pair. If
    reference, metamer and others are independent draws of one distribution, the p-values are
    uniform in the limit of many others. No number of pairs makes up for few others: in 3000
    simulations of null data (40 entries, 199 pairs) p <= 0.01 came up in 5.7 to 9% with 5 others
    and in 1.8 to 2.5% with 10, but in 0.8 to 1.3% with 30. Take 30 or more; for p down to 1 / 5000,
    as a correction over many cells needs it, 72 or more.

    Args:
      reference: [q], or [t, c] of t target nodes, or any shape; finite.
      metamers: [b, ...], one more axis in front.
      others: [r, ...] activations of r >= 2 other references, finite; for a node, of other nodes.
      num_pairs: N, from 1 to 2^30; p-values are multiples of 1 / (1 + N), or of
        1 / (1 + r (r - 1)) where that is larger.
      key: of the pairs.
      convention: "power" for dB of power, "feather" for half of them, 10 log10(|a| / |a - b|), as
        in the code released with the paper; p-values are the same.
      pass_bytes: upper bound of the bytes of activations gathered at a time.

    Returns:
      `NullTest`.

    Raises:
      InputError: shapes disagree, the reference or the others are not finite, there are too few
        others or pairs, or the convention is unknown.

    Example:
      >>> nodes = jax.random.normal(jax.random.key(0), (100, 40))
      >>> test = null_test(
      ...     nodes[0], nodes[:2] + 0.01, nodes[2:], num_pairs=999, key=jax.random.key(1)
      ... )
      >>> test.beats_all, float(test.p_value[0])
      (array([ True, False]), 0.001)
    """
    vectors = _flattened(reference, metamers, others)
    return null_test_of(
        match_values(*vectors[:2]),
        vectors[2],
        reference=vectors[0],
        num_pairs=num_pairs,
        key=key,
        convention=convention,
        pass_bytes=pass_bytes,
    )


@checked
@compile_function()
def match_values(reference: jax.Array, metamers: Numbers) -> jax.Array:
    """Return the three statistics of vectors, each against the reference, pure jax.

    Args:
      reference: [q].
      metamers: [b, q].

    Returns:
      [b, 3], in the order of `STATISTICS`; NaN where a vector is not finite.

    Example:
      >>> match_values(jnp.array([3.0, 4.0, 0.0]), jnp.array([[3.0, 4.5, 0.0]])).round(1)
      Array([[ 1.,  1., 20.]], dtype=float32)
    """
    forms = match_forms(jnp.concatenate([reference[None], metamers]))
    return jax.vmap(match_statistics, (None, 0))(_at(forms, 0), _at(forms, slice(1, None)))


@checked
def null_test_of(
    values: Numbers,
    others: Numbers,
    *,
    reference: AnArray | None = None,
    num_pairs: int,
    key: Key,
    convention: Convention = "power",
    pass_bytes: int = PASS_BYTES,
) -> NullTest:
    """Make `null_test` of metamers whose statistics are at hand and whose activations are not.

    Args:
      values: [b, 3] of `match_values`, dB of power; NaN for a metamer that is not finite.
      others: [r, q] activations of r >= 2 other references, finite.
      reference: [q] target; None where it is neither constant nor all zero.
      num_pairs, key, convention, pass_bytes: as of `null_test`.

    Returns:
      `NullTest`.

    Raises:
      InputError: shapes are wrong, the others are not finite, there are too few others or pairs, or
        the convention is unknown.

    Example:
      >>> others = jax.random.normal(jax.random.key(0), (30, 40))
      >>> result = null_test_of(
      ...     [[1.0, 1.0, 60.0]], others, num_pairs=999, key=jax.random.key(1)
      ... )
      >>> result.beats_all, float(result.p_value[0])
      (array([ True]), 0.001148105625717566)
    """
    pool = narrowed(jnp.asarray(others))
    pool = pool.astype(jnp.result_type(jnp.float32, pool))
    values = jnp.asarray(values, pool.dtype)
    _check_values_and_pool(values, pool)
    num_others, width = pool.shape
    _check_counts(num_others, num_pairs)
    num_different = num_others * (num_others - 1)
    every = num_different <= num_pairs
    num_pairs = min(num_pairs, num_different)
    # A pair gathers two vectors in three forms, and is compared with every metamer.
    per_pair = 6 * width * pool.dtype.itemsize + 3 * (len(values) + 1)
    per_pass = max(1, min(pass_bytes // per_pair, num_pairs))
    # The last row asks how many pairs match as well as round-off lets any.
    rows = jnp.concatenate([values, _perfect(pool.dtype)[None]])
    key = jax.random.fold_in(key, int(Stream.NULL_PAIRS))
    exceeding, null_max = map(np.asarray, _counted(per_pass, every, rows, pool, key, num_pairs))
    blind = exceeding[-1] > 0  # however rare: the largest value of the null is then infinite
    target = np.asarray(np.arange(2.0) if reference is None else reference).ravel()
    reason = _why_not(target, int(exceeding[-1, 2]), num_pairs, bool(blind[2]))
    correlations = width >= MIN_WIDTH and not _constant(target, pool.dtype)
    used = np.array([correlations, correlations, True]) & ~blind & (not reason)
    statistics = np.asarray(values)
    p_values = np.where(used, add_one_p_value(exceeding[:-1], num_pairs), np.nan)
    units = np.array([1, 1, 0.5 if convention == "feather" else 1], statistics.dtype)
    return NullTest(
        names=STATISTICS,
        values=statistics * units,
        p_values=p_values,
        null_max=np.where(used, null_max * units, np.nan),
        used=used,
        p_value=np.where(used, p_values, -np.inf).max(1) if not reason else p_values[:, 2],
        beats_all=np.all((statistics > null_max) | ~used, axis=1) & (not reason),
        num_pairs=num_pairs,
        num_others=num_others,
        not_applicable=reason,
    )


def _perfect(dtype: np.dtype) -> jax.Array:
    """Return [3] statistics of two vectors that are equal up to round-off."""
    error = _ROUND_OFF * float(jnp.finfo(dtype).eps)
    return jnp.array([1 - error, 1 - error, -20 * np.log10(error)], dtype)


def _constant(target: np.ndarray, dtype: np.dtype) -> bool:
    """Whether all entries are equal up to round-off."""
    slack = _ROUND_OFF * float(jnp.finfo(dtype).eps) * np.abs(target).max(initial=0)
    return bool(np.ptp(target) <= slack)


def _why_not(target: np.ndarray, num_alike: int, num_pairs: int, blind: bool) -> str:
    """Return why even a perfect match could not be told from the null; empty where it could."""
    if not target.any():
        return "the target is all zero, so that no ratio of signal to noise is defined"
    if blind:
        return (
            f"{num_alike:,} of {num_pairs:,} random pairs of other references are equal up to "
            "round-off, so that even a perfect match is no better"
        )
    return ""


@compile_function(static=2)
def _counted(
    per_pass: int,
    every: bool,
    values: jax.Array,
    others: jax.Array,
    key: jax.Array,
    num_pairs: jax.Array | int,
) -> tuple[jax.Array, jax.Array]:
    """Return [b, 3] counts of pairs as good as the values, and the [3] best of all pairs.

    Pairs are drawn, or all that there are, one after the other (`every`).
    """
    pool, size = match_forms(others), len(others)

    def one_pass(state: _State) -> _State:
        start, exceeding, best = state
        number = start + jnp.arange(per_pass, dtype=jnp.int32)
        if every:
            left = number // (size - 1) % size  # the last pass may go beyond
            right = (left + 1 + number % (size - 1)) % size
        else:
            left, right = jax.vmap(_pair, (None, 0, None))(key, number, size)
        null = jax.vmap(match_statistics)(_at(pool, left), _at(pool, right))
        drawn = (number < num_pairs)[:, None]
        # "Not below" rather than "at least": a metamer that is not finite is better than no pair.
        as_good = ~(null[:, None] < values) & drawn[:, None]
        best = jnp.maximum(best, jnp.where(drawn, null, -jnp.inf).max(0))
        return start + per_pass, exceeding + as_good.sum(0, dtype=jnp.int32), best

    counts = jnp.zeros(values.shape, jnp.int32)
    initial = (jnp.int32(0), counts, jnp.full(3, -jnp.inf, values.dtype))
    _, counts, best = jax.lax.while_loop(lambda state: state[0] < num_pairs, one_pass, initial)
    return counts, best


def _pair(key: jax.Array, number: jax.Array, num_others: int) -> tuple[jax.Array, jax.Array]:
    """Return the two different references of one draw, each ordered pair equally likely."""
    own = jax.random.fold_in(key, number)
    left, step = jax.random.randint(own, (2,), jnp.array([0, 1]), num_others)
    return left, (left + step) % num_others


def _at(forms: MatchForms, index: jax.Array | slice | int) -> MatchForms:
    return jax.tree.map(lambda form: form[index], forms)


def _flattened(reference: AnArray, metamers: AnArray, others: AnArray) -> tuple[jax.Array, ...]:
    """Return the activations as vectors [q], [b, q] and [r, q] of one floating-point type."""
    arrays = [narrowed(jnp.asarray(array)) for array in (reference, metamers, others)]
    shape = arrays[0].shape
    if any(array.shape[1:] != shape or array.ndim == 0 for array in arrays[1:]) or 0 in shape:
        raise InputError(
            f"`metamers` has shape {arrays[1].shape}, `others` {arrays[2].shape} and `reference` "
            f"{shape}; the first two need one axis more than the reference, and all the same "
            "entries, at least one."
        )
    _check_finite("reference", arrays[0])
    dtype = jnp.result_type(jnp.float32, *arrays)
    first, *rest = (array.astype(dtype) for array in arrays)
    return first.ravel(), *(array.reshape(len(array), first.size) for array in rest)


def _check_values_and_pool(values: jax.Array, pool: jax.Array) -> None:
    if pool.ndim != 2 or not pool.shape[1]:
        raise InputError(
            f"`others` has shape {pool.shape}; [references, entries], with at least one entry, is "
            "needed. Flatten the activations of each reference to one row."
        )
    if values.ndim != 2 or values.shape[1] != len(STATISTICS):
        raise InputError(
            f"`values` has shape {values.shape}; [metamers, {len(STATISTICS)}] is needed, one row "
            f"of {', '.join(STATISTICS)} for each metamer."
        )
    _check_finite("others", pool)


def _check_finite(name: str, array: jax.Array) -> None:
    if not bool(jnp.isfinite(array).all()):
        raise InputError(f"`{name}` is not finite; a match with it is not defined.")


def _check_counts(num_others: int, num_pairs: int) -> None:
    if num_others < 2:
        raise InputError(
            f"`others` holds {num_others} references; a pair needs two different ones, and a null "
            "distribution far more."
        )
    if not 1 <= num_pairs <= MAX_PAIRS:
        raise InputError(
            f"`num_pairs` is {num_pairs}, allowed are 1 to {MAX_PAIRS}; the smallest p-value is "
            "1 / (1 + num_pairs), so 999 are enough for 0.001, of 33 others or more."
        )
