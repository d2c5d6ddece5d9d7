"""One text for one value, and no reading of what JSON does not have."""

from __future__ import annotations

import enum
import json
from typing import Any

import numpy as np
import pytest

from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.storage.strict_json import MAX_DEPTH, format_json, parse_json


class Size(enum.IntEnum):
    SMALL = 1


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": [value]} if depth % 2 else [value]
    return value


def test_equal_values_give_equal_text() -> None:
    assert format_json({"b": [1, 2.0], "a": None}) == '{"a":null,"b":[1,2.0]}'
    assert format_json({"a": None, "b": (1, 2.0)}) == '{"a":null,"b":[1,2.0]}'
    assert format_json('âge 😀 \x00"\\') == '"âge 😀 \\u0000\\"\\\\"'
    assert format_json([np.float64(0.1), Size.SMALL, True]) == "[0.1,1,true]"


@pytest.mark.parametrize(
    "value",
    [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1.0, 2**128 - 1, 1 - 2**128, "\\ud8ff", "", []],
)
def test_values_come_back_as_they_were(value: Any) -> None:
    back = parse_json(format_json(value))
    assert repr(back) == repr(value)


def test_as_deep_as_allowed_and_no_deeper() -> None:
    deep = nested(MAX_DEPTH)
    assert parse_json(format_json(deep)) == deep
    with pytest.raises(ArgumentError, match=r"is nested more than 64 deep\. Make it flatter"):
        format_json([deep])
    with pytest.raises(ValueError, match="nested more than 64 deep"):
        parse_json(json.dumps([deep]))
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ArgumentError, match="nested more than 64 deep"):
        format_json(endless)


def test_brackets_in_texts_are_not_depth() -> None:
    text = "[{" * 200 + '\\"' * 200
    assert parse_json(json.dumps([text, {text: text}])) == [text, {text: text}]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ({"layers": [1, {"rate": float("nan")}]}, ArgumentError, r"^m.layers\[1\].rate .* no nan"),
        ([float("-inf")], ArgumentError, r"^m\[0\] must be finite, since JSON has no -inf"),
        ({"a": {1: 2}}, ArgumentTypeError, r"^m.a has the key 1, a int.* Write str\(1\)"),
        ({"a": np.float32(1)}, ArgumentTypeError, r"^m.a must be .* received numpy.float32"),
        ({"a": np.zeros(1)}, ArgumentTypeError, "received numpy.ndarray.* put it into a tensor"),
        ({"a": np.bool_(True)}, ArgumentTypeError, r"received numpy.bool"),
        ({"a": {1, 2}}, ArgumentTypeError, "received builtins.set"),
        ({"a": b"x"}, ArgumentTypeError, "received builtins.bytes"),
        (2**128, ArgumentError, "^m must be an integer of at most 128 bits; received one of 129"),
        (["x\ud800"], ArgumentError, r"^m\[0\] is text that no file can hold: '\\ud800' at char"),
        ({"\udfff": 1}, ArgumentError, r"^a key of m is text that no file can hold"),
    ],
)
def test_what_json_does_not_have_is_not_written(
    value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        format_json(value, "m")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a":1,"b":{"c":1,"c":2}}', "the key 'c' stands twice"),
        ('{"a":1,"\\u0061":1}', "the key 'a' stands twice"),
        ("NaN", "NaN is not JSON"),
        ("[Infinity]", "Infinity is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ("1e999", "1e999 is too large for a float"),
        (str(2**128), "too large"),
        ("-" + "9" * 10_000, "an integer of 10001 characters is too large"),
        ("[" * 1_000_000, "nested more than 64 deep"),
        ('{"a":' * 1_000_000, "nested more than 64 deep"),
        ('"\\ud83d"', "half of a character"),
        ('{"\\ude00":1}', "half of a character"),
        ('"a\nb"', "Invalid control character"),
        ("\ufeff{}", "BOM"),
        ("{} {}", "Extra data"),
        ("{'a':1}", "Expecting property name"),
        ("[1,]", "Illegal trailing comma|Expecting value"),
        ("01", "Extra data"),
        ("", "Expecting value"),
        ('"' + "\\" * 1_000_001, "Unterminated string"),
    ],
)
def test_what_is_no_json_is_not_read(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(text)
