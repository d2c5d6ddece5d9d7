"""Questions asked of every primitive: its Spec, its numbers, its ``out``, its planned program."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from samples import MEANINGS, SAMPLES, Sample

from limpide.engines.reference import Program
from limpide.ir import OPS, Trace, spec_of
from limpide.tensor import Tensor, apply
from programs import assert_same_bits
from tolerances import ULPS, assert_ulp, tolerance

Array = npt.NDArray[Any]
ELEMENTWISE = [name for name in SAMPLES if OPS[name].kind == "elementwise"]
OWN_MEMORY = [name for name in SAMPLES if OPS[name].kind != "view"]
every_op = pytest.mark.parametrize("name", SAMPLES)
both_precisions = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def samples(name: str, dtype: type) -> list[Sample]:
    return [sample.cast(dtype) for sample in SAMPLES[name]]


def run(name: str, sample: Sample) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(OPS[name].numpy(*sample.inputs, **sample.params))


def test_every_op_has_samples_and_a_meaning() -> None:
    assert set(SAMPLES) == set(OPS)
    assert set(MEANINGS) == set(OPS)
    assert all(SAMPLES.values())


@both_precisions
@every_op
def test_the_spec_is_what_numpy_gives(name: str, dtype: type) -> None:
    for sample in samples(name, dtype):
        spec = OPS[name].spec(*map(spec_of, sample.inputs), **sample.params)
        assert spec == spec_of(run(name, sample))


@both_precisions
@every_op
def test_the_numbers_are_those_of_the_meaning(name: str, dtype: type) -> None:
    for sample in samples(name, dtype):
        actual = run(name, sample)
        with np.errstate(all="ignore"):
            expected = np.asarray(MEANINGS[name](*sample.inputs, **sample.params))
        expected = expected.astype(actual.dtype)
        if name in ("sum", "matmul") and actual.dtype.kind == "f":
            size = MEANINGS[name](*map(np.abs, sample.inputs), **sample.params)
            allowed = tolerance("order_of_sums") * np.finfo(actual.dtype).eps * size
            assert (np.abs(actual - expected) <= allowed).all()
        elif (name, actual.dtype.name) in ULPS:
            assert_ulp(actual, expected, name)
        else:
            np.testing.assert_array_equal(actual, expected, strict=True)


@both_precisions
@every_op
def test_inputs_stay_as_they_are(name: str, dtype: type) -> None:
    for sample in samples(name, dtype):
        before = [array.copy() for array in sample.inputs]
        run(name, sample)
        for array, copy in zip(sample.inputs, before, strict=True):
            assert_same_bits(array, copy)


@both_precisions
@pytest.mark.parametrize("name", OWN_MEMORY)
def test_out_gets_the_same_bits(name: str, dtype: type) -> None:
    for sample in samples(name, dtype):
        expected = run(name, sample)
        out = np.full(expected.shape, 77).astype(expected.dtype)
        with np.errstate(all="ignore"):
            result = OPS[name].numpy(*sample.inputs, out=out, **sample.params)
        assert result is out
        assert_same_bits(out, expected)


@both_precisions
@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name != "where"])
def test_an_elementwise_op_may_write_over_any_input(name: str, dtype: type) -> None:
    for sample in samples(name, dtype):
        expected = run(name, sample)
        for place, array in enumerate(sample.inputs):
            if array.dtype != expected.dtype:
                continue
            arrays = [a.copy() for a in sample.inputs]
            with np.errstate(all="ignore"):
                OPS[name].numpy(*arrays, out=arrays[place], **sample.params)
            assert_same_bits(arrays[place], expected)


@both_precisions
@pytest.mark.parametrize("name", sorted(set(OPS) - {"matmul"}))  # a BLAS takes another way there
def test_any_layout_of_the_inputs_gives_the_same_bits(name: str, dtype: type) -> None:
    for sample in samples(name, dtype):
        expected = run(name, sample)
        spread, arrays = [], sample.inputs
        for array in arrays:
            wide = np.zeros((*array.shape, 2), array.dtype)
            wide[..., 0] = array
            spread.append(wide[..., 0])
        stepped = [a[tuple(slice(None, None, 2 if n == 1 else 1) for n in a.shape)] for a in arrays]
        turned = [np.array(array, order="F") for array in sample.inputs]
        for inputs in (spread, turned, stepped):
            assert_same_bits(run(name, Sample(tuple(inputs), sample.params)), expected)


@both_precisions
@every_op
def test_the_planned_program_gives_the_same_bits(name: str, dtype: type) -> None:
    for sample in samples(name, dtype):
        trace = Trace(name)
        inputs = [trace.input(spec_of(a), f"x{i}") for i, a in enumerate(sample.inputs)]
        node = trace.record(OPS[name], inputs, sample.params)
        program = Program(trace.finish([node], ["y"]), [a.copy() for a in sample.inputs])
        for _ in range(2):
            with np.errstate(all="ignore"):
                for call in program.calls:
                    call()
        assert_same_bits(program.outputs[0], run(name, sample))


@both_precisions
@every_op
def test_eager_use_gives_the_same_bits_without_a_warning(name: str, dtype: type) -> None:
    for sample in samples(name, dtype):
        result = apply(OPS[name], *map(Tensor, sample.inputs), **sample.params)
        assert_same_bits(result.numpy(), run(name, sample))


@pytest.mark.parametrize("name", SAMPLES)
def test_words_and_symbol_name_the_inputs(name: str) -> None:
    sample = SAMPLES[name][0]
    inputs = [f"in{i}" for i in range(len(sample.inputs))]
    for template in (OPS[name].words, OPS[name].symbol):
        text = template.format(*inputs, inputs=", ".join(inputs), spec="?", **sample.params)
        assert "{" not in text
        assert all(i in text for i in inputs)
