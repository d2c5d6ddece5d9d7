"""Findings: what the doctor says, as figures first and in words when asked.

Answers for ``Finding`` and ``Diagnosis``, their text, JSON and HTML. Not for: the sentences
(``wording``, ``advice``), nor for finding anything.
"""

from __future__ import annotations

import html
import json
import math
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from limpide.explain.doctor import advice, cures, wording
from limpide.languages import words_in

SEVERITIES = ("serious", "warning", "note")
_NARROW, _WIDE = 40, 100


@dataclass(frozen=True)
class Finding:
    """One illness.

    Attributes
    ----------
    kind
        Which, such as ``"dead_neurons"``; docs/doctor.md lists them.
    severity
        ``"serious"``: learning cannot go on so; ``"warning"``: it is worse for it; ``"note"``:
        to be looked at.
    where
        Place by sort: ``layer``, ``neurons`` (h3), ``parameters``, ``columns`` (x2), ``rows``,
        ``epochs`` (from 1), those of them that there are.
    figures
        What was measured, in full precision.
    target
        The column that the model of a table predicts; empty for a network with X and y.
    """

    kind: str
    severity: str
    where: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""

    def title(self, language: str | None = None) -> str:
        """Name the illness."""
        return wording.title(self.kind, words_in(language))

    def seen(self, language: str | None = None) -> str:
        """Say what was seen, and where."""
        return wording.seen(self, words_in(language))

    def why(self, language: str | None = None) -> str:
        """Say why it matters."""
        return advice.why(self, words_in(language))

    def remedy(self, language: str | None = None) -> str:
        """Say what to do."""
        return advice.remedy(self, words_in(language))

    @property
    def code(self) -> str:
        """The remedy as a line of code, where it is one."""
        return cures.code(self)

    def to_dict(self, language: str | None = "en") -> dict[str, Any]:
        """Give all of it as JSON can hold it."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "where": _plain(self.where),
            "figures": _plain(self.figures),
            "seen": self.seen(language),
            "why": self.why(language),
            "remedy": self.remedy(language),
            "code": self.code,
        }

    def to_text(self, language: str | None = None, width: int | None = None) -> str:
        """Give it as lines of text."""
        words, width = words_in(language), columns_of_text(width)
        head = f"{self.title(language)} ({wording.severity(self.severity, words)})"
        parts = [(words.say("Seen"), self.seen(language)), (words.say("Why"), self.why(language))]
        parts.append((words.say("Remedy"), self.remedy(language)))
        lines = textwrap.wrap(head, width - 3, subsequent_indent="   ")  # 3: a number before it
        for name, said in parts:
            lines += _wrapped(words.say("{name}:", name=name), said, width)
        if self.code:
            lines += [f"      {line}" for line in self.code.splitlines()]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_text()


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found; printing it reads it.

    Attributes
    ----------
    findings
        The gravest first.
    rows, of_rows
        How many rows were looked at, drawn with ``seed``, and of how many.
    language
        In which it is printed; None is the system's.
    """

    findings: tuple[Finding, ...]
    rows: int
    of_rows: int
    seed: int = 0
    language: str | None = None

    def __post_init__(self) -> None:
        ordered = sorted(self.findings, key=lambda f: SEVERITIES.index(f.severity))
        object.__setattr__(self, "findings", tuple(ordered))

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Give the findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def head(self, language: str | None = None) -> str:
        """Say how many findings there are, on which rows."""
        words = words_in(language or self.language)
        count = len(self.findings)
        if self.rows == self.of_rows:
            rows = words.plural("looked at {n} row", "looked at {n} rows", self.rows)
        else:
            rows = words.plural(
                "looked at {n} row of {all}, drawn with seed {seed}",
                "looked at {n} rows of {all}, drawn with seed {seed}",
                self.rows,
                all=words.whole(self.of_rows),
                seed=self.seed,
            )
        if not count:
            return words.say("No illness found ({rows}).", rows=rows)
        found = words.plural("{n} finding", "{n} findings", count)
        return words.say("{found} ({rows}).", found=found, rows=rows)

    def to_text(self, language: str | None = None, width: int | None = None) -> str:
        """Give it as text of at most ``width`` columns; None is the terminal's."""
        language = language or self.language
        parts = [textwrap.fill(self.head(language), columns_of_text(width))]
        for i, finding in enumerate(self.findings, 1):
            parts.append(f"{i}. {finding.to_text(language, width)}")
        return "\n\n".join(parts)

    def to_json(self) -> str:
        """Give it as JSON: figures in full precision, keys and sentences in English."""
        found = {
            "healthy": self.healthy,
            "rows": self.rows,
            "of_rows": self.of_rows,
            "seed": self.seed,
            "findings": [finding.to_dict() for finding in self.findings],
        }
        return json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False)

    def to_html(self, language: str | None = None) -> str:
        """Give it as a part of a page that needs nothing else."""
        language = language or self.language
        words = words_in(language)
        items = "".join(_item(finding, language) for finding in self.findings)
        head = f'<p class="head">{html.escape(self.head(language))}</p>'
        opening = f'<div class="limpide-doctor" lang="{words.language}">'
        return f"{opening}<style>{_STYLE}</style>{head}{items}</div>"

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()


def _item(finding: Finding, language: str | None) -> str:
    words = words_in(language)
    rows = [
        (words.say("Seen"), finding.seen(language)),
        (words.say("Why"), finding.why(language)),
        (words.say("Remedy"), finding.remedy(language)),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{_escaped(said)}</dd>" for name, said in rows)
    code = f"<pre><code>{html.escape(finding.code)}</code></pre>" if finding.code else ""
    severity = html.escape(wording.severity(finding.severity, words))
    heading = f"<h4>{html.escape(finding.title(language))} <span>{severity}</span></h4>"
    return f'<section class="is-{finding.severity}">{heading}<dl>{listed}</dl>{code}</section>'


def _escaped(said: str) -> str:
    return html.escape(said).replace("\n", "<br>")


# Colours by the reader's own theme: currentColor and shades of it, and one hue a severity.
_STYLE = """
.limpide-doctor{font:15px/1.5 system-ui,sans-serif;max-width:46em;color:inherit}
.limpide-doctor .head{font-weight:600;margin:0 0 .8em}
.limpide-doctor section{border-left:4px solid #7a8794;padding:.1em 0 .1em 1em;margin:0 0 1.2em}
.limpide-doctor .is-serious{border-color:#d1453b}
.limpide-doctor .is-warning{border-color:#d08a1d}
.limpide-doctor h4{margin:0 0 .4em;font-size:1.05em}
.limpide-doctor h4 span{font-weight:400;font-size:.85em;opacity:.75;margin-left:.4em}
.limpide-doctor dl{display:grid;grid-template-columns:max-content 1fr;gap:.25em 1em;margin:0}
.limpide-doctor dt{opacity:.7}
.limpide-doctor dd{margin:0}
.limpide-doctor pre{background:#8881;border-radius:4px;padding:.5em .8em;margin:.6em 0 0;
overflow-x:auto;font:13px/1.5 ui-monospace,monospace}
"""


def columns_of_text(width: int | None) -> int:
    """Give how wide a text may be; None is the terminal's width."""
    asked = shutil.get_terminal_size((88, 24)).columns if width is None else width
    return max(_NARROW, min(asked, _WIDE))


def _wrapped(name: str, said: str, width: int) -> list[str]:
    lines: list[str] = []
    first = f"   {name} "
    for part in said.split("\n"):
        lines += textwrap.wrap(
            part, width, initial_indent=first, subsequent_indent="      ", break_long_words=False
        )
        first = "      "
    return lines


def _plain(value: Any) -> Any:
    """Give what JSON holds: NaN and infinities as text, which JSON has no numbers for."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else str(float(value))
    return value
