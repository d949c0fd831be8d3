"""How far a long save or merge has come."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Progress", "Report", "reporter"]

Report: TypeAlias = Callable[[int, int, str, str], None]
Progress: TypeAlias = "bool | Report | None"


def reporter(progress: Progress) -> Report:
    """Return what is called after each item with how many are done, of how many, and its names.

    Parameters
    ----------
    progress : bool or callable, optional
        A function to call; or True, to write a line to standard error.
    """
    if callable(progress):
        return progress
    return _write if progress else _ignore


def _write(done: int, total: int, namespace: str, key: str) -> None:
    end = "\n" if done == total else ""
    text = f"{done}/{total} {namespace}/{key}"[:78]
    sys.stderr.write(f"\r{text:78}{end}")
    sys.stderr.flush()


def _ignore(done: int, total: int, namespace: str, key: str) -> None:
    pass
