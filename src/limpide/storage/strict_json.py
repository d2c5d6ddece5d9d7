"""JSON as a model file has it: one spelling of one value, nothing that Python alone would read.

Answers for: writing the same text for equal values; reading without a surprise (repeated keys,
NaN, depth, huge numbers). Not for: which keys and values make sense (``vocabulary``).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from limpide.errors import ArgumentError, ArgumentTypeError

MAX_DEPTH = 64
"""How deep lists and objects may stand in each other, in reading and in writing."""

_INTEGERS_BELOW = 2**128  # the size of the largest seed that NumPy draws by itself
_DIGITS_AT_MOST = len(str(-_INTEGERS_BELOW))
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)


def format_json(value: Any, where: str = "metadata") -> str:
    """Give the JSON text of a value: keys sorted, no spaces, letters of all languages as they are.

    Parameters
    ----------
    value
        A dict with text keys, list, tuple (read back as a list), str, int of at most 128 bits,
        finite float, bool or None, nested at most ``MAX_DEPTH`` deep.
    where
        What an error calls the value.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        For anything else: names the place, such as ``metadata.layers[2].rate``.

    Examples
    --------
    >>> format_json({"rate": 0.1, "layers": [{"units": 2}]})
    '{"layers":[{"units":2}],"rate":0.1}'
    """
    _check_value(value, where, MAX_DEPTH)
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def parse_json(text: str) -> Any:
    """Read a JSON text strictly.

    Raises
    ------
    ValueError
        With the reason alone, such as ``the key 'a' stands twice``; the caller adds the file.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ValueError: the key 'a' stands twice
    """
    _check_depth(text)
    value = json.loads(
        text,
        object_pairs_hook=_object,
        parse_constant=_refuse_constant,
        parse_int=_integer,
        parse_float=_number,
    )
    _check_unicode(value)
    return value


def _check_value(value: Any, where: str, depth: int) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _check_text(value, where)
    elif isinstance(value, int):
        if abs(value) >= _INTEGERS_BELOW:
            raise ArgumentError(
                f"{where} must be an integer of at most 128 bits; received one of "
                f"{value.bit_length()}. Write it as text."
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ArgumentError(
                f"{where} must be finite, since JSON has no {float(value)!r}. "
                f"Write None or text, or put it into a tensor."
            )
    elif isinstance(value, (dict, list, tuple)):
        _check_inside(value, where, depth - 1)
    else:
        raise ArgumentTypeError(
            f"{where} must be a dict, list, str, int, float, bool or None; "
            f"received {type(value).__module__}.{type(value).__qualname__}. "
            f"Convert it, or put it into a tensor."
        )


def _check_inside(
    value: dict[Any, Any] | list[Any] | tuple[Any, ...], where: str, rest: int
) -> None:
    if rest < 0:
        raise ArgumentError(f"{where[:80]} is nested more than {MAX_DEPTH} deep. Make it flatter.")
    if not isinstance(value, dict):
        for i, inner in enumerate(value):
            _check_value(inner, f"{where}[{i}]", rest)
        return
    for key, inner in value.items():
        if not isinstance(key, str):
            raise ArgumentTypeError(
                f"{where} has the key {key!r}, a {type(key).__name__}; JSON has text keys only. "
                f"Write str({key!r})."
            )
        _check_text(key, f"a key of {where}")
        _check_value(inner, f"{where}.{key}", rest)


def _check_text(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(
            f"{where} is text that no file can hold: {text[error.start]!a} at character "
            f"{error.start} is half of a character. Remove it."
        ) from None


def _check_depth(text: str) -> None:
    """Refuse deep text before the parser, which calls itself for each level, sees it."""
    depth = 0
    for token in _TOKEN.finditer(text):
        character = text[token.start()]
        if character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        elif character in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice")
        found[key] = value
    return found


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _integer(text: str) -> int:
    if len(text) > _DIGITS_AT_MOST or abs(int(text)) >= _INTEGERS_BELOW:
        raise ValueError(f"an integer of {len(text)} characters is too large")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large for a float")
    return number


def _check_unicode(value: Any) -> None:
    """Refuse halves of characters, which JSON can spell as escapes and no output can show."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text in it holds half of a character") from None
