"""Waiting until the disk holds what was written."""

from __future__ import annotations

import errno
import os

__all__ = ["sync_data", "sync_file", "sync_folder"]

# What network and memory file systems answer where a folder cannot be synced.
_NO_FOLDER_SYNC = {errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}


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
