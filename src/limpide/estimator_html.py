"""What a fitted estimator shows in a notebook, beside what scikit-learn shows of it.

Answers for one HTML section: the network, its curves, and what was done to each column. Not for:
parameters, which scikit-learn shows, nor for reports of a model's quality.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from limpide.history import History
from limpide.model import Model

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


def with_fitted(shown: str, model: Model, history: History) -> str:
    """Give scikit-learn's HTML of an estimator with a section on what was learned."""
    section = (
        f'<section class="limpide-fitted"><style>{_STYLE}</style>'
        f"{_network(model, history)}{_curves(history)}{_columns(model)}{_notes(model)}</section>"
    )
    head, body, tail = shown.rpartition("</body>")
    return f"{head}{section}{body}{tail}" if body else shown + section


def _network(model: Model, history: History) -> str:
    network = model.network
    rows = [
        (
            html.escape(place.name),
            html.escape(place.layer.describe()),
            f"{place.outputs:,}",
        )
        for place in network.placed
    ]
    recipe = model.facts.recipe
    told = (
        f"{network.n_parameters:,} parameters, {network.dtype.name}; trained on "
        f"{model.facts.rows:,} rows, {history.epochs:,} epochs of batches of "
        f"{history.batch_size:,}, rate {recipe['learning_rate']:g}, engine {history.engine}"
    )
    if history.best_epoch is not None:
        told += f"; the weights are those of epoch {history.best_epoch + 1}"
    return (
        f"<h4>Network of {network.n_inputs:,} inputs</h4>"
        f"{_table(('layer', 'what it does', 'outputs'), rows)}<p>{html.escape(told)}</p>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a table of cells that are escaped already; figures stand in the last column."""
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="n">{cell}</td>' if cell.replace(",", "").isdigit() else f"<td>{cell}</td>"
            for cell in row
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )


def _columns(model: Model) -> str:
    columns = model.preprocessing.columns
    rows = [
        (
            html.escape(column.name[:60]),
            column.kind,
            html.escape(column.treatment if column.parts else f"left out: {column.treatment}"),
            f"{column.missing:,}",
        )
        for column in columns[:_MOST_COLUMNS]
    ]
    more = len(columns) - len(rows)
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    head = ("column", "kind", "what is done to it", "missing")
    return (
        f"<details><summary>What is done to each of {len(columns):,} columns</summary>"
        f"{_table(head, rows)}{rest}</details>"
    )


def _notes(model: Model) -> str:
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in model.facts.notes[:20])
    return f"<h4>Notes</h4><ul>{notes}</ul>" if notes else ""


def _curves(history: History) -> str:
    """Draw the losses over the epochs."""
    curves = [("training", history.loss), ("validation", history.validation_loss)]
    shown = [(name, np.array(values)) for name, values in curves if len(values) > 1]
    if not shown:
        return ""
    every = np.concatenate([values for _, values in shown])
    low, high = float(every.min()), float(every.max())
    span = high - low or 1.0
    lines = []
    for (name, values), (colour, dash) in zip(shown, _CURVES, strict=False):
        places = np.unique(np.linspace(0, len(values) - 1, 200).round().astype(int))
        x = _LEFT + places / (len(values) - 1) * (_WIDTH - _LEFT - 90)
        y = 8 + (high - values[places]) / span * (_HEIGHT - _BOTTOM - 16)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8" '
            f'stroke-dasharray="{dash}"/>'
        )
        above = -4 if len(shown) > 1 and values[-1] >= max(v[-1] for _, v in shown) else 10
        lines.append(
            f'<text x="{x[-1] + 5:.1f}" y="{y[-1] + (above if len(shown) > 1 else 4):.1f}" '
            f'fill="{colour}">{name}</text>'
        )
    said = "; ".join(f"{name} from {v[0]:.4g} to {v[-1]:.4g}" for name, v in shown)
    base = _HEIGHT - _BOTTOM
    return (
        f'<h4>Loss by epoch</h4><svg role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-size="11" fill="currentColor">'
        f"<title>Loss by epoch: {said}</title>"
        f'<path d="M{_LEFT} 4V{base}H{_WIDTH - 90}" fill="none" stroke="currentColor"/>'
        f'<text x="{_LEFT - 4}" y="12" text-anchor="end">{high:.3g}</text>'
        f'<text x="{_LEFT - 4}" y="{base}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">1</text>'
        f'<text x="{_WIDTH - 90}" y="{_HEIGHT - 8}" text-anchor="end">{history.epochs:,}</text>'
        f"{''.join(lines)}</svg>"
    )
