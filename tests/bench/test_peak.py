"""The measured floating-point peak."""

from __future__ import annotations

import pytest

from limpide.bench.peak import Peak, _kernel
from limpide.bench.process import Child
from limpide.bench.workloads import Workload
from limpide.engines.native.target import host
from limpide.engines.native.writer import F64, Type


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_peak_is_a_number_of_operations_a_second(dtype: str) -> None:
    peak = Peak(dtype, 2)
    assert 1e6 < peak.measure(0.001) < 1e16
    assert all(not zeros.any() for zeros in peak._zeros)  # 0 · 0 + 0: no denormals, no infinities


def test_the_kernel_holds_independent_sums() -> None:
    text = _kernel(host(), Type(F64.element, 2), 5)
    operation = "call <2 x double> @llvm.fma" if host().has_fma else "fmul <2 x double>"
    assert text.count(operation) == 5
    assert text.count("phi <2 x double>") == 5 + 5  # into the loop, and out of it


def test_the_peak_in_a_process_of_its_own() -> None:
    with Child("peak", Workload((3, 1), 4), {"threads": 1}, 1) as child:
        assert child.peak(0.001) > 0
