"""The two files of a saved workspace, which are replaced as one.

The data is in ``<path>.h5``. What ``<path>.json`` says can be told from it, and is for people and
other programs. Both carry the same random mark. The new files are written as ``.h5.tmp`` and
``.json.tmp``, synced, and renamed, the data first. If the machine stops between the two, the next
reader of all items finds that the marks differ, and writes the JSON anew.

The data also holds its index, so that not every group has to be read for it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h5py

from persist.errors import DamagedError, MissingPathError, PathExistsError
from persist.files import (
    TIMEOUT,
    FolderLock,
    check_path,
    open_regular,
    remove_path,
    sync_file,
    sync_folder,
)
from persist.files.journal import Journal, recover
from persist.files.unbuffered import disk_errors, open_unbuffered
from persist.files.write import write_bytes
from persist.hdf5.opening import member, open_hdf5
from persist.workspace.groups import (
    OWN_GROUP,
    Header,
    NotAWorkspaceError,
    groups_of,
    read_entry,
    read_header,
)
from persist.workspace.index import Index

_LISTING = "index"
_GROUPS = "groups"
_MODIFIED = "modified"
_IS_PLAIN = "plain"

Unreadable = dict[tuple[str, str], str]


def write_listing(file: Any, index: Index, unreadable: Unreadable, is_plain: bool = False) -> None:
    """Keep the index in a file; when that is closed, it is to be sealed.

    Where items cannot be read, none is kept: whoever opens the file finds them anew. `is_plain`
    says that nothing of other software is in the file.
    """
    group = file.require_group(OWN_GROUP)
    drop_listing(file)
    if unreadable:
        return
    text = json.dumps(index, ensure_ascii=True)
    dataset = group.create_dataset(
        _LISTING, data=text, dtype=h5py.string_dtype(), track_times=False
    )
    dataset.attrs[_GROUPS] = _group_count(file)
    dataset.attrs[_IS_PLAIN] = is_plain
    # In whole seconds: when somebody else changes the file, it is at some fraction of one.
    dataset.attrs[_MODIFIED] = int(time.time())


def drop_listing(file: Any) -> None:
    """Remove the index from a file before a change."""
    if _LISTING in file.get(OWN_GROUP, ()):
        del file[OWN_GROUP][_LISTING]


def seal_listing(path: str) -> None:
    """Set the time of a closed file to that which its index names."""
    with h5py.File(path, "r") as file:
        if _LISTING not in file[OWN_GROUP]:
            return
        modified = int(file[OWN_GROUP][_LISTING].attrs[_MODIFIED])
    # The file of another user keeps its time, and its index is not believed.
    with contextlib.suppress(PermissionError):
        os.utime(path, (modified, modified))


def read_index(
    file: Any, path: str | None = None, *, summaries: bool = True
) -> tuple[Index, Unreadable]:
    """Return the index of a file, and what of it cannot be read.

    `path` is where the file is, if h5py does not know. With `summaries`, those of items that the
    file does not list are read from their groups.
    """
    found = read_listing(file)
    path = file.filename if path is None else path
    if found is not None and _is_current(file, path) and _is_complete(file, found):
        return found, {}
    return _scan(file, found, summaries)


def read_listing(file: Any) -> Index | None:
    """Return the index that is kept in a file, or None; the file may have changed since."""
    # What is damaged or missing is as good as none.
    with contextlib.suppress(AttributeError, TypeError, ValueError, OSError, RuntimeError):
        dataset = member(member(file, OWN_GROUP), _LISTING)
        found = json.loads(dataset.asstr()[()])
        if isinstance(found, dict) and all(isinstance(keys, dict) for keys in found.values()):
            return found
    return None


def is_plain(file: Any) -> bool:
    """Return True if a file with a current index holds nothing of other software."""
    with contextlib.suppress(DamagedError, OSError, RuntimeError):
        attributes = member(member(file, OWN_GROUP), _LISTING).attrs
        return bool(attributes.get(_IS_PLAIN)) and _is_current(file, file.filename)
    return False


def _is_current(file: Any, path: str) -> bool:
    """Return True if no other program has changed a file since its index was kept."""
    attributes = file[OWN_GROUP][_LISTING].attrs
    modified = attributes.get(_MODIFIED)
    if modified is None or os.stat(path).st_mtime_ns != int(modified) * 10**9:
        return False
    return bool(attributes.get(_GROUPS) == _group_count(file))


def _is_complete(file: Any, index: Index) -> bool:
    """Return True if a file holds nothing that the index lacks: former releases left that out."""
    return _group_count(file) == len(index) + sum(map(len, index.values()))


def _group_count(file: Any) -> int:
    """Return a number that differs where other items are there."""
    names = [name for name in file if name != OWN_GROUP]
    hard = [name for name in names if isinstance(file.get(name, getlink=True), h5py.HardLink)]
    return len(names) + sum(len(file[name]) for name in hard if isinstance(file[name], h5py.Group))


def _scan(file: Any, order: Index | None, summaries: bool) -> tuple[Index, Unreadable]:
    index: Index = {}
    unreadable: Unreadable = {}
    for namespace, key, group in groups_of(file, order):
        try:
            entry = read_entry(group, summary=summaries)
        except Exception as error:  # HDF5 raises many kinds for what is damaged.
            unreadable[namespace, key] = f"{type(error).__name__}: {error}"
        else:
            index.setdefault(namespace, {})[key] = entry
    return index, unreadable


_MARK = "save_id"


def write_mark(file: Any) -> str:
    """Give a file another mark, and return it."""
    mark = uuid.uuid4().hex
    group = file.require_group(OWN_GROUP)
    group.attrs[_MARK] = mark
    return mark


def read_mark(file: Any) -> str | None:
    """Return the mark of a file, or None."""
    with contextlib.suppress(DamagedError, OSError, RuntimeError):
        mark = member(file, OWN_GROUP).attrs.get(_MARK)
        return None if mark is None else str(mark)
    return None


@dataclass(frozen=True)
class Pair:
    """The files of a workspace.

    `base` is their path without its extension.
    """

    base: str

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Pair:
        """Return the files at a path, with ``.h5`` or without; beside it if it is a folder."""
        base = check_path(path, "a workspace").removesuffix(".h5")
        is_folder = os.path.basename(base) in ("", ".", "..")
        return cls(os.path.abspath(base) if is_folder else base)

    @property
    def data(self) -> str:
        """The HDF5 file."""
        return f"{self.base}.h5"

    @property
    def sidecar(self) -> str:
        """The JSON file."""
        return f"{self.base}.json"

    @property
    def journal(self) -> str:
        """The journal of the HDF5 file, beside what a link leads to."""
        return journal_of(self.data)

    def lock(self, timeout: float = TIMEOUT) -> FolderLock:
        """Return the lock that writers of the files take."""
        return lock_of(self.data, timeout)

    def replace_locked(
        self, fill: Callable[[str], Index], header: Header, lock: FolderLock
    ) -> None:
        """Write new files, and put them in the place of the old ones; the caller holds the lock.

        `fill` writes the data to the path that it is given, and returns the index. If the disk
        fails, or the lock was removed meanwhile, the old files are whole.
        """
        self.settle()
        data, sidecar = os.path.realpath(self.data), os.path.realpath(self.sidecar)
        news = f"{data}.tmp", f"{sidecar}.tmp"
        try:
            create_like(news[0], data)
            with disk_errors(self.data):
                index = fill(news[0])
                with open_unbuffered(news[0], "r+") as file:
                    mark = write_mark(file)
            seal_listing(news[0])
            sync_file(news[0])
            self._write_sidecar(news[1], mark, header, index)
            lock.check_held()
            os.replace(news[0], data)
        except BaseException:
            for path in news:
                remove_path(path)
            raise
        self._put_sidecar(news[1])
        sync_folder(os.path.dirname(data))

    def settle(self) -> None:
        """Finish what a writer that died has begun, or remove it; the caller holds the lock."""
        if os.path.exists(self.data):
            recover(self.journal)
            Journal(self.journal).remove()
        for path in (self.data, self.sidecar):
            remove_path(f"{os.path.realpath(path)}.tmp")

    def check_there(self) -> None:
        """Raise FileNotFoundError if the data was moved or removed while it was open."""
        if not os.path.exists(self.data):
            raise MissingPathError(
                errno.ENOENT,
                "cannot finish the file of this workspace: it was moved or removed while it was "
                "open; what was stored is in the file, wherever it is",
                self.data,
            )

    def others(self, timeout: float) -> list[str]:
        """Return which of the files are there and were not written for a workspace."""
        found = [self.sidecar] if self._has_other_json() else []
        if os.path.exists(self.data) and os.path.getsize(self.data):
            try:
                with open_hdf5(self.data, timeout) as file:
                    read_header(file)
            except (NotAWorkspaceError, DamagedError):
                found.insert(0, self.data)
        return found

    def _has_other_json(self) -> bool:
        """Return True if the JSON in the place of ours was not written by a workspace."""
        document = _read_json(self.sidecar)
        is_ours = isinstance(document, dict) and "workspace_id" in document
        return bool(document) and not is_ours

    def _put_sidecar(self, new: str) -> None:
        """Put a JSON file in its place, unless the one there is not of a workspace."""
        if self._has_other_json():
            remove_path(new)
        else:
            os.replace(new, os.path.realpath(self.sidecar))

    def is_stale(self) -> bool:
        """Return True if the JSON file is missing or damaged, or is not that of our data."""
        document = _read_json(self.sidecar)
        is_ours = isinstance(document, dict) and document.get(_MARK) == self._data_mark()
        return not is_ours and not self._has_other_json()

    def rebuild(self, header: Header, index: Index, mark: str | None) -> None:
        """Write the JSON file anew if the data still has this mark; the caller holds the lock."""
        if mark != self._data_mark():
            return
        new = f"{os.path.realpath(self.sidecar)}.tmp"
        try:
            self._write_sidecar(new, mark, header, index)
            self._put_sidecar(new)
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
        create_like(path, os.path.realpath(self.sidecar), os.path.realpath(self.data))
        # Lone surrogates are written as JSON escapes them.
        write_bytes(path, text.encode("utf-8", "backslashreplace"), durable=True)

    def _data_mark(self) -> str | None:
        with contextlib.suppress(OSError), open_hdf5(self.data, timeout=0) as file:
            return read_mark(file)
        return None


def other_form(form: str, path: str) -> PathExistsError:
    """Return the error for a workspace that is there, and was saved in another form."""
    return PathExistsError(
        errno.EEXIST,
        f"A workspace was saved {form} here: choose another path, or give replace=True to remove "
        "it",
        path,
    )


def journal_of(path: str) -> str:
    """Return the journal of an HDF5 file, beside what a link leads to."""
    folder, name = os.path.split(os.path.realpath(path))
    return os.path.join(folder, f".{name}.journal")


def lock_of(path: str, timeout: float = TIMEOUT) -> FolderLock:
    """Return the lock that writers of an HDF5 file take.

    Raises
    ------
    FileNotFoundError
        If its folder does not exist.
    """
    folder, name = os.path.split(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise MissingPathError(
            errno.ENOENT, "A workspace is to be kept in this folder; make it first", folder
        )
    return FolderLock(folder, name=f".{name}.lock", timeout=timeout, keep=False)


def create_like(path: str, *others: str) -> None:
    """Make an empty file with the permissions of the first of others that exists."""
    remove_path(path)
    mode = None
    for other in others:
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(os.stat(other).st_mode)
            break
    # Nobody else may read the file before it has the permissions of the other.
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else 0o600))
    if mode is not None:
        os.chmod(path, mode)


def _read_json(path: str) -> Any:
    """Return what is in a file; None if it is missing, or torn."""
    try:
        with open_regular(path, "r", follow=True, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None
