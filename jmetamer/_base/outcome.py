"""`Outcome`: how something ended, as a number that is stored, with what happened and what to do."""

import enum
from typing import Self


class Outcome(enum.IntEnum):
    """Base of enumerations whose members are (number, what happened, what to do).

    Example:
      >>> class Search(Outcome):
      ...     FAILED = 1, "nothing was found", "look elsewhere"
      >>> int(Search.FAILED), Search.FAILED.remedy
      (1, 'look elsewhere')
    """

    message: str
    remedy: str

    def __new__(cls, value: int, message: str, remedy: str) -> Self:
        """Attach the texts to the integer."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.message = message
        member.remedy = remedy
        return member
