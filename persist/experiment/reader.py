"""Reading the trials of a task, wherever they are kept, and the objects stored beside them."""

from __future__ import annotations

import abc
import functools
import os
import pickle
import runpy
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy

from persist.archive import Archive
from persist.errors import (
    ArgumentError,
    ArgumentTypeError,
    ClosedError,
    InvalidKeyError,
    PersistError,
    PersistWarning,
    UnknownKeyError,
)
from persist.experiment.columns import Table, frame_of
from persist.experiment.csv_text import Value
from persist.experiment.folder import Identity, identity
from persist.experiment.trial_arrays import LazyArrays, TrialArrays, stacked
from persist.experiment.view import task_view
from persist.files import TIMEOUT
from persist.files.regular import identity_of
from persist.names import is_identifier

SOURCE = ".py"

# Arrays of fewer elements are read more easily among the source.
_THRESHOLD = 100


def check_object_name(name: str) -> str:
    """Return the name of an object, if a module can have it.

    Raises
    ------
    InvalidKeyError
        If it cannot.
    """
    if not is_identifier(name) or name.startswith("_"):
        raise InvalidKeyError(name, "a module cannot be called that: choose a Python identifier")
    return name


def store_object(obj: Any, folder: str, name: str) -> None:
    """Write an object as the module ``<name>.py`` of a folder; a former one is replaced.

    Raises
    ------
    ArchiveError
        If the object cannot be stored; nothing has changed.
    OSError
        If the disk fails; nothing has changed.
    """
    archive = Archive(scoped=False, array_threshold=_THRESHOLD, backup_data=False)
    archive.insert_items({name: obj})
    archive.save(folder, name, package=False, data_format="npz", force=True)


def load_object(folder: str, name: str) -> Any:
    """Run the module of an object, and return the object.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    return runpy.run_path(os.path.join(folder, name + SOURCE))[name]


if TYPE_CHECKING:
    from typing_extensions import Self

_BATCH = 1 << 22  # bytes

Rows = slice | Iterable[int] | None


class MissingRecordError(PersistError, KeyError, FileNotFoundError):
    """A task has no array, pickle or object of a name.

    Parameters
    ----------
    name : str
        The name.
    where : str
        The task.
    known : sequence of str
        The names that there are.
    """

    kind = "object"

    def __init__(self, name: str, where: str, known: Sequence[str] = ()) -> None:
        super().__init__(name, where, known)
        self.name = name
        self.where = where
        self.known = known

    def __str__(self) -> str:
        known = ", ".join(self.known) or "none"
        return f"No {self.kind} {self.name!r} in {self.where}; there are: {known}"


class UnknownArrayError(MissingRecordError):
    """A task has no array of a name."""

    kind = "array"


class MissingTrialError(PersistError, IndexError):
    """A task has fewer trials."""


class Reader(abc.ABC):
    """The trials of one task."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._is_closed = False
        self._trials: Any = None
        self._table_read: Table | None = None
        self._read_from: tuple[int, int] | None = None
        # The rows that have an array, by its name, and the identity of the file that says so.
        self._listed: dict[str, tuple[Identity, frozenset[int]]] = {}

    def __repr__(self) -> str:
        return task_view(self, self._where()).text()

    def _repr_html_(self) -> str:
        return task_view(self, self._where()).html()

    @property
    def trials(self) -> Any:
        """The attributes as a `pandas.DataFrame` with the types that were written.

        It is read once and kept.

        Raises
        ------
        MissingExtraError
            If pandas is not installed; `columns` needs none.
        """
        self._check_open()
        if self._trials is None:
            self._trials = frame_of(self._table())
        return self._trials

    @property
    def columns(self) -> dict[str, list[Value]]:
        """The attributes as lists by column, with None where a value is missing."""
        return self._table().columns

    def __len__(self) -> int:
        return self._table().n_rows

    @property
    @abc.abstractmethod
    def array_names(self) -> list[str]:
        """The names of the arrays, in order."""

    def iterarray(self, name: str) -> Iterator[Any]:
        """Yield the array of each trial, read one at a time; None for a trial without.

        Parameters
        ----------
        name : str
            The name of the array.

        Raises
        ------
        UnknownArrayError
            If no trial has one; it is both a KeyError and a FileNotFoundError.
        """
        with self._open(name) as arrays:
            has = self._rows_of(name, arrays)
        row = 0
        while row < len(self):
            # The file is closed while the caller works, and opened once for many small arrays.
            batch: deque[Any] = deque()
            size = 0
            with self._open(name) as arrays:
                while row < len(self) and size < _BATCH:
                    batch.append(arrays.read(row) if row in has else None)
                    size += getattr(batch[-1], "nbytes", 0)
                    row += 1
            while batch:
                yield batch.popleft()

    def array(self, name: str, trials: Rows = None) -> Any:
        """Return the arrays of all trials, stacked along the first axis.

        Parameters
        ----------
        name : str
            The name of the array. If it is of the task as a whole, it is returned as it is.
        trials : slice or iterable of int or bool, optional
            Only these: rows, or a truth value for each row.

        Returns
        -------
        numpy.ndarray or numpy.ma.MaskedArray
            Arrays of one axis are rows of it. If trials differ in the other axes, what a trial
            lacks is masked.

        Raises
        ------
        UnknownArrayError
            If no trial has one.
        UnknownKeyError
            If one of the trials has none.
        IndexError
            If there are fewer trials.
        ValueError
            If the arrays have different numbers of axes, or there are more or fewer truth values
            than trials.
        """
        with self._open(name) as arrays:
            has = self._rows_of(name, arrays)
            result = None if has else arrays.result()
            if result is not None and trials is None:
                return result
            rows = _selected(trials, len(self))
            lacking = [row for row in rows if row not in has]
            if lacking:
                raise UnknownKeyError(name, f"trials {lacking} of {self._where()}")
            return stacked(arrays, rows)

    def result(self, name: str) -> Any:
        """Return an array that belongs to the task as a whole.

        Raises
        ------
        UnknownArrayError
            If there is none.
        """
        with self._open(name) as arrays:
            found = arrays.result()
        if found is None:
            raise UnknownArrayError(name, f"the results of {self._where()}")
        return found

    def lazy(self, name: str) -> LazyArrays:
        """Return the arrays of all trials as a sequence that reads what is asked for.

        Raises
        ------
        UnknownArrayError
            If no trial has one.
        """
        with self._open(name) as arrays:
            has = self._rows_of(name, arrays)
        return LazyArrays(functools.partial(self._open, name), name, has, len(self))

    def pickle(self, name: str) -> Any:
        """Return a pickled object. This runs what is in it: read only what you trust.

        Raises
        ------
        MissingRecordError
            If there is none; it is both a KeyError and a FileNotFoundError.
        """
        return pickle.loads(self._pickled(name))

    def load(self, name: str) -> Any:
        """Return an object that `TaskWriter.store` has written. This runs its source.

        Raises
        ------
        MissingRecordError
            If there is none; it is both a KeyError and a FileNotFoundError.
        """
        self._check_open()
        return self._stored(check_object_name(name))

    def close(self) -> None:
        """Forget what was read. Further calls raise `ClosedError`."""
        self._is_closed = True
        self._trials = self._table_read = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClosedError(f"cannot read {self._where()}: this reader was closed; make another")

    def _table(self) -> Table:
        self._check_open()
        if self._table_read is None:
            self._read_from = identity_of(self._source)
            self._table_read = self._read_table()
        return self._table_read

    def _check_same(self) -> None:
        """Raise ClosedError if the arrays no longer belong to the table that was read."""
        self._table()
        if self._read_from is not None and identity_of(self._source) != self._read_from:
            raise ClosedError(
                f"cannot read {self._where()}: {os.path.basename(self._source)} was replaced since "
                "the trials were read; make another reader"
            )

    def _rows_of(self, name: str, arrays: TrialArrays) -> frozenset[int]:
        """Return the rows that have an array; one without a row is of no trial."""
        found = identity(self._file_of(name))
        if self._listed.get(name, (None,))[0] != found or found is None:
            self._listed[name] = found, self._list_rows(name, arrays)
        return self._listed[name][1]

    def _list_rows(self, name: str, arrays: TrialArrays) -> frozenset[int]:
        rows = arrays.rows()
        if rows and rows[-1] >= len(self) and rows[-1] >= self._count_now():
            warnings.warn(
                f"{self._where()}: {name} has arrays of rows that the table of trials lacks, up to "
                f"row {rows[-1]}: if rows were removed before the end, those after them have the "
                "arrays of others; put them back, or run `persist repair` on the storage",
                PersistWarning,
                stacklevel=4,
            )
        return frozenset(row for row in rows if row < len(self))

    def _count_now(self) -> int:
        """Return the number of rows, which others may have added to since they were read."""
        return len(self)

    @property
    @abc.abstractmethod
    def _source(self) -> str:
        """The file of the attributes."""

    def _file_of(self, name: str) -> str:
        """Return the file of the arrays of a name."""
        return self._source

    @abc.abstractmethod
    def _where(self) -> str:
        """Return the place, for messages."""

    @abc.abstractmethod
    def _read_table(self) -> Table:
        """Return the attributes."""

    @abc.abstractmethod
    def _open(self, name: str) -> AbstractContextManager[TrialArrays]:
        """Open the arrays of a name."""

    @abc.abstractmethod
    def _pickled(self, name: str) -> bytes:
        """Return a pickle."""

    @abc.abstractmethod
    def _stored(self, name: str) -> Any:
        """Return an object that was stored as source."""


def _selected(trials: Rows, count: int) -> list[int]:
    if trials is None or isinstance(trials, slice):
        return list(range(count)[trials or slice(None)])
    if not isinstance(trials, Iterable):
        raise ArgumentTypeError(f"cannot select trials by {trials!r}: give a slice, or their rows")
    rows = list(trials)
    if any(isinstance(row, (bool, numpy.bool_)) for row in rows):
        if len(rows) != count or not all(isinstance(row, (bool, numpy.bool_)) for row in rows):
            raise ArgumentError(
                f"cannot select trials by {len(rows)} truth values: give one for each of {count}"
            )
        return [row for row, is_selected in enumerate(rows) if is_selected]
    try:
        return [range(count)[row] for row in rows]
    except IndexError:
        raise MissingTrialError(f"cannot select trials {rows}: there are {count}") from None
