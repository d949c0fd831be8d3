"""A workspace read from disk and written to it, in HDF5 or as a package."""

from __future__ import annotations

import contextlib
import errno
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from persist.dataset.layout import is_data_set
from persist.errors import (
    ArgumentError,
    DamagedError,
    MissingPathError,
    PathExistsError,
    PersistError,
    PersistWarning,
)
from persist.files import TIMEOUT, check_path, remove_path
from persist.files.journal import is_pending
from persist.hdf5.opening import kept_from_writers, open_hdf5
from persist.workspace.backend import SavedFile
from persist.workspace.groups import (
    Header,
    group_of,
    item_group,
    read_group,
    read_header,
)
from persist.workspace.index import Index, ItemNotFoundError
from persist.workspace.package import (
    SavedPackage,
    is_workspace_package,
    remove_package,
    settle_package,
)
from persist.workspace.pair import (
    Pair,
    Unreadable,
    is_plain,
    other_form,
    read_index,
    read_mark,
)

_Path = str | os.PathLike[str]


class AmbiguousError(PersistError, ValueError):
    """Two workspaces were saved under one path, in different forms."""


@dataclass
class Saved:
    """A saved workspace, open for reading.

    `unreadable` are the items that cannot be read, and why.
    """

    header: Header
    source: SavedFile | SavedPackage
    index: Index
    unreadable: Unreadable
    pair: Pair | None = None

    def mend(self, index: Index) -> None:
        """Write the JSON file anew if it is lost or older than the data, and the folder lets us.

        The index is what was read of the data.
        """
        pair = self.pair
        if pair is not None and isinstance(self.source, SavedFile) and pair.is_stale():
            # Where a writer is at work, what was read is no longer so, or will not be.
            with contextlib.suppress(OSError), pair.lock(0):
                pair.rebuild(self.header, index, read_mark(self.source.file))

    def __enter__(self) -> Saved:
        return self

    def __exit__(self, *error: object) -> None:
        self.source.close()


def open_saved(path: _Path, *, summaries: bool = True, timeout: float = TIMEOUT) -> Saved:
    """Open a saved workspace.

    Without `summaries`, the index may not say of each item what it is: where a file does not list
    that, it takes as long to find out as to read small items. `timeout` is in s.
    """
    package = package_at(path)
    if package is not None:
        source = SavedPackage(package)
        return Saved(source.header(), source, source.read_index(), {})
    pair = Pair.at(path)
    file = opened(pair, timeout)
    try:
        header = read_header(file)
        index, unreadable = read_index(file, summaries=summaries)
    except BaseException:
        file.close()
        raise
    return Saved(header, SavedFile(file, is_plain(file)), index, unreadable, pair)


def load_one(path: _Path, namespace: str, key: str, timeout: float = TIMEOUT) -> Any:
    """Return one object: see `AnalysisWorkspace.load_item`."""
    package = package_at(path)
    if package is not None:
        return SavedPackage(package).read(namespace, key)
    with opened(Pair.at(path), timeout) as file:
        read_header(file)
        group = item_group(file, namespace, key)
        if group is not None:
            return read_group(group, namespace, key)
        if group_of(file, namespace) is None:
            raise ItemNotFoundError(f"Namespace {namespace!r} not found in workspace file.")
        raise ItemNotFoundError(f"Key {key!r} not found in namespace {namespace!r}.")


def check_errors(errors: str) -> None:
    """Raise ArgumentError if `errors` is not one of the two."""
    if errors not in ("raise", "skip"):
        raise ArgumentError(f"errors must be 'raise' or 'skip', got {errors!r}")


def package_at(path: _Path) -> str | None:
    """Return the path of the package at a path, or None if there is none.

    Raises
    ------
    AmbiguousError
        If there are files in HDF5, too.
    """
    folder = check_path(path, "a workspace")
    settle_package(folder)
    if not os.path.isdir(folder) or not is_data_set(folder):
        return None
    pair = Pair.at(path)
    if os.path.exists(pair.data) and is_workspace_package(folder):
        raise AmbiguousError(
            f"cannot load {folder}: a package is there, and an HDF5 file, {pair.data}; give the "
            "path with .h5 for the file, or remove one of them"
        )
    return folder


def opened(pair: Pair, timeout: float = TIMEOUT) -> Any:
    """Return the data of a workspace, open for reading, when its writers have finished.

    Raises
    ------
    LockTimeout
        If a writer does not finish.
    OSError
        If the file is missing, or it is damaged.
    """
    if not os.path.exists(pair.data):
        raise MissingPathError(
            errno.ENOENT,
            "no workspace was saved here, as a file or as a package",
            pair.data,
        )
    if is_pending(pair.journal):
        with pair.lock(timeout):
            pair.settle()
    return open_hdf5(pair.data, timeout)


def warn_unreadable(path: _Path, unreadable: Unreadable) -> None:
    """Say which items were left out."""
    if unreadable:
        names = ", ".join(f"{namespace}/{key}" for namespace, key in unreadable)
        warnings.warn(
            f"{os.fspath(path)}: {len(unreadable)} item(s) cannot be read: {names}",
            PersistWarning,
            stacklevel=3,
        )


def raise_unreadable(path: _Path, unreadable: Unreadable) -> None:
    """Raise DamagedError for the first item that cannot be read."""
    for (namespace, key), reason in unreadable.items():
        raise DamagedError(
            f"{os.fspath(path)}: ({namespace!r}, {key!r}) cannot be read: {reason}; errors='skip' "
            "leaves it where it is, and reads the others"
        )


def save_hdf5(
    path: str,
    header: Header,
    fill: Callable[[str], Index],
    replace: bool = False,
    timeout: float = TIMEOUT,
) -> None:
    """Write the HDF5 file and the JSON file of a workspace.

    Raises
    ------
    FileExistsError
        If a workspace was saved as a package at the path, or a file there is not of a workspace,
        and is not to be replaced.
    """
    pair = Pair.at(path)
    settle_package(pair.base)
    has_package = is_workspace_package(pair.base)
    if has_package and not replace:
        raise other_form("as a package", pair.base)
    with pair.lock(timeout) as lock:
        others = pair.others(timeout)
        if others and not replace:
            raise PathExistsError(
                errno.EEXIST,
                "No workspace was saved in this file: choose another path, or give replace=True to "
                "replace it",
                others[0],
            )
        for other in others:
            remove_path(other)
        with kept_from_writers(pair.data, timeout):
            pair.replace_locked(fill, header, lock)
    if has_package:
        remove_package(pair.base, timeout)
