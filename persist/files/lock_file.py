"""A file that the operating system locks for one process, and lets go when that dies."""

from __future__ import annotations

import errno
import os
import sys

from persist.files.holder import Holder, parse_holder, read_start, this_holder

__all__ = ["LockFile", "LocksMissingError"]

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_FLAGS |= getattr(os, "O_BINARY", 0)

# POSIX lets a system say either of a lock that another holds; Windows says the last too.
_HELD = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
_MISSING = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}

_TRIES = 10

if sys.platform == "win32":
    import msvcrt

    # Nobody else can read a locked byte, so it lies behind all that is written.
    _BYTE = 1 << 30

    def _lock(handle: int) -> None:
        os.lseek(handle, _BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def _unlock(handle: int) -> None:
        os.lseek(handle, _BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

    def _write(handle: int, data: bytes) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, data)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)

    def _write(handle: int, data: bytes) -> None:
        os.pwrite(handle, data, 0)


class LocksMissingError(OSError):
    """The file system of a file has no locks."""


class LockFile:
    """A file that one open handle at a time can lock.

    It stays when it is unlocked: whoever waits may have it open, and would lock a file that the
    next one does not see. While it is locked it names its holder; otherwise it is empty.

    Parameters
    ----------
    path : str
        The file, which is made if it is missing.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        # Opened for each lock: an open file keeps Windows from removing its folder.
        self._handle: int | None = None
        self._identity: tuple[int, int] | None = None

    def try_lock(self) -> bool:
        """Lock the file if nobody else has, and tell whether that went well.

        Raises
        ------
        LocksMissingError
            If the file system has no locks.
        OSError
            If the file cannot be opened, or is a symbolic link.
        """
        try:
            return self._try_lock()
        except BaseException:
            self.forget()
            raise

    def unlock(self) -> None:
        """Empty and unlock the file, if it is locked."""
        handle = self._handle
        if handle is None:
            return
        # A child that inherited the handle would keep the lock if this only closed it.
        try:
            os.ftruncate(handle, 0)
        finally:
            try:
                _unlock(handle)
            finally:
                self.forget()

    def forget(self) -> None:
        """Close the handle. If a child does so, its parent keeps the lock."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def is_intact(self) -> bool:
        """Tell whether the file that was locked is still the one at its path."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def holder(self) -> Holder | None:
        """Return who holds the lock; None if nobody does, or nobody says so."""
        return parse_holder(read_start(self.path))

    def _try_lock(self) -> bool:
        for _ in range(_TRIES):
            if not self._open_and_lock():
                return False
            if self.is_intact():
                self._name_holder()
                return True
            # The file was removed or replaced after it was opened.
            self.unlock()
        raise OSError(f"Lost lock on {self.path}!")

    def _open_and_lock(self) -> bool:
        self._handle = handle = _open(self.path)
        if not _is_locked(handle, self.path):
            self.forget()
            return False
        found = os.fstat(handle)
        self._identity = (found.st_dev, found.st_ino)
        if found.st_size:
            # A holder that was killed left its name.
            os.ftruncate(handle, 0)
        return True

    def _name_holder(self) -> None:
        if self._handle is not None:
            try:  # noqa: SIM105 - suppress takes a microsecond, of thirty
                _write(self._handle, this_holder(os.getpid()))
            except OSError:
                # The lock holds without it, and a full disk must not keep anyone from deleting.
                pass


def _open(path: str) -> int:
    if sys.platform == "win32":
        _refuse_link(path)
    try:
        return os.open(path, _FLAGS, 0o666)
    except OSError:
        _refuse_link(path)
        raise


def _refuse_link(path: str) -> None:
    if os.path.islink(path):
        reason = "A lock must be a file of its own and this is a symbolic link, to be removed"
        raise OSError(errno.ELOOP, reason, path)


def _is_locked(handle: int, path: str) -> bool:
    """Lock an open file, and tell whether it is now locked."""
    try:
        _lock(handle)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno in _MISSING:
            raise LocksMissingError(error.errno, os.strerror(error.errno), path) from error
        raise
    return True
