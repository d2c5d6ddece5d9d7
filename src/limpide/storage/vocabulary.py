"""Reading metadata over a closed vocabulary: this key, of this type, within these bounds.

Answers for: an error that names the place when a model file says something limpide has no word
for. Not for: which words there are; each loader lists its own. Nothing is ever looked up by import.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from limpide.errors import ModelFileError, nearest
from limpide.storage.layout import spec_text

T = TypeVar("T")

_JSON_NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
_REMEDY = "The file was not written by this version of limpide: save the model again."


def expect_keys(
    value: Any, required: Iterable[str] = (), optional: Iterable[str] = (), *, where: str
) -> dict[str, Any]:
    """Give ``value`` back if it is an object with all the required keys and no unknown one.

    Parameters
    ----------
    value
        A part of the metadata, or a whole dict of tensors.
    required, optional
        The vocabulary.
    where
        The place for errors, such as ``layers[2]``; name the file in it too.

    Raises
    ------
    ModelFileError
        Names the place, the key and, for an unknown one, the nearest that is known.

    Examples
    --------
    >>> expect_keys({"units": 4}, required={"units"}, optional={"activation"}, where="layers[2]")
    {'units': 4}
    """
    found = _checked(value, dict, where)
    required = sorted(required)
    known = [*required, *sorted(optional)]
    for key in required:
        if key not in found:
            raise _wrong(where, f"the key {key!r}", f"the keys {_listed(found)}")
    for key in found:
        if key not in known:
            raise ModelFileError(
                f"{where} has the unknown key {key!r}; known are {_listed(known)}."
                f"{nearest(key, known)} {_REMEDY}"
            )
    return found


def expect_text(value: Mapping[str, Any], key: str, *, where: str) -> str:
    """Give the text under ``key``.

    >>> expect_text({"name": "age"}, "name", where="columns[0]")
    'age'
    """
    return _checked(_under(value, key, where), str, f"{where}.{key}")


def expect_bool(value: Mapping[str, Any], key: str, *, where: str) -> bool:
    """Give the truth value under ``key``.

    >>> expect_bool({"bias": True}, "bias", where="layers[0]")
    True
    """
    return _checked(_under(value, key, where), bool, f"{where}.{key}")


def expect_int(
    value: Mapping[str, Any],
    key: str,
    *,
    where: str,
    minimum: int | None = None,
    maximum: int | None = None,
) -> int:
    """Give the integer under ``key``, within bounds that are allowed themselves.

    >>> expect_int({"units": 4}, "units", where="layers[0]", minimum=1)
    4
    """
    place = f"{where}.{key}"
    return _bounded(_checked(_under(value, key, where), int, place), place, minimum, maximum)


def expect_float(
    value: Mapping[str, Any],
    key: str,
    *,
    where: str,
    minimum: float | None = None,
    maximum: float | None = None,
) -> float:
    """Give the number under ``key`` as a float, within bounds that are allowed themselves.

    >>> expect_float({"rate": 1}, "rate", where="layers[0]", minimum=0, maximum=1)
    1.0
    """
    place = f"{where}.{key}"
    return _bounded(_checked(_under(value, key, where), float, place), place, minimum, maximum)


def expect_object(value: Mapping[str, Any], key: str, *, where: str) -> dict[str, Any]:
    """Give the object under ``key``; check its own keys with ``expect_keys``.

    >>> expect_object({"target": {}}, "target", where="model")
    {}
    """
    return _checked(_under(value, key, where), dict, f"{where}.{key}")


def expect_list(
    value: Mapping[str, Any], key: str, of: type[T], *, where: str, length: int | None = None
) -> list[T]:
    """Give the list under ``key``, each of its members of the type ``of``.

    Parameters
    ----------
    of
        ``str``, ``int``, ``float`` (whole numbers become floats), ``bool``, ``dict`` or ``list``.
    length
        How many members there must be.

    Examples
    --------
    >>> expect_list({"medians": [0.5, 2]}, "medians", float, where="scaling", length=2)
    [0.5, 2.0]
    """
    place = f"{where}.{key}"
    members = _checked(_under(value, key, where), list, place)
    if length is not None and len(members) != length:
        raise _wrong(place, f"{length} members", f"{len(members)}")
    return [_checked(member, of, f"{place}[{i}]") for i, member in enumerate(members)]


@overload
def expect_choice(
    value: Mapping[str, Any], key: str, choices: Mapping[str, T], *, where: str
) -> T: ...
@overload
def expect_choice(
    value: Mapping[str, Any], key: str, choices: Sequence[str], *, where: str
) -> str: ...
def expect_choice(
    value: Mapping[str, Any], key: str, choices: Mapping[str, Any] | Sequence[str], *, where: str
) -> Any:
    """Give what ``choices`` has for the word under ``key``, or the word itself from a list.

    >>> expect_choice({"activation": "relu"}, "activation", {"relu": max}, where="layers[0]")
    <built-in function max>
    """
    word = expect_text(value, key, where=where)
    if word not in choices:
        raise ModelFileError(
            f"{where}.{key} must be one of {', '.join(sorted(choices))}; received {word!r:.80}."
            f"{nearest(word, choices)} {_REMEDY}"
        )
    return choices[word] if isinstance(choices, Mapping) else word


def expect_tensor(
    tensors: Mapping[str, NDArray[Any]],
    name: str,
    shape: Sequence[int | None],
    dtype: DTypeLike,
    *,
    where: str,
) -> NDArray[Any]:
    """Give the tensor of this name, shape and dtype; None in the shape stands for any length.

    >>> expect_tensor({"bias": np.zeros(2)}, "bias", (2,), "float64", where="people.safetensors")
    array([0., 0.])
    """
    if name not in tensors:
        raise _wrong(where, f"the tensor {name!r}", f"the tensors {_listed(tensors)}")
    array = tensors[name]
    fits = len(shape) == array.ndim and all(
        want is None or want == n for want, n in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype != np.dtype(dtype):
        raise _wrong(
            f"{where}, tensor {name!r},",
            spec_text(np.dtype(dtype), shape),
            spec_text(array.dtype, array.shape),
        )
    return array


def _wrong(where: str, expected: str, received: str) -> ModelFileError:
    return ModelFileError(f"{where} must have {expected}; received {received}. {_REMEDY}")


def _listed(words: Iterable[str]) -> str:
    words = [repr(word) for word in words]
    more = f" and {len(words) - 20} more" if len(words) > 20 else ""
    return (", ".join(words[:20]) or "none") + more


def _under(value: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in value:
        raise _wrong(where, f"the key {key!r}", f"the keys {_listed(value)}")
    return value[key]


def _checked(value: Any, kind: type[T], where: str) -> T:
    """Give a value of exactly this JSON type: true is no 1, but 1 is a float where one is asked."""
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        received = _JSON_NAMES.get(type(value), type(value).__name__)
        raise ModelFileError(
            f"{where} must be {_JSON_NAMES[kind]}; received {received}, {value!r:.80}. {_REMEDY}"
        )
    return value


def _bounded(value: T, place: str, minimum: float | None, maximum: float | None) -> T:
    low = -math.inf if minimum is None else minimum
    high = math.inf if maximum is None else maximum
    if not low <= value <= high:  # type: ignore[operator]
        raise ModelFileError(f"{place} must be from {low} to {high}; received {value}. {_REMEDY}")
    return value
