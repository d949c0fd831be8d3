"""The attributes of trials, written row by row."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

from persist.experiment.columns import Table, frame_of
from persist.experiment.fields import Value, field_text
from persist.experiment.folder import reading
from persist.experiment.names import check_column
from persist.experiment.trial_folder import TrialFolder

__all__ = ["TrialWriter", "prepare_fields"]


class TrialWriter:
    """A CSV file to which rows are added, each on disk when the call returns.

    Rows that are there already stay. A row may lack columns, and bring new ones.

    Parameters
    ----------
    filepath : path
        The file, made with the first row.
    durable : bool, optional
        Wait until the disk holds each row, so that it is there after a loss of power.

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

    def __init__(self, filepath: str | os.PathLike[str], *, durable: bool = True) -> None:
        self.filepath = filepath
        folder, name = os.path.split(os.fspath(filepath))
        self._folder = TrialFolder(folder or os.curdir, durable=durable, table=name)

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
            If there is no row.
        MissingExtraError
            If pandas is not installed.
        """
        table = self._table()
        if not table.n_rows:
            raise AttributeError("there is no row yet: write one")
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
        with self._folder.changing():
            self._folder.append(fields, {})

    def close(self) -> None:
        """Close the file; the next row opens it again."""
        self._folder.close()

    def _table(self) -> Table:
        if not os.path.exists(self._folder.table):
            return Table()
        with reading(self._folder.folder), open(self._folder.table, "rb") as file:
            return Table.of_bytes(file.read())


def prepare_fields(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a row.

    Raises
    ------
    TypeError, ValueError
        If a name or a value cannot be written.
    """
    if not data:
        raise ValueError("a row needs at least one value")
    fields = {}
    for name, value in data.items():
        text = field_text(value)
        if "\0" in text or not text.isascii():
            _check_text(name, text)
        fields[_checked(name)] = text
    return fields


_checked = functools.lru_cache(maxsize=4096)(check_column)


def _check_text(name: str, text: str) -> None:
    if "\0" in text:
        raise ValueError(f"{name} holds a NUL, which no CSV file can: {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is not in UTF-8: {text!r}") from error
