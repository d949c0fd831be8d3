"""Regular files: opened by no link, pipe or device, and read and written at an offset."""

from __future__ import annotations

import contextlib
import os
import stat
import weakref
from typing import Any

from persist.errors import NotRegularError

__all__ = [
    "Handle",
    "check_regular",
    "identity_of",
    "leads_elsewhere",
    "open_descriptor",
    "open_for_writing",
    "open_regular",
    "read_at",
    "write_at",
]

_KINDS = {
    stat.S_IFREG: "",
    stat.S_IFLNK: "it is a symbolic link",
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a pipe",
    stat.S_IFSOCK: "it is a socket",
}


def identity_of(path: str, *, follow: bool = True) -> tuple[int, int] | None:
    """Return the identity of a file, to notice that it was replaced; None if it is missing."""
    try:
        found = os.stat(path) if follow else os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_regular(
    path: str | os.PathLike[str],
    mode: str = "rb",
    *,
    follow: bool = False,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    buffering: int = -1,
) -> Any:
    """Open a regular file: never through a link, and never waiting for a pipe or a device.

    Other arguments are as for `open`. With `follow`, a symbolic link may lead to the file: for
    paths that the user gave, not for names that were read. NotRegularError if there is a link,
    folder, pipe, socket or device; nothing is read from it.

    Examples
    --------
    >>> open_regular(os.devnull)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
      ...
    persist.errors.NotRegularError: cannot open ...: it is a device...
    """

    def opener(path: str, flags: int) -> int:
        return open_descriptor(path, flags, follow)

    return open(path, mode, buffering, encoding, errors, newline, opener=opener)


def open_descriptor(path: str, flags: int, follow: bool = False) -> int:
    """Do as `open_regular` with the flags of `os.open`, and return the descriptor."""
    before = None
    if not follow and hasattr(os, "O_NOFOLLOW"):
        flags |= os.O_NOFOLLOW
    elif not follow:
        with contextlib.suppress(FileNotFoundError):
            before = os.lstat(path)
        if before is not None and leads_elsewhere(before):
            raise NotRegularError(path, "it is a symbolic link")
    # Without O_NONBLOCK, which regular files ignore, open waits until somebody writes into a pipe.
    # Truncation waits until it is known what was opened.
    truncate = flags & os.O_TRUNC
    flags = (flags & ~os.O_TRUNC) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        kind = ""
        with contextlib.suppress(OSError):
            kind = _kind(os.stat(path, follow_symlinks=follow).st_mode)
        if kind:
            raise NotRegularError(path, kind) from error
        raise
    try:
        found = os.fstat(descriptor)
        if kind := _kind(found.st_mode):
            raise NotRegularError(path, kind)
        # Where the system has no O_NOFOLLOW, a link may have come between the two calls.
        if before is not None and not os.path.samestat(before, found):
            raise NotRegularError(path, "it was replaced while it was opened")
        if truncate and found.st_size:
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_for_writing(path: str, flags: int = 0) -> int:
    """Open a regular file for reading and writing in place, and return the descriptor.

    NotRegularError if `path` is a link, a folder, a pipe, a socket or a device.
    """
    return open_descriptor(path, os.O_RDWR | getattr(os, "O_BINARY", 0) | flags)


def check_regular(path: str) -> os.stat_result:
    """Return the status of the regular file that `path` leads to, links followed.

    Raises NotRegularError if it is a folder, a pipe, a socket or a device.
    """
    found = os.stat(path)
    if kind := _kind(found.st_mode):
        raise NotRegularError(path, kind)
    return found


def leads_elsewhere(found: os.stat_result) -> bool:
    """Return True for a symbolic link, or a junction of Windows."""
    junction = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)
    return stat.S_ISLNK(found.st_mode) or (
        junction is not None and getattr(found, "st_reparse_tag", 0) == junction
    )


def _kind(mode: int) -> str:
    """Return what a path is if it is not a regular file; nothing if it is."""
    return _KINDS.get(stat.S_IFMT(mode), "it is a device")


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
