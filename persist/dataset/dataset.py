"""A directory of results, key by key, that is an importable package."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from persist.archive.arrays import get_store
from persist.dataset.adopt import adopt, write_package
from persist.dataset.batch import Batch
from persist.dataset.commit import Commit
from persist.dataset.create import create_data_set, make_marked_folder
from persist.dataset.held import Held
from persist.dataset.index import Index, InfoSource
from persist.dataset.info import info_source
from persist.dataset.item import Item, make_item
from persist.dataset.keys import check_key, check_portable, fold_case
from persist.dataset.layout import HELD, LOCK, MARKER, staged_folder
from persist.dataset.manifest import find_value
from persist.dataset.older import Generation
from persist.dataset.provenance import provenance as find_provenance
from persist.dataset.reading import DataSetReader
from persist.dataset.writer import StoreOptions, Writer
from persist.errors import ClosedError, DataSetError, InvalidKeyError, ReadOnlyError
from persist.files import FolderLock
from persist.names import UniqueNames

__all__ = ["DataSet"]


class DataSet(DataSetReader):
    """A directory of values and infos by key, which any Python imports.

    Setting an attribute stores a value, reading one loads it. An item is the info of a key: small,
    and read with the package.

    Parameters
    ----------
    module_name : path
        The name of the package. May have folders before it.
    mode : {'r', 'w'}, optional
        Whether the data set can be changed; it is made if it is missing, with ``'w'``.
    path : path, optional
        The folder of the package.
    synchronize : bool, optional
        Take the lock for each change, so that many processes may write. Otherwise it is held for as
        long as this object lives.
    array_threshold : float, optional
        Arrays with more elements than this are kept in files of their own.
    data_format : {'npy', 'npz', 'hdf5'}, optional
        The format of these files.
    backup_data : bool, optional
        Keep what is replaced as ``.bak``.
    name_prefix : str, optional
        The beginning of the keys that `_insert` makes up.
    timeout : float, optional
        How long to wait for the lock, in seconds.
    scoped : bool, optional
        Write expressions of objects into functions; otherwise, flat source for people to read.
    durable : bool, optional
        Wait until the disk holds each change. Without, changes may be lost if the machine loses its
        power.
    provenance : bool, optional
        Note with each value the versions, the git commit and the command line that made it.
    compression : {None, 'gzip', 'lzf'}, optional
        Compress arrays in HDF5 files, in chunks.

    Raises
    ------
    DataSetError
        If the folder is there and is no data set, or it is missing and is not to be made.
    NotImplementedError
        If the mode or the format is unknown.
    LockTimeout
        If another object keeps the lock that this one is to hold.

    Notes
    -----
    To read a data set is to run its modules: open only what you trust.

    Examples
    --------
    >>> import numpy, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> ds = DataSet("results", "w", path=folder.name, array_threshold=20)
    >>> ds.x = numpy.arange(100)
    >>> ds["x"] = "A large array"
    >>> float(ds.x.mean()), ds["x"], list(ds)
    (49.5, 'A large array', ['x'])
    >>> folder.cleanup()
    """

    _lock_file_name = HELD

    if TYPE_CHECKING:
        close: Callable[[], None]

    def __init__(
        self,
        module_name: str | os.PathLike[str],
        mode: str = "r",
        path: str | os.PathLike[str] = ".",
        synchronize: bool = True,
        _reload: bool = False,
        array_threshold: float = 100,
        data_format: str = "npy",
        backup_data: bool = False,
        name_prefix: str = "x_",
        timeout: float = 60,
        scoped: bool = True,
        *,
        durable: bool = True,
        provenance: bool = False,
        compression: str | None = None,
    ) -> None:
        self._module_name = module_name
        self._mode = mode
        self._path = path
        self._synchronize = synchronize
        self._array_threshold = array_threshold
        self._data_format = data_format
        self._backup_data = backup_data
        self._name_prefix = name_prefix
        self._timeout = timeout
        self._scoped = scoped
        self._durable = durable
        self._provenance = provenance
        self._compression = compression
        folder = os.path.join(path, module_name)
        options = StoreOptions(get_store(data_format, compression), durable, backup_data)
        create_data_set(folder, mode, durable=durable)
        self._lock = FolderLock(folder, name=LOCK, timeout=timeout)
        self._held = None if synchronize else Held(self._lock, folder)
        self._mutex = threading.RLock()
        self._closed = self._is_writing = False
        self._made_by = 0
        try:
            super().__init__(folder, follow=synchronize)
        except BaseException:
            self._close()
            raise
        self._writer = Writer(folder, self._index, options)

    def __str__(self) -> str:
        return f"DataSet {self._folder!r} containing {self._keys()}"

    def __repr__(self) -> str:
        names = "module_name path synchronize array_threshold backup_data name_prefix"
        options = ", ".join(f"{name}={getattr(self, '_' + name)!r}" for name in names.split())
        return f"DataSet({options})"

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self._update({name: value})

    def __setitem__(self, key: str, info: Any) -> None:
        self._update({}, {key: info})

    def __enter__(self) -> DataSet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        """Let go of the lock; nothing can be stored any more."""
        self._closed = True
        if self._held is not None:
            self._held.release()

    def _update(self, items: Mapping[str, Any], infos: Mapping[str, Any] | None = None) -> None:
        """Store many values and infos as one commit: all, or none.

        Parameters
        ----------
        items : mapping of str to object
            The values, by key.
        infos : mapping of str to object, optional
            Infos, by key; a key that has none yet gets None.

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
        infos = {} if infos is None else infos
        for key in (*items, *infos):
            check_key(key)
        if not items and not infos:
            return
        made = [self._make_item(key, value) for key, value in items.items()]
        sources = {key: info_source(info) for key, info in infos.items()}
        with self._writing():
            self._check_new([*items, *infos])
            self._store(made, infos, sources)

    def _insert(self, *objects: Any, info: Any = None, **named: Any) -> list[str]:
        """Store objects under keys that are made up, or under the names of keywords.

        Parameters
        ----------
        *objects : object
            These get the first free of ``x_0``, ``x_1``…, by `name_prefix`.
        info : object, optional
            The info of all.
        **named : object
            These get the names of the keywords.

        Returns
        -------
        list of str
            The keys, in the order of the arguments.
        """
        self._check_writable()
        with self._writing():
            names = UniqueNames((*self, *named))
            items = {self._free_key(names): value for value in objects}
            items.update(named)
            self._update(items, dict.fromkeys(items, info))
        return list(items)

    def _free_key(self, names: UniqueNames) -> str:
        number = 0
        while f"{self._name_prefix}{number}" in names:
            number += 1
        names.add(f"{self._name_prefix}{number}")
        return f"{self._name_prefix}{number}"

    def _delete(self, key: str) -> None:
        """Remove a key, with its value and its info.

        Raises
        ------
        UnknownKeyError
            If there is no such key.
        """
        with self._batch():
            self._check_known(key)
            assert self._batch_now is not None
            self._batch_now.delete(key)

    def _rename(self, old: str, new: str) -> None:
        """Give a key another name; its value is not read, and its arrays stay where they are.

        Raises
        ------
        UnknownKeyError
            If there is no key `old`.
        InvalidKeyError
            If there is a key `new`, or there can be none.
        """
        check_key(new)
        with self._batch():
            self._check_known(old)
            if new in self:
                raise InvalidKeyError(new, "there is such a key already: delete it first")
            self._check_new([new])
            batch = self._batch_now
            assert batch is not None
            info = self._infos_now()[old]
            source = info.text if isinstance(info, InfoSource) else None
            entry = None if batch.has_deleted(old) else find_value(self._folder, old)
            batch.rename(old, new, None if source is not None else info, source, entry)

    @contextlib.contextmanager
    def _batch(self) -> Iterator[DataSet]:
        """Make all changes of the block one commit: all take place at its end, or none.

        The lock is held until then. What the block has stored can be read in it.

        Yields
        ------
        DataSet
            This data set.
        """
        self._check_writable()
        with self._writing():
            if self._batch_now is not None:
                yield self
                return
            self._provenance_number()
            batch = self._batch_now = Batch(self._writer)
            try:
                yield self
            except BaseException:
                batch.discard()
                raise
            finally:
                self._batch_now = None
            batch.commit()

    def _namespace(self, name: str) -> DataSet:
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
        check_key(name)
        if not self._has_namespace(name):
            self._make_namespace(name)
        return type(self)(
            name,
            self._mode,
            self._folder,
            array_threshold=self._array_threshold,
            data_format=self._data_format,
            backup_data=self._backup_data,
            name_prefix=self._name_prefix,
            timeout=self._timeout,
            scoped=self._scoped,
            durable=self._durable,
            provenance=self._provenance,
            compression=self._compression,
        )

    def _make_namespace(self, name: str) -> None:
        if self._mode == "r":
            raise DataSetError(f"There is no data set {name!r} in {self._folder}")
        if self._batch_now is not None:
            raise DataSetError(f"Make the inner data set {name!r} before the batch begins")
        self._check_writable()
        with self._writing():
            if self._has_namespace(name):
                return
            if name in self or os.path.lexists(self._writer.path(name)):
                raise InvalidKeyError(name, f"something of that name is in {self._folder} already")
            self._check_new([name])
            commit = Commit(self._index.number + 1, namespaces=[name])
            commit.staged = staged_folder(commit.number)
            with self._writer.undone(commit.number):
                staged = self._writer.path(commit.staged)
                make_marked_folder(staged)
                write_package(Writer(staged, Index(staged), self._writer.options))
                line = self._writer.append(commit)
                os.rename(staged, self._writer.path(name))
            self._writer.finish(line, commit)

    def _make_item(self, key: str, value: Any) -> Item:
        return make_item(key, value, array_threshold=self._array_threshold, scoped=self._scoped)

    def _store(
        self, items: list[Item], infos: Mapping[str, Any], sources: Mapping[str, str | None]
    ) -> None:
        batch = self._batch_now
        if batch is None and len(items) == 1 and not infos:
            self._writer.set_value(items[0], self._provenance_number())
        elif batch is None and not items:
            self._writer.set_infos(
                {key: info if sources[key] is None else None for key, info in infos.items()},
                {key: source for key, source in sources.items() if source is not None},
            )
        else:
            with self._batch():
                assert self._batch_now is not None
                for item in items:
                    self._batch_now.set_value(item, self._made_by)
                for key, info in infos.items():
                    self._batch_now.set_info(key, info, sources[key])

    def _provenance_number(self) -> int:
        """Return the commit that says what makes the values of this object; 0 if nobody asked."""
        if self._provenance and not self._made_by:
            commit = Commit(self._index.number + 1, provenance=find_provenance())
            self._writer.finish(self._writer.append(commit), commit)
            self._made_by = commit.number
        return self._made_by

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock, and have the data set in a state that can be changed."""
        with self._mutex:
            if self._is_writing:
                yield
                return
            with self._lock if self._held is None else self._held:
                self._is_writing = True
                try:
                    self._prepare()
                    yield
                finally:
                    self._is_writing = False

    def _prepare(self) -> None:
        self._index.refresh()
        if self._index.generation is not Generation.OWN:
            adopt(self._writer, array_threshold=self._array_threshold, scoped=self._scoped)
        self._writer.settle()
        if not (self._index.has_package and self._index.number):
            write_package(self._writer)

    def _check_writable(self) -> None:
        if self._mode == "r":
            raise ReadOnlyError("DataSet opened in read-only mode.")
        if self._closed:
            raise ClosedError("DataSet has been closed")

    def _check_new(self, keys: list[str]) -> None:
        """Refuse keys that would hide, or be hidden by, what is there."""
        known = self._infos_known()
        for key in dict.fromkeys(keys):
            if key in known:
                continue
            if self._has_namespace(key):
                raise InvalidKeyError(key, "a data set inside this one has that name")
            is_alone = not self._is_alike(fold_case(key), known)
            check_portable(key, is_alone=is_alone, tells_case=self._tells_case)

    def _is_alike(self, folded: str, known: Mapping[str, Any]) -> bool:
        """Tell whether there is a key that differs only by case."""
        batch = self._batch_now
        if folded not in self._index.folded and (batch is None or folded not in batch.folded):
            return False
        # It may be one that the batch deletes.
        return any(fold_case(key) == folded for key in (*known, *self._index.namespaces))

    @functools.cached_property
    def _tells_case(self) -> bool:
        """Whether the file system tells capital letters from small ones."""
        return not os.path.exists(self._writer.path(MARKER.swapcase()))
