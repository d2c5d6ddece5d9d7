"""The layers in front of a table's network: their numbers, their derivatives, their files."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import limpide as lp
from limpide.storage.layers import layers_from_config
from limpide.table_layers import (
    Columns,
    Equals,
    Missing,
    OneHot,
    PiecewiseLinear,
    RobustScale,
    Standardize,
)

NAN = float("nan")


def run(layer: lp.Layer, X: object, **state: object) -> np.ndarray:
    """Give what a layer alone makes of X, in float64."""
    width = np.shape(X)[1]
    net = lp.Network([width, layer], dtype="float64", seed=0)
    for name, value in state.items():
        net.state[f"{net.placed[0].name}.{name}"] = value
    return net.predict(np.asarray(X, np.float64))


def test_standardize_is_the_difference_times_the_factor():
    X = [[1.0, 10.0], [NAN, 30.0]]
    expected = [[-0.5, -20.0], [0.0, 20.0]]
    assert run(Standardize(), X, centre=[2, 20], factor=[0.5, 2]).tolist() == expected


def test_robust_scaling_is_the_published_formula():
    x = np.linspace(-40, 40, 81)[:, None]
    z = (x - 3) * 0.25
    found = run(RobustScale(), x, centre=[3], factor=[0.25])
    np.testing.assert_array_max_ulp(found, z / np.sqrt(1 + (z / 3) ** 2), maxulp=4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_numbers_end_at_three(dtype):
    net = lp.Network([1, RobustScale()], dtype=dtype, seed=0)
    net.state["robustscale1.factor"] = 1e6
    largest = np.finfo(dtype).max
    found = net.predict(np.array([[largest], [-largest], [1e-30], [NAN]], dtype))
    assert np.allclose(found[:2, 0], [3, -3], rtol=1e-6, atol=0)
    assert found[3, 0] == 0


def test_missing_equals_and_one_hot_mark_their_cells():
    X = [[0.0, NAN], [2.0, 3.0]]
    assert run(Missing(), X).tolist() == [[0, 1], [0, 0]]
    assert run(Equals(), X, value=[2, 3]).tolist() == [[0, 0], [1, 1]]
    codes = [[1, 3], [0, 1], [2, NAN], [9, 2]]
    one_hot = [[1, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert run(OneHot((2, 3)), codes).tolist() == one_hot


def test_stretches_are_filled_one_after_another():
    layer = PiecewiseLinear((3, 1))
    edges = [0.0, 1, 3, 4], [10.0, 20]
    start = np.concatenate([e[:-1] for e in edges])
    factor = np.concatenate([1 / np.diff(e) for e in edges])
    X = [[-9.0, 15], [-0.5, 10], [0.25, 20], [2, 25], [3.5, 99], [9, NAN], [NAN, -1e300]]
    shares = np.array(
        [
            [-1, 0, 0, 0.5],
            [-0.5, 0, 0, 0],
            [0.25, 0, 0, 1],
            [1, 0.5, 0, 1.5],
            [1, 1, 0.5, 2],
            [1, 1, 2, 0],
            [0, 0, 0, -1],
        ]
    )
    found = run(layer, X, start=start, factor=factor)
    expected = shares * np.array([2 / np.sqrt(3)] * 3 + [2.0])
    np.testing.assert_array_equal(found, expected)


def columns() -> Columns:
    return Columns(
        (
            ((0, 1), RobustScale(name="numbers")),
            ((1,), Missing(name="missing")),
            ((0,), Equals(name="spikes")),
            ((2,), OneHot((2,), name="one_hot")),
            ((3,), lp.Embedding(4, 3, name="city")),
            ((1, 0), Standardize(name="swapped")),
        ),
        name="columns",
    )


def test_columns_puts_its_parts_side_by_side():
    net = lp.Network([4, columns()], dtype="float64", seed=0)
    found = net.predict(np.array([[0.0, NAN, 2.0, 3.0]]))
    table = net.params["columns.city.table"]
    assert found[0].tolist() == [0, 0, 1, 1, 0, 1, *table[3].tolist(), 0, 0]
    assert list(net.params) == ["columns.city.table"]
    assert net.n_outputs == 11


def test_the_derivatives_of_the_layers_are_right():
    net = lp.Network([4, columns(), lp.Dense(3, "tanh"), 1], dtype="float64", seed=0)
    net.state["columns.numbers.centre"] = [0.3, -0.2]
    net.state["columns.numbers.factor"] = [1.7, 0.4]
    random = np.random.default_rng(0)
    X = np.column_stack([random.normal(size=(5, 2)), [[1, 0], [2, 1], [0, 2], [1, 3], [2, 0]]])
    table = net.variables[0]

    def at(values: np.ndarray) -> float:
        kept = net.params["columns.city.table"].copy()
        net.params["columns.city.table"] = values
        total = float(np.sum(net.predict(X)))
        net.params["columns.city.table"] = kept
        return total

    with lp.GradientTape() as tape:
        total = lp.sum(net(X))
    gradient = tape.gradient(total, [table])[0].numpy()
    way = random.normal(size=gradient.shape)
    start = net.params["columns.city.table"].copy()
    slope = (at(start + 1e-5 * way) - at(start - 1e-5 * way)) / 2e-5
    assert abs(slope - float((gradient * way).sum())) < 1e-8 * max(1, abs(slope))


def test_the_derivative_with_respect_to_the_numbers_is_right():
    net = lp.Network([4, columns(), lp.Dense(3, "tanh"), 1], dtype="float64", seed=0)
    random = np.random.default_rng(1)
    X = np.column_stack([random.normal(size=(4, 2)), [[1, 0], [2, 1], [0, 2], [1, 3]]])
    x = lp.Variable(X)
    with lp.GradientTape() as tape:
        total = lp.sum(net(x))
    gradient = tape.gradient(total, [x])[0].numpy()
    way = np.column_stack([random.normal(size=(4, 2)), np.zeros((4, 2))])
    high, low = net.predict(X + 1e-5 * way).sum(), net.predict(X - 1e-5 * way).sum()
    slope = (high - low) / 2e-5
    assert abs(slope - (gradient * way).sum()) < 1e-8 * max(1, abs(slope))
    assert not gradient[:, 2:].any()


def test_missing_numbers_do_not_reach_the_gradient():
    net = lp.Network([2, RobustScale(), lp.Dense(1)], seed=0)
    history = net.fit(np.array([[1.0, NAN], [NAN, 2.0], [0.5, 1.0]]), [1.0, 2.0, 3.0], epochs=3)
    assert np.isfinite(history.loss).all()
    assert all(np.isfinite(array).all() for array in net.params.values())


def test_a_network_without_such_a_layer_still_refuses_missing_numbers():
    with pytest.raises(lp.DataError, match="1 values that are not finite, the first nan at row 0"):
        lp.Network([1, 1], seed=0).predict([[NAN]])
    scaled = lp.Network([1, RobustScale(), 1], seed=0)
    with pytest.raises(lp.DataError, match="1 values that are not finite, the first inf at row 1"):
        scaled.predict([[NAN], [float("inf")]])


def test_a_file_brings_the_layers_back(tmp_path):
    net = lp.Network([4, columns(), 5, 1], seed=3)
    net.state["columns.numbers.centre"] = [0.1, 0.2]
    net.save(tmp_path / "n.safetensors")
    again = lp.load(tmp_path / "n.safetensors")
    assert again.layers == net.layers
    X = np.array([[0.5, NAN, 1, 2], [-3, 1, 0, 0]], np.float32)
    assert np.array_equal(again.predict(X), net.predict(X))


def test_a_described_layer_that_cannot_be_is_refused():
    config = lp.Network([4, columns(), 1], seed=0).config()
    nested = copy.deepcopy(config)
    nested["layers"][0]["parts"][0]["layer"]["type"] = "Columns"
    with pytest.raises(
        lp.ModelFileError, match=r"layers\[0\].parts\[0\].layer.type must be one of"
    ):
        layers_from_config(nested)
    unnamed = copy.deepcopy(config)
    unnamed["layers"][0]["parts"][0]["layer"]["name"] = ""
    with pytest.raises(lp.ModelFileError, match="need names of their own"):
        layers_from_config(unnamed)


def test_wrong_columns_are_named():
    with pytest.raises(lp.ArgumentError, match="need names of their own"):
        Columns((((0,), RobustScale()),))
    with pytest.raises(lp.ShapeError, match="part 'a' takes column 3; there are 2"):
        lp.Network([2, Columns((((3,), Missing(name="a")),)), 1])
    with pytest.raises(lp.ShapeError, match="built for 1 columns and gets 2"):
        lp.Network([2, OneHot((3,)), 1])
    with pytest.raises(lp.ArgumentError, match=r"categories\[0\] must be at least 1"):
        OneHot((0,))
