"""Models of tables as files: rows in, with categories, gaps and dates; the model's numbers out."""

from __future__ import annotations

import datetime
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from exported_files import KINDS, SOURCES, module, name_of, need, outputs, quiet

import limpide as lp
from limpide.errors import LimpideWarning
from limpide.exports.about import Ending
from limpide.exports.models import export_model
from limpide.tables.features import moved, part_codes, part_values
from limpide.tables.preprocessing import Preprocessing
from tolerances import tolerance

NOT_A_TIME = -(2**63)
every_kind = pytest.mark.parametrize("kind", KINDS)
every_source = pytest.mark.parametrize("kind", SOURCES)


def table(rows: int = 240) -> pl.DataFrame:
    """Every kind of column, with gaps, outliers, rare categories and numbers beyond float32."""
    random = np.random.default_rng(4)
    gaps = [random.random(rows) < 0.1 for _ in range(8)]
    start = datetime.datetime(1960, 1, 1)
    moments = [start + datetime.timedelta(hours=float(h)) for h in random.uniform(0, 9e5, rows)]
    columns: dict[str, list[Any]] = {
        "size": random.normal(170, 10, rows).tolist(),
        "count": np.where(random.random(rows) < 0.4, 0, random.integers(1, 900, rows)).tolist(),
        'a number, 1e9 + "x"': (1e9 + random.integers(0, 500, rows)).tolist(),
        "tiny": (random.normal(0, 1e-30, rows)).tolist(),
        "sunny": (random.random(rows) < 0.5).tolist(),
        "city": random.choice(["Kyiv", "Lviv", "d'Évian", 'say "hi"\n'.strip()], rows).tolist(),
        "shop": [f"shop{i}" for i in random.integers(0, 40, rows)],
        "day": [moment.date() for moment in moments],
        "at": moments,
        "opens": [moment.time() for moment in moments],
        "lasts": [datetime.timedelta(minutes=float(m)) for m in random.uniform(-9, 900, rows)],
    }
    gappy = ("size", "sunny", "city", "day", "at", "opens", "lasts", "shop")
    for gap, name in zip(gaps, gappy, strict=True):
        columns[name] = [None if gone else v for v, gone in zip(columns[name], gap, strict=True)]
    frame = pl.DataFrame(columns)
    up = pl.col("size").fill_null(170) > 170
    paris = pl.col("city").fill_null("?") == "Lviv"
    return frame.with_columns(
        label=pl.when(up)
        .then(pl.lit("yes"))
        .when(paris)
        .then(pl.lit("perhaps"))
        .otherwise(pl.lit("no")),
        truth=up ^ paris,
        code=pl.when(up).then(7).otherwise(-3),
        price=pl.col("size").fill_null(150) * 1000 + pl.col("count"),
    )


FRAME = table()
TARGETS = ("label", "truth", "code", "price")


def strange(frame: pl.DataFrame) -> pl.DataFrame:
    """Give rows with categories that the model does not know and more gaps than in training."""
    place = pl.int_range(pl.len())
    return frame.head(40).with_columns(
        pl.when(place == 3).then(pl.lit("Atlantis")).otherwise(pl.col("city")).alias("city"),
        pl.when(place % 7 == 2).then(None).otherwise(pl.col("count")).alias("count"),
        pl.when(place == 4).then(1e300).otherwise(pl.col("tiny")).alias("tiny"),
    )


@pytest.fixture(scope="module")
def models() -> dict[str, lp.Model]:
    found = {}
    for target in TARGETS:
        others = [name for name in TARGETS if name != target]
        found[target] = lp.train(FRAME.drop(others), target, epochs=4, hidden=[24, 12], seed=1)
    return found


@pytest.fixture(scope="module")
def timeless() -> lp.Model:
    """A model without durations, which no text can give."""
    frame = FRAME.drop("lasts", "code", "price", "label")
    return lp.train(frame, "truth", epochs=1, hidden=[4])


def wanted(model: lp.Model, frame: pl.DataFrame) -> tuple[list[Any], np.ndarray | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimpideWarning)
        labels = model.predict(frame).tolist()
        return labels, None if model.classes is None else model.predict_proba(frame)


def feeds(frame: pl.DataFrame, path: Path) -> dict[str, Any]:
    """Give what the ONNX file of a model takes for rows of a polars frame."""
    import onnx

    given = {}
    for port in onnx.load(path).graph.input:
        cells = frame[port.name]
        kind = port.type.tensor_type.elem_type
        if kind == onnx.TensorProto.STRING:
            texts = ["" if cell is None else str(cell) for cell in cells.to_list()]
            values: Any = np.array(texts, object)
        elif kind in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE):
            dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
            values = cells.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(dtype)
        else:
            values = _microseconds(cells).fill_null(NOT_A_TIME).to_numpy()
        given[port.name] = values.reshape(-1, 1)
    return given


def _microseconds(cells: pl.Series) -> pl.Series:
    if cells.dtype == pl.Time:
        return cells.cast(pl.Int64) // 1000
    if cells.dtype == pl.Duration:
        return cells.dt.total_microseconds()
    return cells.cast(pl.Datetime("us")).dt.epoch("us")


def assert_alike(model: lp.Model, frame: pl.DataFrame, labels: Any, chances: Any) -> None:
    """Compare what a file gives with what the model gives."""
    expected, probabilities = wanted(model, frame)
    allowed = tolerance("export_float32")
    if probabilities is None:
        unit = model.figures["rmse"] if model.figures else 1.0
        np.testing.assert_allclose(np.asarray(labels), expected, rtol=allowed, atol=allowed * unit)
        return
    np.testing.assert_allclose(np.asarray(chances), probabilities, rtol=0, atol=allowed)
    assert list(labels) == expected
    assert {type(label) for label in labels} == {type(label) for label in expected}


@pytest.mark.parametrize("target", TARGETS)
@every_kind
def test_a_file_gives_what_the_model_gives(
    kind: str, target: str, models: dict[str, lp.Model], tmp_path: Path
) -> None:
    need(kind)
    model, frame = models[target], strange(FRAME)
    path = tmp_path / name_of(kind)
    model.export(path, to=kind)
    if kind == "onnx":
        found = outputs(path, feeds(frame, path))
        if model.classes is None:
            assert list(found) == ["prediction"]
            assert_alike(model, frame, found["prediction"], None)
        else:
            assert list(found) == ["label", "probabilities"]
            assert_alike(model, frame, found["label"].tolist(), found["probabilities"])
        return
    with quiet(kind):
        source = module(path)
        rows = frame.to_dicts()
        chances = None if model.classes is None else source.predict_proba(rows)
        labels = source.predict(rows)
    assert_alike(model, frame, labels.tolist() if hasattr(labels, "tolist") else labels, chances)


@every_source
def test_numbers_far_out_are_clipped_without_a_warning(kind: str, tmp_path: Path) -> None:
    need(kind)
    share = np.linspace(0, 1e-3, 40)
    model = lp.train({"share": share, "y": share > 4e-4}, "y", epochs=1, validation=0)
    path = tmp_path / name_of(kind)
    model.export(path, to=kind)
    far = pl.DataFrame({"share": [1e300, -1e300, 3e38]})
    with quiet(kind):
        chances = module(path).predict_proba(far.to_dicts())
    np.testing.assert_allclose(
        np.asarray(chances), model.predict_proba(far), rtol=0, atol=tolerance("export_float32")
    )


@pytest.mark.parametrize("task", ["regression", "multilabel"])
@every_kind
def test_several_targets_in_float64(
    kind: str, task: str, models: dict[str, lp.Model], tmp_path: Path
) -> None:
    need(kind)
    preprocessing, frame = models["price"].preprocessing, FRAME.head(30)
    single = models["price"].network
    layers = [*single.layers[:-1], lp.Dense(3, "linear")]
    net = lp.Network([single.n_inputs, *layers], dtype="float64", seed=0)
    for name in single.state:
        net.state[name][:] = single.state[name]
    scale, centre = np.array([2.0, 1e3, 1e-3]), np.array([-1.0, 1e6, 0.5])
    ending = Ending(task, "three", None, centre, scale)
    path = tmp_path / name_of(kind)
    export_model(net.exported(activated=False), preprocessing, ending, [], path, kind, True)
    z = net.sums(matrix_in_float64(preprocessing, frame))
    expected = z * scale + centre if task == "regression" else 1 / (1 + np.exp(-z))
    if kind == "onnx":
        given = feeds(frame, path)
        found = outputs(path, given)
        assert given["size"].dtype == np.float64
        chances = found["prediction" if task == "regression" else "probabilities"]
        labels = chances if task == "regression" else found["label"]
    else:
        with quiet(kind):
            source = module(path)
            labels = np.asarray(source.predict(frame.to_dicts()))
            named = source.predict if task == "regression" else source.predict_proba
            chances = np.asarray(named(frame.to_dicts()))
    # probabilities of ONNX are float32
    exact = kind != "onnx" or task == "regression"
    allowed = tolerance("export_float64" if exact else "export_float32")
    np.testing.assert_allclose(chances, expected, rtol=allowed, atol=allowed)
    if task == "multilabel":
        assert np.array_equal(labels, (z > 0).astype(int))


def matrix_in_float64(preprocessing: Preprocessing, frame: pl.DataFrame) -> np.ndarray:
    X = np.empty((len(frame), preprocessing.width))
    numbers, codes = preprocessing.numbers, preprocessing.codes
    for place, (column, part) in enumerate(numbers):
        X[:, place] = moved(part_values(frame[column.name], part.of), part)
    for place, (column, part) in enumerate(codes, len(numbers)):
        X[:, place] = part_codes(frame[column.name], part)
    return X


@pytest.mark.parametrize(
    "shape", ["one dict", "columns", "lists", "polars", "pandas", "text", "none"]
)
@every_source
def test_source_takes_rows_in_every_form(
    kind: str, shape: str, timeless: lp.Model, tmp_path: Path
) -> None:
    need(kind)
    model, frame = timeless, strange(FRAME).drop("lasts", "code", "price", "truth", "label")
    if shape in ("one dict", "none"):
        frame = frame.head(1 if shape == "one dict" else 0)
    forms: dict[str, Any] = {
        "one dict": lambda: frame.to_dicts()[0],
        "columns": lambda: frame.to_dict(as_series=False),
        "lists": lambda: [list(row) for row in frame.rows()],
        "polars": lambda: frame,
        "pandas": lambda: pd.DataFrame(frame.to_dict(as_series=False)),
        "text": lambda: [
            {name: "" if cell is None else str(cell) for name, cell in row.items()}
            for row in frame.to_dicts()
        ],
        "none": list,
    }
    path = tmp_path / name_of(kind)
    model.export(path, to=kind)
    with quiet(kind):
        source = module(path)
        labels, chances = source.predict(forms[shape]()), source.predict_proba(forms[shape]())
    if shape == "none":
        assert len(labels) == len(chances) == 0
        return
    labels = labels.tolist() if hasattr(labels, "tolist") else labels
    assert_alike(model, frame, labels, chances)


def test_plain_python_imports_nothing_and_repeats_itself(
    models: dict[str, lp.Model], tmp_path: Path
) -> None:
    for kind in KINDS:
        if kind == "onnx":
            pytest.importorskip("onnx")
        models["label"].export(tmp_path / "a", to=kind)
        models["label"].export(tmp_path / "b", to=kind)
        first, second = ((tmp_path / name).read_bytes() for name in "ab")
        assert first.replace(b"from a import", b"from b import") == second
        if kind == "python":
            assert b"import" not in first
            assert first == second


@every_source
def test_source_says_which_cell_is_wrong(
    kind: str, models: dict[str, lp.Model], tmp_path: Path
) -> None:
    need(kind)
    path = tmp_path / name_of(kind)
    models["truth"].export(path, to=kind)
    with quiet(kind):
        source = module(path)
    row = FRAME.to_dicts()[0]
    for name, cell, message in (
        ("size", "tall", "column 'size': 'tall' is no number"),
        ("size", float("inf"), "column 'size': inf is not finite"),
        ("sunny", "maybe", "column 'sunny': 'maybe' is neither true nor false"),
        ("day", "2024-02-30", "column 'day': '2024-02-30' is no date such as 2024-12-31"),
        ("opens", "25:00", "column 'opens': '25:00' is no time such as 23:59"),
        ("lasts", "3 days", "column 'lasts': '3 days' is no datetime.timedelta"),
    ):
        with pytest.raises(ValueError, match=message):
            source.predict([{**row, name: cell}])
    with pytest.raises(ValueError, match="a row lacks the column 'size'"):
        source.predict([{name: cell for name, cell in row.items() if name != "size"}])
    with pytest.raises(ValueError, match="the table lacks the column 'size'"):
        source.predict(FRAME.drop("size"))


def test_torch_weights_can_be_trained_further(models: dict[str, lp.Model], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / name_of("torch")
    models["price"].export(path, to="torch")
    source = module(path)
    names = [name for name, _ in source.network.named_parameters()]
    assert names == [name.replace(".", "_") for name in models["price"].params]
    x, weights, losses = source.inputs(FRAME), list(source.network.parameters()), []
    for _ in range(20):
        loss = (source.network(x) ** 2).mean()
        losses.append(float(loss.detach()))
        with torch.no_grad():
            for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight -= 0.01 * slope
    assert losses[-1] < losses[0]


def test_keras_weights_can_be_trained_further(models: dict[str, lp.Model], tmp_path: Path) -> None:
    need("keras")
    path = tmp_path / name_of("keras")
    models["price"].export(path, to="keras")
    with quiet("keras"):
        source = module(path)
        names = [variable.name for variable in source.network.trainable_variables]
        assert names == [name.replace(".", "_") for name in models["price"].params]
        source.network.compile("sgd", "mse")
        x, y = source.inputs(FRAME), np.zeros((len(FRAME), 1))
        losses = source.network.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@every_kind
def test_spambase_as_a_file(kind: str, spambase_path: Path, tmp_path: Path) -> None:
    need(kind)
    mails = pl.read_csv(spambase_path, infer_schema_length=None)
    model = lp.train(mails, mails.columns[-1], epochs=1)
    rows = mails[:, :-1][::40]
    path = tmp_path / name_of(kind)
    model.export(path, to=kind)
    if kind == "onnx":
        found = outputs(path, feeds(rows, path))
        assert_alike(model, rows, found["label"].tolist(), found["probabilities"])
        return
    with quiet(kind):
        source = module(path)
        labels, chances = source.predict(rows), source.predict_proba(rows)
    assert_alike(model, rows, labels.tolist() if hasattr(labels, "tolist") else labels, chances)
