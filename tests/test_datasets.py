"""The data sets keep the definitions that GOLDEN states: supports, labels, noise, seeds."""

from __future__ import annotations

import doctest
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import limpide as lp
from limpide import datasets, errors
from limpide.datasets import classic, dataset, tiny

CLASSES = ("circle", "xor", "gauss", "spiral")
NUMBERS = ("plane", "gaussians")
ALL = CLASSES + NUMBERS


def uniform(values: np.ndarray, low: float, high: float) -> bool:
    """Kolmogorov and Smirnov's statistic against U(low, high), at the 1e-6 level (seed fixed)."""
    values = np.sort(values)
    assert low <= values[0]
    assert values[-1] <= high
    steps = (values - low) / (high - low)
    rank = np.arange(len(values)) / len(values)
    worst = max((steps - rank).max(), (rank + 1 / len(values) - steps).max())
    return bool(worst * math.sqrt(len(values)) < 2.7)


@pytest.mark.parametrize("module", [classic, dataset, tiny])
def test_docstring_examples(module):
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)


# --- four rows ---------------------------------------------------------------------------------


def test_people_are_the_four_of_the_course():
    X, y = lp.datasets.people()
    assert X.tolist() == [[-2, -1], [25, 6], [17, 4], [-15, -6]]
    assert y.tolist() == [1, 0, 0, 1]
    assert (X.dtype, y.dtype, datasets.people().task) == (np.float64, np.float64, "binary")


def test_xor_table_is_the_exclusive_or():
    X, y = datasets.xor_table()
    assert [int(a) ^ int(b) for a, b in X] == y.tolist()
    assert len({tuple(row) for row in X.tolist()}) == 4


def test_each_call_gives_its_own_arrays():
    datasets.people().X[:] = 0
    assert datasets.people().X[0, 0] == -2


# --- what all the drawn sets share -------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_shape_defaults_and_seed(name):
    draw = getattr(datasets, name)
    default = draw()
    assert len(default) == (500 if name in CLASSES else 1200)
    assert default.task == ("binary" if name in CLASSES else "regression")
    assert repr(default).startswith(f"Dataset(X=f64[{len(default)},2]")
    for size in (2, 3, 7, 200):
        X, y = draw(size, 25, 3)
        assert (X.shape, y.shape, X.dtype, y.dtype) == ((size, 2), (size,), "f8", "f8")
        assert np.isfinite(X).all()
        assert np.isfinite(y).all()
    again, other = draw(100, 10, 5), draw(100, 10, 6)
    assert np.array_equal(draw(100, 10, 5).X, again.X)
    assert np.array_equal(draw(100, 10, 5).y, again.y)
    assert not np.array_equal(other.X, again.X)
    assert draw(np.int64(100), np.float32(10), np.uint8(5)).X.tobytes() == again.X.tobytes()


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_0_and_1_about_even_and_in_random_order(name):
    y = getattr(datasets, name)(1000).y
    assert set(y.tolist()) == {0.0, 1.0}
    assert 400 <= y.sum() <= 600
    assert 420 < np.count_nonzero(np.diff(y)) < 580


@pytest.mark.parametrize("name", [*ALL])
def test_noise_moves_what_it_should(name):
    """Labels of circle, xor, plane and gaussians; points of gauss and spiral."""
    calm, loud = getattr(datasets, name)(400, 0, 1), getattr(datasets, name)(400, 50, 1)
    moves_points = name in ("gauss", "spiral")
    assert np.array_equal(calm.X, loud.X) != moves_points
    assert np.array_equal(calm.y, loud.y) == moves_points


# --- each by its definition --------------------------------------------------------------------


def test_circle():
    X, y = datasets.circle(20_000)
    radius = np.hypot(*X.T)
    assert y.sum() == 10_000
    assert uniform(radius[y == 1], 0, 2.5)
    assert uniform(radius[y == 0], 3.5, 5)
    assert uniform(np.arctan2(*X.T), -math.pi, math.pi)


def test_circle_noise_moves_the_label_as_far_as_it_says():
    X, y = datasets.circle(20_000, noise=10)
    radius = np.hypot(*X.T)
    reach = 0.5 * math.sqrt(2)  # ± 5 · 0.1 on each axis
    assert (y[radius < 2.5 - reach] == 1).all()
    assert (y[radius > 2.5 + reach] == 0).all()
    near = (radius > 2.3) & (radius < 2.5)
    assert 0.5 < y[near].mean() < 0.9


def test_xor():
    X, y = datasets.xor(20_000)
    assert (np.abs(X) >= 0.3).all()
    assert uniform(X[:, 0] - 0.3 * np.sign(X[:, 0]), -5, 5)
    assert uniform(X[:, 1] - 0.3 * np.sign(X[:, 1]), -5, 5)
    assert np.array_equal(y == 1, X[:, 0] * X[:, 1] > 0)
    X, y = datasets.xor(20_000, noise=20)  # ± 1
    sure = np.abs(X).min(axis=1) > 1
    assert np.array_equal(y[sure] == 1, (X[:, 0] * X[:, 1] > 0)[sure])
    assert 0.1 < (y != (X[:, 0] * X[:, 1] > 0))[~sure].mean() < 0.4


@pytest.mark.parametrize(("noise", "variance"), [(0, 0.5), (10, 1.2), (50, 4.0)])
def test_gauss(noise, variance):
    X, y = datasets.gauss(40_000, noise)
    for label, centre in ((1, 2.0), (0, -2.0)):
        rows = X[y == label]
        assert len(rows) == 20_000
        np.testing.assert_allclose(rows.mean(axis=0), centre, atol=5 * math.sqrt(variance / 2e4))
        spread = np.cov(rows.T)
        # A sample variance has standard error σ²·√(2/n).
        np.testing.assert_allclose(np.diag(spread), variance, rtol=5 * math.sqrt(2 / 2e4))
        assert abs(spread[0, 1]) < 5 * variance / math.sqrt(2e4)


def test_spiral_is_its_formula():
    X, y = datasets.spiral(500)
    for label, turn in ((1, 0.0), (0, math.pi)):
        arm = X[y == label]
        arm = arm[np.argsort(np.hypot(*arm.T))]
        i = np.arange(250)
        r, t = 5 * (i / 250), 3.5 * math.pi * (i / 250) + turn
        assert np.array_equal(arm, np.stack([r * np.sin(t), r * np.cos(t)], axis=1))


def test_spiral_noise_is_uniform_on_each_axis():
    calm, loud = datasets.spiral(20_000, 0, 4), datasets.spiral(20_000, 30, 4)
    shift = loud.X - calm.X  # the same seed draws the same order
    assert uniform(shift[:, 0], -0.3 - 1e-12, 0.3 + 1e-12)
    assert uniform(shift[:, 1], -0.3 - 1e-12, 0.3 + 1e-12)


def test_plane():
    X, y = datasets.plane(20_000)
    assert uniform(X[:, 0], -6, 6)
    assert uniform(X[:, 1], -6, 6)
    assert np.array_equal(y, (X[:, 0] + X[:, 1]) / 10)
    X, y = datasets.plane(20_000, noise=50)
    error = y - (X[:, 0] + X[:, 1]) / 10
    assert 0.55 < np.abs(error).max() <= 0.6  # two moves of ± 6 · 0.5, over ten


def bumps(x: float, y: float) -> float:
    """The six bumps once more, in the words of GOLDEN and without NumPy."""
    signs = {(-4, 2.5): 1, (0, 2.5): -1, (4, 2.5): 1, (-4, -2.5): -1, (0, -2.5): 1, (4, -2.5): -1}
    heights = [
        sign * max(0.0, 1 - math.hypot(x - cx, y - cy) / 2) for (cx, cy), sign in signs.items()
    ]
    return max(heights, key=abs)


def test_gaussians():
    X, y = datasets.gaussians(5_000)
    assert uniform(X[:, 0], -6, 6)
    assert uniform(X[:, 1], -6, 6)
    expected = [bumps(a, b) for a, b in X.tolist()]
    np.testing.assert_array_max_ulp(1 + y, 1 + np.array(expected), maxulp=2)
    assert (y == 0).any()
    noisy = datasets.gaussians(5_000, noise=10)
    # No two bumps overlap, and the flanks have slope 1/2: the move is at most (0.6, 0.6).
    assert np.abs(noisy.y - y).max() <= 0.3 * math.sqrt(2)
    assert (noisy.y != y).any()


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_refused_arguments(name):
    draw = getattr(datasets, name)
    for value in (0, 1, -5):
        with pytest.raises(errors.ArgumentError, match=f"n_samples must be 2 or more; .* {value}"):
            draw(value)
    for value in (2.5, True, "500", None, math.nan, Fraction(4)):
        with pytest.raises(errors.ArgumentTypeError, match="n_samples must be a whole number"):
            draw(value)
    with pytest.raises(errors.MemoryLimitError, match=r"n_samples=1000000000 would need .* GB"):
        draw(10**9)
    for value in (-1, 50.5, math.nan, math.inf):
        with pytest.raises(errors.ArgumentError, match=r"noise must be 0 to 50 \(per cent\)"):
            draw(10, value)
    for value in ("10", True, None, 1j):
        with pytest.raises(errors.ArgumentTypeError, match="noise must be a number"):
            draw(10, value)
    with pytest.raises(errors.ArgumentError, match="seed must be 0 or more; received -1"):
        draw(10, 0, -1)
    for value in (0.5, "a", False, None):
        with pytest.raises(errors.ArgumentTypeError, match="seed must be a whole number"):
            draw(10, 0, value)


@given(st.integers(2, 60), st.floats(0, 50), st.integers(0, 2**70), st.sampled_from(ALL))
def test_any_accepted_arguments_give_finite_rows(size, noise, seed, name):
    data = getattr(datasets, name)(size, noise, seed)
    assert data.X.shape == (size, 2)
    assert np.isfinite(data.X).all()
    assert np.isfinite(data.y).all()
    assert np.abs(data.y).max() <= (1 if name != "plane" else 1.8)
