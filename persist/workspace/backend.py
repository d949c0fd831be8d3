"""Where the objects of a workspace are kept: memory, or what was saved."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from persist.hdf5 import prepare
from persist.hdf5.extras import Extra
from persist.hdf5.opening import damage_errors
from persist.hdf5.references import Link
from persist.workspace.foreign import Foreign, copy_foreign
from persist.workspace.groups import (
    copy_item,
    existing_group,
    item_path,
    read_group,
    write_to,
)
from persist.workspace.index import Entry, missing_item

Place: TypeAlias = tuple[str, str]
"""A namespace and a key."""
Extras: TypeAlias = list[Foreign] | None
"""To which is added what other software has put into an item."""


class Source(Protocol):
    """Objects that can be read, each under a namespace and a key."""

    def read(self, namespace: str, key: str, handles: Any = None, extras: Extras = None) -> Any:
        """Return an object; where it is on disk, with what `handles` makes in place of its arrays.

        `handles` is called with what has the open file, and with the path, the shape and the dtype
        of each. What is kept of other software beside the object is added to `extras`.

        Raises
        ------
        ItemNotFoundError
            If it is missing: another thread may have removed it.
        """
        ...

    def copy_to(self, file: Any, namespace: str, key: str, to: Place, entry: Entry) -> list[Link]:
        """Write an object under other names to an open HDF5 file.

        Returns the references of other software in it, by their place in its group: what they lead
        to may be written later. See `link_all`.
        """
        ...

    def close(self) -> None:
        """Release what is open."""
        ...


class Backend(Source, Protocol):
    """Objects that can be read and changed. Each change is made as a whole, or raises."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing of other software is kept."""
        ...

    def put(self, namespace: str, key: str, obj: Any, entry: Entry) -> None:
        """Keep an object, in the place of what is there."""
        ...

    def take(self, source: Source, place: Place, to: Place, entry: Entry) -> list[Link]:
        """Keep an object of another source, in the place of what is there.

        Returns the references of other software in it; see `link`.
        """
        ...

    def link(self, links: Mapping[Place, list[Link]], moved: Mapping[bytes, bytes]) -> None:
        """Point the references in taken objects at their targets, which were taken too.

        `moved` has the paths of the latter by those that they had.
        """
        ...

    def set_note(self, namespace: str, key: str, note: Any) -> None:
        """Set or replace the note on an object."""
        ...

    def move(self, namespace: str, old_key: str, new_key: str) -> None:
        """Give an object another key, in the place of what is there."""
        ...

    def remove(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove objects."""
        ...

    def copy_rest(self, file: Any, items: Iterable[Place]) -> list[Link]:
        """Copy what is kept besides `items`, all that can be read, to an open HDF5 file.

        Returns the references in it.
        """
        ...

    def drop(self, namespace: str, key: str) -> None:
        """Drop an item that cannot be read."""
        ...


class MemoryBackend:
    """Objects in memory: the very objects that were stored.

    `extras` is what other software had put into the groups that objects were read from, and `rest`
    what it had put beside them.
    """

    def __init__(
        self,
        items: dict[str, dict[str, Any]] | None = None,
        extras: dict[Place, Foreign] | None = None,
        rest: Foreign | None = None,
        dropped: Iterable[Place] = (),
    ) -> None:
        self.items: dict[str, dict[str, Any]] = {} if items is None else items
        self.extras: dict[Place, Foreign] = {} if extras is None else extras
        self.rest = rest
        self._dropped = list(dropped)
        self._linked = {place for place, extra in self.extras.items() if extra.links}

    def copy(self) -> MemoryBackend:
        """Return another that keeps the same objects."""
        items = {namespace: dict(keys) for namespace, keys in self.items.items()}
        return MemoryBackend(items, dict(self.extras), self.rest, self._dropped)

    @property
    def is_plain(self) -> bool:
        """Whether nothing of other software is kept."""
        return not self.extras and self.rest is None

    def read(self, namespace: str, key: str, handles: Any = None, extras: Extras = None) -> Any:
        """Return an object."""
        if extras is not None and (namespace, key) in self.extras:
            extras.append(self.extras[namespace, key])
        if key not in self.items.get(namespace, {}):
            raise missing_item(namespace, key)
        return self.items[namespace][key]

    def copy_to(self, file: Any, namespace: str, key: str, to: Place, entry: Entry) -> list[Link]:
        """Write an object under other names to an open HDF5 file."""
        write_to(file, *to, prepare(self.read(namespace, key)), entry)
        extra = self.extras.get((namespace, key))
        if extra is None:
            return []
        extra.add_to(existing_group(file, *to))
        return extra.links

    def close(self) -> None:
        """Forget all objects."""
        self.items, self.extras, self.rest, self._linked = {}, {}, None, set()

    def put(self, namespace: str, key: str, obj: Any, entry: Entry) -> None:
        """Keep an object, in the place of what is there."""
        self.items.setdefault(namespace, {})[key] = obj
        self._keep((namespace, key), None)

    def take(self, source: Source, place: Place, to: Place, entry: Entry) -> list[Link]:
        """Keep an object of another source, in the place of what is there."""
        extras: list[Foreign] = []
        self.put(*to, source.read(*place, extras=extras), entry)
        for extra in extras:
            self._keep(to, extra)
        return [link for extra in extras for link in extra.links]

    def link(self, links: Mapping[Place, list[Link]], moved: Mapping[bytes, bytes]) -> None:
        """Point the references in taken objects at their targets, which were taken too."""
        self.extras.update((to, self.extras[to].moved(moved)) for to in links if links[to])

    def set_note(self, namespace: str, key: str, note: Any) -> None:
        """Do nothing: notes are in the index."""

    def move(self, namespace: str, old_key: str, new_key: str) -> None:
        """Give an object another key, in the place of what is there."""
        extra = self.extras.get((namespace, old_key))
        self._keep((namespace, old_key), None)
        self.items[namespace][new_key] = self.items[namespace].pop(old_key)
        self._keep((namespace, new_key), extra)
        moved = {item_path(namespace, old_key): item_path(namespace, new_key)}
        self.extras.update((place, self.extras[place].moved(moved)) for place in self._linked)
        self.rest = None if self.rest is None else self.rest.moved(moved)

    def remove(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove objects; no namespace stays empty."""
        for key in keys:
            del self.items[namespace][key]
            self._keep((namespace, key), None)
        if not self.items[namespace]:
            del self.items[namespace]

    def copy_rest(self, file: Any, items: Iterable[Place]) -> list[Link]:
        """Copy what was beside the objects to an open HDF5 file."""
        return [] if self.rest is None else self.rest.copy_to(file, self._dropped)

    def drop(self, namespace: str, key: str) -> None:
        """Drop an item that cannot be read."""
        self._dropped.append((namespace, key))

    def _keep(self, place: Place, extra: Foreign | None) -> None:
        self.extras.pop(place, None)
        self._linked.discard(place)
        if extra is not None:
            self.extras[place] = extra
            self._linked.update([place] if extra.links else [])


class SavedFile:
    """Objects in an open HDF5 file.

    `is_plain` says that nothing of other software is in the file.
    """

    is_plain = False

    def __init__(self, file: Any, is_plain: bool = False) -> None:
        self._file = file
        self.is_plain = is_plain

    @property
    def file(self) -> Any:
        """The file, open."""
        return self._file

    def read(self, namespace: str, key: str, handles: Any = None, extras: Extras = None) -> Any:
        """Return an object, with handles in place of its arrays if they are to be made."""
        group = existing_group(self.file, namespace, key)
        found: list[Extra] | None = None if extras is None or self.is_plain else []
        lazy = None if handles is None else functools.partial(handles, self)
        obj = read_group(group, namespace, key, lazy, found)
        if found and extras is not None:
            extras += filter(None, [Foreign.of_item(group, found)])
        return obj

    def copy_to(self, file: Any, namespace: str, key: str, to: Place, entry: Entry) -> list[Link]:
        """Copy the group of an object to an open HDF5 file."""
        with damage_errors(self.file.filename):
            group = existing_group(self.file, namespace, key)
            return copy_item(group, file, *to, entry, is_plain=self.is_plain)

    def copy_rest(
        self, file: Any, items: Iterable[Place], dropped: Iterable[Place] = ()
    ) -> list[Link]:
        """Copy what the file holds besides `items`, and what was dropped, to another."""
        if self.is_plain:
            return []
        with damage_errors(self.file.filename):
            return copy_foreign(self.file, file, items, dropped)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
