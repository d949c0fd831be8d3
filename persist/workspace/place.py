"""A workspace kept in a given file, which is changed in place."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import h5py

from persist.errors import ClosedError, LockTimeout
from persist.files.journaled import JournaledFile
from persist.workspace.entries import Index
from persist.workspace.groups import Header, read_header, write_header
from persist.workspace.listing import (
    Unreadable,
    drop_listing,
    read_index,
    seal_listing,
    write_listing,
)
from persist.workspace.pair import Pair, read_mark, write_mark

__all__ = ["InPlace"]

_PAUSE = 0.02  # s
_MOST_FREE = 1 << 20  # bytes


class InPlace:
    """The file of a workspace, open for changes, each of which is made as a whole.

    Parameters
    ----------
    pair : Pair
        The files.
    timeout : float
        How long to wait for others that have them open, in s.

    Raises
    ------
    LockTimeout
        If they do not close them.

    Attributes
    ----------
    is_ahead : bool
        Whether a change that failed, or was interrupted, was made after all.
    """

    def __init__(self, pair: Pair, timeout: float) -> None:
        self.pair = pair
        self.is_ahead = False
        self._file: Any = None
        self._timeout = timeout
        self._journaled: JournaledFile | None = None
        self._is_listed = True
        self._pid = os.getpid()
        self._lock = pair.lock(timeout)
        self._lock.acquire()

    @property
    def file(self) -> Any:
        """The open file.

        Raises
        ------
        ClosedError
            If it could not be opened again after a change failed.
        """
        if self._file is None:
            raise ClosedError(
                f"{self.pair.data} could not be opened again after an error: close this workspace, "
                "and open it anew"
            )
        return self._file

    def open(self, header: Header) -> None:
        """Open the file; made, with this header, if it is missing."""
        self.pair.settle()
        if not os.path.exists(self.pair.data):
            self.pair.replace_locked(lambda new: _make(new, header), header)
        self._open()
        self.is_ahead = False

    def read_index(self) -> tuple[Index, Unreadable]:
        """Return the index of the file, and what of it cannot be read."""
        return read_index(self.file, self.pair.data)

    @contextlib.contextmanager
    def changing(self) -> Iterator[Any]:
        """Let the block change the file, and then write all of it to disk, or nothing."""
        file, journaled = self.file, self._journaled
        assert journaled is not None
        commits = journaled.commits
        try:
            if self._is_listed:
                # What is said of the items elsewhere is no longer so.
                drop_listing(file)
                write_mark(file)
            yield file
            file.flush()
            journaled.commit()
        except BaseException as error:
            failure = journaled.failure
            self.is_ahead |= journaled.commits > commits
            with contextlib.suppress(OSError):
                self._reopen()
            if failure is None or failure is error:
                raise
            raise failure from error
        self._is_listed = False
        if file.id.get_freespace() > _MOST_FREE:
            # HDF5 would write over it, and all of that would go through memory and the journal.
            with contextlib.suppress(OSError):
                self._reopen()

    def replace(self, fill: Callable[[str], Index], header: Header) -> None:
        """Write the files anew."""
        try:
            self.pair.replace_locked(fill, header)
        finally:
            # Also where it fails: the new file may be in place by then.
            self._reopen()
        self._is_listed = True

    def close(self, header: Header | None, index: Index | None) -> None:
        """Note in both files what is there, and let others have them."""
        if self._pid != os.getpid():
            # What a process that was forked has open is its parent's.
            self._close_file()
            return
        try:
            if self._file is not None and header is not None and index is not None:
                self._finish(header, index)
        finally:
            self._close_file()
            self._lock.release()

    def _finish(self, header: Header, index: Index) -> None:
        is_same = read_header(self.file) == header
        if self._is_listed and is_same:
            return
        with self.changing() as file:
            if not is_same:
                write_header(file, header)
            write_listing(file, index)
        mark = read_mark(self.file)
        self._close_file()
        seal_listing(self.pair.data)
        self.pair.rebuild(header, index, mark)

    def _open(self) -> None:
        self._journaled = JournaledFile(self.pair.data)
        self.is_ahead |= self._journaled.was_recovered
        try:
            _lock_for_hdf5(self._journaled, self.pair.data, self._timeout)
            self._file = h5py.File(self._journaled, "r+")
        except BaseException:
            self._close_file()
            raise

    def _reopen(self) -> None:
        self._close_file()
        self._open()

    def _close_file(self) -> None:
        """Close the file without what was not committed."""
        file, self._file = self._file, None
        journaled, self._journaled = self._journaled, None
        if journaled is not None:
            journaled.give_up()
        if file is not None:
            with contextlib.suppress(Exception):
                file.close()
        if journaled is not None:
            if self._pid == os.getpid():
                # A process that was forked meanwhile would keep the lock.
                _unlock_for_hdf5(journaled)
            journaled.close()


def _make(path: str, header: Header) -> Index:
    with h5py.File(path, "w", track_order=True) as file:
        write_header(file, header)
        write_listing(file, {})
    return {}


if sys.platform == "win32":

    def _lock_for_hdf5(file: JournaledFile, path: str, timeout: float) -> None:
        """Do nothing: HDF5 locks no files here."""

    def _unlock_for_hdf5(file: JournaledFile) -> None:
        """Do nothing: HDF5 locks no files here."""

else:
    import fcntl

    def _lock_for_hdf5(file: JournaledFile, path: str, timeout: float) -> None:
        """Lock the file as HDF5 does, for all that read it or write it through HDF5."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LockTimeout(path, None, None, timeout) from None
                time.sleep(_PAUSE)
            except OSError:
                # A file system without locks, on which HDF5 goes without them too.
                return
            else:
                return

    def _unlock_for_hdf5(file: JournaledFile) -> None:
        """Give the lock back."""
        with contextlib.suppress(OSError):
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)
