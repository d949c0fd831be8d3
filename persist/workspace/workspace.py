"""A workspace: a header, an index, and a backend that keeps the objects."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from persist.archive.arrays.blocks import computing_for
from persist.archive.safe.policy import reading
from persist.display import View
from persist.errors import (
    ArgumentError,
    ArgumentTypeError,
    DamagedError,
    PersistError,
    PersistWarning,
)
from persist.files import TIMEOUT, check_path
from persist.files.unbuffered import open_unbuffered
from persist.hdf5 import summarize
from persist.hdf5.references import Link
from persist.progress import ItemReport, Progress, item_reporter
from persist.workspace.backend import Backend, MemoryBackend, Place, Source
from persist.workspace.foreign import Foreign, link_all
from persist.workspace.groups import Header, item_path, write_header
from persist.workspace.index import (
    Entry,
    Index,
    ItemNotFoundError,
    KeyTakenError,
    OnConflict,
    check_name,
    listed,
    missing_item,
    missing_namespace,
    new_entry,
)
from persist.workspace.package import save_package
from persist.workspace.pair import Pair, Unreadable, write_listing
from persist.workspace.saving import (
    Saved,
    check_errors,
    load_one,
    open_saved,
    raise_unreadable,
    save_hdf5,
    warn_unreadable,
)
from persist.workspace.view import workspace_view

_Path = str | os.PathLike[str]
_Workspace = TypeVar("_Workspace", bound="AnalysisWorkspace")


class UnreadableItemError(PersistError, KeyError):
    """An item that cannot be read would be replaced."""


class UnsavableError(PersistError, ValueError):
    """A workspace cannot be saved in a form that has no place for what it holds."""


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
        The items that `load` could not read, where it was told to skip them, and why. They stay
        in the files that are written.

    Notes
    -----
    Threads may share a workspace. Namespaces and keys may be any text. A workspace can be pickled
    and copied.

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
        self._lock = _Lock()
        # What items that are read later may call; None lets them run.
        self._trusted: tuple[str, ...] | bool | None = None
        self._index: Index = {}
        self._backend: Backend = self._new_backend()

    def store(self, namespace: str, key: str, obj: Any, note: Any = None) -> None:
        """Keep an object, in the place of what is there.

        Parameters
        ----------
        namespace, key : str
            Where to keep it.
        obj : object
            It is kept, not a copy of it. Arrays of dask and zarr, datasets of h5py, and
            handles that `get` returns are written to a file block by block, and come back from it
            as arrays of numpy.
        note : str, optional
            What to remember of it.

        Raises
        ------
        TypeError
            If a name is not text.
        InvalidKeyError
            If UTF-8 cannot encode a name.
        UnreadableItemError
            If there is an item that could not be read: `delete` removes it.
        """
        namespace, key = check_name("namespace", namespace), check_name("key", key)
        with self._lock:
            self._refuse_unreadable(namespace, key)
            entry = new_entry(self._make_summary(obj), time.time(), note)
            self._backend.put(namespace, key, obj, entry)
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
        with self._lock, reading(self._trusted):
            entry = self.get_info(namespace, key)
            if entry is None:
                return None
            handles = self._handles(namespace, key, entry) if lazy else None
            try:
                return self._backend.read(namespace, key, handles)
            except ItemNotFoundError:
                return None  # as spikelab, where the file was removed

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
        """Give an item another key; return True if that was done.

        Warns
        -----
        UserWarning
            If the new key has an item, and `overwrite` is false.

        Raises
        ------
        KeyError
            If the item is missing.
        """
        new_key = check_name("key", new_key)
        with self._lock:
            self._refuse_unreadable(namespace, new_key)
            keys = self._index.get(namespace, {})
            if old_key not in keys:
                raise missing_item(namespace, old_key)
            if new_key in keys and not overwrite:
                warnings.warn(
                    f"Key {new_key!r} already exists in namespace {namespace!r}. "
                    "Use overwrite=True to replace it.",
                    UserWarning,
                    stacklevel=2,
                )
                return False
            if new_key != old_key:
                self._backend.move(namespace, old_key, new_key)
                # The backend may have read the index anew.
                keys = self._index[namespace]
                keys[new_key] = keys.pop(old_key)
            return True

    def add_note(self, namespace: str, key: str, note: Any) -> None:
        """Set or replace the note on an item; None takes it away.

        Raises
        ------
        KeyError
            If the item is missing.
        """
        with self._lock:
            if key not in self._index.get(namespace, {}):
                raise missing_item(namespace, key)
            self._backend.set_note(namespace, key, note)
            entry = self._index[namespace][key]
            if note is None:
                entry.pop("note", None)
            else:
                entry["note"] = note

    def delete(self, namespace: str, key: str | None = None) -> None:
        """Remove an item, or a whole namespace.

        An item that cannot be read is removed only by its key.

        Raises
        ------
        KeyError
            If it is not there.
        """
        with self._lock:
            if key is not None and (namespace, key) in self.unreadable:
                self._backend.drop(namespace, key)
                del self.unreadable[namespace, key]
                return
            known = self._index.get(namespace)
            if key is None:
                if known is None:
                    raise missing_namespace(namespace)
            elif known is None or key not in known:
                raise missing_item(namespace, key)
            keys = list(known) if key is None else [key]
            self._backend.remove(namespace, keys)
            for each in keys:
                del self._index[namespace][each]
            if not self._index[namespace]:
                del self._index[namespace]

    def merge_from(
        self,
        other: AnalysisWorkspace,
        overwrite: bool = False,
        *,
        on_conflict: OnConflict | None = None,
        errors: str = "raise",
        progress: Progress = None,
    ) -> dict[str, Any]:
        """Take over the items of another workspace, with their notes.

        Parameters
        ----------
        other : AnalysisWorkspace
            Of either kind, or of spikelab.
        overwrite : bool, optional
            Replace items that are here under the same names; otherwise they are kept.
        on_conflict : callable, optional
            Called in their place with the namespace, the key, what is known of the item here, and
            of the other. It returns True to replace the item, False to keep it, or another key for
            the other.
        errors : {'raise', 'skip'}, optional
            What to do about an item that turns out to be unreadable: stop, with the items before it
            merged, or skip it. Between files, items are copied as they are, and not read.
        progress : bool or callable, optional
            True to write a line to standard error; or a function, called after each item with how
            many are done, of how many, and ``namespace/key``; or, if it takes four arguments, the
            namespace and the key.

        Returns
        -------
        dict
            ``merged`` and ``skipped``, two numbers, and ``skipped_keys``, a list of (namespace,
            key), those that the other could not read among them.

        Raises
        ------
        TypeError
            If `other` is not a workspace.
        DamagedError
            If an item cannot be read, and is not to be skipped.
        """
        check_errors(errors)
        if not hasattr(other, "describe") or not hasattr(other, "get"):
            raise ArgumentTypeError(
                f"cannot merge from {type(other).__name__}: give a workspace, of persist or "
                "spikelab; load a file first"
            )
        with getattr(other, "_lock", contextlib.nullcontext()):
            # Also of a workspace of spikelab.
            index = other.describe()

        report = item_reporter(progress)
        # What the other could not read stays where it is.
        skipped: list[tuple[str, str]] = list(getattr(other, "unreadable", ()))
        items, merged = list(listed(index)), 0
        unreadable: Unreadable = {}
        links: dict[Place, list[Link]] = {}
        moved: dict[bytes, bytes] = {}
        try:
            for done, (namespace, key, entry) in enumerate(items, start=1):
                name = self._key_for(namespace, key, entry, overwrite, on_conflict)
                if name is None:
                    skipped.append((namespace, key))
                else:
                    try:
                        links[namespace, name] = self._take_over(other, namespace, key, entry, name)
                        moved[item_path(namespace, key)] = item_path(namespace, name)
                        merged += 1
                    except Exception as error:
                        reason = f"{type(error).__name__}: {error}"
                        if errors == "raise" and isinstance(error, DamagedError):
                            raise DamagedError(
                                f"cannot merge ({namespace!r}, {key!r}): {reason}; errors='skip' "
                                "takes the others"
                            ) from error
                        # The disk has failed, and would fail again.
                        if errors == "raise" or getattr(error, "errno", None):
                            raise
                        unreadable[namespace, key] = reason
                report(done, len(items), namespace, key)
        finally:
            with self._lock:
                self._backend.link(links, moved)
        warn_unreadable("the other workspace", unreadable)
        skipped += unreadable
        return {"merged": merged, "skipped": len(skipped), "skipped_keys": skipped}

    def _key_for(
        self,
        namespace: str,
        key: str,
        entry: Entry,
        overwrite: bool,
        on_conflict: OnConflict | None,
    ) -> str | None:
        """Return the key that an item of another workspace gets, or None if it is skipped."""
        mine = self.get_info(namespace, key)
        if mine is None:
            return key
        chosen = overwrite if on_conflict is None else on_conflict(namespace, key, mine, entry)
        if not isinstance(chosen, str):
            return key if chosen else None
        chosen = check_name("key", chosen)
        if self.get_info(namespace, chosen) is not None:
            raise KeyTakenError(
                f"on_conflict chose the key {chosen!r} for ({namespace!r}, {key!r}), which is "
                "taken too"
            )
        return chosen

    def save(
        self,
        path: _Path,
        *,
        format: str = "hdf5",
        progress: Progress = None,
        replace: bool = False,
        timeout: float = TIMEOUT,
    ) -> None:
        """Write the workspace to disk; what was there is replaced when all is written.

        Parameters
        ----------
        path : path
            For HDF5, that of the files ``<path>.h5`` and ``<path>.json``, in a folder that exists.
            For a package, that of its folder.
        format : {'hdf5', 'package'}, optional
            A package is a data set: its namespaces are packages in it, and the notes their infos.
            It can be imported without persist. Of HDF5, spikelab reads arrays, lists and dicts, and
            its own classes; where another object is an item by itself (a number, a text, None, a
            tuple), its ``load`` of the whole file fails: put it into a dict.
        progress : bool or callable, optional
            See `merge_from`.
        replace : bool, optional
            Replace, too, a workspace that was saved under the path in the other format, or a file
            that is not of a workspace.
        timeout : float, optional
            How long to wait for another writer of the files, in s.

        Raises
        ------
        TypeError
            If an item cannot be stored, or a note cannot be written as JSON.
        FileExistsError
            If a workspace was saved under the path in the other format, or a file that is there is
            not of a workspace, and is not to be replaced.
        LockTimeout
            If another writer of the files does not finish.
        OSError
            If the disk fails. Whatever fails, the files that were there are whole.
        """
        report = item_reporter(progress)
        with self._lock:
            if self._is_saved_in_place(path, format):
                self.compact()
            elif format == "hdf5":
                save_hdf5(
                    check_path(path, "a workspace"),
                    self._header,
                    functools.partial(self._fill, report=report),
                    replace,
                    timeout,
                )
            elif format == "package":
                if self.unreadable:
                    raise UnsavableError(
                        f"cannot save a package: {len(self.unreadable)} item(s) cannot be read, "
                        "and only HDF5 keeps them as they are; save in HDF5, or delete them"
                    )
                save_package(
                    check_path(path, "a workspace"),
                    self._header,
                    self._index,
                    self._reader_for_package(path, replace),
                    report,
                    replace,
                    timeout,
                )
            else:
                raise ArgumentError(f"format must be 'hdf5' or 'package', got {format!r}")
            self._follow(path)

    @classmethod
    def load(
        cls: type[_Workspace],
        path: _Path,
        *,
        errors: str = "raise",
        trusted: Iterable[str] | bool | None = None,
        timeout: float = TIMEOUT,
    ) -> _Workspace:
        """Return a workspace that was saved; **executes** items unless `trusted` is given.

        Items that HDF5 has no form for are kept as source. Without `trusted`, loading them runs it:
        give it for a file of somebody else.

        Parameters
        ----------
        path : path
            What was given to `save`, with or without ``.h5``.
        errors : {'raise', 'skip'}, optional
            Whether to go on without what cannot be read, with a warning; see `unreadable`.
        trusted : iterable of str, optional
            Interpret the source, and execute none of it: the dotted names of classes and functions
            that it may use, see `persist.load`.
        timeout : float, optional
            How long to wait for a writer of the file, in s.

        Raises
        ------
        FileNotFoundError
            If there is nothing.
        OSError
            If the file is not an HDF5 file, or damaged.
        ValueError
            If it is not a workspace, or holds what is unknown.
        """
        check_errors(errors)
        with reading(trusted), open_saved(path, summaries=False, timeout=timeout) as saved:
            if errors == "raise":
                raise_unreadable(path, saved.unreadable)
            found = cls(saved.header.name)
            found._read_saved(saved, errors)
        warn_unreadable(path, found.unreadable)
        return found

    def _read_saved(self, saved: Saved, errors: str) -> None:
        """Take the items of a saved workspace into this one, which is empty."""
        self._take_header(saved.header)
        self.unreadable = saved.unreadable
        for namespace, key, entry in listed(saved.index):
            try:
                self._backend.take(saved.source, (namespace, key), (namespace, key), entry)
            except Exception as error:
                if errors == "raise":
                    raise
                self.unreadable[namespace, key] = f"{type(error).__name__}: {error}"
                continue
            summary = self._make_summary(self._backend.read(namespace, key))
            known = new_entry(summary, entry["created_at"], entry.get("note"))
            self._index.setdefault(namespace, {})[key] = known
        assert isinstance(self._backend, MemoryBackend)
        items = [item[:2] for item in listed(self._index)]
        self._backend.rest = Foreign.filled(
            lambda memory: saved.source.copy_rest(memory, items, ())
        )
        if not self.unreadable:
            saved.mend(self._index)

    @classmethod
    def load_item(
        cls,
        path: _Path,
        namespace: str,
        key: str,
        *,
        trusted: Iterable[str] | bool | None = None,
        timeout: float = TIMEOUT,
    ) -> Any:
        """Return one object of a workspace that was saved; **executes** it without `trusted`.

        Parameters
        ----------
        path : path
            As for `load`.
        namespace, key : str
            The names under which the object was stored.
        trusted, timeout
            As for `load`.

        Raises
        ------
        KeyError
            If it is not there.
        """
        with reading(trusted):
            return load_one(path, namespace, key, timeout)

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
        return self._view().text()

    def _repr_html_(self) -> str:
        return self._view().html()

    def _view(self) -> View:
        def get(namespace: str, key: str) -> Any:
            return self.get(namespace, key, lazy=True)

        with self._lock:
            return workspace_view(self._headline(), self.describe(), self.unreadable, get)

    @property
    def _header(self) -> Header:
        return Header(self.workspace_id, self.name, self.created_at)

    def _take_header(self, header: Header) -> None:
        self.workspace_id, self.name = header.workspace_id, header.name
        self.created_at = header.created_at

    def _is_saved_in_place(self, path: _Path, format: str) -> bool:
        """Return True if this workspace is kept in the file at a path, in this format."""
        return False

    def _follow(self, path: _Path) -> None:
        """Read items from what was saved at a path, if what they were read from was there."""

    def compact(self) -> None:
        """Do nothing: only files hold what was deleted or overwritten."""

    def _make_summary(self, obj: Any) -> Entry:
        return summarize(obj)

    def _headline(self, backing: str = "") -> str:
        name = "" if self.name is None else f" {self.name!r}"
        count = sum(map(len, self._index.values()))
        return (
            f"{type(self).__name__}{name}(id={self.workspace_id[:8]}…, "
            f"{len(self._index)} namespace(s), {count} item(s){backing})"
        )

    @property
    def _items(self) -> dict[str, dict[str, Any]]:
        """The objects by namespace and key."""
        backend = self._backend
        assert isinstance(backend, MemoryBackend)
        return backend.items

    @_items.setter
    def _items(self, value: dict[str, dict[str, Any]]) -> None:
        self._backend = MemoryBackend(value)

    def _new_backend(self) -> Backend:
        return MemoryBackend()

    def _reader_for_package(self, path: _Path, replace: bool) -> Callable[[str, str], Any]:
        """Return what reads an item, and says of what beside it a package has no place for."""
        is_erasing = replace and os.path.exists(Pair.at(path).data)

        def leave_out(what: str) -> None:
            text = f"what other software has put into {what} has no place in a package"
            if is_erasing:
                raise UnsavableError(
                    f"cannot replace {Pair.at(path).data}: {text}; save to another path"
                )
            warnings.warn(f"{text}, and stays in the HDF5 file only", PersistWarning, stacklevel=4)

        def read(namespace: str, key: str) -> Any:
            extras: list[Foreign] = []
            with reading(self._trusted):
                found = self._backend.read(namespace, key, extras=extras)
            if extras:
                leave_out(f"({namespace!r}, {key!r})")
            return found

        if Foreign.filled(self._copy_rest) is not None:
            leave_out("the file")
        return read

    def _handles(self, namespace: str, key: str, entry: Entry) -> Any:
        """Return what makes handles of the arrays of an item; None where they are in memory."""
        return None

    def _take_over(
        self, other: Any, namespace: str, key: str, entry: Entry, name: str
    ) -> list[Link]:
        """Keep an item of another workspace under the key `name`, and return its references."""
        if not isinstance(other, AnalysisWorkspace):
            self.store(namespace, name, other.get(namespace, key), entry.get("note"))
            return []
        # Two workspaces may merge each other at the same time.
        first, second = sorted((self, other), key=id)
        with first.lock, second.lock:
            self._refuse_unreadable(namespace, name)
            # Another thread may have replaced it since the merge began.
            entry = other.get_info(namespace, key) or entry
            summary = {k: v for k, v in entry.items() if k not in ("created_at", "note")}
            new = new_entry(summary, time.time(), entry.get("note"))
            links = other.lend(
                lambda source: self._backend.take(source, (namespace, key), (namespace, name), new)
            )
            self._index.setdefault(namespace, {})[name] = new
            return links

    def lend(self, take: Callable[[Source], list[Link]]) -> list[Link]:
        """Return what `take` does, called with what holds the items."""
        with reading(self._trusted):
            return take(self._backend)

    @property
    def lock(self) -> contextlib.AbstractContextManager[object]:
        """What a thread holds while it reads or changes the workspace."""
        return self._lock

    def _fill(self, path: str, report: ItemReport | None = None) -> Index:
        """Write the workspace to a new HDF5 file, with what else is to be kept."""
        with open_unbuffered(path, track_order=True) as file:
            self._write_to(file, report)
            write_listing(file, self._index, self.unreadable, self._backend.is_plain)
        return self._index

    def _write_to(self, file: Any, report: ItemReport | None = None) -> None:
        write_header(file, self._header)
        items = list(listed(self._index))
        links: dict[Place, list[Link]] = {}
        for done, (namespace, key, entry) in enumerate(items, start=1):
            place = namespace, key
            with reading(self._trusted):
                links[place] = self._backend.copy_to(file, *place, place, entry)
            if report is not None:
                report(done, len(items), namespace, key)
        link_all(file, links, self._copy_rest(file))

    def _copy_rest(self, file: Any) -> list[Link]:
        """Write what was not understood of the file that was loaded to an open file."""
        return self._backend.copy_rest(file, [item[:2] for item in listed(self._index)])

    def _refuse_unreadable(self, namespace: str, key: str) -> None:
        reason = self.unreadable.get((namespace, key))
        if reason is not None:
            raise UnreadableItemError(
                f"cannot store ({namespace!r}, {key!r}): there is an item that cannot be read "
                f"({reason}); remove it with delete({namespace!r}, {key!r}), or choose another key"
            )

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = dict(vars(self))
            del state["_lock"]
            state["unreadable"] = dict(self.unreadable)
            state["_index"] = {
                namespace: {key: dict(entry) for key, entry in keys.items()}
                for namespace, keys in self._index.items()
            }
            if isinstance(self._backend, MemoryBackend):
                state["_backend"] = self._backend.copy()
            return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = _Lock()


class _Lock:
    """A reentrant lock, which the threads that compute for its holder may pass."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holder: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        # The holder waits for them meanwhile.
        if not self._is_lent():
            self._lock.acquire()
            self._holder = threading.get_ident()
            self._depth += 1

    def __exit__(self, *error: object) -> None:
        if not self._is_lent():
            self._depth -= 1
            if not self._depth:
                self._holder = None
            self._lock.release()

    def _is_lent(self) -> bool:
        waiting = computing_for()
        return waiting == self._holder and waiting != threading.get_ident()


def __getattr__(name: str) -> Any:
    # Programs written for spikelab import all of these from here.
    if name in ("LazyAnalysisWorkspace", "WorkspaceManager", "get_workspace_manager"):
        return getattr(importlib.import_module("persist.workspace"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
