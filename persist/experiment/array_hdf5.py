"""One array in an HDF5 file: written and read."""

from __future__ import annotations

import os
from typing import Any

import h5py

from persist.errors import UnknownKeyError
from persist.experiment.array_file import ArrayFile, prepare_array
from persist.experiment.folder import changing, reading
from persist.experiment.journal import Journal
from persist.experiment.names import check_dataset

__all__ = ["read_hdf5", "write_hdf5"]

_Path = str | os.PathLike[str]


def write_hdf5(filepath: _Path, data: Any, dataset: str = "data") -> None:
    """Add an array to an HDF5 file, which is made if it is missing. It is all there, or not at all.

    Parameters
    ----------
    filepath : path
        The file.
    data : array_like
        The array, of any shape and of a type that HDF5 has.
    dataset : str, optional
        The name of its dataset, in which slashes make groups.

    Raises
    ------
    TypeError
        If HDF5 does not have its type, such as numpy's Unicode text.
    ValueError
        If there is a dataset of that name.
    OSError
        If the disk fails; the file is as it was.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "emg.hdf5")
    ...     write_hdf5(path, [0.5, 1.5])
    ...     read_hdf5(path)
    array([0.5, 1.5])
    """
    check_dataset(dataset)
    prepared = prepare_array(data)
    path = os.fspath(filepath)
    folder = os.path.dirname(path) or os.curdir
    with changing(folder):
        journal = Journal(folder, durable=True)
        file = ArrayFile(path, durable=True)
        try:
            if dataset in file.file:
                raise ValueError(
                    f"{path} has a dataset {dataset!r} already: choose another name, or remove it"
                )
            file.add(dataset, prepared)
            journal.commit([file.part()])
            file.settle()
        finally:
            file.close()
            journal.close()


def read_hdf5(filepath: _Path, dataset: str = "data") -> Any:
    """Return an array of an HDF5 file.

    Parameters
    ----------
    filepath : path
        The file.
    dataset : str, optional
        The name of the dataset.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    KeyError
        If it has no such dataset.
    """
    path = os.fspath(filepath)
    with reading(os.path.dirname(path) or os.curdir), h5py.File(path, "r") as file:
        found = file.get(dataset)
        if not isinstance(found, h5py.Dataset):
            raise UnknownKeyError(dataset, path)
        return found[()]
