"""A CSV file: each column an array, named by the header."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy

from persist.cli.sources.source import Listed, Loaded, Source, SourceError
from persist.files import open_regular
from persist.names import repeated_names

__all__ = ["DelimitedSource", "column"]

_DELIMITERS = {".csv": ",;\t", ".tsv": "\t"}
_INTEGER = re.compile(r"[+-]?[1-9][0-9]*|\+?0", re.ASCII)
# No leading zeros: 007 is a name, not a number.
_FLOAT = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.ASCII | re.IGNORECASE
)
_NO_FINITE = re.compile(r"nan|[+-]?inf(?:inity)?", re.IGNORECASE)
_TRUTH = {"true": True, "false": False}
_LONGEST_NUMBER = 300  # characters; int refuses some thousands
_FEW = 1 << 20  # characters
_MUCH_PADDING = 16  # times the characters of the cells
_LONGEST_CELL = 2**31 - 1  # characters, the most that csv takes everywhere


class DelimitedSource(Source):
    """The columns of a table, which is read whole to know whether it is one."""

    def names(self) -> list[Listed]:
        """Return the header."""
        return [Listed(name) for name in self._columns]

    def load(self, name: str) -> Loaded:
        """Return a column."""
        return Loaded(self._columns[name])

    @cached_property
    def _columns(self) -> dict[str, Any]:
        limit = csv.field_size_limit(_LONGEST_CELL)
        try:
            names, cells = _read(self._path)
        finally:
            csv.field_size_limit(limit)
        return {name: column(cells.pop(0)) for name in names}


def _read(path: str) -> tuple[list[str], list[list[str]]]:
    """Return the names of the columns, and the cells of each."""
    delimiter = _delimiter(path)
    with open_regular(path, "r", follow=True, encoding="utf-8-sig", newline="") as file:
        rows = _rows(file, delimiter)
        names = _header(next(rows, []))
        # Filled row by row: the cells of a column take less room than those of all rows.
        cells: list[list[str]] = [[] for _ in names]
        for row in rows:
            for column_cells, cell in zip(cells, row, strict=True):
                column_cells.append(cell)
    return names, cells


def _delimiter(path: str) -> str:
    """Return the delimiter that makes the most columns; the first of equals."""
    candidates = _DELIMITERS[os.path.splitext(path)[1].lower()]
    with open_regular(path, "r", follow=True, encoding="utf-8-sig", newline="") as file:
        first = next(filter(str.strip, file), "")
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
    if repeated := repeated_names(names):
        raise SourceError(f"the header has the name {repeated[0]!r} more than once")
    return names


def column(cells: list[str]) -> Any:
    """Return the cells of a column as what all of them can be.

    int64, if all are integers; float64, if all are numbers or empty, which is not a number; bool,
    if all are true or false; else text as it stands. Integers that such numbers cannot hold are a
    list, of int and None for empty cells, and so are texts of which few are far longer than others.

    Examples
    --------
    >>> column(["1", "2"]), column(["1", ""]), column(["007", "1"])
    (array([1, 2]), array([ 1., nan]), array(['007', '1'], dtype='<U3'))
    """
    stripped = [cell.strip() for cell in cells]
    kinds = {_kind(cell) for cell in stripped}
    if kinds == {"truth"}:
        return numpy.array([_TRUTH[cell.lower()] for cell in stripped])
    if kinds == {"integer"}:
        return _integers(stripped)
    if kinds <= {"integer", "float", "infinite", "empty"}:
        numbers = _numbers(stripped, kinds)
        if numbers is not None:
            return numbers
    return _text(cells)


def _kind(cell: str) -> str:
    if not cell:
        return "empty"
    if len(cell) > _LONGEST_NUMBER:
        return "text"
    if _INTEGER.fullmatch(cell):
        return "integer"
    if _FLOAT.fullmatch(cell):
        return "float"
    if _NO_FINITE.fullmatch(cell):
        return "infinite"
    return "truth" if cell.lower() in _TRUTH else "text"


def _integers(cells: list[str]) -> Any:
    values = [int(cell) for cell in cells]
    limits = numpy.iinfo(numpy.int64)
    fits = limits.min <= min(values) and max(values) <= limits.max
    return numpy.array(values, numpy.int64) if fits else values


def _numbers(cells: list[str], kinds: set[str]) -> Any:
    """Return numbers, or None if float64 does not hold what the cells say."""
    values = [float(cell) if cell else math.nan for cell in cells]
    if all(_holds(value, cell) for value, cell in zip(values, cells, strict=True)):
        return numpy.array(values, numpy.float64)
    if kinds == {"integer", "empty"}:
        return [int(cell) if cell else None for cell in cells]
    return None


def _holds(value: float, cell: str) -> bool:
    """Return True if `value` is the integer that a cell says, or near the fraction it says."""
    if _INTEGER.fullmatch(cell):
        return value == int(cell)
    return not math.isinf(value) or _NO_FINITE.fullmatch(cell) is not None


def _text(cells: list[str]) -> Any:
    # Arrays of text do not tell zeros at the end from padding, and pad all to the longest.
    has_zeros = any(cell.endswith("\0") for cell in cells)
    padded = len(cells) * max(map(len, cells))
    is_array = not has_zeros and (padded < _FEW or padded < _MUCH_PADDING * sum(map(len, cells)))
    return numpy.array(cells, dtype=numpy.str_) if is_array else cells
