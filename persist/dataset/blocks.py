"""Arrays larger than memory: written block by block before they are committed, read in chunks.

Blocks are written to a staging folder, without the lock of the data set: they may take hours. The
commit moves the finished files into place. A writer that is killed meanwhile leaves its folder
``.blocks.<digits>.tmp``, which the next writer removes.

The writer holds a lock in its staging folder. Only a delayed write has none, as its tasks run in
any process; its folder counts as abandoned when nothing was written to it for a week.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy

from persist.archive.arrays import Array, Store, load_arrays
from persist.archive.arrays.blocks import BlockArray, import_dask
from persist.dataset.layout import LOCK
from persist.errors import DataSetError, LockTimeout
from persist.files import FolderLock, remove_path
from persist.files.digest import FileRecord, digest_beside, digest_file
from persist.files.replace import temporary_name
from persist.files.write import sync_file

if TYPE_CHECKING:
    from persist.dataset.value import Item

__all__ = [
    "DelayedItems",
    "Written",
    "chunked_arrays",
    "remove_abandoned",
    "written_blocks",
]

_log = logging.getLogger(__name__)

_STAGING = re.compile(r"\.blocks\.[0-9a-f]{16}\.tmp")
_ABANDONED = 7 * 24 * 3600.0  # s, since the last change of a folder that no process holds


@dataclass(frozen=True)
class Written:
    """The finished files of a value, which are not in their places yet.

    Parameters
    ----------
    path : str
        The file, or the folder of files.
    records : dict of str to FileRecord
        What is known of each file, by what follows `path` in its name.
    """

    path: str
    records: dict[str, FileRecord]


def _make_staging(folder: str) -> str:
    staging = temporary_name(os.path.join(folder, "blocks"))
    os.mkdir(staging)
    return staging


@contextlib.contextmanager
def _held_staging(folder: str) -> Iterator[str]:
    """Context manager that makes a staging folder, holds its lock, and removes it."""
    while True:
        staging = _make_staging(folder)
        try:
            held = FolderLock(staging, name=LOCK).hold()
            break
        except FileNotFoundError:
            # Another writer has taken the folder for an abandoned one, and removed it.
            continue
    try:
        yield staging
    finally:
        # Windows does not remove an open file.
        held.release()
        with contextlib.suppress(FileNotFoundError):
            remove_path(staging)


def remove_abandoned(folder: str) -> None:
    """Remove the staging folders of writers that were killed.

    Parameters
    ----------
    folder : str
        The data set.
    """
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if _STAGING.fullmatch(entry.name)]
    for staging in (entry.path for entry in found if entry.is_dir(follow_symlinks=False)):
        try:
            if os.path.lexists(os.path.join(staging, LOCK)):
                _remove_unlocked(staging)
            elif time.time() - _last_change(staging) > _ABANDONED:
                remove_path(staging)
        except LockTimeout:
            pass
        except OSError as error:
            # Blocks of another user must not stop all writers.
            _log.warning("Cannot remove %s, which a killed writer has left: %s", staging, error)


def _remove_unlocked(staging: str) -> None:
    lock = FolderLock(staging, name=LOCK, timeout=0, keep=False)
    with lock:
        for name in os.listdir(staging):
            if name != LOCK:
                remove_path(os.path.join(staging, name))
    if os.name == "nt":
        # It could not be removed while it was held; nor can it be if a new writer holds it.
        remove_path(os.path.join(staging, LOCK))
    # A new writer that waited for the lock has made another one: then the folder is not empty.
    with contextlib.suppress(OSError):
        os.rmdir(staging)


def _last_change(staging: str) -> float:
    paths = [staging]
    for folder, folders, names in os.walk(staging):
        paths += [os.path.join(folder, name) for name in (*folders, *names)]
    return max(os.lstat(path).st_mtime for path in paths)


def _begin(staging: str, item: Item, store: Store) -> str:
    path = os.path.join(staging, "data") + store.extension
    store.begin(path, item.arrays, item.blocks)
    return path


def _finish(path: str, item: Item, store: Store, durable: bool) -> Item:
    store.finish(path)
    records = {}
    for file in store.files(path, item.arrays):
        sync = partial(sync_file, file) if durable else bool
        name = file[len(path) :].replace(os.sep, "/")
        records[name] = digest_beside(sync, partial(digest_file, file), os.path.getsize(file))
    return replace(item, written=Written(path, records))


@contextlib.contextmanager
def written_blocks(
    folder: str, items: Sequence[Item], store: Store, *, durable: bool
) -> Iterator[list[Item]]:
    """Context manager that writes the arrays of all items that have blocks, and removes leftovers.

    Parameters
    ----------
    folder : str
        The data set.
    items : sequence of Item
        What is about to be stored.
    store : Store
        The format of its arrays.
    durable : bool
        Whether to wait until the disk holds the files.

    Yields
    ------
    list of Item
        The items, with the files that were written.
    """
    finished = []
    with contextlib.ExitStack() as stack:
        for item in items:
            if item.blocks:
                path = _begin(stack.enter_context(_held_staging(folder)), item, store)
                _write(path, item.blocks, store)
                item = _finish(path, item, store, durable)
            finished.append(item)
        yield finished


def _write(path: str, blocks: Mapping[str, BlockArray], store: Store) -> None:
    for name, array in blocks.items():
        if not array.is_dask:
            for region in array.regions():
                store.write_block(path, name, region, numpy.asarray(array.source[region]))
    arrays = [(path, name, array) for name, array in blocks.items() if array.is_dask]
    if arrays:
        import_dask().compute(*_delayed_writes(store, arrays))


def _delayed_writes(store: Store, arrays: Sequence[tuple[Any, str, BlockArray]]) -> list[Any]:
    """Return the delayed writing of each block of arrays, given with their paths and names."""
    dask = import_dask()
    write = dask.delayed(partial(_write_block, store), pure=False)
    # dask.array.store would begin anew for itself: it fuses what the paths come from.
    made = dask.optimize(*(array.as_dask() for _, _, array in arrays))
    tasks = []
    for (path, name, array), source in zip(arrays, made, strict=True):
        blocks = source.to_delayed(optimize_graph=False).ravel()
        for region, block in zip(array.regions(), blocks, strict=True):
            tasks.append(write(path, name, region, block))
    return tasks


def _write_block(store: Store, path: str, name: str, region: tuple[slice, ...], block: Any) -> str:
    store.write_block(path, name, region, numpy.asarray(block))
    return path


class DelayedItems:
    """Items whose blocks are written when a delayed object is computed, wherever that is.

    Parameters
    ----------
    folder : str
        The data set.
    items : sequence of Item
        What is to be stored.
    store : Store
        The format of its arrays.
    durable : bool
        Whether to wait until the disk holds the files.
    """

    def __init__(self, folder: str, items: Sequence[Item], store: Store, durable: bool) -> None:
        self._folder = os.path.abspath(folder)
        self._store = store
        self._durable = durable
        # Placeholders would take their whole size on the way to another process.
        self._names = [list(item.arrays) for item in items]
        self._items = [
            replace(
                item,
                arrays={name: a for name, a in item.arrays.items() if name not in item.blocks},
                blocks={name: replace(b, source=None) for name, b in item.blocks.items()},
            )
            for item in items
        ]

    def delayed(self, items: Sequence[Item]) -> tuple[list[Any], Any]:
        """Return the delayed paths of the files, and the delayed writing of each block."""
        dask = import_dask()
        begun = [dask.delayed(self._begin, pure=False)(number) for number in range(len(items))]
        arrays = [
            (path, name, array)
            for path, item in zip(begun, items, strict=True)
            for name, array in item.blocks.items()
        ]
        return begun, _delayed_writes(self._store, arrays)

    def finish(self, paths: Sequence[str | None], written: Sequence[str]) -> list[Item]:
        """Return the items, with the files that were written.

        Parameters
        ----------
        paths : sequence of str or None
            Where each item was begun.
        written : sequence of str
            Where each block was written.
        """
        if not set(written) <= set(paths):
            raise DataSetError("cannot commit: dask wrote blocks to files of another commit")
        return [
            item if path is None else _finish(path, item, self._store, self._durable)
            for item, path in zip(map(self._item, range(len(paths))), paths, strict=True)
        ]

    def _begin(self, number: int) -> str | None:
        item = self._item(number)
        if not item.blocks:
            return None
        staging = _make_staging(self._folder)
        try:
            return _begin(staging, item, self._store)
        except BaseException:
            remove_path(staging)
            raise

    def _item(self, number: int) -> Item:
        item = self._items[number]
        whole = {name: array.placeholder() for name, array in item.blocks.items()}
        arrays = {**item.arrays, **whole}
        return replace(item, arrays={name: arrays[name] for name in self._names[number]})


class _StoredArray:
    """An array in a file, which is opened wherever a part of it is used.

    Parameters
    ----------
    path : str
        The file or folder of the arrays.
    name : str
        The array.
    found : numpy.ndarray, h5py.Dataset or zarr.Array
        The array, opened to know its shape.
    """

    def __init__(self, path: str, name: str, found: Any) -> None:
        self._path = path
        self._name = name
        self.shape = tuple(found.shape)
        self.dtype = numpy.dtype(found.dtype)
        self.ndim = len(self.shape)
        # dask makes chunks of whole ones of these.
        self.chunks = getattr(found, "shards", None) or getattr(found, "chunks", None)

    def __getitem__(self, region: Any) -> Array:
        (found,) = load_arrays(self._path, [self._name], mmap_mode="r").values()
        return numpy.array(found[region])


def chunked_arrays(path: str, chunks: Any) -> dict[str, Any]:
    """Return the arrays of a file or folder as those of dask.

    Parameters
    ----------
    path : str
        The file or folder.
    chunks : int, tuple, dict or str
        As for ``dask.array.from_array``.

    Raises
    ------
    MissingExtraError
        If dask is not installed.
    """
    from_array = import_dask().array.from_array
    path = os.path.abspath(path)
    found = load_arrays(path, mmap_mode="r")
    # A file may be replaced by one of the same name: no name is made from it.
    return {
        name: from_array(_StoredArray(path, name, array), chunks=chunks, name=False)
        for name, array in found.items()
    }
