"""A lock where the file system has none: a file that is there while somebody holds it."""

from __future__ import annotations

import os

from persist.files.holder import Holder, read_start

__all__ = ["SoftLock"]

# What filelock puts between the name of a machine and the number of a container on it.
_CONTAINER = "?pidns-"


class SoftLock:
    """A lock that is a file, which names its owner and goes when that lets go.

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

    def __init__(self, path: str) -> None:
        # Hardly any folder needs it.
        from filelock import SoftFileLock

        self.path = path
        # Whoever closes a data set need not be the thread that opened it.
        self._file = SoftFileLock(path, timeout=0, thread_local=False)
        self._identity: tuple[int, int] | None = None

    def try_lock(self) -> bool:
        """Make the file if there is none, and tell whether that went well.

        Raises
        ------
        OSError
            If the file cannot be made.
        """
        # Older releases take away the file of a dead owner, and leave the lock to the next try.
        if not (self._is_made() or self._is_made()):
            return False
        self._identity = self._find()
        return True

    def unlock(self) -> None:
        """Remove the file, if it is held."""
        self._file.release()

    def forget(self) -> None:
        """Leave the file to the parent of this process; filelock knows what is whose."""

    def is_intact(self) -> bool:
        """Tell whether the file that was made is still the one at its path."""
        return self._identity is not None and self._find() == self._identity

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

    def _find(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
