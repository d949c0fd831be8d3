"""`pull`: copy a data set from a URL, or bring a copy up to date."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from persist.dataset.layout import (
    HELD,
    LOCK,
    MANIFEST,
    MARKER,
    SNAPSHOT,
    TIP,
    is_data_name,
    is_data_set,
    is_staging_name,
    package_files,
)
from persist.errors import DamagedError, DataSetError
from persist.exchange.cache import put_in_place
from persist.exchange.parallel import for_each
from persist.exchange.remote import Location, Version
from persist.exchange.snapshot import ChangedError, SetSnapshot, copy_checked, snapshot_of
from persist.files import (
    TIMEOUT,
    FolderLock,
    confine,
    remove_path,
    settle_folder,
    sync_folder,
)
from persist.files.digest import FileRecord, digest_file
from persist.files.folder import commit_folder
from persist.files.replace import replace_file
from persist.files.write import write_bytes
from persist.progress import Meter, Progress

__all__ = ["PullReport", "pull"]


_OWN = {MANIFEST, SNAPSHOT, TIP, LOCK, HELD, "__pycache__", *package_files()}


@dataclass(frozen=True)
class PullReport:
    """What was fetched, or would be.

    Parameters
    ----------
    commit : str
        The push that has published it; empty for a plain data set.
    fetched : tuple of str
        The files that were fetched, by their paths in the data set.
    kept : int
        How many files were there already.
    size : int
        Bytes that were fetched.
    """

    commit: str
    fetched: tuple[str, ...]
    kept: int
    size: int


def pull(
    url: str,
    path: str | os.PathLike[str],
    *,
    storage_options: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    force: bool = False,
    progress: Progress = None,
    timeout: float = TIMEOUT,
) -> PullReport:
    """Copy a data set from a URL, or bring a local copy up to date.

    It appears whole or not at all. What an interrupted pull has fetched is kept beside it, and is
    not fetched again.

    Parameters
    ----------
    url : str
        Any URL that fsspec reads.
    path : path
        A folder: missing, or a data set whose history the published one continues.
    storage_options : mapping, optional
        Options of the file system of fsspec.
    dry_run : bool, optional
        Whether only to tell what would be fetched.
    force : bool, optional
        Whether to replace a data set that has changes of its own; they are lost.
    progress : bool or callable, optional
        Called after each file with the bytes done, the bytes in all, and its name; True writes a
        line to standard error.
    timeout : float, optional
        How long to wait for writers of a data set that is there, in s.

    Returns
    -------
    PullReport
        What was fetched.

    Raises
    ------
    DataSetError
        If no data set is found at the URL, `path` is something else, or has changes of its own.
    DamagedError
        If a file is not what the manifest says.
    LockTimeout
        If a writer does not finish in time.
    """
    # A link stays, and what it leads to is replaced.
    target = os.path.realpath(path)
    settle_folder(target)
    version = Version(Location(url, storage_options))
    sets = {place: version.set_at(place) for place in version.head.sets}
    parent = os.path.dirname(target)
    staging = os.path.join(parent, f".{os.path.basename(target)}.pulling")
    with contextlib.ExitStack() as locks:
        if not dry_run:
            os.makedirs(parent, exist_ok=True)
            # One pull at a time: what the others fetch would be in the same staging directory.
            name = f"{os.path.basename(staging)}.lock"
            locks.enter_context(FolderLock(parent, name=name, timeout=timeout, keep=False))
        if os.path.lexists(target):
            if not is_data_set(target):
                raise DataSetError(
                    f"cannot pull into {target}: it exists and is not a data set; choose another "
                    "folder"
                )
            if not dry_run:
                locks.enter_context(FolderLock(target, name=LOCK, timeout=timeout))
        mine = snapshot_of(target) if is_data_set(target) else []
        present = _present(target, mine, None if force else sets)
        files = {
            found.full_name(name): (place, name, record)
            for place, found in sets.items()
            for name, record in found.records.items()
        }
        others = _others(target, mine)
        parts = _parts_of(files)
        if not force and (lost := sorted(others.keys() & parts)):
            raise DataSetError(
                f"cannot pull into {target}: {lost[0]} is not of the data set that is there, and "
                "would be replaced; move it away, or lose it with --force (force=True)"
            )
        found_there, unusable = _staged(staging, {name: name in files for name in parts})
        missing = [
            full
            for full, (_, _, record) in files.items()
            if full not in found_there or digest_file(found_there[full]) != record
        ]
        lacking = [full for full in missing if files[full][2] not in present]
        total = sum(files[full][2].size for full in lacking)
        report = PullReport(version.head.commit, tuple(lacking), len(files) - len(lacking), total)
        if dry_run:
            return report
        for path in unusable:
            remove_path(path)
        os.makedirs(staging, exist_ok=True)
        meter = Meter(progress, total)

        def fetch(full: str) -> None:
            place, name, record = files[full]
            at = confine(staging, full, nested=True, devices=True)
            os.makedirs(os.path.dirname(at), exist_ok=True)
            with replace_file(at, "wb") as file:
                if record in present:
                    # What is damaged here is there as it was.
                    with contextlib.suppress(ChangedError):
                        copy_checked(present[record], record, file)
                        return
                    file.seek(0)
                    file.truncate()
                try:
                    version.copy(place, name, record, file)
                except FileNotFoundError as error:
                    raise DamagedError(
                        f"cannot pull {version.location.shown}: {full} is missing there; publish "
                        "it again"
                    ) from error

        def note(full: str) -> None:
            if files[full][2] not in present:
                meter.advance(files[full][2].size, full)

        for_each(fetch, missing, note)
        for place, found in sets.items():
            folder = confine(staging, place, nested=True, devices=True) if place else staging
            os.makedirs(folder, exist_ok=True)
            write_bytes(os.path.join(folder, MARKER), b"", durable=True)
            write_bytes(os.path.join(folder, MANIFEST), found.manifest, durable=True)
            sync_folder(folder)
        for name in others.keys() - parts:
            _link_tree(others[name], os.path.join(staging, *name.split("/")))
        commit_folder(target, staging)
    return report


def _present(
    target: str, mine: Sequence[SetSnapshot], published: Mapping[str, SetSnapshot] | None
) -> dict[FileRecord, str]:
    """Return the paths of the files of the local data set by their records.

    DataSetError if it has changes that `published` lacks.
    """
    found = {}
    for inner in mine:
        theirs = inner if published is None else published.get(inner.place)
        if theirs is None or not inner.lines <= theirs.lines:
            place = f" (in {inner.place})" if inner.place else ""
            raise DataSetError(
                f"cannot pull into {target}: it has changes{place} that the published data set "
                "lacks; push them first, or lose them with --force (force=True)"
            )
        found.update({record: inner.paths[name] for name, record in inner.records.items()})
    return {record: path for record, path in found.items() if os.path.isfile(path)}


def _others(target: str, mine: Sequence[SetSnapshot]) -> dict[str, str]:
    """Return the paths of what is not persist's in a data set and those inside it, by name.

    Notes, a repository of git, modules that the manifest does not list: they stay.
    """
    found = {}
    places = {inner.place for inner in mine}
    for inner in mine:
        known = {name.partition("/")[0] for name in inner.records} | _OWN
        folder = os.path.join(target, *inner.place.split("/"))
        with os.scandir(folder) as entries:
            for entry in entries:
                name = inner.full_name(entry.name)
                is_own = is_data_name(entry.name) or is_staging_name(entry.name)
                if not is_own and entry.name not in known and name not in places:
                    found[name] = entry.path
    return found


def _parts_of(names: Iterable[str]) -> set[str]:
    """Return names of files and of all folders above them."""
    found: set[str] = set()
    for name in names:
        while name:
            found.add(name)
            name = name.rpartition("/")[0]
    return found


def _link_tree(source: str, target: str) -> None:
    """Give a file, or all files of a folder, a second name."""
    if os.path.isdir(source) and not os.path.islink(source):
        shutil.copytree(source, target, symlinks=True, copy_function=put_in_place)
    elif os.path.islink(source):
        os.symlink(os.readlink(source), target)
    else:
        put_in_place(source, target)


def _staged(staging: str, names: Mapping[str, bool]) -> tuple[dict[str, str], list[str]]:
    """Return the files that an interrupted pull has left, by name, and the paths of all else.

    Of `names`, those of files are True, and those of folders False. What was left of another
    version, and links that someone has put there, are of no use.
    """
    if os.path.islink(staging) or not os.path.isdir(staging):
        return {}, [staging]
    found, others, waiting = {}, [], [""]
    while waiting:
        inner = waiting.pop()
        with os.scandir(os.path.join(staging, inner)) as entries:
            for entry in entries:
                name = f"{inner}/{entry.name}".lstrip("/")
                is_file = names.get(name)
                if is_file is False and entry.is_dir(follow_symlinks=False):
                    waiting.append(name)
                elif is_file and entry.is_file(follow_symlinks=False):
                    found[name] = entry.path
                else:
                    others.append(entry.path)
    return found, others
