"""How far long work has come: one signature for all functions that take ``progress``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import TypeAlias

from persist.display import harmless

__all__ = ["ItemReport", "Meter", "Progress", "Report", "item_reporter", "reporter"]

Report: TypeAlias = Callable[[int, int, str], object]
"""Takes how much is done, of how much, and the name of what was done last."""

ItemReport: TypeAlias = Callable[[int, int, str, str], object]
"""The same for the items of a workspace, with namespace and key in place of the name."""

Progress: TypeAlias = "bool | Report | ItemReport | None"
"""A function to call; or True, to write a line to standard error."""

_WIDTH = 78


def reporter(progress: Progress) -> Report:
    """Return the function to call after each step; True writes a line to standard error."""
    if callable(progress):
        return progress  # type: ignore[return-value]
    return _Line() if progress else lambda done, total, what: None


def item_reporter(progress: Progress) -> ItemReport:
    """Return the function to call after each item of a workspace.

    A function that takes four arguments gets the namespace and the key, one that takes three gets
    ``namespace/key``.
    """
    if callable(progress) and _takes(progress, 4):
        return progress  # type: ignore[return-value]
    report = reporter(progress)
    return lambda done, total, namespace, key: report(done, total, f"{namespace}/{key}")


class Meter:
    """Adds up what is done of `total`: bytes, or tasks."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._report = reporter(progress)
        self._total = total
        self._done = 0

    def advance(self, size: int, name: str) -> None:
        """Note that `size` more are done."""
        # A file may have grown since it was looked at.
        self._done = min(self._done + size, self._total)
        self._report(self._done, self._total, name)


def _takes(function: Callable[..., object], count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # It is of C, and does not say.
        return True
    return True


class _Line:
    """A line on standard error, written anew for each percent, and cleared when all is done."""

    def __init__(self) -> None:
        self._percent = -1

    def __call__(self, done: int, total: int, what: str) -> None:
        percent = 100 * done // max(1, total)
        if percent == self._percent:
            return
        self._percent = percent
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        shown = harmless(what).encode(encoding, "backslashreplace").decode(encoding)
        text = f"{percent:3} % {shown}"[:_WIDTH] if done < total else ""
        sys.stderr.write(f"\r{text:{_WIDTH}}\r")
        sys.stderr.flush()
