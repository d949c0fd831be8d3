"""A data set as it is read: without a lock, whatever writers do at the same time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

from persist.dataset.batch import Batch
from persist.dataset.index import Index, InfoSource
from persist.dataset.layout import is_data_set, item_file
from persist.dataset.manifest import Entry, find_value, read_manifest
from persist.dataset.older import Generation, read_older
from persist.dataset.read import has_source, map_value, read_value
from persist.errors import DamagedError, UnknownKeyError

__all__ = ["DataSetReader"]


class DataSetReader:
    """The values, infos and inner data sets of a folder.

    Parameters
    ----------
    folder : str
        The data set.
    follow : bool
        Whether to look for what others have written before each use; otherwise what was read first
        counts.
    """

    def __init__(self, folder: str, follow: bool) -> None:
        self._folder = folder
        self._follow = follow
        self._index = Index(folder)
        self._index.refresh()
        self._local = threading.local()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            if name in self:
                return self._read(name)
            if self._has_namespace(name):
                return self._namespace(name)
            if name == "close":
                # A method unless there is a key of that name.
                return self._close
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getitem__(self, key: str) -> Any:
        self._check_known(key)
        info = self._infos_now().get(key)
        return info.value if isinstance(info, InfoSource) else info

    def __contains__(self, key: object) -> bool:
        return key in self._infos_now()

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._infos_now()))

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *self._infos_now(), *self._namespaces(), "close"})

    def _keys(self) -> list[str]:
        """Return the keys, sorted."""
        return sorted(self._infos_now())

    @property
    def _batch_now(self) -> Batch | None:
        """The batch that this thread is making, which no other sees."""
        return getattr(self._local, "batch", None)

    @_batch_now.setter
    def _batch_now(self, batch: Batch | None) -> None:
        self._local.batch = batch

    @property
    def _info_dict(self) -> dict[str, Any]:
        """The infos by key. To change one, set it: ``ds[key] = info``."""
        # Another thread may add to them.
        infos = dict(self._infos_now())
        # Few data sets have any, and there may be ten thousand infos.
        if InfoSource in set(map(type, infos.values())):
            for key, info in infos.items():
                if isinstance(info, InfoSource):
                    infos[key] = info.value
        return infos

    @property
    def _manifest(self) -> dict[str, Entry]:
        """What is known of each key without reading its value: type, shape, files, and so on."""
        self._refresh()
        if self._index.generation is Generation.OWN:
            return read_manifest(self._folder).entries()
        return {key: Entry(key) for key in self._index.infos}

    def _namespaces(self) -> list[str]:
        """Return the names of the data sets inside this one, sorted."""
        self._refresh()
        return sorted(name for name in self._index.namespaces if self._has_namespace(name))

    def _load(self, key: str, mmap_mode: str | None = None) -> Any:
        """Return the value of a key, its arrays mapped into memory if that is asked for.

        Parameters
        ----------
        key : str
            The key.
        mmap_mode : {None, 'r', 'c'}, optional
            Leave the arrays in their files until they are used: read-only, or with changes that
            stay in memory. A compressed array is an open ``h5py.Dataset``.

        Raises
        ------
        UnknownKeyError
            If there is no such key.
        DamagedError
            If the module of the value is missing.
        ValueError
            If the mode is another, or the arrays cannot be mapped.
        """
        self._check_known(key)
        if mmap_mode is None:
            return self._read(key)
        batch = self._batch_now
        if batch is not None and batch.has_value(key):
            place = os.path.join(self._folder, batch.folder)
            return map_value(place, key, batch.value(key), mmap_mode)
        if batch is not None and batch.has_deleted(key):
            return None
        if not has_source(self._folder, key):
            return self._without_source(key)
        return map_value(self._folder, key, find_value(self._folder, key), mmap_mode)

    def _namespace(self, name: str) -> DataSetReader:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError

    def _read(self, key: str) -> Any:
        batch = self._batch_now
        if batch is not None and batch.has_value(key):
            return read_value(os.path.join(self._folder, batch.folder), key)
        if batch is not None and batch.has_deleted(key):
            return None
        try:
            return read_older(self._folder, key, self._index.generation)
        except FileNotFoundError:
            if has_source(self._folder, key):
                raise
            return self._without_source(key)

    def _without_source(self, key: str) -> None:
        """Return None for a key that has only an info; its module is not lost then."""
        if self._index.generation is not Generation.OWN:
            return
        if find_value(self._folder, key) is None or has_source(self._folder, key):
            return
        raise DamagedError(
            f"{os.path.join(self._folder, item_file(key))} is missing, which holds the value of "
            f"{key!r}: bring it back from a copy, or delete the key"
        )

    def _infos_now(self) -> dict[str, Any]:
        self._refresh()
        return self._infos_known()

    def _infos_known(self) -> dict[str, Any]:
        batch = self._batch_now
        return self._index.infos if batch is None else batch.infos

    def _refresh(self) -> None:
        if self._follow:
            self._index.refresh()

    def _has_namespace(self, name: str) -> bool:
        folder = os.path.join(self._folder, name)
        return is_data_set(folder) and not os.path.islink(folder)

    def _check_known(self, key: str) -> None:
        if key not in self:
            raise UnknownKeyError(key, self._folder)
