"""The files of a task that is being recorded: rows of attributes, and arrays."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping

from persist.experiment.appended_file import Change
from persist.experiment.array_file import ArrayFile, Prepared
from persist.experiment.csv_text import header_line, parse_csv, row_line
from persist.experiment.fields import Field, quoted
from persist.experiment.folder import held, lock_of
from persist.experiment.handle import Handle
from persist.experiment.journal import Journal, Part, recover

__all__ = ["EXTENSION", "TRIALS", "TrialFolder"]

TRIALS = "trials.csv"
EXTENSION = ".hdf5"

_log = logging.getLogger(__name__)


class TrialFolder:
    """A folder to which trials are added, each as a whole.

    Files stay open between trials. When somebody else has changed one, it is opened anew.

    Parameters
    ----------
    folder : str
        A folder that exists.
    durable : bool
        Whether to wait until the disk holds each trial.
    table : str, optional
        The name of the file of attributes.
    """

    def __init__(self, folder: str, *, durable: bool, table: str = TRIALS) -> None:
        self.folder = folder
        self.durable = durable
        self.columns: list[str] = []
        self.n_rows = 0
        self._table = os.path.join(folder, table)
        self._lock = lock_of(folder)
        self._pid = os.getpid()
        self._journal = Journal(folder, durable=durable)
        self._files: dict[str, ArrayFile] = {}
        self._stale: dict[int, list[str]] = {}
        self._handle: Handle | None = None
        self._found: tuple[int, int, int] | None = None
        self._end = 0
        self._is_line_open = False

    @property
    def table(self) -> str:
        """The path of the file of attributes."""
        return self._table

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Keep others out, and know what is there."""
        if self._pid != os.getpid():
            # What is open is the parent's, and not to be shared.
            self._pid = os.getpid()
            self.close()
        with held(self._lock):
            recover(self.folder)
            yield

    def append(self, fields: Mapping[str, str], arrays: Mapping[str, Prepared]) -> int:
        """Add a trial, while others are kept out.

        Parameters
        ----------
        fields : mapping of str to str
            The fields of the row, by column.
        arrays : mapping of str to Prepared
            The arrays.

        Returns
        -------
        int
            The number of its row.

        Raises
        ------
        OSError
            If the disk fails; the trial is absent.
        """
        try:
            self._refresh()
            row = self.n_rows
            self._remove_stale(row)
            for name, prepared in arrays.items():
                self._array_file(name).add(str(row), prepared)
            self._commit(fields)
        except BaseException:
            self.close()
            raise
        self.n_rows = row + 1
        return row

    def close(self) -> None:
        """Close all files, without what was not committed."""
        files, self._files = self._files, {}
        for file in files.values():
            file.close()
        if self._handle is not None:
            self._handle.close()
        self._handle = self._found = None
        self._journal.close()

    def _refresh(self) -> None:
        """Look at what is there, unless it is what this object wrote last."""
        if self._found is not None and self._identity() == self._found:
            return
        self.close()
        self._handle = Handle(self._table)
        with open(self._table, "rb") as file:
            data = file.read()
        csv = parse_csv(data)
        if csv.rest:
            _log.warning("%s: dropping a row that is not whole: %r", self._table, csv.rest)
            os.ftruncate(self._handle.number, csv.end)
        self.columns, self.n_rows, self._end = csv.columns, len(csv.rows), csv.end
        self._is_line_open = bool(csv.columns) and data[csv.end - 1 : csv.end] != b"\n"
        self._stale = self._find_stale()
        self._found = self._identity()

    def _identity(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._table)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _find_stale(self) -> dict[int, list[str]]:
        """Return the arrays of rows that are not there, as other software may leave them."""
        stale: dict[int, list[str]] = {}
        for name in array_names(self.folder):
            for member in self._array_file(name).file:
                if member.isdecimal() and int(member) >= self.n_rows:
                    stale.setdefault(int(member), []).append(name)
        return stale

    def _remove_stale(self, row: int) -> None:
        for name in self._stale.pop(row, ()):
            _log.warning("%s: replacing %s of row %d, which had no row", self.folder, name, row)
            self._array_file(name).remove(str(row))

    def _array_file(self, name: str) -> ArrayFile:
        file = self._files.get(name)
        if file is not None and not file.is_current():
            file.close()
            file = None
        if file is None:
            path = os.path.join(self.folder, name + EXTENSION)
            file = self._files[name] = ArrayFile(path, durable=self.durable)
        return file

    def _commit(self, fields: Mapping[str, str]) -> None:
        columns = self.columns + [name for name in fields if name not in self.columns]
        handle = self._handle
        assert handle is not None
        change = self._row_change(handle.number, columns, fields)
        table = Part(os.path.basename(self._table), handle.number, self._end, [change])
        parts = [file.part() for file in self._files.values()]
        # The table is the only file that grows, and so the first: a disk can be full.
        self._journal.commit([table, *(part for part in parts if part.is_changed)])
        for file, part in zip(self._files.values(), parts, strict=True):
            if part.is_changed:
                file.settle()
        self._found = self._identity()
        self.columns = columns
        self._end = change.offset + len(change.new)
        self._is_line_open = False

    def _row_change(self, handle: int, columns: list[str], fields: Mapping[str, str]) -> Change:
        line = row_line([fields.get(name, "") for name in columns]).encode()
        if columns == self.columns:
            return Change(self._end, b"\n" * self._is_line_open + line, b"")
        old = os.pread(handle, self._end, 0)
        rows = [
            row_line([*map(_text, row), *[""] * (len(columns) - len(self.columns))])
            for row in parse_csv(old).rows
        ]
        new = "".join([header_line(columns), *rows]).encode() + line
        return Change(0, new, old)


def array_names(folder: str) -> list[str]:
    """Return the names of the arrays in a folder, in order."""
    return sorted(
        name.removesuffix(EXTENSION)
        for name in os.listdir(folder)
        if name.endswith(EXTENSION) and not name.startswith(".")
    )


def _text(field: Field) -> str:
    return quoted(field.text) if field.is_quoted else field.text
