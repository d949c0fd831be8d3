"""Items in one open HDF5 file."""

from __future__ import annotations

from typing import Any

import h5py

from persist.errors import DamagedError
from persist.hdf5 import Item, read_item
from persist.hdf5.marks import CREATED_AT
from persist.workspace.entries import Entry, missing_item
from persist.workspace.groups import group_of, item_group, namespace_group, write_note
from persist.workspace.names import group_name, keep_name

__all__ = ["copy_item", "delete_item", "read_from", "read_group", "rename_item", "write_to"]

# Where an item is written before it takes the place of another; no reader takes it for a namespace.
_STAGED = "__staged__"


def write_to(file: Any, namespace: str, key: str, item: Item, entry: Entry) -> None:
    """Write an item, which then takes the place of what is there."""
    if _STAGED in file:
        del file[_STAGED]
    item.write_into(file, _STAGED, created_at=entry["created_at"])
    try:
        write_note(file[_STAGED], entry.get("note"))
        _put_in_place(file, namespace, key)
    except BaseException:
        if _STAGED in file:
            del file[_STAGED]
        raise


def copy_item(source: Any, file: Any, namespace: str, key: str, entry: Entry) -> None:
    """Copy the group of an item from another file: nothing is loaded."""
    if _STAGED in file:
        del file[_STAGED]
    h5py.h5o.copy(source.id, b".", file.id, _STAGED.encode())
    group = file[_STAGED]
    group.attrs[CREATED_AT] = entry["created_at"]
    write_note(group, entry.get("note"))
    _put_in_place(file, namespace, key)


def read_from(file: Any, namespace: str, key: str, lazy: Any = None) -> Any:
    """Return an object, or None if there is no group for it."""
    group = item_group(file, namespace, key)
    return None if group is None else read_group(group, namespace, key, lazy)


def read_group(group: Any, namespace: str, key: str, lazy: Any = None) -> Any:
    """Return the object of a group.

    Raises
    ------
    DamagedError
        If HDF5 finds the group damaged.
    """
    try:
        return read_item(group, lazy=lazy)
    except (KeyError, RuntimeError) as error:  # HDF5 raises either.
        raise DamagedError(
            f"({namespace!r}, {key!r}) in {group.file.filename} cannot be read: {error}"
        ) from error


def rename_item(file: Any, namespace: str, old_key: str, new_key: str) -> None:
    """Give the group of an item another name, in the place of what is there."""
    group = item_group(file, namespace, old_key)
    if group is None:
        raise missing_item(namespace, old_key)
    file.move(group.name, _STAGED)
    _put_in_place(file, namespace, new_key)


def delete_item(file: Any, namespace: str, key: str | None = None) -> None:
    """Remove the group of an item, or of a namespace, if it is there; no namespace stays empty."""
    if key is not None:
        group = item_group(file, namespace, key)
        if group is None:
            return
        outer = group.parent
        del file[group.name]
        if len(outer):
            return
    else:
        outer = group_of(file, namespace)
    if outer is not None:
        del file[outer.name]


def _put_in_place(file: Any, namespace: str, key: str) -> None:
    outer = namespace_group(file, namespace)
    name = group_name(key)
    old = item_group(file, namespace, key)
    if old is not None:
        del file[old.name]
    file.move(_STAGED, f"{outer.name}/{name}")
    keep_name(outer[name], key)
