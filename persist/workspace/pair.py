"""The two files of a saved workspace, which are replaced as one.

The data is in ``<path>.h5``. What ``<path>.json`` says can be told from it, and is for people and
other programs. Both carry the same random mark. The new files are written as ``.h5.tmp`` and
``.json.tmp``, synced, and renamed, the data first. Where the machine stops between the two, whoever
comes next finds that the mark in ``.json.tmp`` is that of the data, and renames it too.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h5py

from persist.files import FolderLock, remove_path, sync_file, sync_folder
from persist.files.journaled import journal_of, recover
from persist.files.write import write_bytes
from persist.workspace.entries import Index
from persist.workspace.groups import OWN_GROUP, Header
from persist.workspace.listing import seal_listing

__all__ = ["Pair", "read_mark", "write_mark"]

_MARK = "save_id"
_TIMEOUT = 60.0  # s


def write_mark(file: Any) -> str:
    """Give a file another mark, and return it."""
    mark = uuid.uuid4().hex
    group = file.require_group(OWN_GROUP)
    group.attrs[_MARK] = mark
    return mark


def read_mark(file: Any) -> str | None:
    """Return the mark of a file, or None."""
    group = file.get(OWN_GROUP)
    return None if group is None else group.attrs.get(_MARK)


@dataclass(frozen=True)
class Pair:
    """The files of a workspace.

    Parameters
    ----------
    base : str
        Their path without its extension.
    """

    base: str

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Pair:
        """Return the files at a path, which may end with ``.h5``."""
        return cls(os.fspath(path).removesuffix(".h5"))

    @property
    def data(self) -> str:
        """The HDF5 file."""
        return f"{self.base}.h5"

    @property
    def sidecar(self) -> str:
        """The JSON file."""
        return f"{self.base}.json"

    def lock(self, timeout: float = _TIMEOUT) -> FolderLock:
        """Return the lock that writers of the files take.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        """
        folder, name = os.path.split(os.path.realpath(self.data))
        if not os.path.isdir(folder):
            raise FileNotFoundError(
                errno.ENOENT, "A workspace is to be kept in this folder; make it first", folder
            )
        return FolderLock(folder, name=f".{name}.lock", timeout=timeout, keep=False)

    def replace(
        self, fill: Callable[[str], Index], header: Header, timeout: float = _TIMEOUT
    ) -> None:
        """Write new files, and put them in the place of the old ones.

        Parameters
        ----------
        fill : callable
            Writes the data to the path that it is given, and returns the index.
        header : Header
            What to say of the workspace.
        timeout : float, optional
            How long to wait for another writer, in s.

        Raises
        ------
        LockTimeout
            If another writer does not finish.
        OSError
            If the disk fails; the old files are whole.
        """
        with self.lock(timeout):
            self.replace_locked(fill, header)

    def replace_locked(self, fill: Callable[[str], Index], header: Header) -> None:
        """Do as `replace`, for a caller that holds the lock."""
        self.settle()
        data, sidecar = os.path.realpath(self.data), os.path.realpath(self.sidecar)
        news = f"{data}.tmp", f"{sidecar}.tmp"
        try:
            remove_path(news[0])
            index = fill(news[0])
            with h5py.File(news[0], "r+") as file:
                mark = write_mark(file)
            seal_listing(news[0])
            sync_file(news[0])
            self._write_sidecar(news[1], mark, header, index)
            os.replace(news[0], data)
        except BaseException:
            for path in news:
                remove_path(path)
            raise
        _rename_if_there(news[1], sidecar)
        sync_folder(os.path.dirname(data))

    def settle(self) -> None:
        """Finish what a writer that died has begun, or remove it; the caller holds the lock."""
        if os.path.exists(self.data):
            recover(self.data)
        self.finish()
        for path in (self.data, self.sidecar):
            remove_path(f"{os.path.realpath(path)}.tmp")

    def finish(self) -> None:
        """Rename the second file of a writer that died before it could."""
        new = f"{os.path.realpath(self.sidecar)}.tmp"
        mark = (_read_sidecar(new) or {}).get(_MARK)
        if mark is not None and mark == self._data_mark():
            _rename_if_there(new, os.path.realpath(self.sidecar))

    def has_journal(self) -> bool:
        """Tell whether a writer is changing the data in place, or died while it did."""
        return os.path.exists(journal_of(self.data))

    def is_stale(self) -> bool:
        """Tell whether the JSON file is missing or damaged, or is not that of our data."""
        document = _read_sidecar(self.sidecar)
        return document is None or document.get(_MARK) != self._data_mark()

    def rebuild(self, header: Header, index: Index, mark: str | None) -> None:
        """Write the JSON file anew if the data still has this mark; the caller holds the lock."""
        if mark != self._data_mark():
            return
        new = f"{os.path.realpath(self.sidecar)}.tmp"
        try:
            self._write_sidecar(new, mark, header, index)
            _rename_if_there(new, os.path.realpath(self.sidecar))
        finally:
            remove_path(new)

    def _write_sidecar(self, path: str, mark: str | None, header: Header, index: Index) -> None:
        document = {
            "workspace_id": header.workspace_id,
            "name": header.name,
            "created_at": header.created_at,
            **({} if mark is None else {_MARK: mark}),
            "index": index,
        }
        text = json.dumps(document, indent=2, ensure_ascii=False)
        # Lone surrogates are written as JSON escapes them.
        write_bytes(path, text.encode("utf-8", "backslashreplace"), durable=True)

    def _data_mark(self) -> str | None:
        with contextlib.suppress(OSError), h5py.File(self.data, "r") as file:
            return read_mark(file)
        return None


def _read_sidecar(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _rename_if_there(new: str, path: str) -> None:
    # A reader may have renamed it already.
    with contextlib.suppress(FileNotFoundError):
        os.replace(new, path)
