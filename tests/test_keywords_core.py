"""Calls of tensors, ops and tapes that fit no signature: what would fit is said."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

import limpide as lp
from limpide.errors import ArgumentTypeError

X = lp.Tensor([[1.0, 2.0]])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: lp.sum(X, axes=0), r"sum has no argument 'axes'. Did you mean 'axis'\?"),
        (lambda: lp.softmax(X, axi=0), r"softmax has no argument 'axi'. Did you mean 'axis'\?"),
        (lambda: lp.where(X), "where: missing a required argument: 'a'"),
        (lambda: lp.Tensor([1], dtyp="int32"), r"Tensor has no .* 'dtyp'. Did you mean 'dtype'\?"),
        (
            lambda: lp.Variable(1.0, trainable=True),
            "has no argument 'trainable'.*It takes",
        ),
        (lambda: lp.Generator(sed=1), r"Generator has no argument 'sed'. Did you mean 'seed'\?"),
        (lambda: lp.gradcheck(lp.sum, [1.0], eps=1), r"gradcheck has no .* 'eps'. .*'epsilon'\?"),
        (lambda: lp.GradientTape(persistent=True), "no arguments; received persistent.*any number"),
        (lambda: lp.grad(5), r"lp.grad needs a function; received 5.*GradientTape"),
        (lambda: lp.value_and_grad(5), "lp.value_and_grad needs a function; received 5"),
        (lambda: lp.function(), "Write @lp.function, without"),
        (lambda: lp.function(jit_compile=True), "function has no argument 'jit_compile'"),
    ],
)
def test_a_wrong_call_says_what_would_fit(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(ArgumentTypeError, match=said):
        call()


def test_the_functions_that_users_hold_are_pickled() -> None:
    assert pickle.loads(pickle.dumps(lp.tanh)) is lp.tanh
    assert lp.tanh is lp.ops.tanh
