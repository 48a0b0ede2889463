"""From a figure to markup that stands inside a page and follows its light or dark colors."""

import html
import io
import re

from matplotlib.figure import Figure

from jmetamer.report.figures import style

# Every drawn color becomes a variable of the page, with the drawn color as its fallback.
_VARIABLES = {
    style.INK: "ink",
    style.RULE: "rule",
    style.BLUE: "blue",
    style.ORANGE: "orange",
    style.GREEN: "green",
    style.PURPLE: "purple",
}

_LONG_NUMBER = re.compile(r"\d+\.\d{3,}")


def svg_markup(figure: Figure, alt: str, prefix: str) -> str:
    """Return a figure as inline SVG.

    Args:
      alt: what the picture shows, in words; becomes its label for screen readers.
      prefix: unique within the page; keeps the identifiers of several pictures apart.

    Returns:
      One `<svg>` element that scales with its container and loads nothing.

    Example:
      >>> with style.styled():
      ...     text = svg_markup(style.blank(), "an empty picture", "a")
      >>> text.startswith('<svg role="img" aria-label="an empty picture"')
      True
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    # Coordinates need two decimals; the written numbers between the tags stay as they are.
    text = re.sub(
        r"<(?!image)[^>]*>", lambda tag: _LONG_NUMBER.sub(_two_decimals, tag.group()), text
    )
    text = re.sub(r"'DejaVu Sans'(, ?[a-z-]+)*", "sans-serif", text)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = text.replace("url(#", f"url(#{prefix}-")
    for color, name in _VARIABLES.items():
        text = text.replace(color, f"var(--{name}, {color})")
    head = re.match(r"<svg[^>]*>", text)
    assert head is not None
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head.group())
    assert box is not None
    opening = (
        f'<svg role="img" aria-label="{html.escape(alt)}" viewBox="{box.group()[9:-1]}" '
        f'style="--natural: {float(box.group(1)) * 4 / 3:.0f}px" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return re.sub(r"\s*\n\s*", "\n", opening + text[head.end() :])


def _two_decimals(match: re.Match[str]) -> str:
    return f"{float(match.group()):.2f}"
