"""Objects in one HDF5 file that is changed: a temporary one, or one that stays."""

from __future__ import annotations

import abc
import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from persist.errors import ClosedError, FileInUseError, LockTimeout, MissingPathError
from persist.files import remove_path
from persist.files.journal import Journal, recover
from persist.files.overlay import lock_exclusively
from persist.files.unbuffered import disk_errors, open_unbuffered
from persist.hdf5 import prepare
from persist.hdf5.in_place import JournaledFile, commit_files
from persist.hdf5.references import Link, leads_into, read_links, retargeted
from persist.workspace.backend import Place, SavedFile, Source
from persist.workspace.foreign import copy_foreign, delete_unreadable, link_all, path_of_unreadable
from persist.workspace.groups import (
    Header,
    delete_item,
    existing_group,
    item_group,
    read_header,
    rename_item,
    write_header,
    write_note,
    write_to,
)
from persist.workspace.index import Entry, Index
from persist.workspace.pair import (
    Pair,
    drop_listing,
    read_index,
    read_mark,
    seal_listing,
    write_listing,
    write_mark,
)

_MOST_FREE = 1 << 20  # bytes


class WorkspaceClosedError(ClosedError, TypeError):
    """A workspace is closed."""


class FileBackend(SavedFile, abc.ABC):
    """What both kinds share: objects are read from an open file, and changed in it."""

    # Whether there are references of other software; None until somebody has looked.
    _has_links: bool | None = None

    @property
    @abc.abstractmethod
    def path(self) -> str:
        """The file."""

    @abc.abstractmethod
    def changing(self) -> contextlib.AbstractContextManager[Any]:
        """Context manager that gives the open file for one change, which is made as a whole."""

    def put(self, namespace: str, key: str, obj: Any, entry: Entry) -> None:
        """Write an object, in the place of what is there."""
        item = prepare(obj)
        with self.changing() as file, self._linking(file, self._paths(namespace, key)):
            write_to(file, namespace, key, item, entry)

    def take(self, source: Source, place: Place, to: Place, entry: Entry) -> list[Link]:
        """Copy an object of another source, in the place of what is there."""
        with self.changing() as file, self._linking(file, self._paths(*to)):
            links = source.copy_to(file, *place, to, entry)
        if links:
            self._has_links = True
        return links

    def link(self, links: Mapping[Place, list[Link]], moved: Mapping[bytes, bytes]) -> None:
        """Point the references in taken objects at their targets, which were taken too."""
        found = {to: retargeted(links[to], moved) for to in links if links[to]}
        if found:
            with self.changing() as file:
                link_all(file, found)

    def set_note(self, namespace: str, key: str, note: Any) -> None:
        """Set or replace the note on an object."""
        with self.changing() as file:
            write_note(existing_group(file, namespace, key), note)

    def move(self, namespace: str, old_key: str, new_key: str) -> None:
        """Give an object another key, in the place of what is there."""
        with self.changing() as file, self._linking(file, self._paths(namespace, new_key)):
            rename_item(file, namespace, old_key, new_key)

    def remove(self, namespace: str, keys: Sequence[str]) -> None:
        """Remove objects; no namespace stays empty."""
        with self.changing() as file, self._linking(file, self._paths(namespace, *keys)):
            for key in keys:
                delete_item(file, namespace, key)

    def drop(self, namespace: str, key: str) -> None:
        """Remove something that cannot be read."""
        path = path_of_unreadable(self.file, namespace, key)
        with self.changing() as file, self._linking(file, [path] if path else []):
            delete_unreadable(file, namespace, key)

    def _paths(self, namespace: str, *keys: str) -> list[bytes]:
        """Return the paths of the groups of items to which references may lead."""
        if self._has_links is False:
            return []
        groups = (item_group(self.file, namespace, key) for key in keys)
        return [group.name.encode() for group in groups if group is not None]

    @contextlib.contextmanager
    def _linking(self, file: Any, paths: list[bytes]) -> Iterator[None]:
        """Context manager in which items are removed; references to them lead to others, or none.

        HDF5 would let them lead to whatever is written where the items were.
        """
        links: list[Link] = []
        if paths:
            links = read_links(file)
            self._has_links = bool(links)
        yield
        link_all(file, {}, [link for link in links if leads_into(link, paths)])


class TemporaryFile(FileBackend):
    """A file that is made when it is first used, and removed when it is closed.

    `image` is the content of a file to begin with, which may hold more than objects.
    """

    def __init__(self, header: Header, image: bytes | None = None) -> None:
        self._header = header
        self._image = image
        self._has_rest = image is not None
        self._has_links = None if self._has_rest else False
        self._path: str | None = None
        self._file: Any = None
        self._is_closed = False
        self._pid = os.getpid()

    @property
    def is_closed(self) -> bool:
        """Whether the file was removed."""
        return self._is_closed

    def check_open(self) -> None:
        """Raise ClosedError if the file was removed."""
        if self._is_closed:
            raise WorkspaceClosedError("this workspace is closed, and its objects are gone")

    @property
    def path(self) -> str:
        """The file."""
        self.check_open()
        if self._path is None:
            handle, self._path = tempfile.mkstemp(prefix="iat_lazy_ws_", suffix=".h5")
            os.close(handle)
            self._make(self._path)
        return self._path

    @property
    def file(self) -> Any:
        """The file, open.

        Raises
        ------
        OSError
            If it was removed.
        """
        path = self.path
        if not os.path.exists(path):
            raise MissingPathError(f"the file of this workspace was removed: {path}")
        return self._file

    @contextlib.contextmanager
    def changing(self) -> Iterator[Any]:
        """Give the open file for a change; made anew if it was removed."""
        path = self.path
        if self._pid != os.getpid():
            raise ClosedError("a process that was forked can read this workspace, not change it")
        if not os.path.exists(path):
            self._file.close()
            self._make(path)
        with disk_errors(path):
            yield self._file

    def compact(self) -> None:
        """Write the file anew without what was deleted or overwritten."""
        path, old = self.path, self.file
        new = f"{path}.tmp"
        try:
            with open_unbuffered(new, track_order=True) as file:
                write_header(file, self._header)
                link_all(file, {}, copy_foreign(old, file, []))
            self._file.close()
            os.replace(new, path)
        finally:
            remove_path(new)
            self._file = self._file or open_unbuffered(path, "r+")

    def copy_rest(
        self, file: Any, items: Iterable[Place], dropped: Iterable[Place] = ()
    ) -> list[Link]:
        """Copy what was in the image besides `items` to an open HDF5 file."""
        return super().copy_rest(file, items) if self._has_rest else []

    def flush(self) -> None:
        """Write what HDF5 has not written yet."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Remove the file. A child that was forked leaves it to its parent."""
        self._is_closed = True
        file, self._file = self._file, None
        path, self._path = self._path, None
        if file is not None:
            file.close()
        if path is not None and self._pid == os.getpid():
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)

    def _make(self, path: str) -> None:
        image, self._image = self._image, None
        if image is not None:
            with open(path, "wb") as file:
                file.write(image)
            self._file = open_unbuffered(path, "r+")
            return
        self._file = open_unbuffered(path, track_order=True)
        write_header(self._file, self._header)


class InPlaceFile(FileBackend):
    """A file that stays, and is changed through a journal.

    `timeout` is how long to wait for others that have the files open, in s.

    Attributes
    ----------
    header : Header
        What the file said of its workspace when it was opened.
    index, unreadable : dict
        The items of the file, which the workspace keeps up to date, and what cannot be read. They
        are read again after a change that failed, or was interrupted, and may have been made.

    Raises
    ------
    LockTimeout
        If others do not close the files.
    """

    def __init__(self, pair: Pair, header: Header, timeout: float) -> None:
        # Resolved now, since the process may change its working directory.
        self.pair = pair = Pair(os.path.abspath(pair.base))
        self._timeout = timeout
        self._opened: JournaledFile | None = None
        self._is_listed = True
        self._pid = os.getpid()
        self._lock = pair.lock(timeout)
        self._journal = Journal(pair.journal, lock=self._lock)
        try:
            self._lock.acquire()
        except LockTimeout as error:
            raise FileInUseError(pair.data, timeout, error.pid, error.host) from error
        try:
            pair.settle()
            if not os.path.exists(pair.data):
                pair.replace_locked(lambda new: _make(new, header), header, self._lock)
            self._open()
        except BaseException:
            self._lock.release()
            raise
        try:
            self.header = read_header(self.file, self.path)
            self.index, self.unreadable = read_index(self.file, self.path)
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> str:
        """The file."""
        return self.pair.data

    @property
    def file(self) -> Any:
        """The file, open.

        Raises
        ------
        ClosedError
            If it could not be opened again after a change failed.
        """
        return self._journaled.file

    @property
    def _journaled(self) -> JournaledFile:
        if self._opened is None:
            raise ClosedError(
                f"{self.pair.data} could not be opened again after an error: close this workspace, "
                "and open it anew"
            )
        return self._opened

    @contextlib.contextmanager
    def changing(self) -> Iterator[Any]:
        """Context manager that gives the open file, and commits what the block changed."""
        if self._pid != os.getpid():
            raise ClosedError("a process that was forked can read this workspace, not change it")
        opened = self._journaled
        file, overlay = opened.file, opened.overlay
        may_be_made = False
        try:
            if self._is_listed:
                # What is said of the items elsewhere is no longer so.
                drop_listing(file)
                write_mark(file)
            yield file
            may_be_made = True
            commit_files(self._journal, [opened])
        except BaseException as error:
            failure = overlay.failure
            with contextlib.suppress(OSError):
                self._reopen()
            if may_be_made:
                with contextlib.suppress(ClosedError):
                    index, unreadable = read_index(self.file, self.path)
                    _become(self.index, index)
                    _become(self.unreadable, unreadable)
            if failure is None or failure is error:
                raise
            raise failure from error
        self._is_listed = False
        if file.id.get_freespace() > _MOST_FREE:
            # HDF5 would write over it, and all of that would go through memory and the journal.
            with contextlib.suppress(OSError):
                self._reopen()

    def replace(self, fill: Callable[[str], Index], header: Header) -> None:
        """Write the files anew."""
        try:
            self.pair.replace_locked(fill, header, self._lock)
        finally:
            # Also where it fails: the new file may be in place by then.
            self._reopen()
        self._is_listed = True

    def finish(self, header: Header) -> None:
        """Note in both files what is there, and close them.

        Raises
        ------
        FileNotFoundError
            If the file was moved or removed; what was changed is in it.
        """
        try:
            if self._pid != os.getpid() or self._opened is None:
                return
            is_same = read_header(self.file, self.pair.data) == header
            if self._is_listed and is_same:
                return
            with self.changing() as file:
                if not is_same:
                    write_header(file, header)
                write_listing(file, self.index, self.unreadable)
            mark = read_mark(self.file)
            self._close_file()
            self.pair.check_there()
            seal_listing(self.pair.data)
            self.pair.rebuild(header, self.index, mark)
        finally:
            self.close()

    def close(self) -> None:
        """Close the file as it is, and let others have it."""
        self._close_file()
        # What a process that was forked has open is its parent's.
        if self._pid == os.getpid():
            with contextlib.suppress(OSError):
                if not self._journal.is_pending():
                    self._journal.remove()
            if self._lock.is_held:
                self._lock.release()

    def _open(self) -> None:
        recover(self.pair.journal)
        self._opened = JournaledFile(
            os.path.realpath(self.pair.data),
            lambda handle: lock_exclusively(handle, self.pair.data, self._timeout),
        )

    def _reopen(self) -> None:
        self._close_file()
        self._open()

    def _close_file(self) -> None:
        """Close the file without what was not committed."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()


def _become(mapping: dict[Any, Any], other: dict[Any, Any]) -> None:
    """Make a mapping equal to another; other threads never find it empty meanwhile."""
    mapping.update(other)
    for key in mapping.keys() - other.keys():
        del mapping[key]


def _make(path: str, header: Header) -> Index:
    with open_unbuffered(path, track_order=True) as file:
        write_header(file, header)
        write_listing(file, {}, {})
    return {}
