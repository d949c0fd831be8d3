"""The attributes of trials as datasets, one for each column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import h5py
import numpy

from persist.experiment.columns import Kind, Table, kind_of
from persist.experiment.csv_text import parse_csv, row_line
from persist.experiment.fields import Value, field_text, values_of
from persist.experiment.names import group_name

__all__ = ["read_table", "write_table"]

_COLUMNS = "columns"
_ROWS = "n_trials"
_KIND = "kind"
_MISSING = "missing"

_FILLS: dict[str, tuple[str, Value]] = {
    Kind.BOOL: ("bool", False),
    Kind.INT: ("int64", 0),
    Kind.FLOAT: ("float64", math.nan),
    Kind.EMPTY: ("float64", math.nan),
}


def write_table(group: Any, table: Table) -> None:
    """Write a table into an empty group.

    Columns of text are of variable-length UTF-8. Where values are missing, the attribute
    ``missing`` of a column says in which rows. In a column of several kinds, each value is the
    field that CSV has for it.
    """
    group.attrs[_COLUMNS] = numpy.array(list(table.columns), dtype=h5py.string_dtype())
    group.attrs[_ROWS] = table.n_rows
    for name, values in table.columns.items():
        _write_column(group, group_name(name), values)


def read_table(group: Any) -> Table:
    """Return the table that a group holds."""
    names = [str(name) for name in group.attrs[_COLUMNS]]
    columns = {name: _read_column(group[group_name(name)]) for name in names}
    return Table(columns, int(group.attrs[_ROWS]))


def _write_column(group: Any, name: str, values: Sequence[Value]) -> None:
    kind = kind_of(values)
    if kind in _FILLS:
        dtype, fill = _FILLS[kind]
        data = numpy.array([fill if value is None else value for value in values], dtype)
        dataset = group.create_dataset(name, data=data, track_times=False)
    else:
        spelled = field_text if kind == Kind.MIXED else _text
        texts = numpy.array([spelled(value) for value in values], dtype=object)
        dataset = group.create_dataset(
            name, data=texts, dtype=h5py.string_dtype(), track_times=False
        )
    dataset.attrs[_KIND] = kind
    if None in values:
        dataset.attrs[_MISSING] = numpy.array([value is None for value in values])


def _read_column(dataset: Any) -> list[Value]:
    kind = dataset.attrs.get(_KIND)
    if h5py.check_string_dtype(dataset.dtype) is not None:
        values: list[Value] = list(dataset.asstr()[...])
        if kind == Kind.MIXED:
            values = [_parsed(str(value)) for value in values]
    else:
        values = dataset[...].tolist()
    missing = dataset.attrs.get(_MISSING)
    if missing is None:
        return values
    return [None if lacks else value for value, lacks in zip(values, missing, strict=True)]


def _parsed(text: str) -> Value:
    rows = parse_csv(("x\n" + row_line([text])).encode()).rows
    return values_of(rows[0])[0]


def _text(value: Value) -> str:
    # HDF5 ends text at a NUL; a file of other software that has one is kept as it is, too.
    return "" if value is None else str(value).replace("\0", "\ufffd")
