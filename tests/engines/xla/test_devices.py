"""A batch spread over several devices: the same rows, dropout and weights as on one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from tolerances import tolerance

pytest.importorskip("jax", reason="JAX is not installed: pip install 'limpide[xla]'")
devices = pytest.importorskip("limpide.engines.xla.devices")

PROGRAM = Path(__file__).parent / "on_devices.py"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What four simulated devices came to."""
    out = tmp_path_factory.mktemp("devices") / "found.npz"
    flags = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = subprocess.run(
        [sys.executable, PROGRAM, out], env=flags, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(out))


def of(found: dict[str, Any], way: str) -> dict[str, Any]:
    return {k.partition(" ")[2]: a for k, a in found.items() if k.startswith(f"{way} ")}


@pytest.mark.parametrize("way", ["one", "two", "all", "some"])
def test_more_devices_give_the_same_weights(found: dict[str, Any], way: str) -> None:
    expected = of(found, "native")
    assert len(expected) > 6
    for name, array in of(found, way).items():
        allowed = tolerance("devices_float32")
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=allowed, err_msg=name)


def test_less_precise_products_are_near(found: dict[str, Any]) -> None:
    expected, rough = of(found, "one"), of(found, "bfloat16")
    assert (rough["hidden1.weights"] != expected["hidden1.weights"]).any()
    for name, array in rough.items():
        allowed = tolerance("bfloat16_products")
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=allowed, err_msg=name)


def test_less_precise_products_on_several_devices(found: dict[str, Any]) -> None:
    expected, both = of(found, "bfloat16"), of(found, "both")
    for name, array in both.items():
        allowed = tolerance("bfloat16_products")
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=allowed, err_msg=name)


X, Y = np.eye(4), np.arange(4.0)
REFUSED = [
    ({"devices": 99}, lp.ArgumentError, r"devices=99: JAX has .* \(cpu\)\. .*device_count=99"),
    ({"devices": 0}, lp.ArgumentError, "at least 1; received 0. Try devices=2"),
    ({"devices": [0, 0]}, lp.ArgumentError, "each device once; received"),
    ({"devices": [-1]}, lp.ArgumentError, r"numbered from 0; received \[-1\]"),
    ({"devices": "two"}, lp.ArgumentTypeError, "a list of their numbers, or \"all\"; .*'two'"),
    ({"devices": 1.5}, lp.ArgumentTypeError, "received 1.5. Try devices=2"),
    ({"devices": True}, lp.ArgumentTypeError, "received True"),
    ({"compute_dtype": "float16"}, lp.ArgumentError, "compute_dtype must be one of bfloat16"),
    ({"compute_dtype": []}, lp.ArgumentError, r"one of bfloat16; received \[\]"),
    ({"devices": 1, "engine": "native"}, lp.ArgumentError, "devices is for engine='xla'; this is"),
    ({"compute_dtype": "bfloat16", "engine": None}, lp.ArgumentError, "compute_dtype is for"),
]


@pytest.mark.parametrize(("settings", "kind", "message"), REFUSED)
def test_what_cannot_be_is_refused(settings: Any, kind: Any, message: str) -> None:
    net = lp.Network([4, 1], seed=0)
    before = {name: array.copy() for name, array in net.params.items()}
    with pytest.raises(kind, match=message):
        net.fit(X, Y, **({"engine": "xla"} | settings))
    for name, array in before.items():
        np.testing.assert_array_equal(net.params[name], array)


@pytest.mark.parametrize("shape", [(), (1, 3), (7,), (1000, 33)])
def test_zeros_begin_where_jax_takes_them_as_they_are(shape: tuple[int, ...]) -> None:
    found = devices.zeros(shape, np.float32)
    assert (found.shape, found.dtype, found.any()) == (shape, np.float32, False)
    assert found.ctypes.data % 64 == 0
    assert found.flags.writeable
