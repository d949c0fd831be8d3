"""Changes of several files of a folder as one: all of them, or none.

They are first written to a journal in the folder. Where a journal is whole, its changes are made
(again) before anything else is done; where it is not, nothing was changed.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from persist.errors import DamagedError
from persist.experiment.appended_file import Change
from persist.experiment.handle import Handle
from persist.files import sync_folder
from persist.files.pending import write_at

__all__ = ["JOURNAL", "Journal", "Part", "has_journal", "recover"]

JOURNAL = ".persist-journal"

_MAGIC = b"persist trial 1\n"
_VOID = bytes(len(_MAGIC))
_HEAD = struct.Struct("<QI")  # how many bytes follow, and their CRC-32
_FILE = struct.Struct("<HI")  # of each file, the length of its name, and how many changes follow
_CHANGE = struct.Struct("<QQ")  # where, and how many bytes
_FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Part(NamedTuple):
    """What is to change in one file.

    Parameters
    ----------
    name : str
        The file, in the folder of the journal.
    handle : int
        The file, open for writing.
    size : int
        How long the file was before.
    changes : sequence of Change
        The changes.
    """

    name: str
    handle: int
    size: int
    changes: Sequence[Change]

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.changes)


class Journal:
    """The journal of a folder, for one writer at a time: whoever has the lock of the folder.

    Parameters
    ----------
    folder : str
        The folder.
    durable : bool
        Whether to wait until the disk holds each commit.
    """

    def __init__(self, folder: str, *, durable: bool) -> None:
        self._folder = folder
        self._path = os.path.join(folder, JOURNAL)
        self._durable = durable
        self._handle: Handle | None = None

    def commit(self, parts: Sequence[Part]) -> None:
        """Make all changes.

        Raises
        ------
        OSError
            If the disk fails. All files are as they were; or, if they could not be made so again,
            they will be as they should have become when somebody opens the folder next.
        """
        if self._durable:
            for part in parts:
                os.fsync(part.handle)
        handle = self._opened().number
        try:
            write_at(handle, _packed(parts), 0)
            if self._durable:
                os.fsync(handle)
            self._apply(parts)
        except BaseException:
            _undo(parts)
            self._clear(handle)
            raise
        self._clear(handle)

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
        if self._durable:
            sync_folder(self._folder)
        return self._handle

    def _apply(self, parts: Sequence[Part]) -> None:
        for part in parts:
            for change in part.changes:
                write_at(part.handle, change.new, change.offset)
        if self._durable:
            for part in parts:
                os.fsync(part.handle)

    def _clear(self, handle: int) -> None:
        try:
            write_at(handle, _VOID, 0)
        except OSError:
            # Changes that are made again change nothing; but those to come must have another.
            self.close()
            os.unlink(self._path)


def has_journal(folder: str) -> bool:
    """Tell whether there is something in the journal of a folder."""
    return _read(folder) is not None


def recover(folder: str) -> None:
    """Make the changes that a writer who died had committed to; who calls has the lock.

    Raises
    ------
    DamagedError
        If a file to be changed is gone.
    OSError
        If the disk fails; another try can go on.
    """
    content = _read(folder)
    if content is None:
        return
    for name, changes in _unpacked(content):
        _change_file(folder, name, changes)
    # Not removed: another writer may have it open.
    os.truncate(os.path.join(folder, JOURNAL), 0)


def _read(folder: str) -> bytes | None:
    """Return the journal of a folder; None if there is nothing in it."""
    try:
        handle = os.open(os.path.join(folder, JOURNAL), os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    try:
        if os.pread(handle, len(_MAGIC), 0) != _MAGIC:
            return None
        return os.pread(handle, os.fstat(handle).st_size, 0)
    finally:
        os.close(handle)


def _change_file(folder: str, name: str, changes: Sequence[tuple[int, bytes]]) -> None:
    try:
        handle = os.open(os.path.join(folder, name), _FLAGS)
    except FileNotFoundError as error:
        raise DamagedError(
            f"{folder} has a journal ({JOURNAL}) for {name}, which is gone: put it back, or remove "
            "the journal and lose the last trial"
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


def _unpacked(content: bytes) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
    """Yield the changes of each file; none if the journal is not whole."""
    start = len(_MAGIC) + _HEAD.size
    if not content.startswith(_MAGIC) or len(content) < start:
        return
    size, crc = _HEAD.unpack_from(content, len(_MAGIC))
    body = content[start : start + size]
    if len(body) < size or zlib.crc32(body) != crc:
        return
    position = 0
    while position < size:
        length, count = _FILE.unpack_from(body, position)
        position += _FILE.size
        name = os.fsdecode(body[position : position + length])
        position += length
        changes = []
        for _ in range(count):
            offset, length = _CHANGE.unpack_from(body, position)
            position += _CHANGE.size
            changes.append((offset, body[position : position + length]))
            position += length
        yield name, changes
