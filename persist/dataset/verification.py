"""Whether a data set is what was written: each file, to the last bit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from persist.dataset.commit import decode, is_sound
from persist.dataset.index import settled
from persist.dataset.layout import (
    HELD,
    LOCK,
    MANIFEST,
    MARKER,
    PACKAGE,
    READY,
    SNAPSHOT,
    is_data_set,
    item_file,
    staged_names,
)
from persist.dataset.manifest import Manifest
from persist.dataset.older import Generation, generation_of
from persist.dataset.snapshot import Snapshot, read_snapshot
from persist.errors import DamagedError, DataSetError
from persist.files.digest import FileRecord, digest_file

__all__ = ["VerifyReport", "verify"]

_NEW = frozenset(f"{name}.new" for name in (MANIFEST, PACKAGE, SNAPSHOT))
_IGNORED = frozenset([HELD, LOCK, f"{LOCK}-owner", "__pycache__"])


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` found. Paths are relative to the data set.

    Parameters
    ----------
    missing : tuple of str
        Files that should be there.
    extra : tuple of str
        Files that should not.
    differs : tuple of str
        Files that are not what was written.
    unfinished : tuple of str
        What a writer has left that is at work or died. It is no damage; the next writer removes it.
    checked : int
        The number of files that are what was written.
    """

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    checked: int = 0

    @property
    def ok(self) -> bool:
        """Whether all is there, and nothing else."""
        return not (self.missing or self.extra or self.differs)


def verify(path: str | os.PathLike[str]) -> VerifyReport:
    """Compare each file of a data set, and of those inside it, with the manifest.

    Backups, compiled modules and the files of a lock are passed over.

    Parameters
    ----------
    path : path
        The data set.

    Returns
    -------
    VerifyReport
        The files that are missing, extra or different, and those of an unfinished commit.

    Raises
    ------
    DataSetError
        If there is no data set, or an older release wrote it, which noted no digests.

    Examples
    --------
    >>> import tempfile
    >>> from persist import DataSet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = DataSet("results", "w", path=folder)
    ...     ds.x = [1, 2]
    ...     before = verify(f"{folder}/results").ok
    ...     with open(f"{folder}/results/x.py", "a") as file:
    ...         _ = file.write("#")
    ...     before, verify(f"{folder}/results").differs
    (True, ('x.py',))
    """
    folder = os.fspath(path)
    if not is_data_set(folder):
        raise DataSetError(f"{folder} is no data set: there is no file {MARKER} in it")
    check = _Check(folder)
    check.run("")
    return VerifyReport(
        missing=tuple(sorted(check.missing)),
        extra=tuple(sorted(check.extra)),
        differs=tuple(sorted(check.differs)),
        unfinished=tuple(sorted(check.unfinished)),
        checked=check.checked,
    )


class _Check:
    """Goes through a data set, and those inside it."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.missing: set[str] = set()
        self.extra: set[str] = set()
        self.differs: set[str] = set()
        self.unfinished: set[str] = set()
        self.checked = 0

    def run(self, place: str) -> None:
        """Check the data set at a path below the root."""
        folder = os.path.join(self._root, place)
        if generation_of(folder) is not Generation.OWN:
            raise DataSetError(
                f"{folder} was written by {generation_of(folder).value}, which noted no digests: "
                "store something in it, and it will have some"
            )
        manifest, leftovers = self._read(place, folder)
        known = self._known(manifest)
        for name, record in known.items():
            self._check_file(place, _where(folder, name), name, record)
        known_folders = {name.partition("/")[0] for name in known if "/" in name}
        self._check_snapshot(place, folder)
        for name in sorted(os.listdir(folder)):
            self._check_name(
                place, name, {*known, MANIFEST, SNAPSHOT}, known_folders, manifest, leftovers
            )
        for name in manifest.namespaces:
            if is_data_set(os.path.join(folder, name)):
                self.run(os.path.join(place, name))
            else:
                self.missing.add(os.path.join(place, name, MARKER))

    def _read(self, place: str, folder: str) -> tuple[Manifest, set[str]]:
        """Return the manifest, and the names of what is left of an open commit."""
        manifest = Manifest()
        try:
            with open(os.path.join(folder, MANIFEST), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return manifest, self._missing_manifest(place, folder)
        *whole, torn = data.split(b"\n")
        is_damaged = not all(is_sound(line + b"\n") for line in whole)
        # A line that was not fully written has nothing behind it, and no end.
        is_damaged |= any(is_sound(torn[:stop] + b"\n") for stop in range(len(torn) - 1, 0, -1)[:8])
        if is_damaged:
            self.differs.add(os.path.join(place, MANIFEST))
        else:
            self.checked += 1
        try:
            lines, _ = settled(data, folder)
        except DamagedError:
            lines = data[: data.rfind(b"\n") + 1]
        for line in lines.splitlines(keepends=True):
            if is_sound(line):
                manifest.apply(decode(line))
        leftovers = set(staged_names(manifest.number + 1)) | _NEW
        if not manifest.number:
            # The first thing to be written before the first line is.
            leftovers.add(PACKAGE)
        leftovers |= set(_places(data[len(lines) :])) | set(manifest.removes)
        if torn and not is_damaged:
            self.unfinished.add(os.path.join(place, MANIFEST))
        return manifest, leftovers

    def _missing_manifest(self, place: str, folder: str) -> set[str]:
        """Take note of a missing manifest, unless nothing was stored yet."""
        first = {MARKER, PACKAGE, *_NEW, *_IGNORED}
        if not first.issuperset(os.listdir(folder)):
            self.missing.add(os.path.join(place, MANIFEST))
        return {PACKAGE, *_NEW}

    def _check_snapshot(self, place: str, folder: str) -> None:
        """Compare the snapshot, if there is one, with what the manifest said at that point."""
        if not os.path.lexists(os.path.join(folder, SNAPSHOT)):
            return
        found, manifest = read_snapshot(folder), Manifest()
        with (
            contextlib.suppress(FileNotFoundError),
            open(os.path.join(folder, MANIFEST), "rb") as file,
        ):
            for line in file.read(0 if found is None else found.end).splitlines(keepends=True):
                if is_sound(line):
                    manifest.apply(decode(line))
        if found is not None and _state(found) == _state(manifest):
            self.checked += 1
        else:
            self.differs.add(os.path.join(place, SNAPSHOT))

    def _known(self, manifest: Manifest) -> dict[str, FileRecord]:
        records = {name: FileRecord(*record) for name, record in manifest.package.items()}
        for key, value in manifest.values.items():
            if key in manifest.infos:
                records.update({n: FileRecord(*r) for n, r in value.get("files", {}).items()})
        return records

    def _check_file(self, place: str, path: str, name: str, record: FileRecord) -> None:
        shown = os.path.join(place, name)
        try:
            found = digest_file(path)
        except (FileNotFoundError, NotADirectoryError):
            self.missing.add(shown)
            return
        except OSError:
            found = None
        if found == record and not os.path.islink(path):
            self.checked += 1
        else:
            self.differs.add(shown)

    def _check_name(
        self,
        place: str,
        name: str,
        known: set[str],
        known_folders: set[str],
        manifest: Manifest,
        leftovers: set[str],
    ) -> None:
        shown = os.path.join(place, name)
        path = os.path.join(self._root, shown)
        is_folder = os.path.isdir(path) and not os.path.islink(path)
        if name in known or name in _IGNORED or name.endswith(".bak"):
            return
        if name in leftovers or name == READY:
            self.unfinished.add(shown)
        elif name in known_folders and is_folder:
            for inner in sorted(os.listdir(path)):
                if f"{name}/{inner}" not in known and not inner.endswith(".bak"):
                    self.extra.add(os.path.join(shown, inner))
        elif name in manifest.namespaces and is_folder:
            return
        elif is_folder:
            self.extra.update(_files(self._root, shown))
        elif name == MARKER and not manifest.package:
            return
        elif os.path.isdir(os.path.join(self._root, place, READY)) and name == item_file(
            name.removesuffix(".py")
        ):
            self.unfinished.add(shown)
        else:
            self.extra.add(shown)


def _state(known: Snapshot | Manifest) -> Any:
    if isinstance(known, Snapshot):
        return known.n, known.info, known.source, list(known.namespace)
    return known.number, known.infos, known.sources, list(known.namespaces)


def _where(folder: str, name: str) -> str:
    """Return the path of a file, which may not have come to its place yet."""
    ready = os.path.join(folder, READY, name)
    return ready if name.endswith(".py") and os.path.isfile(ready) else os.path.join(folder, name)


def _places(lines: bytes) -> list[str]:
    try:
        return decode(lines).places
    except DamagedError:
        return []


def _files(root: str, shown: str) -> Iterator[str]:
    """Yield the files in a folder, or the folder if there are none."""
    found = False
    for folder, _, names in os.walk(os.path.join(root, shown)):
        for name in names:
            found = True
            yield os.path.relpath(os.path.join(folder, name), root)
    if not found:
        yield shown
