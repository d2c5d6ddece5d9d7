"""What a fitted estimator shows in a notebook, beside what scikit-learn shows of it.

Answers for one HTML section: the network, its curves, and what was done to each column. Not for:
parameters, which scikit-learn shows, nor for reports of a model's quality.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from limpide.history import History
from limpide.languages import Words, words_in
from limpide.model import Model
from limpide.retelling import kind_told, retold
from limpide.wording import in_language

_MOST_COLUMNS = 40
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 420, 160, 52, 24

# Colours that read on light and on dark paper; curves differ in their dashes, too.
_CURVES = (("#0072b2", ""), ("#d55e00", "6 3"))
_STYLE = """
.limpide-fitted{font:13px/1.5 system-ui,sans-serif;max-width:60em;margin:.5em 0;color:inherit}
.limpide-fitted h4{margin:.9em 0 .3em;font-size:1.05em}
.limpide-fitted table{border-collapse:collapse;margin:0;font:inherit}
.limpide-fitted th,.limpide-fitted td{text-align:left;padding:.15em .9em .15em 0;
border-bottom:1px solid #8886;vertical-align:top}
.limpide-fitted td.n{text-align:right;font-variant-numeric:tabular-nums}
.limpide-fitted summary{cursor:pointer;margin:.9em 0 .3em;font-weight:600}
.limpide-fitted .wide{overflow-x:auto}
.limpide-fitted svg{max-width:100%;height:auto}
""".replace("\n", "")


def with_fitted(shown: str, model: Model, history: History, language: str | None = None) -> str:
    """Give scikit-learn's HTML of an estimator with a section on what was learned.

    The section is in a language; None is the system's.
    """
    words = words_in(language)
    made = [_network(model, history, words), _curves(history, words), _columns(model, words)]
    section = (
        f'<section class="limpide-fitted" lang="{words.language}"><style>{_STYLE}</style>'
        f"{''.join(made)}{_notes(model, words)}</section>"
    )
    head, body, tail = shown.rpartition("</body>")
    return f"{head}{section}{body}{tail}" if body else shown + section


def _network(model: Model, history: History, words: Words) -> str:
    network, say, plural = model.network, words.say, words.plural
    rows = [
        (
            html.escape(place.name),
            html.escape(place.layer.describe()),
            words.whole(place.outputs),
        )
        for place in network.placed
    ]
    told = say(
        "{parameters}, {dtype}; trained on {rows}, {epochs} of batches of {batch}, rate {rate}, "
        "engine {engine}",
        parameters=plural("{n} parameter", "{n} parameters", network.n_parameters),
        dtype=network.dtype.name,
        rows=plural("{n} row", "{n} rows", model.facts.rows),
        epochs=plural("{n} epoch", "{n} epochs", history.epochs),
        batch=words.whole(history.batch_size),
        rate=in_language(f"{model.facts.recipe['learning_rate']:g}", words.language),
        engine=history.engine,
    )
    if history.best_epoch is not None:
        told = say("{told}; the weights are those of epoch {epoch}", told=told,
                   epoch=words.whole(history.best_epoch + 1))  # fmt: skip
    title = plural("Network of {n} input", "Network of {n} inputs", network.n_inputs)
    head = (say("layer"), say("what it does"), say("outputs"))
    return f"<h4>{_text(title)}</h4>{_table(head, rows)}<p>{_text(told)}</p>"


def _text(said: str) -> str:
    """Give what is said as HTML; quotation marks may stand in text as they are."""
    return html.escape(said, quote=False)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a table of cells that are escaped already; figures stand in the last column."""
    titles = "".join(f'<th scope="col">{_text(title)}</th>' for title in head)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="n">{cell}</td>' if _is_whole(cell) else f"<td>{cell}</td>" for cell in row
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )


def _is_whole(cell: str) -> bool:
    return cell.replace(",", "").replace("\u202f", "").isdigit()


def _columns(model: Model, words: Words) -> str:
    columns, say = model.preprocessing.columns, words.say
    rows = []
    for column in columns[:_MOST_COLUMNS]:
        done = retold(column.treatment, words)
        if not column.parts:
            done = say("left out: {why}", why=done)
        kind, missing = kind_told(column.kind, words), words.whole(column.missing)
        rows.append((html.escape(column.name[:60]), kind, html.escape(done), missing))
    more = len(columns) - len(rows)
    rest = f"<p>{words.plural('and {n} more', 'and {n} more', more)}</p>" if more > 0 else ""
    head = (say("column"), say("kind"), say("what is done to it"), say("missing"))
    title = words.plural(
        "What is done to each of {n} column",
        "What is done to each of {n} columns",
        len(columns),
    )
    return f"<details><summary>{_text(title)}</summary>{_table(head, rows)}{rest}</details>"


def _notes(model: Model, words: Words) -> str:
    notes = "".join(f"<li>{html.escape(retold(n, words))}</li>" for n in model.facts.notes[:20])
    return f"<h4>{_text(words.say('Notes'))}</h4><ul>{notes}</ul>" if notes else ""


def _curves(history: History, words: Words) -> str:
    """Draw the losses over the epochs."""
    say = words.say
    curves = [(say("training"), history.loss), (say("validation"), history.validation_loss)]
    shown = [(name, np.array(values)) for name, values in curves if len(values) > 1]
    if not shown:
        return ""
    every = np.concatenate([values for _, values in shown])
    low, high = float(every.min()), float(every.max())
    lines = [
        _curve(name, values, look, (low, high), max(v[-1] for _, v in shown) if shown[1:] else None)
        for (name, values), look in zip(shown, _CURVES, strict=False)
    ]
    said = "; ".join(
        say("{name} from {first} to {last}", name=name, first=_short(values[0], 4, words),
            last=_short(values[-1], 4, words)) for name, values in shown
    )  # fmt: skip
    base, right, title = _HEIGHT - _BOTTOM, _WIDTH - 90, say("Loss by epoch")
    epochs = words.whole(history.epochs)
    return (
        f'<h4>{title}</h4><svg role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-size="11" fill="currentColor">'
        f"<title>{_text(say('{title}: {told}', title=title, told=said))}</title>"
        f'<path d="M{_LEFT} 4V{base}H{right}" fill="none" stroke="currentColor"/>'
        f'<text x="{_LEFT - 4}" y="12" text-anchor="end">{_short(high, 3, words)}</text>'
        f'<text x="{_LEFT - 4}" y="{base}" text-anchor="end">{_short(low, 3, words)}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">1</text>'
        f'<text x="{right}" y="{_HEIGHT - 8}" text-anchor="end">{epochs}</text>'
        f"{''.join(lines)}</svg>"
    )


def _curve(
    name: str,
    values: np.ndarray[Any, np.dtype[Any]],
    look: tuple[str, str],
    ends: tuple[float, float],
    highest: float | None,
) -> str:
    """Draw one line with its name behind it: above or below, where there are several."""
    (colour, dash), (low, high) = look, ends
    places = np.unique(np.linspace(0, len(values) - 1, 200).round().astype(int))
    x = _LEFT + places / (len(values) - 1) * (_WIDTH - _LEFT - 90)
    y = 8 + (high - values[places]) / (high - low or 1.0) * (_HEIGHT - _BOTTOM - 16)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    lower = 4 if highest is None else -4 if values[-1] >= highest else 10
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8" '
        f'stroke-dasharray="{dash}"/>'
        f'<text x="{x[-1] + 5:.1f}" y="{y[-1] + lower:.1f}" fill="{colour}">{_text(name)}</text>'
    )


def _short(value: float, digits: int, words: Words) -> str:
    return in_language(f"{value:.{digits}g}", words.language)
