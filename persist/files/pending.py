"""A file object in which changes wait, and are read as if they were made."""

from __future__ import annotations

import os

__all__ = ["PendingFile", "write_at"]


class PendingFile:
    """A file object, binary and seekable, of which the part that was committed stays as it is.

    Parameters
    ----------
    handle : int
        The descriptor of the file, open for reading and writing.
    kept : int
        Where the part ends that was committed.
    """

    def __init__(self, handle: int, kept: int) -> None:
        self._handle = handle
        self._kept = self._end = kept
        self._position = 0
        self._changes: dict[int, bytes] = {}

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
        start, count = self._position, 0
        while count < len(view):
            piece = os.pread(self._handle, len(view) - count, start + count)
            if not piece:
                break
            view[count : count + len(piece)] = piece
            count += len(piece)
        for offset, data in self._changes.items():
            low, high = max(offset, start), min(offset + len(data), start + count)
            if low < high:
                view[low - start : high - start] = data[low - offset : high - offset]
        self._position += count
        return count

    def read(self, size: int = -1) -> bytes:
        """Return the bytes from the position on."""
        buffer = bytearray(max(0, self._end - self._position) if size < 0 else size)
        return bytes(buffer[: self.readinto(memoryview(buffer))])

    def flush(self) -> None:
        """Do nothing: a commit makes the changes."""

    def _change(self, start: int, data: memoryview) -> None:
        """Let a change wait; those that overlap are one."""
        changes, end = self._changes, start + len(data)
        touched = [at for at, known in changes.items() if at < end and start < at + len(known)]
        if touched in ([], [start]) and len(changes.get(start, data)) == len(data):
            changes[start] = bytes(data)
            return
        low = min(start, *touched)
        merged = bytearray(max(end, *(at + len(changes[at]) for at in touched)) - low)
        for at in touched:
            known = changes.pop(at)
            merged[at - low : at - low + len(known)] = known
        merged[start - low : end - low] = data
        changes[low] = bytes(merged)


def write_at(handle: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at an offset."""
    view = memoryview(data)
    done = 0
    while done < len(view):
        done += os.pwrite(handle, view[done:], offset + done)
