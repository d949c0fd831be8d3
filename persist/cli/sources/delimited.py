"""A CSV file: each column an array, named by the header."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from persist.cli.sources.columns import column
from persist.cli.sources.source import Listed, Loaded, Source, SourceError
from persist.files import open_regular

__all__ = ["DelimitedSource"]

_DELIMITERS = {".csv": ",;\t", ".tsv": "\t"}


class DelimitedSource(Source):
    """The columns of a table, which is read whole to know whether it is one."""

    def names(self) -> list[Listed]:
        """Return the header."""
        return [Listed(name) for name in self._columns]

    def _value(self, name: str) -> Loaded:
        return Loaded(self._columns[name])

    @cached_property
    def _columns(self) -> dict[str, Any]:
        delimiter = _delimiter(self._path)
        with open_regular(self._path, "r", follow=True, encoding="utf-8-sig", newline="") as file:
            rows = _rows(file, delimiter)
            names = _header(next(rows, []))
            # Filled row by row: the cells of a column take less room than those of all rows.
            cells: list[list[str]] = [[] for _ in names]
            for row in rows:
                for column_cells, cell in zip(cells, row, strict=True):
                    column_cells.append(cell)
        return {name: column(cells.pop(0)) for name in names}


def _delimiter(path: str) -> str:
    """Return the delimiter that makes the most columns; the first of equals."""
    candidates = _DELIMITERS[os.path.splitext(path)[1].lower()]
    with open_regular(path, "r", follow=True, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
    return max(
        candidates, key=lambda delimiter: len(next(csv.reader([first], delimiter=delimiter), []))
    )


def _rows(file: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the rows that are not blank, all as long as the first."""
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    width = 0
    try:
        for row in reader:
            width = width or len(row)
            if row and len(row) != width:
                raise SourceError(
                    f"line {reader.line_num} has {len(row)} cells, and the header has {width}"
                )
            if row:
                yield row
    except csv.Error as error:
        raise SourceError(f"line {reader.line_num}: {error}") from error


def _header(row: list[str]) -> list[str]:
    names = [name.strip() for name in row]
    if len(names) > 1 and not names[0] and "index" not in names:
        # That is how pandas writes the index.
        names[0] = "index"
    if not names:
        raise SourceError("the header is missing: the first line must name the columns")
    if "" in names:
        raise SourceError(f"column {names.index('') + 1} has no name in the header")
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise SourceError(f"the header has the name {repeated[0]!r} more than once")
    return names
