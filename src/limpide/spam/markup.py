"""The text of an HTML page, as a reader would see it.

Answers for what is shown and what is not (tags, comments, scripts, styles), in linear time.
Not for: layout, links or images.

The standard library's parser takes time that grows with the square of a hostile page (25 kB of
``<a `` take seconds) and stops with an AssertionError on others, so the page is cut up here by
the tokenizer rules of the HTML standard, with patterns that never go back over what they read.
"""

from __future__ import annotations

import html
import re

_BREAKS = frozenset(
    ("address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "div",
     "dl", "dt", "fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head",
     "header", "hr", "html", "legend", "li", "main", "nav", "ol", "option", "p", "pre", "section",
     "table", "tbody", "tfoot", "thead", "tr", "ul")
)  # fmt: skip
_GAPS = frozenset(("td", "th"))
_BREAK = "\x1e"  # a line break, until white space is folded

# A quote only opens a value after "="; a value that is never closed ends at the next ">".
_REST = r"""(?:[^>"'=]++|=\s*+"[^"]*+"|=\s*+'[^']*+'|["'=])*+(?:>|\Z)"""
_TOKEN = re.compile(
    rf"""
    (?P<comment> <!--(?: -?> | .*?(?: --!?> | \Z ) ) )
  | (?P<hidden> <(?P<kind>script|style|title|template)(?=[\s/>]){_REST}
        .*?(?: </(?P=kind)(?=[\s/>])[^>]*+(?:>|\Z) | \Z ) )
  | (?P<tag> </?(?P<name>[a-z][^\s/>]*+){_REST} )
  | (?P<bogus> <(?:[!?]|/(?=.))[^>]*+(?:>|\Z) )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_SPACE = re.compile(r"[ \t\n\r\f]+")
_BREAK_RUN = re.compile(f" ?{_BREAK}[{_BREAK} ]*")
_ZEROS = re.compile(r"&#(x?)0+(?=[0-9a-f])", re.IGNORECASE)
_HUGE = re.compile(r"&#(?:[0-9]{8,}|x[0-9a-f]{7,});?", re.IGNORECASE)


def html_text(source: str) -> str:
    """Give the text that a page shows: entities decoded, white space folded, blocks on lines.

    Parameters
    ----------
    source : str
        A page or a fragment, well formed or not; what a browser would drop (an unclosed comment
        or script to the end of the page) is dropped here.

    Returns
    -------
    str

    Source
    ------
    WHATWG, HTML Living Standard, section 13.2.5 (tokenization).

    Examples
    --------
    >>> html_text("<p>V<b>ac</b>ation &amp; <!-- x -->FREE<br>money<style>p {}</style>")
    'Vacation & FREE\\nmoney'
    """
    shown = _SPACE.sub(" ", _TOKEN.sub(_shown, source))
    lines = _BREAK_RUN.sub("\n", shown)
    if "&#" in lines:
        # html.unescape converts by int(), which refuses more than 4,300 digits.
        lines = _HUGE.sub("\ufffd", _ZEROS.sub(r"&#\1", lines))
    return html.unescape(lines).replace("\xa0", " ").strip()


def _shown(token: re.Match[str]) -> str:
    name = token["name"]
    if name is None:
        return ""
    name = name.lower()
    return _BREAK if name in _BREAKS else " " if name in _GAPS else ""
