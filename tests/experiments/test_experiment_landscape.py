"""The loss over two weights: each point is what evaluate gives with those weights set."""

from __future__ import annotations

import re

import numpy as np
import pytest

import limpide as lp
from limpide.errors import ArgumentError, ArgumentTypeError, ShapeError
from tolerances import tolerance

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(12, 3))


def cases() -> dict[str, tuple[lp.Network, np.ndarray, tuple[str, str]]]:
    small = lp.Network([3, 4, 1], "tanh", "sigmoid", dtype="float64", seed=1)
    single = lp.Network([3, 4, 1], "relu", seed=1)
    several = lp.Network([3, 4, 3], "relu", "softmax", dtype="float64", seed=1)
    layers = [3, lp.Dense(4), lp.BatchNorm(), lp.Dropout(0.5), 1]
    normed = lp.Network(layers, dtype="float64", seed=1)
    normed.fit(ROWS, ROWS[:, 0], epochs=5, progress=False)
    return {
        "sigmoid": (small, (ROWS[:, 0] > 0) * 1.0, ("w1", "w14")),
        "one array": (small, (ROWS[:, 0] > 0) * 1.0, ("b1", "b4")),
        "float32": (single, ROWS[:, 0], ("w2", "b5")),
        "softmax": (several, np.arange(12) % 3, ("w13", "w1")),
        "batch norm": (normed, ROWS[:, 0], ("hidden2.scale[3]", "w3")),
    }


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("case", list(cases()))
def test_each_point_is_the_loss_with_those_weights(case, engine):
    net, y, names = cases()[case]
    before = {name: array.copy() for name, array in net.params.items()}
    result = lp.experiments.loss_landscape(net, ROWS, y, *names, points=7, engine=engine)
    assert all((net.params[n] == a).all() for n, a in before.items())  # as it was
    allowed = tolerance(f"engine_{net.dtype.name}")
    assert result.loss == pytest.approx(net.evaluate(ROWS, y)["loss"], rel=allowed)
    assert result.losses[3, 3] == result.loss
    for j, i in [(0, 0), (6, 0), (2, 5), (6, 6)]:
        net.set(names[0], result.first_values[i])
        net.set(names[1], result.second_values[j])
        expected = net.evaluate(ROWS, y)["loss"]
        assert result.losses[j, i] == pytest.approx(expected, rel=allowed), (j, i)


def test_of_a_linear_neuron_it_is_a_quadratic():
    net = lp.Network([3, 1], dtype="float64", seed=0)
    result = lp.experiments.loss_landscape(net, ROWS, ROWS[:, 0], "w1", "w2", span=3, points=9)
    step = 0.75
    for axis, column in ((1, 0), (0, 1)):
        bent = np.diff(result.losses, 2, axis=axis) / step**2
        assert bent == pytest.approx(2 * (ROWS[:, column] ** 2).mean(), rel=tolerance("bent_grid"))
    assert result.first_values[[0, -1]] == pytest.approx(net.get("w1") + np.array([-3, 3]))


def test_the_loss_is_that_of_the_last_fit_or_the_one_that_is_named():
    net = lp.Network([3, 1], output="sigmoid", dtype="float64", seed=0)
    y = (ROWS[:, 0] > 0) * 1.0
    assert lp.experiments.loss_landscape(net, ROWS, y, points=3).loss_name == "bce"
    net.fit(ROWS, y, loss="mse", epochs=1, progress=False)
    assert lp.experiments.loss_landscape(net, ROWS, y, points=3).loss_name == "mse"
    assert lp.experiments.loss_landscape(net, ROWS, y, points=3, loss="mae").loss_name == "mae"


def test_a_path_is_noted_from_before_the_first_epoch_on_and_lies_inside():
    net = lp.Network([3, 1], dtype="float64", seed=0)
    start = (net.get("w1"), net.get("b1"))
    path = lp.experiments.WeightPath("w1", "b1")
    middle = []
    net.fit(ROWS, ROWS[:, 0] * 5, epochs=30, optimizer=lp.SGD(0.3), progress=False,
            callbacks=[path, lambda run: middle.append(run.network.get("w1"))])  # fmt: skip
    assert path.points.shape == (31, 2)
    assert tuple(path.points[0]) == start
    assert path.points[1:, 0].tolist() == middle
    result = lp.experiments.loss_landscape(
        net, ROWS, ROWS[:, 0] * 5, "w1", "b1", path=path, points=5
    )
    assert (result.path == path.points).all()
    for values, own in ((result.first_values, 0), (result.second_values, 1)):
        assert values[0] < path.points[:, own].min()
        assert values[-1] > path.points[:, own].max()
    assert "points: 31" in result.to_text("en", 2_000)
    assert 'class="way"' in result.svg


def test_the_text_names_the_lowest_point():
    net = lp.Network([1, 1], dtype="float64", seed=0)
    net.params["output.weights"][:], net.params["output.bias"][:] = 2.0, 1.0
    rows = np.array([[-1.0], [0.0], [1.0]])
    at_the_bottom = lp.experiments.loss_landscape(net, rows, [-1, 1, 3], "w1", "b1")
    assert at_the_bottom.loss == 0
    assert at_the_bottom.lowest == (2.0, 1.0, 0.0)
    assert "No point of the grid is lower" in at_the_bottom.to_text("en", 2_000)
    beside = lp.experiments.loss_landscape(net, rows, [-2, 0, 2], "w1", "b1", span=2, points=5)
    assert beside.lowest == (2.0, 0.0, 0.0)
    assert "could still fall by 1, from 1 to 0" in beside.to_text("en", 2_000)


def test_without_arguments_it_trains_a_network_of_its_own():
    result = lp.experiments.loss_landscape()
    assert (result.first, result.second) == ("w1", "w5")
    assert result.path.shape == (1_001, 2)
    assert tuple(result.path[-1]) == result.present


def test_wrong_arguments_are_named():
    net = lp.Network([3, 1], dtype="float64", seed=0)
    y, draw = ROWS[:, 0], lp.experiments.loss_landscape
    with pytest.raises(ArgumentTypeError, match=r"takes a Network; received Neuron.*\.network"):
        draw(lp.Neuron(3), ROWS, y)
    with pytest.raises(ArgumentError, match=r"go with a network: loss_landscape\(net, X, y\)"):
        draw(X=ROWS, y=y)
    with pytest.raises(ArgumentError, match="No parameter is named 'w9'; there are w1 to w3"):
        draw(net, ROWS, y, "w1", "w9")
    with pytest.raises(ArgumentError, match="first and second are both 'w1'"):
        draw(net, ROWS, y, "w1", "w1")
    with pytest.raises(ArgumentError, match="points must be at least 2; received 1"):
        draw(net, ROWS, y, points=1)
    with pytest.raises(ArgumentError, match="span must be above 0; received -1"):
        draw(net, ROWS, y, span=-1)
    with pytest.raises(ArgumentError, match=r"The path is empty.*callbacks=\[path\]"):
        draw(net, ROWS, y, path=lp.experiments.WeightPath("w1", "w2"))
    with pytest.raises(ArgumentError, match="The path is one of b1 and w2, the landscape one of"):
        draw(net, ROWS, y, path=lp.experiments.WeightPath("b1", "w2"))
    with pytest.raises(ShapeError, match=r"two weights a point, \[k, 2\]; received \[3\]"):
        draw(net, ROWS, y, path=[1.0, 2.0, 3.0])


def test_where_no_loss_is_finite_there_is_no_landscape():
    net = lp.Network([2, 2, 1], seed=0)
    net.params["output.weights"][0] = np.nan
    with pytest.raises(lp.DataError, match=r"no point of the grid.*net\.doctor"):
        lp.experiments.loss_landscape(net, [[0, 1]], [1], "w1", "b3")


def test_on_a_plateau_the_numbers_of_the_shades_differ():
    X, y = lp.datasets.xor_table()
    net = lp.Network([2, 2, 1], "sigmoid", "sigmoid", dtype="float64", seed=2)
    net.fit(X, y, loss="mse", optimizer=lp.SGD(5), epochs=2_000, batch_size=4)
    svg = lp.experiments.loss_landscape(net, X, y, "w1", "w3").to_svg("en")
    numbers = re.findall(r'class="k">(0\.\d+)</text>', svg.rpartition(">loss<")[2])
    assert len(numbers) == len(set(numbers)) == 8
