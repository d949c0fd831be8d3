"""A workspace whose objects are on disk."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import h5py
import numpy

from persist.errors import ClosedError
from persist.files import remove_path
from persist.hdf5 import prepare
from persist.workspace.entries import Entry, listed, missing_item, new_entry
from persist.workspace.groups import item_group, read_header, write_header, write_note
from persist.workspace.handles import ArrayHandle
from persist.workspace.items import copy_item, delete_item, read_from, rename_item, write_to
from persist.workspace.listing import read_index
from persist.workspace.loading import (
    check_errors,
    mend_sidecar,
    opened,
    package_at,
    warn_unreadable,
)
from persist.workspace.package import package_header, package_index, package_item
from persist.workspace.pair import Pair, read_mark
from persist.workspace.place import InPlace
from persist.workspace.progress import Progress
from persist.workspace.saving import fill_file
from persist.workspace.workspace import AnalysisWorkspace

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LazyAnalysisWorkspace"]

_Path = str | os.PathLike[str]
_Place = "tuple[_Source, str, str]"
_Lazy = TypeVar("_Lazy", bound="LazyAnalysisWorkspace")


class LazyAnalysisWorkspace(AnalysisWorkspace):
    """Results of an analysis that exceed memory: each is written when stored, and read when got.

    What is stored goes to a temporary file, which is removed by `close`, at the end of a ``with``
    block, and when the interpreter ends; with `open`, to a given file. A workspace that was loaded
    reads from the file that was saved, and changes it only when it is saved there again.

    Parameters
    ----------
    name : str, optional
        A name for the whole.

    Examples
    --------
    >>> import numpy
    >>> with LazyAnalysisWorkspace(name="large") as ws:
    ...     ws.store("D0", "raw", numpy.arange(10.0))
    ...     raw = ws.get("D0", "raw", lazy=True)
    ...     print(raw.shape, raw[2:4])
    (10,) [2. 3.]
    """

    def __init__(self, name: str | None = None) -> None:
        self._pid = os.getpid()
        self._h5_path: str | None = None
        self._file: Any = None
        self._in_place: InPlace | None = None
        # Where items are that are not in the file of this object.
        self._places: dict[tuple[str, str], tuple[_Source, str, str]] = {}
        self._sources: list[_Source] = []
        super().__init__(name)
        _OPEN.add(self)
        self._make_temporary()

    @classmethod
    def load(cls: type[_Lazy], path: _Path, *, errors: str = "raise") -> _Lazy:
        """Return a workspace that was saved; its objects stay on disk until they are got.

        Parameters
        ----------
        path, errors
            See `AnalysisWorkspace.load`.
        """
        check_errors(errors)
        package = package_at(path)
        if package is not None:
            found = cls._with_header(package_header(package))
            found._adopt(_Package(package), package_index(package))
            return found
        pair = Pair.at(path)
        source = _Saved(opened(pair))
        try:
            found = cls._with_header(read_header(source.file))
        except BaseException:
            source.close()
            raise
        index, unreadable = read_index(source.file)
        if unreadable and errors == "raise":
            found.close()
            source.close()
            (namespace, key), reason = next(iter(unreadable.items()))
            raise ValueError(f"{pair.data}: ({namespace!r}, {key!r}) cannot be read: {reason}")
        found.unreadable = unreadable
        found._adopt(source, index)
        mend_sidecar(pair, found._header, index, read_mark(source.file))
        warn_unreadable(path, unreadable)
        return found

    @classmethod
    def open(
        cls: type[_Lazy], path: _Path, *, name: str | None = None, timeout: float = 60
    ) -> _Lazy:
        """Return a workspace that keeps its items in the given file, which is made if need be.

        Each change is on disk, whole, when its call returns. Until `close`, nobody else can open
        the file.

        Parameters
        ----------
        path : path
            As for `save`.
        name : str, optional
            The name of a workspace that is made.
        timeout : float, optional
            How long to wait for others that have the file open, in s.

        Raises
        ------
        LockTimeout
            If they do not close it.
        """
        place = InPlace(Pair.at(path), timeout)
        found = cls(name)
        try:
            place.open(found._header)
            header = read_header(place.file)
            found.workspace_id, found.name = header.workspace_id, header.name
            found.created_at = header.created_at
            found._index, found.unreadable = place.read_index()
        except BaseException:
            place.close(None, None)
            raise
        finally:
            found._drop_temporary()
        found._in_place = place
        found._h5_path = place.pair.data
        return found

    @property
    def _items(self) -> dict[str, dict[str, Any]]:
        raise NotImplementedError(
            "the objects of a lazy workspace are on disk: "
            "use list_namespaces(), list_keys() and get()"
        )

    @_items.setter
    def _items(self, value: Any) -> None:
        pass

    def get(self, namespace: str, key: str, *, lazy: bool = False) -> Any:
        """Return an object, read from disk, or None if there is none: see `AnalysisWorkspace.get`.

        Handles read from the file until the workspace is closed, or the item replaced.

        Raises
        ------
        OSError
            If the file is gone.
        """
        with self._lock:
            entry = self.get_info(namespace, key)
            if entry is None:
                return None
            place = self._places.get((namespace, key))
            handles = self._handles(namespace, key, entry, place and place[0]) if lazy else None
            if place is None:
                return read_from(self._own_file(), namespace, key, handles)
            source, namespace, key = place
            return source.read(namespace, key, handles)

    def save(self, path: _Path, *, format: str = "hdf5", progress: Progress = None) -> None:
        """Write the workspace to disk: see `AnalysisWorkspace.save`."""
        with self._lock:
            # Else what was forgotten when it was closed would replace what was saved.
            self._own_path()
            if self._in_place is not None and format == "hdf5" and self._is_own(path):
                self.compact()
            else:
                super().save(path, format=format, progress=progress)

    def compact(self) -> None:
        """Write the file anew without what was deleted or overwritten."""
        with self._lock:
            if self._in_place is not None:
                self._in_place.replace(self._fill, self._header)
                return
            path = self._own_path()
            new = f"{path}.tmp"
            try:
                with h5py.File(new, "w", track_order=True) as file:
                    write_header(file, self._header)
                    for namespace, key, entry in listed(self._index):
                        if (namespace, key) not in self._places:
                            self._copy_to(file, namespace, key, entry, (namespace, key))
                self._file.close()
                os.replace(new, path)
            finally:
                remove_path(new)
                self._file = self._file or h5py.File(path, "r+")

    def close(self) -> None:
        """Remove the temporary file, or leave the given one whole; all is then forgotten."""
        with self._lock:
            place, self._in_place = self._in_place, None
            if place is not None:
                self._h5_path = None
                place.close(self._header, self._index)
            self._drop_temporary()
            self._index = {}
            self._places.clear()
            while self._sources:
                self._sources.pop().close()
        _OPEN.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception as error:
            with contextlib.suppress(Exception):
                print(f"{type(self).__name__} cleanup failed: {error}", file=sys.__stderr__)

    def _headline(self, backing: str = "") -> str:
        if self._in_place is not None:
            return super()._headline(f", kept in {self._h5_path}")
        return super()._headline(", backed by temp HDF5")

    def _small(self, namespace: str, key: str) -> Any:
        try:
            return self.get(namespace, key)
        except Exception:
            return None

    def _load(self, namespace: str, key: str) -> Any:
        return self.get(namespace, key)

    def _put(self, namespace: str, key: str, obj: Any, entry: Entry) -> None:
        item = prepare(obj)
        with self._changing() as file:
            write_to(file, namespace, key, item, entry)
        self._places.pop((namespace, key), None)

    def _put_note(self, namespace: str, key: str, note: Any) -> None:
        if (namespace, key) in self._places:
            return
        with self._changing() as file:
            group = item_group(file, namespace, key)
            if group is None:
                raise missing_item(namespace, key)
            write_note(group, note)

    def _move(self, namespace: str, old_key: str, new_key: str) -> None:
        place = self._places.get((namespace, old_key))
        with self._changing() as file:
            if place is None:
                rename_item(file, namespace, old_key, new_key)
            else:
                delete_item(file, namespace, new_key)
        self._places.pop((namespace, new_key), None)
        if place is not None:
            self._places[namespace, new_key] = self._places.pop((namespace, old_key))

    def _remove(self, namespace: str, key: str | None) -> None:
        with self._changing() as file:
            delete_item(file, namespace, key)
        for place in list(self._places):
            if place[0] == namespace and key in (None, place[1]):
                del self._places[place]

    def _take_over(
        self, other: AnalysisWorkspace, namespace: str, key: str, entry: Entry, name: str
    ) -> None:
        # Two workspaces may merge each other at the same time.
        first, second = sorted((self, other), key=id)
        with first._lock, second._lock:
            found = (
                other._group(namespace, key) if isinstance(other, LazyAnalysisWorkspace) else None
            )
            if found is None:
                super()._take_over(other, namespace, key, entry, name)
                return
            summary = {k: v for k, v in entry.items() if k not in ("created_at", "note")}
            new = new_entry(summary, time.time(), entry.get("note"))
            with self._changing() as file:
                copy_item(found, file, namespace, name, new)
            self._places.pop((namespace, name), None)
            self._index.setdefault(namespace, {})[name] = new

    def _copy_to(
        self, file: Any, namespace: str, key: str, entry: Entry, to: tuple[str, str]
    ) -> None:
        group = self._group(namespace, key)
        if group is not None:
            copy_item(group, file, *to, entry)
        else:
            obj = self.get(namespace, key)
            write_to(file, *to, prepare(obj), entry)

    def _group(self, namespace: str, key: str) -> Any | None:
        """Return the group of an item, or None if it is not kept in one.

        Raises
        ------
        KeyError
            If it should be, and is gone.
        """
        place = self._places.get((namespace, key))
        if place is not None:
            source, namespace, key = place
            return source.group(namespace, key)
        group = item_group(self._own_file(), namespace, key)
        if group is None:
            raise missing_item(namespace, key)
        return group

    def _handles(self, namespace: str, key: str, entry: Entry, source: _Source | None) -> Any:
        """Return what makes handles of the datasets of an item."""

        def handle(path: str, shape: tuple[int, ...], dtype: numpy.dtype[Any]) -> ArrayHandle:
            def read(index: Any) -> Any:
                with self._lock:
                    if self.get_info(namespace, key) is not entry:
                        raise ClosedError(
                            f"({namespace!r}, {key!r}) was replaced, renamed or removed, or its "
                            "workspace closed: get the array again"
                        )
                    file = self._own_file() if source is None else source.file
                    found = file[path][index]
                # HDF5 does not tell all types of one size apart.
                return found.astype(dtype, copy=False) if found.shape else found

            return ArrayHandle(shape, dtype, read)

        return handle

    def _adopt(self, source: _Source, index: dict[str, dict[str, Entry]]) -> None:
        """Take the items of a saved workspace for those of this one."""
        self._sources.append(source)
        self._index = index
        self._places = {
            (namespace, key): (source, namespace, key)
            for namespace, keys in index.items()
            for key in keys
        }

    def _fill(self, new: str) -> Any:
        return fill_file(self, new, lambda *_: None)

    def _is_own(self, path: _Path) -> bool:
        data = Pair.at(path).data
        return os.path.exists(data) and os.path.samefile(data, str(self._h5_path))

    def _own_path(self) -> str:
        if self._h5_path is None:
            raise TypeError("this workspace is closed, and its objects are gone")
        return self._h5_path

    def _own_file(self) -> Any:
        """Return the open file of this object.

        Raises
        ------
        OSError
            If it was removed.
        """
        path = self._own_path()
        if self._in_place is not None:
            return self._in_place.file
        if not os.path.exists(path):
            raise FileNotFoundError(f"the file of this workspace was removed: {path}")
        return self._file

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Any]:
        """Open the file of this object for a change, which is made as a whole."""
        path = self._own_path()
        if self._pid != os.getpid():
            raise ClosedError("a process that was forked can read this workspace, not change it")
        if self._in_place is not None:
            try:
                with self._in_place.changing() as file:
                    yield file
            except BaseException:
                self._catch_up(self._in_place)
                raise
            return
        if not os.path.exists(path):
            self._file.close()
            self._new_file(path)
        yield self._file

    def _catch_up(self, place: InPlace) -> None:
        """Read the index anew where a change that failed was made after all."""
        if place.is_ahead:
            place.is_ahead = False
            with contextlib.suppress(ClosedError):
                self._index, self.unreadable = place.read_index()

    def _drop_temporary(self) -> None:
        file, self._file = self._file, None
        path, self._h5_path = self._h5_path, None
        if file is not None:
            file.close()
        # A child that was forked leaves it to its parent.
        if path is not None and self._pid == os.getpid():
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)

    def _make_temporary(self) -> None:
        handle, path = tempfile.mkstemp(prefix="iat_lazy_ws_", suffix=".h5")
        os.close(handle)
        self._h5_path = path
        self._new_file(path)

    def _new_file(self, path: str) -> None:
        self._file = h5py.File(path, "w", track_order=True)
        write_header(self._file, self._header)


class _Saved:
    """A file that was saved."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def read(self, namespace: str, key: str, lazy: Any) -> Any:
        return read_from(self.file, namespace, key, lazy)

    def group(self, namespace: str, key: str) -> Any | None:
        return item_group(self.file, namespace, key)

    def close(self) -> None:
        self.file.close()


class _Package:
    """A package that was saved."""

    file: Any = None

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self, namespace: str, key: str, lazy: Any) -> Any:
        return package_item(self._path, namespace, key, None if lazy is None else "r")

    def group(self, namespace: str, key: str) -> None:
        return None

    def close(self) -> None:
        pass


_Source = _Saved | _Package
_OPEN: weakref.WeakSet[LazyAnalysisWorkspace] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for workspace in list(_OPEN):
        with contextlib.suppress(Exception):
            workspace.close()


def _flush_all() -> None:
    # What a child finds unwritten in memory it writes when it ends, over what its parent has.
    for workspace in list(_OPEN):
        with contextlib.suppress(Exception), workspace._lock:
            if workspace._file is not None:
                workspace._file.flush()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_flush_all)
