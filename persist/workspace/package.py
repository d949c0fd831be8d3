"""A workspace as a package: a data set, in which each namespace is one."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from persist.dataset import Results
from persist.dataset import open as open_data_set
from persist.dataset.layout import check_key, is_data_set
from persist.errors import (
    ClosedError,
    DataSetError,
    InvalidKeyError,
    MissingPathError,
    PathExistsError,
    UntrustedError,
)
from persist.files import (
    TIMEOUT,
    FolderLock,
    remove_path,
    replace_folder,
    settle_folder,
    unsettled,
)
from persist.files.regular import identity_of
from persist.hdf5 import prepare
from persist.hdf5.opening import kept_from_writers
from persist.hdf5.references import Link
from persist.names import key_spelling, spelled_name
from persist.progress import ItemReport
from persist.workspace.backend import Extras, Place
from persist.workspace.groups import Header, write_to
from persist.workspace.index import RESERVED_KEYS, Entry, Index, ItemNotFoundError, in_order
from persist.workspace.pair import Pair, other_form

Read: TypeAlias = Callable[[str, str], Any]

# The key that has no value: its info says what the workspace is.
_INFO = "workspace_info"
_THRESHOLD = 20


def save_package(
    path: str,
    header: Header,
    index: Index,
    read: Read,
    report: ItemReport,
    replace: bool = False,
    timeout: float = TIMEOUT,
) -> None:
    """Write a workspace as a package, which replaces that of another that is there.

    With `replace`, also that to which others have added values, and what was saved in HDF5.
    `timeout` is in s.

    Raises
    ------
    FileExistsError
        If there is something at the path that no workspace has written, or a workspace was saved
        there in HDF5, and it is not to be replaced.
    InvalidKeyError
        If a name is too long for a file; nothing has been written.
    """
    pair = Pair.at(path)
    has_pair = os.path.exists(pair.data)
    if has_pair and not replace:
        raise other_form("in HDF5", pair.data)
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise MissingPathError(errno.ENOENT, "A package is to be kept in this folder", folder)
    for namespace, keys in index.items():
        for each in (namespace, *keys):
            _check_spelling(each)
    with contextlib.ExitStack() as stack:
        if has_pair:
            stack.enter_context(pair.lock(timeout))
            stack.enter_context(kept_from_writers(pair.data, timeout))
        lock = stack.enter_context(_lock(folder, name, timeout))
        settle_folder(os.path.join(folder, name))
        _check_replaceable(path, replace)
        with (
            replace_folder(os.path.join(folder, name)) as new,
            open_data_set(new, "w", array_threshold=_THRESHOLD) as dataset,
        ):
            _write(dataset, header, index, read, report)
            lock.check_held()
        if has_pair:
            pair.settle()
            for file in (pair.data, pair.sidecar):
                remove_path(file)


def remove_package(path: str, timeout: float = TIMEOUT) -> None:
    """Remove the package of a workspace."""
    folder, name = os.path.split(os.path.abspath(path))
    with _lock(folder, name, timeout):
        aside = os.path.join(folder, f".{name}.removed")
        remove_path(aside)
        os.rename(os.path.join(folder, name), aside)
        remove_path(aside)


def is_workspace_package(path: str) -> bool:
    """Return True if a workspace was saved as a package at a path; nothing of it is executed."""
    if not is_data_set(path):
        return False
    try:
        return _INFO in open_data_set(path, trusted=False).info
    except UntrustedError:
        # An older release, which had no workspaces, keeps its infos in a program.
        return False


def _spelled(name: str) -> str:
    return key_spelling(name, RESERVED_KEYS)


def _check_spelling(name: str) -> None:
    try:
        check_key(_spelled(name))
    except InvalidKeyError as error:
        raise InvalidKeyError(name, f"{error.reason}, as which a package keeps it") from error


def settle_package(path: str) -> None:
    """Put the former package back if a writer died between the two renames."""
    folder, name = os.path.split(os.path.abspath(path))
    place = os.path.join(folder, name)
    if not os.path.lexists(place) and os.path.isdir(folder) and place in unsettled(folder):
        with _lock(folder, name):
            settle_folder(place)


class SavedPackage:
    """Objects in a package.

    Raises
    ------
    DataSetError
        If another data set is there.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._identity = identity_of(self.path)
        self._dataset = open_data_set(path)
        info = self._dataset.info.get(_INFO)
        if not isinstance(info, dict) or "workspace_id" not in info:
            raise DataSetError(
                f"cannot load {path}: it is a data set, but no workspace was saved there; open it "
                "with persist.DataSet"
            )
        self._info = info
        self._spaces: dict[str, Results] = {}

    def header(self) -> Header:
        """Return what the package says of its workspace."""
        info = self._info
        return Header(str(info["workspace_id"]), info["name"], float(info["created_at"]))

    def read_index(self) -> Index:
        """Return the entries of the items, in the order in which they were stored."""
        known = self._info["items"]
        index: Index = {}
        for namespace in in_order(map(spelled_name, self._dataset.groups), known):
            space = self._space(namespace)
            types = {
                key: str(item.type).rpartition(".")[2] for key, item in space.entries().items()
            }
            for key in in_order(map(spelled_name, space), known.get(namespace, {})):
                entry = known.get(namespace, {}).get(key)
                if entry is None or entry["type"] != types[_spelled(key)]:
                    # The data set was changed by itself.
                    entry = {"type": types[_spelled(key)], "created_at": 0.0}
                note = space.info[_spelled(key)]
                index.setdefault(namespace, {})[key] = (
                    entry if note is None else {**entry, "note": note}
                )
        return index

    def read(self, namespace: str, key: str, handles: Any = None, extras: Extras = None) -> Any:
        """Return an object, with maps of files in place of its arrays if handles are wanted.

        Raises
        ------
        ClosedError
            If another package has taken the place of this one.
        """
        if identity_of(self.path) != self._identity:
            raise ClosedError(
                f"cannot read ({namespace!r}, {key!r}): the package {self.path} was replaced or "
                "removed since it was loaded; load it again"
            )
        space = self._space(namespace)
        if _spelled(key) not in space:
            raise ItemNotFoundError(f"Key {key!r} not found in namespace {namespace!r}.")
        return space.load(_spelled(key), None if handles is None else "r")

    def copy_to(self, file: Any, namespace: str, key: str, to: Place, entry: Entry) -> list[Link]:
        """Load an object, and write it to an open HDF5 file."""
        write_to(file, *to, prepare(self.read(namespace, key)), entry)
        return []

    def copy_rest(self, file: Any, items: Iterable[Place], dropped: Sequence[Place]) -> list[Link]:
        """Copy nothing: a package is all items."""
        return []

    def close(self) -> None:
        """Do nothing: a package is open only while it is read."""

    def _space(self, namespace: str) -> Results:
        if namespace not in self._spaces:
            if not self._dataset.has_group(_spelled(namespace)):
                raise ItemNotFoundError(f"Namespace {namespace!r} not found in workspace package.")
            self._spaces[namespace] = self._dataset.group(_spelled(namespace))
        return self._spaces[namespace]


def _write(dataset: Results, header: Header, index: Index, read: Read, report: ItemReport) -> None:
    total = sum(map(len, index.values()))
    known: dict[str, dict[str, Entry]] = {}
    done = 0
    for namespace, keys in index.items():
        space = dataset.group(_spelled(namespace))
        with space.batch():
            for key, entry in keys.items():
                inner = _spelled(key)
                note = entry.get("note")
                space.store({inner: read(namespace, key)}, {} if note is None else {inner: note})
                known.setdefault(namespace, {})[key] = {
                    name: value for name, value in entry.items() if name != "note"
                }
                done += 1
                report(done, total, namespace, key)
    dataset.info[_INFO] = {
        "workspace_id": header.workspace_id,
        "name": header.name,
        "created_at": header.created_at,
        "items": known,
    }


def _check_replaceable(path: str, replace: bool) -> None:
    if not os.path.lexists(path):
        return
    if not is_workspace_package(path):
        raise PathExistsError(
            errno.EEXIST, "No workspace was saved here: choose another path, or remove it", path
        )
    others = [] if replace else list(_added_by_others(open_data_set(path, trusted=False)))
    if others:
        raise PathExistsError(
            errno.EEXIST,
            f"The package here holds values that a workspace did not write ({', '.join(others)}),"
            " which would be lost: move them, or give replace=True",
            path,
        )


def _added_by_others(dataset: Results) -> Iterator[str]:
    """Yield the paths of what is in a package without having been stored by a workspace."""
    yield from (key for key in dataset if key != _INFO)
    known = dataset.info[_INFO]["items"]
    for name in dataset.groups:
        space = dataset.group(name)
        stored = known.get(spelled_name(name), {})
        added = [key for key in space if spelled_name(key) not in stored]
        yield from (f"{name}.{key}" for key in [*added, *space.groups])


def _lock(folder: str, name: str, timeout: float = TIMEOUT) -> FolderLock:
    return FolderLock(folder, name=f".{name}.lock", timeout=timeout, keep=False)
