"""Changes to files of one folder: all of them, or none.

The new bytes are first written to a journal in the folder, which names the files. While a journal
is whole, its changes are made (again) before anything else is done; a journal that is torn changes
nothing. A journal is never followed out of its folder: it names regular files in it.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from persist.errors import DamagedError, UnsafePathError
from persist.files.confine import check_name
from persist.files.lock import FolderLock
from persist.files.regular import Handle, open_descriptor, open_for_writing, read_at, write_at
from persist.files.write import remove_path, sync_data, sync_folder

__all__ = ["Change", "Journal", "Part", "is_journal", "is_pending", "recover"]

_MAGIC = b"persist trial 1\n"
_VOID = bytes(len(_MAGIC))
# What former releases wrote beside a workspace: changes of the one file it is called after.
_SINGLE_MAGIC = b"persist journal 1\n"
_HEAD = struct.Struct("<QI")  # how many bytes follow, and their CRC-32
_FILE = struct.Struct("<HI")  # of each file, the length of its name, and how many changes follow
_CHANGE = struct.Struct("<QQ")  # where, and how many bytes


class Change(NamedTuple):
    """A pending in-place edit.

    Parameters
    ----------
    offset : int
        Where it begins.
    new, old : bytes
        The new bytes and those they replace; `old` is shorter where the file ends before.
    """

    offset: int
    new: bytes
    old: bytes


class Part(NamedTuple):
    """The changes of one file.

    Parameters
    ----------
    name : str
        The file, in the folder of the journal.
    handle : int
        The file, open for writing.
    size : int
        Its length before, in bytes.
    changes : sequence of Change
        The changes.
    is_whole : bool
        Whether these are all that was written since the last commit. Otherwise the file is synced
        first, for what was written behind its end.
    """

    name: str
    handle: int
    size: int
    changes: Sequence[Change]
    is_whole: bool = False


class Journal:
    """A journal for one writer at a time: the caller must hold a lock.

    Parameters
    ----------
    path : str
        The journal file; the files that it changes are in its folder.
    durable : bool
        Whether to wait until the disk holds each commit.
    lock : FolderLock, optional
        That lock, of which a commit looks whether it is still in place.
    """

    def __init__(self, path: str, *, durable: bool = True, lock: FolderLock | None = None) -> None:
        self.is_durable = durable
        self._lock = lock
        self._path = path
        self._handle: Handle | None = None

    def commit(self, parts: Sequence[Part]) -> None:
        """Make all changes.

        If the disk fails, all files are as they were; or, if they could not be restored, the next
        `recover` makes the changes. LostLockError if the lock was removed: others may be at work.
        """
        if self._lock is not None:
            self._lock.check_held()
        if self.is_durable:
            for part in parts:
                if not part.is_whole:
                    sync_data(part.handle)
        handle = self._opened().number
        try:
            write_at(handle, _packed(parts), 0)
            if self.is_durable:
                sync_data(handle)
            for part in parts:
                for change in part.changes:
                    write_at(part.handle, change.new, change.offset)
            if self.is_durable:
                for part in parts:
                    sync_data(part.handle)
        except BaseException:
            _undo(parts)
            self._clear(handle)
            raise
        self._clear(handle)

    def is_pending(self) -> bool:
        """Return True if a commit failed and its changes could not be undone."""
        return is_pending(self._path)

    def remove(self) -> None:
        """Close the journal and remove its file. No commit may be pending."""
        self.close()
        if os.path.lexists(self._path):
            remove_path(self._path)
            if self.is_durable:
                sync_folder(os.path.dirname(self._path))

    def close(self) -> None:
        """Close the journal, and leave the file."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _opened(self) -> Handle:
        """Return the file that others would find."""
        if self._handle is not None:
            with contextlib.suppress(FileNotFoundError):
                if os.stat(self._path).st_ino == os.fstat(self._handle.number).st_ino:
                    return self._handle
        self.close()
        self._handle = Handle(self._path)
        os.ftruncate(self._handle.number, 0)
        if self.is_durable:
            sync_folder(os.path.dirname(self._path))
        return self._handle

    def _clear(self, handle: int) -> None:
        # Not synced: changes that are made again change nothing, and the next commit writes over
        # this one before it changes a file.
        try:
            write_at(handle, _VOID, 0)
        except OSError:
            self.close()
            os.unlink(self._path)


def is_pending(path: str) -> bool:
    """Return True if a journal exists and has not been cleared."""
    return _read(path) is not None


def is_journal(head: bytes) -> bool:
    """Return True if a file that begins so is a journal that has not been cleared."""
    return head.startswith((_MAGIC, _SINGLE_MAGIC))


def recover(path: str) -> bool:
    """Replay or discard the journal of a crashed writer; return True if it was replayed.

    The caller must hold the lock of the writer. Raises DamagedError if the journal names what is
    not a regular file in its folder. If the disk fails, another try can go on.
    """
    content = _read(path)
    if content is None:
        return False
    folder = os.path.dirname(path)
    done = False
    for name, changes in _unpacked(path, content):
        _change_file(folder, path, name, changes)
        done = done or bool(changes)
    # Another writer may have it open, and looks whether it is still there.
    remove_path(path)
    sync_folder(folder)
    return done


def _read(path: str) -> bytes | None:
    try:
        handle = open_descriptor(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    try:
        if not is_journal(read_at(handle, len(_SINGLE_MAGIC), 0)):
            return None
        return read_at(handle, os.fstat(handle).st_size, 0)
    finally:
        os.close(handle)


def _change_file(
    folder: str, journal: str, name: str, changes: Sequence[tuple[int, bytes]]
) -> None:
    try:
        # Older storages may hold names of devices, which are ordinary files here.
        handle = open_for_writing(os.path.join(folder, *check_name(name, devices=True)))
    except UnsafePathError as error:
        raise DamagedError(
            f"cannot replay {journal}: it names {name!r}, which is not a file of its folder; "
            "remove the journal"
        ) from error
    except FileNotFoundError as error:
        raise DamagedError(
            f"cannot replay {journal}: it changes {name}, which is missing; put the file back, or "
            "remove the journal and lose the last change"
        ) from error
    try:
        for offset, data in changes:
            write_at(handle, data, offset)
        os.fsync(handle)
    finally:
        os.close(handle)


def _undo(parts: Sequence[Part]) -> None:
    for part in parts:
        for change in part.changes:
            if change.old:
                write_at(part.handle, change.old, change.offset)
        # Only what the journal can write again is cut off: an overlay keeps its own data there.
        end = max((change.offset + len(change.new) for change in part.changes), default=0)
        if end > part.size:
            os.ftruncate(part.handle, part.size)


def _packed(parts: Sequence[Part]) -> bytes:
    pieces = []
    for part in parts:
        name = os.fsencode(part.name)
        pieces += [_FILE.pack(len(name), len(part.changes)), name]
        for change in part.changes:
            pieces += [_CHANGE.pack(change.offset, len(change.new)), change.new]
    body = b"".join(pieces)
    return _MAGIC + _HEAD.pack(len(body), zlib.crc32(body)) + body


def _unpacked(path: str, content: bytes) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
    """Yield the changes of each file; none if the journal is torn."""
    is_single = content.startswith(_SINGLE_MAGIC)
    start = len(_SINGLE_MAGIC if is_single else _MAGIC)
    if len(content) < start + _HEAD.size:
        return
    size, crc = _HEAD.unpack_from(content, start)
    body = content[start + _HEAD.size :][:size]
    if len(body) < size or zlib.crc32(body) != crc:
        return
    position = 0
    try:
        while position < size:
            if is_single:
                name = os.path.basename(path).removeprefix(".").removesuffix(".journal")
                count = -1
            else:
                length, count = _FILE.unpack_from(body, position)
                position += _FILE.size
                name = os.fsdecode(body[position : position + length])
                position += length
            changes = []
            while count and position < size:
                offset, length = _CHANGE.unpack_from(body, position)
                position += _CHANGE.size
                changes.append((offset, body[position : position + length]))
                position += length
                count -= 1
            yield name, changes
    except struct.error as error:
        raise DamagedError(f"cannot replay {path}: it is damaged; remove it") from error
