"""Rows as Arrow tables, by which DuckDB takes many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from persist.tracking.columns import TABLES
from persist.tracking.optional import import_pyarrow

__all__ = ["arrow_table"]


def arrow_table(table: str, rows: Sequence[dict[str, Any]]) -> Any:
    """Return rows of a table, encoded as by `encode_row`, as a pyarrow.Table.

    All columns that the first row has are in it.
    """
    pa = import_pyarrow()
    kinds = _kinds()
    columns = {
        column.name: _column([row[column.name] for row in rows], kinds[column.type])
        for column in TABLES[table].columns
        if column.name in rows[0]
    }
    return pa.table(columns)


def _kinds() -> dict[str, Any]:
    pa = import_pyarrow()
    return {
        "VARCHAR": pa.string(),
        "JSON": pa.string(),
        "DOUBLE": pa.float64(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "TIMESTAMP": pa.timestamp("us"),
        "DOUBLE[]": pa.list_(pa.float64()),
        "INTEGER[]": pa.list_(pa.int32()),
    }


def _column(values: list[Any], kind: Any) -> Any:
    pa = import_pyarrow()
    if not pa.types.is_list(kind):
        return pa.array(values, kind)
    arrays = [value for value in values if value is not None]
    lengths = [0 if value is None else len(value) for value in values]
    offsets = numpy.zeros(len(values) + 1, numpy.int64)
    numpy.cumsum(lengths, out=offsets[1:])
    joined = numpy.concatenate(arrays) if arrays else numpy.empty(0)
    flat = pa.array(joined, kind.value_type)
    is_null = numpy.array([value is None for value in values])
    # Arrow's lists end at 2**31 elements; its large lists do not, and DuckDB takes both.
    found = pa.LargeListArray.from_arrays(pa.array(offsets), flat)
    if is_null.any():
        found = pa.LargeListArray.from_arrays(pa.array(offsets), flat, mask=pa.array(is_null))
    return found
