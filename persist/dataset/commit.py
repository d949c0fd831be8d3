"""One line of the manifest: what a commit changed.

The manifest is a file of JSON lines, to which each commit appends one. What a line says holds until
a later line says otherwise. The keys of a line are:

``info``
    The infos that were set, by key: None for those that JSON does not hold exactly.
``do``
    What else changed: ``delete``, keys that are gone, before all that follows; ``source``, infos as
    Python source that defines ``info``; ``namespace``, names of data sets inside this one;
    ``package``, the files of the package itself; ``provenance``, what made the values that refer to
    this commit.
``values``
    The values that were set, by key: ``written``, ``type``, ``shape``, ``dtype``, and for each file
    its size in bytes and its SHA-256.
``places``
    Files and folders of arrays that the commit brings.
``removes``
    Files and folders of former versions, which are of no more use.
``n``
    The number of the commit.
``staged``
    The commit has not taken place for as long as there is a file of this name.
``crc``
    The CRC-32 of the line before this.

Most lines are of infos and values, and infos are wanted each time a data set is opened. They stand
between tabs, which JSON allows between its tokens and nowhere else, so that splitting the file at
the tabs gives all of them.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from persist.errors import DamagedError

__all__ = ["Commit", "Ending", "decode", "encode", "ending", "is_sound", "plain_and_special"]

_SPECIAL = b'{"do": '
_ENDING = re.compile(
    rb'"n": (?P<number>[0-9]+)(?:, "staged": (?P<staged>"(?:[^"\\]|\\.)*"))?'
    rb', "crc": "(?P<crc>[0-9a-f]{8})"}\n?\Z'
)
_INFOS = re.compile(rb"\t([^\t]*)\t")
_LONGEST_ENDING = 4096
_CRC = len(', "crc": "01234567"}\n')


@dataclass
class Commit:
    """What a commit changed."""

    number: int
    infos: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    package: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)
    removes: list[str] = field(default_factory=list)
    staged: str | None = None


@dataclass(frozen=True)
class Ending:
    """The end of a line: what is needed of the last one to tell whether it took place."""

    number: int
    staged: str | None


_DONE = {
    "source": "sources",
    "delete": "deleted",
    "namespace": "namespaces",
    "package": "package",
    "provenance": "provenance",
}


def encode(commit: Commit) -> bytes:
    """Return the line of a commit."""
    done = {name: getattr(commit, field) for name, field in _DONE.items() if getattr(commit, field)}
    rest: dict[str, Any] = {"values": commit.values} if commit.values else {}
    if commit.places:
        rest["places"] = commit.places
    if commit.removes:
        rest["removes"] = commit.removes
    rest["n"] = commit.number
    if commit.staged:
        rest["staged"] = commit.staged
    if done:
        rest = {"do": done, **({"info": commit.infos} if commit.infos else {}), **rest}
    text = json.dumps(rest, allow_nan=False)
    if commit.infos and not done:
        text = f'{{"info": {{\t{json.dumps(commit.infos, allow_nan=False)[1:-1]}\t}}, {text[1:]}'
    line = text[:-1].encode("ascii")
    return b'%s, "crc": "%08x"}\n' % (line, zlib.crc32(line))


def decode(line: bytes) -> Commit:
    """Return the commit of a line.

    Raises
    ------
    DamagedError
        If it is none.
    """
    try:
        found = json.loads(line)
        done = found.get("do", {})
        return Commit(
            found["n"],
            infos=found.get("info", {}),
            values=found.get("values", {}),
            places=found.get("places", []),
            removes=found.get("removes", []),
            staged=found.get("staged"),
            **{_DONE[name]: value for name, value in done.items() if name in _DONE},
        )
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DamagedError(f"a line of the manifest cannot be read: {line[:60]!r}…") from error


def is_sound(line: bytes) -> bool:
    """Tell whether a whole line is as it was written."""
    found = _ENDING.search(line[-_LONGEST_ENDING:])
    return (
        found is not None
        and line[-1:] == b"\n"
        and int(found["crc"], 16) == zlib.crc32(line[:-_CRC])
    )


def ending(line: bytes) -> Ending:
    """Return the end of a line, without reading the rest of it.

    Raises
    ------
    DamagedError
        If it is none.
    """
    found = _ENDING.search(line[-_LONGEST_ENDING:])
    if found is None:
        raise DamagedError(f"a line of the manifest does not end as one: …{line[-60:]!r}")
    staged = found["staged"]
    try:
        return Ending(int(found["number"]), None if staged is None else json.loads(staged))
    except ValueError as error:
        raise DamagedError(f"a line of the manifest names no file: {staged!r}") from error


def plain_and_special(data: bytes) -> Iterator[tuple[bytes, Commit | None]]:
    """Part lines into runs of plain ones, as the JSON of their infos, and single special ones.

    Parameters
    ----------
    data : bytes
        Whole lines.

    Yields
    ------
    infos : bytes
        A JSON object of all infos in a run of lines; empty before a special line.
    commit : Commit or None
        A special line.
    """
    start = 0
    while start < len(data):
        if data.startswith(_SPECIAL, start):
            stop = data.find(b"\n", start) + 1
            yield b"", decode(data[start:stop])
        else:
            stop = data.find(b"\n" + _SPECIAL, start) + 1 or len(data)
            yield b"{" + b",".join(_INFOS.findall(data, start, stop)) + b"}", None
        start = stop
