"""How many threads serve a program best: found by trying, at little cost."""

from __future__ import annotations

import pytest

from limpide.engines.native import threads
from limpide.engines.native.threads import Pace


class Machine:
    """Steps that take known seconds on one thread and on many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, one: float, many: float) -> None:
        self.seconds, self.now = {1: one, 2: many}, 0.0
        self.spent = {1: 0.0, 2: 0.0}
        monkeypatch.setattr(threads.time, "perf_counter", lambda: self.now)

    def run(self, pace: Pace, steps: int) -> None:
        """Run steps in slices of 40,000, as training does."""
        while steps:
            left = (steps - 1) % 40_000 + 1
            count, taken = pace.choose(2, left)
            assert 1 <= taken <= left
            seconds = taken * self.seconds[count]
            self.now += seconds
            self.spent[count] += seconds
            pace.note(count, taken, seconds)
            steps -= taken


@pytest.mark.parametrize(("one", "many", "best"), [(5e-6, 3e-6, 2), (5e-6, 50e-6, 1)])
def test_the_faster_number_is_used_and_the_other_tried_now_and_then(
    one: float, many: float, best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, pace = Machine(monkeypatch, one, many), Pace(1e4)
    machine.run(pace, 2_000_000)
    other = 3 - best
    assert 0 < machine.spent[other] < 0.05 * machine.spent[best]
    machine.seconds = {best: machine.seconds[other] * 4, other: machine.seconds[best]}
    before = dict(machine.spent)
    machine.run(pace, 4_000_000)  # the machine has changed, and that is found out
    assert machine.spent[other] - before[other] > machine.spent[best] - before[best]


def test_many_are_preferred_where_there_is_little_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, pace = Machine(monkeypatch, 5e-6, 5.2e-6), Pace(1e4)
    machine.run(pace, 1_000_000)
    assert machine.spent[2] > machine.spent[1]


def test_no_thread_is_woken_for_what_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, pace = Machine(monkeypatch, 5e-6, 3e-6), Pace(1e4)
    for _ in range(50):
        machine.run(pace, 40)
    assert machine.spent[2] == 0


def test_never_more_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, pace = Machine(monkeypatch, 5e-6, 3e-6), Pace(1e4)
    machine.seconds |= {4: 2e-6, 3: 2e-6}
    for most in (4, 3, 1, 2, 4):
        for _ in range(30):
            threads, steps = pace.choose(most, 1000)
            assert threads in (1, most)
            machine.now += steps * machine.seconds[threads]
            pace.note(threads, steps, steps * machine.seconds[threads])


def test_long_steps_are_always_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, pace = Machine(monkeypatch, 0.3, 0.4), Pace(1e9)
    machine.run(pace, 30)
    assert machine.spent[1] == 0
    assert Pace(1e9).choose(1, 7) == (1, 7)
