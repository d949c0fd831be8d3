"""The folders of an experiment: subjects, and the tasks of each."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Iterator

from persist.errors import PersistError
from persist.experiment.consolidation import storage_to_hdf5
from persist.experiment.export import storage_to_dataset
from persist.experiment.names import check_name, plain_name
from persist.experiment.task_reader import TaskReader
from persist.experiment.task_writer import TaskWriter
from persist.experiment.tree import folder_names
from persist.experiment.zipping import storage_to_zip
from persist.files import settle_folder, settle_folders, sync_folder
from persist.files.folder import begin_folder, commit_folder

__all__ = ["Storage", "StorageWriter", "TaskError", "makedirs"]

_Path = str | os.PathLike[str]


class TaskError(PersistError, ValueError):
    """A task is there and may not be, or it is not there and should be."""


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

    Attributes
    ----------
    root, allow_overwrite, durable
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
        self, root: _Path = "data", allow_overwrite: bool = False, *, durable: bool = True
    ) -> None:
        self.root = root
        self.allow_overwrite = allow_overwrite
        self.durable = durable
        self._subject_id: str | None = None
        makedirs(root, exist_ok=True)

    @property
    def subject_ids(self) -> Iterator[str]:
        """The subjects, in order."""
        return iter(folder_names(os.fspath(self.root)))

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
        path = os.path.join(self.root, plain_name("subject", val))
        if not os.path.isdir(path):
            check_name("subject", val)
            makedirs(path, exist_ok=True)
        self._subject_id = str(val)

    @property
    def task_ids(self) -> Iterator[str]:
        """The tasks of the current subject, in order; none if there is no subject."""
        if self._subject_id is None:
            return iter(())
        folder = os.path.join(self.root, self._subject_id)
        settle_folders(folder)
        return iter(folder_names(folder))

    def create_task(self, task_id: str) -> TaskWriter:
        """Begin a task of the current subject.

        Raises
        ------
        ValueError
            If there is no subject, the task was begun before and may not be replaced, or no folder
            can be called that.
        """
        check_name("task", task_id)
        path = self._task_path(task_id, "create a task")
        settle_folder(path)
        try:
            os.mkdir(path)
        except FileExistsError:
            return self._replacing(path, task_id)
        if self.durable:
            sync_folder(os.path.dirname(path))
        return TaskWriter(path, durable=self.durable)

    def require_task(self, task_id: str) -> TaskReader:
        """Return what reads a task of the current subject.

        Raises
        ------
        ValueError
            If there is none.
        """
        return TaskReader(self._existing(task_id))

    def resume_task(self, task_id: str) -> TaskWriter:
        """Go on with a task of the current subject: return what adds trials to it.

        Raises
        ------
        ValueError
            If there is none.
        """
        return TaskWriter(self._existing(task_id), durable=self.durable)

    def to_zip(self, outfile: _Path | None = None) -> None:
        """Write all of it to a ZIP file: see `storage_to_zip`."""
        storage_to_zip(self.root, outfile)

    def to_hdf5(self, outfile: _Path | None = None) -> None:
        """Write all of it to an HDF5 file: see `storage_to_hdf5`."""
        storage_to_hdf5(self.root, outfile)

    def to_dataset(self, outfile: _Path | None = None) -> None:
        """Write all of it to a package: see `storage_to_dataset`."""
        storage_to_dataset(self.root, outfile)

    def _task_path(self, task_id: str, act: str) -> str:
        if self._subject_id is None:
            raise TaskError(f"There is no subject: set subject_id to {act}")
        return os.path.join(self.root, self._subject_id, task_id)

    def _existing(self, task_id: str) -> str:
        plain_name("task", task_id)
        if self._subject_id is not None:
            path = self._task_path(task_id, "read a task")
            settle_folder(path)
            if os.path.isdir(path):
                return path
        raise TaskError(
            f'Subject {self._subject_id} has not started "{task_id}" yet. '
            "Use `create_task` to create it first."
        )

    def _replacing(self, path: str, task_id: str) -> TaskWriter:
        if not self.allow_overwrite:
            raise TaskError(
                f'Subject {self._subject_id} has already started "{task_id}". '
                "Only unique task names are allowed."
            )
        return TaskWriter._replacing(
            path,
            functools.partial(begin_folder, path),
            functools.partial(commit_folder, path),
            durable=self.durable,
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
        raise NotADirectoryError(errno.ENOTDIR, "A folder is to be made here", os.fspath(path))
    os.makedirs(path, exist_ok=exist_ok)
