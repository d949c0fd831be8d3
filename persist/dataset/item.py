"""One value as its loader module and the arrays beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy

from persist.archive import Archive
from persist.archive.arrays import Array, Store, loader_source, plain_arrays
from persist.archive.module_source import closing_source
from persist.files.digest import FileRecord, digest_beside, digest_file, digest_pieces
from persist.files.sync import sync_file, sync_folder

__all__ = ["Alike", "Item", "item_source", "make_item", "write_arrays"]

# Libraries whose objects have a shape that is cheap to ask for.
_SHAPED = frozenset(["numpy", "pandas", "scipy", "xarray"])

Alike = Callable[[int, str | None], str | None]
"""Takes a size and a digest and returns a file of that content, if there is one.

Without a digest, it returns any file of that size.
"""


@dataclass(frozen=True)
class Item:
    """A value that is about to be stored.

    Parameters
    ----------
    key : str
        The key.
    source : str
        The value as Python source that defines the key.
    arrays : mapping of str to numpy.ndarray
        The arrays that the source expects.
    description : dict
        The type of the value, and its shape and dtype if it has them.
    """

    key: str
    source: str
    arrays: Mapping[str, Array]
    description: dict[str, Any]


def make_item(key: str, value: Any, *, array_threshold: float, scoped: bool) -> Item:
    """Reduce a value to source and arrays.

    Raises
    ------
    ArchiveError
        If it cannot be stored.
    """
    archive = Archive(single_item_mode=True, array_threshold=array_threshold, scoped=scoped)
    archive.insert_items({key: value})
    source = str(archive)
    return Item(key, source, plain_arrays(archive.data), _describe(value))


def item_source(item: Item, store: Store, location: str | None) -> str:
    """Return the loader module of an item.

    Parameters
    ----------
    item : Item
        The item.
    store : Store
        The format of its arrays.
    location : str or None
        The file or folder of the arrays, beside the module.
    """
    head = "" if location is None else loader_source(store, item.arrays, location=location)
    return head + item.source + closing_source(item.key)


def write_arrays(
    store: Store, path: str, arrays: Mapping[str, Array], *, durable: bool, alike: Alike
) -> dict[str, FileRecord]:
    """Write arrays where nothing is yet; what is there already in another file is linked.

    Returns
    -------
    dict of str to FileRecord
        The record of each file, by its name in the folder; of a store that is one file, by ``""``.

    Raises
    ------
    OSError
        If the disk fails; what was written is left for the caller to remove.
    """
    if store.is_folder:
        os.mkdir(path)
    records = {
        os.path.basename(file) if store.is_folder else "": _write_file(
            store, file, held, durable, alike
        )
        for file, held in store.files(path, arrays).items()
    }
    if durable and store.is_folder:
        sync_folder(path)
    return records


def _write_file(
    store: Store, file: str, arrays: Mapping[str, Array], durable: bool, alike: Alike
) -> FileRecord:
    size = sum(array.nbytes for array in arrays.values())

    def write() -> None:
        store.write_file(file, arrays)
        if durable:
            sync_file(file)

    def digest() -> FileRecord:
        pieces = store.content(arrays)
        assert pieces is not None
        return digest_pieces(pieces)

    pieces = store.content(arrays)
    if pieces is None:
        store.write_file(file, arrays)
        record = digest_beside(
            lambda: sync_file(file) if durable else None, lambda: digest_file(file), size
        )
        _link(file, alike(*record))
        return record
    if alike(size + len(next(pieces)), None) is None:
        return digest_beside(write, digest, size)
    record = digest()
    if not _link(file, alike(*record)):
        write()
    return record


def _link(file: str, other: str | None) -> bool:
    """Let a file be the same as another one; return whether it is."""
    if other is None:
        return False
    temporary = f"{file}.link"
    try:
        # A link has no content of its own to be lost, but some file systems have none, or no more.
        os.link(other, temporary)
    except OSError:
        return False
    os.replace(temporary, file)
    return True


def _describe(value: Any) -> dict[str, Any]:
    cls = type(value)
    found: dict[str, Any] = {"type": f"{cls.__module__}.{cls.__qualname__}"}
    if cls.__module__.partition(".")[0] in _SHAPED or isinstance(value, numpy.ndarray):
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
        if type(shape) is tuple and all(type(length) is int for length in shape):
            found["shape"] = list(shape)
        if isinstance(dtype, numpy.dtype):
            found["dtype"] = dtype.str if dtype.names is None else str(dtype)
    return found
