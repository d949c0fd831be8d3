"""The lock of a folder: one writer at a time, among all threads and processes."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
import weakref
from collections.abc import Iterator
from types import TracebackType

from persist.errors import LockTimeout
from persist.files.lock_file import LockFile, LocksMissingError
from persist.files.soft_lock import SoftLock

__all__ = ["FolderLock"]

_SHORTEST = 0.0005  # s
_LONGEST = 0.02  # s


class FolderLock:
    """An exclusive lock on a folder: between threads, objects and processes.

    Parameters
    ----------
    folder : path
        A folder that exists.
    name : str, optional
        The file in it that is locked. It is empty while nobody holds the lock.
    timeout : float, optional
        How long to wait for another holder, in s; 0 tries once, infinity waits for ever.
    keep : bool, optional
        Whether the file stays when the lock is released, which is quicker; otherwise it is removed
        where an open file can be.

    Raises
    ------
    ValueError
        If the timeout is negative or no number.

    Notes
    -----
    The operating system lets go of the lock of a process that dies. A child does not hold what its
    parent held when it was forked. Where the file system has no locks, a file ``<name>-owner``
    takes their place; writers of one folder exclude each other only if all of them see locks there,
    or none does.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with FolderLock(folder) as lock:
    ...         print(lock.is_held)
    ...     print(lock.is_held)
    True
    False
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        name: str = ".lock",
        timeout: float = 60,
        keep: bool = True,
    ) -> None:
        self._timeout = _checked(timeout)
        self._keep = keep
        self._folder = os.fspath(folder)
        # The lock stays where it is when the process changes its folder.
        self._file = LockFile(os.path.join(os.path.abspath(self._folder), name))
        self._lock: LockFile | SoftLock = self._file
        self._threads = threading.Lock()
        self._owner: int | None = None
        self._pid = os.getpid()
        _LOCKS.add(self)

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock, in whichever thread."""
        self._notice_fork()
        return self._owner is not None

    def acquire(self, timeout: float | None = None) -> None:
        """Take the lock, or wait until it can be taken.

        Parameters
        ----------
        timeout : float, optional
            How long to wait, in s, instead of what the lock was made with.

        Raises
        ------
        LockTimeout
            If another holder does not let go in time.
        NotImplementedError
            If this thread has taken the lock already.
        ValueError
            If the timeout is negative or no number.
        OSError
            If the folder is missing, or nothing can be written in it.
        """
        seconds = self._timeout if timeout is None else _checked(timeout)
        self._notice_fork()
        if self._owner == threading.get_ident():
            raise NotImplementedError("Lock already established! (Reentry not supported)")
        deadline = time.monotonic() + seconds
        if not self._threads.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)):
            raise self._timed_out(seconds)
        try:
            self._lock = self._file
            self._wait(seconds, deadline)
            self._owner = threading.get_ident()
        except BaseException:
            self._let_go()
            raise

    def release(self) -> None:
        """Give the lock back, in this thread or another.

        Raises
        ------
        RuntimeError
            If it is not held.
        """
        self._require_held()
        # Whoever waits has it open, sees when the lock is his that it is gone, and makes another.
        if not self._keep and self._lock is self._file and self._file.is_intact():
            with contextlib.suppress(OSError):
                os.remove(self._file.path)
        self._let_go()

    def check_held(self) -> None:
        """Make sure that nobody has removed or replaced the lock that is held.

        Raises
        ------
        OSError
            If somebody has, so that another writer may be at work.
        RuntimeError
            If it is not held.
        """
        self._require_held()
        if not self._lock.is_intact():
            raise OSError(f"Lost lock on {self._lock.path}!")

    def __enter__(self) -> FolderLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _wait(self, seconds: float, deadline: float) -> None:
        if self._try_lock():
            return
        for pause in _pauses():
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._timed_out(seconds)
            time.sleep(min(pause, left))
            if self._try_lock():
                return

    def _try_lock(self) -> bool:
        try:
            return self._lock.try_lock()
        except LocksMissingError:
            self._lock = SoftLock(f"{self._file.path}-owner")
            return self._lock.try_lock()

    def _let_go(self) -> None:
        try:
            self._lock.unlock()
        finally:
            self._owner = None
            self._threads.release()

    def _require_held(self) -> None:
        if not self.is_held:
            raise RuntimeError(f"The lock of {self._folder} is not held by this object")

    def _timed_out(self, seconds: float) -> LockTimeout:
        lock = self._lock
        pid, host = lock.holder() or (None, None)
        marker = lock.path if isinstance(lock, SoftLock) else None
        return LockTimeout(self._folder, pid, host, seconds, marker)

    def _notice_fork(self) -> None:
        """Hold nothing in a child: what is held there is held by its parent."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._lock.forget()
            self._lock = self._file
            self._owner = None
            # A thread that the child does not have may have locked it.
            self._threads = threading.Lock()


def _checked(timeout: float) -> float:
    if math.isnan(timeout) or timeout < 0:
        raise ValueError(f"timeout must be 0 or more seconds, got {timeout}")
    return float(timeout)


def _pauses() -> Iterator[float]:
    pause = _SHORTEST
    while True:
        # Waiters that began together part. Programs that count on random numbers keep theirs.
        yield pause * (1 + os.urandom(1)[0] / 255) / 2
        pause = min(1.5 * pause, _LONGEST)


_LOCKS: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _close_in_child() -> None:
    # An open handle in a child would keep the lock of a parent that is killed.
    for lock in _LOCKS:
        lock._notice_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
