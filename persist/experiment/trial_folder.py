"""The files of a task that is being recorded: rows of attributes, and arrays."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from persist.archive.arrays.datasets import Encoded
from persist.errors import ArgumentError, ClosedError, DamagedError, PersistWarning
from persist.experiment.array_file import ArrayFile
from persist.experiment.columns import Table, frame_of, gaps_of
from persist.experiment.csv_text import (
    CSV,
    Value,
    field_text,
    header_line,
    parse_csv,
    row_line,
    widened,
)
from persist.experiment.folder import Identity, held, identity, journal_of, lock_of, reading
from persist.experiment.names import check_column
from persist.experiment.trial_arrays import row_names
from persist.files import TIMEOUT, open_regular
from persist.files.journal import Change, Journal, Part, recover
from persist.files.regular import Handle, read_at
from persist.files.write import sync_data
from persist.hdf5.in_place import commit_files
from persist.names import is_encodable

TRIALS = "trials.csv"
EXTENSION = ".hdf5"

_MOST_OPEN = 200  # files that stay open between trials, besides those of the last

_log = logging.getLogger(__name__)


def read_csv(path: str) -> tuple[bytes, CSV]:
    """Return the content of a table of trials, as it is and parsed; nothing if it is missing.

    Raises
    ------
    FileNotFoundError
        If its folder is missing, too.
    DamagedError
        If it cannot be read.
    """
    try:
        with open_regular(path, follow=True) as file:
            data = file.read()
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(path) or os.curdir):
            raise
        data = b""
    try:
        return data, parse_csv(data)
    except ValueError as error:
        raise DamagedError(f"cannot read {path}: {error}; correct the file") from error


def warn_if_moved(table: Table, data: bytes, where: str) -> None:
    """Warn if the rows of a table may be at other places than their arrays, which go by number.

    What persist does not write so was saved by other software.
    """
    if "trial" not in table.columns:
        return
    gaps = gaps_of(table)
    if (gaps is None or any(gaps)) and table.to_bytes() != data:
        warnings.warn(
            f"{where}: other software has saved the table of trials, and its block and trial do "
            "not count up: if rows were sorted, added or removed there, they have the arrays of "
            "others; put them back in order",
            PersistWarning,
            stacklevel=2,
        )


def array_names(folder: str) -> list[str]:
    """Return the names of the arrays in a folder, in order."""
    return sorted(
        name.removesuffix(EXTENSION)
        for name in os.listdir(folder)
        if name.endswith(EXTENSION) and not name.startswith(".")
    )


def orphans(folder: str, n_rows: int, opened: Callable[[str], Any]) -> dict[str, list[int]]:
    """Return the rows behind the table of a task that have an array, by the name of that.

    `opened` returns the open file of a name.
    """
    found = {
        name: [row for row in row_names(opened(name)) if row >= n_rows]
        for name in array_names(folder)
    }
    return {name: rows for name, rows in found.items() if rows}


def refuse_orphans(folder: str, n_rows: int, opened: Callable[[str], Any]) -> None:
    """Raise DamagedError if `orphans` finds any."""
    found = orphans(folder, n_rows, opened)
    if found:
        listed = "; ".join(f"{name}: {', '.join(map(str, n))}" for name, n in found.items())
        raise DamagedError(
            f"cannot add to {folder}: {TRIALS} has {n_rows} rows, and arrays of later rows are "
            f"there ({listed}); put the rows back, or move these arrays aside with `persist "
            "repair`, which keeps them in files of their own"
        )


class TrialWriter:
    """A CSV file to which rows are added, each on disk when the call returns.

    Rows that are there already stay. A row may lack columns, and bring new ones.

    Parameters
    ----------
    filepath : path
        The file, made with the first row.
    durable : bool, optional
        Wait until the disk holds each row, so that it is there after a loss of power.
    timeout : float, optional
        How long to wait for others who read or write, in s.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "trials.csv")
    >>> trials = TrialWriter(path)
    >>> trials.write({"subject": "007", "hit": True})
    >>> trials.write({"subject": "008", "time": 0.25})
    >>> print(path.read_text())
    subject,hit,time
    "007",True,
    "008",,0.25
    >>> folder.cleanup()
    """

    def __init__(
        self, filepath: str | os.PathLike[str], *, durable: bool = True, timeout: float = TIMEOUT
    ) -> None:
        self.filepath = filepath
        self._path = os.path.abspath(filepath)
        self._folder = os.path.dirname(self._path)
        self._durable = durable
        self._timeout = timeout
        self._columns: list[str] = []
        self._n_rows = 0
        self._lock = lock_of(self._folder, timeout)
        self._is_closed = False
        self._pid = os.getpid()
        self._journal = Journal(journal_of(self._folder), durable=durable, lock=self._lock)
        # Files stay open between rows. When somebody else has changed one, it is opened anew.
        self._files: dict[str, ArrayFile] = {}
        self._handle: Handle | None = None
        self._found: Identity = None
        self._end = 0
        self._is_line_open = False

    @property
    def data(self) -> dict[str, list[Value]]:
        """The values of each column, read from the file."""
        return self._table().columns

    @property
    def df(self) -> Any:
        """The rows as a `pandas.DataFrame`, read from the file; missing before the first row.

        Raises
        ------
        AttributeError
            If no row was written yet.
        MissingExtraError
            If pandas is not installed.
        """
        table = self._table()
        if not table.n_rows:
            raise AttributeError("cannot make a frame of a table without rows; write one first")
        return frame_of(table)

    def write(self, data: Mapping[str, Any]) -> None:
        """Add a row.

        Raises
        ------
        TypeError, ValueError
            If a name or a value cannot be written; nothing has changed.
        OSError
            If the disk fails; nothing has changed.
        """
        fields = prepare_fields(data)
        self.append(fields, {})

    def close(self) -> None:
        """Close the file. Further rows raise `ClosedError`."""
        self._is_closed = True
        self.release()

    def __enter__(self) -> TrialWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def append(self, fields: Mapping[str, str], arrays: Mapping[str, Encoded]) -> None:
        """Add a trial.

        Raises
        ------
        OSError
            If the disk fails; the trial is absent.
        """
        with self._changing():
            for name, prepared in arrays.items():
                self._array_file(name).add(str(self._n_rows), prepared)
            self._commit(fields)

    def check_open(self) -> None:
        """Raise ClosedError if the writer was closed."""
        if self._is_closed:
            raise ClosedError(
                f"cannot write to {self._folder}: this writer was closed; make another, for a task "
                "with resume_task"
            )

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep others out, and know what is there."""
        self.check_open()
        if self._pid != os.getpid():
            # What is open is the parent's, and not to be shared.
            self._pid = os.getpid()
            self.release()
        with held(self._lock):
            recover(journal_of(self._folder))
            try:
                self._refresh()
                yield
            except BaseException:
                self.release()
                raise
            if len(self._files) > _MOST_OPEN:
                for name in [name for name, file in self._files.items() if not file.is_locked]:
                    self._files.pop(name).close()
            for file in self._files.values():
                file.unlock()

    def release(self) -> None:
        """Close all files, without what was not committed; the next trial opens them again."""
        files, self._files = self._files, {}
        for file in files.values():
            file.close()
        if self._handle is not None:
            self._handle.close()
        self._handle = self._found = None
        self._journal.close()

    def _table(self) -> Table:
        if not os.path.exists(self._path):
            return Table()
        with reading(self._folder, timeout=self._timeout):
            return Table.of_csv(read_csv(self._path)[1])

    def _refresh(self) -> None:
        """Look at what is there, unless it is what this object wrote last."""
        if self._found is not None and identity(self._path) == self._found:
            return
        self.release()
        self._handle = Handle(self._path)
        data, csv = read_csv(self._path)
        if "\n" in csv.rest.rstrip("\n"):
            raise DamagedError(
                f"cannot add to {self._path}: several lines from row {len(csv.rows)} on cannot be "
                "read, perhaps for a quote that is not closed; correct the file first"
            )
        if os.path.basename(self._path) == TRIALS:
            n_rows = len(csv.rows)
            refuse_orphans(self._folder, n_rows, lambda name: self._array_file(name).file)
        if csv.rest:
            _log.warning("%s: dropping a row that is not whole: %r", self._path, csv.rest)
        if csv.end < len(data):
            os.ftruncate(self._handle.number, csv.end)
            if self._durable:
                # Else a replay after a loss of power would leave the rest of the torn row.
                sync_data(self._handle.number)
        self._columns, self._n_rows, self._end = csv.columns, len(csv.rows), csv.end
        self._is_line_open = bool(csv.columns) and data[csv.end - 1 : csv.end] != b"\n"
        self._found = identity(self._path)

    def _array_file(self, name: str) -> ArrayFile:
        file = self._files.get(name)
        if file is not None and not file.lock():
            file.close()
            file = None
        if file is None:
            path = os.path.join(self._folder, name + EXTENSION)
            file = self._files[name] = ArrayFile(path, durable=self._durable, timeout=self._timeout)
        return file

    def _commit(self, fields: Mapping[str, str]) -> None:
        known = set(self._columns)
        columns = self._columns + [name for name in fields if name not in known]
        handle = self._handle
        assert handle is not None
        change = self._row_change(handle.number, columns, fields)
        table = Part(os.path.basename(self._path), handle.number, self._end, [change], True)
        # The table is the only file that grows, and so the first: a disk can be full.
        files = [file for file in self._files.values() if file.is_locked]
        commit_files(self._journal, files, [table])
        self._found = identity(self._path)
        self._columns, self._n_rows = columns, self._n_rows + 1
        self._end = change.offset + len(change.new)
        self._is_line_open = False

    def _row_change(self, handle: int, columns: list[str], fields: Mapping[str, str]) -> Change:
        # Other software may give a name to several columns, of which the first is meant.
        firsts = {name: number for number, name in reversed(list(enumerate(columns)))}
        texts = [""] * len(columns)
        for name, text in fields.items():
            texts[firsts[name]] = text
        line = row_line(texts).encode()
        if columns == self._columns:
            return Change(self._end, b"\n" * self._is_line_open + line, b"")
        old = read_at(handle, self._end, 0)
        names = header_line(columns[len(self._columns) :]).removesuffix("\n")
        return Change(0, widened(old, names.encode()) + line, old)


def prepare_fields(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a row.

    Raises
    ------
    TypeError, ValueError
        If a name or a value cannot be written.
    """
    if not data:
        raise ArgumentError("a row needs at least one value")
    fields = {}
    for name, value in data.items():
        text = field_text(value)
        if "\0" in text:
            raise ArgumentError(f"{name} holds a NUL, which no CSV file can: {text!r}")
        if not text.isascii() and not is_encodable(text):
            raise ArgumentError(f"{name} is not in UTF-8: {text!r}")
        fields[_checked(name)] = text
    return fields


_checked = functools.lru_cache(maxsize=4096)(check_column)
