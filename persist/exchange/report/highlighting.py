"""Python source as HTML, coloured by the kind of its tokens."""

from __future__ import annotations

import keyword
import re
from html import escape

from persist.display import first_lines

__all__ = ["highlighted"]

_LINES = 40
_TOKEN = re.compile(
    r"(?P<c>#[^\n]*)"
    r"|(?P<s>(?<!\w)[rbfuRBFU]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"))"
    r"|(?P<n>\b\d[\w.]*(?:e[+-]?\d+)?)"
    rf"|(?P<k>\b(?:{'|'.join(keyword.kwlist)})\b)",
    re.DOTALL,
)


def highlighted(text: str) -> str:
    """Return the first lines of source as HTML, with the kinds of tokens marked.

    Examples
    --------
    >>> highlighted("x = '<b>'  # why")
    'x = <b class=s>&#x27;&lt;b&gt;&#x27;</b>  <b class=c># why</b>'
    """
    text = first_lines(text, _LINES)
    parts, end = [], 0
    for token in _TOKEN.finditer(text):
        parts.append(escape(text[end : token.start()]))
        parts.append(f"<b class={token.lastgroup}>{escape(token[0])}</b>")
        end = token.end()
    return "".join([*parts, escape(text[end:])])
