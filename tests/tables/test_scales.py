"""Statistics of columns of numbers: against NumPy, with weights as repetitions, of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpide.tables.scales import scales_of


def values_of(found):
    return [found.origin, found.unit, found.centre, found.factor, found.spike]


def test_it_is_median_and_quartiles():
    random = np.random.default_rng(0)
    columns = random.normal(5, 3, (4, 37))
    found = scales_of(columns, "robust")
    low, middle, high = np.quantile(columns, [0.25, 0.5, 0.75], axis=1)
    np.testing.assert_allclose(found.centre, middle, rtol=1e-14)
    np.testing.assert_allclose(found.factor, 1 / (high - low), rtol=1e-14)
    assert np.isnan(found.spike).all()
    found = scales_of(columns, "standard")
    np.testing.assert_allclose(found.centre, columns.mean(axis=1), rtol=1e-14)
    np.testing.assert_allclose(found.factor, 1 / columns.std(axis=1), rtol=1e-14)


def test_missing_numbers_do_not_count():
    random = np.random.default_rng(0)
    column = np.concatenate([random.normal(size=20), np.zeros(12)])
    holes = np.insert(column, [0, 3, 3, 30, 32], np.nan)
    for scaling in ("robust", "standard"):
        full, gaps = (scales_of(c[None], scaling) for c in (column, holes))
        for one, other in zip(values_of(full), values_of(gaps), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14)
    assert full.spike.tolist() == [0.0]


def test_where_one_value_stands_out_the_scale_is_that_of_the_others():
    column = np.array([0.0] * 12 + [float(i) for i in range(1, 12)])
    found = scales_of(column[None], "robust")
    assert found.spike[0] == 0
    assert found.centre[0] == 0
    assert found.factor[0] == 1 / np.subtract(*np.quantile(np.arange(1.0, 12), [0.75, 0.25]))


@given(
    st.lists(
        st.tuples(st.sampled_from([-2.0, 0.0, 0.5, 1.0, 3.0, 7.25, 1e6]), st.integers(1, 9)),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(["robust", "standard"]),
)
def test_a_weight_is_a_repetition(pairs, scaling):
    values, weights = (np.array(part, float) for part in zip(*pairs, strict=True))
    weighted = scales_of(values[None], scaling, weights)
    repeated = scales_of(np.repeat(values, weights.astype(int))[None], scaling)
    for one, other in zip(values_of(weighted), values_of(repeated), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_columns_do_not_know_of_each_other():
    random = np.random.default_rng(1)
    columns = np.exp(random.normal(size=(5, 41)) * 3)
    columns[2, :15] = 0
    columns[3, 7] = np.nan
    for scaling in ("robust", "standard"):
        together = values_of(scales_of(columns, scaling))
        for i, column in enumerate(columns):
            alone = values_of(scales_of(column[None], scaling))
            for one, other in zip(together, alone, strict=True):
                np.testing.assert_array_equal(one[i : i + 1], other)


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300])
def test_numbers_of_any_size_are_scaled_to_about_one(size):
    column = np.arange(1.0, 12) * size
    found = scales_of(column[None], "robust")
    z = ((column - found.origin) / found.unit - found.centre) * found.factor
    np.testing.assert_allclose(z, (np.arange(1.0, 12) - 6) / 5, rtol=1e-12, atol=1e-12)
