"""Sentences that stand in templates, as plain text."""

import functools
import math
import re
from typing import Any

from jmetamer.report.environment import page_environment
from jmetamer.report.wording import SAME_LENGTH_SAID, number, percent, short, span


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
