"""The ulp distance itself: a helper that cannot fail would let everything through."""

from __future__ import annotations

import numpy as np
import pytest

from tolerances import ABSOLUTE, ULPS, assert_ulp, tolerance, ulp_distance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbours_are_one_apart(dtype: type) -> None:
    x = np.array([0.0, -0.0, 1.0, -1.0, 0.5, np.finfo(dtype).max, -3.7, 1e-38], dtype)
    with np.errstate(over="ignore"):
        up = np.nextafter(x, np.array(np.inf, dtype))
    assert ulp_distance(x, up).tolist() == [1.0] * len(x)
    assert ulp_distance(up, x).tolist() == [1.0] * len(x)
    assert ulp_distance(x, x).tolist() == [0.0] * len(x)


def test_zeros_are_equal_and_nan_is_far_from_numbers() -> None:
    a = np.array([0.0, np.nan, np.nan, 1.0, np.inf])
    b = np.array([-0.0, np.nan, 1.0, np.nan, -np.inf])
    assert ulp_distance(a, b)[:2].tolist() == [0.0, 0.0]
    assert (ulp_distance(a, b)[2:] >= 2.0**62).all()


def test_assert_ulp_fails_beyond_the_table_and_says_where() -> None:
    allowed = ULPS["erf", "float64"][0]
    y = np.ones((2, 3))
    y[1, 2] += allowed * np.finfo(np.float64).eps
    assert_ulp(y, np.ones((2, 3)), "erf")
    y[1, 2] += np.finfo(np.float64).eps
    with pytest.raises(AssertionError, match=rf"{allowed + 1} ulp at \(1, 2\), allowed {allowed}"):
        assert_ulp(y, np.ones((2, 3)), ("erf", "float64"))
    with pytest.raises(AssertionError, match="dtypes differ"):
        assert_ulp(np.ones(2, np.float32), np.ones(2), "erf")
    with pytest.raises(KeyError):
        assert_ulp(np.ones(2), np.ones(2), "nothing")


def test_every_tolerance_has_a_reason() -> None:
    for number, reason in [*ULPS.values(), *ABSOLUTE.values()]:
        assert number > 0
        assert len(reason) > 10
    assert tolerance("golden") == 1e-12
