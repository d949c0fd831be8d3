"""The index of a file within it, so that not every group is to be read for it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import h5py

from persist.workspace.entries import Index
from persist.workspace.groups import OWN_GROUP, groups_of, read_entry

__all__ = ["Unreadable", "drop_listing", "read_index", "write_listing"]

_LISTING = "index"

Unreadable = dict[tuple[str, str], str]


def write_listing(file: Any, index: Index) -> None:
    """Keep the index in a file."""
    group = file.require_group(OWN_GROUP)
    drop_listing(file)
    text = json.dumps(index, ensure_ascii=True)
    dataset = group.create_dataset(
        _LISTING, data=text, dtype=h5py.string_dtype(), track_times=False
    )
    dataset.attrs["groups"] = _group_count(file)


def drop_listing(file: Any) -> None:
    """Take the index out of a file that is to be changed."""
    if _LISTING in file.get(OWN_GROUP, ()):
        del file[OWN_GROUP][_LISTING]


def read_index(file: Any) -> tuple[Index, Unreadable]:
    """Return the index of a file, and what of it cannot be read."""
    found = _read_listing(file)
    return _scan(file) if found is None else (found, {})


def _read_listing(file: Any) -> Index | None:
    """Return the index that is kept, unless another program has added groups or removed some."""
    own = file.get(OWN_GROUP)
    dataset = None if own is None else own.get(_LISTING)
    if dataset is None or dataset.attrs.get("groups") != _group_count(file):
        return None
    with contextlib.suppress(ValueError):
        found: Index = json.loads(dataset.asstr()[()])
        return found
    return None


def _group_count(file: Any) -> int:
    """Return a number that differs where other items are there."""
    names = [name for name in file if name != OWN_GROUP]
    return len(names) + sum(len(file[name]) for name in names if isinstance(file[name], h5py.Group))


def _scan(file: Any) -> tuple[Index, Unreadable]:
    index: Index = {}
    unreadable: Unreadable = {}
    for namespace, key, group in groups_of(file):
        try:
            entry = read_entry(group)
        except Exception as error:  # HDF5 raises many kinds for what is damaged.
            unreadable[namespace, key] = f"{type(error).__name__}: {error}"
        else:
            index.setdefault(namespace, {})[key] = entry
    return index, unreadable
