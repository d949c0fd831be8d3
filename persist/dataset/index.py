"""What a data set holds, as far as each use of it needs to know: keys, infos, inner data sets.

It is read from the manifest, from where it was read last. Nobody is asked for a lock: a line that
is not complete, or whose commit has not taken place, is left for later.
"""

from __future__ import annotations

import functools
import json
import os
import threading
from typing import IO, Any, TypeAlias

from persist.archive import restore
from persist.dataset.commit import Commit, Ending, ending, plain_and_special
from persist.dataset.keys import fold_case
from persist.dataset.layout import MANIFEST, PACKAGE, is_data_set
from persist.dataset.older import Generation, generation_of, older_infos
from persist.dataset.snapshot import Snapshot, read_snapshot
from persist.errors import DamagedError

__all__ = ["Index", "InfoSource", "settled"]

_Seen: TypeAlias = "tuple[tuple[int, int, int] | None, tuple[int, int, int] | None]"

_TAIL = 64  # bytes at the end of what was read, which has a digest; they tell manifests apart


class InfoSource:
    """An info that JSON does not hold, as source that defines ``info``."""

    def __init__(self, text: str) -> None:
        self.text = text

    @functools.cached_property
    def value(self) -> Any:
        """The info."""
        return restore(self.text)["info"]


class Index:
    """The keys and infos of a data set.

    Parameters
    ----------
    folder : str
        The data set.

    Attributes
    ----------
    infos : dict of str to object
        The info of each key; an `InfoSource` for what JSON does not hold.
    namespaces : dict of str to None
        The names of data sets inside.
    generation : Generation
        Which release wrote the package.
    has_package : bool
        Whether there is a package at all.
    number : int
        The number of the last commit.
    end : int
        Where the next line belongs, in bytes.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, MANIFEST)
        self._package = os.path.join(folder, PACKAGE)
        self._seen: _Seen | None = None
        self._guard = threading.RLock()
        self._forget()
        self.generation = Generation.OWN
        self.has_package = False

    def _forget(self) -> None:
        self.infos: dict[str, Any] = {}
        self.namespaces: dict[str, None] = {}
        self.number = 0
        self.end = 0
        self._inode = 0
        self._tail = b""
        self._folded: set[str] | None = None

    @property
    def folded(self) -> set[str]:
        """The keys and inner data sets, without what some file systems do not tell apart."""
        if self._folded is None:
            self._folded = set(map(fold_case, (*self.infos, *self.namespaces)))
        return self._folded

    def refresh(self) -> None:
        """Take in what has been committed since.

        Raises
        ------
        DamagedError
            If the manifest is damaged, or the package of an older release is.
        """
        seen = self._signatures()
        if seen == self._seen:
            return
        with self._guard:
            if self._seen is None or seen[0] != self._seen[0]:
                self.generation = generation_of(self._folder)
            self.has_package = seen[0] is not None
            if self.generation is not Generation.OWN:
                self._forget()
                self.infos = older_infos(self._folder, self.generation)
                self.namespaces = dict.fromkeys(_inner_data_sets(self._folder))
            # A commit takes place without a trace in the manifest: an open one is looked at again.
            self._seen = seen if self._read() else None

    def _signatures(self) -> _Seen:
        return _signature(self._package), _signature(self._path)

    def absorb(self, line: bytes, commit: Commit) -> None:
        """Take in a line that was just appended, of a commit that has taken place."""
        with self._guard:
            if not self.end:
                self.refresh()
            if self.number >= commit.number:
                # Another thread has seen it first.
                return
            self._take(line, commit.number)
            self._seen = self._signatures()

    def _read(self) -> bool:
        """Read on; return whether there is nothing behind that may still take place."""
        if self.generation is not Generation.OWN:
            return True
        while True:
            before = _signature(self._path)
            if before is None:
                self._forget()
                return True
            data = self._read_data(before)
            lines, last = settled(data, self._folder)
            # A line counts only if no writer took it back before its commit was looked for.
            if before == _signature(self._path):
                break
        if last is not None:
            self._take(lines, last.number)
        return len(lines) == len(data)

    def _read_data(self, signature: tuple[int, int, int]) -> bytes:
        """Return what stands behind what was read, or all of it if this is another file."""
        inode = signature[0]
        with open(self._path, "rb", buffering=0) as file:
            if inode != self._inode or not self._goes_on(file):
                self._forget()
                self._inode = inode
                self._take_snapshot()
                if not self._goes_on(file):
                    self._forget()
                    self._inode = inode
            file.seek(self.end)
            return file.read()

    def _goes_on(self, file: IO[bytes]) -> bool:
        """Tell whether what was read is the beginning of a manifest."""
        file.seek(self.end - len(self._tail))
        return file.read(len(self._tail)) == self._tail

    def _take_snapshot(self) -> None:
        snapshot = read_snapshot(self._folder)
        if snapshot is not None:
            self.infos = snapshot.info
            self.infos.update({key: InfoSource(text) for key, text in snapshot.source.items()})
            self.namespaces = dict.fromkeys(snapshot.namespace)
            self.number, self.end = snapshot.n, snapshot.end
            self._tail = snapshot.tail.encode("ascii")

    def snapshot(self) -> Snapshot:
        """Return what to write down, for others not to read the manifest from its start."""
        sources = {k: v.text for k, v in self.infos.items() if isinstance(v, InfoSource)}
        infos = {key: None if key in sources else info for key, info in self.infos.items()}
        return Snapshot(
            self.end, self._tail.decode("ascii"), self.number, list(self.namespaces), sources, infos
        )

    def _take(self, lines: bytes, number: int) -> None:
        self._apply_lines(lines)
        self.number = number
        self.end += len(lines)
        self._tail = (self._tail + lines[-_TAIL:])[-_TAIL:]

    def _apply_lines(self, lines: bytes) -> None:
        for infos, commit in plain_and_special(lines):
            if commit is not None:
                self._folded = None
                self._apply(commit)
                continue
            found = _loads(infos)
            self.infos.update(found)
            if self._folded is not None:
                self._folded.update(map(fold_case, found))

    def _apply(self, commit: Commit) -> None:
        for key in commit.deleted:
            self.infos.pop(key, None)
        self.infos.update(commit.infos)
        self.infos.update({key: InfoSource(text) for key, text in commit.sources.items()})
        self.namespaces.update(dict.fromkeys(commit.namespaces))


def _inner_data_sets(folder: str) -> list[str]:
    """Return the data sets in a folder, where no manifest that counts tells them."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return sorted(name for name in names if is_data_set(os.path.join(folder, name)))


def settled(data: bytes, folder: str) -> tuple[bytes, Ending | None]:
    """Return the lines of commits that have taken place, and the end of the last one."""
    lines = data[: data.rfind(b"\n") + 1]
    last = _last(lines)
    if last is not None and last.staged and os.path.lexists(os.path.join(folder, last.staged)):
        lines = lines[: _start_of_last(lines)]
        last = _last(lines)
    return lines, last


def _last(lines: bytes) -> Ending | None:
    return ending(lines[_start_of_last(lines) :]) if lines else None


def _start_of_last(lines: bytes) -> int:
    return lines.rfind(b"\n", 0, -1) + 1


def _loads(infos: bytes) -> Any:
    try:
        return json.loads(infos)
    except ValueError as error:
        raise DamagedError(
            f"the infos in {MANIFEST} cannot be read: {error}. "
            "persist.verify names the files that are damaged"
        ) from error


def _signature(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
