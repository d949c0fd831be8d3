"""A storage as an importable package."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import h5py
import numpy

from persist.archive.arrays.vocabulary import TRIAL
from persist.dataset import Results
from persist.dataset import open as open_data_set
from persist.experiment.columns import array_of
from persist.experiment.folder import reading
from persist.experiment.task_reader import read_trials
from persist.experiment.tree import (
    Folder,
    check_outside,
    check_root,
    files_in,
    settled_folders,
)
from persist.experiment.trial_arrays import SeparateArrays
from persist.experiment.trial_folder import EXTENSION, TRIALS
from persist.files import TIMEOUT, open_regular
from persist.files.folder import new_folder
from persist.hdf5.masked import read_prepared
from persist.hdf5.opening import member, open_hdf5
from persist.names import check_identifier, key_spelling
from persist.progress import Meter, Progress

_Path = str | os.PathLike[str]
_TRIALS = "trials"
_FILES = "files"
_NAMES = "names"
_RESERVED = frozenset([_TRIALS, _FILES, _NAMES])
_THRESHOLD = 20


def storage_to_dataset(
    path: _Path,
    outfile: _Path | None = None,
    *,
    progress: Progress = None,
    timeout: float = TIMEOUT,
) -> str:
    """Write a copy of a storage as a package, which imports without persist.

    ``import experiment01`` gives ``experiment01.p0.reach.trials``, the attributes by column, and
    ``experiment01.p0.reach.emg``, a list with the array of each trial. A name that cannot be a key
    is spelled as by `persist.names.key_spelling`, and ``experiment01.names`` says how. Other files
    are in ``files`` of their place, as bytes. While the files of a task are read, its writer waits.

    Parameters
    ----------
    path : path
        The root of the storage.
    outfile : path, optional
        The folder of the package, where nothing may be yet and whose name is that of the package.
        By default the name of the root and ``_dataset``, beside the root.
    progress, timeout
        See `storage_to_zip`.

    Returns
    -------
    str
        The folder of the package.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If the storage is missing.
    FileExistsError
        If there is something at the folder.
    ValueError
        If the folder is in the storage, or its name is not an identifier.
    DamagedError
        If a table of trials cannot be read.
    LockTimeout
        If a writer does not finish in time.
    OSError
        If the disk fails; nothing is left.
    """
    root = check_root(path)
    target = _default(root) if outfile is None else os.fspath(outfile)
    check_identifier(os.path.basename(os.path.abspath(target)), "name of the package")
    with contextlib.suppress(IsADirectoryError):
        check_outside(target, root)
    folders, meter = settled_folders(root, progress)
    with new_folder(target) as temporary:
        options: dict[str, Any] = {"array_threshold": _THRESHOLD, "durable": False}
        with open_data_set(temporary, "w", **options) as dataset:
            _Export(dataset, folders, meter, timeout).run()
    return target


class _Export:
    """The writing of all folders."""

    def __init__(
        self, dataset: Results, folders: list[Folder], meter: Meter, timeout: float
    ) -> None:
        self._root = dataset
        self._folders = folders
        self._meter = meter
        self._timeout = timeout
        self._spaces: dict[tuple[str, ...], Results] = {(): dataset}
        self._names: dict[str, str] = {}
        self._other: dict[tuple[str, ...], dict[str, bytes]] = {}

    def run(self) -> None:
        """Write all."""
        for folder in self._folders:
            place = folder.place
            if place and place == folder.parts:
                outer = place[:-1]
                key = self._key(outer, place[-1])
                self._spaces[place] = self._spaces[outer].group(key)
            with reading(folder.path, timeout=self._timeout):
                self._write(folder, place)
        for place, files in self._other.items():
            self._spaces[place][_FILES] = files
        self._root[_NAMES] = self._names

    def _key(self, place: tuple[str, ...], name: str) -> str:
        key = key_spelling(name, _RESERVED)
        outer = (self._spaces[place[: depth + 1]].path for depth in range(len(place)))
        self._names[".".join([*map(os.path.basename, outer), key])] = name
        return key

    def _write(self, folder: Folder, place: tuple[str, ...]) -> None:
        is_task = len(place) == 2 and folder.parts == place
        space = self._spaces[place]
        table = read_trials(folder.path) if is_task else None
        if table is not None:
            columns = {name: array_of(values) for name, values in table.columns.items()}
            space[_TRIALS] = columns
        for file in files_in(folder):
            name = file.parts[-1]
            if table is not None and name.endswith(EXTENSION) and h5py.is_hdf5(file.path):
                with _arrays_of(file.path, table.n_rows, self._timeout) as value:
                    space[self._key(place, name.removesuffix(EXTENSION))] = value
            elif not (table is not None and name == TRIALS):
                with open_regular(file.path, follow=True) as source:
                    inner = "/".join(file.parts[len(place) :])
                    self._other.setdefault(place, {})[inner] = source.read()
            self._meter.advance(file.size, file.name)


@contextlib.contextmanager
def _arrays_of(path: str, n_rows: int, timeout: float) -> Iterator[Any]:
    """Yield a list of the arrays of trials, or the array of the task, in maps of the file."""
    with open_hdf5(path, timeout) as file:
        arrays = SeparateArrays(file)
        has = {row for row in arrays.rows() if row < n_rows}
        if not has:
            yield arrays.result()
            return
        yield [_mapped(file, str(row), path) if row in has else None for row in range(n_rows)]


def _default(root: str) -> str:
    folder, name = os.path.split(root)
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
    stem = letters.strip("_") or "x"
    return os.path.join(folder, f"{stem if stem[0].isalpha() else f'x{stem}'}_dataset")


def _mapped(file: Any, name: str, path: str) -> Any:
    """Return an array that is read from the file when it is used, where that can be."""
    dataset = member(file, name)
    offset = dataset.id.get_offset()
    dtype = dataset.dtype
    is_plain = not (dtype.hasobject or dtype.names or TRIAL.mask in dataset.attrs)
    if offset is None or not is_plain or not dataset.size or not dataset.ndim:
        return read_prepared(file, name)
    found = numpy.memmap(path, dtype, "r", offset, dataset.shape)
    return numpy.asarray(found)
