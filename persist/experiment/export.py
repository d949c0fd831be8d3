"""A storage as an importable package."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import h5py
import numpy

from persist.dataset import DataSet
from persist.experiment.columns import array_of
from persist.experiment.folder import reading
from persist.experiment.progress import Meter, Progress
from persist.experiment.task_reader import TaskReader
from persist.experiment.tree import (
    Folder,
    check_outside,
    check_root,
    files_in,
    settle_tree,
    total_size,
    tree_folders,
)
from persist.experiment.trial_arrays import SeparateArrays
from persist.experiment.trial_folder import EXTENSION, TRIALS
from persist.experiment.unzipping import new_folder
from persist.names import UniqueNames, check_identifier

__all__ = ["key_of", "storage_to_dataset"]

_Path = str | os.PathLike[str]
_TRIALS = "trials"
_FILES = "files"
_NAMES = "names"
_THRESHOLD = 20


def storage_to_dataset(
    path: _Path, outfile: _Path | None = None, *, progress: Progress = None
) -> str:
    """Write a copy of a storage as a package, which imports without persist.

    ``import experiment01`` gives ``experiment01.p0.reach.trials``, the attributes by column, and
    ``experiment01.p0.reach.emg``, a list with the array of each trial. A name that Python does not
    take is spelled otherwise, and ``experiment01.names`` says how. Other files are in ``files`` of
    their place, as bytes. While the files of a task are read, its writer waits.

    Parameters
    ----------
    path : path
        The root of the storage.
    outfile : path, optional
        The folder of the package, where nothing may be yet and whose name is that of the package.
        By default the name of the root and ``_dataset``, beside the root.
    progress : callable, optional
        Called after each file with the bytes done, the bytes in all, and its name.

    Returns
    -------
    str
        The folder of the package.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no storage.
    FileExistsError
        If there is something at the folder.
    ValueError
        If the folder is in the storage, or its name is no identifier.
    DamagedError
        If a table of trials cannot be read.
    OSError
        If the disk fails; nothing is left.
    """
    root = check_root(path)
    target = _default(root) if outfile is None else os.fspath(outfile)
    check_identifier(os.path.basename(os.path.abspath(target)), "name of the package")
    with contextlib.suppress(IsADirectoryError):
        check_outside(target, root)
    settle_tree(root)
    folders = tree_folders(root)
    meter = Meter(progress, total_size(folders))
    with new_folder(target) as temporary:
        parent, made = os.path.split(temporary)
        with DataSet(made, "w", parent, array_threshold=_THRESHOLD, durable=False) as dataset:
            _Export(dataset, folders, meter).run()
    return target


class _Export:
    """The writing of all folders."""

    def __init__(self, dataset: DataSet, folders: list[Folder], meter: Meter) -> None:
        self._root = dataset
        self._folders = folders
        self._meter = meter
        self._spaces: dict[tuple[str, ...], DataSet] = {(): dataset}
        self._taken: dict[tuple[str, ...], UniqueNames] = {}
        self._names: dict[str, str] = {}
        self._other: dict[tuple[str, ...], dict[str, bytes]] = {}

    def run(self) -> None:
        """Write all."""
        for folder in self._folders:
            place = self._place(folder)
            if place == folder.parts:
                self._open_space(place)
            with reading(folder.path):
                self._write(folder, place)
        for place, files in self._other.items():
            self._spaces[place]._update({_FILES: files})
        self._root._update({_NAMES: self._names})

    def _place(self, folder: Folder) -> tuple[str, ...]:
        """Return the subject or task in which the files of a folder are."""
        place: list[str] = []
        for name in folder.parts[:2]:
            if name.startswith("."):
                break
            place.append(name)
        return tuple(place)

    def _open_space(self, place: tuple[str, ...]) -> None:
        self._taken[place] = UniqueNames([_TRIALS, _FILES, _NAMES])
        if place:
            outer = place[:-1]
            key = self._key(outer, place[-1])
            self._spaces[place] = self._spaces[outer]._namespace(key)

    def _key(self, place: tuple[str, ...], name: str) -> str:
        key = key_of(name, self._taken[place])
        self._names[".".join([*self._names_to(place), key])] = name
        return key

    def _names_to(self, place: tuple[str, ...]) -> list[str]:
        return [
            os.path.basename(self._spaces[place[: depth + 1]]._folder)
            for depth in range(len(place))
        ]

    def _write(self, folder: Folder, place: tuple[str, ...]) -> None:
        is_task = len(place) == 2 and folder.parts == place
        space = self._spaces[place]
        table = TaskReader(folder.path)._read_unlocked() if is_task else None
        if table is not None:
            columns = {name: array_of(values) for name, values in table.columns.items()}
            space._update({_TRIALS: columns})
        for file in files_in(folder):
            name = file.parts[-1]
            if table is not None and name.endswith(EXTENSION) and h5py.is_hdf5(file.path):
                with _arrays_of(file.path, table.n_rows) as value:
                    space._update({self._key(place, name.removesuffix(EXTENSION)): value})
            elif not (table is not None and name == TRIALS):
                with open(file.path, "rb") as source:
                    inner = "/".join(file.parts[len(place) :])
                    self._other.setdefault(place, {})[inner] = source.read()
            self._meter.advance(file.size, file.name)


def key_of(name: str, taken: UniqueNames) -> str:
    """Return the key for a name: an identifier like it, that no other has; and take it.

    Examples
    --------
    >>> taken = UniqueNames(["trials"])
    >>> [key_of(name, taken) for name in ("p0", "sub-01", "sub 01", "7", "trials")]
    ['p0', 'sub_01', 'sub_2', 'x7', 'trials_0']
    """
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
    key = letters.strip("_") or "x"
    if not key[0].isalpha():
        key = f"x{key}"
    try:
        return taken.take(check_identifier(key))
    except ValueError:
        return taken.take(f"{key}_")


@contextlib.contextmanager
def _arrays_of(path: str, n_rows: int) -> Iterator[Any]:
    """Yield a list of the arrays of trials, or the array of the task, in maps of the file."""
    with h5py.File(path, "r") as file:
        arrays = SeparateArrays(file)
        has = {row for row in arrays.rows() if row < n_rows}
        if not has:
            yield arrays.result()
            return
        yield [_mapped(file[str(row)], path) if row in has else None for row in range(n_rows)]


def _default(root: str) -> str:
    folder, name = os.path.split(root)
    return os.path.join(folder, f"{key_of(name, UniqueNames())}_dataset")


def _mapped(dataset: Any, path: str) -> Any:
    """Return an array that is read from the file when it is used, where that can be."""
    offset = dataset.id.get_offset()
    dtype = dataset.dtype
    if offset is None or dtype.hasobject or dtype.names or not dataset.size or not dataset.ndim:
        return dataset[()]
    found = numpy.memmap(path, dtype, "r", offset, dataset.shape)
    return numpy.asarray(found)
