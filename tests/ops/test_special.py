"""special.py against mpmath and against plain loops, at the extremes and on every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from limpide.ops import special
from tolerances import assert_ulp

Array = npt.NDArray[Any]
EXTREMES = [-np.inf, -1000.0, -0.0, 0.0, 1000.0, np.inf, np.nan]
LIMITS = {
    "sigmoid": [0.0, 0.0, 0.5, 0.5, 1.0, 1.0, np.nan],
    "softplus": [0.0, 0.0, np.log(2.0), np.log(2.0), 1000.0, np.inf, np.nan],
    "erf": [-1.0, -1.0, -0.0, 0.0, 1.0, 1.0, np.nan],
}
FUNCTIONS = {"sigmoid": special.sigmoid, "softplus": special.softplus, "erf": special.erf}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extremes_are_exact_and_silent(name: str, dtype: type) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = FUNCTIONS[name](np.array(EXTREMES, dtype))
    expected = np.array(LIMITS[name], dtype)
    assert y.dtype == dtype
    if name == "softplus":
        assert_ulp(y, expected, name)
    else:
        np.testing.assert_array_equal(y, expected, strict=True)
    assert np.signbit(y[2]) == (name == "erf")
