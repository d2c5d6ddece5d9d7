"""The scripts in examples/ run as they are and learn what they say."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def script(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / name))


def test_a_neuron_worked_by_hand_and_trained_on_messages(capsys):
    names = script("neuron_and_spam.py")
    names["by_hand"]()
    assert "sigmoid(7) = 0.9990889488055994" in capsys.readouterr().out
    assert names["spam"]() >= 0.8


def test_the_first_network_learns(capsys):
    outputs = script("first_network.py")["main"]()
    assert np.array_equal(outputs > 0.5, [False, True, True, False])


def test_xor_with_a_tape_learns_and_prints_its_graph(capsys):
    outputs = script("xor_with_a_tape.py")["main"]()
    assert np.array_equal(outputs > 0.5, [False, True, True, False])
    assert "x @ W1" in capsys.readouterr().out


def test_the_lab_ends_in_the_two_predictions(capsys):
    emily, frank = script("lab_people.py")["main"]()
    assert 0.94 < emily < 0.98
    assert 0.02 < frank < 0.06
    printed = capsys.readouterr().out
    assert "0.9990889488055994" in printed
    assert "0.7216325609518421" in printed
    assert "mean squared error: 0.5" in printed
