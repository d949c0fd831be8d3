"""What the HDF5 file of a workspace holds besides the items that can be read.

Items of unknown types, members and attributes of other software, and links are copied as they are
by whatever writes a file anew. So is what other software has put into an item that can be read, as
long as the object is not replaced by another.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

import h5py

from persist.hdf5.extras import Extra, attributes_but, copy_attribute, copy_member, members_of
from persist.hdf5.references import copy_references
from persist.hdf5.vocabulary import CREATED_AT, NAME_ATTRIBUTE, make_group
from persist.names import group_name
from persist.workspace.groups import (
    HEADER_ATTRIBUTES,
    OWN_GROUP,
    RESERVED,
    STAGED,
    group_of,
    item_group,
)

_PATH = "path"
_KEPT = "kept"
_OURS = {*HEADER_ATTRIBUTES, CREATED_AT}


class Foreign:
    """What is copied, held in memory.

    `image` is the content of an HDF5 file that holds nothing else.
    """

    def __init__(self, image: bytes) -> None:
        self.image = image

    @classmethod
    def of_file(cls, file: Any, items: Iterable[tuple[str, str]]) -> Foreign | None:
        """Return what an open file holds besides its items, or None."""
        items = list(items)
        if _holds_only(file, items):
            return None
        names = _item_paths(file, items)
        if not any(_members(file, names)) and not _attributes(file, _OURS):
            return None
        return cls.filled(lambda memory: _copy(file, memory, names))

    @classmethod
    def filled(cls, fill: Callable[[Any], object]) -> Foreign | None:
        """Return what a function writes to the open file that it is given; None for nothing."""
        with memory_file() as memory:
            fill(memory)
            is_empty = not len(memory) and not len(memory.attrs)
            return None if is_empty else cls(image_of(memory))

    @classmethod
    def of_item(cls, group: Any, extras: Iterable[Extra]) -> Foreign | None:
        """Return what the group of an item holds besides its object, or None."""
        extras = list(extras)
        start = len(h5py.h5i.get_name(group.id))

        def fill(memory: Any) -> None:
            for number, (owner, attributes, members) in enumerate(extras):
                place = memory.create_group(str(number))
                path = h5py.h5i.get_name(owner.id)[start:].lstrip(b"/")
                place.attrs[_PATH] = json.dumps(path.decode(errors="surrogateescape"))
                kept = make_group(place, _KEPT, ordered=True)
                for name in attributes:
                    copy_attribute(owner, kept, name)
                for name in members:
                    copy_member(owner, kept, name)
                copy_references(owner, kept, members)

        return cls.filled(fill) if extras else None

    def add_to(self, group: Any) -> None:
        """Copy all of it to the group of the item that it is of, where there is still a place."""
        with self._opened() as memory:
            for place in memory.values():
                path = json.loads(place.attrs[_PATH]).encode(errors="surrogateescape")
                if path and path not in group:
                    continue
                owner, kept = group[path] if path else group, place[_KEPT]
                for name in attributes_but(kept, frozenset()):
                    if not h5py.h5a.exists(owner.id, name):
                        copy_attribute(kept, owner, name)
                if isinstance(owner, h5py.Group):
                    for name in members_of(kept):
                        copy_member(kept, owner, name)
                copy_references(kept, owner)

    def copy_to(self, file: Any, dropped: Iterable[tuple[str, str]] = ()) -> None:
        """Copy all of it to an open file, but for the items that were dropped."""
        with self._opened() as memory:
            copy_foreign(memory, file, [], dropped)

    def _opened(self) -> Any:
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_fapl_core(backing_store=False)
        access.set_file_image(self.image)
        return h5py.File(h5py.h5f.open(_unused_name().encode(), h5py.h5f.ACC_RDONLY, fapl=access))


def memory_file() -> Any:
    """Return a new HDF5 file in memory, open."""
    name = _unused_name()
    return h5py.File(name, "w", driver="core", backing_store=False, track_order=True)


def image_of(file: Any) -> bytes:
    """Return the content of a file in memory."""
    file.flush()
    return bytes(file.id.get_file_image())


def _unused_name() -> str:
    # HDF5 takes two files in memory of one name for the same.
    return f"persist-{uuid.uuid4()}"


def copy_foreign(
    source: Any,
    target: Any,
    items: Iterable[tuple[str, str]],
    dropped: Iterable[tuple[str, str]] = (),
) -> None:
    """Copy what a file holds besides its items to another file, which may hold items already.

    `items` are those that can be read; `dropped` are some that cannot, and are not to be copied
    either.

    Raises
    ------
    DamagedError
        If HDF5 cannot copy it: what is damaged is not to be lost with what replaces its file.
    """
    paths = _item_paths(source, items)
    for namespace, key in dropped:
        outers = {namespace.encode(), group_name(namespace).encode()}
        inners = {key.encode(), group_name(key).encode()}
        paths |= {(b"", outer) for outer in outers} if not key else set(product(outers, inners))
    _copy(source, target, paths)


def delete_unreadable(file: Any, namespace: str, key: str) -> None:
    """Remove an item that cannot be read: a group, a dataset or a link."""
    outer = file if not key else group_of(file, namespace)
    names = (namespace,) if not key else (group_name(key), key)
    for name in names:
        if outer is not None and outer.id.links.exists(name.encode()):
            del outer[name]
            break
    if key and outer is not None and not len(outer) and not _attributes(outer, {NAME_ATTRIBUTE}):
        del file[outer.name]


def _copy(source: Any, target: Any, items: set[tuple[bytes, bytes]]) -> None:
    copied: dict[bytes, list[bytes]] = {b"": []}
    for name in _attributes(source, _OURS):
        copy_attribute(source, target, name.encode())
    for outer, inner in _members(source, items):
        if not outer:
            copy_member(source, target, inner)
            copied[b""].append(inner)
            continue
        group = source[outer]
        made = outer not in target
        other = make_group(target, outer.decode(), ordered=True) if made else target[outer]
        for name in _attributes(group, {NAME_ATTRIBUTE} if not made else set()):
            if name not in other.attrs:
                copy_attribute(group, other, name.encode())
        names = copied.setdefault(outer, [])
        if inner:
            copy_member(group, other, inner)
            names.append(inner)
    for outer, names in copied.items():
        copy_references(source[outer or b"/"], target[outer or b"/"], names)


def _members(file: Any, items: set[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names of the namespace, empty for the root, and of the member of each.

    For a namespace with attributes of other software, the second name is empty.
    """
    for outer in members_of(file):
        if outer in (OWN_GROUP.encode(), STAGED.encode()):
            continue
        is_reserved = outer.startswith(RESERVED.encode())
        kind = file.id.links.get_info(outer).type
        found = file[outer] if kind == h5py.h5l.TYPE_HARD and not is_reserved else None
        if not isinstance(found, h5py.Group):
            if (b"", outer) not in items:
                yield b"", outer
            continue
        if _attributes(found, {NAME_ATTRIBUTE}):
            yield outer, b""
        for inner in members_of(found):
            if (outer, inner) not in items:
                yield outer, inner


def _holds_only(file: Any, items: list[tuple[str, str]]) -> bool:
    """Return True if the numbers of members and attributes leave no room for anything else."""
    ours = {OWN_GROUP.encode(), STAGED.encode()}
    outers = [name for name in members_of(file) if name not in ours]
    if len(outers) != len({namespace for namespace, _ in items}) or _attributes(file, _OURS):
        return False
    groups = [file[name] for name in outers]
    return sum(map(len, groups)) == len(items) and not any(
        _attributes(group, {NAME_ATTRIBUTE}) for group in groups
    )


def _item_paths(file: Any, items: Iterable[tuple[str, str]]) -> set[tuple[bytes, bytes]]:
    groups = (item_group(file, namespace, key) for namespace, key in items)
    paths = (group.name.encode().split(b"/") for group in groups if group is not None)
    return {(path[1], path[2]) for path in paths if len(path) == 3}


def _attributes(owner: Any, ours: set[str]) -> list[str]:
    return [name for name in owner.attrs if name not in ours] if len(owner.attrs) else []
