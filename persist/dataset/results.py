"""A directory of results as a mapping: values by key, with an info each, and inner directories."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import itertools
import json
import operator
import os
import socket
import threading
import warnings
import weakref
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, NoReturn

from persist.archive.arrays.blocks import import_dask
from persist.archive.registry import rule
from persist.archive.safe.policy import reading
from persist.dataset.blocks import DelayedItems, written_blocks
from persist.dataset.history import conflict_of
from persist.dataset.index import Index
from persist.dataset.layout import (
    HELD,
    LOCK,
    MARKER,
    PACKAGE,
    Generation,
    check_access,
    check_data_set,
    check_key,
    decomposed,
    file_names,
    has_conflict_markers,
    is_group,
    is_key,
    item_file,
    misspelled,
    plain_key,
    staging_names,
    unreadable,
)
from persist.dataset.manifest import Entry, InfoSource, entry_of, read_manifest
from persist.dataset.upgrade import create_data_set, make_group, upgrade
from persist.dataset.value import Item, make_item, read_value, stored_info
from persist.dataset.view import data_set_view
from persist.dataset.writer import Change, Options, Writer
from persist.errors import (
    ClosedError,
    DamagedError,
    DataSetError,
    InvalidKeyError,
    LostLockError,
    NoAccessError,
    PersistError,
    PersistWarning,
    ReadOnlyError,
    UnknownKeyError,
    UnsupportedObjectError,
)
from persist.files import TIMEOUT, FolderLock, check_path, identity_of, remove_path
from persist.files.digest import FileRecord, digest_file
from persist.files.write import write_bytes

__all__ = ["Infos", "Options", "Results", "open"]


def open(
    path: str | os.PathLike[str],
    mode: str = "r",
    *,
    mmap_mode: str | None = None,
    chunks: Any = None,
    trusted: bool | Iterable[str] = True,
    data_format: str = "npy",
    array_threshold: float = 100,
    durable: bool = True,
    provenance: bool = False,
    compression: str | None = None,
    timeout: float = TIMEOUT,
) -> Results:
    """Open a directory of results as a mapping from keys to values.

    .. warning::
       Reading a value runs its module, and opening a directory of release 3.2.1 or before runs its
       ``__init__.py``. Open only what you trust, or give ``trusted=False``: then nothing is run.

    Parameters
    ----------
    path : path
        The directory, of this or any older release.
    mode : {'r', 'w'}, optional
        ``'r'`` reads what is there; ``'w'`` also writes, and makes the directory if it is missing.
    mmap_mode : {None, 'r', 'c'}, optional
        Leave arrays in their files until they are used: read-only, or with changes that stay in
        memory.
    chunks : int, tuple or str, optional
        Return arrays of dask instead, with chunks as for ``dask.array.from_array``, say
        ``"auto"``. Each task opens the file that it reads, so the tasks may run on a cluster.
    trusted : bool or iterable of str, optional
        Whether values and infos are read by running their source. If not, the source is
        interpreted: it may call constructors that are known to be harmless, and the names given
        here; anything else raises `UntrustedError`.
    data_format : {'npy', 'npz', 'hdf5', 'zarr'}, optional
        The format of the files of arrays.
    array_threshold : float, optional
        Arrays with more elements than this are kept in files of their own.
    durable : bool, optional
        Wait until the disk holds each change. Otherwise changes may be lost if the machine loses
        its power.
    provenance : bool, optional
        Note with each value the versions, the git commit and the command line that made it.
    compression : {None, 'gzip', 'lzf'}, optional
        Compress arrays in HDF5 files, in chunks.
    timeout : float, optional
        How long to wait for another writer, in seconds.

    Raises
    ------
    DataSetError
        If the directory exists and is not a data set, or is missing and `mode` is ``'r'``.
    DamagedError
        If the manifest is missing or damaged.
    ValueError
        If the mode is unknown.

    Examples
    --------
    >>> import numpy, persist, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with persist.open(f"{folder.name}/results", "w") as results:
    ...     results["x"] = numpy.arange(200)
    ...     results.info["x"] = "250 Hz"
    ...     results.group("D0")["rate"] = 2.5
    >>> results = persist.open(f"{folder.name}/results")
    >>> int(results["x"].sum()), results.info["x"], results.groups
    (19900, '250 Hz', ['D0'])
    >>> folder.cleanup()
    """
    if mode not in ("r", "w"):
        raise DataSetError(f"cannot open {path}: mode must be 'r' or 'w', got {mode!r}")
    options = Options(
        mmap_mode, trusted, data_format, array_threshold, durable, provenance, compression, timeout,
        chunks=chunks,
    )  # fmt: skip
    return Results(path, mode, options)


class Results(MutableMapping[str, Any]):
    """Values by key, in a directory that any Python imports. `persist.open` makes one.

    Many processes may read and write at the same time. A value is read from the disk each time; to
    change one, set it again.

    Parameters
    ----------
    path : path
        The directory.
    mode : {'r', 'w'}, optional
        As for `persist.open`.
    options : Options, optional
        How values are read and stored.
    exclusive : bool, optional
        Hold the lock for as long as this object lives.
    allow_unlisted : bool, optional
        Open a directory with values that its manifest does not list.
    is_package : bool, optional
        Warn if the directory cannot be imported.

    Attributes
    ----------
    path : str
        The directory.
    mode : str
        ``'r'`` or ``'w'``.
    options : Options
        How values are read and stored.
    closed : bool
        True if nothing can be stored any more.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: str = "r",
        options: Options | None = None,
        *,
        exclusive: bool = False,
        allow_unlisted: bool = False,
        is_package: bool = True,
    ) -> None:
        text = check_path(path, "a data set")
        # Tab completion adds a slash: results/.
        self.path = text.rstrip("/" if os.sep == "/" else "/\\") or text or os.curdir
        self._home = None if os.path.isabs(text) else (os.getcwd(), os.stat(os.curdir))
        self.mode = mode
        self.options = options or Options()
        self.closed = False
        # Wrong options are refused before anything is created.
        _ = self.options.store
        self._lock = FolderLock(self.path, name=LOCK, timeout=self.options.timeout)
        if mode == "r" or os.path.lexists(self.path):
            check_data_set(self.path, "open")
        elif mode == "w":
            create_data_set(self.path, durable=self.options.durable)
        else:
            raise NotImplementedError(f"mode={mode} not supported")
        self._local = _Local()
        self._is_exclusive = exclusive
        trusted = self.options.trusted
        self._index = Index(self.path, trusted=trusted, allow_unlisted=allow_unlisted)
        self._writer = Writer(self.path, self._index, self.options)
        self._made_by: tuple[str, dict[str, Any]] | None = None
        self._free_number = (-1, 0)
        self._release: Callable[[], object] | None = None
        if exclusive:
            self.acquire()
        try:
            self._index.refresh()
        except BaseException:
            self.close()
            raise
        if is_package and self._index.number and not self._index.has_package:
            warnings.warn(
                f"cannot import {self.path}: {PACKAGE} is missing, empty or of another program; "
                f"run: persist repair {self.path}",
                PersistWarning,
                stacklevel=3,
            )

    def __reduce__(self) -> tuple[Any, ...]:
        if self._is_exclusive or self._local.change is not None:
            reason = "it holds its lock" if self._is_exclusive else "a batch is open"
            raise DataSetError(
                f"cannot pickle {self.path}: {reason}; give its path to the other process"
            )
        self._keep_folder()
        arguments = os.path.abspath(self.path), self.mode, self.options
        return type(self), arguments, {"closed": self.closed}

    # What a mapping has.

    def __getitem__(self, key: str) -> Any:
        return self.load(key, self.options.mmap_mode, chunks=self.options.chunks)

    def __setitem__(self, key: str, value: Any) -> None:
        self.store({key: value})

    def __delitem__(self, key: str) -> None:
        with self.changing() as change:
            change.delete(self._check_known(key))

    def __iter__(self) -> Iterator[str]:
        return iter(list(self.stored_infos()))

    def __len__(self) -> int:
        return len(self.stored_infos())

    def __contains__(self, key: object) -> bool:
        change = self._local.change
        if change is not None:
            return key in change
        self._follow()
        return key in self._index.infos

    def update(self, /, *args: Any, **named: Any) -> None:
        """Store many values as one commit: all, or none."""
        self.store(dict(*args, **named))

    def __ior__(self, values: Mapping[str, Any]) -> Results:
        self.update(values)
        return self

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self))

    def popitem(self) -> tuple[str, Any]:
        """Remove the last key, and return it with its value; KeyError if there is none."""
        for key in reversed(self.stored_infos()):
            return key, self.pop(key)
        raise UnknownKeyError("", self.path)

    def clear(self) -> None:
        """Remove all keys as one commit; no value is read, and inner data sets stay."""
        with self.changing() as change:
            for key in self:
                change.delete(key)

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return data_set_view(self).text()

    def _repr_html_(self) -> str:
        return data_set_view(self).html()

    def close(self) -> None:
        """Release the lock, if it is held. Nothing can be stored any more; reading still works."""
        self.closed = True
        self.release()

    # Values.

    def load(self, key: str, mmap_mode: str | None = None, *, chunks: Any = None) -> Any:
        """Return the value of a key.

        Parameters
        ----------
        key : str
            The key.
        mmap_mode : {None, 'r', 'c'}, optional
            Leave its arrays in their files until they are used: read-only, or with changes that
            stay in memory. A compressed array is an open ``h5py.Dataset`` or ``zarr.Array``.
        chunks : int, tuple or str, optional
            Return arrays of dask in place of those in files, with chunks as for
            ``dask.array.from_array``. Each task opens the file that it reads.

        Returns
        -------
        object
            The value; None if the key has only an info.

        Raises
        ------
        UnknownKeyError
            If the key is unknown.
        DamagedError
            If the file of the value is missing.
        DataSetError
            If making the value raises KeyError or AttributeError, which would look like a missing
            key.
        ValueError
            If the mode is another, or the arrays cannot be mapped.
        """
        change, index = self._local.change, self._index
        state = change or index
        if change is not None:
            self._keep_folder()
        while True:
            key = self._check_known(key)
            last = index.last
            if change is None and index.generation is Generation.PYTHON2:
                from persist.compat.data_sets import read_python2

                with self.reading():
                    return read_python2(self.path, key, mmap_mode=mmap_mode, chunks=chunks)
            try:
                is_whole = mmap_mode is None and chunks is None
                record = None if is_whole else state.record(key)
                with self.reading():
                    return read_value(state.place(), key, mmap_mode, chunks=chunks, record=record)
            except FileNotFoundError as error:
                self._follow()
                if index.last is not last:
                    # A writer has deleted or replaced the value meanwhile.
                    continue
                if state.place().find(key) is not None:
                    missing = f"{error.filename or error} is missing"
                elif state.record(key) is not None:
                    file = f"{self.path}/{item_file(key)}"
                    missing = f"{file} is missing, which holds the value of {key!r}"
                else:
                    return None
                remedy = conflict_of(self.path, key) or "restore it from a copy, or delete the key"
                if not key.isascii() and item_file(key) in decomposed(self.path):
                    remedy = misspelled(self.path)
                raise DamagedError(f"cannot load {key!r}: {missing}; {remedy}") from error
            except Exception as error:
                self._follow()
                if index.last is not last:
                    # The module may be of one version, its record or its arrays of another.
                    continue
                # Where source is interpreted, a syntax error is the cause of another one.
                is_source = isinstance(error.__cause__, SyntaxError)
                reason = error.__cause__ if is_source else error
                is_vague = isinstance(error, DamagedError) and f"{self.path}/" not in str(error)
                if isinstance(reason, PersistError) and not is_vague:
                    raise
                self._check_files(key, state.record(key), reason)
                if isinstance(error, (KeyError, AttributeError)):
                    # `setdefault` and `hasattr` would take it for a key that is missing.
                    raise DataSetError(
                        f"cannot load {key!r} from {self.path}: {type(error).__name__}: {error}"
                    ) from error
                raise

    def _check_files(
        self, key: str, record: Mapping[str, Any] | None, reason: BaseException | None
    ) -> None:
        """Raise DamagedError if a value cannot be loaded since a file of it was changed."""
        module = item_file(key)
        for name, known in sorted((record or {}).get("files", {module: None}).items()):
            path = f"{self.path}/{name}"
            try:
                is_same = known is None or digest_file(path) == FileRecord(*known)
            except OSError as error:
                raise unreadable(error, f"cannot load {key!r}: {path} cannot be read") from reason
            if is_same and not (name == module and isinstance(reason, SyntaxError)):
                continue
            if name == module and has_conflict_markers(path):
                raise DamagedError(
                    f"cannot load {key!r}: {path} has conflict markers of git; keep one side, "
                    f"then run: persist accept {self.path} {key}"
                ) from reason
            kind = "" if isinstance(reason, PersistError) else f"{type(reason).__name__}: "
            raise DamagedError(
                f"cannot load {key!r}: {path} is damaged ({kind}{reason}); restore it from a copy, "
                "or delete the key"
            ) from reason

    def store(
        self,
        values: Mapping[str, Any],
        infos: Mapping[str, Any] | None = None,
        *,
        compute: bool = True,
    ) -> Any:
        """Store many values and infos as one commit: all, or none.

        Arrays of dask and zarr, datasets of h5py, and objects of xarray with arrays of dask, are
        written block by block, and come back with arrays of numpy. Their blocks are written before
        the lock is taken.

        Parameters
        ----------
        values : mapping of str to object
            The values, by key.
        infos : mapping of str to object, optional
            Infos, by key; a key that has none yet gets None.
        compute : bool, optional
            Whether to store the values now. If not, they are stored, and committed, when the
            returned object is computed; other writers may make commits until then.

        Returns
        -------
        None or dask.delayed.Delayed
            With ``compute=False``, what stores the values when it is computed.

        Raises
        ------
        InvalidKeyError
            If nothing can be stored under a key.
        ArchiveError
            If a value or an info cannot be stored.
        ReadOnlyError, ClosedError
            If the data set is not open for writing.
        LockTimeout
            If another writer does not finish in time.
        OSError
            If the disk fails. Whatever the error, nothing has changed.
        """
        self._check_writable()
        values = {check_key(key): value for key, value in values.items()}
        infos = {check_key(key): info for key, info in (infos or {}).items()}
        if not values and not infos:
            return None
        infos = dict(zip(infos, map(stored_info, infos.values()), strict=True))
        items = []
        threshold, scoped = self.options.array_threshold, self.options.scoped
        for key, value in values.items():
            items.append(make_item(key, value, array_threshold=threshold, scoped=scoped))
        if not compute:
            return self._delayed(items, infos)
        if not any(map(operator.attrgetter("blocks"), items)):
            self.store_items(items, infos)
            return None
        store, durable = self.options.store, self.options.durable
        with written_blocks(self.path, items, store, durable=durable) as written:
            self.store_items(written, infos)
        return None

    def _delayed(self, items: list[Item], infos: Mapping[str, Any]) -> Any:
        if self._local.change is not None or self._release is not None:
            raise DataSetError(
                f"cannot delay a commit to {self.path} while its lock is held: "
                "leave the batch, or open the data set with synchronize=True"
            )
        plan = DelayedItems(self.path, items, self.options.store, self.options.durable)
        begun, written = plan.delayed(items)
        commit = functools.partial(_commit, os.path.abspath(self.path), self.options, plan, infos)
        return import_dask().delayed(commit, pure=False)(begun, written)

    def store_items(self, items: list[Item], infos: Mapping[str, Any]) -> None:
        """Store values that were made into items, and infos, as one commit: all, or none."""
        with self.changing() as change:
            keys = (*map(operator.attrgetter("key"), items), *infos)
            change.check_new(*keys, tells_case=self._tells_case)
            made_by = self._maker(change) if self.options.provenance else ""
            for item in items:
                change.set_value(item, made_by)
            for key, info in infos.items():
                change.set_info(key, info)

    def insert(self, /, *objects: Any, info: Any = None, **named: Any) -> list[str]:
        """Store objects under keys that are made up, or under the names of keywords.

        Parameters
        ----------
        *objects : object
            These get the first free of ``x_0``, ``x_1``…
        info : object, optional
            The info of all.
        **named : object
            These get the names of the keywords.

        Returns
        -------
        list of str
            The keys, in the order of the arguments.
        """
        with self.batch():
            keys = itertools.islice(self._free_keys(named), len(objects))
            items = {**dict(zip(keys, objects, strict=True)), **named}
            self.store(items, dict.fromkeys(items, info))
        return list(items)

    def rename(self, old: str, new: str) -> None:
        """Give a key another name; its value is not read, and its arrays stay where they are.

        An inner data set is renamed likewise. The same name again changes nothing.

        Raises
        ------
        UnknownKeyError
            If the key `old` is unknown.
        InvalidKeyError
            If there is a key `new`, or there can be none.
        DamagedError
            If the value is missing.
        """
        old, new = plain_key(old), check_key(new)
        if old not in self and self.has_group(old):
            if old != new:
                self._rename_group(old, new)
            return
        with self.changing() as change:
            self._check_known(old)
            if old == new:
                return
            if new in change:
                raise InvalidKeyError(new, "the key exists; delete it first")
            change.check_new(new, tells_case=self._tells_case)
            change.rename(old, new)

    @contextlib.contextmanager
    def batch(self) -> Iterator[Results]:
        """Make all changes of the block one commit: all take place at its end, or none.

        The lock is held until then. What the block has stored can be read in it.

        Yields
        ------
        Results
            This object.
        """
        with self.changing():
            yield self

    # Infos, and what is known without reading values.

    @property
    def info(self) -> Infos:
        """The infos by key: small notes, which are read when the data set is opened."""
        return Infos(self)

    def entries(self) -> dict[str, Entry]:
        """Return what is known of each key without reading it: type, shape, files, and so on."""
        self._follow()
        if self._index.generation is Generation.OWN:
            return read_manifest(self.path).entries()
        return {key: Entry(key) for key in self._index.infos}

    def entry(self, key: str) -> Entry:
        """Return what is known of one key.

        Raises
        ------
        UnknownKeyError
            If the key is unknown.
        """
        key = self._check_known(key)
        return entry_of(key, self._index.record(key), {})

    def module_name(self, key: str) -> str:
        """Return the name of the file that is the loader module of a key now.

        It is not in its place yet if a writer is at work, or died.
        """
        self._follow()
        return (self._local.change or self._index).place().current(item_file(key))

    # Inner data sets.

    @property
    def groups(self) -> list[str]:
        """The names of the data sets inside this one, sorted."""
        self._follow()
        return sorted(filter(self.has_group, file_names(self.path)))

    def has_group(self, name: str) -> bool:
        """Return True if there is an inner data set of a name, be it one that lost its marker."""
        self._keep_folder()
        name = plain_key(name)
        return isinstance(name, str) and name.isidentifier() and is_group(f"{self.path}/{name}")

    def group(self, name: str) -> Results:
        """Return the data set of a name inside this one, which is a package inside the package.

        Parameters
        ----------
        name : str
            The name. It is made if it is missing and this data set can be changed.

        Raises
        ------
        InvalidKeyError
            If there can be no such name, or a key has it.
        DataSetError
            If it is missing and cannot be made.
        """
        name = plain_key(name)
        self.make_group(name)
        return type(self)(f"{self.path}/{name}", self.mode, self.options)

    def make_group(self, name: str) -> None:
        """Make a data set inside this one, if it is missing; raise what `group` does."""
        if self.has_group(name):
            return
        check_key(name)
        if self.mode == "r":
            is_link = os.path.islink(f"{self.path}/{name}")
            reason = "is a symbolic link, which is not followed" if is_link else "does not exist"
            raise DataSetError(
                f"cannot open the inner data set {name!r}: {self.path}/{name} {reason}"
            )
        if self._local.change is not None:
            raise DataSetError(f"Make the inner data set {name!r} before the batch begins")
        self._check_writable()
        with self.changing() as change:
            if self.has_group(name):
                return
            if name in change or os.path.lexists(f"{self.path}/{name}"):
                raise InvalidKeyError(name, self._taken(name))
            change.check_new(name, tells_case=self._tells_case)
            staged = f"{self.path}/{staging_names(change.commit.number)[0]}"
            remove_path(staged)
            make_group(staged, self._writer.options)
            os.rename(staged, f"{self.path}/{name}")
            self._writer.sync()

    def delete_group(self, name: str) -> None:
        """Remove an inner data set, with all that is in it.

        Raises
        ------
        UnknownKeyError
            If there is none.
        """
        with self._changing_group(name) as change:
            # What can be removed in part only must stay whole.
            ids = os.access in os.supports_effective_ids
            for folder, _, _ in os.walk(f"{self.path}/{name}"):
                if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=ids):
                    raise NoAccessError(errno.EACCES, os.strerror(errno.EACCES), folder)
            staged = f"{self.path}/{staging_names(change.commit.number)[0]}"
            remove_path(staged)
            os.rename(f"{self.path}/{name}", staged)
            self._writer.sync()
            remove_path(staged)

    def _rename_group(self, old: str, new: str) -> None:
        with self._changing_group(old) as change:
            if new in change or os.path.lexists(f"{self.path}/{new}"):
                raise InvalidKeyError(new, self._taken(new))
            os.rename(f"{self.path}/{old}", f"{self.path}/{new}")
            self._writer.sync()

    def _taken(self, name: str) -> str:
        return f"something of that name is in {self.path} already; remove it, or move it away"

    @contextlib.contextmanager
    def _changing_group(self, name: str) -> Iterator[Change]:
        """Context manager that holds the locks of this data set and of an inner one."""
        if self._local.change is not None:
            raise DataSetError(f"cannot change the inner data set {name!r} in a batch")
        self._check_writable()
        lock = FolderLock(f"{self.path}/{name}", timeout=self.options.timeout)
        with self.changing() as change:
            # Another writer may have removed it.
            if not self.has_group(name):
                raise UnknownKeyError(name, self.path)
            with lock.hold():
                yield change

    # The one path of all changes.

    @contextlib.contextmanager
    def changing(self) -> Iterator[Change]:
        """Context manager that holds the lock and commits what its block changes.

        Yields
        ------
        Change
            The open batch of this thread; or a commit, which is undone if the block raises.
        """
        self._check_writable()
        if (change := self._local.change) is not None:
            with change.part():
                yield change
            return
        index = self._index
        # Each release takes one call of C, which no signal interrupts: that of the `with` block.
        with self._held() as held:
            try:
                index.refresh()
                is_own = index.generation is Generation.OWN and index.has_package
                if not (is_own and index.number and index.format == 2):
                    upgrade(self._writer)
                change = self._local.change = self._writer.begin()
                yield change
                if self._home is not None:
                    self._keep_folder()
                if held is None:
                    self._lock.check_held()
                elif not held.is_intact():
                    raise LostLockError(
                        f"Lost lock on {held.path}! Others may have written; try again"
                    )
                change.take_place()
            except BaseException as error:
                if change is not None:
                    change.abandon()
                if isinstance(error, OSError):
                    check_access(self.path, error)
                raise
            finally:
                self._local.change = None
                if held is not None:
                    held.release()

    def _held(self) -> Any:
        """Take the lock, or stand for the one that is held for the life of this object."""
        if self._release is None:
            try:
                return self._lock.hold()
            except OSError as error:
                check_access(self.path, error)
                raise
        if identity_of(f"{self.path}/{HELD}") != self._held_file or not self._lock.is_held:
            raise LostLockError(f"Lost lock on {self.path}/{HELD}!")
        return contextlib.nullcontext()

    def acquire(self) -> None:
        """Take the lock, and hold it until `release`, `close` or the end of this object.

        Raises
        ------
        LockTimeout
            If another writer does not release it in time.
        NotImplementedError
            If this object holds it already.
        ClosedError
            If the data set is closed.
        """
        if self.closed:
            raise ClosedError("DataSet has been closed")
        if self._release is not None:
            raise NotImplementedError("Lock already established! (Reentry not supported)")
        self._keep_folder()
        path = os.path.abspath(f"{self.path}/{HELD}")
        try:
            self._lock.acquire()
            owner = {"pid": os.getpid(), "host": socket.gethostname()}
            # A file that is there already has no owner: that one would hold the lock.
            write_bytes(path, json.dumps(owner).encode() + b"\n", durable=False)
            self._held_file = identity_of(path)
            self._release = weakref.finalize(
                self, _release, self._lock, path, self._held_file, os.getpid()
            )
        except BaseException as error:
            if self._lock.is_held:
                remove_path(path)
                self._lock.release()
            if isinstance(error, OSError):
                check_access(self.path, error)
            raise

    def release(self) -> None:
        """Release the lock that `acquire` has taken."""
        self._keep_folder()
        release, self._release = self._release, None
        if release is not None:
            try:
                release()
            finally:
                # An interrupt may have ended that halfway.
                _release(self._lock, f"{self.path}/{HELD}", self._held_file, os.getpid())

    def _check_writable(self) -> None:
        if self.mode == "r":
            raise ReadOnlyError("DataSet opened in read-only mode.")
        if self.closed:
            raise ClosedError("DataSet has been closed")
        if self._home is not None:
            self._keep_folder()

    def _maker(self, change: Change) -> str:
        """Return what the commit calls what makes the values of this object."""
        from persist.dataset.provenance import provenance

        if self._made_by is None:
            made = provenance()
            text = json.dumps(made, sort_keys=True).encode()
            self._made_by = hashlib.sha256(text).hexdigest()[:12], made
        name, made = self._made_by
        change.commit.provenance[name] = made
        return name

    def _free_keys(self, taken: Container[str]) -> Iterator[str]:
        """Yield made-up keys that are free."""
        change = self._local.change
        assert change is not None
        deletions, first = self._free_number
        if deletions != self._index.deletions or change.commit.delete:
            first = 0
        is_first = not change.commit.delete
        for number in itertools.count(first):
            if (key := f"{self.options.name_prefix}{number}") in change:
                continue
            if is_first:
                self._free_number, is_first = (self._index.deletions, number), False
            if key not in taken:
                yield key

    @functools.cached_property
    def _tells_case(self) -> bool:
        """Whether the file system tells capital letters from small ones."""
        return not os.path.exists(f"{self.path}/{MARKER.swapcase()}")

    # The state that this thread sees.

    def _keep_folder(self) -> None:
        """Stay in the opened folder when the process changes its working directory."""
        if self._home is not None and not os.path.samestat(os.stat(os.curdir), self._home[1]):
            self.path = os.path.join(self._home[0], self.path)
            self._index.move(self.path)
            self._writer.folder = self.path
            self._home = None

    def _follow(self) -> None:
        if self._home is not None:
            self._keep_folder()
        if not self._is_exclusive:
            self._index.refresh()

    def reading(self) -> AbstractContextManager[None]:
        """Context manager within which source is interpreted unless all of it is trusted."""
        trusted = self.options.trusted
        return contextlib.nullcontext() if trusted is True else reading(trusted)

    def stored_infos(self) -> dict[str, Any]:
        """Return all infos; those that JSON does not hold as `InfoSource`."""
        change = self._local.change
        if change is not None:
            return change.infos()
        self._follow()
        return self._index.infos

    def stored_info(self, key: str) -> Any:
        """Return an info; an `InfoSource` if JSON does not hold it.

        Raises
        ------
        UnknownKeyError
            If the key is unknown.
        """
        self._check_known(key)
        return (self._local.change or self._index).info(key)

    def _check_known(self, key: str) -> str:
        """Return a key that is there as a plain string, or raise UnknownKeyError."""
        if type(key) is not str:
            key = plain_key(key)
        if key not in self:
            file = f"{self.path}/{item_file(key)}" if is_key(key) else ""
            # A key that is about to be deleted still has its file.
            is_listed = key in self._index.infos or key in self._index.vanishing
            if file and not is_listed and os.path.lexists(file):
                raise DamagedError(
                    f"cannot use {key!r}: {file} is there, and the manifest does not list it; "
                    f"run: persist accept {self.path} {key}"
                )
            is_group = isinstance(key, str) and self.has_group(key)
            hint = (
                f"; {key} is an inner data set, for group({key!r}) and delete_group({key!r})"
                if is_group
                else ""
            )
            raise UnknownKeyError(key, f"{self.path}{hint}")
        return key


@rule(Results)
def refuse_results(results: Results) -> NoReturn:
    """Refuse to store a data set as a value, which would write its path into the archive."""
    raise UnsupportedObjectError(
        "a data set is a folder, not a value; use its group() for a data set inside it, or store "
        "the values"
    )


class Infos(MutableMapping[str, Any]):
    """The infos of a data set by key. To set one of a new key makes the key, with the value None.

    Parameters
    ----------
    results : Results
        The data set.
    """

    def __init__(self, results: Results) -> None:
        self._results = results

    def __getitem__(self, key: str) -> Any:
        info = self._results.stored_info(key)
        return self._value(key, info) if isinstance(info, InfoSource) else info

    def _value(self, key: str, info: InfoSource) -> Any:
        try:
            with self._results.reading():
                return info.value
        except (KeyError, AttributeError, SyntaxError) as error:
            raise DataSetError(
                f"cannot load the info of {key!r} from {self._results.path}: "
                f"{type(error).__name__}: {error}; set it again"
            ) from error

    def __setitem__(self, key: str, info: Any) -> None:
        self._results.store({}, {key: info})

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise UnknownKeyError(key, self._results.path)
        self[key] = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __contains__(self, key: object) -> bool:
        return key in self._results

    def update(self, /, *args: Any, **named: Any) -> None:
        """Set many infos as one commit: all, or none."""
        self._results.store({}, dict(*args, **named))

    def popitem(self) -> tuple[str, Any]:
        """Set the last info that is not None to None, and return it with its key, or KeyError."""
        for key in reversed(self._results):
            if (info := self[key]) is not None:
                self[key] = None
                return key, info
        raise UnknownKeyError("", self._results.path)

    def clear(self) -> None:
        """Set all infos to None, as one commit; the keys stay."""
        self.update(dict.fromkeys(self))

    def __repr__(self) -> str:
        return repr(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return all infos."""
        # Another thread may add to them.
        infos = dict(self._results.stored_infos())
        for key, info in infos.items():
            if isinstance(info, InfoSource):
                infos[key] = self._value(key, info)
        return infos


def _commit(
    path: str,
    options: Options,
    plan: DelayedItems,
    infos: Mapping[str, Any],
    begun: list[str | None],
    written: list[str],
) -> None:
    """Commit items whose blocks are written; a task of dask, which may run in another process."""
    results = Results(path, "w", options)
    try:
        results.store_items(plan.finish(begun, written), infos)
    finally:
        for file in filter(None, begun):
            remove_path(os.path.dirname(file))


class _Local(threading.local):
    """The batch that a thread is making, which no other thread sees."""

    change: Change | None = None


def _release(lock: FolderLock, path: str, file: tuple[int, int] | None, pid: int) -> None:
    if os.getpid() != pid or not lock.is_held:
        return
    try:
        if identity_of(path) == file:
            remove_path(path)
        else:
            warnings.warn(f"Lock file {path} lost or missing!", PersistWarning, stacklevel=2)
    finally:
        lock.release()
