"""The picture of a network: its columns, and which lines there are."""

from __future__ import annotations

import numpy as np

import limpide as lp
from limpide.languages import words_in
from limpide.reporting.network_picture import draw, stages_of


def _lines(picture: str) -> list[int]:
    """Count the lines between columns of circles."""
    paths = picture.split('class="edge"')[:-1]
    return [path.rsplit('d="', 1)[1].count("M") for path in paths]


def test_members_lie_side_by_side():
    random = np.random.default_rng(0)
    X = random.normal(size=(260, 3))
    model = lp.Classifier(hidden=[4, 2], n_ensemble=2, epochs=1, random_state=0).fit(X, X[:, 0] > 0)
    drawn, note = draw(model.network_, "an answer", words_in("en"))
    assert [stage.count(words_in("en")) for stage in stages_of(model.network_, "inputs")] == [
        *("3", "2 × 4", "2 × 2", "1"),
    ]
    assert note.startswith("2 networks lie side by side")
    assert _lines(str(drawn)) == [3 * 8, 2 * (4 * 2), 4 * 1]


def test_one_network_is_wholly_connected():
    net = lp.Network([3, 8, 4, 1], seed=0)
    drawn, note = draw(net, "an answer", words_in("en"))
    assert note == ""
    assert _lines(str(drawn)) == [3 * 8, 8 * 4, 4 * 1]
