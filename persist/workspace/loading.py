"""A workspace read from disk."""

from __future__ import annotations

import contextlib
import errno
import os
import time
import warnings
from collections.abc import Generator, Iterator
from typing import Any, TypeAlias

import h5py

from persist.dataset.layout import is_data_set
from persist.errors import LockTimeout, PersistWarning
from persist.workspace.entries import Entry, Index
from persist.workspace.groups import (
    Header,
    group_of,
    groups_of,
    item_group,
    read_entry,
    read_header,
)
from persist.workspace.items import read_group
from persist.workspace.listing import Unreadable, read_listing
from persist.workspace.package import (
    package_header,
    package_item,
    package_items,
    settle_package,
)
from persist.workspace.pair import Pair, read_mark

__all__ = [
    "check_errors",
    "load_items",
    "load_one",
    "mend_sidecar",
    "opened",
    "package_at",
    "warn_unreadable",
]

_Path = str | os.PathLike[str]
_Items: TypeAlias = "Generator[tuple[str, str, Any], None, None]"

_PAUSE = 0.02  # s
_TIMEOUT = 10.0  # s


def load_items(
    path: _Path, errors: str, unreadable: Unreadable
) -> tuple[Header, Iterator[tuple[str, str, Any, Entry]]]:
    """Return what a saved workspace says of itself, and what yields its items.

    Parameters
    ----------
    path : path
        That of the files, or of a package.
    errors : {'raise', 'skip'}
        What to do about items that cannot be read.
    unreadable : dict
        To which they are added, with the reason.

    Returns
    -------
    header : Header
        The id, the name, the time.
    items : iterator of (str, str, object, dict)
        The namespace, the key, the object and the entry of each.
    """
    check_errors(errors)
    package = package_at(path)
    if package is not None:
        header, items = package_header(package), package_items(package)
    else:
        pair = Pair.at(path)
        file = opened(pair)
        try:
            header = read_header(file)
        except BaseException:
            file.close()
            raise
        items = _file_items(pair, file, header)
    return header, _readable(items, errors, unreadable)


def check_errors(errors: str) -> None:
    """Raise ValueError if `errors` is not one of the two."""
    if errors not in ("raise", "skip"):
        raise ValueError(f"errors must be 'raise' or 'skip', got {errors!r}")


def _readable(
    items: _Items, errors: str, unreadable: Unreadable
) -> Iterator[tuple[str, str, Any, Entry]]:
    # Who keeps an error keeps the frames in which it was raised: the file is closed all the same.
    with contextlib.closing(items):
        for namespace, key, load in items:
            try:
                obj, entry = load()
            except Exception as error:
                if errors == "raise":
                    raise
                unreadable[namespace, key] = f"{type(error).__name__}: {error}"
            else:
                yield namespace, key, obj, entry


def load_one(path: _Path, namespace: str, key: str) -> Any:
    """Return one object: see `AnalysisWorkspace.load_item`."""
    package = package_at(path)
    if package is not None:
        return package_item(package, namespace, key)
    with opened(Pair.at(path)) as file:
        read_header(file)
        group = item_group(file, namespace, key)
        if group is None:
            raise _missing(file, namespace, key)
        return read_group(group, namespace, key)


def package_at(path: _Path) -> str | None:
    """Return the path of the package at a path, or None if there is none."""
    folder = os.fspath(path)
    settle_package(folder)
    return folder if os.path.isdir(folder) and is_data_set(folder) else None


def opened(pair: Pair, timeout: float = _TIMEOUT) -> Any:
    """Return the data of a workspace, open for reading, when its writers have finished.

    Raises
    ------
    LockTimeout
        If a writer does not finish.
    OSError
        If there is no such file, or it is damaged.
    """
    if not os.path.exists(pair.data):
        raise FileNotFoundError(
            errno.ENOENT, "There is no workspace: no such file, and no package", pair.data
        )
    if pair.has_journal():
        with pair.lock(timeout):
            pair.settle()
    with contextlib.suppress(OSError):
        pair.finish()
    deadline = time.monotonic() + timeout
    while True:
        try:
            return h5py.File(pair.data, "r")
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockTimeout(pair.data, None, None, timeout) from None
            time.sleep(_PAUSE)
        except OSError as error:
            raise OSError(f"{pair.data} is no HDF5 file, or it is damaged: {error}") from error


def mend_sidecar(pair: Pair, header: Header, index: Index, mark: str | None) -> None:
    """Write the JSON file anew if it is lost or older than the data, and the folder lets us.

    Parameters
    ----------
    pair : Pair
        The files.
    header, index, mark
        What was read of the data.
    """
    if pair.is_stale():
        # Where a writer is at work, what was read is no longer so, or will not be.
        with contextlib.suppress(OSError), pair.lock(0):
            pair.rebuild(header, index, mark)


def warn_unreadable(path: _Path, unreadable: Unreadable) -> None:
    """Say which items were left out."""
    if unreadable:
        names = ", ".join(f"{namespace}/{key}" for namespace, key in unreadable)
        warnings.warn(
            f"{os.fspath(path)}: {len(unreadable)} item(s) cannot be read: {names}",
            PersistWarning,
            stacklevel=3,
        )


def _file_items(pair: Pair, file: Any, header: Header) -> _Items:
    index: Index = {}
    with file:
        mark = read_mark(file)
        for namespace, key, group in groups_of(file, read_listing(file)):

            def load(
                namespace: str = namespace, key: str = key, group: Any = group
            ) -> tuple[Any, Entry]:
                entry = read_entry(group)
                index.setdefault(namespace, {})[key] = entry
                return read_group(group, namespace, key), entry

            yield namespace, key, load
    mend_sidecar(pair, header, index, mark)


def _missing(file: Any, namespace: str, key: str) -> KeyError:
    if group_of(file, namespace) is None:
        return KeyError(f"Namespace {namespace!r} not found in workspace file.")
    return KeyError(f"Key {key!r} not found in namespace {namespace!r}.")
