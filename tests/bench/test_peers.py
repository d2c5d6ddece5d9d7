"""Every peer trains the very network that limpide trains: its losses are limpide's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from limpide.bench.peers import ACCELERATED, OURS, PEERS, Form, installed
from limpide.bench.workloads import SWEEP, TABLE, Workload

TEN = {"output": "softmax", "loss": "cross_entropy"}
TINY = [
    Workload((6, 5, 4, 1), 8, rows=35),
    Workload((6, 5, 4, 1), 8, "adam", rows=35, hidden="tanh"),
    Workload((6, 5, 3), 8, "adam", rows=35, **TEN),
    Workload((6, 5, 2), 8, rows=32, output="linear", loss="mse"),
    Workload((6, 5, 2), 8, "adam", rows=35, output="linear", loss="mse"),
    Workload((6, 5, 1), 8, rows=35, hidden="gelu", layer_norm=True),
    Workload((6, 5, 1), 8, rows=35, hidden="sigmoid", loss="mse", shuffle=False),
]
AGREEMENT = 1e-5  # what the runner asks for is ten times that
FLOAT64 = TABLE[0]
EPOCHS = 3


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """Undo what PyTorch's programs do to this process."""
    yield
    if installed(PEERS["torch"]):
        import torch

        torch.set_flush_denormal(False)


def forms_of(name: str, work: Workload) -> list[Form]:
    """Give the forms that differ in more than threads."""
    return list({str(form.options): form for form in PEERS[name].forms(work)}.values())


def check(name: str, work: Workload, form: Form) -> None:
    expected = OURS.build(work, {"engine": "reference"}).run(EPOCHS, False)
    program = PEERS[name].build(work, form.options)
    losses = list(program.run(EPOCHS, False))
    assert losses[:EPOCHS] == pytest.approx(expected, rel=AGREEMENT, abs=0)
    assert len(set(losses[:EPOCHS])) == EPOCHS  # it learns
    shuffled = list(program.run(2, True))
    assert len(shuffled) >= 2
    assert np.isfinite(shuffled).all()
    program.reset()
    # Not to the bit: a BLAS sums in another order where arrays lie elsewhere.
    assert list(program.run(EPOCHS, False)) == pytest.approx(losses, rel=AGREEMENT, abs=0)


CHEAP = [
    (name, work)
    for name in ("torch", "sklearn", "numpy", "scalar")
    for work in (FLOAT64, *TINY)
    if not PEERS[name].lacks(work)
]


@pytest.mark.parametrize(("name", "work"), CHEAP, ids=lambda value: getattr(value, "label", value))
def test_losses_are_those_of_limpide(name: str, work: Workload) -> None:
    if not installed(PEERS[name]):
        pytest.skip(f"{PEERS[name].PACKAGE} is not installed")
    for form in forms_of(name, work):
        check(name, work, form)


# Each form of JAX takes a second to compile; float64, of a whole process, is tested by the runner.
@pytest.mark.parametrize(("number", "which"), [(0, 0), (1, -1), (2, 0), (5, 0)])
def test_losses_of_jax_are_those_of_limpide(number: int, which: int) -> None:
    pytest.importorskip("jax")
    check("jax", TINY[number], forms_of("jax", TINY[number])[which])


@pytest.mark.long
@pytest.mark.parametrize("work", TINY, ids=lambda work: work.label)
def test_losses_of_every_form_of_jax_are_those_of_limpide(work: Workload) -> None:
    pytest.importorskip("jax")
    for form in forms_of("jax", work):
        check("jax", work, form)


@pytest.mark.long
@pytest.mark.filterwarnings("default")  # its compiler warns of itself
@pytest.mark.parametrize("work", TINY, ids=lambda work: work.label)
def test_losses_of_compiled_pytorch_are_those_of_limpide(work: Workload) -> None:
    torch = pytest.importorskip("torch")
    if why := PEERS["torch-compiled"].lacks(work):
        pytest.skip(why)
    for form in forms_of("torch-compiled", work):
        torch.compiler.reset()
        check("torch-compiled", work, form)


# In bfloat16 each program rounds at places of its own: near the loss in float32, not equal to it.
HALVED = replace(TINY[2], compute_dtype="bfloat16", rows=32)
NEAR = 0.02


@pytest.mark.parametrize(("name", "which"), [("jax", 0), ("jax", 3), ("jax", 4), ("torch", 0)])
def test_losses_in_bfloat16_are_near(name: str, which: int) -> None:
    if not installed(PEERS[name]):
        pytest.skip(f"{PEERS[name].PACKAGE} is not installed")
    full = replace(HALVED, compute_dtype="")
    expected = OURS.build(full, {"engine": "reference"}).run(EPOCHS, False)
    program = PEERS[name].build(HALVED, forms_of(name, HALVED)[which].options)
    losses = list(program.run(EPOCHS, False))[:EPOCHS]
    assert losses == pytest.approx(expected, rel=NEAR)
    assert losses != pytest.approx(expected, rel=AGREEMENT)
    program.reset()
    shuffled = list(program.run(EPOCHS, True))[:EPOCHS]
    assert shuffled == pytest.approx(expected, rel=0.1)
    assert shuffled != losses


def test_an_accelerator_that_is_not_there_is_said() -> None:
    far = replace(TINY[2], device="gpu", rows=32)
    assert PEERS["torch"].lacks(far) == ACCELERATED["torch-graphs"].lacks(far) == ""
    assert ACCELERATED["torch-graphs"].lacks(TINY[2]) == "CUDA graphs need a GPU"
    jax, torch = pytest.importorskip("jax"), pytest.importorskip("torch")
    if jax.default_backend() != "cpu" or torch.cuda.is_available():
        pytest.skip("there is one")
    for name, peer in [*ACCELERATED.items(), ("limpide", OURS)]:
        sees = "PyTorch" if name.startswith("torch") else "JAX"
        with pytest.raises(RuntimeError, match=f"{sees} sees no accelerator here"):
            peer.build(far, peer.forms(far)[0].options)


@pytest.mark.parametrize("compute_dtype", ["", "bfloat16"])
def test_each_form_on_a_device_has_its_words(compute_dtype: str) -> None:
    far = replace(TINY[2], device="gpu", compute_dtype=compute_dtype)
    for peer in ACCELERATED.values():
        forms = peer.forms(far)
        assert len({str(form) for form in forms}) == len({str(f.options) for f in forms})
        assert len({str(form) for form in forms}) == len(forms)


def test_what_peers_lack() -> None:
    normed = Workload((6, 5, 1), 8, layer_norm=True)
    assert PEERS["sklearn"].lacks(normed) == "it has neither dropout nor layer norm"
    assert PEERS["sklearn"].lacks(TINY[5]) == "it has no gelu"
    assert PEERS["sklearn"].lacks(FLOAT64) == "it has no sigmoid output with the loss mse"
    assert PEERS["numpy"].lacks(normed) == "dropout and layer norm are not written here"
    assert PEERS["scalar"].lacks(TINY[0]) == "it is the network 2-2-1 alone"
    assert PEERS["jax"].lacks(normed) == PEERS["torch"].lacks(normed) == ""


def test_compiled_pytorch_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    assert PEERS["torch-compiled"].lacks(TINY[0]).startswith("torch.compile needs a C++ compiler")


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_dropout_is_trained_with(name: str) -> None:
    if not installed(PEERS[name]):
        pytest.skip(f"{PEERS[name].PACKAGE} is not installed")
    work = Workload((6, 40, 1), 8, rows=32, dropout=0.5)
    plain = Workload((6, 40, 1), 8, rows=32)
    form = PEERS[name].forms(work)[0]
    dropped = PEERS[name].build(work, form.options).run(1, False)[0]
    whole = PEERS[name].build(plain, form.options).run(1, False)[0]
    assert 0.001 < abs(dropped - whole) < 1


@pytest.mark.parametrize("work", [*TABLE, *SWEEP], ids=lambda work: work.label)
def test_each_peer_has_forms_or_a_reason(work: Workload) -> None:
    for name, peer in PEERS.items():
        if peer.lacks(work):
            assert name in ("sklearn", "numpy", "scalar", "torch-compiled")
            continue
        forms = peer.forms(work)
        assert forms
        assert {form.threads for form in forms} <= {1, 2}
        assert len({str(form) for form in forms}) == len(forms)
    assert OURS.lacks(work) == ""
