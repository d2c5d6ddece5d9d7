"""X, y and weights: converted exactly or refused by name, never copied twice, never written to."""

from __future__ import annotations

import array
import datetime
import decimal
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.arrays import as_matrix, as_rows, as_weights

RNG = np.random.default_rng(0)
WHOLE = RNG.integers(0, 100, size=(40, 3))
REAL = RNG.normal(size=(40, 3)) * 10


def trained(X: Any, y: Any, dtype: str = "float64", weights: Any = None) -> tuple[Any, ...]:
    """Train on what is given; the bits of all that comes out."""
    net = lp.Network([3, 4, 1], activation="tanh", dtype=dtype, seed=0)
    history = net.fit(X, y, sample_weight=weights, epochs=3, batch_size=16, validation=0.2)
    bits = b"".join(a.tobytes() for a in net.params.values())
    return bits, history.loss, history.validation_loss, net.predict(X).tobytes()


# Conversion -------------------------------------------------------------------------------------


@pytest.mark.parametrize("network_dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "dtype",
    ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "g",
     ">f8", ">f4", ">i4", ">u2", "object"],
)  # fmt: skip
def test_every_dtype_of_numbers(dtype: str, network_dtype: str) -> None:
    X = (WHOLE > 50 if dtype == "bool" else WHOLE).astype(dtype)
    y = X[:, 0]
    plain = np.array(X.astype(np.float64))
    expected = trained(plain, plain[:, 0], network_dtype, plain[:, 1] + 1)
    before = X.copy()
    assert trained(X, y, network_dtype, X[:, 1].astype(dtype) * 1.0 + 1) == expected
    np.testing.assert_array_equal(X, before)
    assert X.dtype == before.dtype


def misaligned(values: Any) -> Any:
    memory = np.zeros(values.nbytes + 1, np.uint8)[1:]
    view = memory.view(values.dtype).reshape(values.shape)
    view[...] = values
    assert not view.flags.aligned
    return view


def read_only(values: Any) -> Any:
    values = values.copy()
    values.flags.writeable = False
    return values


LAYOUTS = {
    "strided": lambda a, path: np.repeat(np.repeat(a, 2, 0), 3, 1)[::2, ::3],
    "backwards": lambda a, path: a[::-1].copy()[::-1],
    "Fortran": lambda a, path: np.asfortranarray(a),
    "turned": lambda a, path: a.T.copy().T,
    "read-only": lambda a, path: read_only(a),
    "misaligned": lambda a, path: misaligned(a),
    "big-endian": lambda a, path: a.astype(a.dtype.newbyteorder(">")),
    "list": lambda a, path: a.tolist(),
    "tuples": lambda a, path: [tuple(row) for row in a.tolist()],
    "matrix": lambda a, path: a.view(np.recarray),
    "unmasked": lambda a, path: np.ma.masked_array(a, mask=False),
    "tensor": lambda a, path: lp.Tensor(a),
    "memory map": lambda a, path: mapped(a, path),
}


def mapped(values: Any, path: Path) -> Any:
    np.save(path / "X.npy", values)
    return np.load(path / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_bits_of_a_plain_copy(
    layout: str, dtype: str, tmp_path: Path
) -> None:
    X = REAL.astype(dtype)
    given = LAYOUTS[layout](X, tmp_path)
    before = np.array(given)
    y = X[:, 0] / 10
    assert trained(given, y, dtype) == trained(X.copy(), y, dtype)
    np.testing.assert_array_equal(np.array(given), before)


def test_data_frames_of_numbers() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = {name: REAL[:, i] for i, name in enumerate("abc")}
    expected = trained(REAL, REAL[:, 0])
    for library in (pandas, polars):
        frame = library.DataFrame(columns)
        assert trained(frame, frame["a"]) == expected
    with pytest.raises(lp.DtypeError, match=r"X is an object array and holds <NA> .* at \[1, 0\]"):
        trained(pandas.DataFrame({n: pandas.array([1, None], "Int64") for n in "abc"}), [1, 2])


def test_what_fits_is_not_copied() -> None:
    for dtype, short in (("float32", "f32"), ("float64", "f64")):
        X = REAL.astype(dtype)
        assert np.shares_memory(as_matrix(X, 3, short), X)
        X = read_only(X)
        assert np.shares_memory(as_matrix(X, 3, short), X)


def test_a_misaligned_table_is_copied_once() -> None:
    assert as_matrix(misaligned(REAL), 3, "f64").flags.aligned


def test_a_memory_map_is_not_copied(tmp_path: Path) -> None:
    rows = 200_000
    values = np.ones((rows, 20), np.float32)
    y = np.zeros(rows, np.float32)
    X = mapped(values, tmp_path)
    size = values.nbytes
    del values
    net = lp.Network([20, 1], seed=0)
    for given, copies in ((X, 0), (np.asfortranarray(X), 1)):
        tracemalloc.start()
        net.fit(given, y, epochs=1, batch_size=10_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # Row order, targets and a batch are small beside X.
        assert peak < (copies + 0.75) * size


# Refusals ---------------------------------------------------------------------------------------

Y = REAL[:, 0]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([["a", "b", "c"]], lp.DtypeError, "X holds text; a Network takes numbers. For text"),
        (np.array([[b"a"] * 3]), lp.DtypeError, "X holds bytes"),
        (REAL + 1j, lp.DtypeError, "X holds complex numbers"),
        (np.zeros((2, 3), "M8[s]"), lp.DtypeError, "X holds dates"),
        (np.zeros((2, 3), "m8[s]"), lp.DtypeError, "X holds time spans"),
        (np.zeros((2, 3), [("a", "f8")]), lp.DtypeError, r"X holds dtype \[\('a'"),
        ([[1, 2, "x"]], lp.DtypeError, "X holds text"),
        ([[1, 2, None]], lp.DtypeError, r"holds None of type NoneType at \[0, 2\]"),
        (np.array([[1, 2, "x"]], object), lp.DtypeError, r"holds 'x' of type str at \[0, 2\]"),
        (np.array([[1, 2, 3j]], object), lp.DtypeError, r"holds 3j of type complex at \[0, 2\]"),
        ([[datetime.date(2020, 1, 1)] * 3], lp.DtypeError, "of type date at"),
        ([[decimal.Decimal(1)] * 3], lp.DtypeError, "of type Decimal at"),
        ([[1, 2, 3], [4, 5]], lp.ShapeError, "X is a list whose rows differ in length"),
        (None, lp.DtypeError, "holds None of type NoneType"),
        ({"a": 1}, lp.DtypeError, "of type dict"),
        (np.ma.masked_array(REAL, REAL > 0), lp.DataError, r"masked entries; .* X.filled\(0\)"),
        (REAL[0], lp.ShapeError, r"X must have 2 axes, rows and features; received shape \[3\]"),
        (REAL[:, :, None], lp.ShapeError, r"received shape \[40, 3, 1\]"),
        (5.0, lp.ShapeError, r"received shape \[\]"),
        (REAL[:0], lp.DataError, "X has 0 rows; at least 1 is needed"),
        (REAL[:, :0], lp.ShapeError, "built for 3 features, X has 0"),
        (REAL[:, :2], lp.ShapeError, r"built for 3 features, X has 2. Build it with Network\(\[2,"),
        (np.hstack([REAL, REAL]), lp.ShapeError, "built for 3 features, X has 6"),
    ],
    ids=lambda v: str(v)[:30],
)
def test_wrong_X(X: Any, error: type[Exception], message: str) -> None:
    net = lp.Network([3, 1], seed=0)
    with pytest.raises(error, match=message):
        net.fit(X, Y)
    if not (isinstance(X, np.ndarray) and X.shape == (3,)):  # that is one row
        with pytest.raises(error, match=message):
            net.predict(X)


def test_sparse_X_says_how_to_make_it_dense() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(lp.DtypeError, match=r"X is sparse; .* pass X.toarray\(\)"):
        lp.Network([3, 1]).fit(sparse.csr_matrix(REAL), Y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_counted_and_placed(value: float, dtype: str) -> None:
    net = lp.Network([3, 1], dtype=dtype, seed=0)
    X = REAL.copy()
    X[[7, 9], [2, 0]] = value
    place = rf"X holds 2 values that are not finite, the first {value} at row 7, column 2"
    for call in (lambda: net.fit(X, Y), lambda: net.predict(X), lambda: net.evaluate(X, Y)):
        with pytest.raises(lp.DataError, match=place):
            call()
    with pytest.raises(lp.DataError, match=r"X holds 1 values .* at row 0, column 1"):
        net.predict([1, value, 3])
    y = Y.copy()
    y[5] = value
    with pytest.raises(lp.DataError, match=rf"y holds 1 values .*, the first {value} at row 5"):
        net.fit(REAL, y)
    weights = np.ones(40)
    weights[[3, 8]] = value
    with pytest.raises(lp.DataError, match=r"sample_weight holds 2 values .* at row 3\."):
        net.fit(REAL, Y, sample_weight=weights)
    with pytest.raises(lp.DataError, match="validation X holds 2 values"):
        net.fit(REAL, Y, validation=(X, Y))


def test_mixed_infinities_are_seen_though_they_cancel() -> None:
    X = REAL.copy()
    X[0, 0], X[1, 1] = np.inf, -np.inf
    with pytest.raises(lp.DataError, match="2 values that are not finite, the first inf at row 0"):
        lp.Network([3, 1]).predict(X)


def test_numbers_too_large_for_float32() -> None:
    X = REAL.copy()
    X[4, 1] = 1e300
    message = r"X holds 1 numbers too large for float32, the first 1e\+300 at row 4, column 1"
    with pytest.raises(lp.DataError, match=message):
        lp.Network([3, 1]).fit(X, Y)
    with pytest.raises(lp.DataError, match=r"y holds 40 numbers too large.*dtype='float64'"):
        lp.Network([3, 1]).fit(REAL, np.full(40, 1e200))
    assert np.isfinite(lp.Network([3, 1], dtype="float64").predict(X)).all()


def test_large_numbers_whose_sum_overflows_are_accepted() -> None:
    X = np.full((40, 3), 1e308)
    np.testing.assert_array_equal(as_matrix(X, 3, "f64"), X)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (Y[:5], lp.ShapeError, "X has 40 rows and y has 5 rows; both need one entry a row"),
        (3.0, lp.ShapeError, "X has 40 rows and y is a single number"),
        (
            np.c_[Y, Y],
            lp.ShapeError,
            r"y has shape \[40, 2\], the network gives \[40, 1\]; y is nev",
        ),
        (Y[None], lp.ShapeError, "X has 40 rows and y has 1 rows"),
        (Y[:, None, None], lp.ShapeError, r"y has shape \[40, 1, 1\]"),
        (["ham"] * 40, lp.DtypeError, "y holds text"),
        (["ham", *range(39)], lp.DtypeError, "y holds text"),
        ([None] * 40, lp.DtypeError, r"y is an object array and holds None of type NoneType"),
        (np.zeros(40, complex), lp.DtypeError, "y holds complex numbers"),
    ],
    ids=lambda v: str(v)[:30],
)
def test_wrong_y(y: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lp.Network([3, 1], seed=0).fit(REAL, y)


@pytest.mark.parametrize(
    ("network", "loss", "y", "message"),
    [
        ("sigmoid", None, [0, 1, 2], r"'bce' needs y between 0 and 1; received 2 in row 2"),
        ("sigmoid", None, [0, -1, 1], r"received -1 in row 1.*number the two classes 0 and 1"),
        ("softmax", None, [0, 3, 1], "y holds 3 in row 1; class numbers go from 0 to 2"),
        ("softmax", None, [0, 0.5, 1], "y holds 0.5 in row 1"),
        ("softmax", None, [0, -1, 1], "y holds -1 in row 1"),
        ("softmax", None, [0, 1e300, 1], r"y holds 1e\+300 in row 1"),
        ("softmax", None, [[1, 0, 0], [1, 1, 0], [0, 0, 1]], "Row 1 of y must hold probabilities"),
        ("softmax", None, [[1, 0, 0], [2, -1, 0], [0, 0, 1]], "Row 1 of y must hold probabilities"),
        ("softmax", None, [[1, 0], [1, 0], [0, 1]], r"y has shape \[3, 2\]; the network has 3 cl"),
        ("linear", "poisson", [1, -2, 0], "'poisson' needs counts .* received -2 in row 1"),
    ],
)
def test_y_that_a_loss_cannot_use(network: str, loss: Any, y: Any, message: str) -> None:
    net = lp.Network([3, 3 if network == "softmax" else 1], output=network, seed=0)
    with pytest.raises(lp.LimpideError, match=message):
        net.fit(REAL[:3], y, loss=loss)


# Small and flat tables --------------------------------------------------------------------------


def test_one_row_and_flat_tables_train() -> None:
    net = lp.Network([3, 4, 1], dtype="float64", seed=0)
    assert np.isfinite(net.fit(REAL[:1], [1.0], epochs=3).loss).all()
    assert np.isfinite(net.fit(np.ones((10, 3)), np.ones(10)).loss).all()
    assert np.isfinite(net.fit(np.zeros((10, 3)), np.zeros(10)).loss).all()
    with pytest.raises(lp.DataError, match="needs at least 2 rows to split"):
        net.fit(REAL[:1], [1.0], validation=0.5)


def test_shares_whose_weights_are_zero() -> None:
    net = lp.Network([3, 1], dtype="float64", seed=0)
    weights = np.r_[1.0, np.zeros(39)]
    with pytest.raises(lp.DataError, match="sample_weight is 0 in all rows held out"):
        net.fit(REAL, Y, sample_weight=weights, validation=0.05)


def test_other_sources_of_numbers() -> None:
    numbers, single = as_rows(array.array("d", [1, 2, 3]), 3, "f32")
    assert single
    assert numbers.tolist() == [[1, 2, 3]]
    assert as_weights(range(1, 4), 3, "f32").tolist() == [1, 2, 3]  # type: ignore[union-attr]
    assert as_matrix([[10**30, 2, 3]], 3, "f64")[0, 0] == 1e30


def test_memory_short_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(np, "require", full)
    with pytest.raises(lp.MemoryLimitError, match=r"X as float32 needs 0.0 GiB.*float32, which is"):
        as_matrix(REAL, 3, "f32")


# Numbers that would change ----------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_whole_numbers_that_a_float_would_round_are_refused(sign: int) -> None:
    small = lp.Network([2, 1], seed=0)
    wide = lp.Network([2, 1], dtype="float64", seed=0)
    odd = np.array([[0, 1], [2, sign * (2**24 + 1)]])
    message = rf"X holds {odd[1, 1]} in row 1, column 1, a whole .* float32 .*dtype='float64'"
    with pytest.raises(lp.DataError, match=message):
        small.predict(odd)
    wide.predict(odd)
    for exact in (2**24, 2**24 + 2, 2**62, -(2**63)):
        small.predict(np.array([[0, exact]]))
    huge = np.array([[sign * (2**53 + 1), 0]])
    with pytest.raises(lp.DataError, match=r"row 0, column 0, a whole number that float64"):
        wide.predict(huge)
    wide.predict(huge - sign)


def test_a_number_too_large_for_a_parameter_is_refused() -> None:
    net = lp.Network([2, 1], seed=0)
    with pytest.raises(lp.DtypeError, match=r"w1 holds 1e\+300, which float32 cannot hold"):
        net.set("w1", 1e300)
    with pytest.raises(lp.DtypeError, match=r"output.bias holds 1e\+300, which float32"):
        net.params["output.bias"] = 1e300
    net.set("w1", 1e30)
    net.params["output.bias"] = 1


def test_one_row_of_another_width_is_called_a_row() -> None:
    net, neuron = lp.Network([2, 1], seed=0), lp.Neuron(2, seed=0)
    for call in (net.predict, net, neuron.activate):
        with pytest.raises(lp.ShapeError, match="X is one row of 3 numbers; the network takes 2"):
            call([1, 2, 3])


def test_a_count_below_zero_is_named_where_it_stands() -> None:
    net = lp.Network([1, 1], seed=0)
    with pytest.raises(lp.DataError, match="received -1 in row 1"):
        net.fit([[1], [2], [3], [4]], [0, -1, -5, 2], loss="poisson")


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(float).max, reason="no wider float")
def test_numbers_too_large_for_float64_are_not_sent_there() -> None:
    net = lp.Network([1, 1], dtype="float64", seed=0)
    with pytest.raises(lp.DataError, match=r"too large for float64, .*Scale the column\.$"):
        net.predict(np.array([["1e400"]]).astype(np.longdouble))
