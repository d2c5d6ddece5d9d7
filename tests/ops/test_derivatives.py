"""Every rule of every primitive against finite differences, once and twice; planted errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from samples import SAMPLES, Sample

import limpide as lp
from limpide.check import GradcheckReport, gradcheck
from limpide.ir import FLOATS, OPS, Op, spec_of
from limpide.tensor import Tensor, apply
from tolerances import tolerance

Rule = Callable[..., Any]


def _floats(sample: Sample) -> list[int]:
    return [i for i, array in enumerate(sample.inputs) if array.dtype.kind == "f"]


def _has_gradient(name: str, sample: Sample) -> bool:
    output = OPS[name].spec(*map(spec_of, sample.inputs), **sample.params)
    return sample.smooth and bool(_floats(sample)) and output.dtype in FLOATS


def scalar_function(name: str, sample: Sample) -> Callable[..., Tensor]:
    """Give a weighted sum of the op's results, as a function of its inputs of floats."""
    op = OPS[name]
    output = op.spec(*map(spec_of, sample.inputs), **sample.params)
    weights = Tensor(np.random.default_rng(7).uniform(0.5, 1.5, output.shape), output.dtype)

    def f(*floats: Tensor) -> Tensor:
        given: list[Any] = [Tensor(array) for array in sample.inputs]
        for place, value in zip(_floats(sample), floats, strict=True):
            given[place] = value
        return lp.sum(weights * apply(op, *given, **sample.params))

    return f


def first_check(name: str, sample: Sample) -> GradcheckReport:
    points = [sample.inputs[i] for i in _floats(sample)]
    return gradcheck(
        scalar_function(name, sample), *points, tolerance=tolerance("first_derivative")
    )


def second_check(name: str, sample: Sample) -> GradcheckReport:
    gradient = lp.grad(scalar_function(name, sample))
    generator = np.random.default_rng(8)
    points = [sample.inputs[i] for i in _floats(sample)]
    weights = [Tensor(generator.uniform(0.5, 1.5, p.shape)) for p in points]

    def f(*floats: Tensor) -> Tensor:
        slopes = gradient(*floats)
        parts = slopes if isinstance(slopes, tuple) else (slopes,)
        total = lp.Tensor(0, dtype="float64")
        for weight, slope in zip(weights, parts, strict=True):
            total = total + lp.sum(weight * slope)
        return total

    return gradcheck(f, *points, tolerance=tolerance("second_derivative"))


DIFFERENTIABLE = [
    name for name, samples in SAMPLES.items() if any(_has_gradient(name, s) for s in samples)
]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivative_is_the_finite_difference(name: str) -> None:
    for sample in SAMPLES[name]:
        if _has_gradient(name, sample):
            report = first_check(name, sample)
            assert report, f"{sample.inputs} {sample.params}: {report}"


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_second_derivative_is_the_finite_difference_of_the_first(name: str) -> None:
    for sample in SAMPLES[name]:
        if _has_gradient(name, sample):
            report = second_check(name, sample)
            assert report, f"{sample.inputs} {sample.params}: {report}"


# What is planted in place of a rule's result; each must be caught for every rule there is.
PLANTS: dict[str, Callable[[Tensor], Any]] = {
    "scaled": lambda part: part * 1.01,
    "sign": lambda part: -part,
    "constant": lambda part: part + 0.01,
    "none": lambda part: None,
}
RULES = [
    (name, index)
    for name, samples in SAMPLES.items()
    for index in range(max(len(s.inputs) for s in samples))
    if OPS[name].rule(min(index, 1 if callable(OPS[name].derivative) else index)) is not None
]


def plant(op: Op, index: int, change: Callable[[Tensor], Any]) -> Op:
    """Give the op with one rule's result changed."""

    def rule_of(place: int) -> Rule | None:
        right = op.rule(place)
        if place != index or right is None:
            return right

        def wrong(g: Tensor, *args: Any, **params: Any) -> Any:
            part = right(g, *args, **params)
            return None if part is None else change(part)

        return wrong

    if callable(op.derivative):
        variadic = op.derivative

        def derivative(g: Tensor, *args: Any, index: int, **params: Any) -> Any:
            rule = rule_of(index)
            assert rule is not None
            return rule(g, *args, **params)

        assert variadic is not None
        planted: Any = derivative
    else:
        planted = tuple(rule_of(i) for i in range(len(op.derivative)))
    return Op(op.name, op.spec, op.numpy, planted, op.words, op.symbol, op.kind)


@pytest.mark.parametrize("kind", PLANTS)
@pytest.mark.parametrize(("name", "index"), RULES, ids=[f"{n}-{i}" for n, i in RULES])
def test_a_planted_wrong_derivative_is_caught(
    name: str, index: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = [
        s
        for s in SAMPLES[name]
        if _has_gradient(name, s) and len(s.inputs) > index and s.inputs[index].size
    ]
    assert samples, f"no sample shows the derivative of {name} for input {index}"
    assert first_check(name, samples[0])
    wrong = plant(OPS[name], index, PLANTS[kind])
    monkeypatch.setitem(OPS, name, wrong)
    assert not all(first_check(name, sample) for sample in samples)


@pytest.mark.parametrize("name", ["sign", "floor"])
def test_a_planted_derivative_where_there_is_none_is_caught(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    op = OPS[name]
    wrong = Op(op.name, op.spec, op.numpy, (lambda g, y, x: g,), op.words, op.symbol, op.kind)
    monkeypatch.setitem(OPS, name, wrong)
    samples = [s for s in SAMPLES[name] if _has_gradient(name, s)]
    assert not all(first_check(name, sample) for sample in samples)


# At kinks, where differences say nothing: the derivatives chosen, and who chooses the same.
KINKS = [
    ("abs", [0.0], [0.0]),  # PyTorch, JAX
    ("relu", [0.0], [0.0]),  # PyTorch, JAX
    ("relu", [-0.0], [0.0]),
    ("sign", [0.0], [0.0]),
    ("floor", [1.0], [0.0]),
    ("maximum", [1.0, 1.0], [0.5, 0.5]),  # PyTorch, JAX
    ("minimum", [1.0, 1.0], [0.5, 0.5]),
    ("power", [0.0, 0.0], [0.0, 0.0]),
    ("power", [0.0, 1.0], [1.0, 0.0]),
    ("power", [0.0, 2.0], [0.0, 0.0]),
    ("power", [-2.0, 3.0], [12.0, 0.0]),
    ("sqrt", [0.0], [np.inf]),
    ("log", [0.0], [np.inf]),
    ("stop_gradient", [3.0], [0.0]),
]


@pytest.mark.parametrize(("name", "point", "expected"), KINKS)
def test_derivatives_at_kinks(name: str, point: list[float], expected: list[float]) -> None:
    arrays = [np.float64(x) for x in point]
    slopes = lp.grad(lambda *xs: apply(OPS[name], *xs))(*map(lp.Variable, arrays))
    parts = slopes if isinstance(slopes, tuple) else (slopes,)
    assert [float(p) for p in parts] == expected


def test_ties_of_max_share_the_gradient() -> None:
    slope = lp.grad(lambda x: lp.max(x))(np.array([3.0, 1.0, 3.0, 2.0]))
    assert slope.numpy().tolist() == [0.5, 0.0, 0.5, 0.0]


def test_second_derivatives_at_the_edge_of_power_are_finite() -> None:
    def second(a: float, b: float) -> float:
        f = lp.grad(lp.grad(lambda x: lp.power(x, lp.Tensor(b, dtype="float64"))))
        return float(f(np.array(a)))

    assert [second(0.0, 0.0), second(0.0, 1.0), second(0.0, 2.0)] == [0.0, 0.0, 2.0]
