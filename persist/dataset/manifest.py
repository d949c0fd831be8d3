"""All that the manifest says, put together."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from persist.dataset.commit import Commit, decode, encode
from persist.dataset.index import settled
from persist.dataset.layout import MANIFEST
from persist.files.digest import FileRecord

__all__ = ["Entry", "Manifest", "find_value", "read_manifest"]


@dataclass(frozen=True)
class Entry:
    """What is known of a key without reading its value.

    Parameters
    ----------
    key : str
        The key.
    type : str or None
        The import path of the class of the value; None if there is only an info, or an older
        release wrote the value.
    shape : tuple of int or None
        The lengths of its axes, if it has any.
    dtype : str or None
        The type of its elements, if it has one.
    written : str or None
        When it was stored: ISO 8601, UTC.
    files : dict of str to FileRecord
        The size and digest of each of its files, by path in the data set.
    provenance : dict or None
        What made it, if that was asked for.
    """

    key: str
    type: str | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    written: str | None = None
    files: dict[str, FileRecord] = field(default_factory=dict)
    provenance: dict[str, Any] | None = None

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(record.size for record in self.files.values())


@dataclass
class Manifest:
    """The state after some commits."""

    number: int = 0
    infos: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    namespaces: dict[str, None] = field(default_factory=dict)
    package: dict[str, Any] = field(default_factory=dict)
    provenance: dict[int, dict[str, Any]] = field(default_factory=dict)
    removes: list[str] = field(default_factory=list)

    def apply(self, commit: Commit) -> None:
        """Take in the next commit."""
        self.number = commit.number
        for key in commit.deleted:
            for known in (self.infos, self.sources, self.values):
                known.pop(key, None)
        for key in (*commit.infos, *commit.sources):
            self.sources.pop(key, None)
            # The order of keys is that in which they came, whatever their infos are.
            self.infos[key] = commit.infos.get(key)
        self.sources.update(commit.sources)
        self.values.update(commit.values)
        self.namespaces.update(dict.fromkeys(commit.namespaces))
        self.package.update(commit.package)
        if commit.provenance:
            self.provenance[commit.number] = commit.provenance
        self.removes = commit.removes

    def entries(self) -> dict[str, Entry]:
        """Return what is known of each key."""
        return {key: self._entry(key) for key in self.infos}

    def _entry(self, key: str) -> Entry:
        value = self.values.get(key, {})
        shape = value.get("shape")
        return Entry(
            key,
            type=value.get("type"),
            shape=None if shape is None else tuple(shape),
            dtype=value.get("dtype"),
            written=value.get("written"),
            files={path: FileRecord(*record) for path, record in value.get("files", {}).items()},
            provenance=self.provenance.get(value.get("by", 0)),
        )

    def lines(self) -> Iterator[bytes]:
        """Yield the fewest lines that say the same."""
        yield encode(
            Commit(
                self.number,
                package=self.package,
                namespaces=list(self.namespaces),
            )
        )
        used = {value.get("by") for value in self.values.values()}
        for number, provenance in self.provenance.items():
            if number in used:
                yield encode(Commit(number, provenance=provenance))
        for key, info in self.infos.items():
            commit = Commit(self.number)
            if key in self.sources:
                commit.sources = {key: self.sources[key]}
            else:
                commit.infos = {key: info}
            if key in self.values:
                commit.values = {key: self.values[key]}
            yield encode(commit)


def read_manifest(folder: str) -> Manifest:
    """Read the manifest of a data set; without one, nothing is known.

    Raises
    ------
    DamagedError
        If a line cannot be read.
    """
    manifest = Manifest()
    for line in _read_lines(folder).splitlines(keepends=True):
        manifest.apply(decode(line))
    return manifest


def find_value(folder: str, key: str) -> dict[str, Any] | None:
    """Return what the manifest says of the value of a key, without reading the rest of it.

    Raises
    ------
    DamagedError
        If its line cannot be read.
    """
    lines = _read_lines(folder)
    wanted = f'{json.dumps(key)}: {{"'.encode()
    position = lines.rfind(wanted)
    while position >= 0:
        start, stop = lines.rfind(b"\n", 0, position) + 1, lines.find(b"\n", position)
        value = decode(lines[start:stop]).values.get(key)
        if value is not None:
            return None if _is_deleted(lines, stop, key) else value
        position = lines.rfind(wanted, 0, start)
    return None


def _is_deleted(lines: bytes, start: int, key: str) -> bool:
    """Tell whether a line from a position on deletes a key."""
    position = lines.find(b'"delete": [', start)
    while position >= 0:
        stop = lines.find(b"\n", position)
        if key in decode(lines[lines.rfind(b"\n", 0, position) + 1 : stop]).deleted:
            return True
        position = lines.find(b'"delete": [', stop)
    return False


def _read_lines(folder: str) -> bytes:
    try:
        with open(os.path.join(folder, MANIFEST), "rb") as file:
            return settled(file.read(), folder)[0]
    except FileNotFoundError:
        return b""
