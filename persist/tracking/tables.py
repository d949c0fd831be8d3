"""Rows as tables, for people."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

__all__ = ["html_table", "text_table"]

_LONGEST = 40
_STYLE = "text-align:left;padding:0 .8em"


def text_table(headline: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a headline and rows in columns, as text."""
    if not rows:
        return headline
    cells = [tuple(columns), *(tuple(map(shown, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([headline, *lines])


def html_table(headline: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a headline and rows in columns, as HTML."""
    head = "".join(f"<th style='{_STYLE}'>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td style='{_STYLE}'>{escape(shown(value))}</td>" for value in row)
        + "</tr>"
        for row in rows
    )
    table = f"<table><tr>{head}</tr>{body}</table>" if rows else ""
    return f"<div><code>{escape(headline)}</code>{table}</div>"


def shown(value: Any) -> str:
    """Return a value as a cell: numbers with six digits, times to the second."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if hasattr(value, "strftime"):
        return str(value.strftime("%Y-%m-%d %H:%M:%S"))
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
