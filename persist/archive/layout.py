"""Where lines break: brackets in one line where they fit, else one item a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["INDENT", "WIDTH", "bracket", "fits", "lines", "rows", "words"]

WIDTH = 100
INDENT = 4
_PER_ROW = 10


def fits(text: str, column: int) -> bool:
    """Tell whether `text`, begun at `column`, ends within the line, a comma after it included."""
    return column + len(text) < WIDTH and "\n" not in text


def bracket(opening: str, items: Sequence[str], closing: str, indent: int, column: int) -> str:
    """Return `items` between brackets.

    Parameters
    ----------
    opening, closing : str
        The brackets, with what stands before the first.
    items : sequence of str
        The items, written for `indent` + 4.
    indent : int
        Blanks at the start of the line in which the bracket closes.
    column : int
        Where the opening begins.
    """
    line = opening + ", ".join(items) + closing
    if fits(line, column) or not items:
        return line
    return lines(opening, items, closing, indent)


def lines(opening: str, items: Iterable[str], closing: str, indent: int) -> str:
    """Return `items` between brackets, each in a line of its own."""
    # One join, as the text may be that of a whole archive.
    blanks = " " * (indent + INDENT)
    parts = list(items)
    parts[0] = f"{opening}\n{blanks}{parts[0]}"
    parts[-1] = f"{parts[-1]},\n{' ' * indent}{closing}"
    return f",\n{blanks}".join(parts)


def rows(opening: str, items: Sequence[str], closing: str, indent: int) -> str:
    """Return short `items` between brackets, ten a line, or fewer where ten are too long."""
    count = _per_row(max(map(len, items)) + len(", "), indent)
    parts = [", ".join(items[i : i + count]) for i in range(0, len(items), count)]
    return lines(opening, parts, closing, indent)


def words(parts: Sequence[str], indent: int) -> str:
    """Return words in indented lines, ten a line, or fewer where ten are too long."""
    count = _per_row(max(map(len, parts)) + len(" "), indent)
    blanks = "\n" + " " * (indent + INDENT)
    joined = blanks.join(" ".join(parts[i : i + count]) for i in range(0, len(parts), count))
    return f"{blanks}{joined}\n{' ' * indent}"


def _per_row(width: int, indent: int) -> int:
    return max(1, min(_PER_ROW, (WIDTH - indent - INDENT) // width))
