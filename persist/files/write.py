"""Writing files where nobody else writes, and waiting until the disk holds them.

A file or folder that must be new is made whole, or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator

from persist.errors import DiskError
from persist.files.regular import open_descriptor, open_regular, write_at

__all__ = [
    "append_bytes",
    "claim_file",
    "create_file",
    "create_folder",
    "named_error",
    "remove_path",
    "replace_bytes",
    "set_mode",
    "sync_data",
    "sync_file",
    "sync_folder",
    "write_bytes",
]

# What network and memory file systems answer where a folder cannot be synced.
_NO_FOLDER_SYNC = {errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}

_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)


def write_bytes(path: str, data: bytes, *, durable: bool, mode: int | None = None) -> None:
    """Write a new file, or one that a writer who died has left; no symbolic link is followed.

    If `durable`, wait until the disk holds it. `mode` is its permissions, whatever the umask is. If
    the disk fails, what was written is left for the caller to remove.
    """
    handle = open_descriptor(path, _FLAGS | os.O_TRUNC)
    try:
        if mode is not None:
            set_mode(handle, mode)
        write_at(handle, data, 0)
        if durable:
            os.fsync(handle)
    except OSError as error:
        raise named_error(error, path) from error
    finally:
        os.close(handle)


def replace_bytes(path: str, data: bytes, *, durable: bool, mode: int | None = None) -> None:
    """Replace a file in one step, by way of ``<path>.new``; its permissions stay.

    For a caller that alone may write there: unlike those of `replace_file`, what a writer leaves
    that dies has a name by which the next one finds it. `mode` is the permissions of a new file. If
    the disk fails, the old file is whole, and nothing is left of the new one.
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
    """Continue a file after `at` bytes, without what followed there; make it if it is missing.

    A file that has several names is replaced instead: the others are copies of it, which stay. A
    symbolic link is refused. `mode` is the permissions of a new file. If the disk fails, the file
    ends at the position again, where the disk lets it.
    """
    handle = open_descriptor(path, _FLAGS)
    try:
        found = os.fstat(handle)
        if found.st_nlink == 1:
            if not found.st_size and mode is not None:
                set_mode(handle, mode)
            if found.st_size > at:
                os.ftruncate(handle, at)
            try:
                write_at(handle, data, at)
                if durable:
                    os.fsync(handle)
            except BaseException:
                os.ftruncate(handle, at)
                raise
            return
    except OSError as error:
        raise named_error(error, path) from error
    finally:
        os.close(handle)
    with open_regular(path, follow=True) as file:
        kept = file.read(at)
    replace_bytes(path, kept + data, durable=durable)


def set_mode(path: str | int, mode: int) -> None:
    """Set the permissions of a path or an open file, unless it has them already."""
    # Windows has permissions of another kind. Setting the same ones again takes as long as others.
    if os.name != "nt" and stat.S_IMODE(os.stat(path).st_mode) != mode:
        os.chmod(path, mode)


def sync_file(path: str | os.PathLike[str]) -> None:
    """Wait until the disk holds the content of a file that has been written and closed.

    OSError if the file is missing or the disk fails.
    """
    # Windows syncs only what is open for writing.
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: str | os.PathLike[str]) -> None:
    """Wait until the disk holds the names in a folder, where the system can do that.

    An empty path is the current folder. OSError if the folder is missing or the disk fails.
    """
    # Windows opens no folders: it writes their names itself.
    if os.name == "nt":
        return
    handle = os.open(os.fspath(path) or os.curdir, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def sync_data(handle: int) -> None:
    """Wait until the disk holds the content and the size of an open file.

    Other than `os.fsync`, it does not wait for the time of the last change, where the system can
    tell them apart: that takes half of the time.
    """
    getattr(os, "fdatasync", os.fsync)(handle)


def named_error(error: OSError, path: str) -> OSError:
    """Return an error of the system that says which file it is about."""
    # numpy says how much it has written, and not why that is not all.
    number = errno.ENOSPC if " requested and " in str(error) else error.errno
    if error.filename is not None or number is None:
        return error
    return DiskError(number, os.strerror(number), path)


def claim_file(path: str) -> None:
    """Make an empty file with the permissions of a new file; FileExistsError if there is one."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


@contextlib.contextmanager
def create_file(path: str) -> Iterator[str]:
    """Context manager that makes an empty file for the block to write, and removes it on failure.

    Raises FileExistsError if there is something at `path`, which is left alone.
    """
    claim_file(path)
    with _removed_on_failure(path):
        yield path
        sync_file(path)
        sync_folder(os.path.dirname(path))


@contextlib.contextmanager
def create_folder(path: str) -> Iterator[str]:
    """Context manager that makes a folder for the block to fill, and removes it on failure.

    Raises FileExistsError if there is something at `path`, which is left alone.
    """
    os.mkdir(path)
    with _removed_on_failure(path):
        yield path
        sync_folder(path)
        sync_folder(os.path.dirname(path))


def remove_path(path: str) -> None:
    """Remove a file, or a folder with all that is in it; nothing there is fine too."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


@contextlib.contextmanager
def _removed_on_failure(path: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        remove_path(path)
        raise
