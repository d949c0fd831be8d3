"""Writers and readers of one folder, who keep out of each other's way."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from persist.experiment.journal import JOURNAL, has_journal, recover
from persist.files import FolderLock

__all__ = ["changing", "held", "lock_of", "reading"]

_LOCK = ".lock"
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


def lock_of(folder: str) -> FolderLock:
    """Return the lock of a folder; its file stays, and tells readers that there may be a writer."""
    return FolderLock(folder, name=_LOCK)


@contextlib.contextmanager
def held(lock: FolderLock) -> Iterator[None]:
    """Hold a lock for the block; once that is done, nothing takes it back.

    Raises
    ------
    LockTimeout
        If another holder does not let go.
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
def changing(folder: str) -> Iterator[None]:
    """Keep all others out of a folder while the block changes it, and leave nothing there.

    Raises
    ------
    LockTimeout
        If another writer or reader does not let go.
    """
    is_used = os.path.exists(os.path.join(folder, _LOCK))
    with held(FolderLock(folder, name=_LOCK, keep=is_used)):
        recover(folder)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                if not is_used and not has_journal(folder):
                    os.unlink(os.path.join(folder, JOURNAL))


@contextlib.contextmanager
def reading(folder: str, *, always: bool = False) -> Iterator[None]:
    """Keep writers out of a folder while the block reads it; finish what one who died began.

    Where nobody has written with a lock, and where nothing can be written, nothing is done.

    Parameters
    ----------
    folder : str
        The folder.
    always : bool, optional
        Take the lock also where nobody has written so far: somebody may begin to.

    Raises
    ------
    LockTimeout
        If a writer does not let go.
    OSError
        If something is to be finished and the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        is_used = os.path.exists(os.path.join(folder, _LOCK)) or has_journal(folder)
        if always or is_used:
            try:
                stack.enter_context(held(FolderLock(folder, name=_LOCK, keep=is_used)))
            except OSError as error:
                if error.errno not in _READ_ONLY or has_journal(folder):
                    raise
            else:
                recover(folder)
        yield
