"""Which format a file of arrays has."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable

from persist.archive.arrays.hdf5 import Hdf5Store
from persist.archive.arrays.npy import NpyStore
from persist.archive.arrays.npz import NpzStore
from persist.archive.arrays.store import Array, Store

__all__ = [
    "COMPRESSIONS",
    "EXTENSIONS",
    "STORES",
    "get_data_format",
    "get_ext",
    "get_store",
    "load_arrays",
]

STORES: dict[str, Store] = {
    store.data_format: store for store in (Hdf5Store(), NpzStore(), NpyStore())
}
EXTENSIONS = {data_format: store.extension for data_format, store in STORES.items()}
COMPRESSIONS = ("gzip", "lzf")
_FORMATS = {ext: store.data_format for store in STORES.values() for ext in store.extensions}


def get_store(data_format: str, compression: str | None = None) -> Store:
    """Return the store of a format.

    Parameters
    ----------
    data_format : {'npy', 'npz', 'hdf5'}
        The format.
    compression : {None, 'gzip', 'lzf'}, optional
        How chunks of the arrays in HDF5 are compressed.

    Raises
    ------
    NotImplementedError
        If there is no format of that name.
    ValueError
        If the format has no such compression.
    """
    if data_format not in STORES:
        raise NotImplementedError(f"Expected data_format in {list(STORES)}, got {data_format!r}")
    if compression is None:
        return STORES[data_format]
    if data_format != "hdf5" or compression not in COMPRESSIONS:
        raise ValueError(
            f"compression must be one of {COMPRESSIONS}, with data_format='hdf5', or None; "
            f"got {compression!r} with {data_format!r}"
        )
    return Hdf5Store(compression)


def get_ext(filename: str | os.PathLike[str]) -> str:
    """Return the extension of a file name, in lower case and without the dot; '' if it has none.

    Examples
    --------
    >>> get_ext("runs/D.HD5"), get_ext("runs.d/D")
    ('hd5', '')
    """
    return os.path.splitext(os.fspath(filename))[1][1:].lower()


def get_data_format(datafile: str | os.PathLike[str] | None = None) -> str:
    """Return the format that the extension of a file name stands for.

    Parameters
    ----------
    datafile : path, optional
        The name of a file or folder, existing or not.

    Returns
    -------
    str
        ``'hdf5'`` or ``'npz'``; ``'npy'`` without a name or extension; another extension as it
        is.

    Examples
    --------
    >>> [get_data_format(name) for name in ("D.hf5", "D.npz", "D", "D.xyz")]
    ['hdf5', 'npz', 'npy', 'xyz']
    """
    ext = "" if datafile is None else get_ext(datafile)
    return _FORMATS.get(f".{ext}", ext) or "npy"


def load_arrays(
    filename: str | os.PathLike[str],
    keys: Iterable[str] | None = None,
    data_format: str | None = None,
    mmap_mode: str | None = None,
) -> dict[str, Array]:
    """Return arrays from a folder of npy files, an npz file or an HDF5 file.

    Parameters
    ----------
    filename : path
        The file or folder; the extension of a file can be left out.
    keys : iterable of str, optional
        The arrays to read, by default all of them.
    data_format : {'npy', 'npz', 'hdf5'}, optional
        By default, what the extension or else the disk tells.
    mmap_mode : {None, 'r', 'c', 'r+'}, optional
        Map the files and read nothing until an array is used: read-only, with changes kept in
        memory, or with changes written to the files.

    Returns
    -------
    dict of str to ndarray
        Writable, and owners of their memory. With `mmap_mode`, ``numpy.memmap``, or an open
        ``h5py.Dataset`` where the data is not one run of bytes.

    Raises
    ------
    ValueError
        If the format cannot be told, the file is damaged, or it cannot be mapped in that way.
    zipfile.BadZipFile
        If an npz file is damaged.
    MissingArrayError
        If one of `keys` is not there.
    FileNotFoundError
        If the file is not there.
    NotImplementedError
        If `data_format` is unknown.
    """
    path = os.fspath(filename)
    if data_format is None:
        path, data_format = _find(path)
    store = get_store(data_format)
    return store.load(_with_extension(path, store), keys, mmap_mode)


def _find(path: str) -> tuple[str, str]:
    """Return the file or folder that `path` means, and its format."""
    if os.path.isdir(path):
        return path, "npy"
    if not get_ext(path):
        path = _only_file(path)
    if f".{get_ext(path)}" not in _FORMATS:
        raise ValueError(f"Unknown data_format for extension {get_ext(path)} of {path}")
    return path, get_data_format(path)


def _only_file(path: str) -> str:
    pattern = f"{path}.*"
    found = sorted(
        file for file in glob.glob(f"{glob.escape(path)}.*") if not file.endswith(".bak")
    )
    if not found:
        raise ValueError(f"Cannot determine data_format: No files {pattern}")
    if len(found) > 1:
        raise ValueError(f"Cannot determine data_format: Multiple files {found}")
    return found[0]


def _with_extension(path: str, store: Store) -> str:
    if os.path.exists(path):
        return path
    named = (path + extension for extension in store.extensions)
    return next(filter(os.path.exists, named), path)
