"""Objects of a saved workspace that is never changed, and new ones in a temporary file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from persist.hdf5.references import Link, retargeted
from persist.workspace.backend import Extras, Place, SavedFile, Source
from persist.workspace.file_backend import TemporaryFile
from persist.workspace.groups import item_path
from persist.workspace.index import Entry, missing_item
from persist.workspace.package import SavedPackage


class LoadedBackend:
    """Objects that were saved, until others take their places.

    Parameters
    ----------
    saved : SavedFile or SavedPackage
        The saved workspace.
    places : iterable of (str, str)
        The namespace and key of each object in it.
    added : TemporaryFile
        Where new objects go.
    """

    is_plain = False

    def __init__(
        self, saved: SavedFile | SavedPackage, places: Iterable[Place], added: TemporaryFile
    ) -> None:
        self.saved = saved
        self.added = added
        self._items = dict.fromkeys(places)
        self._dropped: list[Place] = []
        # The present paths of items by those that they had when they were loaded, and the reverse.
        self._moved: dict[bytes, bytes] = {}
        self._formers: dict[bytes, list[bytes]] = {}
        self._places: dict[Place, tuple[Source, Place]] = {
            place: (saved, place) for place in self._items
        }

    def read(self, namespace: str, key: str, handles: Any = None, extras: Extras = None) -> Any:
        """Return an object, with handles in place of its arrays if they are to be made."""
        source, place = self._place(namespace, key)
        found: Extras = None if extras is None else []
        obj = source.read(*place, handles, found)
        if found and extras is not None:
            is_saved = source is self.saved
            extras += [extra.moved(self._moved) if is_saved else extra for extra in found]
        return obj

    def copy_to(self, file: Any, namespace: str, key: str, to: Place, entry: Entry) -> list[Link]:
        """Write an object under other names to an open HDF5 file."""
        source, place = self._place(namespace, key)
        links = source.copy_to(file, *place, to, entry)
        return retargeted(links, self._moved) if source is self.saved else links

    def copy_rest(self, file: Any, items: Iterable[Place]) -> list[Link]:
        """Copy what else is in the saved file to an open HDF5 file."""
        return retargeted(self.saved.copy_rest(file, self._items, self._dropped), self._moved)

    def drop(self, namespace: str, key: str) -> None:
        """Leave an item that cannot be read in the saved file."""
        self._dropped.append((namespace, key))

    def put(self, namespace: str, key: str, obj: Any, entry: Entry) -> None:
        """Keep an object, in the place of what is there."""
        self.added.put(namespace, key, obj, entry)
        self._places[namespace, key] = self.added, (namespace, key)

    def take(self, source: Source, place: Place, to: Place, entry: Entry) -> list[Link]:
        """Keep an object of another source, in the place of what is there."""
        links = self.added.take(source, place, to, entry)
        self._places[to] = self.added, to
        return links

    def link(self, links: Mapping[Place, list[Link]], moved: Mapping[bytes, bytes]) -> None:
        """Point the references in taken objects at their targets, which were taken too."""
        self.added.link(links, moved)

    def set_note(self, namespace: str, key: str, note: Any) -> None:
        """Set or replace the note on a new object; those on others are in the index."""
        if self._is_added((namespace, key)):
            self.added.set_note(namespace, key, note)

    def move(self, namespace: str, old_key: str, new_key: str) -> None:
        """Give an object another key, in the place of what is there."""
        old, new = (namespace, old_key), (namespace, new_key)
        held = self._place(*old)
        if held[0] is self.added:
            self.added.move(namespace, old_key, new_key)
            held = self.added, new
        elif self._is_added(new):
            self.added.remove(namespace, [new_key])
        self._places[new] = held
        del self._places[old]
        before, now = item_path(*old), item_path(*new)
        formers = self._formers.pop(before, [])
        if old in self._items and before not in self._moved:
            formers.append(before)
        self._moved.update(dict.fromkeys(formers, now))
        self._formers.setdefault(now, []).extend(formers)

    def remove(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove objects."""
        added = [key for key in keys if self._is_added((namespace, key))]
        if added:
            self.added.remove(namespace, added)
        for key in keys:
            del self._places[namespace, key]

    def read_from(self, saved: SavedFile | SavedPackage) -> None:
        """Read from `saved` from now on, in which everything was saved again."""
        old, self.saved = self.saved, saved
        self._items = dict.fromkeys(self._places)
        self._dropped, self._moved, self._formers = [], {}, {}
        for to, (source, _) in self._places.items():
            if source is old:
                self._places[to] = saved, to
        old.close()

    def close(self) -> None:
        """Remove the temporary file, and close the saved one."""
        try:
            self.added.close()
        finally:
            self.saved.close()

    def _place(self, namespace: str, key: str) -> tuple[Source, Place]:
        found = self._places.get((namespace, key))
        if found is None:
            raise missing_item(namespace, key)
        return found

    def _is_added(self, place: Place) -> bool:
        return self._places.get(place, (None, place))[0] is self.added
