"""The table of measures: one line here makes a measure known everywhere."""

from collections.abc import Sequence

from jmetamer._base.errors import InputError, unknown_name
from jmetamer.measures.features import FEATURE_MEASURES
from jmetamer.measures.measure import Measure

MEASURES: dict[str, Measure] = {measure.name: measure for measure in FEATURE_MEASURES}

FEATURE_KINDS = ("binary", "one_hot", "continuous")


def measures_for(feature_kind: str, names: Sequence[str] | None = None) -> tuple[Measure, ...]:
    """Return the measures of a feature kind, all of them or those that are named.

    Args:
      feature_kind: "binary", "one_hot" or "continuous", of the metamers.
      names: keys of `MEASURES` in the order wanted, or None for all that apply.

    Returns:
      The measures.

    Raises:
      InputError: for an unknown kind or name, and for a measure that does not apply to the kind.

    Example:
      >>> [measure.name for measure in measures_for("continuous")]
      ['features/cosine', 'features/log_norm', 'features/normalized_euclidean']
    """
    if feature_kind not in FEATURE_KINDS:
        raise unknown_name("feature kind", feature_kind, FEATURE_KINDS)
    if names is None:
        return tuple(m for m in MEASURES.values() if feature_kind in m.applies_to)
    for name in names:
        if name not in MEASURES:
            raise unknown_name("measure", name, MEASURES)
        if feature_kind not in MEASURES[name].applies_to:
            raise InputError(
                f"`names` asks for {name!r}, which is defined for "
                f"{' and '.join(MEASURES[name].applies_to)} features, but the metamers' are "
                f"{feature_kind}; leave it out, or harden the metamers to 0/1 features."
            )
    return tuple(MEASURES[name] for name in names)
