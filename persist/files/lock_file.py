"""Locks on one file: of the operating system, or the file itself where the system has none."""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import io
import os
import stat
import warnings
from typing import Any, NamedTuple

from persist.errors import LostLockError, PersistError
from persist.files.regular import identity_of, open_for_writing, open_regular, write_at
from persist.files.write import set_mode

# Windows has the one, other systems have the other.
fcntl: Any = None
msvcrt: Any = None
with contextlib.suppress(ImportError):
    fcntl = importlib.import_module("fcntl")
with contextlib.suppress(ImportError):
    msvcrt = importlib.import_module("msvcrt")

__all__ = [
    "Holder",
    "LockFile",
    "LocksMissingError",
    "SoftLock",
    "lock_file",
    "parse_holder",
    "read_start",
    "this_holder",
]

_LONGEST = 1024  # bytes


class Holder(NamedTuple):
    """The process that holds a lock: its number, and the name of its machine."""

    pid: int
    host: str


@functools.lru_cache(maxsize=1)
def this_holder(pid: int) -> bytes:
    """Return the line that names this process, whose number a child does not share.

    Examples
    --------
    >>> this_holder(4711).startswith(b'{"pid": 4711, "host": "')
    True
    """
    # Only those who write need it.
    import json

    if hasattr(os, "uname"):
        host = os.uname().nodename
    else:
        import socket

        host = socket.gethostname()
    return json.dumps({"pid": pid, "host": host}).encode() + b"\n"


def parse_holder(line: bytes) -> Holder | None:
    """Return the holder that a line names; None if it names none, or was not written to its end.

    Examples
    --------
    >>> parse_holder(b'{"pid": 4711, "host": "lab3"}')
    Holder(pid=4711, host='lab3')
    """
    import json

    try:
        found = json.loads(line)
        pid, host = found["pid"], found["host"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if type(pid) is int and pid > 0 and isinstance(host, str) and host.isprintable():
        return Holder(pid, host)
    return None


def read_start(path: str) -> bytes:
    """Return the first bytes of a regular file; none if it cannot be read."""
    with contextlib.suppress(OSError), open_regular(path, buffering=0) as file:
        return bytes(file.read(_LONGEST))
    return b""


# What filelock puts between the name of a machine and the number of a container on it.
_CONTAINER = "?pidns-"


class SoftLock:
    """A lock that is a file, which names its owner and is removed on release.

    The file of an owner that died on this machine is taken over. That of an owner on another
    machine cannot be judged from here, and must be removed by hand if the owner died.

    Parameters
    ----------
    path : str
        The file, in a folder that exists.

    References
    ----------
    filelock writes and judges the file: https://py-filelock.readthedocs.io
    """

    thread = 0

    def __init__(self, path: str) -> None:
        # Hardly any folder needs it.
        with warnings.catch_warnings():
            # That the system has no locks is why it is imported.
            warnings.simplefilter("ignore")
            from filelock import SoftFileLock

        self.path = path
        # Whoever closes a data set need not be the thread that opened it.
        self._file = SoftFileLock(path, timeout=0, thread_local=False)
        self._identity: tuple[int, int] | None = None
        self.pid = os.getpid()

    @property
    def closed(self) -> bool:
        """Whether this process does not hold the lock."""
        return self.pid != os.getpid() or not self._file.is_locked

    def try_lock(self) -> bool:
        """Make the file if there is none; return True if so, OSError if it cannot be made."""
        # Older releases take away the file of a dead owner, and leave the lock to the next try.
        if not (self._is_made() or self._is_made()):
            return False
        self._identity = identity_of(self.path, follow=False)
        return True

    def close(self) -> None:
        """Remove the file, if it is held; a child leaves it to its parent."""
        if not self.closed:
            self._file.release()

    release = close

    def __enter__(self) -> SoftLock:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def is_intact(self) -> bool:
        """Return True if the file that was made is still the one at its path."""
        return self._identity is not None and identity_of(self.path, follow=False) == self._identity

    def holder(self) -> Holder | None:
        """Return the owner; None if there is none, or it does not say so."""
        pid, host = [*read_start(self.path).decode("utf-8", "replace").splitlines(), "", ""][:2]
        host = host.partition(_CONTAINER)[0]
        if pid.isascii() and pid.isdigit() and host and host.isprintable():
            return Holder(int(pid), host)
        return None

    def _is_made(self) -> bool:
        from filelock import Timeout

        # filelock would make the folder anew.
        os.stat(os.path.dirname(self.path))
        try:
            self._file.acquire(timeout=0)
        except Timeout:
            return False
        return True


# POSIX lets a system say either of a lock that another holds; Windows says the last too.
_HELD_ERRORS = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
_MISSING = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}

_TRIES = 10

# Nobody else can read a byte that Windows has locked, so it lies behind all that is written.
_BYTE = 1 << 30


class LocksMissingError(PersistError, OSError):
    """The file system of a file has no locks."""


class LockFile(io.FileIO):
    """An open file that is locked, until it is closed, against all who would lock it.

    It stays when it is unlocked: whoever waits may have it open, and would lock a file that the
    next one does not see. While it is locked it names its holder; otherwise it is empty.

    The lock is the open file and nothing beside it. To close it takes one call of C, which no
    signal interrupts, whether a ``with`` block or the end of its last reference does so.
    """

    path = ""
    status: os.stat_result
    thread = 0
    pid = 0

    def is_intact(self) -> bool:
        """Return True if the file that was locked is still the one at its path."""
        try:
            return os.path.samestat(self.status, os.lstat(self.path))
        except OSError:
            return False

    def release(self) -> None:
        """Empty, unlock and close the file, if it is still open."""
        if self.closed:
            return
        try:
            os.ftruncate(self.fileno(), 0)
            # A child that has just inherited the handle would keep the lock if this only closed it.
            if hasattr(fcntl, "flock"):
                fcntl.flock(self.fileno(), fcntl.LOCK_UN)
            elif msvcrt is not None:
                os.lseek(self.fileno(), _BYTE, os.SEEK_SET)
                msvcrt.locking(self.fileno(), msvcrt.LK_UNLCK, 1)
        finally:
            self.close()


def lock_file(path: str) -> LockFile | None:
    """Lock a file, which is made if it is missing; return None if somebody else has locked it.

    Raises LocksMissingError if the file system has no locks, and OSError if the file cannot be
    opened, or is a symbolic link.
    """
    for _ in range(_TRIES):
        try:
            handle = open_for_writing(path)
        except FileNotFoundError:
            handle = open_for_writing(path, os.O_CREAT)
            # Whoever may write to the folder must be able to lock it, whatever the umask is.
            with contextlib.suppress(OSError):
                set_mode(handle, stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) & 0o666)
        file = LockFile(handle, "r+")
        try:
            file.path, file.pid = path, os.getpid()
            if not _is_locked(file.fileno(), path):
                file.close()
                return None
            file.status = os.fstat(file.fileno())
            if file.status.st_size:
                # A holder that was killed left its name.
                os.ftruncate(file.fileno(), 0)
            if file.is_intact():
                try:  # noqa: SIM105 - suppress takes a microsecond, of thirty
                    write_at(file.fileno(), this_holder(file.pid), 0)
                except OSError:
                    # The lock holds without it, and a full disk must not keep anyone from deleting.
                    pass
                return file
        except BaseException:
            file.close()
            raise
        # The file was removed or replaced after it was opened.
        file.close()
    raise LostLockError(f"Lost lock on {path}!")


def _is_locked(handle: int, path: str) -> bool:
    """Lock an open file; return True if it is locked now."""
    try:
        if hasattr(fcntl, "flock"):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif msvcrt is not None:
            os.lseek(handle, _BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    except OSError as error:
        if error.errno in _HELD_ERRORS:
            return False
        if error.errno in _MISSING:
            raise LocksMissingError(error.errno, os.strerror(error.errno), path) from error
        raise
    return True
