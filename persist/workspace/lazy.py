"""A workspace whose objects are on disk."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import sys
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import h5py
import numpy

from persist.archive.arrays.handles import ArrayHandle
from persist.errors import ArgumentError, ClosedError
from persist.files import TIMEOUT, check_path
from persist.workspace.backend import SavedFile
from persist.workspace.file_backend import InPlaceFile, TemporaryFile
from persist.workspace.index import Entry, listed
from persist.workspace.loaded import LoadedFile
from persist.workspace.package import SavedPackage, is_workspace_package
from persist.workspace.pair import Pair
from persist.workspace.saving import (
    Saved,
    check_errors,
    open_saved,
    raise_unreadable,
    warn_unreadable,
)
from persist.workspace.workspace import AnalysisWorkspace

if TYPE_CHECKING:
    from typing_extensions import Self


_Path = str | os.PathLike[str]
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

    _backend: TemporaryFile | InPlaceFile

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        _OPEN.add(self)

    @classmethod
    def load(
        cls: type[_Lazy],
        path: _Path,
        *,
        errors: str = "raise",
        trusted: Iterable[str] | bool | None = None,
        timeout: float = TIMEOUT,
    ) -> _Lazy:
        """Return a workspace that was saved; **executes** items that are got, without `trusted`.

        The objects stay on disk until they are got.

        Parameters
        ----------
        path, errors, trusted, timeout
            See `AnalysisWorkspace.load`.
        """
        check_errors(errors)
        if not isinstance(trusted, bool) and trusted is not None:
            trusted = tuple(trusted)
        saved = open_saved(path, timeout=timeout)
        if errors == "raise" and saved.unreadable:
            saved.source.close()
            raise_unreadable(path, saved.unreadable)
        found = cls(saved.header.name)
        found._adopt(saved, trusted)
        warn_unreadable(path, saved.unreadable)
        return found

    @classmethod
    def open(
        cls: type[_Lazy],
        path: _Path,
        *,
        name: str | None = None,
        errors: str = "raise",
        timeout: float = TIMEOUT,
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
        errors : {'raise', 'skip'}, optional
            What to do about items that cannot be read; see `load`. They stay in the file.
        timeout : float, optional
            How long to wait for others that have the file open, in s.

        Raises
        ------
        LockTimeout
            If they do not close it.
        ValueError
            If an item cannot be read.
        """
        check_errors(errors)
        pair = Pair.at(path)
        if is_workspace_package(pair.base) and not os.path.exists(pair.data):
            raise ArgumentError(
                f"cannot open {pair.base} in place: it is a package; load it, and save it in HDF5"
            )
        found = cls(name)
        found._keep_in(pair, errors, timeout)
        warn_unreadable(path, found.unreadable)
        return found

    def _keep_in(self, pair: Pair, errors: str, timeout: float) -> None:
        """Keep the items of this empty workspace in a file, and take over those in it."""
        backend = InPlaceFile(pair, self._header, timeout)
        if errors == "raise" and backend.unreadable:
            backend.close()
            raise_unreadable(pair.data, backend.unreadable)
        self._take_header(backend.header)
        self._backend = backend
        self._index, self.unreadable = backend.index, backend.unreadable

    def compact(self) -> None:
        """Write the file anew without what was deleted or overwritten."""
        with self._lock:
            if isinstance(self._backend, InPlaceFile):
                self._backend.replace(self._fill, self._header)
            else:
                self._backend.compact()

    def flush(self) -> None:
        """Write what is pending in memory to the temporary file; a given file never waits."""
        with self._lock:
            if isinstance(self._backend, TemporaryFile):
                self._backend.flush()

    def close(self) -> None:
        """Remove the temporary file, or leave the given one whole; all is then forgotten."""
        with self._lock:
            backend, self._backend = self._backend, self._new_backend()
            self._backend.close()
            self._index, self.unreadable = {}, {}
            _OPEN.discard(self)
            if isinstance(backend, InPlaceFile):
                backend.finish(self._header)
            else:
                backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            if "_backend" in vars(self):
                self.close()
        except Exception as error:
            with contextlib.suppress(Exception):
                print(f"{type(self).__name__} cleanup failed: {error}", file=sys.__stderr__)

    @property
    def _items(self) -> dict[str, dict[str, Any]]:
        raise NotImplementedError(
            "the objects of a lazy workspace are on disk: "
            "use list_namespaces(), list_keys() and get()"
        )

    @_items.setter
    def _items(self, value: Any) -> None:
        pass

    @property
    def _h5_path(self) -> str | None:
        """The file of the workspace, or None when it is closed."""
        backend = self._backend
        return None if isinstance(backend, TemporaryFile) and backend.is_closed else backend.path

    @property
    def _file(self) -> Any:
        """The same, open."""
        return self._backend.file

    def _new_backend(self) -> TemporaryFile:
        return TemporaryFile(self._header)

    def _headline(self, backing: str = "") -> str:
        if isinstance(self._backend, InPlaceFile):
            return super()._headline(f", kept in {self._backend.path}")
        return super()._headline(", backed by temp HDF5")

    def _handles(self, namespace: str, key: str, entry: Entry) -> Any:
        """Return what makes handles of the datasets of an item."""

        def handle(
            source: SavedFile, path: str, shape: tuple[int, ...], dtype: numpy.dtype[Any]
        ) -> ArrayHandle:
            def read(index: Any) -> Any:
                with self._lock:
                    if self.get_info(namespace, key) is not entry:
                        raise ClosedError(
                            f"({namespace!r}, {key!r}) was replaced, renamed or removed, or its "
                            "workspace closed: get the array again"
                        )
                    found = source.file[path][index]
                # HDF5 does not tell all types of one size apart.
                return found.astype(dtype, copy=False) if found.shape else found

            return ArrayHandle(shape, dtype, read)

        return handle

    def _adopt(self, saved: Saved, trusted: tuple[str, ...] | bool | None) -> None:
        """Take the items of a saved workspace for those of this one."""
        self._take_header(saved.header)
        self._trusted = trusted
        self._index = saved.index
        self.unreadable = saved.unreadable
        items = [(namespace, key) for namespace, key, _ in listed(saved.index)]
        self._backend = LoadedFile(self._header, saved.source, items)
        if not saved.unreadable:
            saved.mend(saved.index)

    def _is_saved_in_place(self, path: _Path, format: str) -> bool:
        backend = self._backend
        if isinstance(backend, TemporaryFile):
            # Else what was forgotten when it was closed would replace what was saved.
            backend.check_open()
            return False
        data, mine = Pair.at(path).data, backend.path
        # Also where somebody has removed it: it is then written anew.
        is_same = os.path.realpath(data) == os.path.realpath(mine)
        is_same = is_same or (os.path.exists(data) and os.path.samefile(data, mine))
        if is_same and format == "package":
            raise ArgumentError(
                f"cannot save a package in the place of {mine}: this workspace is kept in that "
                "file; save it to another path, or close it and load the file"
            )
        return is_same

    def _follow(self, path: _Path) -> None:
        backend = self._backend
        if not isinstance(backend, LoadedFile) or not isinstance(backend.saved, SavedPackage):
            return
        base = os.path.realpath(check_path(path, "a workspace").removesuffix(".h5"))
        if base == os.path.realpath(backend.saved.path):
            backend.read_from(open_saved(path).source)

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = super().__getstate__()
            del state["_backend"]
            if self._h5_path is not None:
                image = io.BytesIO()
                with h5py.File(image, "w", track_order=True) as file:
                    self._write_to(file)
                state["_image"] = image.getvalue()
            return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        image = state.pop("_image", None)
        super().__setstate__(state)
        self._backend = TemporaryFile(self._header, image)
        if image is None:
            self._backend.close()
        _OPEN.add(self)


_OPEN: weakref.WeakSet[LazyAnalysisWorkspace] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for workspace in list(_OPEN):
        with contextlib.suppress(Exception):
            workspace.close()


def _flush_all() -> None:
    # What a child finds unwritten in memory it writes when it ends, over what its parent has.
    for workspace in list(_OPEN):
        with contextlib.suppress(Exception):
            workspace.flush()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_flush_all)
