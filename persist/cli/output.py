"""The options of output that all commands have: ``--quiet`` and ``--color``."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TextIO

from persist.display import harmless

__all__ = [
    "clear_progress",
    "has_color",
    "is_quiet",
    "output_options",
    "print_message",
    "shows_progress",
]

_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
_COLOR: ContextVar[str] = ContextVar("color", default="auto")


@contextlib.contextmanager
def output_options(args: argparse.Namespace) -> Iterator[None]:
    """Context manager that applies ``--quiet`` and ``--color``."""
    quiet, color = _QUIET.set(args.quiet), _COLOR.set(args.color)
    try:
        yield
    finally:
        _QUIET.reset(quiet)
        _COLOR.reset(color)


def is_quiet() -> bool:
    """Return True if only results and errors are printed."""
    return _QUIET.get()


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


def has_color(stream: TextIO) -> bool:
    """Return True if output to `stream` is coloured.

    ``--color`` decides, then the variables NO_COLOR and FORCE_COLOR, then whether `stream` is a
    terminal that knows colours.
    """
    if _COLOR.get() != "auto":
        return _COLOR.get() == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"
