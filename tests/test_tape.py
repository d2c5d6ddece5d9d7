"""GradientTape, grad, value_and_grad: golden gradients and what a tape sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.errors import DtypeError
from limpide.ops import relu, sigmoid
from tolerances import tolerance


def micrograd(a: Any, b: Any) -> Any:
    """The expression of micrograd's README (Karpathy 2020)."""
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + relu(b + a)
    d += 3 * d + relu(b - a)
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    return g


def by_hand(a: float, b: float) -> tuple[float, float, float]:
    """The same for a = -4, b = 2, where relu(a + b) = 0 and relu(b - a) = b - a, by hand."""
    e = (3 * a + 4 * b + 3) - (12 * (a * b + b**3) + b - a)
    de_da, de_db = 4 - 12 * b, 3 - 12 * (a + 3 * b * b)
    slope = e - 20 / e**3
    return e * e / 2 + 10 / (e * e), slope * de_da, slope * de_db


def test_micrograd_expression() -> None:
    a, b = lp.Variable(np.float64(-4.0)), lp.Variable(np.float64(2.0))
    with lp.GradientTape() as tape:
        g = micrograd(a, b)
    da, db = tape.gradient(g, [a, b])
    assert [round(float(x), 4) for x in (g, da, db)] == [24.7041, 138.8338, 645.5773]
    np.testing.assert_allclose(
        [float(x) for x in (g, da, db)], by_hand(-4.0, 2.0), rtol=tolerance("golden")
    )


def test_each_path_counts_once() -> None:
    x = lp.Variable(2.0)
    with lp.GradientTape() as tape:
        u = x * x
        v = u + 3
        w = u * v
    assert float(tape.gradient(w, x)) == 44.0  # a naive recursion gives 72 or 88


def test_a_second_gradient_gives_the_same_numbers() -> None:
    x = lp.Variable([1.0, 2.0])
    with lp.GradientTape() as tape:
        y = lp.sum(lp.exp(x) * x)
    first, second = tape.gradient(y, x), tape.gradient(y, [x])[0]
    np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_unconnected_sources_have_zeros() -> None:
    x, other = lp.Variable([1.0, 2.0]), lp.Variable(np.ones((2, 3)))
    count = lp.Variable(np.array(3))
    with lp.GradientTape() as tape:
        y = lp.sum(x * x)
        lp.sum(other)
    zeros = tape.gradient(y, [other, count, lp.Tensor(5.0)])
    assert [(z.shape, z.dtype.name) for z in zeros] == [
        ((2, 3), "float64"),
        ((), "int64"),
        ((), "float32"),
    ]
    assert not any(z.numpy().any() for z in zeros)


def test_the_sources_give_the_form_of_the_result() -> None:
    x, y = lp.Variable(1.0), lp.Variable(2.0)
    with lp.GradientTape() as tape:
        z = x * y
    assert float(tape.gradient(z, x)) == 2.0
    assert [float(g) for g in tape.gradient(z, [x, y])] == [2.0, 1.0]
    pair = tape.gradient(z, (x, y))
    assert isinstance(pair, tuple)
    assert [float(g) for g in tape.gradient(z, [x, x])] == [2.0, 2.0]


def test_intermediate_values_are_sources() -> None:
    x = lp.Variable(3.0)
    with lp.GradientTape() as tape:
        u = x * x
        v = u * x
        w = v * u
    assert [float(g) for g in tape.gradient(w, [w, v, u, x])] == [1.0, 9.0, 54.0, 405.0]


def test_watch() -> None:
    x = lp.Tensor([1.0, 2.0])
    with lp.GradientTape() as tape:
        before = lp.sum(x * x)
        tape.watch(x)
        after = lp.sum(x * x)
    assert tape.gradient(before, x).numpy().tolist() == [0.0, 0.0]
    assert tape.gradient(after, x).numpy().tolist() == [2.0, 4.0]
    with pytest.raises(lp.ArgumentTypeError, match=r"tape\.watch needs a Tensor; received float"):
        tape.watch(1.0)  # type: ignore[arg-type]


def test_only_what_happens_inside_is_seen() -> None:
    x = lp.Variable(3.0)
    with lp.GradientTape() as tape:
        y = x * x
    z = y * x
    assert float(tape.gradient(z, x)) == 0.0
    assert float(tape.gradient(y, x)) == 6.0


def test_the_gradient_may_be_asked_for_inside() -> None:
    x = lp.Variable(3.0)
    with lp.GradientTape() as tape:
        y = x * x
        slope = tape.gradient(y, x)
        z = slope * x
    assert float(slope) == 6.0
    assert float(tape.gradient(z, x)) == 12.0  # the gradient ran through ops that the tape saw


def test_values_are_those_at_the_time_of_the_op() -> None:
    x, rate = lp.Variable(3.0), lp.Variable(2.0)
    with lp.GradientTape() as tape:
        y = x * x * rate
        x.assign(100.0)
        rate.assign(100.0)
        z = x * rate
    assert [float(g) for g in tape.gradient(y, [x, rate])] == [12.0, 9.0]
    assert [float(g) for g in tape.gradient(z, [x, rate])] == [100.0, 100.0]


def test_assigning_carries_no_gradient() -> None:
    x, y = lp.Variable(3.0), lp.Variable(0.0)
    with lp.GradientTape() as tape:
        y.assign(x * x)
        z = y * 2
    assert [float(g) for g in tape.gradient(z, [x, y])] == [0.0, 2.0]


def test_nested_tapes_give_second_derivatives_of_variables() -> None:
    x = lp.Variable(np.float64(2.0))
    with lp.GradientTape() as outer:
        with lp.GradientTape() as inner:
            y = x**3.0 + lp.exp(x)
        slope = inner.gradient(y, x)
    curve = outer.gradient(slope, x)
    np.testing.assert_allclose(float(slope), 12 + np.exp(2), rtol=tolerance("golden"))
    np.testing.assert_allclose(float(curve), 12 + np.exp(2), rtol=tolerance("golden"))


def test_a_mixed_derivative_through_intermediates() -> None:
    x, y = lp.Variable(2.0), lp.Variable(5.0)
    with lp.GradientTape() as outer:
        with lp.GradientTape() as inner:
            u = x * y
            z = u * u * x
        dz_du = inner.gradient(z, u)  # 2 u x
    assert float(dz_du) == 40.0
    assert [float(g) for g in outer.gradient(dz_du, [x, y])] == [40.0, 8.0]  # 2ux = 2x²y


def test_two_tapes_side_by_side() -> None:
    x = lp.Variable(3.0)
    with lp.GradientTape() as one, lp.GradientTape() as other:
        y = x * x
    assert float(one.gradient(y, x)) == float(other.gradient(y, x)) == 6.0


def test_an_exception_ends_the_tape() -> None:
    x, results = lp.Variable(3.0), []
    tape = lp.GradientTape()

    def fail() -> None:
        with tape:
            results.append(x * x)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    results.append(results[0] * x)
    assert [float(tape.gradient(t, x)) for t in results] == [6.0, 0.0]


def test_wrong_use_is_named() -> None:
    x = lp.Variable([1.0, 2.0])
    with lp.GradientTape() as tape:
        y = x * x
    with pytest.raises(lp.ShapeError, match=r"received f32\[2\].*Take lp\.mean or lp\.sum"):
        tape.gradient(y, x)
    with pytest.raises(lp.ShapeError, match=r"received i64\[\]"):
        tape.gradient(lp.Tensor(np.array(1)), x)
    with pytest.raises(lp.ArgumentTypeError, match="the source is a float"):
        tape.gradient(lp.sum(y), [1.0])
    with pytest.raises(lp.ArgumentTypeError, match="the target is a float"):
        tape.gradient(3.0, x)  # type: ignore[arg-type]


def test_a_long_chain_needs_no_recursion() -> None:
    x = lp.Variable(np.float64(1.0))
    with lp.GradientTape() as tape:
        y = x
        for _ in range(10_000):
            y = y * 1.0001
    slope = float(tape.gradient(y, x))
    np.testing.assert_allclose(slope, 1.0001**10_000, rtol=tolerance("first_derivative"))


# grad and value_and_grad -----------------------------------------------------------------------


def test_grad_of_one_argument_and_of_several() -> None:
    assert float(lp.grad(lambda x: x * x)(3.0)) == 6.0
    slopes = lp.grad(lambda x, y: x * y * y)(3.0, 2.0)
    assert isinstance(slopes, tuple)
    assert [float(g) for g in slopes] == [4.0, 12.0]
    value, slope = lp.value_and_grad(lambda x: lp.sum(x * x))([1.0, 2.0])
    assert (float(value), slope.numpy().tolist()) == (5.0, [2.0, 4.0])


def test_the_same_tensor_twice_has_two_partial_derivatives() -> None:
    x = lp.Tensor(3.0)
    assert [float(g) for g in lp.grad(lambda a, b: a * a * b)(x, x)] == [18.0, 9.0]
    v = lp.Variable(3.0)
    assert [float(g) for g in lp.grad(lambda a, b: a * a * b)(v, v)] == [18.0, 9.0]


def test_an_argument_that_comes_back_as_it_is() -> None:
    assert float(lp.grad(lambda x: x)(3.0)) == 1.0
    assert float(lp.grad(lambda x: lp.Tensor(2.0))(3.0)) == 0.0
    assert [float(g) for g in lp.grad(lambda x, y: y)(3.0, 4.0)] == [0.0, 1.0]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_higher_derivatives(order: int) -> None:
    f: Any = lambda x: x**5.0  # noqa: E731
    expected = 2.0**5
    for k in range(order):
        f = lp.grad(f)
        expected = expected * (5 - k) / 2.0
    np.testing.assert_allclose(float(f(np.array(2.0))), expected, rtol=tolerance("golden"))


def test_a_hessian_row_by_row() -> None:
    a = np.array([[2.0, 1.0], [1.0, 3.0]])

    def f(x: lp.Tensor) -> lp.Tensor:
        return 0.5 * lp.sum(x * (a @ x)) + lp.sum(sigmoid(x * 0))

    rows = [lp.grad(lambda x, k=k: lp.grad(f)(x)[k])(np.array([0.3, -0.7])) for k in range(2)]
    np.testing.assert_allclose(np.stack([r.numpy() for r in rows]), a, rtol=tolerance("golden"))


def test_grad_refuses_what_has_no_gradient() -> None:
    with pytest.raises(lp.ArgumentTypeError, match=r"Argument 1 is i64\[2\].*lp\.cast"):
        lp.grad(lambda x, y: x)(1.0, np.array([1, 2]))
    with pytest.raises(lp.ShapeError, match=r"received f32\[2\]"):
        lp.grad(lambda x: x)([1.0, 2.0])


def test_grad_keeps_dtypes() -> None:
    for array in (np.array([1.0, 2.0], "f4"), np.array([1.0, 2.0])):
        assert lp.grad(lambda x: lp.sum(x * x))(array).dtype == array.dtype
    assert lp.grad(lambda x: lp.sum(x * x))([1.0]).dtype == np.float32


def test_gradients_through_a_cast() -> None:
    x = lp.Variable(np.array([1.5, 2.5], "f4"))
    with lp.GradientTape() as tape:
        y = lp.sum(lp.cast(x, "float64") ** 2)
        whole = lp.sum(lp.cast(lp.cast(x, "int64"), "float32"))
    slope = tape.gradient(y, x)
    assert (slope.dtype.name, slope.numpy().tolist()) == ("float32", [3.0, 5.0])
    assert tape.gradient(whole, x).numpy().tolist() == [0.0, 0.0]


# Arguments of a compiled function --------------------------------------------------------------


def watched_slope(change: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """Give a function that watches its argument and returns the slope of ``change(x, W)``."""
    w = lp.Variable(5.0)

    def f(x: Any) -> Any:
        with lp.GradientTape() as tape:
            tape.watch(x)
            y = change(x, w)
        return tape.gradient(y, x)

    return f


CHANGES: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any], Any]]] = {
    "product": (lambda x, w: lp.sum(x * x + w * x), lambda x: 2 * x + 5),
    "alone": (lambda x, w: lp.sum(x * x), lambda x: 2 * x),
    "moved": (lambda x, w: lp.sum(x.T * x.T * w), lambda x: 10 * x),
    "reflected": (lambda x, w: lp.sum(1 - (-x) * w + 2 / x), lambda x: 5 - 2 / x**2),
    "power": (lambda x, w: lp.sum(x**2 + x**3.0 * w), lambda x: 2 * x + 15 * x**2),
    "absolute": (lambda x, w: lp.sum(abs(-x) * w), lambda x: 5 + 0 * x),
    "unused": (lambda x, w: w * 1, lambda x: 0 * x),
}
GIVEN = [4.0, [4.0, 2.0], np.array(4.0), np.array([[4.0, 2.0]]), np.float32(4)]  # exact slopes


@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("name", CHANGES)
def test_a_tape_in_a_compiled_function_sees_its_arguments(name: str, given: Any) -> None:
    change, slope = CHANGES[name]
    expected = np.asarray(slope(np.asarray(given)), np.float64)
    f = lp.function(watched_slope(change))
    outcome = f(given)
    np.testing.assert_array_equal(outcome.numpy(), expected)
    assert outcome.dtype == (np.float64 if type(given) is np.ndarray else np.float32)
    with lp.GradientTape():  # under a tape it runs eagerly, on numbers that are known
        under = f(given)
    np.testing.assert_array_equal(under.numpy(), outcome.numpy())
    assert under.dtype == outcome.dtype


@pytest.mark.parametrize("given", [[3.0, 2.0], np.array([3.0, 2.0])], ids=str)
def test_a_tape_sees_the_entries_of_an_argument(given: Any) -> None:
    f = lp.function(watched_slope(lambda x, w: x[0] * x[0] + w * x[1]))
    assert f(given).numpy().tolist() == [6.0, 5.0]


@pytest.mark.parametrize("given", [3.0, [3.0], np.array(3.0)], ids=str)
def test_tapes_within_tapes_see_the_arguments_of_a_compiled_function(given: Any) -> None:
    @lp.function
    def second(x: Any) -> Any:
        with lp.GradientTape() as outer:
            outer.watch(x)
            with lp.GradientTape() as inner:
                inner.watch(x)
                y = lp.sum(x * x * x)
            slope = lp.sum(inner.gradient(y, x))
        return outer.gradient(slope, x)

    assert np.ravel(second(given)) == [18.0]
    inlined = lp.function(lambda x: second(x) + 0)
    assert np.ravel(inlined(given)) == [18.0]


@pytest.mark.parametrize("given", [3.0, np.float32(3.0), 3], ids=repr)
def test_grad_within_a_compiled_function(given: Any) -> None:
    w = lp.Variable(5.0)
    slope = lp.grad(lambda x: x * x + w * x)
    assert float(lp.function(lambda x: slope(x))(given)) == 11.0
    assert float(lp.function(lambda x: lp.grad(slope)(x))(given)) == 2.0
    assert float(lp.grad(lp.function(lambda x: x * x + w * x))(given)) == 11.0


def test_the_gradient_of_an_argument_takes_the_dtype_of_what_it_meets() -> None:
    w = lp.Variable(5.0)

    @lp.function
    def step(x: Any) -> Any:
        with lp.GradientTape() as tape:
            tape.watch(x)
            y = x * x * w
        w.assign_sub(0.5 * tape.gradient(y, x))
        return w + 0

    assert float(step(np.array(3.0))) == -10.0


def test_whole_numbers_are_not_watched() -> None:
    f = lp.function(watched_slope(lambda x, w: x * w))
    with pytest.raises(DtypeError, match=r"needs floats.*received i64\[\].*3.0 for 3"):
        f(3)
    with pytest.raises(DtypeError, match="needs floats"):
        lp.GradientTape().watch(lp.Tensor([1], dtype="int32"))
