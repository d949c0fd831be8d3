"""Plan which keys files are packed under, and store their values."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby
from typing import TYPE_CHECKING

from persist.cli.errors import CommandError, one_line
from persist.cli.output import shows_progress
from persist.cli.sources import Listed, Source, is_known, open_source
from persist.cli.sources.source import SourceError, stem_of
from persist.dataset.layout import check_key, is_data_set, is_system_file
from persist.errors import PersistError
from persist.names import key_spelling
from persist.progress import Meter

if TYPE_CHECKING:
    from persist.dataset import Results

__all__ = ["NotStored", "Plan", "Planned", "plan", "store"]

_PACKED = "it is a data set, which needs no packing: copy its folder"
_EXISTS = (
    "which exists already",
    "replace it with --replace, or choose other names with --prefix or --namespace",
)
_IS_NAMESPACE = ("and a namespace has that name", "choose another with --prefix")
# What reading a file may raise; anything else is an error of ours.
_READING = (PersistError, ValueError, OSError, KeyError)


@dataclass(frozen=True)
class File:
    """A file to pack."""

    path: str
    name: str  # in infos and messages: without the folders that lead to what was given
    strict: bool  # whether nothing is packed if it cannot be; otherwise that is reported
    is_named: bool = True  # and not one of a folder that was

    def __str__(self) -> str:
        return self.path

    def key_of(self, listed: Listed) -> str:
        """Return the text that the key for a name in the file is made of."""
        name = listed.key or listed.name
        if self.is_named:
            return name
        folder, stem = os.path.dirname(self.name), stem_of(self.name)
        parts = [*folder.split(os.sep), stem, *([] if name == stem else [name])]
        return "/".join(parts).lstrip("/")


@dataclass(frozen=True)
class Planned:
    """A name in a file, and the key it is packed under."""

    key: str
    name: str
    file: File
    source: Source

    def __str__(self) -> str:
        return f"{self.name!r} of {self.file.name}"


@dataclass(frozen=True)
class NotStored:
    """What was not packed, and why."""

    file: str
    name: str
    reason: str

    def __str__(self) -> str:
        of = f"{self.name!r} of " if self.name else ""
        return f"{of}{self.file}: {self.reason}"


@dataclass
class Plan:
    """What is to be packed, and what will not be."""

    items: list[Planned] = field(default_factory=list)
    not_stored: list[NotStored] = field(default_factory=list)

    def refuse(self, item: File | Planned, why: str | Exception, advice: str = "") -> None:
        """Note what cannot be packed; CommandError if all of its file had to be stored."""
        file, name = (item, "") if isinstance(item, File) else (item.file, item.name)
        reason = why if isinstance(why, str) else one_line(why)
        if isinstance(why, UnicodeDecodeError):
            reason = f"it is not in UTF-8; save it as that ({why.reason} at byte {why.start})"
        for verb in ("cannot pack ", "cannot read ", ""):
            reason = reason.removeprefix(f"{verb}{file.path}: ")
        if file.strict:
            error = CommandError(f"cannot pack {item}: {reason}{advice and f'; {advice}'}")
            raise error from (None if isinstance(why, str) else why)
        self.not_stored.append(NotStored(file.name, name, reason))


def plan(
    paths: Iterable[str],
    *,
    prefix: str = "",
    skip: Iterable[str] = (),
    trust_pickle: bool = False,
    keep_going: bool = False,
    target: str = "",
) -> Plan:
    """Return what is to be packed, without loading it.

    Folders are searched for files; `skip` are shell patterns of names in files, and of paths in
    folders. What cannot be packed of a file that was named is an error unless `keep_going`, and
    otherwise noted. The data set `target` may be in a folder that is searched.
    """
    patterns = list(skip)
    found = Plan()
    first: dict[str, Planned] = {}
    for file in _files(paths, patterns, keep_going, os.path.realpath(target), found):
        try:
            source = open_source(file.path, trust_pickle=trust_pickle)
            names = source.names()
            if not names:
                raise SourceError("there is nothing in it to pack")
            # Some hold what they have read, which is too much for a folder of many.
            source = source if file.strict else open_source(file.path, trust_pickle=trust_pickle)
        except _READING as error:
            found.refuse(file, error)
            continue
        for listed in names:
            if any(fnmatchcase(listed.name, pattern) for pattern in patterns):
                continue
            # A path of groups or folders reads best with underscores; equal keys are refused.
            key = key_spelling((prefix + file.key_of(listed)).replace("/", "_"))
            item = Planned(key, listed.name, file, source)
            if refusal := _refusal(item, listed.refusal, first.get(key)):
                found.refuse(item, *refusal)
            else:
                first[key] = item
                found.items.append(item)
    if not found.items and not found.not_stored:
        why = "all names are skipped" if patterns else "no file is in the folders"
        raise CommandError(f"cannot pack: nothing is left, as {why}")
    return found


def store(results: Results, plan: Plan, *, replace: bool) -> list[Planned]:
    """Store what is planned, in one commit, and return what was stored."""
    stored: list[Planned] = []
    with results.batch():
        taken = {} if replace else dict.fromkeys(results, _EXISTS)
        taken.update(dict.fromkeys(results.groups, _IS_NAMESPACE))
        free = []
        for item in plan.items:
            if why := taken.get(item.key):
                plan.refuse(item, f"it makes the key {item.key}, {why[0]}", why[1])
            else:
                free.append(item)
        meter = Meter(shows_progress(), len(free))
        for _, group in groupby(free, key=lambda item: id(item.source)):
            items = list(group)
            with contextlib.closing(items[0].source):
                for item in items:
                    # A function of its own, so that a value is gone when the next is loaded.
                    if _store_one(results, item, plan):
                        stored.append(item)
                    meter.advance(1, item.name)
    return stored


def _files(
    paths: Iterable[str], patterns: list[str], keep_going: bool, target: str, found: Plan
) -> Iterator[File]:
    """Yield the files that are named, and those in folders; note what is not packed."""
    for path in paths:
        file = File(path, os.path.basename(path), strict=not keep_going)
        if not os.path.isdir(path):
            yield file
            continue
        if is_data_set(path):
            found.refuse(file, _PACKED)
            continue
        for name in _names_in(path, patterns, target, found):
            yield File(os.path.join(path, name), name, strict=False, is_named=False)


def _names_in(folder: str, patterns: list[str], target: str, found: Plan) -> Iterator[str]:
    """Yield the paths of the files below a folder, sorted; links are not followed."""
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, inner)) as entries:
                here = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            found.not_stored.append(NotStored(inner or folder, "", one_line(error)))
            continue
        names = {entry.name for entry in here}
        folders = []
        for entry in here:
            name = os.path.join(inner, entry.name)
            if is_system_file(entry.name) or entry.name.startswith("."):
                continue
            if any(fnmatchcase(name.replace(os.sep, "/"), pattern) for pattern in patterns):
                continue
            stem, extension = os.path.splitext(entry.name)
            if extension in (".dat", ".bak") and f"{stem}.dir" in names:
                continue  # They are of one shelf.
            if entry.is_symlink():
                reason = "it is a symbolic link: name what it leads to"
            elif entry.is_dir(follow_symlinks=False):
                if not is_data_set(entry.path):
                    folders.append(name)
                    continue
                if os.path.realpath(entry.path) == target:
                    continue
                reason = _PACKED
            elif not entry.is_file(follow_symlinks=False):
                reason = "it is not a regular file"
            elif not is_known(entry.path):
                reason = "its extension is not that of a format that can be packed"
            else:
                yield name
                continue
            found.not_stored.append(NotStored(name, "", reason))
        waiting += reversed(folders)


def _refusal(
    item: Planned, stated: str, other: Planned | None
) -> tuple[str | Exception, str] | None:
    """Return why a name cannot be packed, and what to do; `stated` is what its source says."""
    if stated:
        return stated, "leave it out with --skip"
    if other:
        return (
            f"it makes the key {item.key}, as {other} does",
            "pack them one after the other, one of them with --prefix or --namespace, or leave one "
            "out with --skip",
        )
    try:
        check_key(item.key)
    except PersistError as error:
        return error, ""
    return None


def _store_one(results: Results, item: Planned, plan: Plan) -> bool:
    try:
        loaded = item.source.load(item.name)
    except _READING as error:
        plan.refuse(item, error)
        return False
    attributes = {"attributes": dict(loaded.attributes)} if loaded.attributes else {}
    info = {"source": item.file.name.replace(os.sep, "/"), "name": item.name, **attributes}
    try:
        results.store({item.key: loaded.value}, {item.key: info})
    except (OSError, MemoryError):
        # Of the disk, not of the value.
        raise
    except Exception as error:
        # The classes of values raise what they like.
        plan.refuse(item, error)
        return False
    return True
