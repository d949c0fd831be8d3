"""Writing a file at once, where it is the writer's own: nobody reads it yet."""

from __future__ import annotations

import contextlib
import os

__all__ = ["append_bytes", "replace_bytes", "write_bytes"]

_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_FLAGS |= getattr(os, "O_BINARY", 0)


def write_bytes(path: str, data: bytes, *, durable: bool) -> None:
    """Write a new file, or one that a writer who died has left.

    Parameters
    ----------
    path : str
        A file; a symbolic link is refused, not followed.
    data : bytes
        The content.
    durable : bool
        Whether to wait until the disk holds it.

    Raises
    ------
    OSError
        If the disk fails; what was written is left for the caller to remove.
    """
    handle = os.open(path, _FLAGS | os.O_TRUNC, 0o666)
    try:
        _write(handle, data)
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)


def replace_bytes(path: str, data: bytes, *, durable: bool) -> None:
    """Replace a file in one step, by way of ``<path>.new``.

    For who alone may write there: unlike those of `replace_file`, what a writer leaves that dies
    has a name by which the next one finds it.

    Raises
    ------
    OSError
        If the disk fails; the old file is whole, and nothing is left of the new one.
    """
    temporary = f"{path}.new"
    try:
        write_bytes(temporary, data, durable=durable)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def append_bytes(path: str, data: bytes, *, at: int, durable: bool) -> None:
    """Let a file go on from a position, without what stood there.

    Parameters
    ----------
    path : str
        A file, made if it is missing; a symbolic link is refused, not followed.
    data : bytes
        What to add.
    at : int
        The length that is kept, in bytes.
    durable : bool
        Whether to wait until the disk holds it.

    Raises
    ------
    OSError
        If the disk fails; the file ends at the position again, where the disk lets it.
    """
    handle = os.open(path, _FLAGS, 0o666)
    try:
        if os.fstat(handle).st_size > at:
            os.ftruncate(handle, at)
        os.lseek(handle, at, os.SEEK_SET)
        try:
            _write(handle, data)
            if durable:
                os.fsync(handle)
        except BaseException:
            os.ftruncate(handle, at)
            raise
    finally:
        os.close(handle)


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
