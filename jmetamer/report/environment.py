"""How pages are made from templates: what all of them share."""

import jinja2

from jmetamer.report import wording

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
