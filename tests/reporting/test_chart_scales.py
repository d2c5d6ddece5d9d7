"""Axes of any range: ticks are few, round, inside and in order; places stay in the picture."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from limpide.reporting.charts import Axis, Series, bars, histogram, lines, points
from limpide.reporting.markup import clean, number, shortened, shortened_inside
from limpide.reporting.scales import Scale, log_ticks, padded, tick_texts, ticks
from pages import Page

ANY = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=1e-300, max_value=1e300)


@given(ANY, ANY)
def test_ticks_are_few_and_inside(a, b):
    low, high = padded(*sorted((a, b)))
    assert low < high
    found = ticks(low, high)
    assert 1 <= len(found) <= 9
    assert found == sorted(set(found))
    room = (high / 2 - low / 2) * 1e-6
    assert all(low / 2 - room <= tick / 2 <= high / 2 + room for tick in found)
    words = tick_texts(found)
    assert len(words) == len(found)
    assert not any("nan" in word or "inf" in word for word in words)
    scale = Scale(low, high, 46, 328)
    for value in (a, b, *found):
        assert 46 <= scale.place(value) <= 328


@given(POSITIVE, POSITIVE)
def test_log_ticks_are_few_and_inside(a, b):
    low, high = min(a, b) / 1.2, max(a, b) * 1.2
    found = log_ticks(low, high)
    assert len(found) <= 16
    assert found == sorted(found)
    scale = Scale(low, high, 210, 28, log=True)
    for value in (a, b, *found):
        assert 28 - 1e-9 <= scale.place(value) <= 210 + 1e-9


@given(st.lists(st.tuples(ANY, ANY), min_size=1, max_size=30), st.text(max_size=40))
@example([(0.0, -1.7e308)], "")
def test_any_numbers_make_a_picture(pairs, name):
    xs, ys = (list(column) for column in zip(*sorted(pairs), strict=True))
    x = Axis(name, *padded(min(xs), max(xs)))
    y = Axis(name, *padded(min(ys), max(ys)))
    drawn = [
        lines("a", name, name, [Series(name, xs, ys, True), Series("b", xs, ys)], x, y),
        points("b", name, name, xs, ys, x, y, diagonal=True, level=y.low, above=name),
        bars("c", name, name, [name] * len(xs), ys, ["1"] * len(xs), [abs(v) for v in xs]),
    ]
    for picture in drawn:
        for tag, attributes in Page(picture).tags:
            for key in ("d", "x", "y", "width", "cx", "cy"):
                value = attributes.get(key) or ""
                assert "nan" not in value, (tag, key)
                assert "inf" not in value, (tag, key)


def test_a_histogram_has_a_bar_for_each_count():
    page = Page(histogram("h", "title", "told", [0.0, 1.0, 2.0], [3, 0], "x"))
    heights = [float(a["height"]) for a in page.find("rect")]
    assert heights[0] > 100
    assert heights[1] == 0


def test_log_ticks_of_a_few_decades_have_twos_and_fives():
    assert log_ticks(0.9, 11) == [1, 2, 5, 10]
    assert log_ticks(1, 1e4) == [1, 10, 100, 1000, 10000]


@given(st.text(), st.integers(2, 30))
def test_a_name_is_no_longer_than_it_may_be(text, most):
    found = shortened(text, most)
    assert 1 <= len(found) <= max(most, 2)
    assert found == text or found.endswith("…") or "�" in found or found == "''"


@given(st.text(), st.integers(2, 30))
def test_a_name_that_is_shortened_inside_keeps_its_end(text, most):
    found = shortened_inside(text, most)
    assert 1 <= len(found) <= max(most, 2)
    if "…" not in text and found.count("…") == 1:
        head, tail = found.split("…")
        assert clean(text).startswith(head)
        assert clean(text).endswith(tail)
    else:
        assert found == (clean(text) or "''") or "…" in text


@given(ANY)
def test_a_coordinate_has_one_decimal(value):
    if abs(value) < 1e6:
        assert math.isclose(float(number(value)), value, abs_tol=0.051)
