"""Tables on the terminal: of rich if it is installed, else aligned text."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

from persist.cli.output import has_color
from persist.display import aligned, harmless

__all__ = ["harmless", "has_rich", "print_table", "print_text"]

Rows = Sequence[Sequence[str]]
_COLORS = {"green": "\x1b[32m", "red": "\x1b[31m", "yellow": "\x1b[33m"}


def print_table(columns: Sequence[str], rows: Rows) -> None:
    """Print rows under the names of their columns; nothing if there are none."""
    if rows and (sys.stdout.isatty() or has_color(sys.stdout)) and has_rich():
        _print_rich(columns, rows)
    elif rows:
        print_text(aligned([columns, *rows]))


def print_text(text: str, color: str = "") -> None:
    """Print `text`; escape what the encoding of the output lacks and what a terminal would obey."""
    encoding = sys.stdout.encoding or "utf-8"
    text = harmless(text).encode(encoding, "backslashreplace").decode(encoding)
    print(f"{_COLORS[color]}{text}\x1b[0m" if color and has_color(sys.stdout) else text)


def has_rich() -> bool:
    """Return True if rich can be imported."""
    return importlib.util.find_spec("rich") is not None


def _print_rich(columns: Sequence[str], rows: Rows) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # What is too wide goes on in the next line: no key is to be cut.
        table.add_column(Text(harmless(column)), overflow="fold")
    for row in rows:
        # Bare strings would be read as markup: "[mV]" is not a style.
        table.add_row(*(Text(harmless(cell)) for cell in row))
    color = has_color(sys.stdout)
    Console(
        file=sys.stdout, force_terminal=color or None, color_system="auto" if color else None
    ).print(table)
