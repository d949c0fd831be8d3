"""Writing a file at once, where nobody else writes."""

from __future__ import annotations

import contextlib
import os
import stat

from persist.files.confine import open_descriptor, open_regular

__all__ = ["append_bytes", "replace_bytes", "write_bytes"]

_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
# Without O_NONBLOCK, open waits for whoever reads from a pipe.
_FLAGS |= getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def write_bytes(path: str, data: bytes, *, durable: bool, mode: int | None = None) -> None:
    """Write a new file, or one that a writer who died has left.

    Parameters
    ----------
    path : str
        A file; a symbolic link is refused, not followed.
    data : bytes
        The content.
    durable : bool
        Whether to wait until the disk holds it.
    mode : int, optional
        Its permissions, whatever the umask is; by default those of a new file.

    Raises
    ------
    OSError
        If the disk fails; what was written is left for the caller to remove.
    """
    handle = _open(path, _FLAGS | os.O_TRUNC)
    try:
        if mode is not None and hasattr(os, "fchmod"):
            os.fchmod(handle, mode)
        _write(handle, data)
        if durable:
            os.fsync(handle)
    except OSError as error:
        raise _named(error, path) from error
    finally:
        os.close(handle)


def replace_bytes(path: str, data: bytes, *, durable: bool, mode: int | None = None) -> None:
    """Replace a file in one step, by way of ``<path>.new``; its permissions stay.

    For a caller that alone may write there: unlike those of `replace_file`, what a writer leaves
    that dies has a name by which the next one finds it.

    Parameters
    ----------
    path, data, durable
        As for `write_bytes`.
    mode : int, optional
        The permissions of a new file.

    Raises
    ------
    OSError
        If the disk fails; the old file is whole, and nothing is left of the new one.
    """
    temporary = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        mode = stat.S_IMODE(os.stat(path).st_mode)
    try:
        write_bytes(temporary, data, durable=durable, mode=mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def append_bytes(
    path: str, data: bytes, *, at: int, durable: bool, mode: int | None = None
) -> None:
    """Continue a file from a position, without what followed there.

    A file that has several names is replaced instead: the others are copies of it, which stay.

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
    mode : int, optional
        The permissions of a new file.

    Raises
    ------
    OSError
        If the disk fails; the file ends at the position again, where the disk lets it.
    """
    handle = _open(path, _FLAGS)
    try:
        found = os.fstat(handle)
        if found.st_nlink == 1:
            if not found.st_size and mode is not None and hasattr(os, "fchmod"):
                os.fchmod(handle, mode)
            if found.st_size > at:
                os.ftruncate(handle, at)
            os.lseek(handle, at, os.SEEK_SET)
            try:
                _write(handle, data)
                if durable:
                    os.fsync(handle)
            except BaseException:
                os.ftruncate(handle, at)
                raise
            return
    except OSError as error:
        raise _named(error, path) from error
    finally:
        os.close(handle)
    with open_regular(path, follow=True) as file:
        kept = file.read(at)
    replace_bytes(path, kept + data, durable=durable)


def _open(path: str, flags: int) -> int:
    if not hasattr(os, "O_NOFOLLOW"):
        return open_descriptor(path, flags)
    return os.open(path, flags, 0o666)


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _named(error: OSError, path: str) -> OSError:
    """Return an error of the system that says which file it is about."""
    if error.filename is None and error.errno is not None:
        return OSError(error.errno, error.strerror, path)
    return error
