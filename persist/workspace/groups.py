"""A workspace in an HDF5 file: a group for each namespace, and in it one for each item."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py

from persist.errors import DamagedError, PersistError, UnsupportedObjectError
from persist.hdf5 import Item, read_item, read_summary
from persist.hdf5.opening import member, member_names
from persist.hdf5.references import Link, read_links, write_links
from persist.hdf5.vocabulary import (
    CREATED_AT,
    JSON_NOTE,
    NAME_ATTRIBUTE,
    NOTE,
    TYPE,
    make_group,
    read_attribute,
    set_attribute,
)
from persist.names import group_name
from persist.workspace.index import (
    Entry,
    Index,
    in_order,
    keep_name,
    missing_item,
    name_of_group,
    new_entry,
)

_ID = "__workspace_id__"
_WORKSPACE_NAME = "__workspace_name__"
_JSON_NAME = "encoding-workspace-name"
HEADER_ATTRIBUTES = (_ID, _WORKSPACE_NAME, _JSON_NAME)
# At the root, what starts so is no namespace.
RESERVED = "__"
OWN_GROUP = "__persist__"
STAGED = "__staged__"
"""Where an item is written before it takes the place of another."""


class NotAWorkspaceError(PersistError, ValueError):
    """An HDF5 file is not that of a workspace."""


@dataclass(frozen=True)
class Header:
    """What a file says of its workspace as a whole.

    `created_at` is POSIX, in s.
    """

    workspace_id: str
    name: str | None
    created_at: float


def write_header(file: Any, header: Header) -> None:
    """Write the attributes of the root."""
    file.attrs[_ID] = header.workspace_id
    name = header.name or ""
    file.attrs[_WORKSPACE_NAME] = storable_text(name)
    if storable_text(name) != name:
        file.attrs[_JSON_NAME] = json.dumps(name)
    elif _JSON_NAME in file.attrs:
        del file.attrs[_JSON_NAME]
    file.attrs[CREATED_AT] = float(header.created_at)


def read_header(file: Any, path: str | None = None) -> Header:
    """Return what a file says of its workspace.

    `path` is where the file is, if h5py does not know.

    Raises
    ------
    ValueError
        If it is not a workspace.
    DamagedError
        If HDF5 finds it damaged.
    """
    path = str(file.filename) if path is None else path
    try:
        attributes = dict(file.attrs)
    except (KeyError, OSError, RuntimeError) as error:  # HDF5 raises any of them.
        raise DamagedError(f"{path} is damaged: {error}") from error
    if _ID not in attributes:
        raise NotAWorkspaceError(
            f"{path!r} does not appear to be a SpikeLab workspace (missing {_ID} attribute), nor "
            "one of persist"
        )
    try:
        name = _text(attributes.get(_WORKSPACE_NAME, ""))
        if _JSON_NAME in attributes and storable_text(json.loads(attributes[_JSON_NAME])) == name:
            name = json.loads(attributes[_JSON_NAME])
        return Header(_text(attributes[_ID]), name or None, float(attributes.get(CREATED_AT, 0.0)))
    except (TypeError, ValueError) as error:
        raise DamagedError(f"{path} is damaged: its attributes: {error}") from error


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
        if candidate.startswith(RESERVED) and parent.name == "/":
            continue
        found = _member(parent, candidate)
        if isinstance(found, h5py.Group) and name_of_group(candidate, found) == name:
            return found
    return None


def item_group(file: Any, namespace: str, key: str) -> Any | None:
    """Return the group of an item, or None."""
    return _item_in(group_of(file, namespace), file, namespace, key)


def _item_in(outer: Any | None, file: Any, namespace: str, key: str) -> Any | None:
    """Return the group of an item, given that of its namespace."""
    found = None if outer is None else group_of(outer, key)
    if found is None and "/" in namespace + key:
        return _nested_group(file, f"{namespace}/{key}".split("/"))
    return found


def item_path(namespace: str, key: str) -> bytes:
    """Return the path of the group that is made for an item."""
    return f"/{group_name(namespace)}/{group_name(key)}".encode()


def existing_group(file: Any, namespace: str, key: str) -> Any:
    """Return the group of an item, or raise ItemNotFoundError."""
    found = item_group(file, namespace, key)
    if found is None:
        raise missing_item(namespace, key)
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
    """Return what a group holds under a name; None if it leads elsewhere, or is damaged."""
    try:
        # Most names are missing: asking is cheaper than an error.
        return member(parent, name) if parent.id.links.exists(name.encode()) else None
    except (DamagedError, OSError, RuntimeError, UnicodeEncodeError):
        return None


def groups_of(file: Any, index: Index | None = None) -> Iterator[tuple[str, str, Any]]:
    """Yield the namespace, the key and the group of each item; the object where it is not a group.

    They come in the order of `index`; without one in that of the file, where what was replaced
    comes last.
    """
    known = index or {}
    for outer in in_order(member_names(file), map(group_name, known)):
        if outer.startswith(RESERVED):
            continue
        namespace = _member(file, outer)
        if not isinstance(namespace, h5py.Group):
            yield outer, "", namespace
            continue
        try:
            inners = member_names(namespace)
        except OSError:
            yield outer, "", None
            continue
        name = name_of_group(outer, namespace)
        for inner in in_order(inners, map(group_name, known.get(name, ()))):
            item = _member(namespace, inner)
            yield name, name_of_group(inner, item) if item is not None else inner, item


def read_entry(group: Any, *, summary: bool = True) -> Entry:
    """Return the entry of the item of a group, with or without what the item is.

    Raises
    ------
    ValueError
        If what the group holds is unknown.
    DamagedError
        If something is missing in it.
    """
    if not isinstance(group, h5py.Group):
        name = "a link, or what is damaged," if group is None else f"dataset {group.name!r}"
        raise DamagedError(f"{name} is where an item should be, which is a group")
    created_at = read_attribute(group, CREATED_AT)
    found = read_summary(group) if summary else {"type": ""}
    shape: Any = found.get("shape", [])
    is_shape = isinstance(shape, list) and all(isinstance(size, int) for size in shape)
    if not is_shape or not isinstance(found.get("type"), str):
        raise DamagedError(
            f"{group.name} in {group.file.filename} is damaged: {found!r} is said of it"
        )
    return new_entry(found, float(0.0 if created_at is None else created_at), read_note(group))


def read_note(group: Any) -> Any:
    """Return the note on the item of a group, or None."""
    found = read_attribute(group, NOTE)
    if found is None:
        return None
    text = _text(found)
    # Other software sets another text, and leaves our mark.
    if JSON_NOTE in group.attrs and _text(group.attrs[JSON_NOTE]) == text:
        return json.loads(text)
    return text


def write_note(group: Any, note: Any) -> None:
    """Put a note on the item of a group: text as it is, all else as JSON; None takes it away."""
    for name in (NOTE, JSON_NOTE):
        if name in group.attrs:
            del group.attrs[name]
    if isinstance(note, str) and storable_text(note) == note:
        set_attribute(group, NOTE, note)
    elif note is not None:
        try:
            text = json.dumps(note)
        except (TypeError, ValueError, RecursionError) as error:
            raise UnsupportedObjectError(
                f"cannot write the note {note!r}: {error or type(error).__name__}; give text, or "
                "what JSON can hold"
            ) from error
        set_attribute(group, NOTE, text)
        set_attribute(group, JSON_NOTE, text)


def storable_text(text: str) -> str:
    """Return a text as HDF5 can hold it: the same, or with escapes for what it cannot."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def write_to(file: Any, namespace: str, key: str, item: Item, entry: Entry) -> None:
    """Write an item, which then takes the place of what is there."""
    place, name = group_of(file, namespace), group_name(key)
    is_new = _item_in(place, file, namespace, key) is None
    if not is_new:
        place, name = file, STAGED
    elif place is None:
        place = namespace_group(file, namespace)
    group = None
    try:
        group = item.write_into(place, name, created_at=entry["created_at"])
        if entry.get("note") is not None:
            write_note(group, entry["note"])
        if is_new:
            keep_name(group, key)
        else:
            _put_in_place(file, namespace, key, STAGED)
    except BaseException:
        if group is not None and name in place:
            del place[name]
        if is_new and not len(place):
            del file[place.name]
        raise


def copy_item(
    source: Any, file: Any, namespace: str, key: str, entry: Entry, *, is_plain: bool = False
) -> list[Link]:
    """Copy the group of an item from another file: nothing is loaded.

    `is_plain` says that nothing of other software is in it. The references in it are returned,
    since what they lead to may be copied later.
    """
    try:
        h5py.h5o.copy(source.id, b".", file.id, STAGED.encode())
        group = file[STAGED]
        links = [] if is_plain else read_links(source)
        write_links(group, links, {source.name.encode(): group.name.encode()})
        group.attrs[CREATED_AT] = entry["created_at"]
        write_note(group, entry.get("note"))
        _put_in_place(file, namespace, key, STAGED)
    except BaseException:
        if STAGED in file:
            del file[STAGED]
        raise
    return links


def read_group(group: Any, namespace: str, key: str, lazy: Any = None, extras: Any = None) -> Any:
    """Return the object of a group.

    Raises
    ------
    DamagedError
        If HDF5 finds the group damaged, or memory cannot hold it.
    """
    try:
        return read_item(group, lazy=lazy, extras=extras)
    except (KeyError, RuntimeError, MemoryError) as error:  # HDF5 raises either of the first two.
        raise DamagedError(
            f"({namespace!r}, {key!r}) in {group.file.filename} cannot be read: {error}"
        ) from error


def rename_item(file: Any, namespace: str, old_key: str, new_key: str) -> None:
    """Give the group of an item another name, in the place of what is there."""
    _put_in_place(file, namespace, new_key, existing_group(file, namespace, old_key).name)


def delete_item(file: Any, namespace: str, key: str | None = None) -> None:
    """Remove the group of an item, or all items of a namespace, if they are there.

    What cannot be read is not removed with a namespace. A namespace that is empty is.
    """
    outer = group_of(file, namespace)
    if key is not None:
        group = item_group(file, namespace, key)
        if group is None:
            return
        outer = group.parent
        del file[group.name]
    elif outer is not None:
        for name in member_names(outer):
            if _is_readable(outer, name):
                del outer[name]
    if outer is not None and not len(outer) and not set(outer.attrs) - {NAME_ATTRIBUTE}:
        del file[outer.name]


def _is_readable(outer: Any, name: str) -> bool:
    try:
        read_summary(member(outer, name))
    except Exception:  # HDF5 raises many kinds for what is damaged.
        return False
    return True


def _put_in_place(file: Any, namespace: str, key: str, place: str) -> None:
    outer = namespace_group(file, namespace)
    name = group_name(key)
    old = item_group(file, namespace, key)
    if old is not None:
        del file[old.name]
    file.move(place, f"{outer.name}/{name}")
    keep_name(outer[name], key)
