"""Network: building, names of numbers, prediction, tapes, copies, files, and wrong arguments."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide import memory, predicting, storage
from limpide.errors import LimpideError
from tolerances import tolerance

CLOSE = tolerance("golden")
X = np.random.default_rng(0).normal(size=(12, 3))
Y = X[:, :1] - X[:, 1:2]


def network(**settings: Any) -> lp.Network:
    return lp.Network([3, 4, 1], **{"activation": "tanh", "dtype": "float64", "seed": 0} | settings)


# Names ------------------------------------------------------------------------------------------


def test_scalars_are_numbered_neuron_by_neuron() -> None:
    net = lp.Network([2, 2, 1], dtype="float64", seed=0)
    net.params["hidden1.weights"] = [[1, 3], [2, 4]]  # (inputs, neurons)
    net.params["output.weights"] = [[5], [6]]
    net.params["hidden1.bias"] = [7, 8]
    net.params["output.bias"] = 9
    names = [*(f"w{i}" for i in range(1, 7)), "b1", "b2", "b3"]
    assert [net.get(n) for n in names] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert sorted(net.scalars) == sorted(names)
    for number, name in enumerate(names):
        net.set(name, number + 0.5)
        assert net.get(name) == number + 0.5
    assert net.params["hidden1.weights"].tolist() == [[0.5, 2.5], [1.5, 3.5]]


def test_other_parameters_are_named_by_place() -> None:
    net = lp.Network([2, 3, lp.LayerNorm(), lp.Embedding(4, 2), 1], seed=0)
    net.set("hidden2.scale[2]", 5)
    assert net.params["hidden2.scale"].tolist() == [1, 1, 5]
    net.set("hidden3.table[3, 1]", 7)
    assert net.params["hidden3.table"][3, 1] == net.get("hidden3.table[3, 1]") == 7
    assert net.get("w7") == net.params["output.weights"][0, 0]  # only Dense layers count
    for name in net.scalars:
        assert net.scalars.name(*net.scalars.locate(name)) == name
    assert len(list(net.scalars)) == net.n_parameters


def test_a_dense_layer_without_bias_takes_no_number() -> None:
    net = lp.Network([2, lp.Dense(2, bias=None), 1], seed=0)
    assert net.get("b1") == net.params["output.bias"][0]


@pytest.mark.parametrize("name", ["w7", "w0", "b4", "W1", "x", "", "w-1", 3])
def test_a_wrong_scalar_name_lists_what_there_is(name: Any) -> None:
    net = lp.Network([2, 2, 1], seed=0)
    with pytest.raises(lp.ArgumentError, match=r"there are w1 to w6, b1 to b3"):
        net.get(name)
    with pytest.raises(lp.ArgumentError, match=r"there are w1 to w6, b1 to b3"):
        net.set(name, 1)


def test_a_whole_array_s_name_is_answered_with_one_of_its_numbers() -> None:
    net = lp.Network([2, 2, 1], seed=0)
    with pytest.raises(lp.ArgumentError, match=r"'output\.weights' is 2 numbers.* as in 'w5'"):
        net.get("output.weights")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "a", None, True])
def test_a_scalar_is_a_finite_number(value: Any) -> None:
    net = lp.Network([2, 1], seed=0)
    before = net.get("w1")
    with pytest.raises(LimpideError, match="w1 must be"):
        net.set("w1", value)
    assert net.get("w1") == before


def test_names_of_parameters_are_fixed() -> None:
    net = lp.Network([2, 1], seed=0)
    kept = net.params["output.bias"]
    net.params.update({"output.bias": 3})
    net.params |= {"output.bias": [4]}
    assert net.params["output.bias"] is kept
    assert kept[0] == 4
    with pytest.raises(lp.ArgumentError, match=r"'output.bais'; .* Did you mean 'output.bias'"):
        net.params["output.bais"] = 0
    with pytest.raises(lp.ShapeError, match=r"output.weights has shape \[2, 1\]; received \[2\]"):
        net.params["output.weights"] = [1, 2]
    with pytest.raises(lp.DtypeError, match=r"output.bias holds text"):
        net.params["output.bias"] = "a"
    for change in (
        lambda: net.params.pop("output.bias"),
        lambda: net.params.clear(),
        lambda: net.params.__delitem__("output.bias"),
        lambda: net.params.setdefault("x", 1),
        lambda: net.params.popitem(),
    ):
        with pytest.raises(lp.ArgumentTypeError, match="names of a network's arrays are fixed"):
            change()


def test_printing() -> None:
    net = lp.Network(
        [57, lp.Dense(64, activation=lp.relu), lp.Dropout(0.1), lp.Dense(1, "sigmoid")]
    )
    assert str(net).splitlines() == [
        "layer     kind            in  out  parameters",
        "─────────────────────────────────────────────",
        "hidden1   Dense, relu     57   64       3,712",
        "dropout2  Dropout(0.1)    64   64           0",
        "output    Dense, sigmoid  64    1          65",
        "3,777 parameters, float32",
    ]
    assert repr(net) == "<Network 57-64-64-1: 3,777 parameters>"
    text = str(net.graph())
    assert "f32[1,57]" in text
    assert "hidden1.weights" in text


# Prediction and tapes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "allowed"), [("reference", 0.0), ("native", tolerance("engine_float64"))]
)
def test_one_row_and_a_batch(monkeypatch: pytest.MonkeyPatch, engine: str, allowed: float) -> None:
    monkeypatch.setenv("LIMPIDE_ENGINE", engine)
    net, wide = network(), lp.Network([3, 2], dtype="float64", seed=0)
    batch = net.predict(X)
    assert batch.shape == (12, 1)
    assert batch.dtype == np.float64
    one = net.predict(X[0])
    assert type(one) is float
    assert one == pytest.approx(batch[0, 0], rel=CLOSE)
    assert net.predict(X[:1]).shape == (1, 1)
    assert wide.predict(X).shape == (12, 2)
    assert wide.predict(list(X[0])).shape == (2,)
    for given in (X, X[0], X.tolist()):
        np.testing.assert_array_equal(net.feedforward(given), net.predict(given))
        eager = net(given).numpy()
        np.testing.assert_allclose(net.predict(given), eager, rtol=allowed)
    assert net(X[0]).shape == ()
    assert net(X).shape == (12, 1)
    single = lp.Network([1, 1], seed=0)
    assert type(single.predict([2.0])) is float
    assert type(lp.Network([3, 4, 1], seed=0).predict(X[0])) is float


def test_rows_beyond_a_block() -> None:
    rows = np.random.default_rng(1).normal(size=(2500, 3))
    net = network()
    np.testing.assert_allclose(net.predict(rows), net(rows).numpy(), rtol=0, atol=CLOSE)


def test_variables_share_memory_and_work_with_a_tape() -> None:
    net, fitted = network(), network()
    assert [v.name for v in net.variables] == list(net.params)
    with lp.GradientTape() as tape:
        loss = lp.mse(Y, net(X))
    slopes = tape.gradient(loss, net.variables)
    assert all(slope.numpy().any() for slope in slopes)
    for variable, slope in zip(net.variables, slopes, strict=True):
        variable.assign_sub(0.1 * slope)
    fitted.fit(X, Y, optimizer=lp.SGD(0.1), epochs=1, batch_size=12, shuffle=False)
    for name, array in net.params.items():
        np.testing.assert_allclose(array, fitted.params[name], rtol=0, atol=CLOSE)
    net.params["output.bias"][:] = 5
    assert float(net.variables[-1][0]) == 5


def test_a_network_inside_a_function() -> None:
    net, plain = network(), network()

    @lp.function
    def step(x: Any, y: Any) -> Any:
        with lp.GradientTape() as tape:
            loss = lp.mse(y, net(x))
        for variable, slope in zip(net.variables, tape.gradient(loss, net.variables), strict=True):
            variable.assign_sub(0.1 * slope)
        return loss

    losses = step.repeat(5, X, Y).numpy()
    history = plain.fit(X, Y, optimizer=lp.SGD(0.1), epochs=5, batch_size=12, shuffle=False)
    np.testing.assert_allclose(losses, history.loss, rtol=CLOSE)


def test_32_threads_give_the_same_bits() -> None:
    net = lp.Network([3, 64, 1], seed=0)
    rows = [X[: 1 + i % 12] for i in range(64)]
    expected = [net.predict(r).tobytes() for r in rows]
    fresh = copy.deepcopy(net)
    with ThreadPoolExecutor(32) as pool:
        assert [y.tobytes() for y in pool.map(fresh.predict, rows)] == expected


def test_few_programs_serve_any_number_of_rows() -> None:
    net = network()
    rows = np.random.default_rng(0).normal(size=(1100, 3))
    whole = net.predict(rows)
    for n in (*range(1, 70), 255, 256, 257, 1024, 1100):
        np.testing.assert_allclose(net.predict(rows[:n]), whole[:n], rtol=0, atol=CLOSE)
    assert {key[1] for key in net._compiled} == {1, 4, 16, 64, 256}
    assert len(net._compiled) == 5


def test_compiled_programs_are_not_all_kept() -> None:
    net = network()
    for n in range(1, 41):
        net.sums(np.ones((40, 3)), block=n)
    assert len(net._compiled) <= 16


def test_sums_in_blocks_of_a_chosen_size() -> None:
    net = network(output="sigmoid")
    rows = np.random.default_rng(0).normal(size=(50, 3))
    expected = net.sums(rows)
    for block in (1, 7, 50, 1000):
        np.testing.assert_allclose(net.sums(rows, block=block), expected, rtol=0, atol=CLOSE)
    with pytest.raises(lp.ArgumentError, match="block must be at least 1; received 0"):
        net.sums(rows, block=0)


def test_one_row_as_it_should_be_and_as_it_should_not() -> None:
    net = network()
    row = np.array([0.5, -1.0, 2.0])
    expected = net.predict(row)
    assert isinstance(expected, float)
    fixed = row.copy()
    fixed.flags.writeable = False
    for given in (row.tolist(), row.astype(">f8"), np.repeat(row, 2)[::2], fixed, row[None][0]):
        assert net.predict(given) == expected
    net.params["output.bias"] += 1
    assert net.predict(row) == expected + 1
    for bad, count in ((np.nan, 1), (-np.inf, 1)):
        with pytest.raises(lp.DataError, match=rf"X holds {count} values that are not finite"):
            net.predict(np.array([0.5, bad, 2.0]))
    assert np.isfinite(net.predict(np.array([1e200, 0, 0])))  # its square is not
    with pytest.raises(lp.ShapeError, match="X is one row of 2 numbers; the network takes 3"):
        net.predict(row[:2])


def test_ctrl_c_is_heard_within_a_long_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    rows = np.random.default_rng(0).normal(size=(3000, 3))
    expected, ranges = net.predict(rows), []
    monkeypatch.setattr(predicting, "_SLICE_WORK", 1)
    original = net._program

    def noting(*what: Any) -> Any:
        run = original(*what)

        def noted(held: Any, row_arrays: Any, results: Any) -> None:
            ranges.append(len(results[0]))
            run(held, row_arrays, results)

        return noted

    monkeypatch.setattr(net, "_program", noting)
    assert (net.predict(rows) == expected).all()
    assert sum(ranges) == 3000
    assert ranges[0] == 256  # one batch, then more

    def interrupted(*what: Any) -> Any:
        def run(*_: Any) -> None:
            signal.raise_signal(signal.SIGINT)

        return run

    monkeypatch.setattr(net, "_program", interrupted)
    with pytest.raises(KeyboardInterrupt):
        net.predict(rows)


# Copies and files -------------------------------------------------------------------------------


def every_layer(dtype: str) -> lp.Network:
    layers = [
        2,
        lp.Embedding(5, 3),
        lp.Dense(4, "gelu", bias=None),
        lp.BatchNorm(momentum=0.2, epsilon=1e-4),
        lp.Dropout(0.25),
        lp.Dense(4, "selu", name="middle"),
        lp.LayerNorm(epsilon=1e-3),
        lp.Dense(3, "softmax"),
    ]
    net = lp.Network(layers, dtype=dtype, seed=4)
    rows = np.random.default_rng(0).integers(0, 5, (30, 2))
    net.fit(rows, np.arange(30) % 3, epochs=2)
    return net


ROWS = np.array([[0, 1], [2, 3], [4, 4]])


def saved(net: lp.Network, path: Path) -> lp.Network:
    net.save(path)
    stored = storage.read(path)
    return lp.Network.from_stored(stored.tensors, stored.metadata)


def same(a: lp.Network, b: lp.Network) -> bool:
    arrays = [n.params | n.state for n in (a, b)]
    return (
        list(arrays[0]) == list(arrays[1])
        and all(arrays[0][k].tobytes() == arrays[1][k].tobytes() for k in arrays[0])
        and a.predict(ROWS).tobytes() == b.predict(ROWS).tobytes()
        and str(a) == str(b)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "again",
    [
        lambda net, path: saved(net, path),
        lambda net, path: pickle.loads(pickle.dumps(net)),
        lambda net, path: copy.deepcopy(net),
    ],
    ids=["file", "pickle", "deepcopy"],
)
def test_a_copy_has_the_same_bits_and_a_life_of_its_own(
    dtype: str, again: Any, tmp_path: Path
) -> None:
    net = every_layer(dtype)
    other = again(net, tmp_path / "a.safetensors")
    assert same(net, other)
    y = np.arange(3)
    assert net.fit(ROWS, y, epochs=2).loss == other.fit(ROWS, y, epochs=2).loss
    assert same(net, other)
    before = net.predict(ROWS)
    kept = other.params["output.bias"]
    other.params["output.bias"] = 9
    assert kept is other.params["output.bias"]
    assert net.predict(ROWS).tobytes() == before.tobytes()
    assert float(other.variables[-1][0]) == 9


def predict(net: lp.Network) -> bytes:
    return bytes(net.predict(ROWS).tobytes())


def test_a_network_goes_to_another_process() -> None:
    net = every_layer("float32")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(predict, (net,)) == predict(net)


def test_sizes_of_numpy_are_saved_too(tmp_path: Path) -> None:
    numbers = np.array([2, 4, 3])
    layers = [numbers[0], lp.Embedding(numbers[1], numbers[2]), lp.Dense(numbers[2])]
    norm = lp.BatchNorm(momentum=np.float32(0.5), epsilon=np.float64(1e-3))
    net = lp.Network([*layers, norm, lp.Dropout(np.float32(0.5))], seed=np.int64(3))
    assert same(net, saved(net, tmp_path / "a.safetensors"))


def test_an_activation_of_ones_own_is_not_saved(tmp_path: Path) -> None:
    def cube(x: Any) -> Any:
        return x * x * x

    path = tmp_path / "a.safetensors"
    path.write_bytes(b"old")
    message = r"'hidden1' has the activation 'cube', a function of your own; .* only name limpide's"
    with pytest.raises(lp.ArgumentError, match=message):
        lp.Network([2, lp.Dense(2, cube), 1]).save(path)
    assert path.read_bytes() == b"old"


def test_a_layer_of_ones_own_is_not_saved(tmp_path: Path) -> None:
    class Double(lp.Layer):
        def forward(self, params: Any, state: Any, x: Any, training: Any) -> Any:
            return x * 2, {}

    net = lp.Network([2, Double(), 1])
    with pytest.raises(lp.ArgumentError, match="'double1' is a Double, a layer of your own"):
        net.save(tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def damage(change: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    net = every_layer("float32")
    config = json.loads(json.dumps(net.config()))
    tensors = net.tensors()
    change(config, tensors)
    return tensors, config


def put(place: str, value: Any) -> Any:
    def change(config: Any, tensors: Any) -> None:
        *way, last = [int(p) if p.isdigit() else p for p in place.split(".")]
        for part in way:
            config = config[part]
        config[last] = value

    return change


def replace(name: str, array: Any) -> Any:
    return lambda config, tensors: tensors.__setitem__(name, array)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("layers.1.activation", "os.system"), "activation must be one of elu"),
        (put("layers.0.type", "Lambda"), r"layers\[0\].type must be one of BatchNorm, "),
        (put("layers.1.units", 4), r"layers\[1\] has the unknown key 'units'"),
        (put("layers.1.neurons", 0), r"layers\[1\].neurons"),
        (put("layers.1.neurons", 5), r"tensor 'params.hidden2.weights',"),
        (put("layers.1.neurons", 10**12), "needs about .* GiB of memory"),
        (put("layers.1.neurons", 10**7), "tensor 'params.hidden2.weights',"),
        (put("layers.1.bias", 1), r"layers\[1\].bias must be true or false"),
        (put("layers.3.rate", 1.0), r"layers\[3\] describes a wrong layer: rate must be"),
        (put("layers.2.momentum", 7), r"layers\[2\] describes a wrong layer: momentum"),
        (put("layers.4.name", "../x"), "wrong network: The name of a layer is letters"),
        (put("layers.4.name", "output"), "wrong network: Two layers are named 'output'"),
        (put("layers", []), "layers is empty"),
        (put("inputs", -1), "inputs"),
        (put("dtype", "f16"), "dtype must be one of f32, f64"),
        (put("seed", 2**32), "seed"),
        (lambda config, tensors: config.pop("layers"), "the key 'layers'"),
        (lambda config, tensors: tensors.pop("params.output.bias"), "'params.output.bias'"),
        (replace("params.extra", np.zeros(1)), "'params.extra', which its network has no place"),
        (replace("state.extra", np.zeros(1)), "'state.extra', which its network has no place"),
        (replace("params.output.bias", np.zeros(3)), r"params.output.bias"),
        (replace("params.output.bias", np.zeros(4, np.float32)), r"params.output.bias"),
    ],
)
def test_a_damaged_description_is_refused(change: Any, message: str) -> None:
    tensors, config = damage(change)
    with pytest.raises((lp.ModelFileError, lp.MemoryLimitError), match=message):
        lp.Network.from_stored(tensors, config)


# Wrong arguments --------------------------------------------------------------------------------

WRONG_LAYERS = [
    ([], lp.ArgumentError, "layers must list the number of inputs and at least one layer"),
    ([2], lp.ArgumentError, r"such as \[2, 8, 1\]; received \[2\]"),
    (5, lp.ArgumentError, "received 5"),
    ("2,1", lp.ArgumentError, "received '2,1'"),
    (None, lp.ArgumentError, "received None"),
    (
        [0, 1],
        lp.ArgumentError,
        r"layers\[0\], the number of inputs, must be at least 1; received 0",
    ),
    ([2, 0], lp.ArgumentError, r"layers\[1\] must be at least 1; received 0"),
    ([2, -3, 1], lp.ArgumentError, r"layers\[1\] must be at least 1; received -3"),
    ([2, float("nan")], lp.ArgumentTypeError, r"layers\[1\] must be a whole number; received nan"),
    ([2, 2.0], lp.ArgumentTypeError, r"layers\[1\] must be a whole number; received 2\.0"),
    ([True, 1], lp.ArgumentTypeError, "must be a whole number; received True"),
    ([2, "8"], lp.ArgumentTypeError, r"layers\[1\] must be a whole number; received '8'"),
    ([2, lp.Dense], lp.ArgumentTypeError, r"layers\[1\] must be a whole number"),
    ([10**9, 10**9], lp.MemoryLimitError, r"1,000,000,001,000,000,000 parameters needs about"),
    ([2, lp.Embedding(10**9, 10**9), 1], lp.MemoryLimitError, "Choose smaller layers"),
]


@pytest.mark.parametrize(("layers", "error", "message"), WRONG_LAYERS, ids=lambda v: str(v)[:40])
def test_wrong_layers(layers: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lp.Network(layers)


def test_memory_is_estimated_before_allocating(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "present", lambda: 2**20)
    message = "Training 1,000,000 parameters needs about 61 MiB of memory, and there is 1 MiB"
    with pytest.raises(lp.MemoryLimitError, match=message):
        lp.Network([1000, lp.Dense(1000, bias=None)])
    net = lp.Network([10, 10])
    rows = np.zeros((4000, 10), np.float32)
    with pytest.raises(lp.MemoryLimitError, match=r"A step of 4,000 rows .* smaller batch_size"):
        net.fit(rows, rows, batch_size=4000)
    net.fit(rows, rows, batch_size=400, epochs=1)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_memory_present_is_at_most_the_machines() -> None:
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < (memory.present() or 0) <= total


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"dtype": "float16"}, lp.ArgumentError, "dtype must be 'float32' or 'float64'"),
        ({"dtype": "int32"}, lp.ArgumentError, "dtype must be 'float32' or 'float64'; .*'int32'"),
        ({"dtype": "double "}, lp.ArgumentError, "dtype must be 'float32' or 'float64'"),
        ({"seed": -1}, lp.ArgumentError, r"seed must be at least 0 and below 2\*\*32"),
        ({"seed": 2**32}, lp.ArgumentError, "received 4294967296"),
        ({"seed": 1.5}, lp.ArgumentTypeError, "seed must be an integer or None"),
        ({"seed": True}, lp.ArgumentTypeError, "seed must be an integer or None, received True"),
        ({"activaton": "relu"}, lp.ArgumentTypeError, "no argument 'activaton'. Did you mean 'act"),
        ({"loss": "mse"}, lp.ArgumentTypeError, "Network has no argument 'loss'. It takes layers"),
    ],
)
def test_wrong_settings_of_a_network(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        lp.Network([2, 1], **settings)


WRONG_FIT = [
    ({"epochs": 0}, lp.ArgumentError, "epochs must be at least 1; received 0"),
    ({"epochs": -1}, lp.ArgumentError, "epochs must be at least 1; received -1"),
    ({"epochs": 2.5}, lp.ArgumentTypeError, "epochs must be a whole number; received 2.5"),
    ({"epochs": "ten"}, lp.ArgumentTypeError, "epochs must be a whole number; received 'ten'"),
    ({"epochs": True}, lp.ArgumentTypeError, "epochs must be a whole number; received True"),
    ({"epochs": None}, lp.ArgumentTypeError, "epochs must be a whole number; received None"),
    ({"epoch": 3}, lp.ArgumentTypeError, "fit has no argument 'epoch'. Did you mean 'epochs'"),
    ({"batch_size": 0}, lp.ArgumentError, "batch_size must be at least 1; received 0"),
    ({"batch_size": float("nan")}, lp.ArgumentTypeError, "batch_size must be a whole number"),
    ({"batch": 2}, lp.ArgumentTypeError, "Did you mean 'batch_size'"),
    ({"learning_rate": 2}, lp.ArgumentTypeError, "no argument 'learning_rate'"),
    ({"seed": -5}, lp.ArgumentError, "seed must be at least 0"),
    ({"shuffle": "no"}, lp.ArgumentTypeError, "shuffle must be True or False; received 'no'"),
    ({"progress": "yes"}, lp.ArgumentTypeError, "progress must be True or False"),
    ({"loss": "msee"}, lp.ArgumentError, "Did you mean 'mse'"),
    ({"loss": "bce"}, lp.ArgumentError, "output between 0 and 1"),
    ({"optimizer": "adma"}, lp.ArgumentError, "Did you mean 'adam'"),
    ({"optimizer": 0.1}, lp.ArgumentTypeError, "optimizer must be an optimizer such as"),
    ({"engine": "nativ"}, lp.ArgumentError, "engine must be one of .*received 'nativ'"),
    ({"engine": 3}, lp.ArgumentError, "engine must be one of .*received 3"),
    ({"freeze": "output.bais"}, lp.ArgumentError, "Did you mean 'output.bias'"),
    ({"freeze": 3}, lp.ArgumentTypeError, "freeze must be a list of names; received 3"),
    ({"freeze": [3]}, lp.ArgumentError, "freeze names 3, which is no parameter"),
    (
        {"freeze": ["hidden1.weights", "hidden1.bias", "output.weights", "output.bias"]},
        lp.ArgumentError,
        "leave at least one",
    ),
    ({"validation": 0}, lp.ArgumentError, "validation is a share between 0 and 1; received 0"),
    ({"validation": 1.0}, lp.ArgumentError, "Try 0.2"),
    ({"validation": float("nan")}, lp.ArgumentError, "share between 0 and 1; received nan"),
    ({"validation": True}, lp.ArgumentTypeError, "pair .* or a share .* received bool"),
    ({"validation": "some"}, lp.ArgumentTypeError, "received str"),
    ({"validation": (X,)}, lp.ArgumentError, "a pair .*received 1 members"),
    ({"validation": (X, Y[:5])}, lp.ShapeError, "validation X has 12 rows and validation y has 5"),
    ({"validation": (X[:, :2], Y)}, lp.ShapeError, "3 features, validation X has 2"),
    ({"callbacks": 3}, lp.ArgumentTypeError, "callbacks must hold functions or objects"),
    ({"callbacks": lp.EarlyStopping}, lp.ArgumentTypeError, r"such as lp.EarlyStopping\(\)"),
    ({"callbacks": lp.EarlyStopping()}, lp.ArgumentError, "pass validation=0.2"),
    ({"sample_weight": [1, 2]}, lp.ShapeError, r"sample_weight has shape \[2\]; X has 12 rows"),
    ({"sample_weight": np.zeros(12)}, lp.DataError, "sample_weight is zero in all rows"),
    ({"sample_weight": -np.ones(12)}, lp.DataError, "sample_weight is -1 in row 0"),
    ({"sample_weight": "a"}, lp.DtypeError, "sample_weight holds text"),
    ({"class_weight": {0: 1}}, lp.DataError, "class_weight needs classes; y holds numbers"),
]


@pytest.mark.parametrize(("settings", "error", "message"), WRONG_FIT, ids=lambda v: str(v)[:50])
def test_a_failed_fit_changes_nothing(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    net, untouched = network(), network()
    first = net.fit(X, Y, loss="mae", epochs=1)
    untouched.fit(X, Y, loss="mae", epochs=1)
    with pytest.raises(error, match=message):
        net.fit(X, Y, **settings)
    assert all((a == untouched.params[n]).all() for n, a in net.params.items())
    assert net.evaluate(X, Y) == untouched.evaluate(X, Y)  # the last fit's loss still
    assert first.epochs == 1
    assert net.fit(X, Y).loss == untouched.fit(X, Y).loss


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ("balance", lp.ArgumentError, "'balanced' or a dict; received 'balance'"),
        (3, lp.ArgumentTypeError, "'balanced' or a dict; received 3"),
        ({2: 1.0}, lp.ArgumentError, "class_weight names class 2; y holds 0, 1"),
        ({0: -1}, lp.ArgumentError, r"class_weight\[0\] must be at least 0; received -1"),
        ({0: "a"}, lp.ArgumentTypeError, r"class_weight\[0\] must be a number; received 'a'"),
        ({0: float("nan")}, lp.ArgumentError, r"class_weight\[0\] must be finite"),
        ({0: 0, 1: 0}, lp.DataError, "class_weight gives every row the weight 0"),
    ],
)
def test_wrong_class_weights(weights: Any, error: type[Exception], message: str) -> None:
    net = network(output="sigmoid")
    with pytest.raises(error, match=message):
        net.fit(X, np.arange(12) % 2, class_weight=weights)


def test_class_weights_need_one_class_a_row() -> None:
    net = lp.Network([3, 2], output="sigmoid", seed=0)
    with pytest.raises(lp.DataError, match=r"several columns that are not one-hot"):
        net.fit(X, np.ones((12, 2)), class_weight="balanced")


def test_evaluate_names_its_arguments() -> None:
    with pytest.raises(lp.ArgumentTypeError, match=r"evaluate has no argument 'los'. .*'loss'"):
        network().evaluate(X, Y, los="mse")
    with pytest.raises(lp.ArgumentTypeError, match=r"evaluate: missing a required argument: 'y'"):
        network().evaluate(X)  # type: ignore[call-arg]


def test_an_error_inside_a_call_is_not_reworded() -> None:
    def broken(run: lp.Run) -> None:
        raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine$"):
        network().fit(X, Y, callbacks=broken)


# Accuracy -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [None, "mse", "mae", "bce"])
def test_the_accuracy_of_a_sigmoid_output_does_not_ask_for_the_loss(
    loss: str | None, tmp_path: Path
) -> None:
    net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
    x, y = np.array([[0.0, 1], [1, 0], [1, 1], [0, 0]]), np.array([0, 1, 1, 0])
    net.fit(x, y, loss=loss, epochs=1)
    figures = net.evaluate(x, y)
    assert figures["accuracy"] == ((net.predict(x)[:, 0] > 0.5) == y).mean()
    net.save(tmp_path / "a.safetensors")
    assert lp.load(tmp_path / "a.safetensors").evaluate(x, y) == figures


def test_the_accuracy_of_a_softmax_output_takes_one_hot_rows_with_any_loss() -> None:
    net = lp.Network([2, 3], output="softmax", dtype="float64", seed=0)
    x, y = np.array([[0.0, 1], [1, 0], [1, 1]]), np.array([0, 1, 2])
    expected = (net.predict(x).argmax(axis=1) == y).mean()
    assert net.evaluate(x, y)["accuracy"] == expected
    assert net.evaluate(x, np.eye(3)[y], loss="mse")["accuracy"] == expected


def test_targets_that_are_no_classes_have_no_accuracy() -> None:
    x = np.array([[0.0, 1], [1, 0]])
    soft = lp.Network([2, 1], output="sigmoid", seed=0)
    assert list(soft.evaluate(x, [0.5, 1])) == ["loss"]
    assert list(lp.Network([2, 1], seed=0).evaluate(x, [0, 1])) == ["loss"]
    shares = lp.Network([2, 2], output="softmax", seed=0)
    assert list(shares.evaluate(x, [[0.5, 0.5], [1, 0]])) == ["loss"]
    assert list(shares.evaluate(x, [[1, 1], [0, 1]], loss="mse")) == ["loss"]


def test_the_loss_of_the_last_fit_is_in_the_file(tmp_path: Path) -> None:
    net = lp.Network([3, 1], dtype="float64", seed=0)
    assert "loss" not in net.config()
    net.fit(X, Y, loss=lp.Huber(0.25), epochs=1)
    assert net.config()["loss"] == {"name": "huber", "delta": 0.25}
    copy.deepcopy(net).save(tmp_path / "a.safetensors")
    again = lp.load(tmp_path / "a.safetensors")
    assert again.evaluate(X, Y) == net.evaluate(X, Y) != net.evaluate(X, Y, loss="huber")


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ({"name": "mce"}, r"network.loss.name must be one of .*'mce'. Did you mean 'mse'"),
        ({"name": "mse", "delta": 1.0}, "network.loss has the unknown key 'delta'"),
        ({"name": "huber"}, "network.loss must have the key 'delta'"),
        ({"name": "huber", "delta": -1.0}, "delta must be above 0"),
        ({"name": "bce"}, "loss 'bce' needs an output between 0 and 1"),
        ("mse", "network.loss must be an object"),
    ],
)
def test_a_file_with_a_wrong_loss_is_refused(loss: object, message: str) -> None:
    net = lp.Network([2, 1], seed=0)
    with pytest.raises(lp.ModelFileError, match=message):
        lp.Network.from_stored(net.tensors(), net.config() | {"loss": loss})


def test_a_loss_of_ones_own_is_not_in_the_file(tmp_path: Path) -> None:
    class Mine(type(lp.mse)):  # type: ignore[misc]
        name = "mse"

    net = lp.Network([3, 1], seed=0)
    net.fit(X, Y, loss=Mine(), epochs=1)
    with pytest.warns(lp.LimpideWarning, match="cannot name Mine, a loss of your own"):
        net.save(tmp_path / "a.safetensors")
    assert lp.load(tmp_path / "a.safetensors").config().get("loss") is None


# Called in functions and tapes ------------------------------------------------------------------


def test_a_compiled_call_sees_new_running_statistics() -> None:
    net = lp.Network([3, 4, lp.BatchNorm(), 1], dtype="float64", seed=0)
    compiled = lp.function(lambda x: net(x))
    assert (compiled(X).numpy() == net.predict(X)).all()
    before = compiled(X).numpy()
    net.fit(X, Y, epochs=2)
    assert (compiled(X).numpy() == net.predict(X)).all()
    assert (before != net.predict(X)).all()


def stochastic() -> lp.Network:
    return lp.Network(
        [3, 8, lp.BatchNorm(), lp.Dropout(0.5), 1], activation="tanh", dtype="float64", seed=0
    )


@pytest.mark.parametrize(
    ("engine", "allowed"), [("reference", 0.0), ("native", tolerance("engine_float64"))]
)
def test_a_tape_trains_batch_norm_and_dropout_eager_and_compiled(
    monkeypatch: pytest.MonkeyPatch, engine: str, allowed: float
) -> None:
    monkeypatch.setenv("LIMPIDE_ENGINE", engine)

    def run(wrap: Any) -> tuple[lp.Network, list[float]]:
        net = stochastic()

        def step(x: Any, y: Any) -> Any:
            with lp.GradientTape() as tape:
                loss = lp.mse(y, net(x, training=True))
            for variable, slope in zip(
                net.variables, tape.gradient(loss, net.variables), strict=True
            ):
                variable.assign_sub(0.1 * slope)
            return loss

        compiled = wrap(step)
        return net, [float(compiled(X, Y)) for _ in range(20)]

    (eager, first), (traced, second) = run(lambda f: f), run(lp.function)
    np.testing.assert_allclose(second, first, rtol=allowed)
    assert min(first[-3:]) < first[0]
    for name in eager.state:
        expected = eager.state[name]
        np.testing.assert_allclose(traced.state[name], expected, rtol=0, atol=allowed)
        assert (eager.state[name] != stochastic().state[name]).all()
    for name, expected in eager.params.items():
        np.testing.assert_allclose(traced.params[name], expected, rtol=0, atol=allowed)


@pytest.mark.usefixtures("reference_engine")
def test_training_draws_new_bits_at_each_call_and_copies_go_on_alike() -> None:
    net = stochastic()
    assert (net(X).numpy() == net.predict(X)).all()
    first = net(X, training=True).numpy()
    assert (first == stochastic()(X, training=True).numpy()).all()
    twins = [copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    second = net(X, training=True).numpy()
    assert (first != second).any()
    for twin in twins:
        assert (twin(X, training=True).numpy() == second).all()
    with pytest.raises(lp.ArgumentTypeError, match="training must be True or False; received 1"):
        net(X, training=1)  # type: ignore[arg-type]


def test_many_threads_predict_any_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    rows = np.random.default_rng(1).normal(size=(64, 3))
    expected = [net.predict(rows[:n]) for n in range(1, 41)]
    # Only what is kept for each size of batch is at stake: compiling itself would take long.
    runs = {n: net._program(n, None, True) for n in (1, 4, 16)}
    monkeypatch.setattr(
        net, "_program", lambda n, engine, _: net.cached(("predict", n), lambda: runs[n])
    )
    monkeypatch.setattr(predicting, "_KEPT", 2)

    class Slow(dict[Any, Any]):
        def __delitem__(self, key: Any) -> None:
            time.sleep(1e-4)  # other threads go on between the choice of a graph and its end
            super().__delitem__(key)

    net._compiled = Slow(net._compiled)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda n: net.predict(rows[:n]), [*range(1, 41)] * 5))
    finally:
        sys.setswitchinterval(interval)
    for n, y in enumerate(found):
        assert (y == expected[n % 40]).all()


def test_what_cannot_be_trained_or_built_says_why() -> None:
    with pytest.raises(lp.ArgumentError, match="no parameters, so there is nothing to train"):
        lp.Network([3, lp.Dropout(0.1)]).fit(X, X)
    with pytest.raises(lp.ArgumentError, match=r"dtype must be 'float32' or 'float64'; .*float16"):
        lp.Network([2, 1], dtype="float16")
    with pytest.raises(lp.ArgumentError, match="Use 2 outputs, or output='sigmoid'"):
        lp.Network([2, 1], output="softmax")
    with pytest.raises(lp.ArgumentError, match=r"freeze names \[\], which is no parameter"):
        network().fit(X, Y, freeze=[[]])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: net.predict(X, verbose=0), "Network.predict has no argument 'verbose'"),
        (lambda net: net(X, trainin=True), "no argument 'trainin'. Did you mean 'training'"),
        (lambda net: net.save(), "Network.save: missing a required argument: 'path'"),
        (lambda net: net.graph(1.5), r"rows must be a whole number; received 1\.5"),
        (lambda net: net.get(), "Network.get: missing a required argument: 'name'"),
        (lambda net: lp.Neuron(2).fit([[1, 2]], [1], epoch=3), "Neuron.fit has no .*'epochs'"),
        (lambda net: lp.Neuron(2).activate(), "Neuron.activate: missing a required argument"),
    ],
)
def test_calls_that_fit_no_method_name_it(call: Any, message: str) -> None:
    with pytest.raises(lp.ArgumentTypeError, match=message):
        call(network())


def test_a_wrong_name_is_a_key_error_that_knows_the_nearest() -> None:
    message = "^No array is named 'hiden1.bias'; there are .* Did you mean 'hidden1.bias'?"
    with pytest.raises(KeyError, match=message) as caught:
        network().params["hiden1.bias"]
    assert isinstance(caught.value, LimpideError)
    assert network().params.get("hiden1.bias") is None


def test_an_optimizer_without_an_update_says_what_it_needs() -> None:
    class Mine(lp.Optimizer):
        pass

    with pytest.raises(NotImplementedError, match=r"Mine needs a method update\(parameter, "):
        network().fit(X, Y, optimizer=Mine(0.1))


def test_the_last_activation_belongs_to_its_layer() -> None:
    lines = str(lp.Network([2, 1], output="sigmoid", seed=0).graph()).splitlines()
    assert [line for line in lines if "sigmoid" in line and "output" in line.partition("#")[2]]


def test_an_array_of_sizes_is_a_list_of_layers() -> None:
    assert repr(lp.Network(np.array([3, 4, 1]), seed=0)) == repr(lp.Network([3, 4, 1]))


def test_the_arrays_of_a_network_cannot_be_replaced_whole() -> None:
    net = network()
    with pytest.raises(lp.ArgumentTypeError, match=r"net.params \|= \{...\}, or net.params\["):
        net.params = {}  # type: ignore[assignment]
    with pytest.raises(AttributeError, match="state"):
        net.state = {}  # type: ignore[misc,assignment]
    assert list(net.params) == [v.name for v in net.variables]
