"""Rebuilding a damaged manifest, and recording values that were edited by hand."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from dataclasses import dataclass
from typing import Any

from persist.archive import load_arrays
from persist.dataset.blocks import remove_abandoned
from persist.dataset.history import History, settled
from persist.dataset.index import Index, read_snapshot
from persist.dataset.layout import (
    ASIDE,
    ATTRIBUTES,
    LOCK,
    MANIFEST,
    MARKER,
    PACKAGE_FILES,
    SNAPSHOT,
    TIP,
    Generation,
    Place,
    check_access,
    check_data_set,
    check_key,
    decomposed,
    file_names,
    generation_of,
    has_attributes,
    is_data_name,
    is_staging_name,
    item_file,
    key_of_file,
    lacks_marker,
    misspelled,
)
from persist.dataset.manifest import Line, Manifest, decode, infos_of, is_sound, line_digest
from persist.dataset.results import Results
from persist.dataset.upgrade import value_record
from persist.dataset.value import Item, data_of_source
from persist.dataset.writer import Options, Writer, package_records
from persist.errors import DamagedError, DataSetError, UnknownKeyError, UnreadableError
from persist.files import TIMEOUT, FolderLock, check_path, open_regular
from persist.files.digest import FileRecord
from persist.files.replace import temporary_name

__all__ = ["RepairReport", "accept", "repair"]

_ARRAY = re.compile(r"\b_arrays\['(\w+)'\]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)|[{}\[\],]')
_CLOSING = "sys.modules[__name__] = "


@dataclass(frozen=True)
class RepairReport:
    """What `repair` did.

    Parameters
    ----------
    values : tuple of str
        The keys whose values are there.
    infos : tuple of str
        The keys that have only an info.
    lost : tuple of str
        The keys of which the manifest told, and whose values are missing or were set aside. They
        stay until they are restored from a copy, or deleted.
    aside : tuple of str
        The files that could not be read, and arrays that no value uses; they are in the folder
        ``_set_aside`` now.
    doubtful : tuple of str
        The keys whose info, type or date comes from a line that was changed or cut off, and those
        of which two merged histories say different things: what is in the folder was kept.
    changed : tuple of str
        The keys of which a file is not what the manifest said: it was edited by hand or damaged,
        and was kept as it is.
    """

    values: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def repair(path: str | os.PathLike[str], *, timeout: float = TIMEOUT) -> RepairReport:
    """Rebuild the manifest of a data set from its files.

    Infos, types and dates come from what is readable of the old manifest and its snapshot, damaged
    lines included. Unreadable files are moved aside, and none is removed; names in decomposed
    Unicode, as old file systems of macOS write them, are put right. Inner data sets are repaired
    separately.

    Parameters
    ----------
    path : path
        The data set.
    timeout : float, optional
        How long to wait for another writer, in seconds.

    Returns
    -------
    RepairReport
        What was found and what was lost.

    Raises
    ------
    DataSetError
        If the folder is not a data set, or an older release wrote it.
    UnreadableError
        If the system refuses to read a file, for lack of permission say.
    LockTimeout
        If another writer does not finish in time.

    Examples
    --------
    >>> import os, persist, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     persist.DataSet("results", "w", folder).x = [1, 2]
    ...     os.remove(f"{folder}/results/_manifest.jsonl")
    ...     report = persist.repair(f"{folder}/results")
    ...     report.values, persist.DataSet("results", path=folder).x
    (('x',), [1, 2])
    """
    folder = os.path.normpath(check_path(path, "a data set"))
    aside: list[str] = []
    try:
        if not lacks_marker(folder):
            check_data_set(folder, "repair")
        for name in (MARKER, MANIFEST, SNAPSHOT, TIP, ATTRIBUTES, LOCK, *PACKAGE_FILES):
            place = os.path.join(folder, name)
            is_link = os.path.islink(place) and name != MANIFEST
            if os.path.lexists(place) and (is_link or not os.path.isfile(place)):
                _set_aside(folder, name, aside)
        if (generation := generation_of(folder)) is not Generation.OWN:
            raise DataSetError(
                f"cannot repair {folder}: it was written by {generation.value}, which kept no "
                "manifest"
            )
        with FolderLock(folder, name=LOCK, timeout=timeout):
            return _repair(folder, aside)
    except OSError as error:
        check_access(folder, error)
        raise


def _repair(folder: str, aside: list[str]) -> RepairReport:
    for right, name in decomposed(folder).items():
        os.rename(os.path.join(folder, name), os.path.join(folder, right))
    known, is_whole, doubtful = _readable(folder)
    if Place.after(known.last, folder).staging is not None:
        Writer(folder, Index(folder), Options()).apply(known.last)
    manifest = Manifest(provenance=known.provenance)
    values: list[str] = []
    changed: list[str] = []
    broken: list[str] = []
    for name in sorted(os.listdir(folder)):
        key = key_of_file(name)
        if key is None:
            continue
        before, module = known.values.get(key, {}), item_file(key)
        files = {file: FileRecord(*record) for file, record in before.get("files", {}).items()}
        try:
            record = _check_value(folder, key, files)
        except Exception as error:
            _check_passing(folder, error)
            broken.append(name)
            continue
        if record is None:
            if key in known.infos:
                broken.append(name)
            continue
        values.append(key)
        if files and files != record["files"]:
            changed.append(key)
        if files.get(module) in (None, record["files"][module]):
            # The source is what the manifest knows, or it was cut off before that.
            record = {**before, **record}
        manifest.values[key] = record
    order = [*known.infos, *(key for key in values if key not in known.infos)]
    for key in order:
        manifest.infos[key] = known.infos.get(key)
    lost = {key: value for key, value in known.values.items() if key not in manifest.values}
    # Whoever brings a file back finds its digest; until then, to read the value is an error.
    manifest.values.update(lost)
    if not is_whole:
        _set_aside(folder, MANIFEST, aside, is_copy=True)
    for name in broken:
        _set_aside(folder, name, aside)
    if os.path.lexists(path := os.path.join(folder, ATTRIBUTES)) and not has_attributes(path):
        _set_aside(folder, ATTRIBUTES, aside)
    if os.path.exists(path := os.path.join(folder, MARKER)) and os.path.getsize(path):
        _set_aside(folder, MARKER, aside)
    _write(folder, manifest)
    used = {name.partition("/")[0] for v in manifest.values.values() for name in v["files"]}
    removed = set(known.last.get("removes", ()))
    for name in sorted(set(filter(is_data_name, os.listdir(folder))) - used):
        # They are of a former value, and a crash, or a backup copied over this folder, left them.
        if name in removed or "".join(name.split(".")[1:2]).isdecimal():
            _set_aside(folder, name, aside)
    return RepairReport(
        values=tuple(values),
        infos=tuple(key for key in order if key not in manifest.values),
        lost=tuple(lost),
        aside=tuple(aside),
        doubtful=tuple(key for key in order if key in doubtful),
        changed=tuple(changed),
    )


def _readable(folder: str) -> tuple[Manifest, bool, set[str]]:
    """Return the readable part of the manifest, if that is all of it, and the doubtful keys."""
    snapshot = None
    with contextlib.suppress(DamagedError):
        snapshot = read_snapshot(folder)
    try:
        with open_regular(os.path.join(folder, MANIFEST), follow=True) as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        lines = []
    sound = set(filter(is_sound, lines))
    tip = snapshot["tip"] if snapshot is not None else ""
    is_known = tip in map(line_digest, sound)
    manifest, doubtful = Manifest(), set[str]()
    is_whole = True
    found = []
    for number, line in enumerate(lines, 1):
        try:
            content = decode(line if line in sound else _closed(line), MANIFEST)
        except DamagedError:
            is_whole = False
        else:
            found.append(Line(number, 0, 0, content, line))
    highest = max((line.content["n"] for line in found if line.text in sound), default=0)
    if snapshot is not None and not is_known and snapshot["n"] > highest:
        # Lines were lost that the snapshot knows.
        manifest.infos.update(infos_of(snapshot))
    for _, _, _, content, line in settled(found):
        manifest.apply(content)
        keys = {*content.get("info", ()), *content.get("source", ()), *content.get("values", ())}
        (doubtful.difference_update if line in sound else doubtful.update)(keys)
        is_whole = is_whole and line in sound
        if snapshot is not None and is_known and line_digest(line) == tip:
            # The snapshot is the state at this line, whatever happened to those before it.
            manifest.infos = infos_of(snapshot)
    conflicts = History([line for line in found if line.text in sound]).conflicts()
    return manifest, is_whole, doubtful | set(conflicts)


def _closed(line: bytes) -> bytes:
    """Return a line that was cut off, up to its last complete member."""
    try:
        json.loads(line)
    except ValueError:
        closing = closing_there = ""
        end, text = 0, line.decode("ascii", "replace")
        for token in _TOKEN.finditer(text):
            if token[0] in ("{", "["):
                closing = ("}" if token[0] == "{" else "]") + closing
            elif token[0] in ("}", "]"):
                closing = closing[1:]
            elif token[0] == "," and closing[:1] == "}":
                end, closing_there = token.start(), closing
        with contextlib.suppress(ValueError):
            found = json.loads(text[:end] + closing_there)
            for value in found.get("values", {}).values():
                value.setdefault("files", {})
            return json.dumps(found).encode()
    return line


def _check_value(folder: str, key: str, files: dict[str, FileRecord]) -> dict[str, Any] | None:
    """Return the record of a value, once its text and its arrays can be read; None for other files.

    Its module is not run. Arrays are read whole unless the files are the known ones.
    """
    path = os.path.join(folder, item_file(key))
    with open_regular(path, "r", follow=True, encoding="utf-8-sig") as file:
        text = file.read()
    if _CLOSING not in text:
        return None
    compile(text, path, "exec", dont_inherit=True)
    found: set[str] = set()
    data = data_of_source(text)
    if lost := [name for name in data if not os.path.lexists(os.path.join(folder, name))]:
        raise DamagedError(f"its arrays in {', '.join(lost)} are missing")
    record = value_record(folder, key)
    for name in data:
        is_known = record["files"] == files
        found.update(load_arrays(os.path.join(folder, name), mmap_mode="r" if is_known else None))
    if lost := sorted(set(_ARRAY.findall(text)) - found):
        raise DamagedError(f"its arrays {', '.join(lost)} are missing")
    return record


def _check_passing(folder: str, error: Exception) -> None:
    """Raise UnreadableError for an error of the system, which does not mean damage."""
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        raise UnreadableError(
            number, f"cannot repair {folder}: {error}; try again, or move that file away"
        ) from error


def _set_aside(folder: str, name: str, aside: list[str], *, is_copy: bool = False) -> None:
    os.makedirs(os.path.join(folder, ASIDE), exist_ok=True)
    target = os.path.join(folder, ASIDE, name)
    if os.path.lexists(target):
        target = temporary_name(target).removesuffix(".tmp")
    if os.path.lexists(os.path.join(folder, name)):
        # A crash before the manifest is replaced must leave it to the next repair.
        (shutil.copy2 if is_copy else os.rename)(os.path.join(folder, name), target)
        aside.append(name)


def _write(folder: str, manifest: Manifest) -> None:
    writer = Writer(folder, Index(folder), Options())
    manifest.package = package_records()
    writer.rewrite(list(manifest.lines()))
    writer.write_package()
    writer.index.refresh()
    # Commits that do not count have left these.
    writer.discard_staged([name for name in os.listdir(folder) if is_staging_name(name)])
    remove_abandoned(folder)


def accept(path: str | os.PathLike[str], *keys: str, timeout: float = TIMEOUT) -> tuple[str, ...]:
    """Record values that were edited, or added, by hand, and settle the conflicts of a merge.

    Parameters
    ----------
    path : path
        The data set.
    *keys : str
        Which; without any, all whose files are not what the manifest says. A key that is named and
        has no file any more is deleted.
    timeout : float, optional
        How long to wait for another writer, in seconds.

    Returns
    -------
    tuple of str
        The keys that were recorded.

    Raises
    ------
    DamagedError
        If a value cannot be read; then nothing is recorded.
    UnknownKeyError
        If there is neither a key of a name nor a file.
    DataSetError
        If the folder is not a data set.

    Examples
    --------
    >>> import pathlib, persist, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     persist.DataSet("results", "w", folder).x = [1, 2]
    ...     module = pathlib.Path(folder, "results", "x.py")
    ...     _ = module.write_text(module.read_text().replace("2", "3"))
    ...     accepted = persist.accept(f"{folder}/results")
    ...     accepted, persist.verify(f"{folder}/results").ok
    (('x',), True)
    """
    from persist.dataset.verification import verify

    folder = os.path.normpath(check_path(path, "a data set"))
    check_data_set(folder, "accept values in")
    for key in keys:
        check_key(key)
    with Results(folder, "w", Options(timeout=timeout), allow_unlisted=True) as results:
        edited = [] if keys else _edited(verify(folder))
        names = set(file_names(folder))
        # Leave out arrays that belong to no value.
        edited = [key for key in edited if key in results or item_file(key) in names]
        chosen = list(dict.fromkeys(keys or edited))
        with results.changing() as change:
            for key in chosen:
                _accept(folder, key, change)
    return tuple(chosen)


def _edited(report: Any) -> list[str]:
    """Return the keys of one data set whose files are not what the manifest says."""
    found = dict.fromkeys(report.conflicts)
    for name in (*report.damaged, *report.unexpected, *report.unreadable):
        first = name.partition("/")[0]
        key = key_of_file(first)
        if key is None and first.startswith("data_"):
            key = first.removeprefix("data_").partition(".")[0]
        if key is not None:
            found[key] = None
    return [key for key in found if "/" not in key]


def _accept(folder: str, key: str, change: Any) -> None:
    path = os.path.join(folder, item_file(key))
    if not os.path.lexists(path):
        if key not in change:
            raise UnknownKeyError(key, folder)
        if not key.isascii() and item_file(key) in decomposed(folder):
            raise DamagedError(f"cannot accept {path}: {misspelled(folder)}")
        change.delete(key)
        return
    try:
        record = _check_value(folder, key, {})
    except Exception as error:
        raise DamagedError(f"cannot accept {path}: {type(error).__name__}: {error}") from error
    if record is None:
        ending = Item(key, "", {}, {}).source(Options().store, None).decode().replace("\n", "; ")
        raise DamagedError(f"cannot accept {path}: it leaves no value; end it with: {ending}")
    change.record_value(key, record)
