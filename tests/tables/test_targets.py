"""Targets: which task a column sets, labels in their own type, and what cannot be learned."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

import limpide as lp
from limpide.errors import ArgumentError, DataError, MemoryLimitError
from limpide.tables import Table, read_table
from limpide.tables.targets import (
    Target,
    class_weights,
    find_target,
    look_alike,
    overrule,
    with_scale,
)


def find(values: object, task: str = "auto") -> Target:
    return find_target(read_table({"y": values}), "y", task)


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a", "b"], "binary", ["a", "b"]),
        (["x", "y", "z"], "multiclass", ["x", "y", "z"]),
        ([True, False], "binary", [False, True]),
        ([0, 1, 1], "binary", [0, 1]),
        ([3, 7, 3], "binary", [3, 7]),
        ([0.0, 1.0], "binary", [0.0, 1.0]),
        ([1, 2, 3] * 5, "multiclass", [1, 2, 3]),
        ([1, 2, 3, 4, 5], "multiclass", [1, 2, 3, 4, 5]),
        (list(range(10)), "multiclass", list(range(10))),
        (list(range(11)) * 50, "regression", None),
        ([0.0, 0.5], "regression", None),
    ],
)
def test_the_task_is_found(values, task, classes):
    found = find(values)
    assert found.task == task
    if classes is None:
        assert found.classes is None
    else:
        assert found.classes.tolist() == classes
        assert type(found.classes.tolist()[0]) is type(classes[0])


def test_a_task_can_be_asked_for():
    assert find([0, 1], "regression").classes is None
    assert find([1, 2, 3, 4], "multiclass").classes.tolist() == [1, 2, 3, 4]
    assert find(["1", "a"], "binary").classes.tolist() == ["1", "a"]
    with pytest.raises(
        ArgumentError, match=r"task must be one of auto, binary, .*Did you mean 'binary'"
    ):
        find([0, 1], "binari")


def test_one_class_is_refused():
    with pytest.raises(DataError, match="'y' has one class, 'spam', in all 3 rows"):
        find(["spam"] * 3)


def test_mixed_text_and_numbers_are_both_named():
    with pytest.raises(
        DataError, match=r"mixes numbers \('1' in index 0\) and text \('spam' in index 2\)"
    ):
        find(["1", "0", "spam"])
    with pytest.raises(DataError, match=r"mixes int .*1.* and str .*'a'"):
        find([1, "a"])


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_half_is_no_class(task):
    with pytest.raises(
        DataError, match=r"'y' holds 0.5 in index 2, which is no class: it looks like reg"
    ):
        find([0.0, 1.0, 0.5], task)


def test_three_classes_are_not_binary():
    with pytest.raises(DataError, match=r"has 3 classes \('a', 'b', 'c'…\), and task='binary'"):
        find(["a", "b", "c"], "binary")


def test_a_million_classes_are_refused_by_their_memory():
    values = pl.Series("y", np.arange(1_000_000)).cast(pl.String)
    with pytest.raises(MemoryLimitError, match=r"has 1,000,000 classes in 1,000,000 rows.* GiB"):
        find_target(Table(pl.DataFrame([values]), "a frame"), "y", "auto")


def test_identifiers_are_no_classes():
    with pytest.raises(DataError, match="has 150 classes in 200 rows, as identifiers have"):
        find([f"n{i % 150}" for i in range(200)])


def test_what_is_no_number_is_no_regression():
    with pytest.raises(DataError, match="'y' holds text, such as 'a' in index 1; regression needs"):
        find([None, "a", "b"], "regression")
    with pytest.raises(DataError, match="'y' holds dates; limpide predicts classes or numbers"):
        find([dt.date(2024, 1, 1), dt.date(2024, 1, 2)])
    with pytest.raises(DataError, match="'y' holds 2 infinite values, the first inf in index 1"):
        find([0.5, np.inf, -np.inf])


def test_labels_of_another_type_are_understood_and_unknown_ones_named():
    text, ints, flags = find(["0", "1"], "binary"), find([0, 1]), find([False, True])
    assert text.encode(read_table({"y": [1, 0]}))[0].tolist() == [1, 0]
    assert ints.encode(read_table({"y": ["1", "0", None]}))[1].tolist() == [True, True, False]
    assert flags.encode(read_table({"y": ["True", "false"]}))[0].tolist() == [1, 0]
    with pytest.raises(
        DataError, match=r"1 row holds a class .* the first '2' in index 1; it knows 0, 1"
    ):
        text.encode(read_table({"y": ["1", "2"]}))
    with pytest.raises(DataError, match=r"the first 'maybe' in index 0; it knows no, yes\."):
        find(["no", "yes"]).encode(read_table({"y": ["maybe", "no"]}))


@pytest.mark.parametrize("size", [1.0, 1e200, 1e-200, 1e308])
def test_a_regression_is_learned_at_scale_one_and_told_in_its_own_unit(size):
    y = np.array([-1.0, 0, 0.25, 1]) * size
    target = with_scale(find(y, "regression"), y)
    learned = target.scaled(y)
    assert abs(learned.mean()) < 1e-12
    assert abs(learned.std() - 1) < 1e-12
    np.testing.assert_allclose(target.in_unit(learned), y, rtol=1e-12, atol=size * 1e-12)
    assert np.isfinite(target.in_unit(np.array([1e6, -1e6]))).all()


def test_a_constant_regression_is_its_constant():
    y = np.full(3, 0.1)
    target = with_scale(find(y, "regression"), y)
    assert target.centre == 0.1
    assert target.in_unit(np.zeros(1)).tolist() == [0.1]
    assert abs(target.in_unit(np.ones(1))[0] - 0.1) < 1e-6  # and what a network says beside it
    for value in (0.0, 5e-324):
        assert with_scale(find(y, "regression"), np.full(3, value)).scale == 1.0


def test_class_weights_are_by_label():
    y = find(["ham", "spam"])
    codes = np.array([0, 1])
    assert class_weights({"spam": 3}, y, codes) == {1: 3}
    assert class_weights("balanced", y, codes) == "balanced"
    with pytest.raises(
        ArgumentError, match=r"names 'spma'; .* are 'ham', 'spam'\. Did you mean 'spam'"
    ):
        class_weights({"spma": 3}, y, codes)
    with pytest.raises(ArgumentError, match="class_weight is for classes"):
        class_weights("balanced", find([0.5, 1.5]), codes)
    with pytest.raises(ArgumentError, match="'balanced' or a dict label → weight; received 3"):
        class_weights(3, y, codes)
    counts = find([0, 1, 1])
    with pytest.raises(ArgumentError, match=r"name is text, and the classes are numbers: write 1"):
        class_weights({"1": 5}, counts, codes)
    with pytest.raises(ArgumentError, match=r"is a number, and the classes are text: write '1'"):
        class_weights({1: 5}, find(["0", "1"], "binary"), codes)
    with pytest.raises(ArgumentError, match=r"class_weight\['ham'\] must be at most 1e\+09"):
        class_weights({"ham": 1e300}, y, codes)


def test_whole_numbers_can_be_taken_the_other_way():
    assert overrule(find(list(range(10)))) == [
        "target 'y' holds 10 different whole numbers: taken as classes; "
        "task='regression' (--task regression) learns them as numbers"
    ]
    assert overrule(find(list(range(11)))) == [
        "target 'y' holds 11 different whole numbers: learned as numbers; "
        "task='multiclass' (--task multiclass) takes them as classes"
    ]
    for values, task in (([0, 1], "auto"), ([0.5, 1], "auto"), ([1, 2, 3], "multiclass")):
        assert overrule(find(values, task)) == []


def test_labels_that_differ_in_case_or_blanks_are_noticed():
    assert look_alike(find(["spam", "Spam", "ham", "ham"])) == [
        "classes 'Spam' and 'spam' of 'y' differ only in case or blanks, and are taken as "
        "different; correct the column if they are the same"
    ]
    assert look_alike(find(["spam", "ham"])) == []


@pytest.mark.parametrize("classes", [[0, 1], [False, True]])
def test_no_number_is_truncated_to_a_class(classes):
    target = find(classes)
    assert target.encode(read_table({"y": [1.0, 0.0]}))[0].tolist() == [1, 0]
    with pytest.raises(
        DataError, match=r"1 row holds a class .*the first 0.9 in index 1; .* looks like regression"
    ):
        target.encode(read_table({"y": [1.0, 0.9]}))
    with pytest.raises(DataError, match=r"the first 2 in index 0; it knows"):
        target.encode(read_table({"y": [2, 1]}))
    with pytest.raises(DataError, match=r"the first '0.9' in index 0; it knows"):
        target.encode(read_table({"y": ["0.9", "x"]}))


def test_whole_numbers_are_the_same_class_however_they_are_written():
    target = find([0, 2**60 + 1])
    assert target.encode(read_table({"y": [2**60 + 1, 0]}))[0].tolist() == [1, 0]
    assert find([0, 1]).encode(read_table({"y": ["1.0", "0"]}))[0].tolist() == [1, 0]


def test_whole_numbers_that_float64_makes_equal_are_refused():
    with pytest.raises(DataError, match="differ by less than float64 can tell"):
        find([2**60 + i for i in range(60)])
    assert find([10**6 + i for i in range(60)]).task == "regression"


def test_a_target_in_another_case_is_found_as_the_nearest():
    with pytest.raises(DataError, match="Did you mean 'y'"):
        lp.train({"x": [1, 2, 3], "y": [0, 1, 0]}, "Y")
