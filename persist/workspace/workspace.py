"""A workspace in memory."""

from __future__ import annotations

import os
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

from persist.hdf5 import prepare, summarize
from persist.workspace.entries import (
    Entry,
    Index,
    missing_item,
    missing_namespace,
    new_entry,
)
from persist.workspace.groups import Header, namespace_group, write_note
from persist.workspace.listing import Unreadable
from persist.workspace.loading import load_items, load_one, warn_unreadable
from persist.workspace.merging import OnConflict, merge
from persist.workspace.names import check_name, group_name, keep_name
from persist.workspace.progress import Progress, reporter
from persist.workspace.saving import save_workspace
from persist.workspace.tables import html_tree, text_table

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AnalysisWorkspace"]

_Path = str | os.PathLike[str]
_Workspace = TypeVar("_Workspace", bound="AnalysisWorkspace")


class AnalysisWorkspace:
    """Results of an analysis, each under a namespace and a key, with notes.

    Parameters
    ----------
    name : str, optional
        A name for the whole.

    Attributes
    ----------
    workspace_id : str
        A UUID that is kept in files.
    name : str or None
        The name.
    created_at : float
        When the workspace was made, POSIX, in s.
    unreadable : dict of (str, str) to str
        What `load` has left out, where it was told to, and why.

    Notes
    -----
    Threads may share a workspace. Namespaces and keys may be any text.

    Examples
    --------
    >>> import numpy
    >>> ws = AnalysisWorkspace(name="recordings")
    >>> ws.store("D0", "rates", numpy.zeros((120, 4)), note="Hz, in windows of 1 s")
    >>> ws.get("D0", "rates").shape
    (120, 4)
    >>> ws.get_info("D0", "rates")["note"]
    'Hz, in windows of 1 s'
    """

    def __init__(self, name: str | None = None) -> None:
        self.workspace_id = str(uuid.uuid4())
        self.name = name
        self.created_at = time.time()
        self.unreadable: Unreadable = {}
        self._lock = threading.RLock()
        self._index: Index = {}
        self._items: dict[str, dict[str, Any]] = {}

    def store(self, namespace: str, key: str, obj: Any, note: Any = None) -> None:
        """Keep an object, in the place of what is there.

        Parameters
        ----------
        namespace, key : str
            Where to keep it.
        obj : object
            It is kept, not a copy of it.
        note : str, optional
            What to remember of it.

        Raises
        ------
        TypeError
            If a name is no text.
        InvalidKeyError
            If UTF-8 cannot encode a name.
        """
        namespace, key = check_name("namespace", namespace), check_name("key", key)
        with self._lock:
            entry = new_entry(self._make_summary(obj), time.time(), note)
            self._put(namespace, key, obj, entry)
            self._index.setdefault(namespace, {})[key] = entry

    def get(self, namespace: str, key: str, *, lazy: bool = False) -> Any:
        """Return an object, or None if there is none.

        Parameters
        ----------
        namespace, key : str
            Where it is kept.
        lazy : bool, optional
            Where objects are kept on disk, return arrays, and dicts with arrays, with handles that
            read the slices that are asked for.
        """
        with self._lock:
            return self._items.get(namespace, {}).get(key)

    def get_info(self, namespace: str, key: str) -> Entry | None:
        """Return what is known of an item: type, shape, time, note; None if there is none."""
        return self._index.get(namespace, {}).get(key)

    def describe(self) -> dict[str, dict[str, Entry]]:
        """Return what is known of each item, by namespace and key."""
        with self._lock:
            return {namespace: dict(keys) for namespace, keys in self._index.items()}

    def list_keys(self, namespace: str | None = None) -> Any:
        """Return the keys of a namespace, a list; or without one, those of each, by namespace."""
        with self._lock:
            if namespace is not None:
                return list(self._index.get(namespace, {}))
            return {name: list(keys) for name, keys in self._index.items()}

    def list_namespaces(self) -> list[str]:
        """Return the namespaces, in the order in which they were first used."""
        with self._lock:
            return list(self._index)

    def rename(self, namespace: str, old_key: str, new_key: str, overwrite: bool = False) -> bool:
        """Give an item another key, and tell whether that was done.

        Warns
        -----
        UserWarning
            If the new key has an item, and `overwrite` is false.

        Raises
        ------
        KeyError
            If there is no such item.
        """
        new_key = check_name("key", new_key)
        with self._lock:
            keys = self._index.get(namespace, {})
            if old_key not in keys:
                raise missing_item(namespace, old_key)
            if new_key in keys and not overwrite:
                _warn_taken(namespace, new_key)
                return False
            if new_key != old_key:
                self._move(namespace, old_key, new_key)
                keys[new_key] = keys.pop(old_key)
            return True

    def add_note(self, namespace: str, key: str, note: Any) -> None:
        """Set or replace the note on an item.

        Raises
        ------
        KeyError
            If there is no such item.
        """
        with self._lock:
            if key not in self._index.get(namespace, {}):
                raise missing_item(namespace, key)
            self._put_note(namespace, key, note)
            self._index[namespace][key]["note"] = note

    def delete(self, namespace: str, key: str | None = None) -> None:
        """Remove an item, or a whole namespace.

        Raises
        ------
        KeyError
            If it is not there.
        """
        with self._lock:
            keys = self._index.get(namespace)
            if key is None:
                if keys is None:
                    raise missing_namespace(namespace)
            elif keys is None or key not in keys:
                raise missing_item(namespace, key)
            is_last = key is None or (keys is not None and len(keys) == 1)
            self._remove(namespace, None if is_last else key)
            if is_last:
                del self._index[namespace]
            else:
                del self._index[namespace][str(key)]

    def merge_from(
        self,
        other: AnalysisWorkspace,
        overwrite: bool = False,
        *,
        on_conflict: OnConflict | None = None,
        progress: Progress = None,
    ) -> dict[str, Any]:
        """Take over the items of another workspace, with their notes.

        Parameters
        ----------
        other : AnalysisWorkspace
            Of either kind.
        overwrite : bool, optional
            Replace items that are here under the same names; otherwise they are kept.
        on_conflict : callable, optional
            Called in their place with the namespace, the key, what is known of the item here, and
            of the other. It returns True to replace the item, False to keep it, or another key for
            the other.
        progress : bool or callable, optional
            True to write a line to standard error; or a function, called after each item with how
            many are done, of how many, its namespace and its key.

        Returns
        -------
        dict
            ``merged`` and ``skipped``, two numbers, and ``skipped_keys``, a list of (namespace,
            key).
        """
        return merge(self, other, overwrite, on_conflict, reporter(progress))

    def save(self, path: _Path, *, format: str = "hdf5", progress: Progress = None) -> None:
        """Write the workspace to disk; what was there is replaced when all is written.

        Parameters
        ----------
        path : path
            For HDF5, that of the files ``<path>.h5`` and ``<path>.json``, in a folder that exists.
            For a package, that of its folder.
        format : {'hdf5', 'package'}, optional
            A package is a data set: its namespaces are packages in it, and the notes their infos.
            It can be imported without persist.
        progress : bool or callable, optional
            See `merge_from`.

        Raises
        ------
        TypeError
            If an item cannot be stored, or a note cannot be written as JSON.
        LockTimeout
            If another writer of the files does not finish.
        OSError
            If the disk fails. Whatever fails, the files that were there are whole.
        """
        save_workspace(self, path, format, reporter(progress))

    @classmethod
    def load(cls: type[_Workspace], path: _Path, *, errors: str = "raise") -> _Workspace:
        """Return a workspace that was saved, in either format.

        Items that HDF5 has no form for are kept as source, and loading them runs it: load only what
        you trust.

        Parameters
        ----------
        path : path
            What was given to `save`, with or without ``.h5``.
        errors : {'raise', 'skip'}, optional
            Whether to leave out what cannot be read, with a warning; see `unreadable`.

        Raises
        ------
        FileNotFoundError
            If there is nothing.
        OSError
            If the file is no HDF5 file, or damaged.
        ValueError
            If it is no workspace, or holds what is unknown.
        """
        unreadable: Unreadable = {}
        header, items = load_items(path, errors, unreadable)
        found = cls._with_header(header)
        for namespace, key, obj, entry in items:
            found._items.setdefault(namespace, {})[key] = obj
            found._index.setdefault(namespace, {})[key] = entry
        found.unreadable = unreadable
        warn_unreadable(path, unreadable)
        return found

    @classmethod
    def load_item(cls, path: _Path, namespace: str, key: str) -> Any:
        """Return one object of a workspace that was saved.

        Raises
        ------
        KeyError
            If it is not there.
        """
        return load_one(path, namespace, key)

    @staticmethod
    def comparison_namespace(*names: str) -> str:
        """Return the namespace for what compares others.

        Examples
        --------
        >>> AnalysisWorkspace.comparison_namespace("D0", "D3")
        'C_D0_D3'
        """
        return "C_" + "_".join(names)

    def __repr__(self) -> str:
        with self._lock:
            return text_table(self._headline(), self._index)

    def _repr_html_(self) -> str:
        with self._lock:
            return html_tree(self._headline(), self._index, self._small)

    @property
    def _header(self) -> Header:
        return Header(self.workspace_id, self.name, self.created_at)

    @classmethod
    def _with_header(cls, header: Header) -> Self:
        found = cls(header.name)
        found.workspace_id = header.workspace_id
        found.created_at = header.created_at
        return found

    def _make_summary(self, obj: Any) -> Entry:
        return summarize(obj)

    def _headline(self, backing: str = "") -> str:
        name = "" if self.name is None else f" {self.name!r}"
        count = sum(map(len, self._index.values()))
        return (
            f"{type(self).__name__}{name}(id={self.workspace_id[:8]}…, "
            f"{len(self._index)} namespace(s), {count} item(s){backing})"
        )

    def _small(self, namespace: str, key: str) -> Any:
        """Return an object for a picture of it."""
        return self._items.get(namespace, {}).get(key)

    # What a workspace that keeps its objects elsewhere does otherwise.

    def _take_over(
        self, other: AnalysisWorkspace, namespace: str, key: str, entry: Entry, name: str
    ) -> None:
        """Keep an item of another workspace under the key `name`."""
        self.store(namespace, name, other.get(namespace, key), entry.get("note"))

    def _load(self, namespace: str, key: str) -> Any:
        return self._items[namespace][key]

    def _put(self, namespace: str, key: str, obj: Any, entry: Entry) -> None:
        self._items.setdefault(namespace, {})[key] = obj

    def _put_note(self, namespace: str, key: str, note: Any) -> None:
        pass

    def _move(self, namespace: str, old_key: str, new_key: str) -> None:
        keys = self._items[namespace]
        keys[new_key] = keys.pop(old_key)

    def _remove(self, namespace: str, key: str | None) -> None:
        if key is None:
            self._items.pop(namespace, None)
        else:
            del self._items[namespace][key]

    def _copy_to(
        self, file: Any, namespace: str, key: str, entry: Entry, to: tuple[str, str]
    ) -> None:
        """Write an item to a file of groups."""
        outer = namespace_group(file, to[0])
        name = group_name(to[1])
        item = prepare(self._items[namespace][key])
        item.write_into(outer, name, created_at=entry["created_at"])
        keep_name(outer[name], to[1])
        write_note(outer[name], entry.get("note"))


def _warn_taken(namespace: str, key: str) -> None:
    import warnings

    warnings.warn(
        f"Key {key!r} already exists in namespace {namespace!r}. Use overwrite=True to replace it.",
        UserWarning,
        stacklevel=3,
    )
