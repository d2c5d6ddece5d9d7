"""Fair timing: limpide and each peer in a process of its own, alternated, pair by pair.

Answers for equality before speed, for choosing a peer's fastest form, for samples that are long
enough, and for ratios. Not for: processes (``process``), words and pictures (``table``).
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from limpide import engines
from limpide.bench.peers import ACCELERATED, ALL, OURS, PEERS, Form, Peer, installed
from limpide.bench.process import Child, ChildError
from limpide.bench.workloads import Workload
from limpide.errors import LimpideError

_AGREEMENT = 1e-4  # relative, of the losses of two programs that train the same network
_WITH_DROPOUT = 0.1  # the same where each draws its own random bits
_WITH_BFLOAT16 = 0.02  # the same where products keep 8 bits, and programs round at other places
_REST = 0.3  # seconds before a sample
_SHORT_EPOCH, _MANY = 1e-3, 400  # epochs of less than a millisecond: so many a sample at least


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Parameters
    ----------
    peers
        Names in ``peers.ALL``.
    engine
        limpide's engine; None is the fastest installed.
    pairs
        How many times limpide and a peer are timed one after the other.
    seconds
        How long a sample is at least.
    forms
        How many of a peer's forms are tried, the likeliest first; None: all.
    threads
        How many each program may use.
    """

    peers: Sequence[str] = tuple(PEERS)
    engine: str | None = None
    pairs: int = 5
    seconds: float = 0.3
    forms: int | None = None
    threads: int = 2


@dataclass
class Figures:
    """What was measured of one peer.

    Attributes
    ----------
    name
        Its name in ``peers.ALL``.
    form
        The form that was fastest.
    first, first_steps
        Seconds and steps of its first training, which compiles.
    micros, ours
        µs a step, it and limpide, pair by pair.
    skipped
        Why it was not measured, or an empty text.
    """

    name: str
    form: str = ""
    first: float = math.nan
    first_steps: int = 0
    micros: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    skipped: str = ""

    @property
    def ratios(self) -> list[float]:
        """The peer's time over limpide's, pair by pair."""
        return [theirs / ours for theirs, ours in zip(self.micros, self.ours, strict=True)]

    @property
    def ratio(self) -> float:
        """Their median; NaN where nothing was measured."""
        return statistics.median(self.ratios) if self.micros else math.nan

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        if self.skipped:
            return {"skipped": self.skipped}
        return {
            "form": self.form,
            "microseconds": statistics.median(self.micros),
            "compile_seconds": _compiling(self.first, self.first_steps, self.micros),
            "ratio": self.ratio,
            "ratio_range": [min(self.ratios), max(self.ratios)],
            "pairs": len(self.micros),
        }


def _compiling(first: float, steps: int, micros: Sequence[float]) -> float:
    """Give what a first training took beyond its steps: compiling, warming up."""
    return max(0.0, first - steps * statistics.median(micros) * 1e-6)


@dataclass
class Comparison:
    """What was measured of one workload.

    Attributes
    ----------
    first, first_steps
        Seconds and steps of limpide's first training, which compiles.
    micros
        µs a step of limpide, all samples.
    peaks
        Floating-point operations a second of all threads, measured between the samples.
    peers
        The figures of each peer.
    """

    work: Workload
    first: float
    first_steps: int
    micros: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    peers: list[Figures] = field(default_factory=list)

    @property
    def compiling(self) -> float:
        """Seconds that limpide's first training took beyond its steps."""
        return _compiling(self.first, self.first_steps, self.micros)

    @property
    def share(self) -> float:
        """Share of the processors' peak that limpide's products come to; NaN on other devices."""
        if not self.peaks:
            return math.nan
        flops = self.work.flops / self.work.steps
        return flops / (statistics.median(self.micros) * 1e-6) / statistics.median(self.peaks)

    @property
    def best(self) -> Figures | None:
        """The fastest peer."""
        measured = [figures for figures in self.peers if figures.micros]
        return min(measured, key=lambda figures: figures.ratio, default=None)

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return {
            "network": self.work.name,
            "workload": self.work.as_dict(),
            "microseconds": statistics.median(self.micros),
            "compile_seconds": self.compiling,
            "peak_gflops": statistics.median(self.peaks or [math.nan]) / 1e9,
            "share_of_peak": self.share,
            "peers": {figures.name: figures.as_dict() for figures in self.peers},
        }


Say = Callable[[str], None]


def compare(
    works: Sequence[Workload], plan: Plan, say: Say = lambda text: None
) -> Iterator[Comparison]:
    """Measure workloads one after the other.

    Parameters
    ----------
    works
        What is trained.
    plan
        With whom, how often and how long.
    say
        Told what is being done.

    Raises
    ------
    ArgumentError
        Where there is no such engine.
    LimpideError
        Where limpide cannot train a workload, or a peer's losses are not limpide's.
    """
    engines.get(plan.engine)  # a wrong name is said before anything is started
    for work in works:
        say(f"{work.label}: limpide")
        yield _compared(work, plan, say)


def _compared(work: Workload, plan: Plan, say: Say) -> Comparison:
    with ExitStack() as open_children:
        try:
            ours = open_children.enter_context(
                Child("limpide", work, {"engine": plan.engine}, plan.threads)
            )
            checked = ours.train(work.checked_epochs, shuffled=False)
            peak = None
            if work.device == "cpu":
                options = {"threads": plan.threads}
                peak = open_children.enter_context(Child("peak", work, options, plan.threads))
            our_epochs = _epochs(ours, work, plan.seconds)
        except ChildError as error:
            raise LimpideError(f"limpide could not train {work.label}: {error}") from None
        found = Comparison(work, checked["seconds"], checked["epochs"] * work.steps)
        rivals = []
        for name in plan.peers:
            figures = Figures(name)
            found.peers.append(figures)
            rival = _fastest(figures, work, plan, checked["losses"], say)
            if rival is not None:
                rivals.append((figures, open_children.enter_context(rival[0]), rival[1]))
        say(f"{work.label}: {plan.pairs} pairs")
        for pair in range(plan.pairs):
            for figures, theirs, epochs in rivals:
                if pair % 2:
                    figures.micros.append(_sample(theirs, epochs))
                    figures.ours.append(_sample(ours, our_epochs))
                else:
                    figures.ours.append(_sample(ours, our_epochs))
                    figures.micros.append(_sample(theirs, epochs))
            found.micros.append(_sample(ours, our_epochs))
            if peak is not None:
                found.peaks.append(peak.peak(plan.seconds / 5))
        found.micros += [micros for figures in found.peers for micros in figures.ours]
    return found


def _sample(child: Child, epochs: int) -> float:
    """Give µs a step, timed when the other programs' threads have gone to sleep.

    Those of OpenMP and of some matrix libraries turn round in place for up to 0.2 s after their
    work, and would take the next program's processors.
    """
    time.sleep(_REST)
    return child.step_seconds(epochs) * 1e6


def _epochs(child: Child, work: Workload, seconds: float) -> int:
    """Give how many epochs last as long as a sample should."""
    epochs = 1
    while True:
        answer = child.train(epochs)
        epochs, taken = int(answer["epochs"]), float(answer["seconds"])
        each = taken / epochs
        least = _MANY if each < _SHORT_EPOCH else 1
        if taken >= seconds / 2 and epochs >= least / 2:
            return max(least, math.ceil(seconds / each))
        epochs = max(2 * epochs, min(16 * epochs, math.ceil(seconds / each)))


def _fastest(
    figures: Figures, work: Workload, plan: Plan, losses: Sequence[float], say: Say
) -> tuple[Child, int] | None:
    """Try a peer's forms; give the child of the fastest with its epochs a sample, else None."""
    peer = ALL[figures.name]
    figures.skipped = _obstacle(figures.name, work)
    if figures.skipped:
        return None
    best: tuple[float, Child] | None = None
    loser: Child | None
    try:
        for form in _forms(peer, work, plan):
            say(f"{work.label}: {peer.TITLE}, {form}")
            child, checked, epochs = _tried(figures, form, work, plan, losses)
            if child is None:
                continue
            step = min(child.step_seconds(epochs) for _ in range(3))
            loser = child
            if best is None or step < best[0]:
                loser, best = best[1] if best else None, (step, child)
                figures.form, figures.first = str(form), checked["seconds"]
                figures.first_steps = checked["epochs"] * work.steps
            if loser is not None:
                loser.close()
    except BaseException:
        if best is not None:
            best[1].close()
        raise
    if best is None:
        return None
    figures.skipped = ""
    return best[1], _epochs(best[1], work, plan.seconds)


def _obstacle(name: str, work: Workload) -> str:
    if not installed(ALL[name]):
        return "not installed"
    if name not in ACCELERATED and (work.device != "cpu" or work.compute_dtype):
        return "it is for processors, in the network's own dtype"
    return ALL[name].lacks(work)


def _forms(peer: Peer, work: Workload, plan: Plan) -> list[Form]:
    usable = [form for form in peer.forms(work) if form.threads <= plan.threads]
    return usable[: plan.forms]


def _tried(
    figures: Figures, form: Form, work: Workload, plan: Plan, losses: Sequence[float]
) -> tuple[Child | None, dict[str, Any], int]:
    """Start a form, see that it trains the same network, and find its epochs a sample.

    Gives the child, None where it failed; the answer to its first training; the epochs.
    """
    child = None
    try:
        child = Child(figures.name, work, form.options, form.threads)
        checked = child.train(work.checked_epochs, shuffled=False)
        _check_losses(figures.name, work, checked["losses"], losses)
        return child, checked, _epochs(child, work, plan.seconds / 3)
    except ChildError as error:
        figures.skipped = f"{form}: {error}"
        if child is not None:
            child.close()
        return None, {}, 0
    except BaseException:
        if child is not None:
            child.close()
        raise


def _check_losses(
    name: str, work: Workload, theirs: Sequence[float], ours: Sequence[float]
) -> None:
    """Refuse to compare two programs that do not train the same network."""
    agreement = _WITH_BFLOAT16 if work.compute_dtype else _AGREEMENT
    agreement = _WITH_DROPOUT if work.dropout else agreement
    for epoch, (a, b) in enumerate(zip(theirs, ours, strict=True)):
        if not abs(a - b) <= agreement * abs(b):
            raise LimpideError(
                f"{ALL[name].TITLE} and {OURS.TITLE} do not train the same network: the loss of "
                f"{work.label} in epoch {epoch + 1} is {a:.7g} and {b:.7g}. Report it."
            )
