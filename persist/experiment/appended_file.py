"""A file that h5py changes, so that nothing of it counts until all of it does.

What is written behind the end of the file goes there at once; what would change bytes that were
there waits in memory, for a commit to make the change.
"""

from __future__ import annotations

import contextlib
import os
import struct
import weakref
from collections.abc import Iterator
from typing import NamedTuple

import numpy

from persist.files.pending import PendingFile, write_at

__all__ = ["AppendedFile", "Change", "allocated_size", "superblock_version"]

_FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Where a superblock of each version has the address behind all that is allocated, for addresses of
# eight bytes: HDF5 File Format Specification, II.A.
_END_OF_FILE = {0: 40, 1: 44, 2: 28, 3: 28}
_SHORT = 1 << 10  # bytes; of less, it takes longer to find what is the same.
_BLOCK = 1 << 7  # bytes


class Change(NamedTuple):
    """Bytes of a file that are to be others.

    Parameters
    ----------
    offset : int
        Where they begin.
    new, old : bytes
        What they are to be, and what they are; shorter where the file ends before.
    """

    offset: int
    new: bytes
    old: bytes


class AppendedFile(PendingFile):
    """A file object, binary and seekable, for h5py.

    Parameters
    ----------
    path : str
        An HDF5 file, which nobody else writes.
    """

    def __init__(self, path: str) -> None:
        handle = os.open(path, _FLAGS)
        try:
            size = os.fstat(handle).st_size
            super().__init__(handle, min(size, allocated_size(handle, size)))
        except BaseException:
            os.close(handle)
            raise
        self._physical = size
        self._has_written = False
        self._is_given_up = False
        self._error: OSError | None = None
        self._is_ours = True
        _OPEN.add(self)

    @property
    def identity(self) -> tuple[int, int, int]:
        """The inode, size and time of the file, by which a change by others is noticed."""
        found = os.fstat(self._handle)
        return found.st_ino, found.st_size, found.st_mtime_ns

    @property
    def kept(self) -> int:
        """Where the part of the file ends that was committed."""
        return self._kept

    def write(self, data: memoryview) -> int:
        """Write at the position, and return how many bytes were written."""
        start, size = self._position, len(data)
        self._position = end = start + size
        if self._is_given_up:
            return size
        if end <= self._kept:
            self._change(start, data)
            return size
        inside = max(0, self._kept - start)
        if inside:
            self._change(start, data[:inside])
        try:
            self.write_behind(data[inside:], start + inside)
        except OSError as error:
            self._fail(error)
        return size

    def write_behind(self, data: memoryview, offset: int) -> None:
        """Write where nothing is that was committed."""
        self._has_written = True
        write_at(self._handle, data, offset)
        end = offset + len(data)
        self._physical = max(self._physical, end)
        self._end = max(self._end, end)

    def truncate(self, size: int | None = None) -> int:
        """Let the file end at a size, if that is not before the end that was committed."""
        size = self._position if size is None else size
        if size >= self._kept and not self._is_given_up:
            try:
                self._set_size(size)
            except OSError as error:
                self._fail(error)
        return size

    def check(self) -> None:
        """Raise what went wrong since the last commit.

        HDF5 calls on after an error, with that pending, so that none can be raised at once.

        Raises
        ------
        OSError
            If the disk failed.
        """
        if self._error is not None:
            raise self._error

    def _fail(self, error: OSError) -> None:
        self._error = error
        self._is_given_up = True

    def _set_size(self, size: int) -> None:
        if size != self._physical:
            self._has_written = True
            os.ftruncate(self._handle, size)
        self._physical = self._end = size

    def changes(self) -> list[Change]:
        """Return what waits to be made, as far as it differs from what is there.

        Raises
        ------
        OSError
            If something could not be written.
        """
        self.check()
        found = []
        for offset, data in self._changes.items():
            old = os.pread(self._handle, len(data), offset)
            if old != data:
                found += [
                    Change(offset + low, data[low:high], old[low:high])
                    for low, high in _different(old, data)
                ]
        return found

    def settle(self) -> None:
        """Take what was written for what is there: the changes were made."""
        self._changes.clear()
        self._kept = self._end
        self._has_written = False

    def close(self) -> None:
        """Close the file, without what was not committed."""
        handle, self._handle = self._handle, -1
        self._is_given_up = True
        if handle < 0:
            return
        # What is left behind the end does no harm, and what was committed is whole.
        with contextlib.suppress(OSError):
            # Otherwise, others may have made it longer.
            if self._is_ours and self._has_written:
                os.ftruncate(handle, self._kept)
        with contextlib.suppress(OSError):
            os.close(handle)

    def give_up(self) -> None:
        """Take no more: what h5py writes when it closes the file is not wanted."""
        self._is_given_up = True

    def leave(self) -> None:
        """Leave the file to the process that this one was forked from."""
        self._is_given_up = True
        self._is_ours = False


_OPEN: weakref.WeakSet[AppendedFile] = weakref.WeakSet()


def _leave_all() -> None:
    for file in _OPEN:
        file.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)


def allocated_size(handle: int, size: int) -> int:
    """Return where the allocated part of an HDF5 file ends; `size` if it does not say so."""
    head = os.pread(handle, 64, 0)
    at = _END_OF_FILE.get(head[8], 0) if head.startswith(_SIGNATURE) and len(head) == 64 else 0
    return int(struct.unpack_from("<Q", head, at)[0]) if at else size


def superblock_version(path: str) -> int:
    """Return the version of the superblock of a file; 0 if it has none at its beginning."""
    with open(path, "rb") as file:
        head = file.read(len(_SIGNATURE) + 1)
    return head[-1] if head.startswith(_SIGNATURE) and len(head) > len(_SIGNATURE) else 0


def _different(old: bytes, new: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the parts of `new` begin and end that `old` has not, about as they are."""
    if len(old) != len(new) or len(new) < _SHORT:
        yield 0, len(new)
        return
    whole = len(new) - len(new) % _BLOCK
    one, other = (numpy.frombuffer(data, "u8", whole // 8) for data in (old, new))
    differs = (one != other).reshape(-1, _BLOCK // 8).any(axis=1)
    for number in numpy.flatnonzero(differs).tolist():
        yield number * _BLOCK, (number + 1) * _BLOCK
    if old[whole:] != new[whole:]:
        yield whole, len(new)
