"""How far a long command is: on a terminal, and nowhere else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from persist.cli.tables import has_rich

__all__ = ["Advance", "Meter", "byte_meter", "progress"]

Advance = Callable[[str], None]
Meter = Callable[[int, int, str], None]
_CLEAR = "\r\x1b[K"


@contextlib.contextmanager
def progress(total: int) -> Iterator[Advance]:
    """Let the block tell of each step as it begins.

    Parameters
    ----------
    total : int
        The number of steps.

    Yields
    ------
    callable
        Takes the name of a step. What it shows on stderr is gone when the block ends.
    """
    if not sys.stderr.isatty():
        yield lambda name: None
    elif has_rich():
        with _rich(total) as advance:
            yield advance
    else:
        with _plain(total) as advance:
            yield advance


@contextlib.contextmanager
def byte_meter() -> Iterator[Meter]:
    """Let the block tell how many bytes are done, of how many, and the name of what they are of.

    Yields
    ------
    callable
        What it shows on stderr is gone when the block ends.
    """
    if not sys.stderr.isatty():
        yield lambda done, total, name: None
        return
    shown = -1

    def show(done: int, total: int, name: str) -> None:
        nonlocal shown
        percent = 100 * done // max(1, total)
        if percent != shown:
            shown = percent
            _show(f"[{percent} %] {name[:60]}")

    try:
        yield show
    finally:
        _show("")


def _show(text: str) -> None:
    encoding = sys.stderr.encoding or "utf-8"
    line = text.encode(encoding, "backslashreplace").decode(encoding)
    print(f"{_CLEAR}{line}", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _plain(total: int) -> Iterator[Advance]:
    done = 0

    def advance(name: str) -> None:
        nonlocal done
        done += 1
        _show(f"[{done}/{total}] {name[:60]}")

    try:
        yield advance
    finally:
        _show("")


@contextlib.contextmanager
def _rich(total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        begun = 0

        def advance(name: str) -> None:
            nonlocal begun
            bar.update(task, completed=begun, description=escape(name))
            begun += 1

        yield advance
