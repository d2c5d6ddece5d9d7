"""A report's part on how to use the model: from Python and from the shell.

Answers for code that runs as it stands. Not for: writing the model to a file.
"""

from __future__ import annotations

import os
from typing import Any

from limpide.languages import Words
from limpide.reporting import columns, telling
from limpide.reporting.markup import Html, clean, filled, shortened, tag
from limpide.reporting.study import Study
from limpide.wording import command


def how_to_use(
    model: Any, study: Study | None, model_file: str | os.PathLike[str] | None, words: Words
) -> list[Html]:
    """Give the columns that it takes, and code that uses it."""
    path = "model.safetensors" if model_file is None else clean(os.fspath(model_file))
    data = clean(telling.source_path(model) or "data.csv")  # the file that the table came from
    say = words.say
    code = ["import limpide as lp", ""]
    if model_file is None:
        code.append(
            f"model.save({path!r})  # {say('the model that this report is of, first of all')}"
        )
    code += [f"model = lp.load({path!r})", *_calls(model, data, words)]
    row = None if study is None else columns.example_row(model, study.table.frame)
    if row:
        code.append(f"model.predict({row})  # {say('one row')}")
    shell = [
        command("limpide", "predict", path, data),
        command("limpide", "predict", path, data, "--out", "answers.csv"),
        command("limpide", "evaluate", path, data),
        command("limpide", "verify", path),
    ]
    takes = filled(say("Give it any table with these columns, in any order: {names}."),
                   names=tag("b", _names(model, words)))  # fmt: skip
    return [
        tag("p", takes),
        tag("h3", say("From Python")),
        _code(code, say("Python code that uses the model")),
        tag("h3", say("From the shell")),
        _code(shell, say("Commands that use the model")),
    ]


def _calls(model: Any, data: str, words: Words) -> list[str]:
    say, file = words.say, repr(data)
    figures = f"model.evaluate({file}, intervals=True)"
    figures += f"  # {say('the figures, on rows with the target')}"
    if model.classes is None:
        return [f"model.predict({file})  # {say('the number foretold for each row')}", figures]
    return [
        f"model.predict({file})  # {say('a class for each row')}",
        f"model.predict_proba({file})  # {say('the probability of each class')}",
        figures,
    ]


def _names(model: Any, words: Words) -> str:
    listed = ", ".join(shortened(name, 40) for name in model.features[: columns.MOST_LISTED])
    more = len(model.features) - columns.MOST_LISTED
    if more <= 0:
        return listed
    return words.plural("{names}, and {n} more", "{names}, and {n} more", more, names=listed)


def _code(lines: list[str], label: str) -> Html:
    code = tag("code", "\n".join(lines))
    return tag("pre", code, tabindex="0", role="region", aria_label=label)
