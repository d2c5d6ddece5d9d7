"""Exports that cannot be: where, why and what to do; and names that are no identifiers."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from exported_files import KINDS, SOURCES, module, name_of, need, outputs, predicted, quiet

import limpide as lp
from limpide import cli, program
from tolerances import tolerance

# Names that would run if they were ever more than text.
EVIL = [
    '"""\nopen("pwned", "w")\n"""',
    "'; open('pwned', 'w'); '",
    "back\\slash\\",
    "{open('pwned', 'w')}",
    "line\nend\r\ttab\u2028sep\u202ereversed\x00\x1b[2J",
    "naïve Größe 重さ 🙂",
    "class",
    "label",
    "probabilities",
    "x",
    "np",
    "predict",
    "n",
    "  blanks  ",
    "é" * 300,
]


@pytest.fixture
def net() -> lp.Network:
    return lp.Network([2, 3, 1], output="sigmoid", seed=0)


@pytest.fixture(scope="module")
def evil() -> tuple[lp.Model, dict[str, list[object]]]:
    """A model whose columns, categories, target and labels have such names."""
    random = np.random.default_rng(0)
    columns: dict[str, list[object]] = {}
    for i, name in enumerate(EVIL):
        if i % 2:
            columns[name] = random.normal(0, 1, 600).tolist()
        else:
            columns[name] = [EVIL[j] for j in random.integers(0, len(EVIL), 600)]
    columns[f"target {EVIL[0]}"] = [EVIL[j] for j in random.integers(0, 4, 600)]
    return lp.train(columns, f"target {EVIL[0]}", epochs=1, hidden=[4], validation=0), columns


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_a_table_stays_text(
    kind: str,
    evil: tuple[lp.Model, dict[str, list[object]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need(kind)
    monkeypatch.chdir(tmp_path)
    model, columns = evil
    given = {name: columns[name] for name in EVIL}
    path = tmp_path / name_of(kind)
    model.export(path, to=kind)
    expected = model.predict_proba(given)
    if kind == "onnx":
        feeds = {
            name: np.array([c.strip() if isinstance(c, str) else c for c in cells])
            for name, cells in given.items()
        }
        found = outputs(
            path,
            {
                name: (a.astype(object) if a.dtype.kind == "U" else a.astype(np.float32))[:, None]
                for name, a in feeds.items()
            },
        )
        assert list(found) == ["label_2", "probabilities_2"]  # columns have their names
        labels, chances = found["label_2"].tolist(), found["probabilities_2"]
    else:
        with quiet(kind):
            source = module(path)
            labels, chances = source.predict(given), np.asarray(source.predict_proba(given))
    assert list(labels) == model.predict(given).tolist()
    np.testing.assert_allclose(chances, expected, rtol=0, atol=tolerance("export_float32"))
    assert [p.name for p in tmp_path.iterdir() if p.name != "__pycache__"] == [path.name]


@pytest.mark.parametrize("kind", SOURCES)
def test_nothing_of_a_table_is_code(
    kind: str, evil: tuple[lp.Model, dict[str, list[object]]], tmp_path: Path
) -> None:
    evil[0].export(tmp_path / "net.py", to=kind)
    text = (tmp_path / "net.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    called = {node.func.id for node in ast.walk(tree) if _is_call(node)}
    assert "open" not in called
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    imported = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert len(imported) <= 3


def _is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_may_have_the_names_of_what_a_file_uses(kind: str, tmp_path: Path) -> None:
    need(kind)
    names = ["x", "np", "relu", "network", "None_", "list", "self", "ﬁ", "fi", "label", "X", "n"]
    layers = [lp.Dense(3, "relu", name=name) for name in names]
    net = lp.Network([2, *layers, lp.Dense(2, "softmax", name="softmax")], seed=3)
    path = tmp_path / name_of(kind)
    net.export(path, to=kind)
    X = np.array([[0.5, -1.0], [2.0, 3.0]], np.float32)
    found = predicted(path, kind, X)
    np.testing.assert_allclose(found, net.predict(X), rtol=0, atol=tolerance("export_float32"))


def test_the_path_tells_onnx_alone(net: lp.Network, tmp_path: Path) -> None:
    need("onnx")
    net.export(tmp_path / "net.ONNX")
    assert outputs(tmp_path / "net.ONNX", {"X": np.zeros((1, 2), np.float32)})
    with pytest.raises(
        lp.ArgumentError,
        match=r"to must be one of keras, numpy, onnx, python, torch, for the path '.*net\.py' does "
        r"not tell: only '\.onnx' does\. Write to='numpy'",
    ):
        net.export(tmp_path / "net.py")
    with pytest.raises(
        lp.ArgumentError,
        match="to must be one of keras, numpy, onnx, python, torch; received 'pytorch'",
    ):
        net.export(tmp_path / "net.py", to="pytorch")
    with pytest.raises(lp.ArgumentTypeError, match="path must be a text or a pathlib"):
        net.export(3, to="numpy")
    with pytest.raises(lp.ArgumentTypeError, match="has no argument 'overwrit'"):
        net.export(tmp_path / "net.py", to="numpy", overwrit=True)


def test_a_file_that_exists_is_replaced_unless_told(net: lp.Network, tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("mine")
    with pytest.raises(lp.FileError, match="exists") as raised:
        net.export(path, to="python", overwrite=False)
    assert isinstance(raised.value, OSError)
    assert path.read_text() == "mine"
    net.export(path, to="python")
    assert path.read_text().startswith('"""A neural network')


def test_a_folder_that_is_not_there(net: lp.Network, tmp_path: Path) -> None:
    with pytest.raises(lp.FileError, match=r"gone.*Make the folder first, or correct the path"):
        net.export(tmp_path / "gone" / "net.py", to="python")
    with pytest.raises(lp.FileError, match="folder"):
        net.export(tmp_path, to="python")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_that_may_not_be_written_to(net: lp.Network, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(lp.FileError, match="Save to a folder in which you may write"):
            net.export(tmp_path / "net.py", to="python")
    finally:
        tmp_path.chmod(0o700)


def test_the_command_reads_onnx_from_the_path(
    net: lp.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("onnx")
    monkeypatch.chdir(tmp_path)
    net.save("net.safetensors")
    words = ["export", "net.safetensors", "--out", "net.onnx"]
    assert program.run(cli.limpide_command, words) == 0
    assert list(outputs(Path("net.onnx"), {"X": np.zeros((1, 2), np.float32)})) == [
        "label",
        "probabilities",
    ]


def test_onnx_that_is_not_installed(
    net: lp.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    message = r"An \.onnx file needs onnx: pip install 'limpide\[onnx\]'"
    with pytest.raises(lp.MissingExtraError, match=message):
        net.export(tmp_path / "net.onnx")
    model = lp.train({"x": [1.5, 2.5, 3.5], "y": ["a", "b", "a"]}, "y", epochs=1, hidden=[2])
    with pytest.raises(lp.MissingExtraError, match=message):
        model.export(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_onnx_holds_less_than_two_gigabytes(
    net: lp.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("onnx")
    monkeypatch.setattr("limpide.exports.opset_file.BYTES_AT_MOST", 40)
    with pytest.raises(lp.ArgumentError, match=r"less than 2 GiB, and the weights are 0\.0 GiB"):
        net.export(tmp_path / "net.onnx")


def test_the_command(
    net: lp.Network,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    net.save("net.safetensors")
    saved = Path("net.safetensors").read_bytes()

    def run(*words: str) -> tuple[int, str]:
        status = program.run(cli.limpide_command, ["export", *words])
        return status, capsys.readouterr().err

    assert run("net.safetensors", "--to", "python", "--out", "net.py") == (
        0,
        "note: net.py is written.\n",
    )
    rows = [[0.5, 1.0], [2.0, -3.0]]
    found = module(Path("net.py")).predict(rows)
    np.testing.assert_allclose(found, net.predict(rows), rtol=0, atol=tolerance("export_float32"))
    before = Path("net.py").read_bytes()
    for words, status, said in (
        (["--to", "python", "--out", "net.py"], 2, "'net.py' exists. Choose another name, or add"),
        (["--to", "torch", "--out", "net.safetensors"], 2, "is the same file as the input"),
        (["--to", "torhc", "--out", "a.py"], 2, "'torhc' is none of keras, numpy, onnx"),
        (["--out", "a.py"], 2, "(--to numpy)"),
        (["--to", "python"], 2, "Missing option '--out'"),
        (["--to", "python", "--out", "gone/a.py"], 2, "there is no folder 'gone'"),
    ):
        code, text = run("net.safetensors", *words)
        assert (code, text.count("\n")) == (status, 1)
        assert said in text
    assert run("gone.safetensors", "--to", "python", "--out", "a.py")[0] == 1
    assert Path("net.py").read_bytes() == before
    assert Path("net.safetensors").read_bytes() == saved
    assert run("net.safetensors", "--to", "numpy", "--out", "net.py", "--force")[0] == 0
    assert Path("net.py").read_bytes() != before
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix) == ["net.py", "net.safetensors"]


def test_exports_are_loaded_when_something_is_exported() -> None:
    code = (
        "import sys, limpide as lp; net = lp.Network([1, 1], seed=0); lp.Model;"
        "print([m for m in sys.modules if m.startswith(('limpide.exports.', 'onnx'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
