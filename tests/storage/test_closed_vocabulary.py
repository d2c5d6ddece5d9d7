"""A model file that says something unknown is refused at the place where it says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from limpide.errors import ModelFileError
from limpide.storage import (
    expect_bool,
    expect_choice,
    expect_float,
    expect_int,
    expect_keys,
    expect_list,
    expect_object,
    expect_tensor,
    expect_text,
)

REMEDY = r"was not written by this version of limpide: save the model again\.$"
HERE = {"where": "layers[2]"}
LAYER = {
    "type": "Dense",
    "units": 4,
    "rate": 0.1,
    "bias": True,
    "sizes": [2, 3],
    "medians": [1, 2.5],
    "target": {"name": "spam"},
    "seed": None,
}
WEIGHTS = {"w": np.zeros((2, 3), np.float32), "steps": np.array(7, np.int64)}


def test_what_is_expected_is_given() -> None:
    assert expect_keys(LAYER, {"type"}, set(LAYER) - {"type"}, **HERE) is LAYER
    assert expect_text(LAYER, "type", **HERE) == "Dense"
    assert expect_int(LAYER, "units", minimum=4, maximum=4, **HERE) == 4
    assert expect_float(LAYER, "rate", **HERE) == 0.1
    units = expect_float(LAYER, "units", **HERE)
    assert (units, type(units)) == (4.0, float)
    assert expect_bool(LAYER, "bias", **HERE) is True
    assert expect_list(LAYER, "sizes", int, length=2, **HERE) == [2, 3]
    assert [type(x) for x in expect_list(LAYER, "medians", float, **HERE)] == [float, float]
    assert expect_object(LAYER, "target", **HERE) == {"name": "spam"}
    assert expect_choice(LAYER, "type", {"Dense": 1, "Dropout": 2}, **HERE) == 1
    assert expect_choice(LAYER, "type", ["Dense", "Dropout"], **HERE) == "Dense"
    assert expect_tensor(WEIGHTS, "w", (2, 3), "float32", where="m") is WEIGHTS["w"]
    assert expect_tensor(WEIGHTS, "w", (None, 3), np.float32, where="m") is WEIGHTS["w"]
    assert expect_tensor(WEIGHTS, "steps", (), "int64", where="m") == 7


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expect_keys([], {"a"}, **HERE), r"layers\[2\] must be an object; received a list"),
        (lambda: expect_keys(None, **HERE), r"layers\[2\] must be an object; received null"),
        (
            lambda: expect_keys({"b": 1}, {"a"}, {"b"}, **HERE),
            r"layers\[2\] must have the key 'a'; received the keys 'b'\.",
        ),
        (lambda: expect_keys({}, {"a"}, **HERE), "must have the key 'a'; received the keys none"),
        (
            lambda: expect_keys({"unit": 1}, (), {"units", "bias"}, **HERE),
            "has the unknown key 'unit'; known are 'bias', 'units'. Did you mean 'units'",
        ),
        (lambda: expect_keys({f"k{i}": i for i in range(30)}, {"a"}, **HERE), "and 10 more"),
        (lambda: expect_text(LAYER, "name", **HERE), "must have the key 'name'"),
        (lambda: expect_text(LAYER, "units", **HERE), r"layers\[2\].units must be text; .* 4\."),
        (lambda: expect_int(LAYER, "bias", **HERE), r"\.bias must be an integer; received true or"),
        (lambda: expect_int(LAYER, "rate", **HERE), "must be an integer; received a number, 0.1"),
        (
            lambda: expect_int(LAYER, "units", minimum=5, **HERE),
            "must be from 5 to inf; received 4",
        ),
        (lambda: expect_int(LAYER, "units", maximum=3, **HERE), "from -inf to 3; received 4"),
        (lambda: expect_float(LAYER, "bias", **HERE), "must be a number; received true or false"),
        (lambda: expect_float(LAYER, "seed", **HERE), "must be a number; received null, None"),
        (lambda: expect_float(LAYER, "rate", maximum=0, **HERE), "from -inf to 0; received 0.1"),
        (lambda: expect_bool(LAYER, "units", **HERE), "must be true or false; received an integer"),
        (lambda: expect_list(LAYER, "type", str, **HERE), "must be a list; received text, 'Dense'"),
        (lambda: expect_list(LAYER, "sizes", str, **HERE), r"\.sizes\[0\] must be text"),
        (lambda: expect_list(LAYER, "medians", int, **HERE), r"\.medians\[1\] must be an integer"),
        (
            lambda: expect_list(LAYER, "sizes", int, length=3, **HERE),
            r"layers\[2\].sizes must have 3 members; received 2\.",
        ),
        (lambda: expect_object(LAYER, "sizes", **HERE), "must be an object; received a list"),
        (
            lambda: expect_choice({"type": "Dens"}, "type", {"Dense": 1, "Conv": 2}, **HERE),
            "type must be one of Conv, Dense; received 'Dens'. Did you mean 'Dense'?",
        ),
        (
            lambda: expect_choice({"type": "os.system"}, "type", ["Dense"], **HERE),
            "must be one of Dense; received 'os.system'",
        ),
        (
            lambda: expect_tensor(WEIGHTS, "b", (3,), "float32", where="m"),
            "m must have the tensor 'b'; received the tensors 'w', 'steps'",
        ),
        (
            lambda: expect_tensor(WEIGHTS, "w", (3, 2), "float32", where="m"),
            r"m, tensor 'w', must have f32\[3,2\]; received f32\[2,3\]",
        ),
        (
            lambda: expect_tensor(WEIGHTS, "w", (None,), "float32", where="m"),
            r"must have f32\[n\]; received f32\[2,3\]",
        ),
        (
            lambda: expect_tensor(WEIGHTS, "w", (2, 3), "float64", where="m"),
            r"must have f64\[2,3\]; received f32\[2,3\]",
        ),
    ],
)
def test_what_is_not_expected_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ModelFileError, match=message) as info:
        call()
    info.match(REMEDY)
