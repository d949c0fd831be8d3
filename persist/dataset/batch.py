"""Many changes as one commit.

All files are made in one folder, which a rename puts into effect: from then on a reader finds them
there, until each has taken its place.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from persist.dataset.commit import Commit
from persist.dataset.index import InfoSource
from persist.dataset.item import Item
from persist.dataset.keys import fold_case
from persist.dataset.layout import READY, item_file, staged_folder
from persist.dataset.read import find_source
from persist.dataset.writer import Writer
from persist.files.create import remove_path
from persist.files.sync import sync_file, sync_folder
from persist.files.write import write_bytes

__all__ = ["Batch"]

# What is found in place of a deleted value until that is gone.
_NOTHING = b"import sys\nsys.modules[__name__] = None\n"
_DELETED = b"raise ImportError(__name__ + ' was deleted', name=__name__)\n"


class Batch:
    """Changes that are made now and take place together.

    Parameters
    ----------
    writer : Writer
        The writer of the data set, whose lock is held until the batch is done.
    commit : Commit, optional
        Where the changes are noted.

    Attributes
    ----------
    infos : dict of str to object
        The infos by key, as they will be; an `InfoSource` for what JSON does not hold.
    folded : set of str
        What `fold_case` makes of the keys that were stored.
    """

    def __init__(self, writer: Writer, commit: Commit | None = None) -> None:
        self._writer = writer
        self._commit = commit or Commit(writer.index.number + 1)
        self.infos: dict[str, Any] = dict(writer.index.infos)
        self.folded: set[str] = set()

    @property
    def folder(self) -> str:
        """The folder in which files are made, in the data set."""
        return staged_folder(self._commit.number)

    def has_value(self, key: str) -> bool:
        """Tell whether a value was stored under a key."""
        return key in self._commit.values

    def value(self, key: str) -> dict[str, Any]:
        """Return what the manifest will say of a value that was stored."""
        value = self._commit.values[key]
        return {**value, "files": {path: list(found) for path, found in value["files"].items()}}

    def has_deleted(self, key: str) -> bool:
        """Tell whether the value of a key was deleted, and none stored since."""
        return key in self._commit.deleted and key not in self._commit.values

    def set_value(self, item: Item, by: int = 0) -> None:
        """Store a value."""
        self._make_folder()
        name = item_file(item.key)
        self._drop_staged(item.key)
        data, value = self._writer.stage(item, os.path.join(self.folder, name), "", by)
        if data is not None:
            self._commit.places.append(data)
        self._retire(self._writer.data_of_key(item.key))
        self._set(item.key, value)

    def _set(self, key: str, value: dict[str, Any]) -> None:
        self._commit.values[key] = value
        if key not in self.infos:
            self._commit.infos[key] = None
            self._add(key, None)

    def _add(self, key: str, info: Any) -> None:
        self.infos[key] = info
        self.folded.add(fold_case(key))

    def _retire(self, data: list[str]) -> None:
        self._commit.removes += [name for name in data if name not in self._commit.removes]

    def set_info(self, key: str, info: Any, source: str | None) -> None:
        """Store an info: as source if there is one."""
        self._commit.infos.pop(key, None)
        self._commit.sources.pop(key, None)
        if source is None:
            self._commit.infos[key] = info
            self._add(key, info)
        else:
            self._commit.infos[key] = None
            self._commit.sources[key] = source
            self._add(key, InfoSource(source))

    def delete(self, key: str) -> None:
        """Remove a key, with its value and its info."""
        self._make_folder()
        self._drop_staged(key)
        self._retire(self._writer.data_of_key(key))
        self._forget(key)

    def _forget(self, key: str) -> None:
        for known in (self._commit.values, self._commit.infos, self._commit.sources):
            known.pop(key, None)
        self.infos.pop(key, None)
        path = self._writer.path(self.folder, item_file(key))
        if key in self._writer.index.infos:
            self._commit.deleted.append(key)
            write_bytes(path, _DELETED, durable=self._writer.options.durable)
        else:
            remove_path(path)

    def rename(self, old: str, new: str, info: Any, source: str | None, entry: Any) -> None:
        """Let a key have another name.

        Parameters
        ----------
        old, new : str
            The names.
        info, source : object, str or None
            The info of the old key.
        entry : dict or None
            What the manifest says of its value; None if it has none.
        """
        self._make_folder()
        entry = self._commit.values.get(old, entry)
        if entry is not None:
            # The arrays stay where they are: the module, of another name now, reads them there.
            text = self._source(old)
            if old not in self._commit.values:
                self._link_arrays(old)
            path = self._writer.path(self.folder, item_file(new))
            write_bytes(path, text, durable=self._writer.options.durable)
            files = dict(entry["files"])
            self._set(new, {**entry, "files": {item_file(new): files.pop(item_file(old)), **files}})
        self._forget(old)
        self.set_info(new, info, source)

    def _link_arrays(self, key: str) -> None:
        """Let the arrays of a key be found in the folder as well, for as long as it is."""
        writer = self._writer
        for name in writer.data_of(item_file(key)):
            target = writer.path(self.folder, name)
            if not os.path.lexists(target):
                _link_tree(writer.path(name), target, writer.options.durable)

    def _source(self, key: str) -> bytes:
        if key in self._commit.values:
            with open(self._writer.path(self.folder, item_file(key)), "rb") as file:
                return file.read()
        return find_source(self._writer.folder, key)[1].encode()

    def commit(self) -> None:
        """Let all changes take place.

        Raises
        ------
        OSError
            If the disk fails; then none has taken place.
        """
        writer, commit = self._writer, self._commit
        changed = (commit.values, commit.infos, commit.sources, commit.deleted)
        if not any(changed):
            self.discard()
            return
        used = {value.get("data") for value in commit.values.values()}
        commit.removes = [name for name in commit.removes if name not in used]
        with writer.undone(commit.number):
            if os.path.isdir(writer.path(self.folder)):
                commit.staged = self.folder
                self._mark_deleted()
            line = writer.append(commit)
            if commit.staged:
                self.place_arrays()
                os.rename(writer.path(self.folder), writer.path(READY))
        if commit.staged:
            writer.sync()
            writer.roll_forward(commit)
        writer.finish(line, commit)

    def _mark_deleted(self) -> None:
        """Let what had a value, and now has only an info, be found as None."""
        for key in self._commit.deleted:
            if key in self.infos and key not in self._commit.values:
                path = self._writer.path(self.folder, item_file(key))
                write_bytes(path, _NOTHING, durable=self._writer.options.durable)

    def discard(self) -> None:
        """Undo all changes."""
        self._writer.discard(self._commit.number)

    def place_arrays(self) -> None:
        """Let the arrays be where they belong, and in the folder as well for as long as it is."""
        writer, durable = self._writer, self._writer.options.durable
        if durable:
            sync_folder(writer.path(self.folder))
        for name in self._commit.places:
            _link_tree(writer.path(self.folder, name), writer.path(name), durable)
        writer.sync()

    def _make_folder(self) -> None:
        path = self._writer.path(self.folder)
        if not os.path.isdir(path):
            os.mkdir(path)

    def _drop_staged(self, key: str) -> None:
        """Let go of what this batch itself has stored for a key."""
        data = self._commit.values.get(key, {}).get("data")
        if data in self._commit.places:
            self._commit.places.remove(data)
            remove_path(self._writer.path(self.folder, data))
        elif data is not None:
            # A key that was renamed has its arrays where they were.
            self._retire([data])


def _link_tree(source: str, target: str, durable: bool) -> None:
    if os.path.isdir(source):
        os.mkdir(target)
        for name in os.listdir(source):
            _link(os.path.join(source, name), os.path.join(target, name), durable)
        if durable:
            sync_folder(target)
    else:
        _link(source, target, durable)


def _link(source: str, target: str, durable: bool) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        if durable:
            sync_file(target)
