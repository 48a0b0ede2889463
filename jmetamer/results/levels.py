"""The check of a coverage probability, shared by every interval."""

from jmetamer._base.errors import InputError


def check_level(level: float) -> None:
    """Refuse a level that is no coverage probability.

    Args:
      level: coverage of an interval.

    Raises:
      InputError: unless it is strictly between 0 and 1.

    Example:
      >>> check_level(0.95)
    """
    if not 0.0 < level < 1.0:
        raise InputError(
            f"`level` is {level}, allowed are numbers strictly between 0 and 1, because it is a "
            "coverage probability; give 0.95 for a 95% interval."
        )
