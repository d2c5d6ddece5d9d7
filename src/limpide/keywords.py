"""Calls that fit no signature: an unknown keyword is answered with the nearest one.

Answers for ``Network([2, 1], activaton="relu")`` and for missing or surplus arguments. Not for:
the values of arguments, which are checked where they are used.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from limpide.errors import ArgumentTypeError, LimpideError, nearest

T = TypeVar("T", bound=Callable[..., Any])


def known_keywords(target: T) -> T:
    """Decorate a function or a class, so that a call that does not fit says what would.

    >>> @known_keywords
    ... def fit(epochs=20): ...
    >>> fit(epoch=3)
    Traceback (most recent call last):
        ...
    limpide.errors.ArgumentTypeError: fit has no argument 'epoch'. Did you mean 'epochs'?
    """
    if isinstance(target, type):
        target.__init__ = known_keywords(target.__init__)  # type: ignore[misc]
        return cast("T", target)

    @functools.wraps(target)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            return target(*args, **kwargs)
        except TypeError as error:
            # Only a call that cannot be bound is ours to word; any other error goes through.
            if isinstance(error, LimpideError):
                raise
            signature = inspect.signature(target)  # read here: a right call never needs it
            wrong = _mismatch(signature, _shown(target, signature, args), args, kwargs)
            if wrong is None:
                raise
        raise wrong

    return cast("T", checked)


def _shown(target: Callable[..., Any], signature: inspect.Signature, args: tuple[Any, ...]) -> str:
    """Give the name that the user called: the class of the object, not where its method stands."""
    name = target.__qualname__
    if args and next(iter(signature.parameters), "") == "self":
        name = f"{type(args[0]).__name__}.{target.__name__}"
    return name.removesuffix(".__init__").removesuffix(".__call__")


def _mismatch(
    signature: inspect.Signature, shown: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> ArgumentTypeError | None:
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        names = [name for name in signature.parameters if name != "self"]
        for keyword in kwargs:
            if keyword not in names:
                hint = nearest(keyword, names) or f" It takes {', '.join(names)}."
                return ArgumentTypeError(f"{shown} has no argument {keyword!r}.{hint}")
        return ArgumentTypeError(f"{shown}: {error}. It takes {', '.join(names)}.")
    return None
