"""Diagram: a finished picture; the frame, the colours and the ids that every picture has.

Answers for title and description, light and dark, and living with other pictures on one page.
Not for: what is drawn.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from limpide.errors import choice_error
from limpide.explain.diagrams.svg import Svg, escaped, join, place, tag
from limpide.storage.atomic import atomic_write

THEMES = ("auto", "light", "dark")
_ID = "\ue000"  # no escaped text can hold it; replaced by the picture's own id

# Name → (light, dark). Blue and orange are told apart by every kind of eye; contrast with the
# ground is at least 4.5 for text. After Okabe, Ito, "Color universal design" (2008).
_COLOURS = {
    "ground": ("#ffffff", "#12161c"),
    "ink": ("#1b1f24", "#e6edf3"),
    "soft": ("#59636e", "#9aa5b1"),
    "faint": ("#aab2bb", "#4d5763"),
    "node": ("#f3f5f8", "#1d2530"),
    "plus": ("#0b62a4", "#6cb6ff"),
    "minus": ("#b0420b", "#ffa657"),
}
# Ten classes, the first six from Okabe and Ito: fill of regions (pale) and of points (strong).
_CLASSES = (
    (("#cfe3f5", "#17344d"), ("#0b62a4", "#6cb6ff")),
    (("#fbe0cc", "#4a2c14"), ("#c2500f", "#ffa657")),
    (("#cdeee0", "#123f32"), ("#00775a", "#3fd0a4")),
    (("#f5dcea", "#472338"), ("#a84a82", "#f08cc5")),
    (("#f6efc4", "#403a10"), ("#776a00", "#e6d84a")),
    (("#d9f0fa", "#143c4b"), ("#0f7ca8", "#7fd4f7")),
    (("#f6d5d7", "#4d1b22"), ("#b3263a", "#ff8a94")),
    (("#dedaf6", "#2b2554"), ("#5b46b5", "#b7a9ff")),
    (("#e6d9c8", "#3d2f1e"), ("#7a5527", "#d3ab78")),
    (("#e3e5e8", "#2d333b"), ("#59636e", "#aab2bb")),
)
N_CLASSES = len(_CLASSES)
# Levels from low to high, orange over white to blue; the middle is no colour.
_LEVELS = (
    ("#f2a46b", "#b3601f"), ("#f6bb8f", "#8f4f20"), ("#f9d2b4", "#6b3e1e"),
    ("#fce8d9", "#46301f"), ("#f7f7f7", "#262b31"), ("#dcebf7", "#20384d"),
    ("#bad7ef", "#23527a"), ("#97c3e6", "#2a6ca5"), ("#74afdd", "#3587cf"),
)  # fmt: skip
N_LEVELS = len(_LEVELS)

_FIXED = """\
@ text{font:12px Arial,Helvetica,"Liberation Sans",sans-serif;text-anchor:middle}
@ .name,@ .head{font-weight:bold}
@ .start{text-anchor:start}
@ .end{text-anchor:end}
@ .small{font-size:11px}
@ .veil{opacity:.9}
@ path,@ line{fill:none}
@ .negative{stroke-dasharray:7 4}
@ .unknown{stroke-dasharray:1.5 4}
@ .thin{stroke-width:1.2}
@ .thick{stroke-width:2.5}
"""


def check_theme(theme: str) -> None:
    """Refuse a theme that there is not."""
    if theme not in THEMES:
        raise choice_error("theme", theme, THEMES)


def _coloured(dark: int) -> str:
    c = {name: pair[dark] for name, pair in _COLOURS.items()}
    rules = [
        f".ground,@ .veil{{fill:{c['ground']}}}",
        f"text{{fill:{c['ink']}}}",
        f".soft{{fill:{c['soft']}}}",
        f".node{{fill:{c['node']};stroke:{c['ink']}}}",
        f".pill{{fill:{c['ground']};stroke:{c['faint']}}}",
        f".plain{{stroke:{c['faint']}}}",
        f".axis{{stroke:{c['ink']}}}",
        f".dot{{fill:{c['soft']}}}",
        f".arrow{{fill:{c['soft']}}}",
        f".band{{fill:{c['node']}}}",
        f"path.positive,@ rect.positive{{stroke:{c['plus']}}}",
        f"path.negative,@ rect.negative{{stroke:{c['minus']}}}",
        f"path.unknown,@ rect.unknown{{stroke:{c['soft']}}}",
        f"text.positive{{fill:{c['plus']}}}",
        f"text.negative{{fill:{c['minus']}}}",
    ]
    for i, (pale, strong) in enumerate(_CLASSES):
        rules.append(f".r{i}{{fill:{pale[dark]}}}")
        rules.append(f".c{i}{{fill:{strong[dark]};stroke:{c['ground']}}}")
    rules += [f".l{i}{{fill:{pair[dark]}}}" for i, pair in enumerate(_LEVELS)]
    return "".join(f"@ {rule}\n" for rule in rules)


def _style(theme: str, body: str) -> str:
    """Give the rules that a picture uses, all under its own id: a page may hold several."""
    light, dark = (_used(_coloured(i), body) for i in (0, 1))
    fixed = _used(_FIXED, body)
    rules = fixed + (dark if theme == "dark" else light)
    if theme == "auto":
        rules += f"@media(prefers-color-scheme:dark){{\n{dark}}}\n"
    return rules.replace("@media", "\ue001").replace("@", f"#{_ID}").replace("\ue001", "@media")


def _used(rules: str, body: str) -> str:
    """Leave out the rules of numbered classes that nothing has."""
    kept = []
    for rule in rules.splitlines(keepends=True):
        selector = rule.partition("{")[0].rpartition(".")[2]
        numbered = selector[:1] in ("r", "c", "l") and selector[1:].isdigit()
        if not numbered or f'class="{selector}' in body or f" {selector}" in body:
            kept.append(rule)
    return "".join(kept)


@dataclass(frozen=True)
class Diagram:
    """A picture as SVG; in a notebook it shows itself.

    Attributes
    ----------
    svg
        The text of the picture, to stand in an HTML page or in a file of its own.

    Examples
    --------
    >>> import limpide as lp
    >>> net = lp.Network([2, 2, 1], seed=0)
    >>> net.diagram().svg[:4]
    '<svg'
    """

    svg: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture as a file, whole or not at all.

        Raises
        ------
        FileError
            Where it cannot be written.
        """
        atomic_write(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{self.svg}\n'.encode())

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return f'<div style="overflow:auto">{self.svg}</div>'

    def __repr__(self) -> str:
        return f"<Diagram: {len(self.svg):,} characters of SVG>"


def framed(
    kind: str,
    size: tuple[float, float],
    title: str,
    told: str,
    parts: Sequence[object],
    *,
    theme: str = "auto",
    language: str = "en",
    **data: object,
) -> Diagram:
    """Put a picture into its frame.

    Parameters
    ----------
    kind
        What programs know it by: ``data-limpide``.
    told
        The description, for those who do not see the picture.
    data
        More attributes of the picture.
    """
    check_theme(theme)
    width, height = size
    drawn = tag("rect", width=width, height=height, rx=6.0, class_="ground") + join(parts)
    body = (
        tag("title", title, id=Svg(f"{_ID}-t"))
        + tag("desc", told, id=Svg(f"{_ID}-d"))
        + tag("style", Svg(_style(theme, drawn)))
        + drawn
    )
    attributes = "".join(f' {k.replace("_", "-")}="{escaped(v)}"' for k, v in data.items())
    # A document, not an image: the titles of its neurons and weights are read out too (WAI-ARIA
    # Graphics Module 1.0).
    shown = (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{_ID}" role="graphics-document document" '
        f'lang="{language}" '
        f'aria-labelledby="{_ID}-t {_ID}-d" data-limpide="{kind}"{attributes} '
        f'width="{place(width)}" height="{place(height)}" '
        f'viewBox="0 0 {place(width)} {place(height)}" style="max-width:100%;height:auto">'
        f"{body}</svg>"
    )
    own = "limpide-" + hashlib.sha256(shown.encode()).hexdigest()[:12]
    return Diagram(shown.replace(_ID, own))
