"""Every error and warning that limpide raises on purpose.

Each error is a ``LimpideError`` and also the built-in exception that a NumPy user would expect,
so that ``except ValueError`` keeps working. Not for: the wording, which stands where it is raised.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable


class LimpideError(Exception):
    """The root of limpide's errors: what was expected, what was received, where, what to do."""


class ArgumentError(LimpideError, ValueError):
    """An argument has a value that cannot be used, such as ``epochs=-1``."""


class ArgumentTypeError(LimpideError, TypeError):
    """An argument has a type that cannot be used, or a keyword that does not exist."""


class NameKeyError(LimpideError, KeyError):
    """A name that does not exist was looked up, such as ``net.params["hiden1.bias"]``."""

    __str__ = Exception.__str__  # KeyError would show the message in quotes


class ShapeError(LimpideError, ValueError):
    """Shapes do not fit together; raised when the graph is built, before anything runs."""


class DtypeError(LimpideError, TypeError):
    """Dtypes do not fit together, or cannot be converted exactly."""


class TraceError(LimpideError, TypeError):
    """A traced value was used where its number is needed, such as in ``if x > 0:``."""


class DataError(LimpideError, ValueError):
    """The data (rows, columns, labels) cannot be used as they are."""


class FileError(LimpideError, OSError):
    """A file cannot be read or written."""


class ModelFileError(LimpideError, ValueError):
    """A model file is damaged, of another kind, or written by a newer limpide."""


class CheckpointError(LimpideError, ValueError):
    """A run cannot go on from a checkpoint, or may not replace it; nothing has changed."""


class DivergenceError(LimpideError, ValueError):
    """Training produced a loss that is not finite; the last finite weights were restored.

    Attributes
    ----------
    step
        The step, counted from 1 over all epochs.
    loss
        The loss of that step, infinite or NaN.
    history
        The ``History`` of the epochs before.
    """

    def __init__(
        self, message: str, *, step: int = 0, loss: float = math.nan, history: object = None
    ) -> None:
        super().__init__(message)
        self.step, self.loss, self.history = step, loss, history


class MemoryLimitError(LimpideError, ValueError):
    """What was asked for would not fit in this machine's memory; nothing was allocated."""


class MissingExtraError(LimpideError, OSError):
    """An optional package is not installed; the message holds the command that installs it."""


class CompileError(LimpideError, OSError):
    """LLVM could not make or load machine code on this machine."""


class LimpideWarning(UserWarning):
    """Something was changed or assumed that a reader would want to know."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """Give ``" Did you mean 'x'?"`` for the choice nearest to ``word``, or an empty string.

    >>> nearest("sigmod", ["relu", "sigmoid"])
    " Did you mean 'sigmoid'?"
    """
    names = {str(choice).lower(): choice for choice in choices}
    found = difflib.get_close_matches(str(word).lower(), names, n=1, cutoff=0.5)
    return f" Did you mean {names[found[0]]!r}?" if found else ""


def choice_error(argument: str, received: object, choices: Iterable[str]) -> ArgumentError:
    """Build the error for a word that is none of ``choices``: lists them and the nearest one."""
    names = sorted(choices)
    return ArgumentError(
        f"{argument} must be one of {', '.join(names)}; received {received!r}."
        + nearest(str(received), names)
    )
