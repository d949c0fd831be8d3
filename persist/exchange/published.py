"""How a data set is laid out where it is published.

``_published.json`` is the head: it names the manifest of each data set, the outer and the inner
ones, by its size and digest, and the commit that has put it there. Everything else is a file under
its digest, ``blobs/ab/ab12…``, and is never changed. So a reader sees the old version or the new
one, and a pusher that dies leaves files that nobody refers to.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from persist.dataset.layout import check_key, package_files
from persist.errors import DamagedError, InvalidKeyError, PersistError
from persist.exchange.cache import check_digest
from persist.exchange.snapshot import SetSnapshot
from persist.files import check_name
from persist.files.digest import FileRecord, digest_pieces

__all__ = [
    "HEAD",
    "MALFORMED",
    "Head",
    "RemoteError",
    "blob_name",
    "decode_document",
    "decode_head",
    "encode_document",
    "files_of_release",
    "published_set",
]

HEAD = "_published.json"
_KIND = "persist data set"
_VERSION = 1


MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What a document raises that is not what persist writes."""


class RemoteError(PersistError, OSError):
    """A server cannot be reached, or refuses."""


def blob_name(digest: str) -> str:
    """Return the name of a file with a digest."""
    check_digest(digest)
    return f"blobs/{digest[:2]}/{digest}"


def encode_document(kind: str, **content: object) -> bytes:
    """Return a document as JSON, which says what it is."""
    document = {"kind": kind, "version": _VERSION, **content}
    return json.dumps(document, indent=1).encode() + b"\n"


def decode_document(data: bytes, kind: str) -> Any:
    """Return what `encode_document` has encoded; one of `MALFORMED` if it is not of this kind."""
    document = json.loads(data)
    if not isinstance(document, dict) or document.get("kind") != kind:
        raise DamagedError(f"it does not say that it is a {kind}")
    if document["version"] != _VERSION:
        raise DamagedError(f"a later release wrote it (version {document['version']!r})")
    return document


@dataclass(frozen=True)
class Head:
    """What is published at a URL: the manifest of each data set, by its place.

    Places are ``""``, ``"D0"``, ``"D0/D1"``.
    """

    commit: str  # a random mark, by which the push that has put it there recognizes itself
    sets: dict[str, FileRecord] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return it as JSON."""
        return encode_document(_KIND, commit=self.commit, sets=dict(sorted(self.sets.items())))


def published_set(place: str, manifest: bytes, where: str) -> SetSnapshot:
    """Return a data set by its manifest, once all names in that are confined.

    UnsafePathError if a name leads out of it, DamagedError if the manifest is damaged.
    """
    found = SetSnapshot.of(place, manifest, where)
    for name, record in found.records.items():
        check_name(name, nested=True, devices=True)
        check_digest(record.sha256)
        if type(record.size) is not int or record.size < 0:
            raise DamagedError(f"cannot read {where}: {record.size!r} is not a size")
    return found


@functools.cache
def files_of_release() -> dict[FileRecord, bytes]:
    """Return the files that all data sets of this release have, which need not be read."""
    return {digest_pieces([data]): data for data in package_files().values()}


def decode_head(data: bytes, where: str) -> Head:
    """Return what is published, once its names are harmless; DamagedError if they are not."""
    try:
        document = decode_document(data, _KIND)
        sets = {place: _record(record) for place, record in document["sets"].items()}
        for place in sets:
            _check_place(place, sets)
        if "" not in sets:
            raise DamagedError("it names no data set")
        return Head(str(document["commit"]), sets)
    except MALFORMED as error:
        raise DamagedError(
            f"cannot read {where}/{HEAD}: it is not what a push publishes ({error}); check the "
            "address, or publish it again"
        ) from error


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
