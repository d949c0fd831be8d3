"""The working dataset: all of an experiment in one HDF5 file, to be read and extended."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Any

import h5py

from persist.errors import PersistError, UnknownKeyError
from persist.experiment.array_file import ArrayFile, prepare_array
from persist.experiment.folder import changing
from persist.experiment.journal import Journal
from persist.experiment.layout import (
    ARRAYS,
    EXTENDED,
    check_format,
    group_path,
)
from persist.experiment.names import check_name, group_name, name_of_group, plain_name
from persist.experiment.trial_arrays import RESULT
from persist.experiment.working_task import WorkingTask, opened

__all__ = ["ArrayExistsError", "WorkingDataset"]

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
        The file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    DamagedError
        If it is no working dataset.

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

    def __init__(self, path: _Path) -> None:
        self.path = path
        self._path = os.fspath(path)
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
            When it is set, if there is no such subject.
        """
        return self._subject_id

    @subject_id.setter
    def subject_id(self, val: str) -> None:
        if val not in self.subject_ids:
            raise UnknownKeyError(val, self._path)
        self._subject_id = val

    @property
    def task_ids(self) -> Iterator[str]:
        """The tasks of the current subject, in order; none if there is no subject."""
        if self._subject_id is None:
            return iter(())
        with self._reading() as file:
            return iter(_groups(file[group_name(self._subject_id)]))

    def require_task(self, task_id: str) -> WorkingTask:
        """Return the reader of a task of the current subject.

        Raises
        ------
        ValueError
            If no subject is set.
        UnknownKeyError
            If there is no such task.
        """
        if self._subject_id is None:
            raise ValueError("There is no subject: set subject_id, or use task(subject, task)")
        return self.task(self._subject_id, task_id)

    def task(self, subject: str, task: str) -> WorkingTask:
        """Return the reader of a task.

        Raises
        ------
        UnknownKeyError
            If there is no such task.
        """
        with self._reading() as file:
            _task_group(file, subject, task)
        return WorkingTask(self._path, subject, task)

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
            If there is no such task.
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
            raise ValueError(
                f"{subject}/{task} has {count} trials, and there are {len(prepared)} arrays"
            )
        with self._adding(subject, task, name) as (file, place):
            for row, array in enumerate(prepared):
                if array is not None:
                    file.add(f"{place}/{row}", array)

    def __enter__(self) -> WorkingDataset:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: the file is not open."""

    def __repr__(self) -> str:
        return f"WorkingDataset({self._path!r})"

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Any]:
        with opened(self._path) as file:
            check_format(file, self._path)
            yield file

    @contextlib.contextmanager
    def _adding(self, subject: str, task: str, name: str) -> Iterator[tuple[ArrayFile, str]]:
        check_name("array", name)
        folder = os.path.dirname(self._path) or os.curdir
        with changing(folder):
            journal = Journal(folder, durable=True)
            file = ArrayFile(self._path, durable=True)
            try:
                group = _task_group(file.file, subject, task)
                place = f"{ARRAYS}/{group_name(name)}"
                if place in group:
                    raise ArrayExistsError(
                        f"{subject}/{task} has an array {name!r} already: choose another name"
                    )
                yield file, f"{group.name}/{place}"
                file.file.attrs[EXTENDED] = True
                journal.commit([file.part()])
                file.settle()
            finally:
                file.close()
                journal.close()


def _groups(group: Any) -> list[str]:
    return sorted(
        name_of_group(name)
        for name in group
        if not name.startswith(".") and isinstance(group[name], h5py.Group)
    )


def _task_group(file: Any, subject: str, task: str) -> Any:
    found = file.get(group_path(plain_name("subject", subject), plain_name("task", task)))
    if not isinstance(found, h5py.Group):
        raise UnknownKeyError(f"{subject}/{task}", file.filename)
    return found
