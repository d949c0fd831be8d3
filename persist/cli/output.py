"""Output of commands: text, tables, messages, and one JSON document of any values.

JSON has no number that is not finite: these are the strings ``NaN``, ``Infinity`` and
``-Infinity``. What is neither plain nor a number of numpy is its repr, cut short; so are mappings
with keys that would be equal, integers of thousands of digits, and what is nested too deeply.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, TextIO

from persist.display import aligned, harmless, is_long, short_repr

__all__ = [
    "clear_progress",
    "has_color",
    "is_json",
    "is_plain",
    "is_quiet",
    "jsonable",
    "output_options",
    "print_aside",
    "print_document",
    "print_listing",
    "print_message",
    "print_result",
    "print_table",
    "print_text",
    "shows_progress",
]

Rows = Sequence[Sequence[str]]
_COLORS = {"green": "\x1b[32m", "red": "\x1b[31m", "yellow": "\x1b[33m"}
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_DEEPEST = 100  # containers in containers
_FOLDED = 10  # characters of a cell, at least, that are on one line of a table
_WIDEST = 1 << 16  # characters
_ATOMS = (bool, int, str, type(None))


class _Options(NamedTuple):
    json: bool = False
    quiet: bool = False
    color: str = "auto"


_DEFAULT = _Options()
_OPTIONS: ContextVar[_Options] = ContextVar("options", default=_DEFAULT)


@contextlib.contextmanager
def output_options(args: argparse.Namespace) -> Iterator[None]:
    """Context manager that applies ``--json``, ``--quiet`` and ``--color``."""
    token = _OPTIONS.set(_Options(args.json, args.quiet, args.color))
    try:
        yield
    finally:
        _OPTIONS.reset(token)


def is_json() -> bool:
    """Return True if one JSON document is printed in place of text."""
    return _OPTIONS.get().json


def is_quiet() -> bool:
    """Return True if only results and errors are printed."""
    return _OPTIONS.get().quiet


def shows_progress() -> bool:
    """Return True if long commands show how far they have come: on terminals, unless quiet."""
    return not is_quiet() and sys.stderr.isatty()


def clear_progress() -> None:
    """Clear the line that long work left on a terminal when it failed."""
    if shows_progress():
        sys.stderr.write("\r\x1b[K")


def print_message(text: str) -> None:
    """Print an error or a warning to stderr."""
    clear_progress()
    print(f"persist: {harmless(text)}", file=sys.stderr)


def print_aside(text: str) -> None:
    """Print to stderr what a command has left out."""
    print(harmless(text), file=sys.stderr)


def has_color(stream: TextIO) -> bool:
    """Return True if output to `stream` is coloured.

    ``--color`` decides, then the variables NO_COLOR and FORCE_COLOR, then whether `stream` is a
    terminal that knows colours.
    """
    wanted = _OPTIONS.get().color
    if wanted != "auto":
        return wanted == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def print_listing(document: Any, columns: Sequence[str], rows: Rows, nothing: str) -> None:
    """Print `document` as JSON, or rows under the names of their columns, or that it is empty."""
    if is_json():
        print_document(document)
    elif rows:
        print_table(columns, rows)
    else:
        print_text(nothing)


def print_table(columns: Sequence[str], rows: Rows) -> None:
    """Print rows under the names of their columns; nothing if there are none.

    On a terminal that is too narrow, a row is several lines, one for each cell with text.
    """
    if not rows:
        return
    is_terminal = sys.stdout.isatty()
    widths = [min(_FOLDED, max(map(len, cells))) for cells in zip(columns, *rows, strict=True)]
    if is_terminal and sum(widths) + 3 * len(widths) > shutil.get_terminal_size().columns:
        labelled = ([pair for pair in zip(columns, row, strict=True) if pair[1]] for row in rows)
        print_text("\n\n".join(map(aligned, labelled)))
    elif (is_terminal or has_color(sys.stdout)) and importlib.util.find_spec("rich") is not None:
        _print_rich(columns, rows)
    else:
        print_text(aligned([columns, *rows]))


def print_text(text: str, color: str = "") -> None:
    """Print `text`; escape what the encoding of the output lacks and what a terminal would obey."""
    text = _escaped(text)
    print(f"{_COLORS[color]}{text}\x1b[0m" if color and has_color(sys.stdout) else text)


def _escaped(text: str) -> str:
    encoding = sys.stdout.encoding or "utf-8"
    return harmless(text).encode(encoding, "backslashreplace").decode(encoding)


def _print_rich(columns: Sequence[str], rows: Rows) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # What is too wide goes on in the next line: no key is to be cut.
        table.add_column(Text(_escaped(column)), overflow="fold")
    for row in rows:
        # Bare strings would be read as markup: "[mV]" is not a style.
        table.add_row(*(Text(_escaped(cell)) for cell in row))
    color = has_color(sys.stdout)
    Console(
        file=sys.stdout,
        force_terminal=color or None,
        color_system="auto" if color else None,
        # Lines of a pipe are as long as they need to be.
        width=None if sys.stdout.isatty() else _WIDEST,
    ).print(table)


def print_document(document: Any) -> None:
    """Print `document` as JSON."""
    print(json.dumps(jsonable(document), allow_nan=False, indent=2))


def print_result(document: Any, done: str = "", text: str = "") -> None:
    """Print `document` with ``--json``, else `text`; then `done` unless ``--quiet``."""
    if is_json():
        print_document(document)
    elif lines := [line for line in (text, "" if is_quiet() else done) if line]:
        print_text("\n".join(lines))


def jsonable(value: Any, depth: int = _DEEPEST) -> Any:
    """Return `value` as JSON can hold it.

    Examples
    --------
    >>> jsonable({"rate": 0.5, 3: (1, float("nan")), "at": 1j})
    {'rate': 0.5, '3': [1, 'NaN'], 'at': '1j'}
    """
    if type(value) in _ATOMS and not is_long(value):
        return value
    if type(value) is float:
        return _NOT_FINITE.get(repr(value), value)
    if isinstance(value, Mapping) and depth:
        found = {
            key if type(key) is str else str(key): jsonable(item, depth - 1)
            for key, item in value.items()
        }
        if len(found) == len(value):
            return found
    if type(value) in (list, tuple) and depth:
        return [jsonable(item, depth - 1) for item in value]
    # Where numpy is not loaded, nothing is of its types.
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.bool_, numpy.integer, numpy.floating)):
        plain = value.item()
        if type(plain) in (bool, int, float):
            return jsonable(plain)
    return short_repr(value)


def is_plain(value: Any, depth: int = _DEEPEST) -> bool:
    """Return True if JSON holds `value` as it is, but for the numbers that are not finite."""
    if type(value) is dict:
        return depth > 0 and all(
            type(key) is str and is_plain(item, depth - 1) for key, item in value.items()
        )
    if type(value) is list:
        return depth > 0 and all(is_plain(item, depth - 1) for item in value)
    return (type(value) in _ATOMS and not is_long(value)) or type(value) is float
