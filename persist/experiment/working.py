"""The working dataset: all of an experiment in one HDF5 file, to be read and extended.

====================================  ==========================================================
``/``                                 attributes ``format``, ``format_version``, ``root``
``/<subject>/<task>/``                a group for each task
``  trials/<column>``                 the attributes, a dataset for each column
``  arrays/<name>/<row>``             the array of the trial in this row
``  arrays/<name>/data``              an array of the task as a whole; or of all trials, joined
``  pickles/<name>``                  the bytes of ``<name>.pkl``
``  files/<path>``                    the bytes of any other file
``.files/<path>``                     the same, of a file that is in no task
====================================  ==========================================================

Names are spelled as `persist.names.group_name` does. An empty group among files is an empty folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import h5py

from persist.errors import (
    ArgumentError,
    ClosedError,
    DamagedError,
    MissingPathError,
    PersistError,
    UnknownKeyError,
)
from persist.experiment.array_file import ArrayFile, changing_file
from persist.experiment.columns import Table, read_table
from persist.experiment.csv_text import parse_csv
from persist.experiment.folder import reading
from persist.experiment.names import check_name, plain_name
from persist.experiment.reader import (
    SOURCE,
    MissingRecordError,
    Reader,
    UnknownArrayError,
    load_object,
)
from persist.experiment.tree import existing_file
from persist.experiment.trial_arrays import (
    RESULT,
    JoinedArrays,
    SeparateArrays,
    TrialArrays,
    is_joined,
)
from persist.experiment.trial_folder import EXTENSION, TRIALS, warn_if_moved
from persist.experiment.view import storage_view
from persist.files import TIMEOUT
from persist.hdf5.masked import prepare_array
from persist.hdf5.opening import (
    ElsewhereError,
    damage_errors,
    damage_in,
    find_member,
    member,
    open_hdf5,
)
from persist.names import group_name, name_of_group

FORMAT = "persist-experiment"
VERSION = 1
ROOT = "root"
EXTENDED = "extended"
"""The attribute of a file to which something was added that the storage does not have."""

TABLE = "trials"
ARRAYS = "arrays"
PICKLES = "pickles"
FILES = "files"
OUTER_FILES = ".files"


def mark_format(file: Any, root: str) -> None:
    """Say in a file what it is."""
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = VERSION
    file.attrs[ROOT] = root


def check_format(file: Any, path: str) -> None:
    """Make sure that an open file is a working dataset.

    Raises
    ------
    DamagedError
        If it is not, or one of a later version.
    """
    if file.attrs.get("format") != FORMAT:
        raise DamagedError(f"{path} is not a working dataset; make one by storage_to_hdf5")
    version = int(file.attrs.get("format_version", 0))
    if version != VERSION:
        raise DamagedError(f"{path} has version {version}, and this persist reads {VERSION} only")


def is_working_dataset(path: str | os.PathLike[str]) -> bool:
    """Return True if a file is a working dataset."""
    if not os.path.isfile(path) or not h5py.is_hdf5(path):
        return False
    with open_hdf5(os.fspath(path)) as file:
        return bool(file.attrs.get("format") == FORMAT)


def group_path(*names: str) -> str:
    """Return the path of what is called by these names, one in the other."""
    return "/".join(map(group_name, names))


class WorkingTask(Reader):
    """The reader of one task of a working dataset: `WorkingDataset.task` makes it."""

    def __init__(self, path: str, subject: str, task: str, *, timeout: float = TIMEOUT) -> None:
        super().__init__(timeout)
        self._path = path
        self._place = group_path(subject, task)

    @property
    def array_names(self) -> list[str]:
        """The names of the arrays, in order."""
        with self._opened() as file:
            return self._array_names(file)

    def _stored(self, name: str) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            with self._opened() as file:
                files = self._member(file, FILES)
                if files is None or group_name(name + SOURCE) not in files:
                    raise MissingRecordError(name, self._where())
                _extract(files, folder, name)
            return load_object(folder, name)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        self._check_open()
        with opened(self._path, self._timeout) as file, damage_in(file):
            yield file

    @property
    def _source(self) -> str:
        return self._path

    def _where(self) -> str:
        return f"{self._path}:/{self._place}"

    def _read_table(self) -> Table:
        with self._opened() as file:
            text = self._member(file, FILES, TRIALS)
            if text is not None:
                data = text[()].tobytes()
                read = Table.of_csv(parse_csv(data))
                if self._array_names(file):
                    warn_if_moved(read, data, self._where())
                return read
            table = self._member(file, TABLE)
            return Table() if table is None else read_table(table)

    def _array_names(self, file: Any) -> list[str]:
        return sorted(map(name_of_group, self._member(file, ARRAYS) or ()))

    def _member(self, file: Any, *names: str) -> Any | None:
        """Return what is under these names of the task, one in the other, or None."""
        return find_member(file, *self._place.split("/"), *names)

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[TrialArrays]:
        plain_name("array", name)
        self._table()
        # A wrong index of the caller is not damage.
        with opened(self._path, self._timeout) as file:
            self._check_same()
            group = self._member(file, ARRAYS, group_name(name))
            if not isinstance(group, h5py.Group):
                raise UnknownArrayError(name, self._where(), self._array_names(file))
            yield JoinedArrays(group) if is_joined(group) else SeparateArrays(group)

    def _pickled(self, name: str) -> bytes:
        plain_name("pickle", name)
        with self._opened() as file:
            found = self._member(file, PICKLES, group_name(name))
            if found is None:
                known = sorted(map(name_of_group, self._member(file, PICKLES) or ()))
                raise MissingRecordError(name, self._where(), known)
            data: bytes = found[()].tobytes()
            return data


@contextlib.contextmanager
def opened(path: str, timeout: float = TIMEOUT) -> Iterator[Any]:
    """Open the file of a working dataset for reading, while nobody changes it."""
    folder = os.path.dirname(path) or os.curdir
    if not os.path.exists(path):
        raise MissingPathError(errno.ENOENT, "no working dataset was found here", path)
    with (
        reading(folder, always=True, timeout=timeout),
        damage_errors(path),
        open_hdf5(path, timeout) as file,
    ):
        yield file


def _extract(files: Any, folder: str, prefix: str) -> None:
    for name in files:
        plain, found = plain_name("file", name_of_group(name)), member(files, name)
        if isinstance(found, h5py.Dataset) and plain.startswith(prefix):
            with open(os.path.join(folder, plain), "wb") as file:
                file.write(found[()].tobytes())


_Path = str | os.PathLike[str]


class ArrayExistsError(PersistError, ValueError):
    """A task has an array of that name already."""


class WorkingDataset:
    """An experiment that `storage_to_hdf5` has written.

    The file is open only while something is read or added, so that other programs may use it, too.
    What is added is there as a whole or not at all, whatever happens meanwhile.

    Parameters
    ----------
    path : path
        The file, with or without ``.hdf5``.
    timeout : float, optional
        How long to wait for others who have it open, in s.

    Raises
    ------
    FileNotFoundError
        If there is none.
    DamagedError
        If it is not a working dataset.

    Examples
    --------
    >>> import numpy, os, tempfile
    >>> from persist.experiment import Storage, Trial, storage_to_hdf5
    >>> folder = tempfile.TemporaryDirectory()
    >>> storage = Storage(os.path.join(folder.name, "experiment01"))
    >>> storage.subject_id = "p0"
    >>> trial = Trial({"block": 0, "trial": 0})
    >>> trial.add_array("emg", data=numpy.arange(8.0).reshape(2, 4))
    >>> with storage.create_task("reach") as writer:
    ...     writer.write(trial)
    >>> dataset = WorkingDataset(storage_to_hdf5(storage.root))
    >>> emg = dataset.task("p0", "reach").array("emg")
    >>> dataset.add("p0", "reach", "rms", numpy.sqrt((emg**2).mean(axis=1)))
    >>> dataset.task("p0", "reach").array("rms").round(2)
    array([1.87, 5.61])
    >>> folder.cleanup()
    """

    def __init__(self, path: _Path, *, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._is_closed = False
        self.path = path
        self._path = os.path.abspath(existing_file(path, EXTENSION))
        self._subject_id: str | None = None
        with self._reading():
            pass

    @property
    def subject_ids(self) -> Iterator[str]:
        """The subjects, in order."""
        with self._reading() as file:
            return iter(_groups(file))

    @property
    def subject_id(self) -> str | None:
        """The current subject; None at first.

        Raises
        ------
        UnknownKeyError
            When it is set, if the subject is missing.
        """
        return self._subject_id

    @subject_id.setter
    def subject_id(self, val: str) -> None:
        with self._reading() as file:
            name = str(val)
            found = None if name.startswith(".") else find_member(file, group_name(name))
            if not isinstance(found, h5py.Group):
                raise UnknownKeyError(name, self._path)
        self._subject_id = name

    @property
    def task_ids(self) -> Iterator[str]:
        """The tasks of the current subject, in order; none without a current subject."""
        if self._subject_id is None:
            return iter(())
        with self._reading() as file:
            return iter(_groups(member(file, group_name(self._subject_id))))

    def require_task(self, task_id: str) -> WorkingTask:
        """Return the reader of a task of the current subject.

        Raises
        ------
        ValueError
            If no subject is set.
        UnknownKeyError
            If the task is missing.
        """
        if self._subject_id is None:
            raise ArgumentError(
                "cannot read a task: no subject is set; set subject_id, or use task(subject, task)"
            )
        return self.task(self._subject_id, task_id)

    def task(self, subject: str, task: str) -> WorkingTask:
        """Return the reader of a task.

        Raises
        ------
        UnknownKeyError
            If the task is missing.
        """
        with self._reading() as file:
            _task_group(file, subject, task)
        return WorkingTask(self._path, subject, task, timeout=self._timeout)

    def add(self, subject: str, task: str, name: str, array: Any) -> None:
        """Add an array that belongs to a task as a whole: the result of an analysis.

        Parameters
        ----------
        subject, task, name : str
            The task, and the name of the array.
        array : array_like
            The array.

        Raises
        ------
        UnknownKeyError
            If the task is missing.
        ArrayExistsError
            If the task has an array of that name.
        TypeError
            If HDF5 does not have its type.
        OSError
            If the disk fails. Whatever the error, the file is as it was.
        """
        prepared = prepare_array(array)
        with self._adding(subject, task, name) as (file, place):
            file.add(f"{place}/{RESULT}", prepared)

    def add_trials(self, subject: str, task: str, name: str, arrays: Iterable[Any]) -> None:
        """Add an array for each trial of a task, such as the filtered signals.

        Parameters
        ----------
        subject, task, name : str
            The task, and the name of the arrays.
        arrays : iterable of array_like
            One for each trial, in order; None for a trial without. All are in memory at once.

        Raises
        ------
        ValueError
            If there are not as many as trials.
        UnknownKeyError, ArrayExistsError, TypeError, OSError
            As for `add`.
        """
        count = len(self.task(subject, task))
        # All of them first: they may come from this very file.
        prepared = [None if array is None else prepare_array(array) for array in arrays]
        if len(prepared) != count:
            raise ArgumentError(
                f"{subject}/{task} has {count} trials, and there are {len(prepared)} arrays"
            )
        with self._adding(subject, task, name) as (file, place):
            for row, array in enumerate(prepared):
                if array is not None:
                    file.add(f"{place}/{row}", array)

    def __enter__(self) -> WorkingDataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take no more calls: they raise `ClosedError`. The file is not open between calls."""
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError(f"cannot use {self._path}: this dataset was closed; make another")

    def __repr__(self) -> str:
        return storage_view(self, self._path).text()

    def _repr_html_(self) -> str:
        return storage_view(self, self._path).html()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Any]:
        self._check_open()
        with opened(self._path, self._timeout) as file:
            check_format(file, self._path)
            yield file

    @contextlib.contextmanager
    def _adding(self, subject: str, task: str, name: str) -> Iterator[tuple[ArrayFile, str]]:
        self._check_open()
        check_name("array", name)
        with damage_errors(self._path), changing_file(self._path, self._timeout) as file:
            group = _task_group(file.file, subject, task)
            place = f"{ARRAYS}/{group_name(name)}"
            if place in group:
                raise ArrayExistsError(
                    f"{subject}/{task} has an array {name!r} already: choose another name"
                )
            yield file, f"{group.name}/{place}"
            file.file.attrs[EXTENDED] = True


def _groups(group: Any) -> list[str]:
    found = []
    for name in group:
        # What other software has put there may lead elsewhere, and is none.
        with contextlib.suppress(ElsewhereError):
            if not name.startswith(".") and isinstance(member(group, name), h5py.Group):
                found.append(name_of_group(name))
    return sorted(found)


def _task_group(file: Any, subject: str, task: str) -> Any:
    names = (plain_name("subject", subject), plain_name("task", task))
    found = find_member(file, *map(group_name, names))
    if not isinstance(found, h5py.Group):
        raise UnknownKeyError(f"{subject}/{task}", file.filename)
    return found
