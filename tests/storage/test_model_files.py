"""What goes into a model file comes out, bit for bit, here and in other programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limpide import storage
from limpide.errors import (
    ArgumentError,
    ArgumentTypeError,
    DtypeError,
    FileError,
    MemoryLimitError,
    ModelFileError,
)

GOLDEN = Path(__file__).parent / "golden" / "v1.safetensors"
DTYPES = [
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64"),
]


def golden_content() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Give what the golden file holds; never change it, add a v2."""
    tensors = {f"of.{name}": np.array([[0, 1, 7]]).astype(name) for name in DTYPES}
    bits = [0x7FF8000000000001, 0x8000000000000000, 0x7FF0000000000000, 1, 0x3FB999999999999A]
    tensors["odd.floats"] = np.array(bits, np.uint64).view(np.float64)
    tensors["scalar"] = np.array(-3, np.int32)
    tensors["empty"] = np.zeros((0, 4), np.float32)
    metadata = {
        "kind": "network",
        "layers": [{"type": "Dense", "units": 4, "rate": 0.1, "bias": True, "seed": None}],
        "columns": ["возраст", "âge", 'a "quoted"\n\\name', "😀"],
        "numbers": [-0.0, 1.0, 1, 1e-300, 2**64 - 1, -(2**63)],
    }
    return tensors, metadata


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_golden_file_of_version_1_loads_bit_for_bit() -> None:
    tensors, metadata = golden_content()
    stored = storage.read(GOLDEN)
    assert stored.format_version == 1
    assert stored.tensors.keys() == tensors.keys()
    for name, array in tensors.items():
        assert same_bits(stored.tensors[name], array), name
    assert json.dumps(stored.metadata, sort_keys=True) == json.dumps(metadata, sort_keys=True)


def test_golden_file_is_what_is_written_today(tmp_path: Path) -> None:
    storage.write(tmp_path / "again.safetensors", *golden_content())
    assert (tmp_path / "again.safetensors").read_bytes() == GOLDEN.read_bytes()


def test_safetensors_reads_the_same_tensors() -> None:
    tensors, _ = golden_content()
    theirs = safetensors.numpy.load_file(GOLDEN)
    assert theirs.keys() == tensors.keys()
    for name, array in tensors.items():
        assert same_bits(theirs[name], array), name
    with safetensors.safe_open(GOLDEN, "numpy") as file:
        found = file.metadata()
    assert found["format"] == "limpide"
    assert found["format_version"] == "1"
    assert json.loads(found["checksums"]).keys() == tensors.keys()
    assert json.loads(found["limpide"])["columns"][0] == "возраст"


def test_every_tensor_begins_at_a_multiple_of_its_size() -> None:
    raw = GOLDEN.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    del header["__metadata__"]
    for name, info in header.items():
        itemsize = np.dtype(golden_content()[0][name].dtype).itemsize
        assert (8 + length + info["data_offsets"][0]) % itemsize == 0, name


@given(
    tensors=st.dictionaries(
        st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8),
        hnp.arrays(
            st.sampled_from(DTYPES),
            hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
        ),
        max_size=4,
    ),
    metadata=st.dictionaries(
        st.text(),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**128) + 1, 2**128 - 1)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
            max_leaves=8,
        ),
        max_size=4,
    ),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    tensors: dict[str, np.ndarray],
    metadata: dict[str, Any],
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.safetensors"
    storage.write(path, tensors, metadata)
    stored = storage.read(path)
    assert stored.tensors.keys() == tensors.keys()
    assert all(same_bits(stored.tensors[name], tensors[name]) for name in tensors)
    assert json.dumps(stored.metadata, sort_keys=True) == json.dumps(metadata, sort_keys=True)
    theirs = safetensors.numpy.load_file(path)
    assert all(same_bits(theirs[name], tensors[name]) for name in tensors)


def awkward_arrays() -> dict[str, np.ndarray]:
    plain = np.arange(24, dtype=np.float32).reshape(4, 6)
    frozen = plain.copy()
    frozen.flags.writeable = False
    raw = bytearray(1 + plain.nbytes)
    misaligned = np.frombuffer(raw, np.uint8)[1:].view(np.float32).reshape(4, 6)
    misaligned[...] = plain
    return {
        "fortran": np.asfortranarray(plain),
        "strided": np.repeat(np.repeat(plain, 2, axis=0), 3, axis=1)[::2, ::3],
        "reversed": plain[::-1, ::-1].copy()[::-1, ::-1],
        "big-endian": plain.astype(">f4"),
        "read-only": frozen,
        "misaligned": misaligned,
        "broadcast": np.broadcast_to(plain[0], (4, 6)),
    }


@pytest.mark.parametrize("kind", awkward_arrays())
def test_awkward_arrays_are_written_like_a_plain_copy(tmp_path: Path, kind: str) -> None:
    array = awkward_arrays()[kind]
    before = array.tobytes()
    copy = np.array(array, array.dtype.newbyteorder("="), order="C")
    storage.write(tmp_path / "a.safetensors", {"x": array}, {})
    storage.write(tmp_path / "b.safetensors", {"x": copy}, {})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert array.tobytes() == before
    assert same_bits(storage.read(tmp_path / "a.safetensors").tensors["x"], copy)


def test_memory_maps_numpy_scalars_and_strange_booleans(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "raw", np.int64, "w+", shape=(3,))
    mapped[:] = [1, 2, 3]
    strange = np.array([0, 2, 255], np.uint8).view(bool)
    storage.write(
        tmp_path / "m", {"map": mapped, "one": np.float32(1.5), "true": strange[::-1]}, {}
    )
    tensors = storage.read(tmp_path / "m").tensors
    assert tensors["map"].tolist() == [1, 2, 3]
    assert same_bits(tensors["one"], np.array(1.5, np.float32))
    assert tensors["true"].tobytes() == b"\x01\x01\x00"


def test_tensors_read_are_our_own(tmp_path: Path) -> None:
    storage.write(tmp_path / "m", {"w": np.ones((2, 2)), "s": np.ones(())}, {})
    before = (tmp_path / "m").read_bytes()
    for array in storage.read(tmp_path / "m").tensors.values():
        assert array.flags.writeable
        assert array.flags.owndata
        array[...] = 5
    assert (tmp_path / "m").read_bytes() == before


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    one = {"b": np.zeros(2), "a": np.ones(3, np.float32), "c": np.zeros((), bool)}
    two = {name: one[name].copy() for name in ["c", "a", "b"]}
    storage.write(tmp_path / "1", one, {"x": [1, {"p": 1, "q": 2}], "y": (1, 2)})
    storage.write(tmp_path / "2", two, {"y": [1, 2], "x": [1, {"q": 2, "p": 1}]})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_nothing_at_all_is_a_model_file_too(tmp_path: Path) -> None:
    storage.write(tmp_path / "m", {}, {})
    stored = storage.read(str(tmp_path / "m"))
    assert (stored.tensors, stored.metadata) == ({}, {})
    assert safetensors.numpy.load_file(tmp_path / "m") == {}


def test_names_are_never_paths(tmp_path: Path) -> None:
    names = ["../outside", "/etc/passwd", "C:\\windows", "a/b", ".", "~"]
    (tmp_path / "inside").mkdir()
    storage.write(tmp_path / "inside" / "m", {name: np.ones(1) for name in names}, {})
    assert set(storage.read(tmp_path / "inside" / "m").tensors) == set(names)
    assert [entry.name for entry in tmp_path.rglob("*")] == ["inside", "m"]


def test_verify_says_what_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "people.safetensors"
    tensors = {"hidden1.weights": np.zeros((2, 1200), np.float32), "output.bias": np.zeros(())}
    storage.write(path, tensors, {"kind": "network"})
    found = storage.verify(path)
    assert found.total_bytes == path.stat().st_size
    assert found.metadata == {"kind": "network"}
    assert [(t.name, t.dtype, t.shape, t.bytes) for t in found.tensors] == [
        ("output.bias", "f64", (), 8),
        ("hidden1.weights", "f32", (2, 1200), 9600),
    ]
    assert str(found).splitlines() == [
        f"{path}: a limpide model, format version 1, {found.total_bytes:,} bytes",
        "  output.bias      f64[]            8 bytes  checksum ok",
        "  hidden1.weights  f32[2,1200]  9,600 bytes  checksum ok",
        "whole: the header and every tensor match their checksums",
    ]


def test_verify_can_be_printed_whatever_the_path(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.safetensors"
    storage.write(os.fsdecode(path), {}, {})
    assert "caf\\xe9.safetensors: a limpide model" in str(storage.verify(os.fsdecode(path)))
    str(storage.verify(os.fsdecode(path))).encode()


def test_memory_stays_near_the_size_of_the_tensors(tmp_path: Path) -> None:
    mega = 1 << 20
    tensors = {f"w{i}": np.zeros(mega // 2) for i in range(4)}  # 4 MiB each
    tracemalloc.start()
    try:
        storage.write(tmp_path / "m", tensors, {})
        assert tracemalloc.get_traced_memory()[1] < mega
        tracemalloc.reset_peak()
        stored = storage.read(tmp_path / "m")
        assert tracemalloc.get_traced_memory()[1] < 17 * mega
        del stored
        tracemalloc.reset_peak()
        storage.verify(tmp_path / "m")
        assert tracemalloc.get_traced_memory()[1] < 9 * mega
    finally:
        tracemalloc.stop()


def test_memory_short_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write(tmp_path / "m", {"w": np.zeros(1000)}, {})

    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", no_memory)
    with pytest.raises(MemoryLimitError, match=r"tensor 'w' of '.*m' needs 8,000 bytes"):
        storage.read(tmp_path / "m")


@pytest.mark.parametrize(
    ("tensors", "error", "message"),
    [
        ({"w": np.zeros(2, complex)}, DtypeError, "'w' has dtype complex128.* Convert it"),
        ({"w": np.array(["a"])}, DtypeError, "'w' has dtype <U1"),
        ({"w": np.array([None])}, DtypeError, "'w' has dtype object"),
        ({"w": np.array(["2020-01-01"], "M8[D]")}, DtypeError, "datetime64"),
        ({"w": np.zeros(2, "f4,f4")}, DtypeError, "'w' has dtype"),
        ({"w": np.ma.masked_array([1.0], [True])}, ArgumentTypeError, "'w' .* MaskedArray"),
        ({"w": [1.0]}, ArgumentTypeError, "'w' must be a NumPy array; received list"),
        ({3: np.zeros(1)}, ArgumentError, "name 3 is a int, not a text"),
        ({"": np.zeros(1)}, ArgumentError, "has 0 characters, not 1 to 256"),
        ({"x" * 257: np.zeros(1)}, ArgumentError, "has 257 characters"),
        ({"a\nb": np.zeros(1)}, ArgumentError, r"'a\\nb' has a character that cannot be printed"),
        ({"\ud800": np.zeros(1)}, ArgumentError, r"'\\ud800' has a character"),
        ({"__metadata__": np.zeros(1)}, ArgumentError, "keeps for itself"),
        ({str(i): np.zeros(0) for i in range(10_001)}, ArgumentError, "at most 10000 tensors"),
        ([np.zeros(1)], ArgumentTypeError, "must be dicts; received list and dict"),
    ],
)
def test_tensors_that_no_file_can_hold(
    tmp_path: Path, tensors: Any, error: type[Exception], message: str
) -> None:
    (tmp_path / "m").write_bytes(b"old")
    with pytest.raises(error, match=message):
        storage.write(tmp_path / "m", tensors, {})
    assert (tmp_path / "m").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["m"]


def test_a_header_over_a_megabyte_is_refused_when_written(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"room for 1,000,000 bytes.*pack_json"):
        storage.write(tmp_path / "m", {}, {"categories": ["x" * 100] * 10_000})
    assert os.listdir(tmp_path) == []


def test_long_lists_go_into_a_tensor(tmp_path: Path) -> None:
    words = [f"категория {i}" for i in range(100_000)]
    storage.write(tmp_path / "m", {"words": storage.pack_json(words)}, {})
    stored = storage.read(tmp_path / "m")
    assert storage.unpack_json(stored.tensors["words"], "words") == words


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), "words must be packed as u8"),
        (np.frombuffer(b"[1,", np.uint8), "words .* cannot be read"),
        (np.frombuffer(b"\xff", np.uint8), "words .* cannot be read"),
        (np.frombuffer(b"[" * 10_000, np.uint8), "words .*nested more than 64 deep"),
    ],
)
def test_what_was_never_packed_is_refused(array: np.ndarray, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        storage.unpack_json(array, "words")


@pytest.mark.parametrize("call", [storage.read, storage.verify])
def test_paths_that_hold_no_file(tmp_path: Path, call: Any) -> None:
    with pytest.raises(FileError, match=r"there is no file '.*absent'. Correct the path") as info:
        call(tmp_path / "absent")
    assert isinstance(info.value, OSError)
    with pytest.raises(FileError, match=r"is a folder, not a file\. Give a file"):
        call(tmp_path)
    with pytest.raises(FileError, match="'/dev/null' is a device or a pipe"):
        call("/dev/null")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="pipe' is a device or a pipe"):
        call(tmp_path / "pipe")
    with pytest.raises(FileError, match="can name no file"):
        call("")
    with pytest.raises(FileError, match="can name no file"):
        call("a\0b")
    with pytest.raises(FileError, match="can name no file"):
        call("\ud800")
    with pytest.raises(ArgumentTypeError, match=r"path must be a text or a pathlib.Path; .* int"):
        call(3)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write(tmp_path / "m", {}, {})

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FileError, match=r"m' may not be read .*permission"):
        storage.read(tmp_path / "m")


def test_reading_leaves_no_file_open(tmp_path: Path) -> None:
    storage.write(tmp_path / "m", {"w": np.zeros(3)}, {})
    (tmp_path / "bad").write_bytes((tmp_path / "m").read_bytes()[:-1])
    before = os.listdir("/proc/self/fd")
    storage.read(tmp_path / "m")
    for path in (tmp_path, tmp_path / "bad"):
        with pytest.raises((FileError, ModelFileError)):
            storage.read(path)
    assert os.listdir("/proc/self/fd") == before


def test_this_room_loads_numpy_and_nothing_heavier() -> None:
    code = "import sys, limpide.storage; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"safetensors", "polars", "pickle5", "torch", "click", "rich", "narwhals"}


def test_the_metadata_alone(tmp_path: Path) -> None:
    path = tmp_path / "m"
    storage.write(path, {"w": np.arange(1000.0)}, {"kind": "network", "n": [1, 2]})
    assert storage.read_metadata(path) == {"kind": "network", "n": [1, 2]}
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] + bytes(8))  # a tensor that is damaged is not looked at
    assert storage.read_metadata(path) == {"kind": "network", "n": [1, 2]}
    for damaged in (whole[:-8], whole.replace(b'"format"', b'"formal"')):
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            storage.read_metadata(path)
