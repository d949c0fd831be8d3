"""The trials of a task in its folder."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from typing import Any

import h5py

from persist.errors import DamagedError
from persist.experiment.archived import SOURCE, check_object_name, load_object
from persist.experiment.columns import Table
from persist.experiment.csv_text import CSV, parse_csv
from persist.experiment.folder import reading
from persist.experiment.names import plain_name
from persist.experiment.reader import Reader, UnknownArrayError
from persist.experiment.task_writer import PICKLE
from persist.experiment.trial_arrays import SeparateArrays, row_names
from persist.experiment.trial_folder import EXTENSION, TRIALS, array_names

__all__ = ["TaskReader"]

_log = logging.getLogger(__name__)


class TaskReader(Reader):
    """The reader of one task: `Storage.require_task` makes it.

    What a writer who died left unfinished is finished or left out, when something is first read;
    `dropped` tells what was left out.

    Parameters
    ----------
    root : path
        The folder of the task.

    Notes
    -----
    ``root`` must be a folder. Without a file ``trials.csv``, the task has no trials.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        super().__init__()
        self.root = root
        self._folder = os.fspath(root)

    @property
    def array_names(self) -> list[str]:
        """The names of the arrays, in order."""
        return array_names(self._folder)

    @property
    def dropped(self) -> list[str]:
        """What is in the files and belongs to no whole trial, one text for each.

        This looks at all files of the task as they are now.
        """
        with reading(self._folder):
            csv = self._read_csv()
            found = [f"row {len(csv.rows)}: not whole: {csv.rest!r}"] if csv.rest else []
            for name in self.array_names:
                with self._open_file(name) as file:
                    rows = row_names(file)
                found += [f"row {n}: {name} without attributes" for n in rows if n >= len(csv.rows)]
        return found

    def load(self, name: str) -> Any:
        """Return an object that `TaskWriter.store` has written. This runs its source.

        Raises
        ------
        FileNotFoundError
            If there is none.
        """
        check_object_name(name)
        self._check_there(name + SOURCE)
        with reading(self._folder):
            return load_object(self._folder, name)

    def _where(self) -> str:
        return self._folder

    def _read_table(self) -> Table:
        with reading(self._folder):
            return self._read_unlocked()

    def _read_unlocked(self) -> Table:
        csv = self._read_csv()
        if csv.rest:
            _log.warning("%s: left out a row that is not whole: %r", self._folder, csv.rest)
        return Table.of_csv(csv)

    def _read_csv(self) -> CSV:
        path = os.path.join(self._folder, TRIALS)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            if not os.path.isdir(self._folder):
                raise
            data = b""
        try:
            return parse_csv(data)
        except ValueError as error:
            raise DamagedError(f"{path} cannot be read: {error}") from error

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[SeparateArrays]:
        plain_name("array", name)
        # The table is read first: whoever reads it takes the lock too.
        self._table()
        with reading(self._folder), self._open_file(name) as file:
            yield SeparateArrays(file)

    @contextlib.contextmanager
    def _open_file(self, name: str) -> Iterator[Any]:
        path = os.path.join(self._folder, name + EXTENSION)
        if not os.path.exists(path):
            raise UnknownArrayError(name, self._folder, self.array_names)
        with h5py.File(path, "r") as file:
            yield file

    def _pickled(self, name: str) -> bytes:
        plain_name("pickle", name)
        with reading(self._folder), open(os.path.join(self._folder, name + PICKLE), "rb") as file:
            return file.read()

    def _check_there(self, name: str) -> None:
        path = os.path.join(self._folder, name)
        if not os.path.exists(path):
            raise FileNotFoundError(errno.ENOENT, "No object was stored under this name", path)
