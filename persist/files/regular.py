"""Regular files read and written at an offset by plain seek, read and write."""

from __future__ import annotations

import contextlib
import os
import stat
import weakref

from persist.errors import NotRegularError
from persist.files.confine import open_descriptor

__all__ = ["Handle", "check_regular", "open_for_writing", "read_at", "write_at"]


_KINDS = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISFIFO, "it is a pipe"),
    (stat.S_ISSOCK, "it is a socket"),
)


def open_for_writing(path: str, flags: int = 0) -> int:
    """Open a regular file for reading and writing in place, and return the descriptor.

    Raises
    ------
    NotRegularError
        If `path` is a link, a folder, a pipe, a socket or a device.
    OSError
        If the system refuses.
    """
    return open_descriptor(path, os.O_RDWR | getattr(os, "O_BINARY", 0) | flags)


def check_regular(path: str) -> os.stat_result:
    """Return the status of the regular file that `path` leads to, links followed.

    Raises
    ------
    NotRegularError
        If it is a folder, a pipe, a socket or a device.
    OSError
        If it is missing.
    """
    found = os.stat(path)
    if stat.S_ISREG(found.st_mode):
        return found
    for is_kind, reason in _KINDS:
        if is_kind(found.st_mode):
            raise NotRegularError(path, reason)
    raise NotRegularError(path, "it is a device")


def read_at(handle: int, size: int, offset: int) -> bytes:
    """Read up to `size` bytes from an offset; fewer only at the end of the file."""
    os.lseek(handle, offset, os.SEEK_SET)
    pieces = []
    while size > 0:
        piece = os.read(handle, size)
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def write_at(handle: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at an offset."""
    os.lseek(handle, offset, os.SEEK_SET)
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


class Handle:
    """A regular file open for reading and writing, made if it is missing, closed when unused.

    Attributes
    ----------
    number : int
        The descriptor.
    """

    def __init__(self, path: str) -> None:
        self.number = open_for_writing(path, os.O_CREAT)
        self._closer = weakref.finalize(self, _close, self.number)
        # Whoever closes a workspace when the interpreter ends comes after finalizers.
        self._closer.atexit = False

    def close(self) -> None:
        """Close the file; further calls do nothing."""
        self._closer()


def _close(number: int) -> None:
    # What was written is synced or not needed: there is nobody to tell of an error.
    with contextlib.suppress(OSError):
        os.close(number)
