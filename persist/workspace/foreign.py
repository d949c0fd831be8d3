"""What the HDF5 file of a workspace holds besides the items that can be read.

Items of unknown types, members and attributes of other software, and links are copied as they are
by whatever writes a file anew. So is what other software has put into an item that can be read, as
long as the object is not replaced by another.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import h5py

from persist.errors import PersistWarning
from persist.hdf5.extras import SEEN, Extra, Layout, attributes_but, extras_of, members_of
from persist.hdf5.references import Link, retargeted, write_links
from persist.hdf5.vocabulary import CREATED_AT, NAME_ATTRIBUTE, make_group
from persist.names import group_name
from persist.workspace.groups import (
    HEADER_ATTRIBUTES,
    OWN_GROUP,
    RESERVED,
    STAGED,
    existing_group,
    group_of,
    item_group,
)

_PATH = "path"
_KEPT = "kept"
_OURS = frozenset(map(str.encode, [*HEADER_ATTRIBUTES, CREATED_AT]))
_NAMED = frozenset([NAME_ATTRIBUTE.encode()])


@dataclass(frozen=True)
class Foreign:
    """What is copied, held in memory.

    `image` is the content of an HDF5 file that holds nothing else. `links` are the references in
    it, by their place in the file or in the group of the item. Their targets may be elsewhere.
    """

    image: bytes
    links: list[Link]

    @classmethod
    def filled(cls, fill: Callable[[Any], list[Link]]) -> Foreign | None:
        """Return what a function writes to an open file, and the links that it returns, or None."""
        image = io.BytesIO()
        with h5py.File(image, "w", track_order=True) as memory:
            links = fill(memory)
            is_empty = not len(memory) and not len(memory.attrs)
        return None if is_empty else cls(image.getvalue(), links)

    @classmethod
    def of_item(cls, group: Any, extras: Iterable[Extra]) -> Foreign | None:
        """Return what the group of an item holds besides its object, or None."""
        extras = list(extras)
        start = len(h5py.h5i.get_name(group.id))

        def fill(memory: Any) -> list[Link]:
            links: list[Link] = []
            for number, extra in enumerate(extras):
                place = memory.create_group(str(number))
                path = h5py.h5i.get_name(extra.owner.id)[start:].lstrip(b"/")
                place.attrs[_PATH] = json.dumps(path.decode(errors="surrogateescape"))
                kept = make_group(place, _KEPT, ordered=True)
                extra.copy_to(kept)
                links += [link.within(path) for link in extra.links()]
            return links

        return cls.filled(fill) if extras else None

    def moved(self, paths: Mapping[bytes, bytes]) -> Foreign:
        """Return the same with references to other paths, given by those that they led to."""
        return replace(self, links=retargeted(self.links, paths)) if self.links else self

    def add_to(self, group: Any) -> None:
        """Copy all of it to the group of the item that it is of, where there is still a place."""
        with h5py.File(io.BytesIO(self.image), "r") as memory:
            for place in memory.values():
                path = json.loads(place.attrs[_PATH]).encode(errors="surrogateescape")
                if path and path not in group:
                    continue
                kept = place[_KEPT]
                extra = Extra(kept, attributes_but(kept, frozenset()), members_of(kept))
                extra.copy_to(group[path] if path else group)

    def copy_to(self, file: Any, dropped: Iterable[tuple[str, str]] = ()) -> list[Link]:
        """Copy all of it to an open file, but for what was dropped, as `copy_foreign` does."""
        with h5py.File(io.BytesIO(self.image), "r") as memory:
            copy_foreign(memory, file, [], dropped)
        return self.links


def copy_foreign(
    source: Any,
    target: Any,
    items: Iterable[tuple[str, str]],
    dropped: Iterable[tuple[str, str]] = (),
) -> list[Link]:
    """Copy what a file holds besides its items to another file.

    `items` are those that can be read; `dropped` are some that cannot, and are not to be copied
    either. The references in what was copied are returned, and are null in the copies until
    `write_links`.

    Raises
    ------
    DamagedError
        If HDF5 cannot copy it: what is damaged is not to be lost with what replaces its file.
    """
    links: list[Link] = []
    for extra in extras_of(source, _layout(source, items, dropped)):
        outer = extra.owner.name.strip("/")
        place = target.get(outer) if outer else target
        if place is None:
            place = make_group(target, outer, ordered=True)
            if NAME_ATTRIBUTE in extra.owner.attrs:
                place.attrs[NAME_ATTRIBUTE] = extra.owner.attrs[NAME_ATTRIBUTE]
        extra.copy_to(place)
        links += [link.within(extra.owner.name.encode()) for link in extra.links()]
    return links


def link_all(
    file: Any, items: Mapping[tuple[str, str], list[Link]], rest: Iterable[Link] = ()
) -> None:
    """Point the references that were copied to an open file at the copies of their targets.

    Warns
    -----
    PersistWarning
        If the target of one is not in the file.
    """
    found = list(rest)
    for place, links in items.items():
        outer = existing_group(file, *place).name.encode() if links else b""
        found += [link.within(outer) for link in links]
    lost = write_links(file, found)
    if lost:
        warnings.warn(
            f"{len(lost)} reference(s) of other software are null now, for what they led to was "
            f"deleted or replaced, or does not come along: {'; '.join(lost)}",
            PersistWarning,
            stacklevel=7,
        )


def delete_unreadable(file: Any, namespace: str, key: str) -> None:
    """Remove an item that cannot be read: a group, a dataset or a link."""
    outer = file if not key else group_of(file, namespace)
    if path := path_of_unreadable(file, namespace, key):
        del file[path]
    if key and outer is not None and not len(outer) and not attributes_but(outer, _NAMED):
        del file[outer.name]


def path_of_unreadable(file: Any, namespace: str, key: str) -> bytes | None:
    """Return the path of an item that cannot be read, or None."""
    outer = file if not key else group_of(file, namespace)
    for name in (namespace,) if not key else (group_name(key), key):
        if outer is not None and outer.id.links.exists(name.encode()):
            return f"{outer.name.rstrip('/')}/{name}".encode()
    return None


def _layout(
    file: Any, items: Iterable[tuple[str, str]], dropped: Iterable[tuple[str, str]] = ()
) -> Layout:
    """Return the layout of a file, which counts items and what was dropped as seen."""
    seen = {_path(file, *item) for item in items}
    for namespace, key in dropped:
        outers = {namespace.encode(), group_name(namespace).encode()}
        inners = {key.encode(), group_name(key).encode()}
        seen |= {(b"", outer) for outer in outers} if not key else set(product(outers, inners))
    members: dict[bytes, dict[bytes, Layout]] = {
        name: {}
        for name in members_of(file)
        if not name.startswith(RESERVED.encode())
        and isinstance(file.get(name, getlink=True), h5py.HardLink)
        and isinstance(file[name], h5py.Group)
    }
    own: dict[bytes, Layout] = {OWN_GROUP.encode(): SEEN, STAGED.encode(): SEEN}
    for outer, inner in seen:
        if not outer:
            own[inner] = SEEN
        elif outer in members:
            members[outer][inner] = SEEN
    namespaces = {name: Layout(_NAMED, inner) for name, inner in members.items()}
    return Layout(_OURS, {**namespaces, **own})


def _path(file: Any, namespace: str, key: str) -> tuple[bytes, bytes]:
    """Return the names of the groups of a namespace and of an item in it."""
    names = (group_name(namespace), group_name(key))
    if names != (namespace, key):
        # Other software spells nothing.
        group = item_group(file, namespace, key)
        names = ("", "") if group is None else tuple(group.name.split("/"))[1:3]
    return names[0].encode(), names[1].encode()
