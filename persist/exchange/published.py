"""How a data set is laid out where it is published.

``_published.json`` is the head: it names the manifest of each data set, the outer and the inner
ones, by its size and digest, and the commit that has put it there. Everything else is a file under
its digest, ``blobs/ab/ab12…``, and is never changed. So a reader sees the old version or the new
one, and a pusher that dies leaves files that nobody refers to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from persist.dataset.layout import check_key
from persist.dataset.manifest import Manifest
from persist.errors import DamagedError, InvalidKeyError
from persist.exchange.cache import check_digest
from persist.exchange.snapshot import state_of
from persist.files import check_name
from persist.files.digest import FileRecord

__all__ = ["HEAD", "Head", "RemoteSet", "blob_name", "decode_head"]

HEAD = "_published.json"
_KIND = "persist data set"
_VERSION = 1


def blob_name(digest: str) -> str:
    """Return the name of a file with a digest."""
    check_digest(digest)
    return f"blobs/{digest[:2]}/{digest}"


@dataclass(frozen=True)
class Head:
    """What is published at a URL.

    Parameters
    ----------
    commit : str
        A random mark of the push that has put it there, by which that recognizes itself.
    sets : dict of str to FileRecord
        The manifest of each data set, by its place: ``""``, ``"D0"``, ``"D0/D1"``.
    """

    commit: str
    sets: dict[str, FileRecord] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return it as JSON."""
        document = {
            "kind": _KIND,
            "version": _VERSION,
            "commit": self.commit,
            "sets": {place: list(record) for place, record in sorted(self.sets.items())},
        }
        return json.dumps(document, indent=1).encode() + b"\n"

    @property
    def digest(self) -> str:
        """A SHA-256 of what is published, whoever has pushed it."""
        text = json.dumps(sorted((place, *record) for place, record in self.sets.items()))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class RemoteSet:
    """A data set of a version.

    Parameters
    ----------
    place : str
        Where it is in the outermost one.
    manifest : bytes
        Its manifest.
    state : Manifest
        What that says.
    lines : frozenset of bytes
        Its lines: another manifest that has all of them holds its history.
    """

    place: str
    manifest: bytes
    state: Manifest
    lines: frozenset[bytes]

    @classmethod
    def of(cls, place: str, manifest: bytes, where: str) -> RemoteSet:
        """Return a data set by its manifest, all names in which are confined.

        Raises
        ------
        DamagedError
            If the manifest is damaged, or names what cannot be in a data set.
        UnsafePathError
            If a name leads out of it.
        """
        state, lines = state_of(manifest, where)
        found = cls(place, manifest, state, frozenset(line.text for line in lines))
        for name, record in found.records().items():
            check_name(name, nested=True, devices=True)
            check_digest(record.sha256)
            if type(record.size) is not int or record.size < 0:
                raise DamagedError(f"cannot read {where}: {record.size!r} is not a size")
        return found

    def records(self) -> dict[str, FileRecord]:
        """Return the size and digest of each file, by its name in the data set."""
        found = {name: FileRecord(*record) for name, record in self.state.package.items()}
        for value in self.state.values.values():
            found.update({name: FileRecord(*record) for name, record in value["files"].items()})
        return found


def decode_head(data: bytes, where: str) -> Head:
    """Return what is published, once its names are harmless.

    Raises
    ------
    DamagedError
        If it is damaged, or was written by a later release.
    """
    try:
        document = json.loads(data)
        if document["kind"] != _KIND:
            raise DamagedError(f"its kind is {document['kind']!r}")
        if document["version"] != _VERSION:
            raise DamagedError(f"a later release wrote it (version {document['version']!r})")
        sets = {place: _record(record) for place, record in document["sets"].items()}
        for place in sets:
            _check_place(place, sets)
        if "" not in sets:
            raise DamagedError("it names no data set")
        return Head(str(document["commit"]), sets)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"cannot read {where}/{HEAD}: {error}") from error


def _record(found: Any) -> FileRecord:
    size, digest = found
    if type(size) is not int or size < 0:
        raise DamagedError(f"{size!r} is not a size")
    return FileRecord(size, check_digest(digest))


def _check_place(place: str, sets: Mapping[str, object]) -> None:
    if not place:
        return
    parts = check_name(place, nested=True, devices=True)
    for part in parts:
        try:
            check_key(part)
        except InvalidKeyError as error:
            raise DamagedError(str(error)) from error
    if "/".join(parts[:-1]) not in sets:
        raise DamagedError(f"{place!r} is in no data set")
