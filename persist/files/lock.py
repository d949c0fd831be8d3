"""The lock of a folder: one writer at a time, among all threads and processes."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import threading
import time
import weakref
from collections.abc import Iterator
from numbers import Real
from types import TracebackType

from persist.errors import (
    ArgumentError,
    LockNotHeldError,
    LockTimeout,
    LostLockError,
    MissingPathError,
)
from persist.files.lock_file import (
    LockFile,
    LocksMissingError,
    SoftLock,
    lock_file,
    parse_holder,
    read_start,
)

__all__ = ["TIMEOUT", "FolderLock"]

TIMEOUT = 60.0  # s
"""How long everything that waits for another program waits by default."""

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
    The operating system releases the lock of a process that dies. A child does not hold what its
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
        timeout: float = TIMEOUT,
        keep: bool = True,
    ) -> None:
        self._timeout = _checked(timeout)
        self._keep = keep
        self._folder = os.fspath(folder)
        # The lock stays where it is when the process changes its folder.
        self._path = os.path.join(os.path.abspath(self._folder), name)
        self._held: LockFile | SoftLock | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock, in whichever thread."""
        held = self._held
        return held is not None and not held.closed and held.pid == os.getpid()

    def acquire(self, timeout: float | None = None) -> None:
        """Take the lock, or wait for `timeout` s, by default what the lock was made with.

        Raises
        ------
        LockTimeout
            If another holder does not release it in time.
        NotImplementedError
            If this thread has taken the lock already.
        ValueError
            If the timeout is negative or no number.
        OSError
            If the folder is missing, or nothing can be written in it.
        """
        if self.is_held and self._require_held().thread == threading.get_ident():
            raise NotImplementedError("Lock already established! (Reentry not supported)")
        if self._held is not None and self._held.pid != os.getpid():
            # A child that Python did not fork has a handle of its parent.
            self._held.close()
        self._held = self.hold(timeout)

    def hold(self, timeout: float | None = None) -> LockFile | SoftLock:
        """Take the lock and return it: it is released when what is returned is closed.

        Each call takes a lock of its own, which excludes all others, of this object too. In a
        ``with`` block it is closed however the block ends; `release` in it also empties the file.
        The timeout and the errors are those of `acquire`.
        """
        seconds = self._timeout if timeout is None else _checked(timeout)
        deadline = time.monotonic() + seconds
        pauses = None
        while True:
            held: LockFile | SoftLock | None
            try:
                held = lock_file(self._path)
            except LocksMissingError:
                soft = SoftLock(f"{self._path}-owner")
                held = soft if soft.try_lock() else None
            except FileNotFoundError as error:
                raise MissingPathError(
                    errno.ENOENT,
                    "cannot lock this folder: it was moved or removed; open it where it is",
                    self._folder,
                ) from error
            if held is not None:
                break
            pauses = pauses or _pauses()
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._timed_out(seconds)
            time.sleep(min(next(pauses), left))
        try:
            held.thread = threading.get_ident()
            _HELD.add(held)
        except BaseException:
            held.close()
            raise
        return held

    def release(self) -> None:
        """Give the lock back, in this thread or another; RuntimeError if it is not held."""
        held = self._require_held()
        try:
            # Whoever waits has it open, sees that the file it locked is gone, and makes another.
            if not self._keep and isinstance(held, LockFile) and held.is_intact():
                with contextlib.suppress(OSError):
                    os.remove(held.path)
        finally:
            held.release()

    def check_held(self) -> None:
        """Raise OSError if somebody has removed or replaced the lock: others may be at work.

        RuntimeError if it is not held.
        """
        held = self._require_held()
        if not held.is_intact():
            raise LostLockError(f"Lost lock on {held.path}!")

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

    def __del__(self) -> None:
        held = getattr(self, "_held", None)
        if held is not None:
            held.close()

    def _require_held(self) -> LockFile | SoftLock:
        if self._held is None or not self.is_held:
            raise LockNotHeldError(f"The lock of {self._folder} is not held by this object")
        return self._held

    def _timed_out(self, seconds: float) -> LockTimeout:
        marker = f"{self._path}-owner"
        if os.path.lexists(marker) and (owner := SoftLock(marker).holder()):
            return LockTimeout(self._folder, owner.pid, owner.host, seconds, marker)
        pid, host = parse_holder(read_start(self._path)) or (None, None)
        return LockTimeout(self._folder, pid, host, seconds, None)


def _checked(timeout: float) -> float:
    if not isinstance(timeout, Real) or math.isnan(timeout) or timeout < 0:
        raise ArgumentError(f"timeout must be 0 or more seconds, got {timeout!r}")
    return float(timeout)


def _pauses() -> Iterator[float]:
    pause = _SHORTEST
    while True:
        # Waiters that began together part. Programs that count on random numbers keep theirs.
        yield pause * (1 + os.urandom(1)[0] / 255) / 2
        pause = min(1.5 * pause, _LONGEST)


_HELD: weakref.WeakSet[LockFile | SoftLock] = weakref.WeakSet()


def _close_in_child() -> None:
    # An open handle in a child would keep the lock of a parent that is killed.
    for held in list(_HELD):
        held.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
