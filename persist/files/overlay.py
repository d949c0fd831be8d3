"""A file object for h5py whose changes to an HDF5 file wait for a commit.

What is written behind the allocated end of the file goes there at once; what would change bytes
that were there waits in memory, and is read as if it were made.

References
----------
HDF5 1.10 and later call ``flock(2)`` when a file is opened: ``LOCK_SH`` for reading and ``LOCK_EX``
for writing (H5FDsec2.c). On Windows it locks nothing.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import struct
import time
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy

from persist.errors import ClosedError, FileInUseError
from persist.files.journal import Change, Journal, Part
from persist.files.regular import (
    identity_of,
    open_descriptor,
    open_for_writing,
    read_at,
    write_at,
)

__all__ = [
    "OverlayFile",
    "commit_overlays",
    "lock_exclusively",
    "superblock_version",
    "unlock",
]

fcntl: Any = None
with contextlib.suppress(ImportError):  # Windows
    fcntl = importlib.import_module("fcntl")

_PAUSE = 0.01  # s


def lock_exclusively(
    handle: int, path: str, timeout: float, *, patience: float | None = None
) -> bool:
    """Lock an open file as HDF5 does for writing; return True if the lock is exclusive.

    It is not where the file system has no locks. Waits `timeout` s for others, and then raises
    FileInUseError. After `patience` s, by default as long, the lock is shared with readers, which
    keeps writers out all the same.
    """
    if not hasattr(fcntl, "flock"):
        return False
    start = time.monotonic()
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - start
            if patience is not None and waited >= patience and _share(handle):
                return False
            if waited >= timeout:
                raise FileInUseError(path, timeout) from None
            time.sleep(_PAUSE)
        except OSError:
            # A file system without locks, on which HDF5 goes without them too.
            return False
        else:
            return True


def unlock(handle: int) -> None:
    """Give the lock back, whatever fails."""
    if hasattr(fcntl, "flock"):
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)


def _share(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _opened(path: str, lock: Callable[[int], object] | None) -> int:
    """Open and lock the file at a path, again if it was replaced before the lock was free."""
    while True:
        before = identity_of(path)
        handle = open_for_writing(path)
        try:
            if lock is not None:
                lock(handle)
            if identity_of(path) == before:
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Where a superblock of each version has the address behind all that is allocated, for addresses of
# eight bytes: HDF5 File Format Specification, II.A.
_END_OF_FILE = {0: 40, 1: 44, 2: 28, 3: 28}
_SHORT = 1 << 10  # bytes; of less, it takes longer to find what is the same.
_BLOCK = 1 << 7  # bytes
_MOST_ADDED = 1 << 16  # bytes; more is not written twice to save a sync.


class OverlayFile:
    """A binary, seekable file object over a file that nobody else writes.

    Parameters
    ----------
    path : str
        A regular file that exists.
    lock : callable, optional
        Takes the descriptor, and locks the file before anything is read of it.

    Attributes
    ----------
    failure : BaseException or None
        Why something could not be written. It is raised by `part`, and not by `write`, which HDF5
        calls: no error passes through HDF5 unharmed.

    Notes
    -----
    A process that was forked can read the file; what it writes is dropped.
    """

    def __init__(self, path: str, lock: Callable[[int], object] | None = None) -> None:
        self._path = path
        self._handle = _opened(path, lock)
        try:
            size = os.fstat(self._handle).st_size
            self._kept = self._end = min(size, _allocated_size(self._handle, size))
        except BaseException:
            os.close(self._handle)
            raise
        self._physical = size
        self._position = 0
        self._changes: dict[int, bytes] = {}
        self._starts: list[int] = []  # of the changes, sorted
        self._has_written = False
        self._is_given_up = False
        self._is_ours = True
        self.failure: BaseException | None = None
        _OPEN.add(self)

    def __repr__(self) -> str:
        # h5py calls the open file by this name, and so do messages.
        return self._path

    def fileno(self) -> int:
        """Return the descriptor of the file."""
        return self._handle

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, and return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:
        """Read what is at the position, changes included, and return how many bytes these are."""
        view = memoryview(buffer).cast("B")
        start = self._position
        found = read_at(self._handle, len(view), start)
        count = len(found)
        view[:count] = found
        for offset in self._touched(start, start + count):
            data = self._changes[offset]
            low, high = max(offset, start), min(offset + len(data), start + count)
            view[low - start : high - start] = data[low - offset : high - offset]
        self._position += count
        return count

    def read(self, size: int = -1) -> bytes:
        """Return the bytes from the position on."""
        buffer = bytearray(max(0, self._end - self._position) if size < 0 else size)
        return bytes(buffer[: self.readinto(memoryview(buffer))])

    def write(self, data: bytes | memoryview) -> int:
        """Write at the position, and return how many bytes were written."""
        view = memoryview(data).cast("B")
        start = self._position
        self._position += len(view)
        if self._is_given_up or self.failure is not None or not view:
            return len(view)
        inside = max(0, min(len(view), self._kept - start))
        if inside:
            self._change(start, view[:inside])
        if inside < len(view):
            with self._noting_failures():
                self.write_behind(view[inside:], start + inside)
        return len(view)

    def write_behind(self, data: bytes | memoryview, offset: int) -> None:
        """Write where nothing is that was committed."""
        self._has_written = True
        write_at(self._handle, data, offset)
        end = offset + len(data)
        self._physical = max(self._physical, end)
        self._end = max(self._end, end)

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file, if that is not before the end that was committed."""
        size = self._position if size is None else size
        if size < self._kept or self._is_given_up:
            return size
        with self._noting_failures():
            # A file that is cut to its length has changed, for who looks at its time.
            if size != self._physical:
                self._has_written = True
                os.ftruncate(self._handle, size)
            self._physical = self._end = size
        return size

    def flush(self) -> None:
        """Do nothing: a commit makes the changes."""

    def part(self, *, whole: bool = False) -> Part:
        """Return what is to be committed.

        With `whole`, it has what was written behind the end, if that is little: the journal then
        has to be synced and not the file. Raises OSError if something could not be written since
        the last commit, and ClosedError if changes were given up, or this is not the process that
        opened the file.
        """
        if self.failure is not None:
            raise self.failure
        if self._is_given_up:
            raise ClosedError(
                f"cannot change {self._path}: changes were given up, or belong to another process"
            )
        changes = []
        for offset, data in self._changes.items():
            old = read_at(self._handle, len(data), offset)
            if old != data:
                changes += [
                    Change(offset + low, data[low:high], old[low:high])
                    for low, high in _different(old, data)
                ]
        added = self._end - self._kept
        is_whole = whole and self._physical == self._end and 0 <= added <= _MOST_ADDED
        if is_whole and added:
            changes.append(Change(self._kept, read_at(self._handle, added, self._kept), b""))
        return Part(os.path.basename(self._path), self._handle, self._kept, changes, is_whole)

    @property
    def has_written(self) -> bool:
        """Whether anything was written since the last commit."""
        return self._has_written or bool(self._changes)

    def settle(self) -> None:
        """Note that a commit has made the changes."""
        self._forget()
        self._kept = self._end
        self._has_written = False

    def give_up(self) -> None:
        """Forget what was written since the last commit, and take no more."""
        self._is_given_up = True
        self._forget()

    def close(self) -> None:
        """Close the file, without what was not committed."""
        self.give_up()
        handle, self._handle = self._handle, -1
        if handle < 0:
            return
        # What is left behind the end does no harm.
        with contextlib.suppress(OSError):
            # Where this object wrote nothing, others may have made the file longer.
            if self._is_ours and self._has_written:
                os.ftruncate(handle, self._kept)
        if self._is_ours:
            # A process that was forked meanwhile would keep the lock.
            unlock(handle)
        with contextlib.suppress(OSError):
            os.close(handle)

    def leave(self) -> None:
        """Leave the file to the process that this one was forked from."""
        self._is_ours = False
        self._is_given_up = True
        if self._handle < 0:
            return
        # The position of an inherited descriptor is shared with the parent.
        for path in (f"/proc/self/fd/{self._handle}", self._path):
            with contextlib.suppress(OSError):
                mine = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
                if os.path.samestat(os.fstat(mine), os.fstat(self._handle)):
                    os.close(self._handle)
                    self._handle = mine
                    return
                os.close(mine)

    @contextlib.contextmanager
    def _noting_failures(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.failure = self.failure or error

    def _forget(self) -> None:
        self._changes.clear()
        self._starts.clear()

    def _touched(self, start: int, end: int) -> list[int]:
        """Return the offsets of the changes that overlap a range of the file."""
        first = bisect_right(self._starts, start)
        if first and start < (before := self._starts[first - 1]) + len(self._changes[before]):
            first -= 1
        return self._starts[first : bisect_left(self._starts, end)]

    def _change(self, start: int, data: memoryview) -> None:
        """Keep a pending change; those that overlap are merged."""
        changes, end = self._changes, start + len(data)
        touched = self._touched(start, end)
        low = min([start, *touched])
        place = bisect_left(self._starts, low)
        self._starts[place : place + len(touched)] = [low]
        if touched in ([], [start]) and len(changes.get(start, data)) == len(data):
            changes[start] = bytes(data)
            return
        merged = bytearray(max(end, *(at + len(changes[at]) for at in touched)) - low)
        for at in touched:
            known = changes.pop(at)
            merged[at - low : at - low + len(known)] = known
        merged[start - low : end - low] = data
        changes[low] = bytes(merged)


def commit_overlays(
    journal: Journal, overlays: Sequence[OverlayFile], others: Sequence[Part] = ()
) -> None:
    """Commit what was written to overlays, and changes of other files, in one step.

    The journal is that of their folder. Files in which nothing was written are left alone, and
    changes of `others` are made first. Errors are those of `Journal.commit`.
    """
    written = [overlay for overlay in overlays if overlay.has_written]
    parts = [overlay.part(whole=journal.is_durable) for overlay in written]
    if not parts and not others:
        return
    try:
        journal.commit([*others, *parts])
    except BaseException:
        if journal.is_pending():
            # The changes will be made by `recover`, and need what was written behind the end.
            for overlay in written:
                overlay.settle()
        raise
    for overlay in written:
        overlay.settle()


def superblock_version(path: str) -> int:
    """Return the version of the superblock of a file; 0 if it has none at its beginning."""
    handle = open_descriptor(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        head = read_at(handle, len(_SIGNATURE) + 1, 0)
    finally:
        os.close(handle)
    return head[-1] if head.startswith(_SIGNATURE) and len(head) > len(_SIGNATURE) else 0


_OPEN: weakref.WeakSet[OverlayFile] = weakref.WeakSet()


def _leave_all() -> None:
    for file in _OPEN:
        file.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)


def _allocated_size(handle: int, size: int) -> int:
    """Return where the allocated part of an HDF5 file ends; `size` if it does not say so."""
    head = read_at(handle, 64, 0)
    at = _END_OF_FILE.get(head[8], 0) if head.startswith(_SIGNATURE) and len(head) == 64 else 0
    return int(struct.unpack_from("<Q", head, at)[0]) if at else size


def _different(old: bytes, new: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the parts of `new` begin and end that differ from `old`, in whole blocks."""
    if len(old) != len(new) or len(new) < _SHORT:
        yield 0, len(new)
        return
    whole = len(new) - len(new) % _BLOCK
    one, other = (numpy.frombuffer(data, "u8", whole // 8) for data in (old, new))
    blocks = numpy.flatnonzero(one != other) // (_BLOCK // 8)
    for number in dict.fromkeys(blocks.tolist()):
        yield number * _BLOCK, (number + 1) * _BLOCK
    if old[whole:] != new[whole:]:
        yield whole, len(new)
