"""What is in a workspace, as a table and as a tree."""

from __future__ import annotations

import time
from collections.abc import Callable
from html import escape
from typing import Any

from persist.workspace.entries import Entry, Index, listed
from persist.workspace.pictures import picture

__all__ = ["html_tree", "text_table"]

_MOST_ROWS = 60
_MOST_PICTURES = 40
_MOST_HTML = 2000
_LONGEST = 48
_STYLE = "text-align:left;padding:0 .8em"


def text_table(headline: str, index: Index) -> str:
    """Return a line for the workspace and one for each item: type, shape, note."""
    items = list(listed(index))
    rows = [_row(*item) for item in items[:_MOST_ROWS]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    left = len(items) - len(rows)
    return "\n".join(
        [headline, *(f"  {line}" for line in lines), *([f"  … {left} more"] * bool(left))]
    )


def _row(namespace: str, key: str, entry: Entry) -> tuple[str, ...]:
    return (
        f"{_short(namespace)}/{_short(key)}",
        _short(str(entry["type"])),
        size(entry),
        note(entry),
    )


def size(entry: Entry) -> str:
    """Return the shape of an item, and its dtype, as text."""
    shape = entry.get("shape")
    if shape is None:
        units = entry.get("N", entry.get("N_units"))
        return "" if units is None else f"{units} units"
    dtype = f" {entry['dtype']}" if "dtype" in entry else ""
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)}){dtype}"


def note(entry: Entry) -> str:
    """Return the first line of the note on an item, not too long."""
    found = entry.get("note")
    return "" if found is None else _short(str(found).strip().partition("\n")[0])


def _short(text: str) -> str:
    shown = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def html_tree(headline: str, index: Index, load: Callable[[str, str], Any]) -> str:
    """Return a list of namespaces, each of which opens to a table of its items.

    Parameters
    ----------
    headline : str
        The first line.
    index : dict
        What is known of the items.
    load : callable
        Returns the object of a small item, by namespace and key.
    """
    left = [_MOST_PICTURES, _MOST_HTML]
    trees = [
        f"<details><summary>{escape(_short(namespace))} ({len(keys)})</summary>"
        f"{_html_table(namespace, keys, load, left)}</details>"
        for namespace, keys in index.items()
    ]
    return f"<div><code>{escape(headline)}</code>{''.join(trees)}</div>"


def _html_table(
    namespace: str, keys: dict[str, Entry], load: Callable[[str, str], Any], left: list[int]
) -> str:
    rows: list[str] = []
    for key, entry in keys.items():
        if left[1] <= 0:
            rows.append(f"<tr><td colspan='6'>… {len(keys) - len(rows)} more</td></tr>")
            break
        left[1] -= 1
        cells = (_short(key), _short(str(entry["type"])), size(entry), _when(entry), note(entry))
        row = "".join(f"<td style='{_STYLE}'>{escape(cell)}</td>" for cell in cells)
        rows.append(f"<tr>{row}<td>{_picture(namespace, key, entry, load, left)}</td></tr>")
    names = ("key", "type", "shape", "stored", "note", "")
    head = "".join(f"<th style='{_STYLE}'>{name}</th>" for name in names)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _picture(
    namespace: str, key: str, entry: Entry, load: Callable[[str, str], Any], left: list[int]
) -> str:
    if left[0] <= 0 or entry.get("type") != "ndarray":
        return ""

    def counted() -> Any:
        left[0] -= 1
        return load(namespace, key)

    return picture(entry, counted)


def _when(entry: Entry) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(float(entry["created_at"])))
    except (OSError, OverflowError, ValueError):
        return "?"
