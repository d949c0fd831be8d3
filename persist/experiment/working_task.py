"""The trials of a task in a working dataset."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import h5py

from persist.experiment.archived import SOURCE, check_object_name, load_object
from persist.experiment.columns import Table
from persist.experiment.csv_text import parse_csv
from persist.experiment.folder import reading
from persist.experiment.joined_arrays import JoinedArrays, is_joined
from persist.experiment.layout import ARRAYS, FILES, PICKLES, TABLE, group_path
from persist.experiment.names import group_name, name_of_group, plain_name
from persist.experiment.reader import Reader, UnknownArrayError
from persist.experiment.tables import read_table
from persist.experiment.trial_arrays import SeparateArrays, TrialArrays
from persist.experiment.trial_folder import TRIALS

__all__ = ["WorkingTask", "opened"]


class WorkingTask(Reader):
    """The reader of one task of a working dataset: `WorkingDataset.task` makes it."""

    def __init__(self, path: str, subject: str, task: str) -> None:
        super().__init__()
        self._path = path
        self._place = group_path(subject, task)

    @property
    def array_names(self) -> list[str]:
        """The names of the arrays, in order."""
        with opened(self._path) as file:
            return self._array_names(file)

    def load(self, name: str) -> Any:
        """Return an object that `TaskWriter.store` has written. This runs its source.

        Raises
        ------
        FileNotFoundError
            If there is none.
        """
        check_object_name(name)
        with tempfile.TemporaryDirectory() as folder:
            with opened(self._path) as file:
                files = file[self._place].get(FILES)
                if files is None or group_name(name + SOURCE) not in files:
                    raise FileNotFoundError(
                        errno.ENOENT, "No object was stored under this name", name
                    )
                _extract(files, folder, lambda member: member.startswith(name))
            return load_object(folder, name)

    def _where(self) -> str:
        return f"{self._path}:/{self._place}"

    def _read_table(self) -> Table:
        with opened(self._path) as file:
            group = file[self._place]
            files = group.get(FILES)
            if files is not None and TRIALS in files:
                return Table.of_csv(parse_csv(files[TRIALS][()].tobytes()))
            return read_table(group[TABLE]) if TABLE in group else Table()

    def _array_names(self, file: Any) -> list[str]:
        return sorted(map(name_of_group, file[self._place].get(ARRAYS, ())))

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[TrialArrays]:
        plain_name("array", name)
        self._table()
        with opened(self._path) as file:
            group = file[self._place].get(f"{ARRAYS}/{group_name(name)}")
            if not isinstance(group, h5py.Group):
                raise UnknownArrayError(name, self._where(), self._array_names(file))
            yield JoinedArrays(group) if is_joined(group) else SeparateArrays(group)

    def _pickled(self, name: str) -> bytes:
        plain_name("pickle", name)
        with opened(self._path) as file:
            found = file[self._place].get(f"{PICKLES}/{group_name(name)}")
            if found is None:
                raise FileNotFoundError(errno.ENOENT, "There is no pickle of this name", name)
            data: bytes = found[()].tobytes()
            return data


@contextlib.contextmanager
def opened(path: str) -> Iterator[Any]:
    """Open the file of a working dataset for reading, while nobody changes it."""
    folder = os.path.dirname(path) or os.curdir
    if not os.path.exists(path):
        raise FileNotFoundError(errno.ENOENT, "There is no working dataset here", path)
    with reading(folder, always=True), h5py.File(path, "r") as file:
        yield file


def _extract(files: Any, folder: str, is_wanted: Callable[[str], bool]) -> None:
    for name, member in files.items():
        plain = plain_name("file", name_of_group(name))
        if isinstance(member, h5py.Dataset) and is_wanted(plain):
            with open(os.path.join(folder, plain), "wb") as file:
                file.write(member[()].tobytes())
