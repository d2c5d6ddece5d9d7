"""Fair timing: pairs in turn, the fastest form, long samples; and processes that end."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from limpide.bench import Comparison, Plan, Workload, compare, process, runner
from limpide.bench.peers import PEERS, Form, numpy_hand
from limpide.bench.process import Child, ChildError, environment
from limpide.errors import ArgumentError, LimpideError

TINY = Workload((6, 5, 1), 8, rows=35)
COURSE = Workload(
    (2, 2, 1), 1, rows=4, dtype="float64", hidden="sigmoid", loss="mse", shuffle=False
)
SHORT = {"engine": "reference", "pairs": 2, "seconds": 0.01}


class Fake:
    """A child that says how long it took without doing anything."""

    speeds: Mapping[str, float] = {}
    log: ClassVar[list[str]] = []
    alive: ClassVar[list[Fake]] = []
    losses: ClassVar[dict[str, float]] = {"numpy": 1.00005}

    def __init__(self, name: str, work: Workload, options: Mapping[str, Any], threads: int):
        self.name, self.work = name, work
        self.key = f"{name} {options.get('form', '')}".strip()
        if self.speeds.get(self.key) == 0:
            raise ChildError("ImportError: broken")
        self.alive.append(self)

    def train(self, epochs: int, shuffled: bool = True) -> dict[str, Any]:
        seconds = self.step_seconds(epochs) * epochs * self.work.steps
        losses = [self.losses.get(self.name, 1.0)] * min(epochs, self.work.checked_epochs)
        return {"seconds": seconds, "epochs": epochs, "losses": losses}

    def step_seconds(self, epochs: int) -> float:
        self.log.append(f"{self.key} {epochs}")
        return self.speeds.get(self.key, 1e-3)

    def peak(self, seconds: float) -> float:
        return 1e9

    def close(self) -> None:
        self.alive.remove(self)

    def __enter__(self) -> Fake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    monkeypatch.setattr(runner, "Child", Fake)
    monkeypatch.setattr(runner, "_REST", 0.0)
    monkeypatch.setattr(Fake, "log", [])
    monkeypatch.setattr(Fake, "alive", [])
    return Fake


def only(work: Workload, plan: Plan) -> Comparison:
    (found,) = compare([work], plan)
    return found


def test_a_peer_and_limpide_take_turns(fake: type[Fake]) -> None:
    fake.speeds = {"limpide": 1e-3, "numpy": 4e-3}
    found = only(TINY, Plan(["numpy"], "reference", pairs=3, seconds=1.0))
    # Samples of a second: 5 steps an epoch are 200 of limpide's epochs, and 50 of NumPy's.
    ours, theirs = "limpide 200", "numpy 50"
    once = [ours, theirs, ours]
    turned = [theirs, ours, ours]
    assert fake.log[-9:] == [*once, *turned, *once]  # the last of each: beside the peak
    (figures,) = found.peers
    assert figures.ratios == pytest.approx([4, 4, 4])
    assert figures.ratio == pytest.approx(4)
    assert found.best is figures
    assert found.share == pytest.approx(TINY.flops / TINY.steps / 1e-3 / 1e9)
    assert fake.alive == []


def test_the_fastest_form_counts(fake: type[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    fake.speeds = {"numpy slow": 5e-3, "numpy fast": 2e-3, "numpy broken": 0, "numpy middle": 3e-3}
    names = ("slow", "broken", "fast", "middle")
    forms = [Form(name, 1, {"form": name}) for name in names]
    monkeypatch.setattr(numpy_hand, "forms", lambda work: [*forms, Form("four", 4)])
    said: list[str] = []
    plan = Plan(["numpy"], "reference", pairs=5, seconds=0.1)
    (found,) = compare([TINY], plan, said.append)
    (figures,) = found.peers
    assert (figures.form, figures.skipped) == ("fast, 1 thread", "")
    assert figures.micros == pytest.approx([2000] * 5)
    assert [text.split(": NumPy, ")[1] for text in said if "NumPy" in text] == [
        f"{name}, 1 thread" for name in names
    ]
    assert fake.alive == []
    figures = only(TINY, Plan(["numpy"], "reference", forms=1)).peers[0]
    assert figures.form == "slow, 1 thread"


def test_a_peer_that_is_broken_or_missing_is_said(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.speeds = {"numpy": 0}
    monkeypatch.setattr(PEERS["jax"], "PACKAGE", "a_package_that_nobody_has")
    found = only(TINY, Plan(["jax", "numpy", "scalar"], "reference"))
    assert [figures.skipped for figures in found.peers] == [
        "not installed",
        "2 threads: ImportError: broken",
        "it is the network 2-2-1 alone",
    ]
    assert found.best is None
    assert found.peers[0].as_dict() == {"skipped": "not installed"}
    assert fake.alive == []


def test_a_short_epoch_is_taken_400_times(fake: type[Fake]) -> None:
    fake.speeds = {"limpide": 1e-4, "numpy": 3e-4}  # an epoch: 0.5 ms and 1.5 ms
    only(TINY, Plan(["numpy"], "reference", pairs=1, seconds=0.01))
    assert fake.log[-3:] == ["limpide 400", "numpy 7", "limpide 400"]


def test_no_child_outlives_an_interrupt(fake: type[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    fake.speeds = {}
    whole = fake.step_seconds

    def pressed(self: Fake, epochs: int) -> float:
        if len(self.log) == 12:
            raise KeyboardInterrupt
        return whole(self, epochs)

    monkeypatch.setattr(fake, "step_seconds", pressed)
    with pytest.raises(KeyboardInterrupt):
        only(TINY, Plan(["numpy"], "reference"))
    assert fake.alive == []


def test_another_network_is_not_compared(fake: type[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fake, "losses", {"numpy": 1.0002})
    with pytest.raises(LimpideError, match="NumPy and limpide do not train the same network"):
        only(TINY, Plan(["numpy"], "reference"))
    assert fake.alive == []
    dropped = Workload((6, 5, 1), 8, rows=35, dropout=0.5)  # where each has its own random bits
    monkeypatch.setattr(numpy_hand, "lacks", lambda work: "")
    only(dropped, Plan(["numpy"], "reference"))
    monkeypatch.setattr(Fake, "losses", {"numpy": 1.2})
    with pytest.raises(LimpideError, match="do not train the same network"):
        only(dropped, Plan(["numpy"], "reference"))


def test_limpide_at_fault_is_an_error(fake: type[Fake]) -> None:
    fake.speeds = {"limpide": 0}
    with pytest.raises(LimpideError, match="limpide could not train 6-5-1, 8, SGD: ImportError"):
        only(TINY, Plan(["numpy"], "reference"))


def test_a_wrong_engine_is_said_before_anything_starts(fake: type[Fake]) -> None:
    with pytest.raises(ArgumentError, match="engine must be one of"):
        only(TINY, Plan(["numpy"], "referense"))
    assert fake.log == []


# With processes -----------------------------------------------------------------------------------


def test_a_comparison_with_processes() -> None:
    found = only(COURSE, Plan(["numpy", "scalar", "jax", "sklearn"], forms=1, **SHORT))
    for figures in found.peers[:2]:
        assert not figures.skipped
        assert len(figures.ratios) == 2
        assert min(figures.ratios) > 0
    jax, sklearn = found.peers[2:]
    assert jax.skipped in ("", "not installed")
    assert sklearn.skipped in (
        "not installed",
        "it has no sigmoid output with the loss mse",
    )
    assert found.share > 0
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["network"] == "2-2-1"
    assert plain["peers"]["scalar"]["pairs"] == 2
    assert Workload(**plain["workload"]) == COURSE


def test_a_peer_that_trains_another_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its program takes whatever it does not know for a sigmoid; it says so before, if asked.
    monkeypatch.setattr(numpy_hand, "lacks", lambda work: "")
    other = Workload((6, 5, 1), 8, rows=35, hidden="gelu")
    with pytest.raises(LimpideError, match="do not train the same network: the loss of 6-5-1"):
        only(other, Plan(["numpy"], forms=1, **SHORT))


def test_a_child_says_what_is_wrong() -> None:
    with pytest.raises(ChildError, match=r"^KeyError: 'nobody'$"):
        Child("nobody", TINY, {}, 1)
    with (
        Child("limpide", TINY, {"engine": "nothing"}, 1) as child,
        pytest.raises(ChildError, match=r"^ArgumentError: engine must be one of"),
    ):
        child.train(1)
    with Child("numpy", TINY, {}, 1) as child:
        child._process.kill()
        with pytest.raises(ChildError, match="its process ended with status"):
            child.train(1)


def test_the_end_of_a_child_says_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.sys, "executable", "false" if sys.platform != "win32" else "where")
    with pytest.raises(ChildError, match="its process ended with status 1"):
        Child("numpy", TINY, {}, 1)


def test_a_child_ends_when_its_parent_has_gone() -> None:
    spec = {"peer": "numpy", "workload": TINY.as_dict(), "options": {}}
    child = subprocess.Popen(
        [sys.executable, "-m", "limpide.bench.child", json.dumps(spec)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(1),
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert "built" in json.loads(child.stdout.readline())
    child.stdin.write(json.dumps({"epochs": 10**9, "shuffled": True}) + "\n")
    child.stdin.close()  # as the system does for a parent that is killed
    assert child.wait() == 0
    assert child.stdout.read() == ""
    child.stdout.close()


def test_on_an_accelerator_there_is_no_share_of_the_processors_peak(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "installed", lambda peer: True)
    fake.speeds = {"limpide": 1e-3, "torch": 4e-3}
    fake.losses = {"torch": 1.01}
    far = Workload((6, 5, 1), 8, rows=32, device="gpu", compute_dtype="bfloat16")
    found = only(far, Plan(["torch", "numpy"], "reference", pairs=2))
    torch, numpy = found.peers
    assert torch.ratios == pytest.approx([4, 4])  # a percent apart is the same loss in bfloat16
    assert numpy.skipped == "it is for processors, in the network's own dtype"
    assert not found.peaks
    assert math.isnan(found.share)
    assert "peak" not in {line.split()[0] for line in fake.log}
    fake.losses = {"torch": 1.1}
    with pytest.raises(LimpideError, match="do not train the same network"):
        only(far, Plan(["torch"], "reference"))


def test_a_child_on_an_accelerator_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    near, far = environment(1), environment(1, "gpu")
    assert (near["JAX_PLATFORMS"], near["CUDA_VISIBLE_DEVICES"]) == ("cpu", "")
    assert {"JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES"}.isdisjoint(far)
    assert far["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


def test_a_child_has_its_number_of_threads() -> None:
    one, two = environment(1), environment(2)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"):
        assert (one[name], two[name]) == ("1", "2")
    assert one["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=false"
    assert two["XLA_FLAGS"] == ""
