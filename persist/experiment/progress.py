"""How far a consolidation has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Meter", "Progress"]

Progress: TypeAlias = "Callable[[int, int, str], None] | None"
"""Takes how many bytes are done, of how many, and the name of the file that was."""


class Meter:
    """Adds up what is done.

    Parameters
    ----------
    progress : callable or None
        Called with the bytes done, the bytes in all, and a name.
    total : int
        The bytes in all.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def advance(self, size: int, name: str) -> None:
        """Note that `size` bytes more are done."""
        # A file may have grown since it was looked at.
        self._done = min(self._done + size, self._total)
        if self._progress is not None:
            self._progress(self._done, self._total, name)
