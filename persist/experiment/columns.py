"""The attributes of trials as columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy

from persist.errors import MissingExtraError
from persist.experiment.csv_text import CSV, header_line, parse_csv, row_line
from persist.experiment.fields import Value, field_text, values_of

__all__ = ["Kind", "Table", "array_of", "frame_of", "kind_of"]

_INT64 = range(-(1 << 63), 1 << 63)


class Kind:
    """What the values of a column are, apart from those that are missing."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TEXT = "text"
    MIXED = "mixed"
    EMPTY = "empty"


@dataclass
class Table:
    """Rows of values, by column.

    Parameters
    ----------
    columns : dict of str to list
        The values of each column, as many in each; None where one is missing.
    n_rows : int
        How many rows there are.
    """

    columns: dict[str, list[Value]] = field(default_factory=dict)
    n_rows: int = 0

    @classmethod
    def of_csv(cls, csv: CSV) -> Table:
        """Return the table of a file."""
        columns = zip(*csv.rows, strict=True) if csv.rows else ([] for _ in csv.columns)
        return cls(
            {
                name: values_of(fields)
                for name, fields in zip(_distinct(csv.columns), columns, strict=True)
            },
            len(csv.rows),
        )

    @classmethod
    def of_bytes(cls, data: bytes) -> Table:
        """Return the table of a file with this content."""
        return cls.of_csv(parse_csv(data))

    def to_bytes(self) -> bytes:
        """Return the content of a file for the table."""
        lines = [header_line(self.columns)] if self.columns else []
        rows = zip(*(map(field_text, column) for column in self.columns.values()), strict=True)
        return "".join([*lines, *map(row_line, rows)]).encode()

    def row(self, number: int) -> dict[str, Value]:
        """Return the values of one row, without those that are missing."""
        found = {name: column[number] for name, column in self.columns.items()}
        return {name: value for name, value in found.items() if value is not None}


def kind_of(values: Sequence[Value]) -> str:
    """Return the kind of a column.

    Examples
    --------
    >>> kind_of([1, None, 3]), kind_of([1, 2.5]), kind_of([True, 1]), kind_of([None])
    ('int', 'float', 'mixed', 'empty')
    """
    types = set(map(type, values)) - {type(None)}
    if types == {int, float} and all(_is_exact(value) for value in values):
        return Kind.FLOAT
    if len(types) > 1:
        return Kind.MIXED
    if types == {int} and not all(value is None or value in _INT64 for value in values):
        return Kind.MIXED
    named = {bool: Kind.BOOL, int: Kind.INT, float: Kind.FLOAT, str: Kind.TEXT}
    return named[types.pop()] if types else Kind.EMPTY


def frame_of(table: Table) -> Any:
    """Return a table as a `pandas.DataFrame`.

    Columns of truth values and integers in which some are missing are of the types ``boolean`` and
    ``Int64``.

    Raises
    ------
    MissingExtraError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError("pandas", "experiment") from error
    series = {name: _series(pandas, values) for name, values in table.columns.items()}
    return pandas.DataFrame(series, index=pandas.RangeIndex(table.n_rows), columns=list(series))


def array_of(values: Sequence[Value]) -> Any:
    """Return a column as an array, where nothing is missing or that is NaN; else as a list."""
    dtypes = {Kind.BOOL: "bool", Kind.INT: "int64", Kind.FLOAT: "float64"}
    dtype = dtypes.get(kind_of(values))
    if dtype is None or (dtype != "float64" and None in values):
        return list(values)
    return numpy.array([math.nan if value is None else value for value in values], dtype)


def _series(pandas: Any, values: Sequence[Value]) -> Any:
    kind = kind_of(values)
    is_whole = None not in values
    if kind == Kind.BOOL:
        return pandas.Series(values, dtype="bool" if is_whole else "boolean")
    if kind == Kind.INT:
        return pandas.Series(values, dtype="int64" if is_whole else "Int64")
    if kind in (Kind.FLOAT, Kind.EMPTY):
        return pandas.Series([math.nan if v is None else v for v in values], dtype="float64")
    # As pandas makes a column of text: of Python objects, or from release 3 of its own.
    return pandas.Series(values, dtype=object if kind == Kind.MIXED else None)


def _is_exact(value: Value) -> bool:
    return not isinstance(value, int) or abs(value) <= 1 << 53


def _distinct(names: Sequence[str]) -> Iterator[str]:
    """Yield names, those that come again as pandas names them: ``x``, ``x.1``."""
    taken: set[str] = set()
    for name in names:
        found, number = name, 0
        while found in taken:
            number += 1
            found = f"{name}.{number}"
        taken.add(found)
        yield found
