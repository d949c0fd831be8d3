"""Trials of a task, written while it runs."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
from collections.abc import Iterator
from typing import Any, Protocol

from persist.archive.arrays.datasets import Encoded
from persist.errors import PersistError, UnsupportedObjectError
from persist.experiment.folder import changing
from persist.experiment.names import check_name
from persist.experiment.reader import check_object_name, store_object
from persist.experiment.trial_folder import TRIALS, TrialWriter, prepare_fields
from persist.files import TIMEOUT, replace_file
from persist.files.folder import begin_folder, commit_folder
from persist.hdf5.masked import prepare_array

PICKLE = ".pkl"

_log = logging.getLogger(__name__)


class MissingAttributeError(PersistError, KeyError):
    """A trial lacks an attribute that each must have."""


class ArrayLike(Protocol):
    """What holds an array of a trial, as `Array` does."""

    data: Any

    def clear(self) -> None:
        """Forget the data."""
        ...


class TrialLike(Protocol):
    """What holds a trial, as `Trial` does."""

    @property
    def attrs(self) -> Any:
        """The values, by name."""
        ...

    @property
    def arrays(self) -> Any:
        """The arrays, by name."""
        ...


class TaskWriter:
    """The writer of one task: `Storage.create_task` makes it.

    Parameters
    ----------
    root : path
        The folder of the task. Trials that are there already stay, and more are added.
    durable : bool, optional
        Wait until the disk holds each trial, so that it is there after a loss of power. Without,
        it is there after the death of this process.
    timeout : float, optional
        How long to wait for others who read or write the task, in s.

    Attributes
    ----------
    trials : TrialWriter
        The writer of the attributes.

    Examples
    --------
    >>> import numpy, tempfile
    >>> from persist.experiment import TaskReader, Trial
    >>> folder = tempfile.TemporaryDirectory()
    >>> writer = TaskWriter(folder.name)
    >>> trial = Trial({"block": 0, "trial": 0, "target": "left"})
    >>> trial.add_array("emg", data=numpy.zeros((4, 200)))
    >>> writer.write(trial)
    >>> TaskReader(folder.name).array("emg").shape
    (4, 200)
    >>> writer.close()
    >>> folder.cleanup()
    """

    def __init__(
        self, root: str | os.PathLike[str], *, durable: bool = True, timeout: float = TIMEOUT
    ) -> None:
        self.root = root
        self._durable = durable
        self._timeout = timeout
        self._folder = os.path.abspath(root)
        self.trials = self._trials_in(self._folder)

    def write(self, trial: TrialLike) -> None:
        """Write a trial, and clear its arrays. It is on disk when the call returns, as a whole.

        Parameters
        ----------
        trial : Trial
            Or an object like it: values in ``attrs``, ``block`` and ``trial`` among them, and
            objects with ``data`` and ``clear()`` in ``arrays``.

        Raises
        ------
        KeyError
            If it has no ``block`` or ``trial``.
        TypeError, ValueError
            If a name, a value or an array cannot be written.
        LockTimeout
            If somebody else who writes or reads the task does not release its lock.
        ClosedError
            If the writer was closed.
        OSError
            If the disk fails. Whatever the error, the trial is absent, and keeps its arrays.
        """
        attrs = trial.attrs
        for name in ("block", "trial"):
            if name not in attrs:
                raise MissingAttributeError(
                    f"a trial needs attrs[{name!r}], and has {sorted(map(str, attrs))}"
                )
        block, number = attrs["block"], attrs["trial"]
        if _log.isEnabledFor(logging.INFO):
            _log.info("saving trial %s:%s\n%s", block, number, trial)
        fields = prepare_fields(attrs)
        arrays = {name: _prepared(name, array) for name, array in trial.arrays.items()}
        with self._writing():
            self.trials.append(fields, arrays)
        for array in trial.arrays.values():
            array.clear()

    def pickle(self, obj: Any, name: str) -> None:
        """Write any object by pickle, as ``<name>.pkl``.

        To read it runs what is in it, and may fail with other versions of its classes; `store` is
        for what is to last.
        """
        check_name("pickle", name)
        data = pickle.dumps(obj)
        with (
            self._writing() as place,
            changing(place, self._timeout),
            replace_file(os.path.join(place, name + PICKLE), "wb") as file,
        ):
            file.write(data)

    def store(self, obj: Any, name: str) -> None:
        """Write any object as readable source, ``<name>.py``, with its large arrays beside it.

        Raises
        ------
        ArchiveError
            If the object cannot be stored; nothing has changed.
        """
        check_object_name(check_name("object", name))
        with self._writing() as place, changing(place, self._timeout):
            store_object(obj, place, name)

    def close(self) -> None:
        """Close all files. Further calls raise `ClosedError`."""
        self.trials.close()

    def __enter__(self) -> TaskWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[str]:
        """Context manager that gives the folder in which the block writes."""
        self.trials.check_open()
        yield self._folder

    def _trials_in(self, folder: str) -> TrialWriter:
        path = os.path.join(folder, TRIALS)
        return TrialWriter(path, durable=self._durable, timeout=self._timeout)


class ReplacingWriter(TaskWriter):
    """The writer of a task in the place of a former one, which stays until something is written."""

    _has_replaced = False

    @contextlib.contextmanager
    def _writing(self) -> Iterator[str]:
        with super()._writing() as folder:
            if self._has_replaced:
                yield folder
                return
            new = begin_folder(folder)
            self.trials = self._trials_in(new)
            try:
                yield new
                self.trials.release()
                commit_folder(folder)
            finally:
                self.trials.release()
                self.trials = self._trials_in(folder)
            self._has_replaced = True


def _prepared(name: str, array: ArrayLike) -> Encoded:
    check_name("array", name)
    try:
        return prepare_array(array.data)
    except TypeError as error:
        raise UnsupportedObjectError(f"array {name!r} cannot be written: {error}") from error
