"""A lock that an object holds for its life, told by a file as in older releases."""

from __future__ import annotations

import json
import os
import socket
import warnings
import weakref

from persist.dataset.layout import HELD
from persist.errors import PersistWarning
from persist.files import FolderLock
from persist.files.create import remove_path
from persist.files.write import write_bytes

__all__ = ["Held"]


class Held:
    """Takes the lock of a data set, and keeps it.

    Parameters
    ----------
    lock : FolderLock
        The lock; waited for.
    folder : str
        The data set.

    Raises
    ------
    LockTimeout
        If somebody else keeps it.
    """

    def __init__(self, lock: FolderLock, folder: str) -> None:
        self._lock = lock
        self._path = os.path.join(folder, HELD)
        lock.acquire()
        try:
            owner = {"pid": os.getpid(), "host": socket.gethostname()}
            # A file that is there already has no owner: he would hold the lock.
            write_bytes(self._path, json.dumps(owner).encode() + b"\n", durable=False)
            found = os.stat(self._path)
        except BaseException:
            lock.release()
            raise
        self._file = found.st_dev, found.st_ino
        # What is not closed is released with the object, or at the end of the interpreter.
        self.release = weakref.finalize(self, _release, lock, self._path, self._file, os.getpid())

    def __enter__(self) -> None:
        """Make sure that the lock is still held.

        Raises
        ------
        OSError
            If somebody has removed its file, perhaps to let an older release write, or if this is a
            child of the process that holds it.
        """
        if _file(self._path) != self._file or not self._lock.is_held:
            raise OSError(f"Lost lock on {self._path}!")

    def __exit__(self, *error: object) -> None:
        """Keep the lock."""


def _release(lock: FolderLock, path: str, file: tuple[int, int], pid: int) -> None:
    if os.getpid() != pid:
        return
    if _file(path) == file:
        remove_path(path)
    else:
        warnings.warn(f"Lock file {path} lost or missing!", PersistWarning, stacklevel=2)
    lock.release()


def _file(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
