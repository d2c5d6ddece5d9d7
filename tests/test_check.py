"""gradcheck and check_engines: what passes, what fails, what is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import engines
from limpide.engines.reference import ReferenceEngine
from limpide.ops import relu, sigmoid, stop_gradient
from limpide.tensor import Tensor


def wrong(x: Tensor) -> Tensor:
    """x² whose gradient lacks one path: the derivative is half of what it should be."""
    return x * stop_gradient(x)


def test_right_gradients_pass() -> None:
    report = lp.gradcheck(lambda x, w: lp.sum(sigmoid(x @ w)), np.ones((2, 3)), np.ones((3, 1)))
    assert report
    assert len(report.comparisons) == 9
    assert report.failures == ()
    assert "gradcheck passed: 9 derivatives; the worst:" in str(report)


def test_the_worst_offender_is_named() -> None:
    def f(good: Any, bad: Any) -> Any:
        return lp.sum(good * good) + lp.sum(wrong(bad[0]) + bad[1])

    report = lp.gradcheck(f, [1.0, 2.0], [[1.0, 5.0], [1.0, 1.0]])
    assert not report
    assert [c.where for c in report.failures] == ["bad[0, 1]", "bad[0, 0]"]
    assert report.worst.where == "bad[0, 1]"
    assert (report.worst.analytic, round(report.worst.numeric, 6)) == (5.0, 10.0)
    text = str(report)
    assert "gradcheck FAILED: 2 of 6 derivatives; the worst:" in text
    assert "bad[0, 1]  analytic  5.000000000000e+00  numeric  1.0000000" in text


def test_a_small_mistake_is_found() -> None:
    def f(x: Any) -> Any:
        return lp.sum(lp.exp(x)) * 1.0 + lp.sum(wrong(x)) * 1e-5

    assert not lp.gradcheck(f, [0.5, 1.0])
    assert lp.gradcheck(f, [0.5, 1.0], tolerance=1e-4)


def test_one_wrong_element_of_a_large_input_is_found() -> None:
    def f(x: Any) -> Any:
        return lp.sum(x * x) + lp.sum(wrong(x[123:124]))

    report = lp.gradcheck(f, np.ones(1000))
    assert not report
    assert "x along random direction" in report.worst.where
    assert len(report.comparisons) == 32 + 8
    assert lp.gradcheck(lambda x: lp.sum(x * x), np.ones(1000))


def test_a_kink_fails_as_it_should() -> None:
    report = lp.gradcheck(lambda x: lp.sum(relu(x)), [0.0, 1.0])
    assert [c.where for c in report.failures] == ["x[0]"]
    assert (report.worst.analytic, report.worst.numeric) == (0.0, 0.5)


def test_scalars_have_no_index() -> None:
    assert lp.gradcheck(lambda x: x * x, 3.0).worst.where == "x"
    assert lp.gradcheck(lambda *xs: xs[0] * xs[1], 3.0, 2.0).comparisons[1].where == "input 1"


@pytest.mark.parametrize("point", [1e-4, 1e-2, 1.0, 30.0, 1e6])
def test_steps_find_their_size(point: float) -> None:
    for f in (lp.log, lp.sqrt, lambda x: 1 / x, lambda x: x**3.0):
        report = lp.gradcheck(f, point)
        assert report, str(report)


def test_poles_and_borders_nearby_do_not_mislead() -> None:
    report = lp.gradcheck(lambda x: lp.log(x) + 1 / (x - 0.0101), 0.01)
    assert report, str(report)


def test_a_derivative_that_is_nan_fails() -> None:
    report = lp.gradcheck(lambda x: lp.sqrt(x), -1.0)
    assert not report
    assert "nan" in str(report)


def test_a_step_of_ones_own() -> None:
    assert lp.gradcheck(lambda x: lp.sum(x**3.0), [1.0, 2.0], epsilon=1e-3)
    assert not lp.gradcheck(lambda x: lp.sum(lp.sin(50 * x)), [1.0, 2.0], epsilon=0.5)


def test_float32_is_checked_in_float64() -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.append(x.dtype.name)
        return lp.sum(lp.exp(x))

    for x in (np.ones(2, "f4"), lp.Variable([1.0, 2.0]), [1.0, 2.0], 1, np.float32(0.1)):
        assert lp.gradcheck(f, x)
    assert set(seen) == {"float64"}


def test_integers_and_bools_are_handed_on() -> None:
    def f(x: Any, places: Any, mask: Any) -> Any:
        return lp.sum(lp.where(mask, lp.gather(x, places), 0))

    report = lp.gradcheck(f, [1.0, 2.0, 3.0], np.array([2, 0]), lp.Tensor([True, False]))
    assert report
    assert [c.where for c in report.comparisons] == ["x[0]", "x[1]", "x[2]"]


def test_inputs_stay_as_they_are() -> None:
    x = np.array([1.0, 2.0])
    v = lp.Variable(x)
    assert lp.gradcheck(lambda a, b: lp.sum(a * b), x, v)
    assert x.tolist() == v.numpy().tolist() == [1.0, 2.0]


def test_an_input_of_nothing() -> None:
    report = lp.gradcheck(lambda x, y: lp.sum(x) + y, np.zeros((0, 2)), 1.0)
    assert report
    assert len(report.comparisons) == 1


def test_a_function_is_checked_through_its_engine() -> None:
    assert lp.gradcheck(lp.function(lambda x: lp.sum(lp.exp(x))), [1.0, 2.0])


def test_only_bad_use_raises() -> None:
    def f(x: Any) -> Any:
        return x * x

    with pytest.raises(lp.ShapeError, match="one number"):
        lp.gradcheck(f, [1.0, 2.0])
    for name in ("epsilon", "tolerance"):
        for bad in (0.0, -1.0, np.inf, np.nan):
            with pytest.raises(lp.ArgumentError, match=f"{name} must be a positive number"):
                lp.gradcheck(f, 1.0, **{name: bad})
    with pytest.raises(lp.ArgumentError, match="needs an input of floats to move"):
        lp.gradcheck(f, np.array(1))
    with pytest.raises(lp.ArgumentTypeError, match="needs a function first"):
        lp.gradcheck(1.0)  # type: ignore[arg-type]


# check_engines ---------------------------------------------------------------------------------


def example() -> tuple[Any, list[Any]]:
    inputs = [np.random.default_rng(2).normal(size=(3, 4)), np.array([1.0, np.nan, -0.0, np.inf])]
    return lp.function(lambda x, y: (lp.exp(x) + y, x > 0, y * 1.5)).graph(*inputs), inputs


def test_the_reference_engine_agrees_to_the_bit() -> None:
    graph, inputs = example()
    report = lp.check_engines(graph, inputs)
    assert report
    assert list(report.differences) == ["result[0]", "result[1]", "result[2]"]
    assert str(report).startswith("reference agrees with the plain meaning")


class Wrong(ReferenceEngine):
    """An engine that changes one output."""

    name = "wrong"

    def __init__(self, change: Any, place: int) -> None:
        self.change, self.place = change, place

    def compile(self, graph: Any) -> Any:
        run = super().compile(graph)

        def changed(arrays: Any) -> Any:
            outputs = run(arrays)
            outputs[self.place] = self.change(outputs[self.place])
            return outputs

        return changed


@pytest.mark.parametrize(
    ("change", "place", "tolerated"),
    [
        (lambda a: a * (1 + 1e-9), 0, True),
        (lambda a: a + 1e-3, 0, False),
        (lambda a: ~a, 1, False),
        (lambda a: np.nan_to_num(a, posinf=np.inf), 2, False),
        (lambda a: np.where(np.isinf(a), 7.0, a), 2, False),
        (lambda a: a + 0.0, 2, True),  # -0 becomes 0
        (lambda a: a.astype("f4"), 2, False),
        (lambda a: a[:2], 2, False),
    ],
)
def test_an_engine_that_differs_is_caught(
    change: Any, place: int, tolerated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, inputs = example()
    monkeypatch.setattr(engines, "_NAMES", (*engines._NAMES, "wrong"))
    monkeypatch.setitem(engines._ENGINES, "wrong", Wrong(change, place))
    report = lp.check_engines(graph, inputs, "wrong")
    assert not report
    assert "wrong DISAGREES" in str(report)
    assert bool(lp.check_engines(graph, inputs, "wrong", tolerance=1e-6)) is tolerated


def test_inputs_that_do_not_fit_are_named() -> None:
    graph, inputs = example()
    with pytest.raises(
        lp.ArgumentError, match=r"takes f64\[3,4\], f64\[4\]; received float64\[3, 4"
    ):
        lp.check_engines(graph, inputs[:1])
    with pytest.raises(lp.ArgumentError, match="engine must be one of native, reference"):
        lp.check_engines(graph, inputs, "fast")


def test_points_that_are_not_finite_fail_in_the_report_without_warnings() -> None:
    report = lp.gradcheck(lambda x: lp.sum(x * x), [np.inf, np.nan, 1.0])
    assert not report
    assert "gradcheck FAILED" in str(report)
    assert not lp.gradcheck(lambda x: lp.sum(x * x), [np.inf, 1.0], epsilon=0.1)
