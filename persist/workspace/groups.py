"""A workspace in an HDF5 file: a group for each namespace, and in it one for each item."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import h5py

from persist.errors import DamagedError
from persist.hdf5 import read_summary
from persist.hdf5.making import make_group, set_attribute
from persist.hdf5.marks import CREATED_AT, NOTE, TYPE
from persist.workspace.entries import Entry, Index, new_entry
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
    DamagedError
        If HDF5 finds it damaged.
    """
    try:
        attributes = dict(file.attrs)
    except (KeyError, OSError, RuntimeError) as error:  # HDF5 raises any of them.
        raise DamagedError(f"{file.filename} is damaged: {error}") from error
    if _ID not in attributes:
        raise ValueError(
            f"{file.filename!r} does not appear to be a SpikeLab workspace "
            f"(missing {_ID} attribute), nor one of persist"
        )
    name = _text(attributes.get(_WORKSPACE_NAME, ""))
    return Header(_text(attributes[_ID]), name or None, float(attributes.get(CREATED_AT, 0.0)))


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
        if candidate.startswith(_RESERVED) and parent.name == "/":
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


def groups_of(file: Any, index: Index | None = None) -> Iterator[tuple[str, str, Any]]:
    """Yield the namespace, the key and the group of each item; the object where it is no group.

    Parameters
    ----------
    file : h5py.File
        The open file.
    index : dict, optional
        In the order of which they come; otherwise in that of the file, where what was replaced
        comes last.
    """
    for outer in _in_order(_names_in(file) or [], index):
        if outer.startswith(_RESERVED):
            continue
        namespace = _member(file, outer)
        inners = _names_in(namespace)
        if inners is None:
            yield outer, "", namespace if isinstance(namespace, h5py.Dataset) else None
            continue
        name = name_of_group(outer, namespace)
        for inner in _in_order(inners, (index or {}).get(name)):
            item = _member(namespace, inner)
            yield name, name_of_group(inner, item) if item is not None else inner, item


def _in_order(names: list[str], wanted: Iterable[str] | None) -> list[str]:
    known = {group_name(name): None for name in wanted or ()}
    there = set(names)
    return [name for name in known if name in there] + [n for n in names if n not in known]


def _names_in(group: Any) -> list[str] | None:
    """Return the names in a group, in the order in which they were made, if the group keeps it."""
    if not isinstance(group, h5py.Group):
        return None
    # Older h5py does not see that the root keeps an order.
    for order in (h5py.h5.INDEX_CRT_ORDER, h5py.h5.INDEX_NAME):
        names: list[bytes] = []
        try:
            group.id.links.iterate(names.append, idx_type=order)
        except (OSError, RuntimeError):
            continue
        return list(map(_as_text, names))
    return None


def _as_text(name: bytes) -> str:
    # What is no UTF-8 is not found under this text.
    return name.decode(errors="backslashreplace")


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
    summary = read_summary(group)
    if not _is_summary(summary):
        raise DamagedError(
            f"{group.name} in {group.file.filename} is damaged: {summary!r} is said of it"
        )
    return new_entry(summary, float(group.attrs.get(CREATED_AT, 0.0)), read_note(group))


def _is_summary(summary: Entry) -> bool:
    shape = summary.get("shape", [])
    is_shape = isinstance(shape, list) and all(isinstance(size, int) for size in shape)
    return is_shape and isinstance(summary.get("type"), str)


def read_note(group: Any) -> Any:
    """Return the note on the item of a group, or None."""
    if NOTE not in group.attrs:
        return None
    text = _text(group.attrs[NOTE])
    # Other software sets another text, and leaves our mark.
    if _JSON_NOTE in group.attrs and _text(group.attrs[_JSON_NOTE]) == text:
        return json.loads(text)
    return text


def write_note(group: Any, note: Any) -> None:
    """Put a note on the item of a group: text as it is, all else as JSON; None takes it away."""
    for name in (NOTE, _JSON_NOTE):
        if name in group.attrs:
            del group.attrs[name]
    if isinstance(note, str) and _is_storable(note):
        set_attribute(group, NOTE, note)
    elif note is not None:
        text = json.dumps(note)
        set_attribute(group, NOTE, text)
        set_attribute(group, _JSON_NOTE, text)


def _is_storable(text: str) -> bool:
    """Tell whether HDF5 can hold a text as it is."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
