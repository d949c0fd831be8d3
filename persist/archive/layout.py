"""Where lines break: brackets in one line where they fit, else one item a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

__all__ = [
    "CONTAINERS",
    "INDENT",
    "MAX_ITEMS_A_LINE",
    "WIDTH",
    "PlainTexts",
    "bracket",
    "fits",
    "lines",
    "rows",
    "separator",
]

WIDTH = 100
INDENT = 4
CONTAINERS = frozenset([list, tuple, dict])

_PER_ROW = 10
_BATCH = 2520  # full rows, however many items a row has
MAX_ITEMS_A_LINE = 34

# What C writes in a way that Python does not read back exactly.
_UNSAFE = re.compile(r"\b(?:infj?|nanj?|Ellipsis|NotImplemented)\b|[0-9]j\b")
_ODD_ATOMS = {complex, type(Ellipsis), type(NotImplemented)}


def fits(text: str, column: int) -> bool:
    """Return True if `text`, begun at `column`, ends within the line, with a comma after it."""
    return column + len(text) < WIDTH and "\n" not in text


def bracket(opening: str, items: Sequence[str], closing: str, indent: int, column: int) -> str:
    """Return `items` between brackets.

    Parameters
    ----------
    opening, closing : str
        The brackets, with the text before the first.
    items : sequence of str
        The items, written for `indent` + 4.
    indent : int
        Blanks at the start of the line in which the bracket closes.
    column : int
        The column where the opening begins.
    """
    if len(items) < WIDTH:
        line = opening + ", ".join(items) + closing
        if (column + len(line) < WIDTH and "\n" not in line) or not items:
            return line
    return lines(opening, items, closing, indent)


def lines(opening: str, items: Iterable[str], closing: str, indent: int) -> str:
    """Return `items` between brackets, each in a line of its own."""
    # One join, as the text may be that of a whole archive.
    parts = list(items)
    parts[0] = f"{opening}\n{' ' * (indent + INDENT)}{parts[0]}"
    parts[-1] = f"{parts[-1]},\n{' ' * indent}{closing}"
    return separator(indent + INDENT).join(parts)


def separator(indent: int) -> str:
    """Return the text between two items that have lines of their own."""
    return f",\n{' ' * indent}"


def rows(
    opening: str, items: Iterable[str], closing: str, indent: int, separator: str = ", "
) -> str:
    """Return short `items` between brackets, ten a line, or fewer where ten are too long."""
    # Kept as joined batches, since a short text takes many times the memory of its characters.
    texts, batches, width = iter(items), [], 0
    while batch := list(islice(texts, _BATCH)):
        width = max(width, len(max(batch, key=len)))
        batches.append("\n".join(batch))
    width += len(separator)
    count = max(1, min(_PER_ROW, (WIDTH - indent - INDENT) // width))
    parts = (
        separator.join(words[i : i + count])
        for words in (batch.split("\n") for batch in batches)
        for i in range(0, len(words), count)
    )
    if separator == ", ":
        return lines(opening, parts, closing, indent)
    blanks = "\n" + " " * (indent + INDENT)
    return f"{opening}{blanks}{blanks.join(parts)}\n{' ' * indent}{closing}"


class PlainTexts:
    """Writes small containers by `repr`, except where that is not exact for their atoms."""

    def __init__(self, atoms: set[type]) -> None:
        self._has_odd_atoms = bool(atoms & _ODD_ATOMS)

    def one(self, obj: Any, column: int) -> str:
        """Return the text of a container, empty if it is not exact or does not fit in its line."""
        return "" if _is_large(obj) else self.text(obj, column)

    def text(self, obj: Any, column: int) -> str:
        """Return the text of a small container, as `one` does."""
        try:
            text = repr(obj)
        except ValueError:  # more digits than CPython prints
            return ""
        return text if column + len(text) < WIDTH and self.is_exact(text) else ""

    def many(self, plain: list[Any], width: int) -> list[str]:
        """Return the texts of unshared containers, empty where not exact or too long."""
        if len(plain) < 2 or any(map(_is_large, plain[:2])):
            return []
        try:
            texts = list(map(repr, plain))
        except ValueError:  # more digits than CPython prints
            return []
        if self.is_exact("".join(texts)):
            if len(max(texts, key=len)) < width:
                return texts
            return [text if len(text) < width else "" for text in texts]
        return [text if len(text) < width and self.is_exact(text) else "" for text in texts]

    def is_exact(self, text: str) -> bool:
        """Return True if Python reads back exactly the objects of a text that C wrote."""
        if not text.isascii():
            return False
        may_be_unsafe = self._has_odd_atoms or "nan" in text or "inf" in text
        return not (may_be_unsafe and _UNSAFE.search(text))


def _is_large(obj: Any) -> bool:
    """Return True if a container has more items, nested ones included, than a line may hold."""
    budget, waiting = MAX_ITEMS_A_LINE, [obj]
    while waiting:
        found = waiting.pop()
        budget -= len(found)
        if budget < 0:
            return True
        items = found.values() if type(found) is dict else found
        if not CONTAINERS.isdisjoint(map(type, items)):
            waiting += [item for item in items if type(item) in CONTAINERS]
    return False
