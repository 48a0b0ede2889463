"""Pages and sentences from templates: what all of them share, and sentences as plain text."""

import functools
import math
import re
from typing import Any

import jinja2

from jmetamer.report import wording
from jmetamer.report.wording import SAME_LENGTH_SAID, number, percent, short, span

_FORMS = (
    wording.number, wording.percent, wording.duration, wording.plural, wording.listing,
    wording.coded, wording.signed, wording.short, wording.interval, wording.share_limits,
    wording.seeds_needed, wording.level_text, wording.points, wording.middle, wording.limits,
)  # fmt: skip


def page_environment(*packages: str) -> jinja2.Environment:
    """Return an environment that escapes everything and refuses names that do not exist.

    Args:
      packages: whose `templates` folders are looked into, in this order.

    Example:
      >>> page_environment("jmetamer.report").from_string("{{ text }}").render(text="a < b")
      'a &lt; b'
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({form.__name__: form for form in _FORMS}, kappa=wording.short)
    environment.globals.update(short=wording.short, points=wording.points, signed=wording.signed)
    return environment


def is_number(value: float | None) -> bool:
    """Return whether a number is one.

    Example:
      >>> is_number(0.0), is_number(float("nan")), is_number(None)
      (True, False, False)
    """
    return value is not None and not math.isnan(value)


def said(template: str, macro: str, *values: Any) -> str:
    """Return what a macro of a template says, on one line, without a space before a full stop.

    Args:
      template: file in `templates`, without its ending.

    Example:
      >>> said("edge_sentences", "moves", 2.5)
      'The search over edges made 2.5 moves (median).'
    """
    return " ".join(paragraphs(template, macro, *values))


def paragraphs(template: str, macro: str, *values: Any) -> list[str]:
    """Return the paragraphs of a macro, each on one line; in the template each ends with ¶."""
    text = str(getattr(_module(template), macro)(*values))
    text = re.sub(r"[ \n]+", " ", text)  # no-break spaces stay
    text = re.sub(r"(?<=\() | (?=[.,;:?)])", "", text)
    return [part.strip() for part in text.split("¶") if part.strip()]


@functools.cache
def _module(template: str) -> Any:
    environment = page_environment("jmetamer.report")
    environment.autoescape = False  # text, which the page escapes; its white space is collapsed
    environment.trim_blocks = environment.lstrip_blocks = False
    environment.tests.update(known=is_number, finite=math.isfinite)
    environment.filters["span"] = lambda numbers, form=number: span(list(numbers), form)
    environment.globals.update(
        percent=percent, short=short, count="{:,}".format, same_length=SAME_LENGTH_SAID
    )
    return environment.get_template(f"{template}.j2").module
