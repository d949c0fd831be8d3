"""The interface of the documents: a directory of results whose attributes are keys."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from types import TracebackType
from typing import TYPE_CHECKING, Any

from persist.dataset.layout import HELD
from persist.dataset.manifest import Entry
from persist.dataset.results import Options, Results
from persist.dataset.view import data_set_view
from persist.files import TIMEOUT, check_path

__all__ = ["DataSet"]

# Attributes that release 3.2.1 has.
_OPTIONS = {f"_{option.name}": option.name for option in fields(Options)}
_OPTIONS["_backup_data"] = "backup"


class DataSet:
    """A directory of values and infos by key, which any Python imports.

    Setting an attribute stores a value, reading one loads it. An item is the info of a key: small,
    and read with the package. `persist.open` gives the same as a mapping.

    .. warning::
       Reading a value runs its module, and opening a data set of release 3.2.1 or before runs its
       ``__init__.py``. Open only data sets that you trust, or give ``trusted=False``: then nothing
       is run. The commands of ``persist`` run nothing unless they are told to.

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
    data_format : {'npy', 'npz', 'hdf5', 'zarr'}, optional
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
    trusted : bool or iterable of str, optional
        Whether values may be read by running their modules; see `persist.open`.

    Raises
    ------
    DataSetError
        If the folder exists and is not a data set, or it is missing and is not to be made.
    NotImplementedError
        If the mode or the format is unknown.
    LockTimeout
        If another object keeps the lock that this one is to hold.

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
    _results: Results

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
        timeout: float = TIMEOUT,
        scoped: bool = True,
        *,
        durable: bool = True,
        provenance: bool = False,
        compression: str | None = None,
        trusted: bool | Iterable[str] = True,
    ) -> None:
        self._module_name = module_name
        self._path = path
        self._synchronize = synchronize
        options = Options(
            None, trusted, data_format, array_threshold, durable, provenance, compression, timeout,
            backup_data, scoped, name_prefix,
        )  # fmt: skip
        # The path may be empty: the working directory.
        parts = [
            part if part == "" else check_path(part, "a data set") for part in (path, module_name)
        ]
        self._results = Results(os.path.join(*parts), mode, options, exclusive=not synchronize)

    def __str__(self) -> str:
        return f"DataSet {self._folder!r} containing {self._keys()}"

    def __repr__(self) -> str:
        options = self._results.options
        return (
            f"DataSet(module_name={self._module_name!r}, path={self._path!r}, "
            f"synchronize={self._synchronize!r}, array_threshold={options.array_threshold!r}, "
            f"backup_data={options.backup!r}, name_prefix={options.name_prefix!r})"
        )

    def _repr_html_(self) -> str:
        return data_set_view(self._results).html()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            results = self._results
            if name in results:
                return results.load(name)
            if results.has_group(name):
                return self._namespace(name)
            if name == "close":
                # A method unless there is a key of that name.
                return self._close
            if os.path.lexists(f"{results.path}/{name}.py"):
                raise AttributeError(
                    f"{name}.py is in {results.path}, and its manifest does not list it; run: "
                    f"persist accept {results.path} {name}"
                )
        elif name in _OPTIONS:
            return getattr(self._results.options, _OPTIONS[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self._results.store({name: value})

    def __delattr__(self, name: str) -> None:
        if name.startswith("_"):
            object.__delattr__(self, name)
        else:
            self._delete(name)

    def __getitem__(self, key: str) -> Any:
        return self._results.info[key]

    def __setitem__(self, key: str, info: Any) -> None:
        self._results.store({}, {key: info})

    def __contains__(self, key: object) -> bool:
        return key in self._results

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *self, *self._namespaces(), "close"})

    def __enter__(self) -> DataSet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    @property
    def _mode(self) -> str:
        """Either ``'r'`` or ``'w'``."""
        return self._results.mode

    @property
    def _folder(self) -> str:
        """The folder of the data set."""
        return self._results.path

    def _close(self) -> None:
        """Release the lock; nothing can be stored any more."""
        self._results.close()

    def _keys(self) -> list[str]:
        """Return the keys, sorted."""
        return sorted(self)

    @property
    def _info_dict(self) -> dict[str, Any]:
        """The infos by key. To change one, set it: ``ds[key] = info``."""
        return self._results.info.as_dict()

    @property
    def _manifest(self) -> dict[str, Entry]:
        """What is known of each key without reading its value: type, shape, files, and so on."""
        return self._results.entries()

    def _load(self, key: str, mmap_mode: str | None = None) -> Any:
        """Return the value of a key, its arrays mapped into memory if that is asked for.

        See `Results.load`.
        """
        return self._results.load(key, mmap_mode)

    def _update(self, items: Mapping[str, Any], infos: Mapping[str, Any] | None = None) -> None:
        """Store many values and infos as one commit: all, or none. See `Results.store`."""
        self._results.store(items, infos)

    def _insert(self, /, *objects: Any, info: Any = None, **named: Any) -> list[str]:
        """Store objects under keys that are made up, or under the names of keywords.

        See `Results.insert`.
        """
        return self._results.insert(*objects, info=info, **named)

    def _delete(self, key: str) -> None:
        """Remove a key, with its value and its info, or an inner data set.

        Raises
        ------
        UnknownKeyError
            If the key is unknown.
        """
        if key not in self and self._results.has_group(key):
            self._results.delete_group(key)
        else:
            del self._results[key]

    def _rename(self, old: str, new: str) -> None:
        """Give a key, or an inner data set, another name. See `Results.rename`."""
        self._results.rename(old, new)

    @contextlib.contextmanager
    def _batch(self) -> Iterator[DataSet]:
        """Make all changes of the block one commit: all take place at its end, or none.

        The lock is held until then. What the block has stored can be read in it.

        Yields
        ------
        DataSet
            This data set.
        """
        with self._results.batch():
            yield self

    def _namespaces(self) -> list[str]:
        """Return the names of the data sets inside this one, sorted."""
        return self._results.groups

    def _namespace(self, name: str) -> DataSet:
        """Return the data set of a name inside this one; it is made if it is missing.

        See `Results.group`.
        """
        inner = object.__new__(type(self))
        group = self._results.group(name)
        vars(inner).update(_module_name=name, _path=self._folder, _synchronize=True, _results=group)
        return inner

    def _lock(self) -> None:
        """Take the lock, until `_unlock`; raise OSError if that cannot be done."""
        self._results.acquire()

    def _unlock(self) -> None:
        """Release the lock that `_lock` has taken."""
        self._results.release()

    @contextlib.contextmanager
    def _ds_lock(self) -> Iterator[None]:
        """Hold the lock while the block runs."""
        self._lock()
        try:
            yield
        finally:
            self._unlock()
