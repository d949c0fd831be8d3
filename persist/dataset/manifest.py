"""The manifest: a file of JSON lines, to which each commit appends one.

What a line says holds until a later line says otherwise. Its members are:

``n``
    The number of the commit. A line has at most one more than the highest before it.
``after``
    The digests of the lines that it follows: one, or several after a merge of two histories; none
    in the first line.
``staged``
    The folder of the loader modules of the commit, or the only one of them, for as long as it
    exists.
``delete``
    Keys that are gone, before all that follows.
``info``, ``source``
    The infos that were set, by key; None for those that JSON does not hold exactly, which are
    Python source that defines ``info``.
``values``
    The values that were set, by key: ``written``, ``type``, ``shape``, ``dtype``, ``data``, and for
    each file its size in bytes and its SHA-256; ``by`` names what made it.
``package``, ``provenance``
    The files of the package itself; what made values, by the name that they refer to.
``removes``
    Arrays of former values, which the commit makes superfluous.
``crc``
    The CRC-32 of the line before this member.

Where a line sets an info or deletes a key, the file ``_tip`` holds its number and its digest: no
other file would show that the line was removed. After a merge it has the lines of both histories.

A line counts when it is whole: that is when its commit takes place. `persist.compat.data_sets`
reads the lines of format 1, which have no ``after``.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import operator
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from persist.archive.safe.policy import restore_as_trusted
from persist.dataset.layout import (
    MANIFEST,
    TIP,
    is_data_name,
    is_key,
    item_file,
    unreadable,
    value_files,
)
from persist.errors import DamagedError, MissingPathError, NotRegularError
from persist.files import open_regular
from persist.files.digest import FileRecord

__all__ = [
    "MEMBERS",
    "Commit",
    "Entry",
    "InfoSource",
    "Line",
    "Lines",
    "Manifest",
    "check_names",
    "counted",
    "damaged",
    "decode",
    "encode",
    "infos_of",
    "is_cut",
    "is_marred",
    "is_sound",
    "is_tip",
    "line_digest",
    "parts_of",
    "read_lines",
    "read_manifest",
    "read_records",
    "read_tip",
    "split_lines",
    "tip_line",
    "tips",
]

_CRC_INSIDE = re.compile(rb', "crc": "[0-9a-f]{8}"\}')
_CRC_LENGTH = 20
_STAGED = re.compile(
    rb'\{"n": ([0-9]+), "after": (?:"\w*"|\[[^]]*\]), "staged": "(\.[0-9]+(?:\.py)?)"'
)
_WRONG = (ValueError, KeyError, AttributeError, TypeError, RecursionError)
_LEADING = frozenset("/\\:\0")  # what leads out of a folder on some system
_PACKAGE_NAME = re.compile(r"\.?\w+(?:\.\w+)?")
_TIP = re.compile(rb"[0-9]{12} [0-9a-f]{16} [0-9a-f]{8}")
_STAGED_NAME = re.compile(r"\.[0-9]+(?:\.py)?|_ready")
# What the members of lines, and of the records of values, are.
_KINDS: dict[str, type] = {
    **dict.fromkeys(("info", "source", "values", "package", "provenance", "files"), dict),
    **dict.fromkeys(("delete", "removes", "places", "shape"), list),
    **dict.fromkeys(("staged", "written", "type", "dtype", "data", "by"), str),
}
_RECORD = [int, str]  # of a file: its size and its digest
MEMBERS = ("delete", "info", "source", "values", "package", "provenance", "removes")


class Line(NamedTuple):
    """One line of a manifest, without its end, and where it is.

    It is numbered from 1 from where the reading began; `start` is its first byte, `end` the one
    behind its end.
    """

    number: int
    start: int
    end: int
    content: dict[str, Any]
    text: bytes


@dataclass(frozen=True)
class InfoSource:
    """An info that JSON does not hold, as source that defines ``info``."""

    text: str

    @functools.cached_property
    def value(self) -> Any:
        """The info."""
        return restore_as_trusted(self.text)["info"]


def infos_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the infos that a line, or a snapshot, sets, in the order of keys."""
    sources = {key: InfoSource(text) for key, text in line.get("source", {}).items()}
    return {**line.get("info", {}), **sources}


def parts_of(infos: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the members ``info`` and ``source`` of a line that sets infos."""
    sources = {key: info.text for key, info in infos.items() if isinstance(info, InfoSource)}
    return {key: None if key in sources else info for key, info in infos.items()}, sources


@dataclass
class Commit:
    """What a commit changes: the members of a line, and whether `_tip` is to name it.

    `written` has the names of the arrays that were written for it.
    """

    number: int
    after: list[str] = field(default_factory=list)
    staged: str | None = None
    delete: list[str] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    package: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    removes: list[str] = field(default_factory=list)
    is_tip: bool = False
    written: dict[str, None] = field(default_factory=dict)


def encode(commit: Commit) -> bytes:
    """Return the line of a commit, with its end."""
    found: dict[str, Any] = {"n": commit.number, "after": commit.after}
    if len(commit.after) < 2:
        found["after"] = commit.after[0] if commit.after else ""
    if commit.staged:
        found["staged"] = commit.staged
    for member in MEMBERS:
        if value := getattr(commit, member):
            found[member] = value
    text = json.dumps(found, allow_nan=False)[:-1].encode("ascii")
    return b'%s, "crc": "%08x"}\n' % (text, zlib.crc32(text))


def line_digest(text: bytes) -> str:
    """Return what the next line names as the one that it follows."""
    return hashlib.sha256(text).hexdigest()[:16]


def is_sound(text: bytes) -> bool:
    """Return True if a line, without its end, is as it was written."""
    return text[-_CRC_LENGTH:] == b', "crc": "%08x"}' % zlib.crc32(text[:-_CRC_LENGTH])


def decode(text: bytes, where: str) -> dict[str, Any]:
    """Return what a line says, in the members of format 2.

    A line that is none, or names what cannot be in a data set, is a DamagedError.
    """
    try:
        return _checked(json.loads(text))
    except _WRONG as error:
        raise DamagedError(f"cannot read {where}: {error}") from error


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    if "after" not in found:
        from persist.compat.data_sets import line_of_format_1

        found = line_of_format_1(found)
    check_names(found)
    return found


def check_names(found: dict[str, Any]) -> None:
    """Raise one of `_WRONG` for members of a wrong type, or names that lead elsewhere."""
    number, after, values = found["n"], found["after"], found.get("values", {})
    if type(number) is not int or type(after) not in (str, list):
        raise DamagedError(f"its number is {number!r}, after {after!r}")
    for part in (found, *values.values()):
        for name, value in part.items():
            if type(value) is not _KINDS.get(name, type(value)):
                raise DamagedError(f"its {name} is {value!r}")
    if not {str}.issuperset(map(type, (*after, *found.get("source", {}).values()))):
        raise DamagedError(f"it follows {after!r}, or an info is not source")
    keys = {*found.get("delete", ()), *found.get("info", ()), *found.get("source", ()), *values}
    for key in keys:
        if not is_key(key):
            raise DamagedError(f"{key!r} cannot be a key")
    for key, value in values.items():
        if (data := value.get("data")) is not None and not is_data_name(data):
            raise DamagedError(f"{data!r} cannot be the name of arrays")
        for path, record in value["files"].items():
            if [*map(type, record)] != _RECORD:
                raise DamagedError(f"{path} cannot have the record {record!r}")
            if path != f"{key}.py":
                _check_data_path(path)
    for name, record in found.get("package", {}).items():
        if not _PACKAGE_NAME.fullmatch(name) or [*map(type, record)] != _RECORD:
            raise DamagedError(f"{name!r}: {record!r} cannot be a file of the package")
    for name in (*found.get("removes", ()), *found.get("places", ())):
        if not is_data_name(name):
            raise DamagedError(f"{name!r} cannot be the name of arrays")
    staged = found.get("staged")
    if staged is not None and not _STAGED_NAME.fullmatch(staged):
        raise DamagedError(f"{staged!r} cannot be a staging folder")


def _check_data_path(path: str) -> None:
    folder, _, name = path.partition("/")
    if not is_data_name(folder) or name[:1] == "." or not _LEADING.isdisjoint(name):
        raise DamagedError(f"{path!r} cannot be a file of arrays")


class Lines(NamedTuple):
    """Whole lines of a manifest, where they end, and what follows.

    That is torn: of a writer who is at work or died. The last line may lack its end.
    """

    lines: list[Line]
    end: int
    torn: bytes


def split_lines(data: bytes, start: int, folder: str, wrong: list[str] | None = None) -> Lines:
    """Return the lines behind a position of a manifest, each once.

    What is wrong with lines that are left out is added to `wrong`, or without it a DamagedError. A
    wrong merge can repeat a line, which says nothing new.
    """
    *texts, torn = data.split(b"\n")
    is_open = is_sound(torn.removesuffix(b"\r")) and torn not in texts[-1:]
    if is_open:
        # An editor has taken away the last end of a line.
        texts, torn = [*texts, torn], b""
    faults, repeats = list[str](), list[str]()
    places: dict[bytes, tuple[int, int, int]] = {}
    position = start
    for number, text in enumerate(texts, 1):
        end = position + len(text) + 1
        text = text.removesuffix(b"\r")
        if not is_sound(text):
            faults.append(_what_is_wrong(text, number, start))
        elif (first := places.setdefault(text, (number, position, end))[0]) != number:
            repeats.append(f"line {number} repeats line {first}")
        position = end
    end = position - is_open
    if is_marred(torn) and torn not in texts[-1:]:
        faults.append(_what_is_wrong(torn, len(texts) + 1, start))
    try:
        # One call for all takes half as long as one for each.
        contents = [_checked(found) for found in json.loads(b"[%s]" % b",".join(places))]
    except _WRONG:
        contents = []
        for text, (number, _, _) in list(places.items()):
            try:
                contents.append(_checked(json.loads(text)))
            except _WRONG as error:
                faults.append(f"is damaged in line {number}: {error}")
                del places[text]
    if 0 < list(map(operator.itemgetter("after"), contents)).count([]) < len(contents):
        faults.append("has lines of two formats")
    if wrong is not None:
        wrong += faults + repeats
    elif faults:
        raise damaged(folder, faults[0])
    lines = [
        Line(number, first, min(last, end), content, text)
        for (text, (number, first, last)), content in zip(places.items(), contents, strict=True)
    ]
    return Lines(lines, end, torn)


def is_marred(torn: bytes) -> bool:
    """Return True if what follows the last line begins with a whole one."""
    found = _CRC_INSIDE.search(torn)
    return found is not None and is_sound(torn[: found.end()])


def is_cut(torn: bytes, number: int, folder: str) -> bool:
    """Return True if the line behind that of a number was cut off, and not left by a writer.

    A commit that was begun has a folder.
    """
    found = _STAGED.match(torn)
    return (
        found is not None
        and int(found[1]) > number
        and not os.path.lexists(os.path.join(folder, found[2].decode()))
    )


def _what_is_wrong(text: bytes, number: int, start: int) -> str:
    if text.startswith((b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")):
        return (
            f"has conflict markers of git (line {number}), which must be removed: "
            "keep the lines of both sides"
        )
    place = f"line {number}" + (f" behind byte {start}" if start else "")
    return f"is damaged in {place}"


def read_lines(folder: str, start: int = 0) -> Lines:
    """Return the lines of a manifest from a position on.

    It is a DamagedError if it is missing, unreadable or damaged, and there are values.
    """
    path = os.path.join(folder, MANIFEST)
    try:
        with open_regular(path, follow=True) as file:
            file.seek(start)
            data = file.read()
    except FileNotFoundError as error:
        if not os.path.lexists(folder):
            raise MissingPathError(
                errno.ENOENT,
                "cannot read this data set: it was moved or removed; open it where it is",
                folder,
            ) from error
        if not value_files(folder):
            return Lines([], 0, b"")
        raise damaged(folder, "is missing") from None
    except NotRegularError as error:
        raise damaged(folder, f"cannot be read ({error.reason})") from error
    except OSError as error:
        raise unreadable(error, f"cannot read {folder}: its {MANIFEST} cannot be read") from error
    return split_lines(data, start, folder)


def read_tip(folder: str) -> list[tuple[int, str]]:
    """Return the numbers and digests of lines that the manifest must have.

    UnreadableError if the file cannot be read; a folder in its place says nothing.
    """
    try:
        with open_regular(f"{folder}/{TIP}", follow=True) as file:
            return tips(file.read())
    except (FileNotFoundError, NotRegularError):
        return []
    except OSError as error:
        raise unreadable(error, f"cannot read {folder}: its {TIP} cannot be read") from error


def tips(data: bytes) -> list[tuple[int, str]]:
    """Parse the file of the tip. Damaged lines are skipped: it may be read while it is written."""
    lines = filter(is_tip, data.splitlines())
    return [(int(line[:12]), line[13:29].decode()) for line in lines]


def tip_line(number: int, digest: str) -> bytes:
    """Return a line of the file of the tip."""
    text = b"%012d %s" % (number, digest.encode())
    return b"%s %08x\n" % (text, zlib.crc32(text))


def is_tip(line: bytes) -> bool:
    """Return True if a line of the file of the tip, without its end, is as it was written."""
    return _TIP.fullmatch(line) is not None and line[30:] == b"%08x" % zlib.crc32(line[:29])


def damaged(folder: str, reason: str) -> DamagedError:
    """Return the error of a manifest that cannot be used."""
    try:
        count = len(value_files(folder))
    except OSError:
        count = 0
    files = "1 value file is" if count == 1 else f"{count} value files are"
    return DamagedError(
        f"cannot read {folder}: its manifest {MANIFEST} {reason}, and {files} present; bring it "
        f"back from a copy, or run: persist repair {folder}"
    )


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
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    package: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)

    def apply(self, line: Mapping[str, Any]) -> None:
        """Take in the next line."""
        self.number = max(self.number, line["n"])
        for key in line.get("delete", ()):
            self.infos.pop(key, None)
            self.values.pop(key, None)
        # The order of keys is that in which they came, whatever their infos are.
        self.infos.update(infos_of(line))
        for key, value in line.get("values", {}).items():
            # After a merge, another history may have deleted the key before.
            self.infos.setdefault(key, None)
            self.values[key] = value
        self.package.update(line.get("package", {}))
        self.provenance.update(line.get("provenance", {}))
        self.last = dict(line)

    def files(self) -> dict[str, FileRecord]:
        """Return the records of all files: those of the package, and those of values."""
        found = [self.package, *(value["files"] for value in self.values.values())]
        return {name: FileRecord(*record) for files in found for name, record in files.items()}

    def entries(self) -> dict[str, Entry]:
        """Return what is known of each key."""
        return {key: entry_of(key, self.values.get(key), self.provenance) for key in self.infos}

    def lines(self) -> Iterator[bytes]:
        """Yield the fewest lines that say the same, numbered anew."""
        used = {value.get("by") for value in self.values.values()}
        kept = {name: made for name, made in self.provenance.items() if name in used}
        commit = Commit(1, package=self.package, provenance=kept)
        yield (line := encode(commit))
        for number, (key, info) in enumerate(self.infos.items(), 2):
            commit = Commit(number, [line_digest(line[:-1])])
            commit.info, commit.source = parts_of({key: info})
            if key in self.values:
                commit.values = {key: self.values[key]}
            yield (line := encode(commit))


def entry_of(key: str, value: Mapping[str, Any] | None, provenance: Mapping[str, Any]) -> Entry:
    """Return what a record says of the value of a key."""
    value = value or {}
    shape = value.get("shape")
    return Entry(
        key,
        type=value.get("type"),
        shape=None if shape is None else tuple(shape),
        dtype=value.get("dtype"),
        written=value.get("written"),
        files={path: FileRecord(*record) for path, record in value.get("files", {}).items()},
        provenance=provenance.get(value.get("by", "")),
    )


def read_manifest(folder: str, lines: list[Line] | None = None) -> Manifest:
    """Return all that the manifest of a data set says, or all that some lines of it say."""
    manifest = Manifest()
    for line in counted(folder, read_lines(folder).lines if lines is None else lines):
        manifest.apply(line.content)
    return manifest


def counted(folder: str, lines: list[Line]) -> list[Line]:
    """Return what has taken place: in format 2 all lines, but for deletions that a merge lost.

    The lines of one history are returned as they are.
    """
    if not lines or lines[-1].content["after"] != []:
        # Each history has numbered its own lines.
        numbers = [line.content["n"] for line in lines]
        if all(map(operator.lt, numbers, numbers[1:])):
            return lines
        from persist.dataset.history import settled

        return settled(lines)
    from persist.compat.data_sets import counted_of_format_1

    return counted_of_format_1(folder, lines)


def read_records(folder: str, key: str, start: int) -> dict[str, Any]:
    """Return what the line at a position says of values; DamagedError without that of the key."""
    with open_regular(os.path.join(folder, MANIFEST), follow=True) as file:
        file.seek(start)
        text = file.readline().rstrip(b"\r\n")
    found = decode(text, os.path.join(folder, MANIFEST)) if is_sound(text) else {}
    if key not in found.get("values", ()):
        raise damaged(folder, f"does not say at byte {start} what {item_file(key)} holds")
    values: dict[str, Any] = found["values"]
    return values
