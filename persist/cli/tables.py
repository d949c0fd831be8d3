"""Tables: of rich on a terminal if it is installed, else aligned text."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

__all__ = ["has_rich", "human_size", "print_table", "print_text"]

Rows = Sequence[Sequence[str]]


def print_table(columns: Sequence[str], rows: Rows) -> None:
    """Print rows under the names of their columns; nothing if there are none."""
    if rows and sys.stdout.isatty() and has_rich():
        _print_rich(columns, rows)
    elif rows:
        print_text(aligned([columns, *rows]))


def print_text(text: str) -> None:
    """Print `text`, and escape what the encoding of the output lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def has_rich() -> bool:
    """Tell whether rich can be imported."""
    return importlib.util.find_spec("rich") is not None


def aligned(rows: Rows) -> str:
    """Return rows as lines, with their cells below each other.

    Examples
    --------
    >>> print(aligned([["key", "size"], ["x", "8 B"]]))
    key  size
    x    8 B
    """
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def human_size(count: int) -> str:
    """Return a number of bytes as people read it.

    Examples
    --------
    >>> human_size(0), human_size(1023), human_size(1536), human_size(3 * 2**40)
    ('0 B', '1023 B', '1.5 KiB', '3.0 TiB')
    """
    if count < 1024:
        return f"{count} B"
    size, units = float(count), iter(["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
    unit = ""
    while size >= 1023.95 or not unit:
        size, unit = size / 1024, next(units)
    return f"{size:.1f} {unit}"


def _print_rich(columns: Sequence[str], rows: Rows) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # What is too wide goes on in the next line: no key is to be cut.
        table.add_column(column, overflow="fold")
    for row in rows:
        # Bare strings would be read as markup: "[mV]" is not a style.
        table.add_row(*map(Text, row))
    Console(file=sys.stdout).print(table)
