"""What benchmarks train: rows, first weights, floating-point work."""

from __future__ import annotations

import json

import numpy as np
import pytest

from limpide.bench.workloads import SWEEP, TABLE, Workload, chosen
from limpide.errors import ArgumentError

ALL = [*TABLE, *SWEEP]


def test_the_work_of_an_epoch_is_that_of_its_products() -> None:
    # 10 rows; 3-2-1: forward and dW of [3, 2]; forward, dW and dX of [2, 1]
    assert Workload((3, 2, 1), 4, rows=10).flops == 10 * (2 * 2 * 6 + 3 * 2 * 2)
    assert Workload((3, 1), 4, rows=10).flops == 10 * 2 * 2 * 3
    # neither batches nor optimizers change it
    assert Workload((3, 2, 1), 1, "adam", rows=10).flops == 10 * 36


def test_losses_are_compared_over_fifty_steps_or_an_epoch() -> None:
    assert [work.checked_epochs for work in TABLE] == [12, 1, 1, 2, 1, 1, 1]


def test_the_table_is_the_seven_networks_from_small_to_large() -> None:
    assert [work.label for work in TABLE] == [
        "2-2-1, 1, SGD, sigmoid, float64, mse",
        "57-4-1, 32, SGD",
        "57-64-1, 32, SGD",
        "57-64-64-1, 256, Adam",
        "784-128-10, 128, SGD",
        "28-300-300-300-300-1, 256, SGD",
        "784-2048-2048-10, 1,024, SGD",
    ]
    assert [work.rows for work in TABLE] == [4, 4601, 4601, 4601, 10_000, 20_000, 10_000]
    assert [work.steps for work in TABLE] == [4, 144, 144, 18, 79, 79, 10]
    work = [work.flops / work.steps for work in TABLE]
    assert work == sorted(work)
    assert [work.shuffle for work in TABLE] == [False] + [True] * 6


def test_the_sweep_has_what_lies_between() -> None:
    assert len(SWEEP) >= 40
    assert len({work.label for work in ALL}) == len(ALL)
    assert {min(work.batch for work in SWEEP), max(work.batch for work in SWEEP)} == {1, 4096}
    assert {work.hidden for work in SWEEP} >= {"relu", "tanh", "gelu", "sigmoid"}
    assert {work.dtype for work in SWEEP} == {"float32", "float64"}
    assert {work.output for work in SWEEP} == {"sigmoid", "softmax", "linear"}
    assert {len(work.sizes) - 2 for work in SWEEP} >= {1, 2, 3, 4, 5, 6}
    assert any(work.dropout for work in SWEEP)
    assert any(work.layer_norm for work in SWEEP)
    assert any(n % 2 for work in SWEEP for n in work.sizes[1:-1])
    assert all(work.rows >= 4 * work.batch for work in SWEEP)


@pytest.mark.parametrize("work", ALL, ids=lambda work: work.label)
def test_rows_and_targets_fit_the_network(work: Workload) -> None:
    X, y = work.data()
    assert X.shape == (work.rows, work.sizes[0])
    assert X.dtype == work.dtype
    if work.loss == "cross_entropy":
        assert y.shape == (work.rows,)
        assert np.unique(y).tolist() == list(range(work.sizes[-1]))
    else:
        assert y.shape == (work.rows, work.sizes[-1])
        assert y.dtype == work.dtype
    again = work.data()
    assert np.array_equal(X, again[0])
    assert np.array_equal(y, again[1])
    if work.output == "sigmoid":
        assert set(np.unique(y)) == {0, 1}


def test_a_workload_survives_json() -> None:
    for work in ALL:
        assert Workload(**json.loads(json.dumps(work.as_dict()))) == work


def test_first_weights_are_those_of_the_network_a_layer() -> None:
    work = Workload((4, 3, 2), 8, layer_norm=True, dropout=0.5)
    params = work.network().params
    layers = work.first_layers()
    assert [sorted(layer) for layer in layers] == [
        ["bias", "scale", "shift", "weights"],
        ["bias", "weights"],
    ]
    assert np.array_equal(layers[0]["weights"], params["hidden1.weights"])
    assert np.array_equal(layers[1]["bias"], params["output.bias"])


def test_networks_are_chosen_by_their_sizes() -> None:
    assert chosen(TABLE, []) == list(TABLE)
    assert chosen(TABLE, ["57-64-1", "2-2-1"]) == [TABLE[0], TABLE[2]]
    with pytest.raises(ArgumentError, match=r"--only must be one of .*Did you mean '57-64-1'\?"):
        chosen(TABLE, ["57-65-1"])
