"""The trials of a task in its folder."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

from persist.experiment.columns import Table
from persist.experiment.folder import reading
from persist.experiment.names import plain_name
from persist.experiment.reader import (
    SOURCE,
    MissingRecordError,
    Reader,
    UnknownArrayError,
    load_object,
)
from persist.experiment.task_writer import PICKLE
from persist.experiment.trial_arrays import SeparateArrays
from persist.experiment.trial_folder import (
    EXTENSION,
    TRIALS,
    array_names,
    orphans,
    read_csv,
    refuse_orphans,
    warn_if_moved,
)
from persist.files import TIMEOUT, open_regular
from persist.hdf5.opening import damage_errors, open_hdf5

_log = logging.getLogger(__name__)


class TaskReader(Reader):
    """The reader of one task: `Storage.require_task` makes it.

    What a writer who died left unfinished is finished or left out, when something is first read;
    `dropped` tells what was left out.

    Parameters
    ----------
    root : path
        The folder of the task.
    timeout : float, optional
        How long to wait for a writer of the task, in s.

    Notes
    -----
    ``root`` must be a folder. Without a file ``trials.csv``, the task has no trials.
    """

    def __init__(self, root: str | os.PathLike[str], *, timeout: float = TIMEOUT) -> None:
        super().__init__(timeout)
        self.root = root
        self._folder = os.path.abspath(root)

    @property
    def array_names(self) -> list[str]:
        """The names of the arrays, in order."""
        self._check_open()
        return array_names(self._folder)

    @property
    def dropped(self) -> list[str]:
        """What is in the files and belongs to no whole trial, one text for each.

        This looks at all files of the task as they are now.
        """
        with reading(self._folder, timeout=self._timeout):
            csv = read_csv(self._source)[1]
            found = [f"row {len(csv.rows)}: not whole: {csv.rest!r}"] if csv.rest else []
            with self._opening() as opened:
                rows = orphans(self._folder, len(csv.rows), opened)
            found += [
                f"row {row}: {name} without attributes" for name in rows for row in rows[name]
            ]
        return found

    def check_complete(self) -> None:
        """Raise DamagedError if there are arrays of trials that are not in the table."""
        with reading(self._folder, timeout=self._timeout), self._opening() as opened:
            refuse_orphans(self._folder, len(read_csv(self._source)[1].rows), opened)

    @contextlib.contextmanager
    def _opening(self) -> Iterator[Callable[[str], Any]]:
        with contextlib.ExitStack() as files:
            yield lambda name: files.enter_context(self._open_file(name))

    def _stored(self, name: str) -> Any:
        self._check_there(name, SOURCE)
        with reading(self._folder, timeout=self._timeout):
            return load_object(self._folder, name)

    @property
    def _source(self) -> str:
        return os.path.join(self._folder, TRIALS)

    def _file_of(self, name: str) -> str:
        return os.path.join(self._folder, name + EXTENSION)

    def _where(self) -> str:
        return self._folder

    def _count_now(self) -> int:
        return len(read_csv(self._source)[1].rows)

    def _read_table(self) -> Table:
        with reading(self._folder, timeout=self._timeout):
            return read_trials(self._folder)

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[SeparateArrays]:
        plain_name("array", name)
        # The table is read first: whoever reads it takes the lock too.
        self._table()
        with reading(self._folder, timeout=self._timeout), self._open_file(name) as file:
            self._check_same()
            yield SeparateArrays(file)

    @contextlib.contextmanager
    def _open_file(self, name: str) -> Iterator[Any]:
        path = self._file_of(name)
        if not os.path.exists(path):
            raise UnknownArrayError(name, self._folder, self.array_names)
        with damage_errors(path), open_hdf5(path, self._timeout) as file:
            yield file

    def _pickled(self, name: str) -> bytes:
        self._check_open()
        plain_name("pickle", name)
        self._check_there(name, PICKLE)
        with (
            reading(self._folder, timeout=self._timeout),
            open_regular(os.path.join(self._folder, name + PICKLE), follow=True) as file,
        ):
            data: bytes = file.read()
        return data

    def _check_there(self, name: str, extension: str) -> None:
        if not os.path.exists(os.path.join(self._folder, name + extension)):
            files = os.listdir(self._folder) if os.path.isdir(self._folder) else []
            known = [file.removesuffix(extension) for file in files if file.endswith(extension)]
            raise MissingRecordError(name, self._folder, sorted(known))


def read_trials(folder: str) -> Table:
    """Return the attributes of the trials of a task, for a caller that keeps its writer out."""
    data, csv = read_csv(os.path.join(folder, TRIALS))
    if csv.rest:
        _log.warning("%s: left out a row that is not whole: %r", folder, csv.rest)
    table = Table.of_csv(csv)
    if os.path.isdir(folder) and array_names(folder):
        warn_if_moved(table, data, folder)
    return table
