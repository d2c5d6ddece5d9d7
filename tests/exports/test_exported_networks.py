"""Bare networks as files: every layer and activation, both precisions, inputs and outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_files import KINDS, SOURCES, module, name_of, need, outputs, predicted, quiet

import limpide as lp
from limpide import ops
from limpide.activations import ACTIVATIONS
from limpide.layers import Layer
from limpide.members import MemberDense, MemberInput, MemberOutput
from limpide.table_layers import Columns, Equals, Missing, OneHot, RobustScale, Standardize
from tolerances import tolerance

every_kind = pytest.mark.parametrize("kind", KINDS)
both_precisions = pytest.mark.parametrize("dtype", ["float64", "float32"])


def every_layer(dtype: str) -> lp.Network:
    """A network of every layer, its statistics moved away from 0 and 1."""
    numbers = ((0, 1, 2, 5), RobustScale(2.0, name="robust"))
    parts = (
        numbers,
        ((1, 2), Standardize(name="standard")),
        ((0, 5), Missing(name="gone")),
        ((1,), Equals(name="zero")),
        ((3,), OneHot((4,), name="kinds")),
        ((4,), lp.Embedding(9, 3, name="shops")),
    )
    layers: list[Any] = [6, Columns(parts, name="columns"), lp.Dropout(0.3)]
    for i, name in enumerate(sorted(set(ACTIVATIONS) - {"softmax"})):
        layers.append(lp.Dense(5 + i % 3, name, bias=None if i == 2 else lp.uniform(-1, 1)))
        layers += [[lp.BatchNorm()], [lp.LayerNorm()], []][i % 3]
    net = lp.Network([*layers, lp.Dense(3, "softmax")], dtype=dtype, seed=2)
    random = np.random.default_rng(0)
    for name, array in net.state.items():
        array[:] = random.uniform(0.5, 2, array.shape)
        if name == "columns.zero.value":
            array[:] = 0.1
    for name, array in net.params.items():
        if name.endswith(("scale", "shift")):
            array[:] = random.uniform(-1, 1, array.shape)
    return net


def rows_of_every_layer(dtype: str) -> np.ndarray:
    random = np.random.default_rng(1)
    X = random.normal(0, 2, (40, 6))
    X[::3, 1] = 0.1
    X[::5, 0], X[::7, 5] = np.nan, np.nan
    X[:, 3], X[:, 4] = random.integers(0, 5, 40), random.integers(-2, 12, 40)
    X[0, 2] = 1e30
    return X.astype(dtype)


@both_precisions
@every_kind
def test_every_layer_is_carried(kind: str, dtype: str, tmp_path: Path) -> None:
    need(kind)
    net, X = every_layer(dtype), rows_of_every_layer(dtype)
    net.export(tmp_path / name_of(kind), to=kind)
    found = predicted(tmp_path / name_of(kind), kind, X)
    allowed = tolerance(f"export_{dtype}")
    np.testing.assert_allclose(found, net.predict(X), rtol=0, atol=allowed)


@pytest.mark.parametrize(
    ("end", "width"), [("sigmoid", 1), ("sigmoid", 3), ("softmax", 3), ("linear", 2)]
)
@both_precisions
def test_an_onnx_network_has_one_input_and_named_outputs(
    end: str, width: int, dtype: str, tmp_path: Path
) -> None:
    need("onnx")
    net = lp.Network([4, 6, width], output=end, dtype=dtype, seed=0)
    net.export(tmp_path / "net.onnx")
    X = np.random.default_rng(0).normal(0, 3, (9, 4)).astype(dtype)
    found = outputs(tmp_path / "net.onnx", {"X": X})
    y = net.predict(X)
    if end == "linear":
        assert list(found) == ["prediction"]
    else:
        assert list(found) == ["label", "probabilities"]
        labels = y.argmax(axis=1) if end == "softmax" else (y > 0.5).astype(int)
        assert np.array_equal(found["label"], labels[:, 0] if width == 1 else labels)
    last = found.popitem()[1]
    assert last.dtype == y.dtype
    np.testing.assert_allclose(last, y, rtol=0, atol=tolerance(f"export_{dtype}"))


@every_kind
def test_a_network_without_any_layer_of_its_own_goes_through(kind: str, tmp_path: Path) -> None:
    need(kind)
    net = lp.Network([3, lp.Dropout(0.5)])
    net.export(tmp_path / name_of(kind), to=kind)
    X = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(predicted(tmp_path / name_of(kind), kind, X), X)


@every_kind
def test_an_activation_of_ones_own_is_carried(kind: str, tmp_path: Path) -> None:
    need(kind)

    def bent(x: Any) -> Any:
        return ops.where(x < 0, ops.tanh(x) * ops.abs(x), ops.log1p(x * x)) / (1 + ops.exp(-x))

    net = lp.Network([3, lp.Dense(4, bent), lp.Dense(2, bent)], seed=0, dtype="float64")
    net.export(tmp_path / name_of(kind), to=kind)
    X = np.random.default_rng(0).normal(0, 2, (7, 3))
    found = predicted(tmp_path / name_of(kind), kind, X)
    np.testing.assert_allclose(found, net.predict(X), rtol=0, atol=tolerance("export_float64"))


class Members(Layer):
    """k networks at once, f[n,k·m] → f[n,m]: rows and members in one axis, then averaged."""

    def outputs(self, inputs: int) -> int:
        return inputs // 2

    def forward(self, params: Any, state: Any, x: Any, training: Any) -> Any:
        rows, width = x.shape[0], x.shape[1] // 2
        flat = ops.tanh(ops.reshape(x, (rows * 2, width)))
        return ops.mean(ops.reshape(flat, (rows, 2, width)), axis=1), {}


@every_kind
def test_rows_may_be_multiplied_inside(kind: str, tmp_path: Path) -> None:
    need(kind)
    net = lp.Network([3, lp.Dense(8), Members(), lp.Dense(2)], seed=0)
    net.export(tmp_path / name_of(kind), to=kind)
    X = np.random.default_rng(0).normal(0, 1, (5, 3)).astype(np.float32)
    found = predicted(tmp_path / name_of(kind), kind, X)
    np.testing.assert_allclose(found, net.predict(X), rtol=0, atol=tolerance("export_float32"))


@every_kind
@pytest.mark.parametrize("end", ["sigmoid", "softmax", "linear"])
def test_members_answer_together(kind: str, end: str, tmp_path: Path) -> None:
    need(kind)
    layers = [MemberInput(5, 4, "relu"), MemberDense(5, 3, "tanh"), MemberOutput(5, 2, end)]
    net = lp.Network([3, *layers], seed=0)
    path = tmp_path / name_of(kind)
    net.export(path, to=kind)
    X = np.random.default_rng(0).normal(0, 1, (6, 3)).astype(np.float32)
    found = predicted(path, kind, X)
    np.testing.assert_allclose(found, net.predict(X), rtol=0, atol=tolerance("export_float32"))
    if kind == "numpy":  # they are added up in a word, not one by one
        assert "np.sum(" in path.read_text()
        assert path.read_text().count("[1:2]") == 0


class Within(Layer):
    """A layer whose rows see each other."""

    def __init__(self, how: Any) -> None:
        super().__init__(name="within")
        object.__setattr__(self, "how", how)

    def forward(self, params: Any, state: Any, x: Any, training: Any) -> Any:
        return self.how(x), {}


SEEING = {
    "a mean over the rows": lambda x: x - ops.mean(x, axis=0),
    "the largest of the rows": lambda x: x - ops.max(x, axis=0),
    "a softmax over the rows": lambda x: ops.softmax(x, axis=0),
    "numbered rows": lambda x: x + ops.iota(x.shape, axis=0, dtype="float32"),
    "the rows before": lambda x: ops.concatenate([x[:1], x[:-1]], axis=0),
    "the first row": lambda x: x - x[:1],
    "the rows in another order": lambda x: (
        ops.reshape(ops.transpose(ops.reshape(x, (2, x.shape[0], 2)), (1, 0, 2)), x.shape)
        if x.shape[0] > 1
        else x
    ),
    "a product with the rows": lambda x: ops.tanh(x @ ops.transpose(x)) @ x,
    "the number of rows": lambda x: x / x.shape[0],
    "rows looked up": lambda x: ops.gather(
        x, ops.cast(ops.minimum(ops.maximum(x[:, 0], 0), x.shape[0] - 1), "int64"), axis=0
    ),
}


@pytest.mark.parametrize("what", SEEING)
def test_rows_that_see_each_other_are_refused(what: str, tmp_path: Path) -> None:
    net = lp.Network([4, Within(SEEING[what]), lp.Dense(1)], seed=0)
    with pytest.raises(
        lp.ArgumentError, match=r"(?s)Layer 'within' .*Its rows see each other.*write "
    ):
        net.export(tmp_path / "net.py", to="numpy")
    assert not list(tmp_path.iterdir())


def test_readable_lines(tmp_path: Path) -> None:
    net = lp.Network(
        [3, lp.Dense(4, "gelu"), lp.LayerNorm(), lp.Dense(2, "softmax")], seed=0, dtype="float64"
    )
    net.export(tmp_path / "net.py", to="numpy")
    text = (tmp_path / "net.py").read_text()
    assert _body(text) == [
        "hidden1 = gelu(x @ hidden1_weights + hidden1_bias)",
        "hidden2_difference = hidden1 - np.mean(hidden1, axis=-1, keepdims=True)",
        "hidden2_mean = np.mean(hidden2_difference * hidden2_difference, axis=-1, keepdims=True)",
        "hidden2_product = hidden2_difference / np.sqrt(hidden2_mean + 1e-5) * hidden2_scale",
        "hidden2 = hidden2_product + hidden2_shift",
        "output = softmax(hidden2 @ output_weights + output_bias, axis=-1)",
        "return output",
    ]
    net.export(tmp_path / "net.py", to="python")
    text = (tmp_path / "net.py").read_text()
    assert _body(text)[:5] == [
        "hidden1 = [",
        "    gelu(sum(x[j] * hidden1_weights[j][i] for j in range(3)) + hidden1_bias[i])",
        "    for i in range(4)",
        "]",
        "hidden2_mean = sum(hidden1[i] for i in range(4)) / 4",
    ]


def _body(text: str) -> list[str]:
    lines = text[text.index("def network(x):") :].split("\n\n\n")[0].splitlines()[2:]
    return [line.removeprefix("    ") for line in lines]


@pytest.mark.parametrize("kind", SOURCES)
def test_large_networks_hold_their_weights_as_one_text(kind: str, tmp_path: Path) -> None:
    need(kind)
    net = lp.Network([300, 400, 2], seed=0)
    net.export(tmp_path / "net.py", to=kind)
    word = 'lists("""' if kind == "python" else "base64.b64decode"
    assert word in (tmp_path / "net.py").read_text()
    X = np.random.default_rng(0).normal(0, 1, (3, 300)).astype(np.float32)
    found = predicted(tmp_path / "net.py", kind, X)
    np.testing.assert_allclose(found, net.predict(X), rtol=1e-5, atol=tolerance("export_float32"))
    with quiet(kind):
        source = module(tmp_path / "net.py")
    assert np.array_equal(np.asarray(source.hidden1_weights), net.params["hidden1.weights"])


def test_too_many_weights_for_text_are_refused(tmp_path: Path) -> None:
    net = lp.Network([1000, 1000, 1], seed=0)
    with pytest.raises(
        lp.ArgumentError,
        match=r"to='python' writes every weight into the text of a file, 1,000,000 of them at "
        r"most, and this network has 1,002,001\. Use to='numpy'\.",
    ):
        net.export(tmp_path / "net.py", to="python")


def test_weights_come_back_to_the_bit(tmp_path: Path) -> None:
    for dtype in ("float32", "float64"):
        net = lp.Network([3, 20, 2], seed=0, dtype=dtype)
        net.params["hidden1.weights"][0, :6] = [1e-40, -0.0, 3e38, 1e-7, 0.1, 16777217]
        net.params["hidden1.bias"][:3] = [np.inf, -np.inf, np.nan]
        for kind in ("numpy", "torch", "keras"):
            net.export(tmp_path / "net.py", to=kind)
            if kind == "keras":
                text = (tmp_path / "net.py").read_text()
                assert "hidden1_weights = np.array(" in text
                continue
            need(kind)
            source = module(tmp_path / "net.py")
            for name, array in net.params.items():
                there = np.asarray(getattr(source, name.replace(".", "_")))
                assert there.tobytes() == array.tobytes()
