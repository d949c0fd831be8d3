"""Files of arrays: the format that one has, saving, and loading with persist or without it."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Iterable, Mapping
from typing import Any

from persist.archive.arrays.hdf5 import Hdf5Store
from persist.archive.arrays.loader import loader_source
from persist.archive.arrays.npy import NpyStore
from persist.archive.arrays.npz import NpzStore
from persist.archive.arrays.store import Array, Store, plain_arrays
from persist.archive.arrays.zarr import ZarrStore
from persist.errors import ArchiveError
from persist.files import create_file, create_folder, replace_files, sync_file

__all__ = [
    "COMPRESSIONS",
    "EXTENSIONS",
    "STORES",
    "ArrayManager",
    "UnknownFormatError",
    "get_data_format",
    "get_ext",
    "get_store",
    "load_arrays",
    "replace_arrays",
    "write_new",
]

STORES: dict[str, Store] = {
    store.data_format: store for store in (Hdf5Store(), NpzStore(), NpyStore(), ZarrStore())
}
EXTENSIONS = {data_format: store.extension for data_format, store in STORES.items()}
COMPRESSIONS = ("gzip", "lzf")
_FORMATS = {ext: store.data_format for store in STORES.values() for ext in store.extensions}


class UnknownFormatError(ArchiveError, KeyError, NotImplementedError):
    """No arrays are saved in a format of that name."""

    def __str__(self) -> str:
        return f"Expected data_format in {list(STORES)}, got {self.args[0]!r}"


def get_store(data_format: str, compression: str | None = None) -> Store:
    """Return the store of a format.

    Parameters
    ----------
    data_format : {'npy', 'npz', 'hdf5', 'zarr'}
        The format.
    compression : {None, 'gzip', 'lzf'}, optional
        How chunks of the arrays in HDF5 are compressed.

    Raises
    ------
    UnknownFormatError
        If the format is unknown.
    ValueError
        If the format has no such compression.
    """
    if data_format not in STORES:
        raise UnknownFormatError(data_format)
    if compression is None:
        return STORES[data_format]
    if data_format != "hdf5" or compression not in COMPRESSIONS:
        raise ArchiveError(
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
        ``'hdf5'``, ``'npz'`` or ``'zarr'``; ``'npy'`` without a name or extension; another
        extension as it is.

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
    """Return arrays from a folder of npy files, an npz file, an HDF5 file or a zip of zarr.

    Parameters
    ----------
    filename : path
        The file or folder; the extension of a file can be left out.
    keys : iterable of str, optional
        The arrays to read, by default all of them.
    data_format : {'npy', 'npz', 'hdf5', 'zarr'}, optional
        By default, what the extension or else the disk tells.
    mmap_mode : {None, 'r', 'c', 'r+'}, optional
        Map the files and read nothing until an array is used: read-only, with changes kept in
        memory, or with changes written to the files.

    Returns
    -------
    dict of str to ndarray
        Writable, and owners of their memory. With `mmap_mode`, ``numpy.memmap``, or an open
        ``h5py.Dataset`` or ``zarr.Array`` where the data is not one run of bytes.

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
        raise ArchiveError(f"Unknown data_format for extension {get_ext(path)} of {path}")
    return path, get_data_format(path)


def _only_file(path: str) -> str:
    pattern = f"{path}.*"
    found = sorted(
        file for file in glob.glob(f"{glob.escape(path)}.*") if not file.endswith(".bak")
    )
    if not found:
        raise ArchiveError(f"Cannot determine data_format: No files {pattern}")
    if len(found) > 1:
        raise ArchiveError(f"Cannot determine data_format: Multiple files {found}")
    return found[0]


def _with_extension(path: str, store: Store) -> str:
    if os.path.exists(path):
        return path
    named = (path + extension for extension in store.extensions)
    return next(filter(os.path.exists, named), path)


def write_new(store: Store, folder: str, stem: str, arrays: Mapping[str, Array]) -> str:
    """Write arrays where nothing is yet.

    Parameters
    ----------
    store : Store
        The format.
    folder : str
        A folder that exists.
    stem : str
        The name to give, without the extension of the format.
    arrays : mapping of str to ndarray
        All that the store will hold.

    Returns
    -------
    str
        The file or folder that was made: in `folder`, the first of ``stem``, ``stem_1``,
        ``stem_2``…, each with the extension, that was free.

    Raises
    ------
    ValueError, UnsupportedObjectError
        If the store cannot hold the arrays; nothing is written.
    OSError
        If the disk fails; nothing is left behind.
    """
    plain = plain_arrays(arrays)
    stem = os.path.join(folder, stem)
    path = stem + store.extension
    for number in itertools.count(1):
        try:
            _write(store, path, plain)
        except FileExistsError:
            path = f"{stem}_{number}{store.extension}"
        else:
            break
    return path


def replace_arrays(
    store: Store, path: str, arrays: Mapping[str, Array], *, keep: bool = False
) -> list[str]:
    """Write arrays in place of those that are there: all of them, or none.

    Parameters
    ----------
    store : Store
        The format.
    path : str
        The file or folder, existing or not. Other files in a folder are left alone.
    arrays : mapping of str to ndarray
        What to write.
    keep : bool, optional
        Whether to keep each old file as ``<file>.bak``, ``<file>_1.bak``…

    Returns
    -------
    list of str
        The files that were written.

    Raises
    ------
    ValueError, UnsupportedObjectError
        If the store cannot hold the arrays; nothing is written.
    OSError
        If the disk fails; the old files are whole.
    """
    files = store.files(path, plain_arrays(arrays))
    with replace_files(files, keep) as temporaries:
        for filename, held in files.items():
            store.write_file(temporaries[filename], held)
    return list(files)


def _write(store: Store, path: str, arrays: Mapping[str, Array]) -> None:
    if store.is_folder:
        with create_folder(path):
            for filename, held in store.files(path, arrays).items():
                store.write_file(filename, held)
                sync_file(filename)
    else:
        with create_file(path):
            store.write_file(path, arrays)


class ArrayManager:
    """Saves arrays, and writes the source that loads them without persist.

    The methods are called on the class; instances have them too.

    Examples
    --------
    >>> import numpy, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rep, files = ArrayManager.save_arrays({"x": numpy.arange(3)}, folder, "data")
    ...     [os.path.relpath(file, folder) for file in files], ArrayManager.load_arrays(rep)
    (['data/x.npy'], {'x': array([0, 1, 2])})
    """

    @staticmethod
    def save_arrays(
        arrays: Mapping[str, Array],
        dirname: str | os.PathLike[str] = ".",
        filename: str | None = None,
        keep: bool = False,
        data_format: str = "npy",
        arrays_name: str = "_arrays",
    ) -> tuple[str, list[str]]:
        """Write arrays, in place of older ones of the same file name.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            What to save.
        dirname : path, optional
            The folder of the module that will hold the source; made if it is missing.
        filename : str, optional
            The file in that folder, or the folder of npy files. The extension is added if it is
            missing. Only npy can do without a name.
        keep : bool, optional
            Whether to keep older files as ``<file>.bak``, ``<file>_1.bak``…
        data_format : {'npy', 'npz', 'hdf5', 'zarr'}, optional
            The format.
        arrays_name : str, optional
            The variable that the source defines.

        Returns
        -------
        rep : str
            Source that loads the arrays: from beside its own module or, if it runs outside of one,
            from `dirname` as it was given here.
        files : list of str
            What was written.

        Raises
        ------
        NotImplementedError
            If the format is unknown.
        ValueError
            If `filename` is missing, or a name cannot be used.
        UnsupportedObjectError
            If array files cannot hold the arrays.
        OSError
            If the disk fails; older files are whole.
        """
        store = get_store(data_format)
        location = _location(store, filename)
        rep = loader_source(
            store, arrays, location=location, arrays_name=arrays_name, fallback=dirname
        )
        path = os.fspath(dirname) if location == "." else os.path.join(dirname, location)
        os.makedirs(path if store.is_folder else os.path.dirname(path) or ".", exist_ok=True)
        return rep, replace_arrays(store, path, arrays, keep=keep)

    @staticmethod
    def load_arrays(rep: str, arrays_name: str = "_arrays") -> dict[str, Array]:
        """Execute the source from `save_arrays` and return the arrays.

        Raises
        ------
        OSError
            If a file is not where the source looks for it.
        """
        env: dict[str, Any] = {}
        exec(compile(rep, "<arrays>", "exec", dont_inherit=True), env)
        arrays: dict[str, Array] = env[arrays_name]
        return arrays

    get_ext = staticmethod(get_ext)


def _location(store: Store, filename: str | None) -> str:
    """Return where the arrays are, relative to the module."""
    if store.is_folder:
        return filename or os.curdir
    if not filename:
        raise ArchiveError(f"Must specify filename for data_format={store.data_format!r}")
    named = f".{get_ext(filename)}" in store.extensions
    return filename if named else filename + store.extension
