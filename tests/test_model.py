"""Models: tables in, labels and figures out; files that come back the same."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import limpide as lp


@pytest.fixture(scope="module")
def mixed() -> pl.DataFrame:
    """Numbers, text, dates and gaps; the label depends on all but the noise."""
    random = np.random.default_rng(0)
    n = 240
    size = random.normal(170, 10, n)
    city = random.choice(["Kyiv", "Lviv", "Paris"], n)
    label = np.where((size > 170) ^ (city == "Paris"), "yes", "no")
    sizes = [None if i % 12 == 0 else float(v) for i, v in enumerate(size)]
    cities = [None if i % 30 == 7 else str(v) for i, v in enumerate(city)]
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 8, 27), eager=True)
    return pl.DataFrame({"size": sizes, "city": cities, "day": days, "label": label})


@pytest.fixture(scope="module")
def model(mixed: pl.DataFrame) -> lp.Model:
    return lp.train(mixed, "label", epochs=20)


def test_a_saved_model_predicts_the_same_bits(mixed, model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    again = lp.load(tmp_path / "m.safetensors")
    assert isinstance(again, lp.Model)
    assert np.array_equal(again.predict_proba(mixed), model.predict_proba(mixed))
    assert again.summary() == model.summary()
    assert again.figures == model.figures
