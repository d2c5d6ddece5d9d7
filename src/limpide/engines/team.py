"""Processes that run one program together: what those who run it have to know of each other.

Answers for what all of them go by where a clock, a signal or a file would tell each something else.
Not for: how they find each other, and what connects them (``limpide.engines.xla.hosts``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from limpide import errors

_DONE, _REFUSED = b"\0", b"\1"


class Team:
    """One process alone; those that are several have a team of their own kind.

    Attributes
    ----------
    number
        Which of them this is, from 0. Number 0 writes files and shows what happens.
    size
        How many there are.
    """

    number = 0
    size = 1

    def gathered(self, what: str, data: bytes) -> list[bytes]:
        """Give what each of them has to tell, in order; all must ask for the same at once."""
        return [data]

    def keeps(self, told: str) -> None:
        """Note what is to be said of the run's checkpoint if one of them is lost."""

    def agreed(self, what: str, value: Any) -> Any:
        """Give number 0's value, plain enough for JSON.

        >>> Team().agreed("seconds", 0.25)
        0.25
        """
        if self.size == 1:
            return value
        own = json.dumps(value).encode() if self.number == 0 else b""
        return json.loads(self.gathered(what, own)[0])

    def each(self, what: str, value: Any) -> list[Any]:
        """Give the value of each, plain enough for JSON.

        >>> Team().each("rows", 7)
        [7]
        """
        if self.size == 1:
            return [value]
        return [json.loads(one) for one in self.gathered(what, json.dumps(value).encode())]

    def any(self, what: str, flag: bool) -> bool:
        """Tell whether one of them says so.

        >>> Team().any("asked to stop", False)
        False
        """
        return flag if self.size == 1 else any(self.each(what, flag))

    def first(self, what: str, make: Callable[[], bytes]) -> bytes:
        """Let number 0 make something for all; what is refused there is refused everywhere."""
        if self.size == 1:
            return make()
        if self.number:
            return _taken(self.gathered(what, b"")[0])
        try:
            made = _DONE + make()
        except errors.LimpideError as error:
            told = {"kind": type(error).__name__, "text": str(error)}
            self.gathered(what, _REFUSED + json.dumps(told).encode())
            raise
        return _taken(self.gathered(what, made)[0])


def _taken(answer: bytes) -> bytes:
    if not answer.startswith(_REFUSED):
        return answer[1:]
    told = json.loads(answer[1:])
    kind = getattr(errors, str(told["kind"]), None)
    known = isinstance(kind, type) and issubclass(kind, errors.LimpideError)
    raise (kind if known and kind is not None else errors.DataError)(told["text"])


ALONE = Team()
"""This process by itself."""
