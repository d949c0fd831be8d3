"""Where the objects of a workspace are kept: memory, or what was saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from persist.hdf5 import prepare
from persist.workspace.groups import copy_item, existing_group, item_group, read_group, write_new
from persist.workspace.index import Entry, missing_item

Place: TypeAlias = tuple[str, str]
"""A namespace and a key."""


class Source(Protocol):
    """Objects that can be read, each under a namespace and a key."""

    def read(self, namespace: str, key: str, handles: Any = None) -> Any:
        """Return an object, with handles in place of its arrays if they are to be made."""
        ...

    def copy_to(self, file: Any, namespace: str, key: str, to: Place, entry: Entry) -> None:
        """Write an object under other names to an open HDF5 file."""
        ...

    def close(self) -> None:
        """Release what is open."""
        ...


class Backend(Source, Protocol):
    """Objects that can be read and changed. Each change is made as a whole, or raises."""

    def put(self, namespace: str, key: str, obj: Any, entry: Entry) -> None:
        """Keep an object, in the place of what is there."""
        ...

    def take(self, source: Source, place: Place, to: Place, entry: Entry) -> None:
        """Keep an object of another source, in the place of what is there."""
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


class MemoryBackend:
    """Objects in memory: the very objects that were stored.

    Attributes
    ----------
    items : dict
        The objects by namespace and key.
    """

    def __init__(self, items: dict[str, dict[str, Any]] | None = None) -> None:
        self.items: dict[str, dict[str, Any]] = {} if items is None else items

    def read(self, namespace: str, key: str, handles: Any = None) -> Any:
        """Return an object."""
        return self.items.get(namespace, {}).get(key)

    def copy_to(self, file: Any, namespace: str, key: str, to: Place, entry: Entry) -> None:
        """Write an object under other names to an open HDF5 file."""
        write_new(file, *to, prepare(self._known(namespace, key)), entry)

    def close(self) -> None:
        """Forget all objects."""
        self.items = {}

    def put(self, namespace: str, key: str, obj: Any, entry: Entry) -> None:
        """Keep an object, in the place of what is there."""
        self.items.setdefault(namespace, {})[key] = obj

    def take(self, source: Source, place: Place, to: Place, entry: Entry) -> None:
        """Keep an object of another source, in the place of what is there."""
        self.put(*to, source.read(*place), entry)

    def set_note(self, namespace: str, key: str, note: Any) -> None:
        """Do nothing: notes are in the index."""

    def move(self, namespace: str, old_key: str, new_key: str) -> None:
        """Give an object another key, in the place of what is there."""
        keys = self.items[namespace]
        keys[new_key] = keys.pop(old_key)

    def remove(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove objects; no namespace stays empty."""
        for key in keys:
            del self.items[namespace][key]
        if not self.items[namespace]:
            del self.items[namespace]

    def _known(self, namespace: str, key: str) -> Any:
        try:
            return self.items[namespace][key]
        except KeyError:
            raise missing_item(namespace, key) from None


class SavedFile:
    """Objects in an open HDF5 file.

    Parameters
    ----------
    file : h5py.File
        The file, open for reading.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    @property
    def file(self) -> Any:
        """The file, open."""
        return self._file

    def read(self, namespace: str, key: str, handles: Any = None) -> Any:
        """Return an object, with handles in place of its arrays if they are to be made."""
        group = item_group(self.file, namespace, key)
        return None if group is None else read_group(group, namespace, key, handles)

    def copy_to(self, file: Any, namespace: str, key: str, to: Place, entry: Entry) -> None:
        """Copy the group of an object to an open HDF5 file."""
        copy_item(existing_group(self.file, namespace, key), file, *to, entry)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
