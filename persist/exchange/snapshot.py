"""A snapshot of a data set, file by file, without a lock.

Values are replaced while others read. What a manifest lists is either there or was replaced by a
later commit: whoever copies the files compares each with its record, and begins again with the new
manifest if one differs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, TypeVar

from persist.dataset.layout import (
    ATTRIBUTES,
    LOCK,
    MANIFEST,
    MARKER,
    PACKAGE,
    Place,
    is_data_set,
)
from persist.dataset.manifest import Manifest, read_manifest, split_lines
from persist.errors import DamagedError, DataSetError
from persist.files import FolderLock, confine, open_regular
from persist.files.digest import FileRecord, digest_file, digest_pieces

__all__ = [
    "ChangedError",
    "SetSnapshot",
    "copy_checked",
    "copy_pieces",
    "read_pieces",
    "retried",
    "snapshot_of",
]

_Result = TypeVar("_Result")
_PIECE = 1 << 20
_ATTEMPTS = 3
_PAUSE = 0.1  # s


class ChangedError(DamagedError):
    """A file is not what the manifest said: it was replaced meanwhile, or it is damaged."""


@dataclass
class SetSnapshot:
    """A data set at one moment; files go by the names that they have in it."""

    place: str  # in the outermost data set: "", "D0", "D0/D1"
    manifest: bytes  # its whole lines
    state: Manifest  # what they say
    lines: frozenset[bytes]  # another manifest that has all of them holds its history
    records: dict[str, FileRecord]
    paths: dict[str, str] = field(default_factory=dict)  # where each file is now

    @classmethod
    def of(cls, place: str, manifest: bytes, where: str) -> SetSnapshot:
        """Return what a manifest says."""
        whole = split_lines(manifest, 0, where)
        state = read_manifest(where, whole.lines)
        texts = frozenset(line.text for line in whole.lines)
        return cls(place, manifest[: whole.end], state, texts, state.files())

    def full_name(self, name: str) -> str:
        """Return the name of a file in the outermost data set."""
        return f"{self.place}/{name}" if self.place else name


def snapshot_of(folder: str) -> list[SetSnapshot]:
    """Return a data set and those inside it, the outermost first.

    DataSetError if there is none, or an older release wrote it, which noted no digests.
    """
    if not is_data_set(folder):
        raise DataSetError(f"cannot read {folder}: it is not a data set")
    found = []
    waiting = [""]
    while waiting:
        place = waiting.pop()
        path = os.path.join(folder, *place.split("/")) if place else folder
        found.append(_set_in(path, place))
        with os.scandir(path) as entries:
            inner = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        waiting += [
            f"{place}/{name}".lstrip("/")
            for name in sorted(inner, reverse=True)
            if is_data_set(inside := os.path.join(path, name)) and not _is_empty(inside)
        ]
    return found


def _is_empty(path: str) -> bool:
    """Return True if nothing has been stored in a data set since it was made."""
    return not any(os.path.lexists(os.path.join(path, name)) for name in (MANIFEST, PACKAGE))


def _set_in(path: str, place: str) -> SetSnapshot:
    if _is_empty(path):
        raise DataSetError(f"cannot read {path}: nothing is stored in it; store a value first")
    try:
        with open_regular(os.path.join(path, MANIFEST)) as file:
            found = SetSnapshot.of(place, file.read(), path)
    except FileNotFoundError:
        found = SetSnapshot.of(place, b"", path)
    state = found.state
    # Of format 1, no line follows another; of format 2, the first names the files of the package.
    if not (state.last.get("after") or state.package):
        raise DataSetError(
            f"cannot read {path}: an older release wrote it, which noted no digests; open it for "
            "writing once"
        )
    places = Place.after(state.last, path)
    found.records.setdefault(MARKER, FileRecord(0, hashlib.sha256().hexdigest()))
    for name in found.records:
        at = confine(path, places.current(name), nested=True, devices=True)
        if name == ATTRIBUTES and os.path.isfile(at):
            # Users may add to it.
            found.records[name] = digest_file(at)
        found.paths[name] = at
    return found


def copy_checked(source: str, record: FileRecord, target: IO[bytes] | None) -> None:
    """Copy a file, or only read it, and raise `ChangedError` if it is not what its record says."""
    try:
        with open_regular(source) as file:
            pieces = read_pieces(file, record.size)
            found = digest_pieces(pieces) if target is None else copy_pieces(pieces, target)
    except FileNotFoundError as error:
        raise ChangedError(f"{source} is missing; run: persist verify") from error
    if found != record:
        raise ChangedError(f"{source} is not what the manifest says; run: persist verify")


def read_pieces(file: IO[bytes], size: int, at_once: int = _PIECE) -> Iterator[bytes]:
    """Yield the content of a file in pieces, with one byte more than `size` if it is longer."""
    left = size + 1
    while left > 0 and (piece := file.read(min(at_once, left))):
        left -= len(piece)
        yield piece


def copy_pieces(pieces: Iterable[bytes], target: IO[bytes]) -> FileRecord:
    """Write pieces to a file, and return the record of all of them."""

    def written() -> Iterator[bytes]:
        for piece in pieces:
            target.write(piece)
            yield piece

    return digest_pieces(written())


def retried(work: Callable[[], _Result], folder: str) -> _Result:
    """Return what `work` returns, after another attempt for each time that files had changed.

    Where writers are quicker, the last attempt keeps them waiting: what differs while nobody writes
    is damaged.
    """
    for _ in range(_ATTEMPTS):
        try:
            return work()
        except ChangedError:
            time.sleep(_PAUSE)
    with contextlib.ExitStack() as locks:
        # Where nothing can be locked, nothing is written either.
        with contextlib.suppress(PermissionError, DataSetError):
            for found in snapshot_of(folder):
                path = os.path.join(folder, *found.place.split("/"))
                locks.enter_context(FolderLock(path, name=LOCK))
        return work()
