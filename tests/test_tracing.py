"""``@function``: the same numbers as eager code, signatures, errors, repeat."""

from __future__ import annotations

import copy
import functools
import gc
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import limpide as lp
from limpide.ops import RandomSource, random_bits, random_uniform, sigmoid
from programs import assert_same_bits
from tolerances import tolerance


def xor(dtype: str) -> tuple[Callable[..., lp.Tensor], list[lp.Variable], Any, Any]:
    """The XOR course: 2-2-1, normal weights, zero biases, sigmoid, gradient descent on a tape."""
    generator = np.random.default_rng(0)
    w1 = lp.Variable(generator.normal(size=(2, 2)).astype(dtype), name="W1")
    b1 = lp.Variable(np.zeros(2, dtype), name="b1")
    w2 = lp.Variable(generator.normal(size=(2, 1)).astype(dtype), name="W2")
    b2 = lp.Variable(np.zeros(1, dtype), name="b2")
    learning_rate = 0.5

    def train_step(x: Any, y: Any) -> lp.Tensor:
        with lp.GradientTape() as tape:
            hidden = sigmoid(lp.matmul(x, w1) + b1)
            output = sigmoid(hidden @ w2 + b2)
            loss = lp.mean(lp.square(y - output))
        dw1, db1, dw2, db2 = tape.gradient(loss, [w1, b1, w2, b2])
        w1.assign_sub(learning_rate * dw1)
        b1.assign_sub(learning_rate * db1)
        w2.assign_sub(learning_rate * dw2)
        b2.assign_sub(learning_rate * db2)
        return loss

    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype)
    return train_step, [w1, b1, w2, b2], x, np.array([[0], [1], [1], [0]], dtype)


@pytest.mark.usefixtures("reference_engine")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_xor_eager_traced_and_repeated_give_the_same_bits(dtype: str) -> None:
    steps = 60
    eager, eager_variables, x, y = xor(dtype)
    expected = np.stack([eager(x, y).numpy() for _ in range(steps)])
    called, called_variables, *_ = xor(dtype)
    step = lp.function(called)
    assert_same_bits(np.stack([step(x, y).numpy() for _ in range(steps)]), expected)
    repeated, repeated_variables, *_ = xor(dtype)
    assert_same_bits(lp.function(repeated).repeat(steps, x, y), expected)
    for a, b, c in zip(eager_variables, called_variables, repeated_variables, strict=True):
        assert_same_bits(b, a)
        assert_same_bits(c, a)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_xor_runs_alike_eager_and_on_the_native_engine(dtype: str) -> None:
    steps, allowed = 60, tolerance(f"engine_{dtype}")
    eager, eager_variables, x, y = xor(dtype)
    expected = np.stack([eager(x, y).numpy() for _ in range(steps)])
    called, called_variables, *_ = xor(dtype)
    step = lp.function(called)
    losses = np.stack([step(x, y).numpy() for _ in range(steps)])
    np.testing.assert_allclose(losses, expected, rtol=allowed)
    repeated, repeated_variables, *_ = xor(dtype)
    losses = lp.function(repeated).repeat(steps, x, y).numpy()
    np.testing.assert_allclose(losses, expected, rtol=allowed)
    for a, b, c in zip(eager_variables, called_variables, repeated_variables, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=0, atol=allowed)
        np.testing.assert_allclose(c.numpy(), a.numpy(), rtol=0, atol=allowed)


def test_xor_is_learned() -> None:
    train_step, _, x, y = xor("float64")
    losses = lp.function(train_step).repeat(10_000, x, y)
    assert losses.shape == (10_000,)
    assert float(losses[-1]) < 0.01 < float(losses[0])


def test_lists_may_be_arguments_of_the_step() -> None:
    train_step, variables, x, y = xor("float64")
    loss = lp.function(train_step)(x.tolist(), y.tolist())
    other, others, *_ = xor("float64")
    assert_same_bits(loss, other(x, y))
    assert_same_bits(variables[0], others[0])


# Variables -------------------------------------------------------------------------------------


def test_a_read_after_an_assignment_sees_the_new_value() -> None:
    v = lp.Variable(1.0)

    @lp.function
    def f() -> Any:
        before = v + 0
        v.assign_add(10.0)
        between = v * 2
        v.assign(v * v)
        return before, between, v

    assert [float(t) for t in f()] == [1.0, 22.0, 121.0]
    assert float(v) == 121.0
    v.assign(2.0)
    assert [float(t) for t in f()] == [2.0, 24.0, 144.0]


def test_two_variables_swapped() -> None:
    a, b = lp.Variable([1.0, 2.0]), lp.Variable([3.0, 4.0])

    @lp.function
    def swap() -> Any:
        old = lp.stop_gradient(a)
        a.assign(b)
        b.assign(old)
        return old, a

    old, new = swap.repeat(3)
    assert (a.numpy().tolist(), b.numpy().tolist()) == ([3.0, 4.0], [1.0, 2.0])
    assert old.numpy().tolist() == [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]
    assert new.numpy().tolist() == [[3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]


def test_an_observed_view_keeps_the_value_from_before_the_step() -> None:
    w = lp.Variable([[1.0, 2.0]])

    @lp.function
    def f() -> Any:
        old = w.T
        w.assign(w * 0.5)
        return old, w

    old, new = f.repeat(2)
    assert old.numpy().reshape(2, 2).tolist() == [[1.0, 2.0], [0.5, 1.0]]
    assert new.numpy().reshape(2, 2).tolist() == [[0.5, 1.0], [0.25, 0.5]]


def test_variables_are_found_wherever_they_are() -> None:
    class Model:
        def __init__(self) -> None:
            self.w = lp.Variable(2.0)

        @lp.function
        def step(self, x: Any) -> lp.Tensor:
            self.w.assign_add(x)
            return self.w * x

    one, other = Model(), Model()
    assert float(one.step(1.0)) == 3.0
    assert float(other.step(2.0)) == 8.0
    assert one.step.repeat(3, 1.0).numpy().tolist() == [4.0, 5.0, 6.0]
    assert (float(one.w), float(other.w)) == (6.0, 4.0)
    assert "return result" in str(one.step.graph(1.0))


def test_a_variable_assigned_between_calls_is_read_anew() -> None:
    v = lp.Variable(1.0)
    f = lp.function(lambda: v * 3)
    assert float(f()) == 3.0
    v.assign(5.0)
    assert float(f()) == 15.0


def test_variables_as_arguments() -> None:
    def step(parameters: Any, x: Any) -> Any:
        for p in parameters:
            p.assign_sub(x)
        return sum((p * 1 for p in parameters), start=lp.Tensor(0.0))

    f = lp.function(step)
    first = [lp.Variable(1.0), lp.Variable(2.0)]
    assert float(f(first, 0.5)) == 2.0
    assert float(f([lp.Variable(10.0)], 0.5)) == 9.5
    assert [float(p) for p in first] == [0.5, 1.5]


def test_variables_that_share_an_array_are_one() -> None:
    def make() -> tuple[Any, Any]:
        array = np.array([1.0, 2.0])
        one, other = lp.Variable.sharing(array), lp.Variable.sharing(array)

        def step() -> Any:
            before = other * 1.5
            one.assign(one * 2 + before)
            other.assign_add(1)
            return before, one * 1.5

        return array, step

    eager_array, eager = make()
    expected = [[t.numpy() for t in eager()] for _ in range(3)]
    array, step = make()
    before, after = lp.function(step).repeat(3)
    assert_same_bits(np.stack([e[0] for e in expected]), before)
    assert_same_bits(np.stack([e[1] for e in expected]), after)
    assert_same_bits(array, eager_array)


def test_a_variable_made_inside_is_refused() -> None:
    @lp.function
    def f(x: Any) -> lp.Tensor:
        return lp.Variable(1.0) * x

    with pytest.raises(lp.TraceError, match=r"made once, not at each call\. Make it outside"):
        f(2.0)


# Arguments and signatures ----------------------------------------------------------------------


def counted(python: Callable[..., Any]) -> tuple[Any, list[int]]:
    traces: list[int] = []

    def f(*args: Any, **kwargs: Any) -> Any:
        traces.append(1)
        return python(*args, **kwargs)

    return lp.function(f), traces


def test_one_trace_a_signature() -> None:
    f, traces = counted(lambda x: x * 2)
    for value in (np.ones(3), np.zeros(3), np.ones(3)):
        f(value)
    assert len(traces) == 1
    f(np.ones(4))
    f(np.ones(3, "f4"))
    f(lp.Tensor(np.ones(3)))
    assert len(traces) == 4
    f(np.ones(4))
    assert len(traces) == 4


def test_new_numbers_are_not_traced_anew() -> None:
    f, traces = counted(lambda x, rate: lp.Tensor(np.array([1.0])) * x * rate)
    assert [float(f(x, 0.1)[0]) for x in (1.0, 2.0, 3.5)] == [1.0 * 0.1, 2.0 * 0.1, 3.5 * 0.1]
    assert float(f(2.0, 0.7)[0]) == 1.4
    assert len(traces) == 1


def test_captured_numbers_are_constants_of_the_trace() -> None:
    rate = 2.0
    f = lp.function(lambda x: x * rate)
    assert float(f(3.0)) == 6.0
    rate = 100.0
    assert float(f(3.0)) == 6.0
    assert float(f([3.0])[0]) == 300.0


def test_bools_and_text_are_part_of_the_signature() -> None:
    def choose(x: Any, double: bool, how: str = "add") -> Any:
        y = x * 2 if double else x
        return y + 1 if how == "add" else y - 1

    f, traces = counted(choose)
    assert [float(f(3.0, d, h)) for d in (True, False) for h in ("add", "less")] == [7, 5, 4, 2]
    assert float(f(5.0, False, how="add")) == 6.0
    assert len(traces) == 5


def test_other_objects_are_told_apart_after_they_are_gone() -> None:
    class Scale:
        def __init__(self, factor: float) -> None:
            self.factor = factor

    f = lp.function(lambda x, scale: x * scale.factor)
    assert [float(f(1.0, Scale(k))) for k in range(50)] == list(range(50))


def test_keywords_defaults_and_stars() -> None:
    def f(a: Any, b: Any = 10.0, *rest: Any, scale: Any = 1.0, **more: Any) -> Any:
        return (a + b + sum(rest)) * scale + more.get("shift", 0.0)

    g = lp.function(f)
    assert float(g(1.0)) == 11.0
    assert float(g(1.0, 2.0, 3.0, 4.0, scale=2.0, shift=0.5)) == 20.5
    assert float(g(b=1.0, a=2.0)) == 3.0
    with pytest.raises(lp.ArgumentTypeError, match="f: missing a required argument: 'a'"):
        g()


class Pair(NamedTuple):
    left: Any
    right: Any


def test_containers_go_in_and_come_out() -> None:
    @lp.function
    def f(batch: Any, pair: Pair, items: list[Any]) -> Any:
        total = batch["x"] + batch["y"][0] + pair.left + pair.right + items[0]
        return {"total": total, "pair": Pair(pair.right, pair.left), "list": [total, 3, "text"]}

    x = lp.Tensor([1.0])
    result = f({"x": x, "y": (x, 2)}, Pair(x, 4.0), [np.array([8.0]), "static", None])
    assert result["total"].numpy().tolist() == [15.0]
    assert isinstance(result["pair"], Pair)
    assert float(result["pair"].left) == 4.0
    assert result["list"][1:] == [3, "text"]


def test_arguments_behave_between_themselves_as_arrays_and_numbers_do() -> None:
    def f(x: Any, n: Any, rate: Any) -> Any:
        return (x * rate + n) ** 2 / 3 - abs(-x) + (2**n) * x**0.5 + 1.0 / (x + 1)

    for dtype in ("float32", "float64"):
        x = np.linspace(0.1, 2, 7).astype(dtype)
        result = lp.function(f)(x, 3, 0.1)
        assert_same_bits(result, f(x, 3, 0.1))


def test_arguments_take_the_dtype_of_the_tensor_they_meet() -> None:
    for dtype in ("float32", "float64"):
        w = lp.Variable(np.eye(2, dtype=dtype))
        f = lp.function(lambda x, rate, w=w: rate * (x @ w) + x)
        for x in (np.ones((1, 2)), np.ones((1, 2), "f4"), [[1.0, 1.0]], np.ones((1, 2), int)):
            assert f(x, 0.1).dtype.name == dtype
            assert_same_bits(f(x, 0.1), 0.1 * (lp.Tensor(np.ones((1, 2), dtype)) @ w) + 1)


def test_results_of_numbers_alone_are_float32() -> None:
    f = lp.function(lambda x: x + x)
    assert f([0.1, 2]).dtype == f(3).dtype == np.float32
    assert f(np.array([0.1])).dtype == np.float64


def test_integers_cut_on_purpose() -> None:
    f = lp.function(lambda x: lp.cast(x, "int64"))
    assert f(np.array([1.7, -1.7])).numpy().tolist() == [1, -1]
    assert f([2.9]).numpy().tolist() == [2]


def test_arguments_are_refused_by_name() -> None:
    f = lp.function(lambda x: x * 2)
    with pytest.raises(lp.DtypeError, match="an argument has dtype complex128"):
        f(np.array([1j]))
    w = lp.Variable([1.0])
    g = lp.function(lambda rate: w * rate)
    with pytest.raises(lp.DtypeError, match=r"rate holds 1e\+300, which float32 cannot hold"):
        g(1e300)
    with pytest.raises(lp.ArgumentTypeError, match=r"lp\.function decorates a function"):
        lp.function(3)  # type: ignore[arg-type]


# Where a number is needed ----------------------------------------------------------------------

NEEDY: dict[str, Callable[[Any], Any]] = {
    "if": lambda x: 1.0 if x > 0 else 0.0,
    "float": lambda x: float(x),
    "int": lambda x: int(x),
    "asarray": lambda x: np.asarray(x),
    "numpy": lambda x: x.numpy(),
    "item": lambda x: x.item(),
    "format": lambda x: f"{x:.3f}",
    "and": lambda x: x > 0 and x < 1,
    "range": lambda x: list(range(lp.cast(x, "int64"))),
    "numpy function": lambda x: np.mean(x),
    "variable": lambda x: lp.Variable.sharing(np.ones(1)).numpy(),
}


@pytest.mark.parametrize("use", NEEDY)
def test_a_traced_value_has_no_number(use: str) -> None:
    with pytest.raises(lp.TraceError, match=r"as in `if x > 0:`, float\(x\).*Use lp\.where"):
        lp.function(NEEDY[use])(0.5)
    assert issubclass(lp.TraceError, TypeError)


def test_a_traced_value_can_be_printed() -> None:
    said = []
    lp.function(lambda x: said.append(f"{x} {x!r}") or x)(np.ones(2))
    assert said == ["<traced f64[2]> <traced f64[2]>"]


def test_a_failed_trace_leaves_nothing_behind() -> None:
    v = lp.Variable(1.0)

    @lp.function
    def f(x: Any) -> Any:
        v.assign(x)
        return float(x)

    with pytest.raises(lp.TraceError):
        f(3.0)
    assert float(v) == 1.0
    assert float(v + 1) == 2.0


def test_a_value_kept_from_a_trace_is_named() -> None:
    kept: list[Any] = []
    v = lp.Variable(0.0)
    lp.function(lambda x: kept.append(x * v) or x)(2.0)
    message = r"after its function had been traced; return it from the function"
    with pytest.raises(lp.TraceError, match=message):
        kept[0] + 1.0
    with pytest.raises(lp.TraceError, match=message):
        v.assign(kept[0])
    with pytest.raises(lp.TraceError, match=message):
        lp.function(lambda x: x)(kept[0])
    with pytest.raises(lp.TraceError, match="of another function was used"):
        lp.function(lambda x: x + kept[0])(1.0)


# Functions, tapes, threads ---------------------------------------------------------------------


def test_functions_call_functions() -> None:
    v = lp.Variable(1.0)

    @lp.function
    def inner(x: Any, times: int) -> Any:
        v.assign_add(1.0)
        return x * times + v

    @lp.function
    def outer(x: Any) -> Any:
        return inner(x, 2) + inner([1.0], 3)

    assert float(outer(10.0)[0]) == (20 + 2) + (3 + 3)
    assert float(v) == 3.0
    with lp.GradientTape() as tape:
        y = lp.sum(outer(v))
    assert float(y) == (4 * 2 + 4) + (3 + 5)
    assert float(tape.gradient(y, v)) == 4.0  # twice, and two reads after assignments


def test_a_tape_sees_through_a_function() -> None:
    w = lp.Variable([1.0, 2.0])
    loss = lp.function(lambda x: lp.sum(lp.square(x * w)))
    with lp.GradientTape() as tape:
        value = loss([3.0, 4.0])
    assert float(value) == float(loss([3.0, 4.0])) == 73.0
    assert tape.gradient(value, w).numpy().tolist() == [18.0, 64.0]
    slope = lp.grad(loss)([3.0, 4.0])
    assert slope.numpy().tolist() == [6.0, 32.0]


def test_arguments_are_the_same_under_a_tape() -> None:
    def f(x: Any, y: Any, k: Any) -> Any:
        return {"a": [x + x, y * k], "b": (x, k)}

    traced = lp.function(f)([1.0, 0.1], np.array([1.0, 0.1]), 3)
    with lp.GradientTape():
        eager = lp.function(f)([1.0, 0.1], np.array([1.0, 0.1]), 3)
    for one, other in [
        *zip(traced["a"], eager["a"], strict=True),
        *zip(traced["b"], eager["b"], strict=True),
    ]:
        assert_same_bits(one, other)


def test_grad_inside_a_function() -> None:
    f = lp.function(lambda x: lp.grad(lp.grad(lambda t: t**3.0))(x))
    assert float(f(np.array(2.0))) == 12.0


def test_threads_call_one_function() -> None:
    w = lp.Variable(np.random.default_rng(1).normal(size=(30, 30)))
    f = lp.function(lambda x: lp.exp(x @ w) @ w)
    inputs = [np.random.default_rng(k).normal(size=(20 + k % 3, 30)) for k in range(8)]
    expected = [lp.function(lambda x: lp.exp(x @ w) @ w)(x).numpy() for x in inputs]
    results: dict[int, list[Any]] = {}

    def work(k: int) -> None:
        results[k] = [f(inputs[k]).numpy() for _ in range(20)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for k, found in results.items():
        for result in found:
            assert_same_bits(result, expected[k])


def test_threads_lose_no_assignment() -> None:
    count = lp.Variable(np.array(0))
    step = lp.function(lambda: count.assign_add(1))
    threads = [threading.Thread(target=lambda: [step() for _ in range(50)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert int(count) == 300


def test_any_callable_can_be_traced() -> None:
    class Twice:
        def __call__(self, x: Any) -> Any:
            return x * 2

    for f in (Twice(), functools.partial(lambda a, b: a * b, 2.0), lp.exp):
        lp.function(f)(np.ones(2))
    assert str(lp.function(Twice()).graph(1.0)).startswith("graph Twice")


# repeat ----------------------------------------------------------------------------------------


def test_repeat_gives_what_each_step_returns() -> None:
    v = lp.Variable([1.0, 2.0])

    @lp.function
    def f(x: Any) -> Any:
        v.assign(v * 2)
        return v @ x, {"v": v, "n": 3}

    dots, rest = f.repeat(3, np.array([1.0, 1.0]))
    assert dots.numpy().tolist() == [6.0, 12.0, 24.0]
    assert rest["v"].numpy().tolist() == [[2.0, 4.0], [4.0, 8.0], [8.0, 16.0]]
    assert rest["n"] == 3
    assert v.numpy().tolist() == [8.0, 16.0]


def test_repeat_no_times() -> None:
    v = lp.Variable(1.0)

    @lp.function
    def f() -> Any:
        v.assign_add(1.0)
        return v, lp.reshape(v, (1, 1))

    scalar, matrix = f.repeat(0)
    assert (scalar.shape, matrix.shape, float(v)) == ((0,), (0, 1, 1), 1.0)


def test_repeat_of_what_assigns_nothing() -> None:
    assert lp.function(lambda x: x * 2).repeat(3, 4.0).numpy().tolist() == [8.0, 8.0, 8.0]
    assert lp.function(lambda: lp.Tensor(1.0)).repeat(2).numpy().tolist() == [1.0, 1.0]
    assert lp.function(lambda: None).repeat(2) is None


@pytest.mark.parametrize("times", [-1, 2.0, True, "3", None])
def test_repeat_needs_a_number_of_times(times: Any) -> None:
    with pytest.raises(lp.ArgumentError, match="repeat needs a whole number of times, 0 or more"):
        lp.function(lambda: None).repeat(times)


def test_repeat_is_refused_where_it_would_not_be_seen() -> None:
    v = lp.Variable(1.0)

    def double() -> Any:
        v.assign(v * 2)
        return v

    f = lp.function(double)
    with lp.GradientTape(), pytest.raises(lp.ArgumentError, match=r"double\.repeat.*Python loop"):
        f.repeat(3)
    with pytest.raises(lp.ArgumentError, match=r"no tape and no trace sees it"):
        lp.function(lambda: f.repeat(3))()
    assert float(v) == 1.0


def test_random_ops_advance_with_each_call_and_each_step() -> None:
    def make() -> tuple[lp.Variable, Any]:
        step = lp.Variable(np.array(0, np.uint32), name="step")
        seed = lp.Tensor(7, dtype="uint32")

        def draw() -> Any:
            bits = random_bits(seed, step, stream=0, shape=(3,))
            number = random_uniform(RandomSource(seed, step, 1), (), "f32")
            step.assign_add(1)
            return bits, number

        return step, draw

    _, eager = make()
    expected = [eager() for _ in range(5)]
    _, python = make()
    called = lp.function(python)
    _, python = make()
    repeated = lp.function(python).repeat(5)
    for k, (bits, number) in enumerate(expected):
        for pair in (called(), (repeated[0][k], repeated[1][k])):
            assert_same_bits(pair[0], bits)
            assert_same_bits(pair[1], number)
    assert len({tuple(bits.numpy().tolist()) for bits, _ in expected}) == 5


def test_an_interrupt_leaves_a_whole_step(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = lp.Variable(np.array(0)), lp.Variable(np.array(0))

    @lp.function
    def step() -> Any:
        a.assign_add(1)
        b.assign(a * 10)
        return a

    run = step.repeat
    run(1)
    (concrete,) = step._concrete.values()
    loop, runs = concrete.loop, []

    def interrupted(*args: Any) -> Any:
        runs.append(1)
        if len(runs) == 3:
            raise KeyboardInterrupt
        return loop(*args)

    monkeypatch.setattr(concrete, "loop", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(100_000)
    assert int(a) > 1
    assert int(b) == 10 * int(a)


def test_slices_do_not_show() -> None:
    v = lp.Variable(np.array(0.0))

    @lp.function
    def f() -> Any:
        v.assign(v * 0.999 + 1)
        return v

    whole = f.repeat(1000).numpy()
    v.assign(0.0)
    parts = np.concatenate([f.repeat(n).numpy() for n in (1, 16, 17, 966)])
    np.testing.assert_array_equal(whole, parts)


# The printed graph -----------------------------------------------------------------------------


def test_the_printed_step() -> None:
    w = lp.Variable(np.ones((2, 1)))

    @lp.function
    def train_step(x: Any, y: Any, rate: Any) -> Any:
        with lp.GradientTape() as tape:
            loss = lp.mean(lp.square(x @ w - y))
        w.assign_sub(rate * tape.gradient(loss, w))
        return loss

    graph = train_step.graph(np.ones((4, 2)), np.ones((4, 1)), 0.1)
    assert str(graph) == GOLDEN


GOLDEN = """\
graph train_step
  x     f64[4,2]  input
  y     f64[4,1]  input
  rate  f64[]     input
  w     f64[2,1]  input
  %0    f64[4,1]  x @ w
  %1    f64[4,1]  %0 - y
  %2    f64[4,1]  %1 * %1
  %3    f64[]     sum(%2, axis=[0, 1])
  %4    f64[]     %3 / 4.0
  %5    f64[4,1]  0.25 * %1
  %6    f64[4,1]  %5 + %5
  %7    f64[2,4]  transpose(x, [1, 0])
  %8    f64[2,1]  %7 @ %6
  %9    f64[2,1]  broadcast(rate)
  %10   f64[2,1]  %9 * %8
  %11   f64[2,1]  w - %10
  return result = %4, w = %11"""


def test_variables_have_the_names_they_are_called_by() -> None:
    layers = [lp.Variable(1.0), lp.Variable(2.0)]
    own = lp.Variable(3.0, name="own")
    graph = lp.function(lambda x: x * layers[0] * layers[1] * own).graph(1.0)
    assert [node.name for node in graph.inputs] == ["x", "layers[0]", "layers[1]", "own"]


# What is kept ----------------------------------------------------------------------------------


def test_only_the_signatures_used_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limpide.tracing._MOST_KEPT", 4)
    traced: list[int] = []

    @lp.function
    def f(x: Any) -> Any:
        traced.append(x.size)
        return x + x

    for n in range(1, 7):
        assert f(np.ones(1)).shape == (1,)  # in use all the time: never forgotten
        assert f(np.ones(n)).shape == (n,)
        assert len(f._concrete) == min(n, 4)
    assert traced == [1, 2, 3, 4, 5, 6]
    f(np.ones(5))
    f(np.ones(2))
    assert traced == [1, 2, 3, 4, 5, 6, 2]


class Scaler:
    """Has a compiled method, and one that it compiled itself."""

    def __init__(self, factor: float) -> None:
        self.factor = lp.Variable(factor)
        self.own = lp.function(self.scale)

    def scale(self, x: Any) -> Any:
        return x * self.factor

    @lp.function
    def compiled(self, x: Any) -> Any:
        return x * self.factor


def test_a_compiled_method_keeps_no_object_alive() -> None:
    before = len(Scaler.compiled._concrete)
    gone: list[weakref.ref[Scaler]] = []
    for factor in range(20):
        scaler = Scaler(factor)
        # The ids of objects that are gone are used again: no graph of another may be found.
        assert float(scaler.compiled(2.0)) == 2.0 * factor
        assert float(scaler.own(2.0)) == 2.0 * factor
        gone.append(weakref.ref(scaler))
        del scaler
        gc.collect()
    assert [ref() for ref in gone] == [None] * 20
    assert len(Scaler.compiled._concrete) == before


@lp.function
def doubled(x: Any) -> Any:
    return x + x


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_objects_with_compiled_functions_are_copied_and_pickled(again: Any) -> None:
    scaler = Scaler(3.0)
    assert float(scaler.own(2.0)) == float(scaler.compiled(2.0)) == 6.0
    other = again(scaler)
    scaler.factor.assign(5.0)
    assert float(other.own(2.0)) == float(other.compiled(2.0)) == 6.0
    assert float(again(scaler.compiled)(2.0)) == float(again(scaler.own)(2.0)) == 10.0
    assert again(doubled) is doubled
    assert float(again({"f": doubled})["f"](2.0)) == 4.0
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(lp.function(lambda x: x))


@pytest.mark.parametrize("place", [-1, 1, np.array(-3), np.array([-1, 0]), np.int32(-2)], ids=repr)
def test_numbers_given_as_indices_count_from_the_end_as_in_eager_use(place: Any) -> None:
    x = np.arange(3.0)
    f = lp.function(lambda x, i: x[i])
    assert_same_bits(f(x, place), lp.Tensor(x[place]))
    with lp.GradientTape():
        assert_same_bits(f(x, place), lp.Tensor(x[place]))


@pytest.mark.parametrize("place", [-4, 3])
def test_an_index_outside_of_the_axis_is_still_refused(place: int) -> None:
    with pytest.raises(lp.LimpideError):
        lp.function(lambda x, i: x[i])(np.arange(3.0), place)
