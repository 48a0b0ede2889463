"""How numbers and lists are written in sentences."""

import math
import re
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from jmetamer.results.adjusted_effect import AdjustedEffect
from jmetamer.results.factorial import Effect
from jmetamer.results.seed_interval import CrossedSummary, SeedSummary

Limited = Effect | AdjustedEffect | SeedSummary | CrossedSummary
_Form = Callable[[float, int], str]  # writes a number with so many decimals at least
_ROUND_OFF = 1e-7  # of shares in float32
_MOST = 7  # decimals: float32 has no more
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SAME_LENGTH_SAID = "random changes of the same length"
# Graphs that are no metamers, by their names in the store.
CONTROLS = {
    "start": "start of the search",
    "displacement": "random change of the same length",
    "flips": "random flips, as many as the metamer's",
    "edge_flips": "random changes of edges, as many as the metamer's",
    "neighbor": "nearest neighbor in representation space",
    "null_space": "null-space replacement",
    "random_edges": "as many edges between random pairs",
    "identity": "the reference itself",
}
CONTROLS_SAID = {
    "displacement": SAME_LENGTH_SAID,
    "flips": "random flips, as many as the metamer's",
    "edge_flips": "random changes of edges, as many as the metamer's",
    "start": "the starts of the search",
}


def number(value: float | None, digits: int = 3) -> str:
    r"""Write a number with few digits, powers of ten as superscripts.

    What is below 1 is never written as 1: it gets as many digits as it takes.

    Example:
      >>> number(8.31e-05) == "8.31\u00a0×\u00a010⁻⁵"
      True
      >>> print(number(0.25), number(1797), number(1e-4), number(float("nan")), sep=", ")
      0.25, 1,797, 10⁻⁴, undefined
      >>> print(number(0.99993), number(-0.9999), number(1.0))
      0.9999 -0.9999 1
    """
    if value is None or math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinity"
    if value == 0:
        return "0"
    if float(2 * value).is_integer() and abs(value) < 1e6:
        return f"{value:,.1f}".removesuffix(".0")  # a count, or the median of counts
    if 1e-3 <= abs(value) < 1e6:
        text = _below_one(value, f"{value:.{digits}g}")
        return f"{float(text):,.0f}" if "e" in text else text
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = power_of_ten(int(exponent))
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    # No-break spaces keep the number on one line.
    return power if mantissa == "1" else f"{mantissa}\u00a0×\u00a0{power}"


def fixed(value: float, digits: int) -> str:
    """Write a number with a true minus sign; as 0 only what is 0, round-off aside.

    Args:
      value: the number.
      digits: after the point; what is smaller gets as many as it takes.

    Example:
      >>> fixed(1e-9, 2), fixed(0.5, 1), fixed(-0.0013, 2)
      ('0.00', '0.5', '−0.001')
    """
    if _ROUND_OFF < abs(value) < 0.5 * 10**-digits:
        digits = math.ceil(-math.log10(2 * abs(value)))
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def decimals(low: float | None, high: float | None) -> int:
    """Return after how many decimals limits can be told apart: four steps at least between them.

    Example:
      >>> decimals(0.2, 0.9), decimals(-0.0013, 0.0008), decimals(100, 900), decimals(None, None)
      (1, 4, -2, 0)
    """
    width = 0.0 if low is None or high is None else high - low
    return min(math.ceil(math.log10(4 / width)), _MOST) if 0 < width < math.inf else 0


def _below_one(value: float, text: str) -> str:
    """Write a number just below 1 with the digits that tell it from 1, round-off aside."""
    gap = 1 - abs(value)
    if gap <= _ROUND_OFF or abs(float(text)) != 1:
        return text
    return f"{value:.{math.ceil(-math.log10(2 * gap))}f}"


def power_of_ten(exponent: int) -> str:
    """Write a power of ten with a superscript.

    Example:
      >>> power_of_ten(-4)
      '10⁻⁴'
    """
    return f"10{str(exponent).translate(_SUPERSCRIPT)}"


def percent(share: float | None, least: int = 0) -> str:
    """Write a share in [0, 1] as a percentage with one decimal, or with `least` of the share's.

    100% and 0% are written of all and of none alone: other shares get as many decimals as it takes.

    Example:
      >>> print(percent(0.984375), percent(1.0), percent(None))
      98.4% 100% undefined
      >>> print(percent(0.99994), percent(0.0002), percent(0.0))
      99.99% 0.02% 0%
    """
    if share is None or math.isnan(share):
        return "undefined"
    gap = min(abs(share), abs(1 - share))
    digits = max(1, least - 2)
    if _ROUND_OFF < gap < 5e-4:
        digits = max(digits, math.ceil(-math.log10(200 * gap)))
    return f"{100 * share:.{digits}f}".removesuffix(".0") + "%"


def signed(value: float, least: int = 0) -> str:
    """Write an effect with its sign, with three digits or `least` decimals.

    Example:
      >>> print(signed(2.5), signed(-0.1), signed(0.0))
      +2.5 -0.1 0
    """
    digits = 3
    if value and math.isfinite(value):
        digits = max(digits, least + 1 + math.floor(math.log10(abs(value))))
    return f"+{number(value, digits)}" if value > 0 else number(value, digits)


def points(value: float, least: int = 0) -> str:
    """Write a difference of shares in percentage points, with its sign.

    Example:
      >>> print(points(0.01234), points(-0.5), points(1e-9))
      +1.23 -50 0
    """
    return signed(100 * value if abs(value) > _ROUND_OFF else 0.0, least - 2)


def short(value: float, least: int = 0) -> str:
    """Write a kappa with two decimals, or `least`; as 0 only what is 0.

    Example:
      >>> short(-0.001), short(0.314)
      ('-0.001', '0.31')
    """
    if math.isnan(value):
        return "undefined"
    return fixed(value, max(2, least)).replace("\N{MINUS SIGN}", "-")


def middle(one: Limited, form: _Form = short) -> str:
    """Write a mean with the decimals of its interval.

    Args:
      one: with limits.
      form: writes a number with so many decimals at least.

    Example:
      >>> middle(AdjustedEffect(-0.0003, -0.0013, 0.0008, 1.0, 0.3, 6))
      '-0.0003'
    """
    return form(one.mean, decimals(one.low, one.high))


def limits(one: Limited, form: _Form = short) -> str:
    """Write finite limits so that they and their signs can be read.

    Args:
      one: with limits.
      form: writes a number with so many decimals at least.

    Example:
      >>> limits(AdjustedEffect(-0.0003, -0.0013, 0.0008, 1.0, 0.3, 6))
      '-0.0013 to 0.0008'
    """
    return " to ".join(form(end, decimals(one.low, one.high)) for end in (one.low, one.high))


def plural(count: int, noun: str) -> str:
    """Write a count with its noun.

    Example:
      >>> print(plural(1, "cell"), plural(1797, "node"), plural(2, "search"), sep=", ")
      1 cell, 1,797 nodes, 2 searches
    """
    ending = "" if count == 1 else "es" if noun.endswith(("s", "ch")) else "s"
    return f"{count:,} {noun}{ending}"


def listing(items: Sequence[str], limit: int = 6) -> str:
    """Join names with commas and "and"; after `limit` names the rest is counted.

    Example:
      >>> print(listing(["a", "b", "c"]), "|", listing(list("abcdefgh"), limit=3))
      a, b and c | a, b, c and 5 more
    """
    names = list(items)
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def interval(one: Effect | AdjustedEffect | SeedSummary, form: _Form = signed) -> str:
    """Write the limits over seeds, or why there are none.

    Example:
      >>> print(interval(AdjustedEffect(0.1, -0.2, 0.4, 1.0, 0.3, 6)))
      -0.2 to +0.4
      >>> print(interval(AdjustedEffect(0.0, 0.0, 0.0, 1.0, 0.3, 3)))
      all 3 equal
    """
    if one.num_seeds == 1:
        return "one seed"
    return f"all {one.num_seeds} equal" if one.all_equal else limits(one, form)


def share_limits(fit: AdjustedEffect) -> str:
    """Write the limits of the direct part as a share of the effect.

    Example:
      >>> share_limits(AdjustedEffect(0.1, -0.2, 0.4, 1.0, 0.3, 6, 0.3, -0.2, 0.9))
      '-20% to 90%'
    """
    if math.isinf(fit.share_low):
        return "no limits"
    if fit.all_equal:
        return f"all {fit.num_seeds} equal"
    return f"{percent(fit.share_low)} to {percent(fit.share_high)}"


def seeds_needed(fit: AdjustedEffect) -> str:
    """Write how many seeds would be enough.

    Example:
      >>> seeds_needed(AdjustedEffect(0.1, -0.2, 0.4, 1.0, 0.3, 6))
      'more than 10,000'
    """
    needed = fit.seeds_needed
    return f"{needed:,.0f}" if math.isfinite(needed) else "more than 10,000"


def level_text(level: object) -> str:
    """Write a level as the configuration has it.

    Example:
      >>> level_text(True), level_text("elu"), level_text(None)
      ('true', 'elu', 'null')
    """
    if level is None:
        return "null"
    return str(level).lower() if isinstance(level, bool) else str(level)


def coded(text: str) -> Markup:
    """Write text for the page, with what stands between backticks as code.

    Example:
      >>> print(coded("raise `steps` & wait"))
      raise <code>steps</code> &amp; wait
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def duration(seconds: float) -> str:
    """Write a number of seconds in the unit a person would use.

    Example:
      >>> print(duration(0.42), duration(75.0), duration(7260.0), sep=", ")
      0.42 s, 1 min 15 s, 2 h 1 min
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def span(numbers: Sequence[float], form: Callable[[float], str] = number) -> str:
    """Write one number, or "low to high" where rounding leaves them different.

    Args:
      numbers: in any order; nothing is written of none.

    Example:
      >>> span([0.5, 0.25]), span([0.5, 0.5], percent)
      ('0.25 to 0.5', '50%')
    """
    if not numbers:
        return ""
    low, high = form(min(numbers)), form(max(numbers))
    return low if low == high else f"{low} to {high}"
