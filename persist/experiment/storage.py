"""The folders of an experiment: subjects, and the tasks of each."""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

import h5py

from persist.archive.arrays.vocabulary import TRIAL
from persist.display import counted
from persist.errors import ClosedError, DamagedError, NotAFolderError, PersistError
from persist.experiment.array_file import VERSIONS, ArrayFile
from persist.experiment.columns import Table, gaps_of
from persist.experiment.consolidation import storage_to_hdf5
from persist.experiment.export import storage_to_dataset
from persist.experiment.folder import changing
from persist.experiment.names import check_name, plain_name
from persist.experiment.task_reader import TaskReader
from persist.experiment.task_writer import ReplacingWriter, TaskWriter
from persist.experiment.tree import check_root, folder_names, free_name, settle_tree
from persist.experiment.trial_arrays import row_names
from persist.experiment.trial_folder import EXTENSION, TRIALS, array_names, read_csv
from persist.experiment.view import storage_view
from persist.experiment.zip_file import storage_to_zip
from persist.files import (
    TIMEOUT,
    create_file,
    settle_folder,
    settle_folders,
    sync_folder,
)
from persist.files.unbuffered import open_unbuffered
from persist.hdf5.in_place import commit_files
from persist.hdf5.masked import MASK_ENDING
from persist.hdf5.opening import damage_errors
from persist.progress import Progress

if TYPE_CHECKING:
    from typing_extensions import Self

_ORPHANS = ".orphaned"


def repair_storage(path: str | os.PathLike[str], *, timeout: float = TIMEOUT) -> list[str]:
    """Move arrays of trials that are missing from the table of their task to files of their own.

    A task that lost rows of its table cannot be resumed: the next trial would replace an array.
    What is moved is in ``<array name>.orphaned.h5`` of the task, under the numbers of the rows.
    Where the numbers of the trials tell that rows are missing between others, the arrays of these
    follow their rows; otherwise the last rows are taken for those that are missing.

    Parameters
    ----------
    path : path
        The root of the storage.
    timeout : float, optional
        How long to wait for others who read or write a task, in s.

    Returns
    -------
    list of str
        What was done, one text for each array name.

    Raises
    ------
    DamagedError
        If a table or an array file cannot be read; the error names all. The other tasks are
        repaired.

    Examples
    --------
    >>> import numpy, os, tempfile
    >>> from persist.experiment import Storage, Trial
    >>> folder = tempfile.TemporaryDirectory()
    >>> storage = Storage(os.path.join(folder.name, "data"))
    >>> storage.subject_id = "p0"
    >>> trial = Trial({"block": 0, "trial": 0})
    >>> trial.add_array("emg", data=numpy.zeros(3))
    >>> with storage.create_task("reach") as writer:
    ...     writer.write(trial)
    >>> os.truncate(os.path.join(storage.root, "p0", "reach", "trials.csv"), 0)
    >>> repair_storage(storage.root)
    ['p0/reach: moved emg of rows 0 to emg.orphaned.h5']
    >>> folder.cleanup()
    """
    root = check_root(path)
    settle_tree(root)
    done: list[str] = []
    faults: list[str] = []
    for subject in folder_names(root):
        for task in folder_names(os.path.join(root, subject)):
            try:
                found = repair_task(os.path.join(root, subject, task), timeout=timeout)
                done += [f"{subject}/{task}: {text}" for text in found]
            except DamagedError as error:
                faults.append(f"{subject}/{task}: {error}")
    if faults:
        raise DamagedError(
            f"cannot repair {counted(len(faults), 'task')} of {root}: {'; '.join(faults)}; restore "
            "what cannot be read from a copy, or move it elsewhere; in the other tasks, "
            f"{'; '.join(done) or 'there was nothing to repair'}"
        )
    return done


def repair_task(path: str | os.PathLike[str], *, timeout: float = TIMEOUT) -> list[str]:
    """Do as `repair_storage` for the folder of one task."""
    folder = os.fspath(path)
    done = []
    with changing(folder, timeout) as journal, contextlib.ExitStack() as stack:
        table = Table.of_csv(read_csv(os.path.join(folder, TRIALS))[1])
        files: dict[str, ArrayFile] = {}
        rows: dict[str, list[int]] = {}
        faults: list[str] = []
        for name in array_names(folder):
            path = os.path.join(folder, name + EXTENSION)
            try:
                with damage_errors(path):
                    file = ArrayFile(path, durable=True, timeout=timeout)
                    files[name] = stack.enter_context(contextlib.closing(file))
                    rows[name] = row_names(file.file)
            except DamagedError as error:
                faults.append(str(error))
        if faults:
            raise DamagedError("; ".join(faults))
        count = 1 + max((numbers[-1] for numbers in rows.values() if numbers), default=-1)
        if count <= table.n_rows:
            return []
        places = _places(table, count)
        for name, file in files.items():
            there = set(rows[name])
            lost = sorted(there.difference(places))
            with damage_errors(file.path):
                if lost:
                    target = _move(file, folder, name, lost)
                    done.append(f"moved {name} of rows {', '.join(map(str, lost))} to {target}")
                # Rows only move down, so in this order each new name is free.
                for new, old in enumerate(places):
                    if new != old and old in there:
                        _rename(file.file, str(old), str(new))
        commit_files(journal, list(files.values()))
    return done


def _places(table: Table, count: int) -> list[int]:
    """Return the former number of each row of a table, of which some of `count` were removed.

    The last are missing, unless the numbers of the trials tell of as many missing before others.
    """
    gaps = gaps_of(table)
    is_told = gaps is not None and sum(gaps) == count - table.n_rows
    missing = accumulate(gaps if gaps is not None and is_told else [0] * table.n_rows)
    return [row + before for row, before in enumerate(missing)]


def _rename(file: Any, old: str, new: str) -> None:
    file.move(old, new)
    if old + MASK_ENDING in file:
        file.move(old + MASK_ENDING, new + MASK_ENDING)
        file[new].attrs[TRIAL.mask] = new + MASK_ENDING


def _move(array_file: ArrayFile, folder: str, name: str, rows: list[int]) -> str:
    """Copy datasets to a new file, and remove them from the other, for a commit to make it last."""
    source: Any = array_file.file
    target = free_name(folder, name + _ORPHANS, ".h5")
    members = [f"{row}{ending}" for row in rows for ending in ("", MASK_ENDING)]
    members = [found for found in members if found in source]
    path = os.path.join(folder, target)
    with create_file(path), open_unbuffered(path, libver=VERSIONS) as file:
        for found in members:
            h5py.h5o.copy(source.id, found.encode(), file.id, found.encode())
    for found in members:
        array_file.remove(found)
    return target


_Path = str | os.PathLike[str]
_Opened = TypeVar("_Opened", bound="TaskWriter | TaskReader")


class TaskError(PersistError, ValueError):
    """A task is there and may not be, or it is not there and should be."""


class MissingTaskError(TaskError, KeyError):
    """A subject has no task of a name."""

    __str__ = Exception.__str__


class Storage:
    """An experiment on disk: ``<root>/<subject>/<task>``.

    Any number of programs may record into one root at once.

    Parameters
    ----------
    root : path, optional
        The folder; made if it is missing.
    allow_overwrite : bool, optional
        Let `create_task` replace a task. The former one stays until something of the new one has
        been written.
    durable : bool, optional
        Wait until the disk holds each trial, so that it is there after a loss of power. Without,
        trials outlive the process only, and take less time.
    timeout : float, optional
        How long tasks wait for others who read or write them, in s.

    Attributes
    ----------
    root, allow_overwrite, durable, timeout
        As given.

    Examples
    --------
    >>> import numpy, tempfile
    >>> from persist.experiment import Design
    >>> folder = tempfile.TemporaryDirectory()
    >>> storage = Storage(folder.name)
    >>> storage.subject_id = "p0"
    >>> block = Design().add_block()
    >>> with storage.create_task("reach") as writer:
    ...     for target in ("left", "right"):
    ...         trial = block.add_trial({"target": target})
    ...         trial.add_array("pos", data=numpy.zeros((2, 50)))
    ...         writer.write(trial)
    >>> storage.require_task("reach").columns["target"]
    ['left', 'right']
    >>> folder.cleanup()
    """

    def __init__(
        self,
        root: _Path = "data",
        allow_overwrite: bool = False,
        *,
        durable: bool = True,
        timeout: float = TIMEOUT,
    ) -> None:
        self.root = root
        self.allow_overwrite = allow_overwrite
        self.durable = durable
        self.timeout = timeout
        self._subject_id: str | None = None
        self._is_closed = False
        self._opened: weakref.WeakSet[TaskWriter | TaskReader] = weakref.WeakSet()
        makedirs(root, exist_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_opened"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A copy, in this process or another, opens readers and writers of its own.
        vars(self).update(state, _opened=weakref.WeakSet())

    def __repr__(self) -> str:
        return storage_view(self, os.fspath(self.root)).text()

    def _repr_html_(self) -> str:
        return storage_view(self, os.fspath(self.root)).html()

    @property
    def root(self) -> _Path:
        """The folder; a relative path stays relative to the directory that was current first."""
        return self._root

    @root.setter
    def root(self, root: _Path) -> None:
        self._root, self._folder = root, os.path.abspath(root)

    @property
    def subject_ids(self) -> Iterator[str]:
        """The subjects, in order."""
        self._check_open()
        return iter(folder_names(self._folder))

    @property
    def subject_id(self) -> str | None:
        """The current subject; None at first. To set one makes its folder.

        Raises
        ------
        TypeError, InvalidKeyError
            When it is set, if no folder can be called that on every system.
        """
        return self._subject_id

    @subject_id.setter
    def subject_id(self, val: str) -> None:
        self._check_open()
        path = os.path.join(self._folder, plain_name("subject", val))
        if not os.path.isdir(path):
            check_name("subject", val)
            makedirs(path, exist_ok=True)
        self._subject_id = str(val)

    @property
    def task_ids(self) -> Iterator[str]:
        """The tasks of the current subject, in order; none without a current subject."""
        self._check_open()
        if self._subject_id is None:
            return iter(())
        folder = os.path.join(self._folder, self._subject_id)
        settle_folders(folder)
        return iter(folder_names(folder))

    def create_task(self, task_id: str) -> TaskWriter:
        """Begin a task of the current subject.

        Raises
        ------
        ValueError
            If no subject is set, the task was begun before and may not be replaced, or no folder
            can be called that.
        """
        self._check_open()
        check_name("task", task_id)
        path = self._task_path(task_id, "create a task")
        settle_folder(path)
        try:
            os.mkdir(path)
        except FileExistsError:
            if not self.allow_overwrite:
                raise TaskError(
                    f'Subject {self._subject_id} has already started "{task_id}". '
                    "Only unique task names are allowed."
                ) from None
            writer: TaskWriter = ReplacingWriter(path, durable=self.durable, timeout=self.timeout)
        else:
            if self.durable:
                sync_folder(os.path.dirname(path))
            writer = TaskWriter(path, durable=self.durable, timeout=self.timeout)
        return self._kept(writer)

    def require_task(self, task_id: str) -> TaskReader:
        """Return what reads a task of the current subject.

        Raises
        ------
        MissingTaskError
            If there is none; it is both a ValueError and a KeyError.
        """
        return self._kept(TaskReader(self._existing(task_id), timeout=self.timeout))

    def resume_task(self, task_id: str) -> TaskWriter:
        """Go on with a task of the current subject: return what adds trials to it.

        Raises
        ------
        MissingTaskError
            If there is none; it is both a ValueError and a KeyError.
        DamagedError
            If there are arrays of trials that are not in its table: see `repair_storage`.
        """
        path = self._existing(task_id)
        TaskReader(path, timeout=self.timeout).check_complete()
        return self._kept(TaskWriter(path, durable=self.durable, timeout=self.timeout))

    def close(self) -> None:
        """Close the readers and writers of its tasks. Further calls raise `ClosedError`."""
        self._is_closed = True
        for opened in list(self._opened):
            opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def to_zip(self, outfile: _Path | None = None, *, progress: Progress = None) -> None:
        """Write all of it to a ZIP file: see `storage_to_zip`."""
        self._check_open()
        storage_to_zip(self._folder, outfile, progress=progress, timeout=self.timeout)

    def to_hdf5(self, outfile: _Path | None = None, *, progress: Progress = None) -> None:
        """Write all of it to an HDF5 file: see `storage_to_hdf5`."""
        self._check_open()
        storage_to_hdf5(self._folder, outfile, progress=progress, timeout=self.timeout)

    def to_dataset(self, outfile: _Path | None = None, *, progress: Progress = None) -> None:
        """Write all of it to a package: see `storage_to_dataset`."""
        self._check_open()
        storage_to_dataset(self._folder, outfile, progress=progress, timeout=self.timeout)

    def _task_path(self, task_id: str, act: str) -> str:
        if self._subject_id is None:
            raise TaskError(f"cannot {act}: no subject is set; set subject_id first")
        return os.path.join(self._folder, self._subject_id, task_id)

    def _existing(self, task_id: str) -> str:
        self._check_open()
        plain_name("task", task_id)
        if self._subject_id is not None:
            path = self._task_path(task_id, "read a task")
            settle_folder(path)
            if os.path.isdir(path):
                return path
        raise MissingTaskError(
            f'Subject {self._subject_id} has not started "{task_id}" yet. '
            "Use `create_task` to create it first."
        )

    def _kept(self, opened: _Opened) -> _Opened:
        self._opened.add(opened)
        return opened

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError(
                f"cannot use the storage {os.fspath(self.root)}: it was closed; make another"
            )


class StorageWriter(Storage):
    """The name of `Storage` in the first plan of it; the same in all else."""


def makedirs(path: _Path, exist_ok: bool = False) -> None:
    """Make a folder, and those that it is in.

    Raises
    ------
    OSError
        If it is there and may not be, or cannot be made.
    """
    if exist_ok and os.path.isdir(path):
        return
    if os.path.lexists(path) and not os.path.isdir(path):
        raise NotAFolderError(errno.ENOTDIR, "A folder is to be made here", os.fspath(path))
    os.makedirs(path, exist_ok=exist_ok)
