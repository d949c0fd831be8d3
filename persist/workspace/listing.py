"""The index of a file within it, so that not every group is to be read for it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any

import h5py

from persist.workspace.entries import Index
from persist.workspace.groups import OWN_GROUP, groups_of, read_entry

__all__ = [
    "Unreadable",
    "drop_listing",
    "read_index",
    "read_listing",
    "seal_listing",
    "write_listing",
]

_LISTING = "index"
_GROUPS = "groups"
_MODIFIED = "modified"

Unreadable = dict[tuple[str, str], str]


def write_listing(file: Any, index: Index) -> None:
    """Keep the index in a file; when that is closed, it is to be sealed."""
    group = file.require_group(OWN_GROUP)
    drop_listing(file)
    text = json.dumps(index, ensure_ascii=True)
    dataset = group.create_dataset(
        _LISTING, data=text, dtype=h5py.string_dtype(), track_times=False
    )
    dataset.attrs[_GROUPS] = _group_count(file)
    # In whole seconds: when somebody else changes the file, it is at some fraction of one.
    dataset.attrs[_MODIFIED] = int(time.time())


def drop_listing(file: Any) -> None:
    """Take the index out of a file that is to be changed."""
    if _LISTING in file.get(OWN_GROUP, ()):
        del file[OWN_GROUP][_LISTING]


def seal_listing(path: str) -> None:
    """Let a file that is closed have changed last when its index says it has."""
    with h5py.File(path, "r") as file:
        modified = int(file[OWN_GROUP][_LISTING].attrs[_MODIFIED])
    # The file of another user keeps its time, and its index is not believed.
    with contextlib.suppress(PermissionError):
        os.utime(path, (modified, modified))


def read_index(file: Any, path: str | None = None) -> tuple[Index, Unreadable]:
    """Return the index of a file, and what of it cannot be read.

    Parameters
    ----------
    file : h5py.File
        The open file.
    path : str, optional
        Where it is, if h5py does not know.
    """
    found = read_listing(file)
    if found is not None and _is_current(file, file.filename if path is None else path):
        return found, {}
    return _scan(file, found)


def read_listing(file: Any) -> Index | None:
    """Return the index that is kept in a file, or None; the file may have changed since."""
    own = file.get(OWN_GROUP)
    dataset = None if own is None else own.get(_LISTING)
    if dataset is None:
        return None
    with contextlib.suppress(TypeError, ValueError, OSError, RuntimeError):
        found = json.loads(dataset.asstr()[()])
        if isinstance(found, dict) and all(isinstance(keys, dict) for keys in found.values()):
            return found
    return None


def _is_current(file: Any, path: str) -> bool:
    """Tell whether no other program has changed a file since its index was kept."""
    attributes = file[OWN_GROUP][_LISTING].attrs
    modified = attributes.get(_MODIFIED)
    if modified is None or os.stat(path).st_mtime_ns != int(modified) * 10**9:
        return False
    return bool(attributes.get(_GROUPS) == _group_count(file))


def _group_count(file: Any) -> int:
    """Return a number that differs where other items are there."""
    names = [name for name in file if name != OWN_GROUP]
    return len(names) + sum(len(file[name]) for name in names if isinstance(file[name], h5py.Group))


def _scan(file: Any, order: Index | None) -> tuple[Index, Unreadable]:
    index: Index = {}
    unreadable: Unreadable = {}
    for namespace, key, group in groups_of(file, order):
        try:
            entry = read_entry(group)
        except Exception as error:  # HDF5 raises many kinds for what is damaged.
            unreadable[namespace, key] = f"{type(error).__name__}: {error}"
        else:
            index.setdefault(namespace, {})[key] = entry
    return index, unreadable
