"""No damaged, forged or foreign file is ever read as a model."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import pickle
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from limpide import storage
from limpide.errors import ModelFileError

Forge = Callable[..., bytes]
A = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
EIGHT = bytes(range(8))


@pytest.fixture
def small(tmp_path: Path) -> bytes:
    """Give a model file of about 1.5 KB with something of everything in it."""
    tensors = {
        "hidden1.weights": np.linspace(-1, 1, 8).reshape(2, 4),
        "hidden1.bias": np.zeros(4, np.float32),
        "output.weights": np.full((4, 1), 0.5, np.float32),
        "frozen": np.array([True, False, True]),
    }
    metadata = {"kind": "network", "layers": [2, {"type": "Dense", "units": 4}], "name": "âge"}
    storage.write(tmp_path / "small", tensors, metadata)
    return (tmp_path / "small").read_bytes()


def refused(path: Path, raw: bytes, match: str | None = None) -> str:
    path.write_bytes(raw)
    with pytest.raises(ModelFileError, match=match) as info:
        storage.read(path)
    with pytest.raises(ModelFileError) as again:
        storage.verify(path)
    message = str(info.value)
    assert message == str(again.value)
    assert repr(str(path)) in message
    assert isinstance(info.value, ValueError)
    return message


def test_cut_off_at_every_byte(tmp_path: Path, small: bytes) -> None:
    for length in range(len(small)):
        refused(tmp_path / "m", small[:length])
    assert "with 1 byte missing at its end" in refused(tmp_path / "m", small[:-1])
    assert "of its header missing" in refused(tmp_path / "m", small[:100])
    assert "is empty, 0 bytes" in refused(tmp_path / "m", b"")


def test_one_bit_flipped_at_every_byte(tmp_path: Path, small: bytes) -> None:
    draw = random.Random(0)
    for at in range(len(small)):
        raw = bytearray(small)
        raw[at] ^= 1 << draw.randrange(8)
        refused(tmp_path / "m", bytes(raw))


@pytest.mark.long
def test_every_bit_flipped(tmp_path: Path, small: bytes) -> None:
    for at in range(8 * len(small)):
        raw = bytearray(small)
        raw[at // 8] ^= 1 << at % 8
        refused(tmp_path / "m", bytes(raw))


def test_bytes_added_removed_and_swapped(tmp_path: Path, small: bytes) -> None:
    refused(tmp_path / "m", small + b"\0", "is damaged: it has 1 byte after its last tensor")
    draw = random.Random(1)
    for _ in range(300):
        raw = bytearray(small)
        at = draw.randrange(len(raw))
        change = draw.randrange(3)
        if change == 0:
            raw.insert(at, draw.randrange(256))
        elif change == 1:
            del raw[at]
        else:
            raw[at:] = raw[at:][::-1]
        if raw != small:
            refused(tmp_path / "m", bytes(raw))


def test_a_changed_number_names_its_tensor(tmp_path: Path, small: bytes) -> None:
    raw = bytearray(small)
    raw[-1] ^= 1
    message = refused(tmp_path / "m", bytes(raw))
    assert message.endswith(
        "is damaged: tensor 'frozen' does not match its checksum. "
        "Restore it from a copy, or train and save the model again."
    )


def test_the_forger_writes_good_files_when_it_wants(tmp_path: Path, forge: Forge) -> None:
    (tmp_path / "m").write_bytes(forge(A, EIGHT, metadata='{"a":[1]}'))
    stored = storage.read(tmp_path / "m")
    assert stored.tensors["a"].tobytes() == EIGHT
    assert stored.metadata == {"a": [1]}


def info(shape: str = "[2]", offsets: str = "[0,8]", dtype: str = "F32") -> str:
    return f'"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}'


NO_CHECKSUMS: dict[str, str] = {}
B_AFTER = '"b":{"dtype":"U8","shape":[4],"data_offsets":[8,12]}'


@pytest.mark.parametrize(
    ("members", "data", "more", "message"),
    [
        (f"{A},{A}", EIGHT, {}, r"header cannot be read \(the key 'a' stands twice\)"),
        (A, EIGHT, {"metadata": '{"x":1,"x":1}'}, "'limpide' .*the key 'x' stands twice"),
        (A, EIGHT, {"checksums": '{"a":"","a":""}'}, "'checksums' .*the key 'a' stands twice"),
        (A, EIGHT, {"metadata": '{"x":NaN}'}, "NaN is not JSON"),
        (A, EIGHT, {"metadata": '{"x":-Infinity}'}, "-Infinity is not JSON"),
        (A, EIGHT, {"metadata": '{"x":1e400}'}, "1e400 is too large for a float"),
        (A, EIGHT, {"metadata": f'{{"x":{"9" * 5000}}}'}, "integer of 5000 characters is too"),
        (A, EIGHT, {"metadata": "[" * 100_000}, "nested more than 64 deep"),
        (A, EIGHT, {"metadata": '{"x":' * 65 + "1" + "}" * 65}, "nested more than 64 deep"),
        (A, EIGHT, {"metadata": '{"x":"\\ud800"}'}, "half of a character"),
        (A, EIGHT, {"metadata": "[]"}, "'limpide' in its header is list, not an object"),
        (A, EIGHT, {"metadata": "{} x"}, "Extra data"),
        (A, EIGHT, {"metadata": ""}, "'limpide' in its header cannot be read"),
        (A, EIGHT, {"checksums": "7"}, "'checksums' in its header is int, not an object"),
        (A, EIGHT, {"more": ',"other":"x"'}, "header has the keys .*'other'"),
        (A, EIGHT, {"more": ',"other":1'}, "'other' in its header is int, not text"),
        (A, EIGHT, {"version": "0"}, "its format version is '0', not a number"),
        (A, EIGHT, {"version": "one"}, "its format version is 'one', not a number"),
        (A, EIGHT, {"version": "9" * 5000}, "its format version is '999"),
        (A, EIGHT, {"version": "²"}, "its format version is '²', not a number"),
        (A, EIGHT, {"checksums": NO_CHECKSUMS}, "tensor 'a' is not both in its table and"),
        (A, EIGHT, {"checksums": {"a": "0" * 64, "b": "0" * 64}}, "tensor 'b' is not both"),
        (A, EIGHT, {"checksums": {"a": "1" * 64}}, "tensor 'a' does not match its checksum"),
        (A, EIGHT, {"checksums": {"a": "A" * 64}}, "checksum of tensor 'a' is not 64 digits"),
        (A, EIGHT, {"checksums": {"a": None}}, "checksum of tensor 'a' is not 64 digits"),
        (info("[-2]", "[0,8]"), EIGHT, {}, r"impossible shape \[-2\]"),
        (info("[-1,-2]", "[0,8]"), EIGHT, {}, r"impossible shape \[-1, -2\]"),
        (info("[2.0]"), EIGHT, {}, r"impossible shape \[2.0\]"),
        (info("[true,2]"), EIGHT, {}, r"impossible shape \[True, 2\]"),
        (info('["2"]'), EIGHT, {}, r"impossible shape \['2'\]"),
        (info("2"), EIGHT, {}, "impossible shape 2"),
        (info("null"), EIGHT, {}, "impossible shape None"),
        (info(str([1] * 64 + [2])), EIGHT, {}, r"impossible shape \[1, 1"),
        (info("[3]"), EIGHT, {}, r"shape \[3\] does not fit 8 bytes"),
        (info("[]"), EIGHT, {}, r"shape \[\] does not fit 8 bytes"),
        (info("[4611686018427387904,4]"), EIGHT, {}, "does not fit 8 bytes"),
        (info("[9223372036854775807,2,0]", "[0,0]"), b"", {}, "does not fit 0 bytes"),
        (info("[18446744073709551616,0]", "[0,0]"), b"", {}, "does not fit 0 bytes"),
        (
            info("[1000000000000]", "[0,4000000000000]"),
            EIGHT,
            {},
            "3,999,999,999,992 bytes missing",
        ),
        (info("[2]", "[8,0]"), EIGHT, {"checksums": {"a": "0" * 64}}, "impossible offsets"),
        (info("[2]", "[-8,0]"), EIGHT, {"checksums": {"a": "0" * 64}}, "impossible offsets"),
        (info("[2]", "[0,8,8]"), EIGHT, {"checksums": {"a": "0" * 64}}, "impossible offsets"),
        (info("[2]", "[0.0,8.0]"), EIGHT, {"checksums": {"a": "0" * 64}}, "impossible offsets"),
        (info("[2]", "{}"), EIGHT, {"checksums": {"a": "0" * 64}}, "impossible offsets"),
        (info("[2]", "[1,9]"), EIGHT + b"\0", {}, "tensor 'a' leaves a hole before it"),
        (f"{A},{B_AFTER.replace('8,12', '6,10')}", bytes(10), {}, "'b' overlaps the one before"),
        (f"{A},{B_AFTER.replace('8,12', '0,4')}", EIGHT, {}, "'a' overlaps the one before"),
        (f"{A},{B_AFTER.replace('8,12', '9,13')}", bytes(13), {}, "'b' leaves a hole before it"),
        (f"{A},{B_AFTER}", bytes(13), {}, "it has 1 byte after its last tensor"),
        (f"{A},{B_AFTER}", bytes(11), {}, "with 1 byte missing at its end"),
        ("", b"\0", {}, "it has 1 byte after its last tensor"),
        (info(dtype="F8"), EIGHT, {}, "dtype 'F8', not one of BOOL"),
        (info(dtype="BF16"), EIGHT, {}, "dtype 'BF16', not one of BOOL"),
        (info("[8]", dtype="BOOL"), EIGHT, {}, "truth value that is neither 0 nor 1"),
        (A[:-1] + ',"x":1}', EIGHT, {}, "not described by dtype, shape and data_offsets"),
        ('"a":[]', b"", {"checksums": {"a": ""}}, "not described by dtype"),
        ('"a":{"dtype":"F32","shape":[0]}', b"", {"checksums": {"a": ""}}, "not described by"),
        (A.replace('"a"', '""'), EIGHT, {}, "the tensor name '' has 0 characters"),
        (A.replace('"a"', '"\\u001b[2J"'), EIGHT, {}, r"'\\x1b\[2J' has a character that cannot"),
        (A.replace('"a"', f'"{"a" * 300}"'), EIGHT, {}, "has 300 characters, not 1 to 256"),
    ],
)
def test_forged_headers(
    tmp_path: Path, forge: Forge, members: str, data: bytes, more: dict[str, Any], message: str
) -> None:
    try:
        raw = forge(members, data, **more)
    except (TypeError, KeyError, AttributeError, IndexError):
        pytest.fail("give the checksums of this one")
    tracemalloc.start()
    try:
        refused(tmp_path / "m", raw, "is damaged: .*" + message)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_more_than_ten_thousand_tensors(tmp_path: Path, forge: Forge) -> None:
    each = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    members = ",".join(f'"{i}":{each}' for i in range(10_001))
    refused(tmp_path / "m", forge(members, checksums={}), "it has 10001 tensors, more than 10000")


def test_headers_of_a_megabyte(tmp_path: Path, forge: Forge) -> None:
    empty = len(forge("", metadata='{"x":""}')) - 8
    largest = forge("", metadata=json.dumps({"x": "y" * (1_000_000 - empty - 1)}))
    too_large = forge("", metadata=json.dumps({"x": "y" * (1_000_000 - empty)}))
    (tmp_path / "m").write_bytes(largest)
    assert len(largest) == 8 + 1_000_000
    assert len(storage.read(tmp_path / "m").metadata["x"]) > 990_000
    refused(tmp_path / "m", too_large, "claims 1,000,001 bytes, at most 1,000,000")
    refused(tmp_path / "m", b"\xff" * 8 + largest[8:], "claims 18,446,744,073,709,551,615 bytes")


def test_headers_that_are_no_text(tmp_path: Path, forge: Forge, seal: Forge) -> None:
    good = forge("", metadata='{"x":"y"}')
    refused(tmp_path / "m", good.replace(b'"y', b'"\xff'), r"byte \d+ is not UTF-8")
    refused(tmp_path / "m", seal("{" + '"a":{' * 100_000), "nested more than 64 deep")
    refused(tmp_path / "m", seal("{}\0"), "header cannot be read")
    refused(tmp_path / "m", seal('{"a": '), "header cannot be read")


def test_a_newer_version_says_upgrade(tmp_path: Path, forge: Forge, small: bytes) -> None:
    says = "has format version 2, this limpide reads up to 1. Upgrade limpide: pip install"
    refused(tmp_path / "m", forge(A, EIGHT, version="2"), says)
    refused(tmp_path / "m", forge(A, EIGHT, version="2", more=',"new":"x"'), says)
    newer = {"format": "limpide", "format_version": "2", "quite": "different"}
    refused(tmp_path / "m", safetensors.numpy.save({"w": np.ones(2)}, newer), says)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"format": "np", "limpide": "{}"}])
def test_safetensors_of_others(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    raw = safetensors.numpy.save({"w": np.ones(2)}, metadata)
    refused(tmp_path / "m", raw, "is a safetensors file, but not one that limpide wrote.*load_file")


def test_large_safetensors_of_others(tmp_path: Path) -> None:
    raw = safetensors.numpy.save({f"model.layer.{i}": np.ones(1) for i in range(20_000)})
    refused(
        tmp_path / "m", raw, "is a safetensors file, but not one that limpide wrote: its header"
    )


def test_ours_rewritten_by_safetensors(tmp_path: Path, small: bytes) -> None:
    """Another program may keep the metadata and change a number: the seal is broken."""
    (tmp_path / "m").write_bytes(small)
    with safetensors.safe_open(tmp_path / "m", "numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    next(iter(tensors.values())).reshape(-1).view(np.uint8)[0] ^= 1
    raw = safetensors.numpy.save(tensors, metadata)
    # safetensors orders the metadata at random: by chance the header is as we wrote it.
    refused(tmp_path / "m", raw, "does not match its checksum")


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"content " * 100)
    return buffer.getvalue()


def saved_with_numpy(save: Callable[..., None]) -> bytes:
    buffer = io.BytesIO()
    save(buffer, np.ones(3))
    return buffer.getvalue()


class Bomb:
    """A pickle that runs a program when opened."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("the pickle was opened",))


ONNX = bytes.fromhex("0808120770 79746f7263681a05322e312e303a".replace(" ", "")) + bytes(40)
KINDS = [
    *(
        (pickle.dumps({"w": [1.0]}, protocol=p), "is a pickle .to open one can run")
        for p in range(6)
    ),
    *((pickle.dumps(Bomb(), protocol=p), "is a pickle .to open one can run") for p in (0, 2, 4, 5)),
    *(
        (pickle.dumps([np.ones(2)], protocol=p), "is a pickle .to open one can run")
        for p in range(6)
    ),
    (pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2) + b"\x80\x02M\xe9\x03.", "a PyTorch file"),
    (zipped("archive/data.pkl", "archive/data/0"), r"is a PyTorch file \(.pt"),
    (zipped("metadata.json", "config.json", "model.weights.h5"), r"is a Keras model \(.keras"),
    (zipped("w.npy"), r"is a NumPy archive \(.npz"),
    (zipped("[Content_Types].xml", "xl/workbook.xml"), "is an Excel workbook"),
    (zipped("people.txt"), "is a zip archive"),
    (zipped(), "is a zip archive"),
    (saved_with_numpy(np.save), r"is a NumPy array \(.npy"),
    (saved_with_numpy(np.savez), r"is a NumPy archive \(.npz"),
    (b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file"),
    (ONNX, "is an ONNX model"),
    (gzip.compress(b"x" * 100, mtime=0), "is a gzip archive"),
    (bz2.compress(b"x" * 100), "is a bzip2 archive"),
    (b"PAR1" + bytes(100), "is a Parquet table"),
    (b"ARROW1\0\0" + bytes(100), "is an Arrow table"),
    (b"x,y,label\n1,2,3\n", "is text, such as a CSV table.*limpide train"),
    ("âge;poids\n1,5;2\n".encode(), "is text, such as a CSV table"),
    ("âge;poids\n1,5;2\n".encode("latin-1"), "is text, such as a CSV table"),
    ("âge;poids\n1,5;2\n".encode("utf-16"), "is text, such as a CSV table"),
    (b"x", "is text, such as a CSV table"),
    (b"PK,name\n1,2\n", "is text, such as a CSV table"),
    (b"a,b,c,d,{,x\n" * 50, "is text, such as a CSV table"),
    (b'{"weights": [1, 2, 3]}', "is JSON text"),
    (b"<!DOCTYPE html><html></html>", "is a web page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
    (bytes(7), "no model file, or only the beginning of one: it has 7 bytes"),
    (bytes(8), "no model file"),
    (bytes(5000), "no model file"),
    (random.Random(0).randbytes(5000), "no model file"),
]


@pytest.mark.parametrize(("raw", "message"), KINDS)
def test_other_kinds_are_refused_by_name(tmp_path: Path, raw: bytes, message: str) -> None:
    text = refused(tmp_path / "m", raw, message)
    assert text.endswith(".")
    assert text.count("\n") == 0


NASTY = st.sampled_from(
    [
        *(0, 1, 2, 7, 8, 9, 12, -1, 2**31, 2**32, 2**62, 2**63, 2**64, 2**127, 10**60),
        *(0.5, 2.0, True, None, "", "x", "F32", "\x00", [], {}, [[]], [0, 8], [8, 12]),
    ]
)
DTYPE_WORDS = st.sampled_from(["F32", "F64", "U8", "BOOL", "BF16", "f32", "", "F32 "])
COUNTS = st.lists(st.sampled_from([0, 1, 2, 4, 8, 12, 2**40, 2**63]) | NASTY, max_size=4)
TABLE = st.dictionaries(
    st.sampled_from(["a", "b", "c", "../x", "__metadata__", "\n", ""]),
    st.fixed_dictionaries(
        {
            "dtype": DTYPE_WORDS | NASTY,
            "shape": COUNTS | NASTY,
            "data_offsets": st.sampled_from([[0, 0], [0, 8], [8, 12], [0, 12], [4, 8]]) | COUNTS,
        },
        optional={"extra": NASTY},
    )
    | NASTY,
    max_size=4,
)


@settings(max_examples=600)
@given(table=TABLE, count=st.sampled_from([0, 8, 12, 100]), text=st.text(max_size=20))
def test_no_sealed_header_brings_anything_but_our_errors(
    tmp_path_factory: pytest.TempPathFactory,
    forge: Forge,
    table: dict[str, Any],
    count: int,
    text: str,
) -> None:
    members = json.dumps(table)[1:-1]
    checksums = dict.fromkeys(table, "0" * 64)
    raw = forge(members, bytes(count), checksums=checksums, metadata=text)
    try_to_read(tmp_path_factory.getbasetemp() / "forged", raw)


@settings(max_examples=300)
@given(raw=st.binary(max_size=200), at=st.integers(0, 400), cut=st.integers(0, 50))
def test_no_bytes_bring_anything_but_our_errors(
    tmp_path_factory: pytest.TempPathFactory, forge: Forge, raw: bytes, at: int, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "random"
    good = forge(A, EIGHT)
    try_to_read(path, raw)
    try_to_read(path, len(raw).to_bytes(8, "little") + raw)
    try_to_read(path, good[:at] + raw + good[at + cut :])


def try_to_read(path: Path, raw: bytes) -> None:
    """Read a file that is probably wrong: an error of ours and little memory, or a true model."""
    path.write_bytes(raw)
    tracemalloc.start()
    message = ""
    try:
        stored = storage.read(path)
        assert sum(array.nbytes for array in stored.tensors.values()) <= len(raw)
    except ModelFileError as error:
        message = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "\n" not in message
    assert peak < 1 << 20
