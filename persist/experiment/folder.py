"""Writers and readers of one folder, who keep out of each other's way."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import TypeAlias

from persist.files import TIMEOUT, FolderLock
from persist.files.journal import Journal, is_pending, recover

JOURNAL = ".persist-journal"
_LOCK = ".lock"
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


Identity: TypeAlias = tuple[int, int, int] | None
"""The inode, size and time of a file, by which a change by others is noticed."""


def identity(file: str | int) -> Identity:
    """Return the identity of a path or descriptor; None if it is missing."""
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def journal_of(folder: str) -> str:
    """Return the path of the journal of a folder."""
    return os.path.join(folder, JOURNAL)


def lock_of(folder: str, timeout: float = TIMEOUT) -> FolderLock:
    """Return the lock of a folder; its file stays, and tells readers that there may be a writer."""
    return FolderLock(folder, name=_LOCK, timeout=timeout)


@contextlib.contextmanager
def held(lock: FolderLock) -> Iterator[None]:
    """Hold a lock for the block; once that is done, nothing takes it back.

    Raises
    ------
    LockTimeout
        If another holder does not release it.
    OSError
        If the lock cannot be taken.
    """
    lock.acquire()
    try:
        yield
    finally:
        # Its file is closed whatever fails, and with that the lock is free.
        with contextlib.suppress(OSError):
            lock.release()


@contextlib.contextmanager
def changing(folder: str, timeout: float = TIMEOUT) -> Iterator[Journal]:
    """Keep all others out of a folder while the block changes it, and leave nothing there.

    It yields the journal of the folder.

    Raises
    ------
    LockTimeout
        If another writer or reader does not release the lock.
    """
    is_used = os.path.exists(os.path.join(folder, _LOCK))
    lock = FolderLock(folder, name=_LOCK, timeout=timeout, keep=is_used)
    journal = Journal(journal_of(folder), lock=lock)
    with held(lock):
        recover(journal_of(folder))
        try:
            yield journal
        finally:
            journal.close()
            with contextlib.suppress(OSError):
                if not is_used and not is_pending(journal_of(folder)):
                    os.unlink(journal_of(folder))


@contextlib.contextmanager
def reading(folder: str, *, always: bool = False, timeout: float = TIMEOUT) -> Iterator[None]:
    """Keep writers out of a folder while the block reads it; finish what one who died began.

    Where nobody has written with a lock, and where nothing can be written, nothing is done.

    With `always`, the lock is taken also where nobody has written so far: somebody may begin to.

    Raises
    ------
    LockTimeout
        If a writer does not release the lock.
    OSError
        If something is to be finished and the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        is_used = os.path.exists(os.path.join(folder, _LOCK)) or is_pending(journal_of(folder))
        if always or is_used:
            try:
                lock = FolderLock(folder, name=_LOCK, timeout=timeout, keep=is_used)
                stack.enter_context(held(lock))
            except OSError as error:
                if error.errno not in _READ_ONLY or is_pending(journal_of(folder)):
                    raise
            else:
                recover(journal_of(folder))
        yield
