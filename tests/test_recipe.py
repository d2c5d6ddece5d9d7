"""The recipe of a table's network: how many stretches, which members, what is judged by."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification

import limpide as lp
from limpide.layers import Dropout
from limpide.members import MemberInput
from limpide.recipe import choose_ensemble, choose_few, member_decays, share_out

NONE = (None, None, None, None, None)


@pytest.mark.parametrize(
    ("rows", "columns", "stretches"),
    [(250, 2, 7), (250, 60, 4), (100_000, 2, 32), (100_000, 20, 12), (100_000, 65, 0), (49, 2, 0)],
)
def test_columns_are_cut_by_how_many_there_are_and_by_rows(rows, columns, stretches):
    assert choose_ensemble("default", "binary", rows, columns, *NONE).stretches == stretches


def test_what_is_given_is_taken():
    found = choose_ensemble("strong", "regression", 5_000, 3, 5, [7], 2, 11, 0.5)
    assert (found.members, found.hidden, found.epochs) == (5, (7,), 2)
    assert (found.batch_size, found.learning_rate) == (11, 0.5)
    few = choose_few("binary", 90, 180, 3, 5, [7], 2, 11, 0.5)
    assert (few.members, few.hidden, few.epochs) == (5, (7,), 2)
    assert (few.batch_size, few.learning_rate) == (11, 0.5)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_few_rows_go_by_repetitions_and_draw_nothing(task):
    once = choose_few(task, 100, 100, 3, *NONE)
    twice = choose_few(task, 50, 100, 3, *NONE)
    assert (once.batch_size, twice.batch_size) == (100, 50)
    assert once.weight_decay == twice.weight_decay > 0
    assert once.stretches == twice.stretches == 5
    assert once.dropout == once.input_dropout == 0


def test_members_differ_in_their_decay():
    assert member_decays(1) == ()
    assert member_decays(6) == (1, 3, 10, 30, 1, 3)


def test_each_member_leaves_a_share_of_half_of_the_rows_alone():
    codes = np.arange(800) % 2
    alone = share_out(codes, 800, 4, 0)
    assert np.bincount(alone + 1).tolist() == [400, 100, 100, 100, 100]
    for member in range(4):
        assert np.bincount(codes[alone == member]).tolist() == [50, 50]


@pytest.mark.parametrize(("rows", "judged"), [(200, False), (201, True), (2_000, True)])
def test_the_best_epoch_is_looked_for_where_rows_are_some(rows, judged):
    X, y = make_classification(2_001, 5, random_state=0)
    fitted = lp.Classifier(random_state=0, epochs=1).fit(X[:rows], y[:rows])
    assert fitted.network_.members == 4
    assert (fitted.history_.best_epoch is not None) is judged
    assert len(fitted.history_.validation_loss) == judged


def test_of_many_rows_all_are_learned_and_those_held_out_are_only_shown():
    X, y = make_classification(2_600, 5, random_state=0)
    fitted = lp.Classifier(random_state=0, epochs=2).fit(X[:2_001], y[:2_001])
    assert (fitted.history_.best_epoch, fitted.history_.validation_loss) == (None, [])
    table = {f"x{i}": column for i, column in enumerate(X.T)} | {"y": y}
    shown = lp.train(table, "y", epochs=2)
    assert shown.history.best_epoch is None
    assert len(shown.history.validation_loss) == 2


def test_dropout_of_inputs_is_kept_and_never_above_that_of_layers(tmp_path):
    X, y = make_classification(300, 5, random_state=0)

    def rates(**settings) -> tuple[list[float], dict]:
        fitted = lp.Classifier(preset="strong", epochs=1, random_state=0, **settings)
        fitted.fit(X, y)
        layers = fitted.network_.layers
        first = next(i for i, layer in enumerate(layers) if isinstance(layer, MemberInput))
        fitted.model_.save(tmp_path / "model.safetensors")
        kept = lp.load(tmp_path / "model.safetensors").facts.recipe
        return [layer.rate for layer in layers[:first] if isinstance(layer, Dropout)], kept

    found, kept = rates()
    assert found == [0.05] == [kept["input_dropout"]]
    assert rates(dropout=0.01)[0] == [0.01]
    assert rates(dropout=0)[0] == []
