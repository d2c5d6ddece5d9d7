"""What a report says in plain words: what was learned, how good it is, what guessing would give.

Answers for sentences that a reader without training understands and that claim no more than was
measured. Not for: tables and pictures (``results`` and its neighbours).
"""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from typing import Any

from limpide.languages import Words
from limpide.metrics.resampling import Interval
from limpide.reporting.markup import Html, filled, join, shortened, tag
from limpide.reporting.study import Study
from limpide.retelling import retold
from limpide.wording import in_language, number
from limpide.wording import percent as written_percent

_NAME = 40  # letters of a class or column in a sentence


def named(label: object) -> Html:
    """Give a class or a column's name, set apart from the words around it."""
    return tag("b", shortened(label, _NAME))


def percent(share: float, words: Words) -> str:
    """Give a share in per cent, the sign never on a line of its own.

    >>> percent(0.5, Words("en"))
    '50.0\\xa0%'
    """
    return written_percent(share, words.language).replace(" ", "\xa0")


def value(figure: float | None, kind: str, words: Words) -> str:
    """Give a figure as people write it.

    >>> english = Words("en")
    >>> value(0.871, "share", english), value(None, "number", english)
    ('87.1\\xa0%', '–')
    >>> value(0.98666, "number", english), value(-1234.56, "", english)
    ('0.987', '−1,235')
    """
    if figure is None:
        return "–"
    if kind == "share":
        return percent(figure, words)
    if kind == "number" and (abs(figure) < 1e-9 or 0.01 <= abs(figure) < 10):
        return in_language(f"{figure:.3f}", words.language).replace("-", "−")
    return number(figure, words.language).replace("-", "−")


def between(found: Interval, kind: str, words: Words) -> str:
    """Give an interval as text, empty where there is none.

    >>> between(Interval(0.5, 0.4, 0.6, 0.95, 1000), "share", Words("en"))
    '40.0\\xa0% to 60.0\\xa0%'
    """
    if found.low is None or found.high is None:
        return ""
    low, high = value(found.low, kind, words), value(found.high, kind, words)
    return words.say("{low} to {high}", low=low, high=high)


def what(model: Any, words: Words) -> Html:
    """Say what was learned from what."""
    say, plural = words.say, words.plural
    told = {
        "numbers": plural(
            "{n} adjustable number", "{n} adjustable numbers", model.network.n_parameters
        ),
        "target": named(model.target),
        "columns": plural("from {n} column", "from {n} columns", len(model.features)),
        "source": source(model, words),
        "rows": plural(
            "{n} row in all", "{n} rows in all", model.facts.rows + model.facts.held_out
        ),
    }
    if model.classes is None:
        sentence = say(
            "A neural network of {numbers} learned to foretell {target} {columns} of {source}, "
            "{rows}."
        )
        return filled(sentence, **told)
    sentence = say(
        "A neural network of {numbers} learned to tell {target} ({labels}) {columns} of {source}, "
        "{rows}."
    )
    return filled(sentence, labels=_labels(model.classes.tolist(), words), **told)


def _labels(labels: list[Any], words: Words) -> Html:
    if len(labels) > 3:
        classes = words.plural("{n} class", "{n} classes", len(labels))
        return join([words.say("{classes}:", classes=classes), " ", named(labels[0]), ", ",
                     named(labels[1]), ", …"])  # fmt: skip
    first = join([named(label) for label in labels[:-1]], ", ")
    return filled(words.say("{first} or {last}"), first=first, last=named(labels[-1]))


def source(model: Any, words: Words) -> str:
    """Say where the table came from: a file's name without its folders, which are private."""
    path = source_path(model)
    if path is not None:
        return shortened(os.path.basename(os.path.normpath(path)), 60)
    return words.say("a {source}", source=shortened(retold(model.facts.source, words), 60))


def source_path(model: Any) -> str | None:
    """Give the path of the file that the table came from; None for a table in memory."""
    try:
        path = ast.literal_eval(model.facts.source)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return path if isinstance(path, str) and path else None


def where(study: Study, words: Words) -> str:
    """Say on which rows it was measured, as a part of a sentence."""
    if study.how == "held out":
        return words.plural(
            "on {n} row that it did not see while learning",
            "on {n} rows that it did not see while learning",
            study.rows,
        )
    if study.how == "given":
        return words.plural(
            "on the {n} row that was given to measure it",
            "on the {n} rows that were given to measure it",
            study.rows,
        )
    return words.plural(
        "on the {n} row that it learned from", "on the {n} rows that it learned from", study.rows
    )


def _begun(text: str) -> str:
    """Give the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def how_good(model: Any, study: Study | None, words: Words) -> Html:
    """Say how good it is, beside always answering the same."""
    if study is None or study.y is None:
        if not model.figures:
            told = words.say(
                "How good it is was not measured: no rows were held out. Measure it on other rows "
                "before you rely on it."
            )
            return join([told])
        return _remembered(model, words)
    tell = _classes if model.classes is not None else _numbers
    good = tell(model, study, words)
    if study.how == "trained on":
        flatter = words.say("These are rows it learned from, so the figures flatter it.")
        return join([good, flatter], " ")
    return good


def _remembered(model: Any, words: Words) -> Html:
    """Say what the model's file says: figures without the rows."""
    figures, rows = model.figures, model.facts.held_out
    if model.classes is None:
        told = words.plural(
            "On {n} row held out from training, it was off by {mae} on average (root mean square "
            "{rmse}).",
            "On {n} rows held out from training, it was off by {mae} on average (root mean square "
            "{rmse}).",
            rows,
            mae=number(figures["mae"], words.language),
            rmse=number(figures["rmse"], words.language),
        )
        return join([told])
    told = words.plural(
        "On {n} row held out from training, it answered {share} right.",
        "On {n} rows held out from training, it answered {share} right.",
        rows,
        share=percent(figures["accuracy"], words),
    )
    if not figures.get("confusion"):
        return join([told])
    counts = [sum(row) for row in figures["confusion"]]
    most = max(range(len(counts)), key=counts.__getitem__)
    always = filled(
        words.say("Always answering {label}, the most frequent class, gives {share}."),
        label=named(model.classes.tolist()[most]),
        share=percent(counts[most] / max(sum(counts), 1), words),
    )
    return join([told, always], " ")


def _classes(model: Any, study: Study, words: Words) -> Html:
    found, base = study.figures["accuracy"], study.guessing["accuracy"] or 0.0
    span = between(found, "share", words)
    share = value(found.estimate, "share", words)
    told = filled(
        words.say(
            "{where}, it answers {right}{span}; always answering {usual}, the most frequent class, "
            "would be right for {base}."
        ),
        where=_begun(where(study, words)),
        right=tag("b", words.say("{share} right", share=share)),
        span=f" ({span})" if span and found.low != found.high else "",
        usual=named(model.classes.tolist()[int(study.usual)]),
        base=percent(base, words),
    )
    return join([told, _verdict(found, base, study, words)], " ")


def _verdict(found: Interval, base: float, study: Study, words: Words) -> str:
    right, say = found.estimate or 0.0, words.say
    if base == 1:
        return say("All of these rows are of one class: they cannot say how good it is.")
    if found.low is not None and found.low > base:
        return _surely_better(right, base, words)
    auc = study.figures["auc"]
    more = ""
    if auc.low is not None and auc.low > 0.5:
        more = say("It does put the classes in order better than chance, though.")
    if right > base:
        told = say("With so few rows, that may be chance: it is not surely better.")
    else:
        told = say("That is no better than guessing.")
        more = more or say("The columns may not tell the target.")
    return f"{told} {more}".rstrip()


def _surely_better(right: float, base: float, words: Words) -> str:
    say = words.say
    if right == 1:
        return say("It makes no mistake on these rows.")
    fewer = (1 - base) / (1 - right)
    if fewer < 1.5:
        share = percent(1 - (1 - right) / (1 - base), words)
        return say("It makes {share} fewer mistakes than that.", share=share)
    if fewer < 9.95:
        times = in_language(f"{fewer:.1f}", words.language)
        return say("It makes {times} times fewer mistakes than that.", times=times)
    return words.plural(
        "It makes {n} time fewer mistakes than that.",
        "It makes {n} times fewer mistakes than that.",
        round(fewer),
    )


def _numbers(model: Any, study: Study, words: Words) -> Html:
    found, base, say = study.figures, study.guessing["mae"] or 0.0, words.say
    mae, r2 = found["mae"], found["r2"].estimate
    span = between(mae, "unit", words)
    told = filled(
        say(
            "{where}, its answers are {off} on average{span}, in the unit of {target}; always "
            "answering the mean, {usual}, would be off by {base}."
        ),
        where=_begun(where(study, words)),
        off=tag("b", say("off by {error}", error=value(mae.estimate, "unit", words))),
        span=f" ({span})" if span and mae.low != mae.high else "",
        target=shortened(model.target, _NAME),
        usual=number(study.usual, words.language),
        base=number(base, words.language),
    )
    if r2 is None:
        return told
    return join([told, _explained(r2, base, words)], " ")


def _explained(r2: float, base: float, words: Words) -> str:
    say = words.say
    if base == 0:
        return say("All of these rows have one value: they cannot say how good it is.")
    if r2 <= 0:
        return say("That is no better than guessing.")
    if r2 > 0.9995:
        return say("It explains nearly all of what makes the values differ.")
    share = percent(r2, words)
    return say("It explains {share} of what makes the values differ (R²).", share=share)


def warnings_of(model: Any, words: Words) -> list[str]:
    """Give what a reader has to know before the rest."""
    history = model.history
    if not history.interrupted:
        return []
    planned = model.facts.recipe.get("epochs")
    if planned:
        told = words.plural(
            "Training was interrupted after {done} of {n} epoch.",
            "Training was interrupted after {done} of {n} epochs.",
            planned,
            done=words.whole(history.epochs),
        )
    else:
        told = words.plural(
            "Training was interrupted after {n} epoch.",
            "Training was interrupted after {n} epochs.",
            history.epochs,
        )
    return [told]


def recipe_of(model: Any, versions: Mapping[str, str], words: Words) -> list[tuple[str, str]]:
    """Give how it was trained, as names and words."""
    history, recipe, say = model.history, dict(model.facts.recipe), words.say
    hidden = recipe.pop("hidden", None)
    rows: list[tuple[str, str]] = []
    if hidden is not None:
        rows.append((say("hidden layers"), ", ".join(map(str, hidden)) or say("none")))
    rows.append((say("epochs (times through the rows)"), _epochs(history, recipe, words)))
    batch = recipe.pop("batch_size", 0)
    rows.append((say("rows a step"), words.whole(history.batch_size or batch)))
    rows += _settings(recipe, words)
    if history.best_epoch is not None:
        rows.append((say("weights kept from epoch"), words.whole(history.best_epoch + 1)))
    if history.stopped:
        rows.append((say("ended"), retold(str(history.stopped), words)))
    rows.append((say("steps"), words.whole(history.steps)))
    rows.append((say("training time"), _seconds(history.seconds, words)))
    rows.append((say("engine"), history.engine or "–"))
    return [*rows, *versions.items()]


def _epochs(history: Any, recipe: dict[str, Any], words: Words) -> str:
    planned, done = recipe.pop("epochs", None), words.whole(history.epochs)
    if planned in (None, history.epochs):
        return done
    return words.say("{some} of {all}", some=done, all=words.whole(planned))


def _settings(recipe: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    """Give the settings of a recipe that have a number or a name; an unknown one by its key."""
    say = words.say
    known = {
        "learning_rate": say("first learning rate"),
        "weight_decay": say("weight decay"),
        "dropout": say("dropout"),
        "input_dropout": say("input dropout"),
        "members": say("members"),
        "stretches": say("stretches"),
        "scaling": say("scaling of numbers"),
        "seed": say("seed"),
    }
    rows = []
    for key, setting in recipe.items():
        is_float = isinstance(setting, float)
        shown = in_language(f"{setting:g}", words.language) if is_float else str(setting)
        rows.append((known.get(key, key.replace("_", " ")), shown))
    return rows


def _seconds(seconds: float, words: Words) -> str:
    if seconds >= 90:
        minutes, rest = divmod(round(seconds), 60)
        return words.say("{minutes} min {seconds} s", minutes=words.whole(minutes), seconds=rest)
    if seconds >= 0.1:
        return words.say("{seconds} s", seconds=in_language(f"{seconds:.1f}", words.language))
    return words.say("less than 0.1 s")
