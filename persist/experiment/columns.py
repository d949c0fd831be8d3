"""The attributes of trials as columns: in memory, in CSV, and as datasets of HDF5."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy

from persist.archive.arrays.datasets import STRING, Encoded
from persist.errors import DamagedError, MissingExtraError
from persist.experiment.csv_text import (
    CSV,
    Value,
    field_text,
    header_line,
    parse_csv,
    row_line,
    values_of,
)
from persist.hdf5.extras import Layout, dataset_layout
from persist.hdf5.opening import damage_in, member
from persist.names import distinct_names, group_name

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

    A value that is missing is None.
    """

    columns: dict[str, list[Value]] = field(default_factory=dict)
    n_rows: int = 0

    @classmethod
    def of_csv(cls, csv: CSV) -> Table:
        """Return the table of a file."""
        columns = zip(*csv.rows, strict=True) if csv.rows else ([] for _ in csv.columns)
        # A name that comes again gets a number, as with pandas: x, x.1.
        names = distinct_names(csv.columns, 1, set(csv.columns), ".")
        return cls(dict(zip(names, map(values_of, columns), strict=True)), len(csv.rows))

    def to_bytes(self) -> bytes:
        """Return the content of a file for the table."""
        lines = [header_line(self.columns)] if self.columns else []
        rows = zip(*(map(field_text, column) for column in self.columns.values()), strict=True)
        return "".join([*lines, *map(row_line, rows)]).encode()


def gaps_of(table: Table) -> list[int] | None:
    """Return how many rows are missing before each, as ``block`` and ``trial`` count up.

    None if they do not: then they do not tell what is missing.

    Examples
    --------
    >>> gaps_of(Table({"block": [0, 0, 1], "trial": [0, 2, 0]}, 3))
    [0, 1, 0]
    """
    numbers = [table.columns.get(name, ["?"]) for name in ("block", "trial")]
    gaps: list[int] = []
    before: Any = (None, -1)
    for block, trial in zip(*numbers, strict=False):
        if type(trial) is not int or block is None:
            return None
        goes_on = block == before[0] and trial > before[1]
        if trial < 0 or (block == before[0] and 0 < trial <= before[1]):
            return None
        gaps.append(trial - before[1] - 1 if goes_on else trial)
        before = block, trial
    return gaps if len(gaps) == table.n_rows else None


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
    """Return a column as an array if that tells what is missing, as NaN; else as a list."""
    dtypes = {Kind.BOOL: "bool", Kind.INT: "int64", Kind.FLOAT: "float64"}
    dtype = dtypes.get(kind_of(values))
    is_float = dtype == "float64"
    has_nan = is_float and any(value != value for value in values)
    if (
        dtype is None
        or (is_float and int in set(map(type, values)))
        or ((not is_float or has_nan) and None in values)
    ):
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


_COLUMNS = "columns"
_ROWS = "n_trials"
_KIND = "kind"
_MISSING_ROWS = "missing"
_INTEGERS = "integers"

_FILLS: dict[str, tuple[str, Value]] = {
    Kind.BOOL: ("bool", False),
    Kind.INT: ("int64", 0),
    Kind.FLOAT: ("float64", math.nan),
    Kind.EMPTY: ("float64", math.nan),
}


COLUMN = dataset_layout(_KIND, _MISSING_ROWS, _INTEGERS)


def table_layout(table: Table) -> Layout:
    """Return what `read_table` reads of a group."""
    columns = {group_name(name).encode(): COLUMN for name in table.columns}
    return Layout(frozenset([_COLUMNS.encode(), _ROWS.encode()]), columns)


def write_table(group: Any, table: Table) -> None:
    """Write a table into an empty group.

    Columns of text are of variable-length UTF-8. Where values are missing, the attribute
    ``missing`` of a column says in which rows; in a column of floats, ``integers`` says in which
    rows the value is an integer. In a column of several kinds, each value is the
    field that CSV has for it.
    """
    group.attrs[_COLUMNS] = numpy.array(list(table.columns), dtype=h5py.string_dtype())
    group.attrs[_ROWS] = table.n_rows
    for name, values in table.columns.items():
        _write_column(group, group_name(name), values)


def read_table(group: Any) -> Table:
    """Return the table that a group holds.

    Raises
    ------
    DamagedError
        If a column is missing or damaged, or has more or fewer values than there are rows.
    """
    with damage_in(group):
        table = Table({}, int(group.attrs[_ROWS]))
        for name in map(str, group.attrs[_COLUMNS]):
            values = table.columns[name] = _read_column(member(group, group_name(name)))
            if len(values) != table.n_rows:
                raise DamagedError(
                    f"{group.name} in {group.file.filename} is damaged: column {name!r} has "
                    f"{len(values)} values, for {table.n_rows} trials"
                )
        return table


def _write_column(group: Any, name: str, values: Sequence[Value]) -> None:
    kind = kind_of(values)
    marks: dict[str, Any] = {_KIND: kind}
    if kind == Kind.FLOAT and int in set(map(type, values)):
        marks[_INTEGERS] = numpy.array([type(value) is int for value in values])
    if None in values:
        marks[_MISSING_ROWS] = numpy.array([value is None for value in values])
    if kind in _FILLS:
        dtype, fill = _FILLS[kind]
        data = numpy.array([fill if value is None else value for value in values], dtype)
        Encoded(data, attributes=marks).write(group, name)
    else:
        spelled = field_text if kind == Kind.MIXED else _dataset_text
        texts = numpy.array([spelled(value) for value in values], dtype=object)
        Encoded(texts, STRING, marks).write(group, name)


def _read_column(dataset: Any) -> list[Value]:
    kind = dataset.attrs.get(_KIND)
    if h5py.check_string_dtype(dataset.dtype) is not None:
        values: list[Value] = list(dataset.asstr()[...])
        if kind == Kind.MIXED:
            values = [_parsed(str(value)) for value in values]
    else:
        values = dataset[...].tolist()
    integers = dataset.attrs.get(_INTEGERS)
    if integers is not None:
        values = [int(v) if is_int else v for v, is_int in zip(values, integers, strict=True)]  # type: ignore[arg-type]
    missing = dataset.attrs.get(_MISSING_ROWS)
    if missing is None:
        return values
    return [None if lacks else value for value, lacks in zip(values, missing, strict=True)]


def _parsed(text: str) -> Value:
    rows = parse_csv(("x\n" + row_line([text])).encode()).rows
    return values_of(rows[0])[0]


def _dataset_text(value: Value) -> str:
    # HDF5 ends text at a NUL; a file of other software that has one is kept as it is, too.
    return "" if value is None else str(value).replace("\0", "\ufffd")
