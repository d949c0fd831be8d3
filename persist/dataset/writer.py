"""Commits: how a data set goes from one state to the next.

New files are written beside the old ones, under names that tell their commit. Then a line is added
to the manifest, and one rename puts the commit into effect: that of the loader module, or that of
the folder which holds all that a batch has made. Until then the line does not count, since what it
names as staged is still there. Afterwards what is of no more use is removed.

So a writer that dies leaves the state before or the state after, and for the next writer things to
remove, under names that it knows.
"""

from __future__ import annotations

import contextlib
import glob
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from persist.archive.arrays import EXTENSIONS, Store
from persist.dataset.alike import FilesAlike
from persist.dataset.commit import Commit, decode, encode
from persist.dataset.index import Index
from persist.dataset.item import Item, item_source, write_arrays
from persist.dataset.layout import (
    MANIFEST,
    READY,
    SNAPSHOT,
    data_names,
    item_file,
    staged_data,
    staged_item,
    staged_names,
)
from persist.dataset.manifest import find_value, read_manifest
from persist.dataset.snapshot import write_snapshot
from persist.errors import DamagedError
from persist.files.backup import keep_backup, move_aside
from persist.files.create import remove_path
from persist.files.digest import digest_pieces
from persist.files.sync import sync_folder
from persist.files.write import append_bytes, replace_bytes, write_bytes

__all__ = ["StoreOptions", "Writer"]

_log = logging.getLogger(__name__)

# The line of a loader module that names its arrays stands at its head.
_HEAD = 1 << 13
_DATA = re.compile(
    r"\bos\.path\.join\([^'\n]*'((?:data_\w+(?:\.[0-9]+)?|\w+_data)(?:\.npz|\.hd5)?)'"
)
# How many commits, and some more, are read one by one when a data set is opened.
_UNSNAPPED = 200
# How many lines of the manifest may be out of date before it is written anew: a part of those that
# are not, and some more.
_SPARE_PART = 0.5
_SPARE = 1000


@dataclass(frozen=True)
class StoreOptions:
    """How values are stored.

    Parameters
    ----------
    store : Store
        The format of arrays.
    durable : bool
        Whether to wait until the disk holds what is written.
    backup : bool
        Whether to keep what is replaced as ``.bak``.
    """

    store: Store
    durable: bool
    backup: bool


class Writer:
    """Changes a data set, for who holds its lock.

    Parameters
    ----------
    folder : str
        The data set.
    index : Index
        What it holds; kept up to date.
    options : StoreOptions
        How values are stored.
    """

    def __init__(self, folder: str, index: Index, options: StoreOptions) -> None:
        self.folder = folder
        self._prefix = os.path.join(folder, "")
        self.index = index
        self.options = options
        self._alike = FilesAlike(folder)
        self._settled_at: int | None = None
        self._spare = _SPARE // 2
        self._unsnapped = 0
        self._left_over: list[str] = []

    def path(self, name: str, *names: str) -> str:
        """Return the path of a file of the data set."""
        return self._prefix + (os.path.join(name, *names) if names else name)

    def set_value(self, item: Item, by: int = 0) -> None:
        """Store a value, in one commit; a new key gets the info None.

        Parameters
        ----------
        item : Item
            The value.
        by : int
            The commit that says what made it.
        """
        number = self.index.number + 1
        staged, name = staged_item(number), item_file(item.key)
        removes = self.data_of_key(item.key)
        with self.undone(number):
            data, value = self.stage(item, staged, staged_data(number), by)
            commit = Commit(number, values={item.key: value}, removes=removes, staged=staged)
            commit.places = [data] if data is not None else []
            if item.key not in self.index.infos:
                commit.infos = {item.key: None}
            line = self.append(commit)
            if data is not None:
                os.rename(self.path(staged_data(number)), self.path(data))
                self.sync()
            self.put_in_place(staged, name)
        self.finish(line, commit)

    def set_infos(self, infos: dict[str, Any], sources: dict[str, str]) -> None:
        """Store infos, in one commit."""
        commit = Commit(self.index.number + 1, infos=infos, sources=sources)
        self.finish(self.append(commit), commit)

    def stage(
        self, item: Item, staged: str, staged_arrays: str, by: int
    ) -> tuple[str | None, dict[str, Any]]:
        """Write a value under other names; return the name for its arrays, and what to say of it.

        The arrays may be written to where they belong, beside a module that is staged in a folder.
        """
        store, durable = self.options.store, self.options.durable
        value: dict[str, Any] = {"written": _now(), **item.description}
        if by:
            value["by"] = by
        data, files = None, {}
        if item.arrays:
            data = self.free_data_name(item.key, os.path.dirname(staged))
            target = staged_arrays or os.path.join(os.path.dirname(staged), data)
            records = write_arrays(
                store, self.path(target), item.arrays, durable=durable, alike=self._alike
            )
            for name, record in records.items():
                self._alike.add(
                    os.path.join(self.path(target), name) if name else self.path(target), record
                )
            files = {f"{data}/{name}" if name else data: found for name, found in records.items()}
            value["data"] = data
        source = item_source(item, store, data).encode()
        write_bytes(self.path(staged), source, durable=durable)
        value["files"] = {item_file(item.key): digest_pieces([source]), **files}
        return data, value

    def free_data_name(self, key: str, beside: str = "") -> str:
        """Return a name for the arrays of a key that nothing has, here and in another folder.

        No name is used again for the next value of a key: who reads the one before would take the
        arrays of the other for its own.
        """
        names = data_names(key, self.options.store.extension, self.index.number + 1)
        if key in self.index.infos:
            next(names)
        return next(
            name
            for name in names
            if not os.path.lexists(self.path(name))
            and not (beside and os.path.lexists(self.path(beside, name)))
        )

    def data_of_key(self, key: str) -> list[str]:
        """Return the files or folders of arrays of a key.

        Also those that its module does not read any more, since release 3.2.1 has replaced it.
        """
        data = self.data_of(item_file(key))
        if key not in self.index.infos:
            return data
        first = (next(data_names(key, extension, 0)) for extension in EXTENSIONS.values())
        if any(name not in data and os.path.lexists(self.path(name)) for name in first):
            lost = (find_value(self.folder, key) or {}).get("data")
            if lost is not None and lost not in data and os.path.lexists(self.path(lost)):
                data.append(lost)
        return data

    def data_of(self, name: str) -> list[str]:
        """Return the files or folders of arrays that a loader module reads."""
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                found = _DATA.findall(file.read(_HEAD))
        except FileNotFoundError:
            return []
        return [data for data in dict.fromkeys(found) if os.path.lexists(self.path(data))]

    def append(self, commit: Commit) -> bytes:
        """Add the line of a commit, in place of one that did not take place."""
        commit.removes = list(dict.fromkeys([*commit.removes, *self._left_over]))
        line = encode(commit)
        append_bytes(self.path(MANIFEST), line, at=self.index.end, durable=self.options.durable)
        return line

    def put_in_place(self, staged: str, name: str) -> None:
        """Let a new loader module take the place of the old one."""
        try:
            before = os.stat(self.path(name))
        except FileNotFoundError:
            pass
        else:
            if self.options.backup:
                keep_backup(self.path(name))
            self._make_younger(staged, int(before.st_mtime))
        os.replace(self.path(staged), self.path(name))

    def _make_younger(self, staged: str, second: int) -> None:
        """Give a file another second than the one that it replaces.

        Compiled modules are found out of date by the size and the second of their source.
        """
        found = os.stat(self.path(staged))
        if int(found.st_mtime) <= second:
            os.utime(self.path(staged), (second + 1, second + 1))

    def sync(self) -> None:
        """Wait until the disk holds the names in the folder, if that was asked for."""
        if self.options.durable:
            sync_folder(self.folder)

    def finish(self, line: bytes, commit: Commit) -> None:
        """Take note of a commit that has taken place, and clean up after it."""
        self.index.absorb(line, commit)
        self._alike.forget()
        if commit.staged:
            self.sync()
        self.remove(commit.removes)
        self._settled_at = commit.number
        try:
            self._shorten(len(commit.infos))
        except OSError as error:
            # The commit has taken place, and the manifest is whole: it is only long.
            _log.warning("The manifest of %s is not shortened: %s", self.folder, error)

    def _shorten(self, infos: int) -> None:
        """Let less of the manifest have to be read, if it is time after so many more infos."""
        self._spare -= 1
        if self._spare < 0:
            self.compact_if_spare()
        # The more infos there are, the longer one takes to write, and the rarer it is.
        self._unsnapped += max(1, infos)
        if self._unsnapped > _UNSNAPPED + len(self.index.infos) // 8:
            self._unsnapped = 0
            write_snapshot(self.folder, self.index.snapshot(), durable=self.options.durable)

    def remove(self, names: list[str]) -> None:
        """Remove what is of no more use, or keep it as a backup.

        The commit has taken place, so what cannot be removed is no reason to fail.
        """
        self._left_over = []
        for name in names:
            try:
                if self.options.backup:
                    move_aside(self.path(name))
                else:
                    remove_path(self.path(name))
            except OSError as error:
                # The next commit tries again.
                self._left_over.append(name)
                _log.warning("%s is left of a former version: %s", self.path(name), error)

    def compact_if_spare(self) -> None:
        """Write the manifest anew if too much of it is out of date."""
        with open(self.path(MANIFEST), "rb") as file:
            lines = file.read().count(b"\n")
        allowed = int((1 + _SPARE_PART) * len(self.index.infos)) + _SPARE
        if lines > allowed:
            self.compact()
            lines = len(self.index.infos)
        # As many commits can be made until it may be so again.
        self._spare = allowed - lines

    def compact(self) -> None:
        """Write the manifest anew, without what is out of date."""
        lines = b"".join(read_manifest(self.folder).lines())
        replace_bytes(self.path(MANIFEST), lines, durable=self.options.durable)
        self.sync()
        self.index.refresh()
        write_snapshot(self.folder, self.index.snapshot(), durable=self.options.durable)

    @contextlib.contextmanager
    def undone(self, number: int) -> Iterator[None]:
        """Undo what a commit has done so far if the block fails before it takes place."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):
                self.index.refresh()
                if self.index.number < number:
                    self.discard(number)
            raise

    def settle(self) -> None:
        """Bring to an end what a writer has left that died.

        Raises
        ------
        OSError
            If the disk fails.
        """
        if self._has_open_commit():
            self.discard(self.index.number + 1)
        if self._settled_at == self.index.number:
            return
        commit = self._last_commit()
        if commit is not None:
            if os.path.isdir(self.path(READY)):
                self.roll_forward(commit)
            self.remove([name for name in commit.removes if os.path.lexists(self.path(name))])
        for name in (MANIFEST, SNAPSHOT):
            remove_path(self.path(f"{name}.new"))
        self._settled_at = self.index.number

    def _has_open_commit(self) -> bool:
        names = staged_names(self.index.number + 1)
        if any(os.path.lexists(self.path(name)) for name in names):
            return True
        try:
            return os.stat(self.path(MANIFEST)).st_size != self.index.end
        except FileNotFoundError:
            return False

    def discard(self, number: int) -> None:
        """Remove what there is of a commit that did not take place."""
        names = list(staged_names(number))
        # The line goes before what it names as staged: without that, it would count.
        left = self._behind()
        if left:
            names += _placed(left)
            append_bytes(self.path(MANIFEST), b"", at=self.index.end, durable=False)
        for name in names:
            if os.path.lexists(self.path(name)):
                remove_path(self.path(name))

    def _behind(self) -> bytes:
        """Return what stands in the manifest behind the last commit."""
        try:
            with open(self.path(MANIFEST), "rb") as file:
                file.seek(self.index.end)
                return file.read()
        except FileNotFoundError:
            return b""

    def _last_commit(self) -> Commit | None:
        try:
            with open(self.path(MANIFEST), "rb") as file:
                lines = file.read(self.index.end)
        except FileNotFoundError:
            return None
        start = lines.rfind(b"\n", 0, -1) + 1
        return decode(lines[start:]) if lines else None

    def roll_forward(self, commit: Commit) -> None:
        """Put the files of a batch in place, which has taken place already."""
        for key in commit.deleted:
            if key not in commit.values:
                remove_path(self.path(item_file(key)))
                for compiled in _compiled(self.folder, key):
                    remove_path(compiled)
        for key in commit.values:
            staged = os.path.join(READY, item_file(key))
            if os.path.lexists(self.path(staged)):
                self.put_in_place(staged, item_file(key))
        self.sync()
        shutil.rmtree(self.path(READY))
        self.sync()


def _placed(line: bytes) -> list[str]:
    """Return what an open commit may have put in place."""
    try:
        return decode(line).places
    except DamagedError:
        return []


def _compiled(folder: str, key: str) -> list[str]:
    return glob.glob(os.path.join(glob.escape(folder), "__pycache__", f"{glob.escape(key)}.*.pyc"))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
