"""The made-up table that ships with the repository is what its script makes, and has its faults."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "examples" / "data"


def test_the_bakery_is_what_its_script_makes():
    spec = importlib.util.spec_from_file_location("make_bakery", DATA / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert (DATA / "bakery.csv").read_bytes() == make.table().encode()


def test_the_bakery_has_numbers_categories_gaps_and_a_text_target():
    with (DATA / "bakery.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 600
    assert {row["sold_out"] for row in rows} == {"yes", "no"}
    assert 0.4 < sum(row["sold_out"] == "yes" for row in rows) / 600 < 0.6
    empty = {name: sum(row[name] == "" for row in rows) for name in rows[0]}
    assert all(empty[name] > 5 for name in ("temperature_c", "weather", "price_eur"))
    assert sum(empty.values()) == sum(empty[n] for n in ("temperature_c", "weather", "price_eur"))
    assert len({row["pastry"] for row in rows}) == 6
    assert all(row["baked"].isdecimal() for row in rows)
