"""Plots: what is drawn is what was measured; few rows, many classes; nothing global changes."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import limpide as lp

matplotlib = pytest.importorskip("matplotlib")

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, 60)
P = np.clip(RNG.normal(0.4 + 0.2 * Y, 0.2), 0, 1)
MANY = 50
YK = np.concatenate([np.arange(MANY), RNG.integers(0, MANY, 200)])
PK = RNG.dirichlet(np.ones(MANY), len(YK))
LONG = [f"a class with a long name $_{i}" for i in range(MANY)]
HISTORY = lp.History(loss=[1.0, 0.5, 0.4], validation_loss=[1.0, 0.6, 0.7])


def finished(axes):
    """Draw it, so that what cannot be laid out is an error; give its texts."""
    axes.figure.draw_without_rendering()
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    return [text.get_text() for text in axes.texts]


def test_the_roc_curve_that_is_drawn_is_the_one_of_metrics():
    axes = lp.plots.roc(Y, P)
    line = axes.lines[-1]
    curve = lp.metrics.roc_curve(Y, P)
    assert line.get_xdata().tolist() == curve.false_positive_rate.tolist()
    assert line.get_ydata().tolist() == curve.true_positive_rate.tolist()
    assert axes.get_legend().get_texts()[0].get_text() == f"1: AUC {lp.metrics.auc(Y, P):.3f}"
    assert "guessing" in finished(axes)


def test_the_precision_recall_curve_is_the_one_of_metrics():
    axes = lp.plots.precision_recall(Y, P, sample_weight=np.ones(len(Y)))
    curve = lp.metrics.precision_recall_curve(Y, P)
    assert axes.lines[-1].get_xdata().tolist() == curve.recall[:-1].tolist()
    assert axes.lines[0].get_ydata() == [Y.mean()] * 2
    finished(axes)


def test_of_many_classes_the_worst_are_named():
    for draw in (lp.plots.roc, lp.plots.precision_recall):
        axes = draw(YK, PK, LONG)
        legend = axes.get_legend()
        assert legend.get_title().get_text() == "the 6 lowest of 50 classes"
        names = [text.get_text() for text in legend.get_texts()]
        assert len(names) == 6
        assert all("…" in name for name in names)
        figures = [float(name.rsplit(" ", 1)[1]) for name in names]
        assert figures == sorted(figures)
        finished(axes)
        assert len(axes.lines) >= MANY


def test_a_confusion_matrix_counts():
    axes = lp.plots.confusion(Y, P > 0.5, ["ham", "spam"])
    counts = lp.metrics.confusion_matrix(Y, P > 0.5, 2)
    assert finished(axes) == [str(n) for n in counts.ravel()]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ham", "spam"]
    assert finished(lp.plots.confusion(YK, PK, LONG)) == []  # too many to be written
    assert finished(lp.plots.confusion([0], [0])) == ["1"]
    assert finished(lp.plots.confusion([0, 1], [0, 1], sample_weight=[0.5, 2]))[0] == "0.5"


def test_calibration_and_residuals():
    axes = lp.plots.calibration(Y, P, bins=5)
    curve = lp.metrics.calibration_curve(Y, P, bins=5)
    assert axes.lines[-1].get_xdata().tolist() == curve.predicted.tolist()
    assert "highest probability" in lp.plots.calibration(YK, PK).get_xlabel()
    finished(axes)
    axes = lp.plots.residuals([1.0, 2.0], [1.5, 1.5], unit="price in $")
    assert axes.collections[0].get_offsets().tolist() == [[1.5, 0.5], [1.5, -0.5]]
    assert axes.get_xlabel() == "prediction of price in \\$"
    finished(axes)
    axes = lp.plots.residuals(np.zeros(12_000), np.arange(12_000.0))
    assert axes.get_title() == "every 3th of 12,000 rows"
    assert len(axes.collections[0].get_offsets()) == 4000


def test_a_history_marks_its_best_epoch_and_takes_a_log_axis():
    axes = HISTORY.plot()
    assert axes.get_title("left") == "lowest on validation (●): epoch 2, 0.6"
    assert axes.get_yscale() == "linear"
    assert {"training", "validation"} <= set(finished(axes))
    steep = lp.History(loss=[1.0, 0.01], best_epoch=0)
    axes = steep.plot()
    assert axes.get_yscale() == "log"
    assert axes.get_title("left") == "best (●): epoch 1, 1"
    for few in (lp.History(loss=[0.5]), lp.History(loss=[0.0, -1.0])):
        finished(few.plot())


def test_a_history_draws_a_metric():
    watched = lp.History(
        loss=[1.0, 0.5, 0.2], validation_loss=[1.0, 0.9, 0.8], best_epoch=1,
        metrics={"auc": [0.6, 0.9, 0.7]},
    )  # fmt: skip
    axes = watched.plot(metric="auc")
    assert axes.get_title("left") == "best (●): epoch 2, 0.9"
    assert axes.get_ylabel() == "auc"
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0.6, 0.9, 0.7]]
    finished(axes)
    with pytest.raises(lp.ArgumentError, match=r"one of auc; received 'acu'. Did you mean 'auc'"):
        watched.plot(metric="acu")
    with pytest.raises(lp.ArgumentError, match=r"was not taken in this run. Pass it to the est"):
        HISTORY.plot(metric="auc")


def test_importance_and_dependence_are_drawn_as_they_are():
    names = tuple(f"a column with a rather long name {i}" for i in range(30))
    importance = lp.effects.Importance(
        names, tuple(np.linspace(1, -0.1, 30)), (0.1,) * 30, "auc", 0.9, 10, 5
    )
    axes = importance.plot()
    assert len(axes.patches) == 20
    assert axes.patches[0].get_width() == 1
    assert axes.get_title() == "the 20 that matter most, of 30"
    finished(axes)
    for kind, grid in (("number", (1.0, 2.0, None)), ("text", ("a", "b", None))):
        for outputs in (("y",), tuple("abcdefgh")):
            mean = tuple(tuple(RNG.uniform(size=len(outputs))) for _ in grid)
            found = lp.effects.PartialDependence("x", kind, grid, mean, outputs, 10)
            axes = found.plot()
            assert axes.get_xlabel() == "x"
            finished(axes)


def test_a_model_draws_its_own(tmp_path):
    data = {"x": [0.0, 1, 2, 3] * 8, "y": ["no", "no", "yes", "yes"] * 8}
    model = lp.train(data, "y", epochs=5)
    for kind in ("roc", "precision_recall", "confusion", "calibration"):
        axes = model.plot(kind, data)
        finished(axes)
    axes.figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000
    numbers = {"x": data["x"], "y": [v * 1.5 for v in data["x"]]}
    finished(lp.train(numbers, "y", task="regression", epochs=2).plot("residuals", numbers))


def test_the_users_axes_and_settings_stay():
    before = dict(matplotlib.rcParams)
    figure = matplotlib.figure.Figure()
    axes = figure.add_subplot()
    assert lp.plots.roc(Y, P, axes=axes) is axes
    assert HISTORY.plot(axes) is axes
    assert dict(matplotlib.rcParams) == before
    with pytest.raises(lp.ArgumentTypeError, match=r"axes must be matplotlib's.*received 3"):
        lp.plots.roc(Y, P, axes=3)


def test_pyplot_is_left_alone_unless_it_is_in_use(monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    lp.plots.roc(Y, P)
    assert "matplotlib.pyplot" not in sys.modules


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(lp.DataError, match="y holds 1 class, 'only'; a curve compares two"):
        lp.plots.roc([0, 0], [0.1, 0.2], ["only", "other"])
    with pytest.raises(lp.ShapeError, match="classes has 1 names, the predictions 2 classes"):
        lp.plots.precision_recall(Y, P, ["one"])
    with pytest.raises(lp.ShapeError, match="best_epoch is 9, and there are 1 epochs"):
        lp.History(loss=[1.0], best_epoch=9).plot()


def test_without_matplotlib_every_plot_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    calls = [
        lambda: lp.plots.roc(Y, P),
        lambda: lp.plots.confusion(Y, Y),
        lambda: lp.plots.residuals(P, P),
        HISTORY.plot,
    ]
    for call in calls:
        with pytest.raises(lp.MissingExtraError, match=r"pip install 'limpide\[plot\]'"):
            call()


def drawn_texts(axes) -> set[str]:
    """Give all that is written on axes: names, titles, ticks, the legend, notes."""
    from matplotlib.text import Text

    axes.figure.draw_without_rendering()
    shown = (text for text in axes.figure.findobj(Text) if text.get_visible())
    return {text.get_text() for text in shown if text.get_text()}


def pictures(language: str) -> list:
    """Draw one picture of each kind, and those that have more words than others."""
    numbers = lp.train({"a": [0.5, 1.5, None, 2.5] * 12, "y": [0, 1] * 24}, "y", epochs=1)
    table = {"a": [0.5, 1.5, None, 2.5] * 12, "y": [0, 1] * 24}
    again = {"language": language}
    wide = np.linspace(0, 2e3, 6000)
    lasting = lp.History(loss=[100.0, 1.0], validation_loss=[90.0, 2.0], best_epoch=1)
    plots = lp.plots
    found = [plots.roc(Y, P, **again), plots.roc(YK, PK, **again)]
    found += [plots.precision_recall(Y, P, **again), plots.precision_recall(YK, PK, **again)]
    found += [plots.calibration(Y, P, **again), plots.calibration(YK, PK, **again)]
    found += [plots.confusion(Y, P > 0.5, **again), plots.residuals(wide, wide - 0.5, **again)]
    found += [plots.residuals(wide[:9], wide[:9], unit="€", **again), HISTORY.plot(**again)]
    found += [lasting.plot(**again), numbers.plot("roc", table, **again)]
    found += [numbers.partial_dependence(table, "a").plot(**again)]
    found += [numbers.permutation_importance(table, repeats=1).plot(**again)]
    return found


@pytest.mark.filterwarnings("ignore::limpide.LimpideWarning")
@pytest.mark.parametrize("language", ["fr", "uk"])
def test_pictures_speak_the_language(language, monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)  # it keeps every figure
    allowed = {"a", "€", "P(1)", "validation"}
    for english, other in zip(pictures("en"), pictures(language), strict=True):
        before, after = drawn_texts(english), drawn_texts(other)
        worded = {text for text in before if any(c.isalpha() for c in text) and "$" not in text}
        assert len(worded) > 1
        assert worded & after - allowed == set()
        assert not [text for text in after if any(a.isdigit() for a in text.partition(".")[2])]


def test_ticks_have_a_decimal_comma(monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    axes = lp.plots.residuals([0.1, 0.2], [0.15, 0.15], language="fr")
    assert any("," in text for text in drawn_texts(axes))
    assert axes.get_xlabel() == "prédiction"
    with pytest.raises(lp.ArgumentError, match="Did you mean 'fr'"):
        lp.plots.residuals([0.1], [0.1], language="frr")
