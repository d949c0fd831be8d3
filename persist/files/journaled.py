"""A file that is changed in place, some changes at a time: all of them, or none.

What is written behind the end of the file goes there at once; what would change bytes that were
there waits in memory. A commit first writes these changes to a journal beside the file. Where a
journal is whole, its changes are made (again) before the file is used; where it is not, nothing was
changed.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator

from persist.errors import ClosedError
from persist.files.create import remove_path
from persist.files.pending import PendingFile, write_at
from persist.files.sync import sync_folder

__all__ = ["JournaledFile", "journal_of", "recover"]

_MAGIC = b"persist journal 1\n"
_HEAD = struct.Struct("<QI")  # how many bytes follow, and their CRC-32
_CHANGE = struct.Struct("<QQ")  # where, and how many bytes
_FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def journal_of(path: str) -> str:
    """Return the path of the journal of a file."""
    folder, name = os.path.split(os.path.realpath(path))
    return os.path.join(folder, f".{name}.journal")


def recover(path: str) -> bool:
    """Finish or forget the commit in which a writer of a file died; tell whether it was finished.

    Nobody else may be writing the file.

    Raises
    ------
    OSError
        If the disk fails; another try can go on.
    """
    journal = journal_of(path)
    try:
        with open(journal, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return False
    changes = _parse(content)
    if changes:
        handle = os.open(os.path.realpath(path), _FLAGS)
        try:
            _apply(handle, changes)
            os.fsync(handle)
        finally:
            os.close(handle)
    _forget(journal)
    return bool(changes)


class JournaledFile(PendingFile):
    """A file object, binary and seekable, whose changes are made by `commit`.

    Parameters
    ----------
    path : str
        A file that exists, which nobody else writes.

    Attributes
    ----------
    was_recovered : bool
        Whether a commit that was broken off has been finished first: see `recover`.
    commits : int
        How many commits count, even if their calls were broken off.
    failure : BaseException or None
        Why something could not be written. It is raised by `commit`, and not by `write`, which HDF5
        calls: no error passes through that unharmed.

    Notes
    -----
    A process that was forked can read, but what it writes is dropped.
    """

    def __init__(self, path: str) -> None:
        self.was_recovered = recover(path)
        self._journal = journal_of(path)
        handle = os.open(os.path.realpath(path), _FLAGS)
        super().__init__(handle, os.fstat(handle).st_size)
        self.commits = 0
        self.failure: BaseException | None = None
        self._is_given_up = False
        self._pid = os.getpid()

    def write(self, data: bytes | memoryview) -> int:
        """Write at the position, and return how many bytes were written."""
        view = memoryview(data).cast("B")
        if not self._is_ours():
            self._position += len(view)
            return len(view)
        inside = max(0, min(len(view), self._kept - self._position))
        if inside:
            self._change(self._position, view[:inside])
        with self._noting_failures():
            write_at(self._handle, view[inside:], self._position + inside)
        self._position += len(view)
        if view:
            self._end = max(self._end, self._position)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Let the file end at a size, if that is not before the end that was committed."""
        size = self._position if size is None else size
        # A file that is cut to its length has changed, for who looks at its time.
        if size >= self._kept and size != self._end and self._is_ours():
            with self._noting_failures():
                os.ftruncate(self._handle, size)
            self._end = size
        return size

    def commit(self) -> None:
        """Make what was written last, all of it.

        Raises
        ------
        OSError
            If the disk fails. The file is then as it was; or, where the disk fails again after the
            journal was written, whoever opens the file next makes the changes.
        ClosedError
            If changes were given up, or this is not the process that opened the file.
        """
        if not self._is_ours():
            raise ClosedError("changes were given up, or belong to another process")
        if self.failure is not None:
            raise self.failure
        if not self._changes and self._end == self._kept:
            return
        os.fsync(self._handle)
        _write_journal(self._journal, list(self._changes.items()))
        # From here on the changes count, even if it takes another try to make them.
        self._kept = self._end
        self.commits += 1
        try:
            self._make_changes()
        except OSError:
            self._make_changes()
        self._changes.clear()

    def give_up(self) -> None:
        """Forget what was written since the last commit, and take no more."""
        if self._is_ours():
            # Where this fails, the file has bytes behind its end, which do no harm.
            with contextlib.suppress(OSError):
                if os.fstat(self._handle).st_size > self._kept:
                    os.ftruncate(self._handle, self._kept)
        self._is_given_up = True
        self._changes.clear()

    def close(self) -> None:
        """Close the file, without what was not committed."""
        self.give_up()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    @contextlib.contextmanager
    def _noting_failures(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.failure = self.failure or error

    def _is_ours(self) -> bool:
        return self._handle >= 0 and not self._is_given_up and self._pid == os.getpid()

    def _make_changes(self) -> None:
        _apply(self._handle, self._changes.items())
        os.fsync(self._handle)
        _forget(self._journal)


def _write_journal(journal: str, changes: list[tuple[int, bytes]]) -> None:
    body = b"".join(_CHANGE.pack(offset, len(data)) + data for offset, data in changes)
    content = _MAGIC + _HEAD.pack(len(body), zlib.crc32(body)) + body
    try:
        with open(journal, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(os.path.dirname(journal))
    except BaseException:
        # Half of it would count for nothing; the whole of it for a commit that was not made.
        remove_path(journal)
        raise


def _parse(content: bytes) -> list[tuple[int, bytes]]:
    """Return the changes of a journal; none if it is not whole."""
    start = len(_MAGIC) + _HEAD.size
    if not content.startswith(_MAGIC) or len(content) < start:
        return []
    size, crc = _HEAD.unpack_from(content, len(_MAGIC))
    body = content[start : start + size]
    if len(body) < size or zlib.crc32(body) != crc:
        return []
    changes = []
    position = 0
    while position < size:
        offset, length = _CHANGE.unpack_from(body, position)
        position += _CHANGE.size
        changes.append((offset, body[position : position + length]))
        position += length
    return changes


def _apply(handle: int, changes: Iterable[tuple[int, bytes]]) -> None:
    for offset, data in changes:
        write_at(handle, data, offset)


def _forget(journal: str) -> None:
    remove_path(journal)
    sync_folder(os.path.dirname(journal))
