"""A workspace in an HDF5 file: a group for each namespace, and in it one for each item."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py

from persist.errors import DamagedError
from persist.hdf5 import read_summary
from persist.hdf5.making import make_group, set_attribute
from persist.hdf5.marks import CREATED_AT, NOTE, TYPE
from persist.workspace.entries import Entry, new_entry
from persist.workspace.names import group_name, keep_name, name_of_group

__all__ = [
    "OWN_GROUP",
    "Header",
    "group_of",
    "groups_of",
    "item_group",
    "namespace_group",
    "read_entry",
    "read_header",
    "write_header",
    "write_note",
]

_ID = "__workspace_id__"
_WORKSPACE_NAME = "__workspace_name__"
_JSON_NOTE = "encoding-note"
# At the root, what starts so is no namespace.
_RESERVED = "__"
OWN_GROUP = "__persist__"


@dataclass(frozen=True)
class Header:
    """What a file says of its workspace as a whole.

    Parameters
    ----------
    workspace_id : str
        A UUID.
    name : str or None
        The name.
    created_at : float
        When the workspace was made, POSIX, in s.
    """

    workspace_id: str
    name: str | None
    created_at: float


def write_header(file: Any, header: Header) -> None:
    """Write the attributes of the root."""
    file.attrs[_ID] = header.workspace_id
    file.attrs[_WORKSPACE_NAME] = header.name or ""
    file.attrs[CREATED_AT] = float(header.created_at)


def read_header(file: Any) -> Header:
    """Return what the attributes of the root say.

    Raises
    ------
    ValueError
        If the file is no workspace.
    """
    if _ID not in file.attrs:
        raise ValueError(
            f"{file.filename!r} does not appear to be a SpikeLab workspace "
            f"(missing {_ID} attribute), nor one of persist"
        )
    name = _text(file.attrs.get(_WORKSPACE_NAME, ""))
    created_at = float(file.attrs.get(CREATED_AT, 0.0))
    return Header(_text(file.attrs[_ID]), name or None, created_at)


def namespace_group(file: Any, namespace: str) -> Any:
    """Return the group of a namespace; made if it is missing, and then it keeps the order."""
    group = group_of(file, namespace)
    if group is None:
        group = make_group(file, group_name(namespace), ordered=True)
        keep_name(group, namespace)
    return group


def group_of(parent: Any, name: str) -> Any | None:
    """Return the group within another that is that of a name, or None."""
    # Other software spells nothing, and has groups with the names that are our spellings.
    for candidate in dict.fromkeys((group_name(name), name)):
        if candidate in ("", ".", "..") or "/" in candidate or "\0" in candidate:
            continue
        found = _member(parent, candidate)
        if isinstance(found, h5py.Group) and name_of_group(candidate, found) == name:
            return found
    return None


def item_group(file: Any, namespace: str, key: str) -> Any | None:
    """Return the group of an item, or None."""
    outer = group_of(file, namespace)
    found = None if outer is None else group_of(outer, key)
    if found is None and "/" in namespace + key:
        return _nested_group(file, f"{namespace}/{key}".split("/"))
    return found


def _nested_group(file: Any, names: list[str]) -> Any | None:
    """Return the group of an item with slashes in its name, for which spikelab makes several."""
    group = file
    for name in names:
        # What an item holds is no item.
        if name in ("", ".", "..") or "\0" in name or TYPE in group.attrs:
            return None
        group = _member(group, name)
        if not isinstance(group, h5py.Group):
            return None
    return group if TYPE in group.attrs else None


def _member(parent: Any, name: str) -> Any | None:
    """Return what a group holds under a name; None if it leads nowhere, or is damaged."""
    try:
        return parent[name]
    except (KeyError, OSError, RuntimeError):
        return None


def groups_of(file: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield the namespace, the key and the group of each item; the object where it is no group."""
    for outer in file:
        if outer.startswith(_RESERVED):
            continue
        namespace = _member(file, outer)
        inners = _names_in(namespace)
        if inners is None:
            yield outer, "", namespace if isinstance(namespace, h5py.Dataset) else None
            continue
        name = name_of_group(outer, namespace)
        for inner in inners:
            item = _member(namespace, inner)
            yield name, name_of_group(inner, item) if item is not None else inner, item


def _names_in(group: Any) -> list[str] | None:
    try:
        return list(group) if isinstance(group, h5py.Group) else None
    except (OSError, RuntimeError):
        return None


def read_entry(group: Any) -> Entry:
    """Return the entry of the item of a group.

    Raises
    ------
    ValueError
        If what the group holds is unknown.
    DamagedError
        If something is missing in it.
    """
    if not isinstance(group, h5py.Group):
        name = "what is damaged, or leads nowhere," if group is None else f"dataset {group.name!r}"
        raise DamagedError(f"{name} stands where an item should, which is a group")
    return new_entry(read_summary(group), float(group.attrs.get(CREATED_AT, 0.0)), read_note(group))


def read_note(group: Any) -> Any:
    """Return the note on the item of a group, or None."""
    if NOTE not in group.attrs:
        return None
    text = _text(group.attrs[NOTE])
    return json.loads(text) if group.attrs.get(_JSON_NOTE) else text


def write_note(group: Any, note: Any) -> None:
    """Put a note on the item of a group: text as it is, all else as JSON; None takes it away."""
    for name in (NOTE, _JSON_NOTE):
        if name in group.attrs:
            del group.attrs[name]
    if note is None:
        return
    is_plain = isinstance(note, str) and _is_storable(note)
    set_attribute(group, NOTE, note if is_plain else json.dumps(note))
    if not is_plain:
        group.attrs[_JSON_NOTE] = True


def _is_storable(text: str) -> bool:
    """Tell whether HDF5 can hold a text as it is."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
