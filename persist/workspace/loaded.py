"""A temporary file for new objects, above those of a saved workspace that is never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from persist.hdf5.references import Link, retargeted
from persist.workspace.backend import Extras, Place, SavedFile, Source
from persist.workspace.file_backend import TemporaryFile
from persist.workspace.groups import Header, item_path
from persist.workspace.index import Entry, missing_item
from persist.workspace.package import SavedPackage


class LoadedFile(TemporaryFile):
    """Objects that were saved, until others take their places in the temporary file.

    Parameters
    ----------
    header : Header
        What the temporary file says of the workspace.
    saved : SavedFile or SavedPackage
        The saved workspace.
    places : iterable of (str, str)
        The namespace and key of each object in it.
    """

    def __init__(
        self, header: Header, saved: SavedFile | SavedPackage, places: Iterable[Place]
    ) -> None:
        super().__init__(header)
        self.saved = saved
        self._items = dict.fromkeys(places)
        self._dropped: list[Place] = []
        # The present paths of items by those that they had when they were loaded, and the reverse.
        self._moved: dict[bytes, bytes] = {}
        self._formers: dict[bytes, list[bytes]] = {}
        # Where each object was saved, or None if it is in the temporary file.
        self._places: dict[Place, Place | None] = {place: place for place in self._items}

    def read(self, namespace: str, key: str, handles: Any = None, extras: Extras = None) -> Any:
        """Return an object, with handles in place of its arrays if they are to be made."""
        saved = self._saved_place(namespace, key)
        if saved is None:
            return super().read(namespace, key, handles, extras)
        found: Extras = None if extras is None else []
        obj = self.saved.read(*saved, handles, found)
        if found and extras is not None:
            extras += [extra.moved(self._moved) for extra in found]
        return obj

    def copy_to(self, file: Any, namespace: str, key: str, to: Place, entry: Entry) -> list[Link]:
        """Write an object under other names to an open HDF5 file."""
        saved = self._saved_place(namespace, key)
        if saved is None:
            return super().copy_to(file, namespace, key, to, entry)
        return retargeted(self.saved.copy_to(file, *saved, to, entry), self._moved)

    def copy_rest(
        self, file: Any, items: Iterable[Place], dropped: Iterable[Place] = ()
    ) -> list[Link]:
        """Copy what else is in the saved file to an open HDF5 file."""
        return retargeted(self.saved.copy_rest(file, self._items, self._dropped), self._moved)

    def drop(self, namespace: str, key: str) -> None:
        """Leave an item that cannot be read in the saved file."""
        self._dropped.append((namespace, key))

    def put(self, namespace: str, key: str, obj: Any, entry: Entry) -> None:
        """Write an object, in the place of what is there."""
        super().put(namespace, key, obj, entry)
        self._places[namespace, key] = None

    def take(self, source: Source, place: Place, to: Place, entry: Entry) -> list[Link]:
        """Copy an object of another source, in the place of what is there."""
        links = super().take(source, place, to, entry)
        self._places[to] = None
        return links

    def set_note(self, namespace: str, key: str, note: Any) -> None:
        """Set or replace the note on a new object; those on others are in the index."""
        if self._is_added((namespace, key)):
            super().set_note(namespace, key, note)

    def move(self, namespace: str, old_key: str, new_key: str) -> None:
        """Give an object another key, in the place of what is there."""
        old, new = (namespace, old_key), (namespace, new_key)
        if self._saved_place(*old) is None:
            super().move(namespace, old_key, new_key)
        elif self._is_added(new):
            super().remove(namespace, [new_key])
        self._places[new] = self._places.pop(old)
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
            super().remove(namespace, added)
        for key in keys:
            del self._places[namespace, key]

    def read_from(self, saved: SavedFile | SavedPackage) -> None:
        """Read from `saved` from now on, in which everything was saved again."""
        old, self.saved = self.saved, saved
        self._items = dict.fromkeys(self._places)
        self._dropped, self._moved, self._formers = [], {}, {}
        for to, place in self._places.items():
            if place is not None:
                self._places[to] = to
        old.close()

    def close(self) -> None:
        """Remove the temporary file, and close the saved one."""
        try:
            super().close()
        finally:
            self.saved.close()

    def _saved_place(self, namespace: str, key: str) -> Place | None:
        """Return where an object was saved, or None if it is in the temporary file."""
        if (namespace, key) not in self._places:
            raise missing_item(namespace, key)
        return self._places[namespace, key]

    def _is_added(self, place: Place) -> bool:
        return self._places.get(place, place) is None
