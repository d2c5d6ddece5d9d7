"""What a terminal shows while a network learns: the losses as a curve, the epoch, the time left.

Answers for what a terminal can show (live or plain, Unicode or ASCII, colours) and for the view.
Not for: what is printed when a run is over (``limpide.reports``).
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from limpide import program
from limpide.callbacks import Callback, Run
from limpide.history import History
from limpide.languages import Words
from limpide.reports import number
from limpide.stopping import Stop

_REFRESHES = 4  # a second
_LINES = 10  # about so many plain lines a run, where there is no terminal
_SILENCE = 30.0  # seconds after which a plain line comes anyway
_WIDTH, _HEIGHT = 72, 8  # of the curve, in characters
_MARGIN = 12  # left of the curve, for the numbers of its axis
_LOGARITHMIC = 10  # the ratio of losses from which the axis is logarithmic
_BAR = 30  # characters of the bar
_TRAINING, _VALIDATION = "cyan", "yellow"

# The bits of the eight dots of a Braille character, by row and column (Unicode 16, block U+2800).
_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


@dataclass(frozen=True)
class Marks:
    """The characters that a terminal can show."""

    training: str
    validation: str
    done: str
    left: str
    axis: str
    tick: str
    corner: str
    floor: str


_UNICODE = Marks("•", "∘", "━", "─", "│", "┤", "└", "─")
_ASCII = Marks("*", "o", "#", "-", "|", "+", "+", "-")


class _Quiet(Console):
    """A console that says nothing more once its reader has gone away (``| head``)."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        program.abandon(self.file)


def console(stream: IO[str]) -> Console:
    """Give rich's console for a stream: plain text, nothing in it taken for markup."""
    return _Quiet(file=stream, markup=False, highlight=False, emoji=False)


def shows_unicode(stream: IO[str]) -> bool:
    """Tell whether a stream leads to something that can show more than ASCII.

    Python takes UTF-8 for the C locale (PEP 538 and 540, and says so in ``LC_CTYPE``), so that
    the encoding alone does not tell; a terminal with such a locale may show ASCII only.
    """
    if (getattr(stream, "encoding", "") or "").lower().replace("_", "-") not in ("utf-8", "utf8"):
        return False
    if sys.platform == "win32":
        return True
    told = os.environ.get("LC_ALL", "")
    for name in ("LC_CTYPE", "LANG"):
        told = told or os.environ.get(name, "")
    coerced = not os.environ.get("LC_ALL") and os.environ.get("LANG", "") in ("", "C", "POSIX")
    return told not in ("", "C", "POSIX") and not (coerced and told.startswith("C."))


@contextmanager
def watching(stream: IO[str], stop: Stop, words: Words, plain: bool = True) -> Iterator[Callback]:
    """Give the callback that shows a run on a stream.

    A terminal gets a picture that is drawn four times a second by a thread of its own, so that a
    step waits for nothing; anything else gets about ten lines, or none where ``plain`` is False.
    """
    screen = console(stream)
    if not screen.is_terminal or screen.is_dumb_terminal:
        yield Lines(screen, stop, words, plain)
        return
    picture = Picture(screen, stop, words, shows_unicode(stream))
    try:
        yield picture
    finally:
        picture.close()


def silent(stop: Stop, words: Words) -> Callback:
    """Give a callback that shows nothing, where another process shows the run."""
    return Lines(console(sys.stderr), stop, words, wanted=False)


class Lines(Callback):
    """Shows a run as a few plain lines."""

    def __init__(self, screen: Console, stop: Stop, words: Words, wanted: bool = True) -> None:
        self._screen = screen
        self._stop = stop
        self._words = words
        self._wanted = wanted
        self._last = time.monotonic()

    def begin(self, run: Run) -> None:
        self._stop.gentle = True

    def epoch_end(self, run: Run) -> None:
        done = run.epoch + 1
        now = time.monotonic()
        due = done == 1 or done * _LINES // run.epochs > (done - 1) * _LINES // run.epochs
        if self._wanted and (due or now - self._last > _SILENCE):
            self._last = now
            text = _line(self._words, done, run)
            self._screen.print(text, soft_wrap=True)  # a line of a log, however wide COLUMNS says


class Picture(Callback):
    """Shows a run as a curve that grows; rich asks for it anew a few times a second."""

    def __init__(self, screen: Console, stop: Stop, words: Words, unicode: bool) -> None:
        self._screen = screen
        self._stop = stop
        self._words = words
        self._marks = _UNICODE if unicode else _ASCII
        # Two curves of the same dots can only be told apart by their colours.
        self._braille = unicode and screen.color_system is not None and not screen.no_color
        self._run: Run | None = None
        self._began = time.monotonic()
        self._before = 0  # epochs that another process has run
        self._finished = False
        self._live = Live(
            console=screen,
            get_renderable=self.draw,
            refresh_per_second=_REFRESHES,
            vertical_overflow="crop",
        )
        self._live.start()

    def begin(self, run: Run) -> None:
        self._stop.gentle = True
        self._run, self._began, self._finished = run, time.monotonic(), False
        self._before = run.resumed

    def end(self, run: Run) -> None:
        self._finished = True

    def close(self) -> None:
        """Draw the run a last time and leave the picture where it is; or nothing, without one."""
        self._finished = True
        self._live.transient = self._run is None
        self._live.stop()
        if self._run is not None:
            self._screen.print()

    def draw(self) -> Group:
        """Give the picture as it is now; called by the thread of the live display."""
        if self._run is None:
            spent = clock(time.monotonic() - self._began)
            return Group(_one_line(self._words.say("reading   {time}", time=spent)))
        history = self._run.history
        losses, held = list(history.loss), list(history.validation_loss)
        parts: list[Text] = []
        width = min(self._screen.width - _MARGIN - 2, _WIDTH)
        height = min(self._screen.height - 6, _HEIGHT)
        if losses and width >= 20 and height >= 3:
            parts += self._curve(losses, held, width, height)
        elif losses:
            parts.append(self._title(losses, held, logarithmic=False))
        return Group(*parts, self._status(len(losses)))

    def _curve(self, losses: list[float], held: list[float], width: int, height: int) -> list[Text]:
        marks = self._marks
        assert self._run is not None
        epochs = len(losses) if self._finished else max(self._run.epochs, len(losses))
        low, high, logarithmic = _range([*losses, *held])
        rows = _Grid(width, height, self._braille, epochs, (low, high, logarithmic))
        rows.add(losses, _TRAINING, marks.training)
        rows.add(held, _VALIDATION, marks.validation)
        lines = [self._title(losses, held, logarithmic)]
        for i, row in enumerate(rows.texts()):
            label = self._number(high) if i == 0 else self._number(low) if i == height - 1 else ""
            tick = marks.tick if label else marks.axis
            lines.append(Text.assemble((f"{label:>{_MARGIN - 2}} {tick}", "dim"), row))
        lines.append(Text(" " * (_MARGIN - 1) + marks.corner + marks.floor * width, style="dim"))
        word = self._words.say("epoch").center(width - len(str(epochs)) - 1)
        lines.append(Text(f"{' ' * _MARGIN}1{word}{epochs}", style="dim"))
        return lines

    def _number(self, value: float) -> str:
        return number(value, self._words.language)

    def _title(self, losses: list[float], held: list[float], logarithmic: bool) -> Text:
        say = self._words.say
        text = _one_line(say("loss, logarithmic") if logarithmic else say("loss"))
        text.append("   ").append(self._marks.training, _TRAINING)
        text.append(f" {say('training {loss}', loss=self._number(losses[-1]))}")
        if held:
            text.append("   ").append(self._marks.validation, _VALIDATION)
            text.append(f" {say('validation {loss}', loss=self._number(held[-1]))}")
        text.pad_left(min(_MARGIN - 5, max(0, self._screen.width - len(text) - 1)))
        return text

    def _status(self, done: int) -> Text:
        assert self._run is not None
        marks, epochs = self._marks, self._run.epochs
        say = self._words.say
        text = _one_line(say("epoch {done}/{all}", done=done, all=epochs))
        if self._finished:
            return text
        if self._stop.asked:
            return text.append(f"   {say('stopping; Ctrl-C again leaves at once')}", "bold red")
        full = round(_BAR * done / epochs)
        text.append("   ").append(marks.done * full, "green")
        text.append(marks.left * (_BAR - full), "dim")
        elapsed = time.monotonic() - self._began
        if done > self._before:
            left = elapsed / (done - self._before) * (epochs - done)
            return text.append(f"   {say('{time} left', time=clock(left))}")
        return text.append(f"   {clock(elapsed)}")


def _one_line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="crop")


class _Grid:
    """Characters in rows, on which curves of one value an epoch are drawn."""

    def __init__(
        self,
        width: int,
        height: int,
        braille: bool,
        epochs: int,
        scale: tuple[float, float, bool],
    ) -> None:
        self._columns, self._rows = (2, 4) if braille else (1, 1)
        self._width, self._height = width * self._columns, height * self._rows
        self._braille = braille
        self._epochs = epochs
        self._scale = scale
        self._cells: list[list[tuple[int, str, str]]] = [
            [(0, "", " ")] * width for _ in range(height)
        ]

    def add(self, values: Sequence[float], style: str, mark: str) -> None:
        """Draw a curve over those before it."""
        before: int | None = None
        for column in range(self._width):
            at = column / max(self._width - 1, 1) * max(self._epochs - 1, 0)
            value = _between(values, at)
            if value is None:
                before = None
                continue
            row = self._row(value)
            first = row if before is None else before + (row > before) - (row < before)
            for filled in range(min(first, row), max(first, row) + 1):
                self._dot(column, filled, style, mark)
            before = row

    def _row(self, value: float) -> int:
        low, high, logarithmic = self._scale
        share = (
            math.log(value / low) / math.log(high / low)
            if logarithmic
            else (value - low) / (high - low)
        )
        return min(max(round((1 - share) * (self._height - 1)), 0), self._height - 1)

    def _dot(self, column: int, row: int, style: str, mark: str) -> None:
        line, cell = self._cells[row // self._rows], column // self._columns
        if not self._braille:
            line[cell] = (1, style, mark)
            return
        bits = line[cell][0] | _BRAILLE[row % 4][column % 2]
        line[cell] = (bits, style, chr(0x2800 + bits))

    def texts(self) -> list[Text]:
        """Give the rows from the top."""
        return [
            Text.assemble(*((mark, style) for _, style, mark in line), no_wrap=True)
            for line in self._cells
        ]


def _between(values: Sequence[float], at: float) -> float | None:
    """Give the value at a place between two epochs; None outside or where one is not finite."""
    left = int(at)
    if left >= len(values) or at > len(values) - 1:
        return None
    right = min(left + 1, len(values) - 1)
    value = values[left] + (values[right] - values[left]) * (at - left)
    return value if math.isfinite(value) else None


def _range(values: Sequence[float]) -> tuple[float, float, bool]:
    """Give the lowest and highest loss, and whether their ratio asks for a logarithmic axis."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    if not high > low:
        return low - abs(low) / 2 - 1e-12, high + abs(high) / 2 + 1e-12, False
    return low, high, low > 0 and high / low >= _LOGARITHMIC


def _line(words: Words, done: int, run: Run) -> str:
    """Say how far a run is, and its losses."""
    history: History = run.history
    values = {"done": done, "all": run.epochs, "loss": number(history.loss[-1], words.language)}
    if not history.validation_loss:
        return words.say("epoch {done}/{all}: loss {loss}", **values)
    held = number(history.validation_loss[-1], words.language)
    return words.say("epoch {done}/{all}: loss {loss}, validation {held}", **values, held=held)


def clock(seconds: float) -> str:
    """Give a time in hours, minutes and seconds.

    >>> clock(7.3), clock(3725)
    ('0:07', '1:02:05')
    """
    whole = round(seconds)
    minutes, hours = whole // 60, whole // 3600
    return f"{hours}:{minutes % 60:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
