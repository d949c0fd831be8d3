"""Writing stores: new beside what is there, or in place of it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping

from persist.archive.arrays.store import Array, Store, plain_arrays
from persist.files import create_file, create_folder, replace_files, sync_file

__all__ = ["replace_arrays", "write_new"]


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
    for path in _paths(os.path.join(folder, stem), store.extension):
        try:
            _write(store, path, plain)
        except FileExistsError:
            continue
        return path
    raise AssertionError("the names do not end")


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


def _paths(path: str, extension: str) -> Iterator[str]:
    yield f"{path}{extension}"
    for number in itertools.count(1):
        yield f"{path}_{number}{extension}"


def _write(store: Store, path: str, arrays: Mapping[str, Array]) -> None:
    if store.is_folder:
        with create_folder(path):
            for filename, held in store.files(path, arrays).items():
                store.write_file(filename, held)
                sync_file(filename)
    else:
        with create_file(path):
            store.write_file(path, arrays)
