"""Tensor and Variable: the dtype rules, conversions and refusals, operators, immutability."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.errors import ArgumentTypeError, MemoryLimitError
from limpide.ops import OPS

DTYPES = ["float32", "float64", "int32", "int64", "uint32", "bool"]


def dtype_of(tensor: lp.Tensor) -> str:
    return tensor.dtype.name


# The dtype rules of the public contract --------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_keeps_its_dtype(dtype: str) -> None:
    array = np.array([0, 1, 1], dtype)
    assert dtype_of(lp.Variable(array)) == dtype
    assert dtype_of(lp.Tensor(array)) == dtype
    assert dtype_of(lp.reshape(array, (3, 1))) == dtype


@pytest.mark.parametrize("value", [1, 2.5, [1, 2], [[0.5], [1]], (1, 2), []])
def test_numbers_and_lists_become_float32(value: Any) -> None:
    assert dtype_of(lp.Tensor(value)) == "float32"
    assert dtype_of(lp.Variable(value)) == "float32"
    assert dtype_of(lp.sum(value)) == "float32"


def test_bools_stay_bools() -> None:
    assert dtype_of(lp.Tensor(True)) == "bool"
    assert dtype_of(lp.Tensor([True, False])) == "bool"
    assert dtype_of(lp.logical_not(False)) == "bool"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "other",
    [
        *(3, 0.1, True, [0.1, 0.2], np.array([0.1, 0.2]), np.array([0.1, 2], "f4")),
        *(np.array([1, 2]), np.array([True, False])),
        *(np.float64(0.1), np.float32(0.1), np.int64(3)),
    ],
    ids=repr,
)
def test_what_is_no_tensor_takes_the_dtype_of_the_tensor_it_meets(other: Any, dtype: str) -> None:
    x = lp.Variable(np.array([0.25, 3.0], dtype))
    expected = np.asarray(other).astype(dtype) + x.numpy()
    for result in (x + other, other + x):
        assert isinstance(result, lp.Tensor)
        assert dtype_of(result) == dtype
        np.testing.assert_array_equal(result.numpy(), expected)


def test_a_float64_keeps_all_digits_of_numbers_and_lists() -> None:
    x = lp.Tensor(0, dtype="float64")
    assert float(x + 0.1) == 0.1
    assert lp.add(x, [0.1]).numpy()[0] == 0.1
    assert float(lp.Tensor(0.1, dtype="float64")) == 0.1
    assert float(lp.cast(0.1, "float64")) == 0.1
    assert int(lp.cast(16777217, "int64")) == 16777217


def test_numpy_scalars_have_a_dtype() -> None:
    assert dtype_of(lp.Variable(np.float64(0.1))) == "float64"
    assert dtype_of(lp.exp(np.float64(0.1))) == "float64"
    assert dtype_of(lp.exp(np.float32(0.1))) == "float32"


def test_arrays_without_a_tensor_are_promoted_as_numpy_does() -> None:
    single, double = np.ones(2, "f4"), np.ones(2, "f8")
    assert dtype_of(lp.add(single, double)) == "float64"
    assert dtype_of(lp.add(double, single)) == "float64"
    assert dtype_of(lp.add(single, 0.1)) == "float32"


def test_two_tensors_of_different_dtype_are_an_error() -> None:
    a, b = lp.Tensor([1.0]), lp.Tensor(np.array([1.0]))
    with pytest.raises(lp.DtypeError, match=r"different dtype met: f32 and f64.*lp\.cast"):
        a + b
    with pytest.raises(TypeError, match="different dtype"):
        lp.where(a > 0, a, b)
    with pytest.raises(lp.DtypeError, match="different dtype"):
        lp.Variable(a).assign(b)


def test_matmul_and_sums_with_arrays_on_either_side_give_tensors() -> None:
    w = lp.Variable(np.eye(2, dtype="float32"), name="w")
    x = np.array([[1.0, 2.0]])
    for result in (x @ w, x + w, x * w, x - w, x / (w + 1), x**w, np.float64(2) * w):
        assert isinstance(result, lp.Tensor)
        assert dtype_of(result) == "float32"
    np.testing.assert_array_equal((x @ w).numpy(), x)
    for result in (np.add(x, w), np.matmul(x, w), np.negative(w), x > w, np.greater_equal(x, w)):
        assert isinstance(result, lp.Tensor)
    np.testing.assert_array_equal((x > w).numpy(), x > w.numpy())


def test_functions_of_numpy_say_what_to_call_instead() -> None:
    w = lp.Variable([1.0, 2.0])
    with pytest.raises(lp.ArgumentTypeError, match=r"np.exp is for arrays .*lp.exp"):
        np.exp(w)
    with pytest.raises(lp.ArgumentTypeError, match=r"Use lp.tanh"):
        lp.Network([3, 1], activation=np.tanh, output=np.tanh, seed=0).predict(np.ones((2, 3)))
    x = np.ones(2)
    with pytest.raises(lp.ArgumentTypeError, match=r"np.add is for arrays"):
        x += w


def test_floats_never_become_integers_by_themselves() -> None:
    x = lp.Tensor(np.array([1, 2]))
    message = r"floats and meets a tensor of i64; cast the tensor instead: lp\.cast"
    for other in (0.5, [0.5, 1.0], np.array([1.0, 2.0])):
        with pytest.raises(lp.DtypeError, match=message):
            x * other
    with pytest.raises(lp.DtypeError, match=message):
        lp.function(lambda x, y: x * y)(x, 0.5)


# Conversions and refusals ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("int8", "int32"),
        ("int16", "int32"),
        ("uint8", "int32"),
        ("uint16", "int32"),
        ("uint64", "int64"),
        ("longlong", "int64"),
        ("float16", "float32"),
        (">f8", "float64"),
        (">f4", "float32"),
        (">i4", "int32"),
        (">u4", "uint32"),
        (">i2", "int32"),
    ],
)
def test_other_dtypes_are_widened_exactly(given: str, expected: str) -> None:
    array = np.array([0, 1, 100], given)
    tensor = lp.Tensor(array)
    assert dtype_of(tensor) == expected
    np.testing.assert_array_equal(tensor.numpy(), array)
    np.testing.assert_array_equal((lp.Tensor([0.0]) + array).numpy(), array)


class Sparse:
    """Stands for a matrix of scipy.sparse, which has this method."""

    def toarray(self) -> None: ...


REFUSED = [
    (np.array([1j]), "dtype complex128, which limpide cannot convert exactly"),
    (1j, "complex128"),
    (np.array(["2020-01-01"], "M8[D]"), r"dtype datetime64\[D\]"),
    (np.array([1], "m8[s]"), r"dtype timedelta64\[s\]"),
    (np.array(["a"]), "dtype <U1"),
    ("text", "<U4"),
    (b"bytes", "S5"),
    (["a", 1.0], "<U"),
    (None, "dtype object"),
    (np.array([object()]), "dtype object"),
    ([None, 1.0], "dtype object"),
    (2**70, "dtype object"),
    (np.array([2**63], "u8"), "dtype uint64"),
    (np.ones(1, np.longdouble), "longdouble|float128"),
    (np.ma.masked_array([1.0], [True]), r"masked array; fill it first, e\.g\. \w+\.filled\(0\)"),
    (Sparse(), r"is sparse; make it dense first with \.toarray\(\)"),
    ({"a": 1}, "dtype object"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_what_cannot_be_converted_is_refused_by_name(value: Any, message: str) -> None:
    for convert in (lp.Tensor, lp.Variable, lp.exp, lambda v: lp.add(lp.Tensor(1.0), v)):
        with pytest.raises(lp.DtypeError, match=message):
            convert(value)
    assert issubclass(lp.DtypeError, TypeError)


def test_rows_of_different_length_are_refused() -> None:
    for convert in (lp.Tensor, lp.exp, lambda v: lp.add(lp.Tensor(1.0), v)):
        with pytest.raises(lp.ShapeError, match="rows differ in length"):
            convert([[1.0], [1.0, 2.0]])


def test_numbers_beyond_the_dtype_are_refused() -> None:
    single = lp.Tensor(1.0)
    for big in (1e300, [1.0, -1e39], np.array([1e300])):
        with pytest.raises(lp.DtypeError, match=r"holds -?1e\+\d+, which float32 cannot hold"):
            single + big
    with pytest.raises(lp.DtypeError, match=r"holds 1e\+300"):
        lp.Variable(1e300)
    unsigned, short = lp.Tensor([1], dtype="uint32"), lp.Tensor([1], dtype="int32")
    for other in (-1, [2**32], np.array([-1])):
        with pytest.raises(lp.DtypeError, match="which uint32 cannot hold"):
            unsigned + other
    with pytest.raises(lp.DtypeError, match="holds 2147483648, which int32 cannot hold"):
        short + 2**31
    with pytest.raises(lp.DtypeError, match=r"holds 1\.5, which int64 cannot hold"):
        lp.Tensor(1.5, dtype="int64")
    with pytest.raises(lp.DtypeError, match="holds nan"):
        lp.Tensor([np.nan], dtype="bool")
    assert dtype_of(lp.Tensor([1.0, 0.0], dtype="bool")) == "bool"


def test_infinity_and_nan_are_numbers() -> None:
    x = lp.Tensor([np.inf, -np.inf, np.nan]) + lp.Tensor(1.0)
    np.testing.assert_array_equal(x.numpy(), [np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal((x + np.array([np.inf, 0, 0])).numpy()[0], np.inf)


def test_an_unknown_dtype_lists_the_choices() -> None:
    for wrong in ("float23", "f2", np.float16, "", object):
        with pytest.raises(lp.DtypeError, match="must be one of bool, float32, float64, int32"):
            lp.Tensor(1, dtype=wrong)
    with pytest.raises(lp.DtypeError, match="Did you mean 'float32'"):
        lp.Tensor(1, dtype="float23")
    for same in ("float32", "f32", np.float32, np.dtype("f4")):
        assert dtype_of(lp.Tensor(1, dtype=same)) == "float32"


def test_a_list_of_tensors_is_refused_since_it_would_lose_the_gradient() -> None:
    a, b = lp.Variable(1.0), lp.Variable(2.0)
    for use in (lp.sum, lp.Tensor, lambda v: lp.Tensor([1.0, 2.0]) * v):
        with pytest.raises(lp.ArgumentTypeError, match=r"join them first: lp\.stack\(list\)"):
            use([a, b])
    assert lp.stack([a, b]).numpy().tolist() == [1.0, 2.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_layout_gives_the_bits_of_a_plain_copy(dtype: str) -> None:
    plain = np.random.default_rng(3).normal(size=(33, 17)).astype(dtype)
    wide = np.zeros((66, 34), dtype)
    wide[::2, ::2] = plain
    frozen = plain.copy()
    frozen.flags.writeable = False
    raw = np.zeros(plain.nbytes + 1, np.uint8)[1:].view(dtype).reshape(plain.shape)
    raw[...] = plain
    layouts = [np.asfortranarray(plain), wide[::2, ::2], frozen, plain[::-1].copy()[::-1], raw]
    w = np.random.default_rng(4).normal(size=(17, 9)).astype(dtype)
    for function in (lambda x: x @ lp.Tensor(w), lp.exp, lp.sum, lambda x: lp.mean(x, 0)):
        expected = function(lp.Tensor(plain)).numpy()
        for layout in layouts:
            before = layout.copy()
            np.testing.assert_array_equal(function(lp.Tensor(layout)).numpy(), expected)
            np.testing.assert_array_equal(layout, before)


# Operators -------------------------------------------------------------------------------------

OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_operators_are_those_of_numpy(symbol: str, dtype: str) -> None:
    operator = OPERATORS[symbol]
    generator = np.random.default_rng(5)
    a = generator.uniform(0.5, 2, (3, 1)).astype(dtype)
    b = generator.uniform(0.5, 2, (1, 4)).astype(dtype)
    b[0, 0] = a[0, 0]
    t, u = lp.Tensor(a), lp.Variable(b)
    for x, y in [(t, u), (t, b), (a, u)]:
        np.testing.assert_array_equal(operator(x, y).numpy(), operator(a, b), strict=True)
    np.testing.assert_array_equal(operator(t, 1.5).numpy(), operator(a, 1.5), strict=True)
    np.testing.assert_array_equal(operator(1.5, t).numpy(), operator(1.5, a), strict=True)


def test_unary_operators_and_turning() -> None:
    a = np.array([[1.0, -2.0, 0.5]])
    t = lp.Tensor(a)
    np.testing.assert_array_equal((-t).numpy(), -a)
    np.testing.assert_array_equal(abs(t).numpy(), abs(a))
    np.testing.assert_array_equal(t.T.numpy(), a.T)
    assert (t.shape, t.ndim, t.size, len(t), t.dtype) == ((1, 3), 2, 3, 1, a.dtype)
    assert [row.shape for row in t] == [(3,)]


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5, 2.0, -0.5])
def test_powers_of_python_numbers(exponent: float) -> None:
    a = np.array([0.5, 2.0, 9.0])
    np.testing.assert_allclose((lp.Tensor(a) ** exponent).numpy(), a**exponent, rtol=1e-15)


def test_what_has_no_operator_says_so() -> None:
    x = lp.Tensor(1.0)
    for other in ("text", None, b"x", {}):
        with pytest.raises(TypeError, match="unsupported operand"):
            x + other
        assert (x == other) is False
        assert (x != other) is True


def test_a_number_of_python() -> None:
    x = lp.Tensor([[2.5]])
    assert (float(x), int(x), bool(x), x.item()) == (2.5, 2, True, 2.5)
    assert f"{x:.2f} {lp.Tensor(1.0)}" == "2.50 1.0"
    assert [10, 20, 30][lp.Tensor(np.array(1))] == 20
    with pytest.raises(lp.ShapeError, match=r"Only a tensor of one element.*f32\[2\]"):
        float(lp.Tensor([1.0, 2.0]))
    with pytest.raises(lp.ArgumentTypeError, match="An index must be a whole number"):
        [10, 20][lp.Tensor(1.0)]
    with pytest.raises(TypeError, match="A scalar tensor has no length"):
        len(lp.Tensor(1.0))


def test_text() -> None:
    assert repr(lp.Tensor([1.0, 2.5])) == "Tensor([1. , 2.5], f32[2])"
    assert repr(lp.Variable(np.array([[1, 2]]))) == "Variable([[1, 2]], i64[1,2])"
    assert str(lp.Tensor([1.0, 2.5])) == "[1.  2.5]"


# Nothing changes behind one's back -------------------------------------------------------------


def test_the_source_array_may_change_afterwards() -> None:
    source = np.array([1.0, 2.0])
    tensor, variable, kept = lp.Tensor(source), lp.Variable(source), lp.reshape(source, (2, 1))
    added = lp.Tensor(np.array([0.0, 0.0])) + source
    source[:] = 7
    for value in (tensor, variable, kept, added):
        assert value.numpy().reshape(-1).tolist() == [1.0, 2.0]


def test_numpy_gives_an_array_of_ones_own() -> None:
    for value in (lp.Tensor([1.0, 2.0]), lp.Variable([1.0, 2.0])):
        for take in (lambda v: v.numpy(), np.asarray, np.array):
            array = take(value)
            array[:] = 7
            assert value.numpy().tolist() == [1.0, 2.0]


def test_results_of_a_variable_stay_when_it_is_assigned() -> None:
    v = lp.Variable([[1.0, 2.0], [3.0, 4.0]])
    views = [v[0], v.T, lp.reshape(v, (4,)), lp.broadcast_to(v, (2, 2, 2)), lp.stop_gradient(v)]
    views += [lp.reshape(v, (2, 2)), lp.cast(v, "float32"), lp.sum(v, axis=()), v**1, v[:]]
    before = [x.numpy() for x in views]
    v.assign([[9.0, 9.0], [9.0, 9.0]])
    for view, expected in zip(views, before, strict=True):
        np.testing.assert_array_equal(view.numpy(), expected)


def test_tensors_cannot_be_assigned() -> None:
    x = lp.Tensor([1.0, 2.0])
    with pytest.raises(TypeError, match="does not support item assignment"):
        x[0] = 3.0  # type: ignore[index]
    with pytest.raises(AttributeError):
        x.numbers = 3  # type: ignore[attr-defined]


def test_assign() -> None:
    v = lp.Variable(np.array([1.0, 2.0]), name="v")
    v.assign([3.0, 4.0])
    v.assign_add(1)
    v.assign_sub(np.array([0.5, 0.5], "f4"))
    assert v.numpy().tolist() == [3.5, 4.5]
    v.assign(v)
    v.assign(lp.stack([v[1], v[0]]))
    assert v.numpy().tolist() == [4.5, 3.5]
    with pytest.raises(lp.ShapeError, match=r"Variable 'v' is f64\[2\]; .* assigned f64\[\]"):
        v.assign(1.0)
    assert v.numpy().tolist() == [4.5, 3.5]


def test_sharing_reads_and_writes_the_array_itself() -> None:
    array = np.array([1.0, 2.0])
    v = lp.Variable.sharing(array, "w")
    array[0] = 5.0
    assert v.numpy().tolist() == [5.0, 2.0]
    v.assign_add(1.0)
    assert array.tolist() == [6.0, 3.0]


def test_copies_and_pickles() -> None:
    tensor, variable = lp.Tensor([1.0, 2.0]), lp.Variable([1.0, 2.0], name="v")
    for clone in (copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))):
        assert clone(tensor).numpy().tolist() == [1.0, 2.0]
        other = clone(variable)
        variable.assign_add(1)
        assert (other.name, other.numpy().tolist()) == ("v", [1.0, 2.0])
        variable.assign_sub(1)


def test_tensors_can_be_keys() -> None:
    x, y = lp.Tensor(1.0), lp.Tensor(1.0)
    assert len({x: 1, y: 2}) == 2


def test_operators_work_with_nothing_else_loaded() -> None:
    code = "import limpide as lp; x = lp.Tensor([1.0]); print(float(x + x[0]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2.0\n"


# Memory ----------------------------------------------------------------------------------------

HUGE = 10**12


@pytest.mark.parametrize(
    "make",
    [
        lambda: lp.one_hot([0, 1], HUGE),
        lambda: lp.broadcast_to(1.0, (HUGE,)) * 2,
        lambda: lp.iota((HUGE,)),
        lambda: lp.pad(lp.Tensor([1.0]), [0], [HUGE]),
        lambda: lp.normal((HUGE,)),
        lambda: lp.zeros((HUGE,)),
        lambda: lp.Generator(0).normal((HUGE,)),
        lambda: lp.Generator(0).uniform(HUGE),
        lambda: lp.function(lambda x: lp.broadcast_to(x, (HUGE,)) * x)(1.0),
        lambda: lp.function(lambda x: x * 2).repeat(HUGE, 1.0),
    ],
)
def test_what_does_not_fit_in_memory_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(MemoryLimitError, match=r"needs about [\d,]+ GiB of memory, and there is"):
        make()


def test_drawing_counts_what_it_takes_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limpide.memory.present", lambda: 39_999)
    for draw in (lp.normal, lp.uniform, lp.Generator(0).normal, lp.Generator(0).uniform):
        with pytest.raises(MemoryLimitError, match=r"shape \[10, 100\] needs"):
            draw((10, 100))
        assert draw((999,)).shape == (999,)


def test_a_failed_allocation_is_told_by_op_and_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise MemoryError

    x = lp.Tensor([1.0, 2.0])
    monkeypatch.setattr(OPS["tanh"], "numpy", full)
    with pytest.raises(MemoryLimitError, match=r"result of tanh, f32\[2\].*smaller shapes"):
        lp.tanh(x)


def test_a_view_of_any_size_takes_no_memory() -> None:
    assert lp.broadcast_to(1.0, (HUGE,)).shape == (HUGE,)


def test_what_cannot_be_an_array_is_told() -> None:
    for value in (10**400, [10**400], np.array([10**400], object), np.array(10**400, object)):
        for use in (lp.Tensor, lp.Variable, lambda x: lp.Tensor([1.0]) + x, lp.sum):
            with pytest.raises(lp.LimpideError):
                use(value)

    class WithGradient:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    with pytest.raises(ArgumentTypeError, match=r"requires grad\. Detach it first"):
        lp.Tensor(WithGradient())


def test_an_array_without_a_copy_is_refused_as_numpy_asks() -> None:
    x = lp.Tensor([1.0])
    with pytest.raises(ValueError, match="as a copy only"):
        np.array(x, copy=False)
    assert np.array(x, copy=True).tolist() == np.asarray(x).tolist() == [1.0]
