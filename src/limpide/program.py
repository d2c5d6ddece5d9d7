"""How the command line starts and ends: streams, notes, one-line errors, exit statuses, Ctrl-C.

Answers for what holds for every command. Not for: the commands (``limpide.commands``).

Exit statuses: 0 done, 1 data or model at fault, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import errno
import io
import itertools
import math
import os
import re
import shutil
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

import click

import limpide
from limpide import stopping
from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    LimpideError,
    LimpideWarning,
    nearest,
)
from limpide.languages import LANGUAGES, Words, words_in
from limpide.retelling import retold_of

DONE, FAULT, USAGE, INTERRUPTED = 0, 1, 2, 130


class Misuse(click.UsageError):
    """A command that cannot be meant like that; the message says what to write instead."""


if TYPE_CHECKING:  # generic in new versions of click only
    _Choice = click.Choice[str]
    _Type = click.ParamType[Any]
else:
    _Choice, _Type = click.Choice, click.ParamType


@dataclass
class Session:
    """One run of the program: its language, how it is stopped, whether tracebacks are wanted."""

    words: Words = field(default_factory=words_in)
    arguments: Sequence[str] = ()
    stop: stopping.Stop = field(default_factory=lambda: stopping.Stop(gentle=False))
    traceback: bool = False


class Choice(_Choice):
    """One of a few words; a wrong one is answered with all of them and the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices:
            self.fail(
                f"{value!r} is none of {', '.join(self.choices)}."
                + nearest(str(value), self.choices),
                param,
                ctx,
            )
        return str(value)


class Number(_Type):
    """A number in a range; anything else is answered with the range and an example."""

    name = "number"

    def __init__(
        self, kind: type[int] | type[float], low: float, high: float, example: str
    ) -> None:
        self._kind, self._low, self._high, self._example = kind, low, high, example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        what = "a whole number" if self._kind is int else "a number"
        try:
            converted = self._kind(value)
        except ValueError:
            self.fail(f"{value!r} is not {what}. Write {self._example}.", param, ctx)
        if not self._low <= converted < self._high:  # NaN fails it too
            above = f" and less than {self._high:,}" if self._high < float("inf") else ""
            text = f"{value} must be at least {self._low:g}{above}. Write {self._example}."
            self.fail(text, param, ctx)
        return converted


class Rate(_Type):
    """A finite number above 0."""

    name = "rate"

    def __init__(self, example: str) -> None:
        self._example = example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            converted = float(value)
        except ValueError:
            converted = math.nan
        if not 0 < converted < math.inf:
            self.fail(
                f"{value!r} is not a number above 0. Write {self._example}."
                if converted != math.inf
                else f"{value!r} is not finite. Write {self._example}.",
                param,
                ctx,
            )
        return converted


class Rates(_Type):
    """Several finite numbers above 0, such as 0.1,1."""

    name = "rates"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[float]:
        if isinstance(value, list):
            return value
        one = Rate("--rates 0.1,1,10")
        return [one.convert(word.strip(), param, ctx) for word in str(value).split(",")]


class PathName(_Type):
    """A path; an empty one, such as an unset variable of the shell gives, names nothing."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = os.fsdecode(value)
        if not text:
            self.fail("'' is the path of nothing. Write the path of a file.", param, ctx)
        return text


class Sizes(_Type):
    """The sizes of hidden layers, such as 64,64."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        if isinstance(value, list):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
            self.fail(
                f"{value!r} is not a list of layer sizes. Write --hidden 64 for one layer of 64 "
                "neurons, --hidden 64,64 for two.",
                param,
                ctx,
            )
        return [int(word) for word in words]


def run(program: click.Group, arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit status; whatever goes wrong becomes one line."""
    given = sys.argv[1:] if arguments is None else arguments
    session = Session(words_in(_language_asked(given)), given)
    _prepare_streams()
    with stopping.catching(session.stop), _notes():
        try:
            status = program.main(
                arguments, prog_name="limpide", standalone_mode=False, obj=session
            )
            sys.stdout.flush()
            return int(status or DONE)
        except SystemExit as exit:  # click's own end, where a pipe was closed during --help
            return int(exit.code or DONE)
        except BaseException as error:
            if session.traceback:
                with suppress(OSError):
                    print(_escaped(traceback.format_exc()), end="", file=sys.stderr, flush=True)
            if isinstance(error, click.exceptions.NoArgsIsHelpError):
                with suppress(OSError):
                    print(error.format_message(), file=sys.stderr, flush=True)
                return USAGE
            status, text = _judged(error, session.words)
            complain(text)
            return status


def _language_asked(arguments: Sequence[str]) -> str | None:
    """Give the last language that is asked for anywhere, before click reads what stands there.

    ``--help`` and what is wrong with an option are said in it too, also where they come first.
    """
    asked = None
    for word, following in itertools.pairwise([*arguments, ""]):
        if word == "--":
            break
        name, sign, value = word.partition("=")
        if name == "--language":
            asked = value if sign else following
    return asked if asked in LANGUAGES else None


def words() -> Words:
    """Give what is said in the language of the command that is running."""
    context = click.get_current_context(silent=True)
    session = context.find_object(Session) if context is not None else None
    return session.words if session is not None else words_in()


def _judged(error: BaseException, words: Words) -> tuple[int, str]:
    """Give the exit status for an error, and the line that is shown."""
    if isinstance(error, click.ClickException):
        return error.exit_code, _usage_text(error)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return INTERRUPTED, words.say("interrupted.")
    if isinstance(error, LimpideError):
        wrong = isinstance(error, (ArgumentError, ArgumentTypeError))
        return USAGE if wrong else FAULT, str(error)
    if isinstance(error, MemoryError):
        return FAULT, f"out of memory: {error or 'nothing more is said'}. Give fewer rows."
    if isinstance(error, OSError) and error.filename is None:
        abandon(sys.stdout)
        return FAULT, f"cannot write the output: {error.strerror or error}. Send it elsewhere."
    if isinstance(error, OSError):
        return FAULT, f"{error.filename!r}: {error.strerror or error}. Check the path."
    return FAULT, (
        f"a fault of limpide itself: {type(error).__name__}: {error}. "
        "Run it again with --traceback and report what that shows."
    )


def _usage_text(error: click.ClickException) -> str:
    text = error.format_message()
    context = getattr(error, "ctx", None)
    if context is None or type(error) in (click.BadParameter, Misuse):  # which say what to write
        return text
    return f"{text} See {context.command_path} --help."


def command(*words: str) -> str:
    """Give one of limpide's commands as this user has to type it.

    The program has the name that it was started by: with ``uv run`` or ``python -m`` before it,
    or with its path where the shell would not find it.
    """
    return str(limpide.reports.command(*_started_by(), *words))


def _started_by() -> list[str]:
    started = Path(sys.argv[0])
    before = ["uv", "run"] if {"UV", "UV_RUN_RECURSION_DEPTH"} & set(os.environ) else []
    if started.name == "__main__.py" and started.parent == Path(__file__).parent:
        return [*before, sys.orig_argv[0], "-m", "limpide"]
    if before or started.stem != "limpide" or not started.exists():
        return [*before, "limpide"]
    found = shutil.which("limpide")
    return ["limpide"] if found and os.path.samefile(found, started) else [str(started)]


def complain(text: str) -> None:
    """Write one line on standard error."""
    with suppress(OSError):
        print(f"limpide: {_line(text)}", file=sys.stderr, flush=True)


def note(text: str) -> None:
    """Write a note on standard error."""
    with suppress(OSError):
        print(words().say("note: {text}", text=_line(text)), file=sys.stderr, flush=True)


def _line(text: str) -> str:
    """Put a text on one line; spaces that do not break stay what they are."""
    return str(limpide.reports.shown(re.sub(r"[ \t\n\v\f\r]+", " ", text).strip()))


@contextmanager
def _notes() -> Iterator[None]:
    """Show limpide's own warnings as notes, each text once."""
    with warnings.catch_warnings():
        usual = warnings.showwarning
        seen: set[str] = set()

        def show(message: Warning | str, category: type[Warning], *rest: Any) -> None:
            if not issubclass(category, LimpideWarning):
                usual(message, category, *rest)
            elif str(message) not in seen:
                seen.add(str(message))
                note(retold_of(str(message), words()))

        warnings.filterwarnings("always", category=LimpideWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _prepare_streams() -> None:
    """Make sure that both streams exist, and that no character stops them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell: >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write(text: str) -> None:
    """Write a text and a line end on standard output; quiet where nobody reads any more."""
    with output() as file:
        file.write(_escaped(text) + "\n")


def _escaped(text: str) -> str:
    """Leave nothing in a text that a terminal might obey; its lines stay lines."""
    return "\n".join(map(limpide.reports.printable, text.split("\n")))


class _Terminal(io.TextIOWrapper):
    """Standard output where a person reads it: what a terminal might obey is escaped."""

    def write(self, text: str, /) -> int:
        return super().write(_escaped(text))


@contextmanager
def output() -> Iterator[TextIO]:
    """Give standard output as UTF-8 with LF line ends, whatever the locale and the system.

    Where its reader has gone away (``| head``), that is no error, and nothing more is written.
    """
    sys.stdout.flush()
    kind = _Terminal if sys.stdout.isatty() else io.TextIOWrapper
    file = kind(sys.stdout.buffer, encoding="utf-8", errors="backslashreplace", newline="")
    try:
        yield file
        file.flush()
    except OSError as error:
        if not closed_pipe(error):
            raise
        abandon(sys.stdout)
    finally:
        with suppress(OSError):
            file.detach()


def closed_pipe(error: OSError) -> bool:
    """Tell whether the reader of a stream has gone away (Windows says EINVAL)."""
    return isinstance(error, BrokenPipeError) or (
        sys.platform == "win32" and error.errno == errno.EINVAL
    )


def abandon(stream: IO[Any]) -> None:
    """Let what is still to be written vanish, also what Python itself writes at its end."""
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(descriptor, stream.fileno())
        finally:
            os.close(descriptor)
