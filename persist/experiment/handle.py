"""A file of the system that is closed when nobody uses it any more."""

from __future__ import annotations

import contextlib
import os
import weakref

__all__ = ["Handle"]

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Handle:
    """A file that is open for reading and writing; made if it is missing.

    Attributes
    ----------
    number : int
        Its descriptor.
    """

    def __init__(self, path: str) -> None:
        self.number = os.open(path, _FLAGS, 0o666)
        self._closer = weakref.finalize(self, _close, self.number)

    def close(self) -> None:
        """Close it; once is enough."""
        self._closer()


def _close(number: int) -> None:
    # What was written is synced or not needed: there is nobody to tell of an error.
    with contextlib.suppress(OSError):
        os.close(number)
