"""Objects of pyarrow."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy
import pyarrow
import pyarrow.compute

__all__ = ["OBJECTS", "check"]


def table() -> Any:
    """Return a table with a column of every common kind, and metadata."""
    moment = datetime.datetime(2020, 1, 1)
    columns = {
        "i": pyarrow.array([1, None]),
        "u": pyarrow.array([1, 255], pyarrow.uint8()),
        "f": pyarrow.array([0.1, None], pyarrow.float32()),
        "s": pyarrow.array(["a", None]),
        "b": pyarrow.array([True, None]),
        "t": pyarrow.array([moment, None], pyarrow.timestamp("ms", "UTC")),
        "l": pyarrow.array([[1], None]),
        "r": pyarrow.array([{"x": 1, "y": "a"}, None]),
        "m": pyarrow.array([decimal.Decimal("0.10"), None], pyarrow.decimal128(10, 2)),
        "c": pyarrow.array(["x", "y", "x"][:2]).dictionary_encode(),
    }
    return pyarrow.table(columns).replace_schema_metadata({"unit": "m"})


def chunked() -> Any:
    """Return a column in two pieces."""
    return pyarrow.chunked_array([[1, 2], [3]])


SCHEMA = pyarrow.schema(
    [
        pyarrow.field("a", pyarrow.int8(), nullable=False, metadata={"unit": "m"}),
        pyarrow.field("b", pyarrow.list_(pyarrow.float32())),
        pyarrow.field("c", pyarrow.struct([("x", pyarrow.string())])),
        pyarrow.field("d", pyarrow.map_(pyarrow.string(), pyarrow.int32())),
        pyarrow.field("e", pyarrow.dictionary(pyarrow.int16(), pyarrow.string(), ordered=True)),
        pyarrow.field("f", pyarrow.timestamp("ns", "Europe/Paris")),
        pyarrow.field("g", pyarrow.list_(pyarrow.int8(), 2)),
        pyarrow.field("h", pyarrow.decimal128(5, 1)),
    ],
    metadata={"title": "t"},
)


def tensors() -> Any:
    """Return an array of tensors, of a type that extends another."""
    return pyarrow.FixedShapeTensorArray.from_numpy_ndarray(numpy.arange(6).reshape(2, 3))


OBJECTS = {
    "two integers": lambda: pyarrow.table({"a": [1, 2]}),
    "table": table,
    "empty table": lambda: pyarrow.table({}),
    "no rows": SCHEMA.empty_table,
    "array": lambda: pyarrow.array([1, None, 3]),
    "slice": lambda: pyarrow.array([1, None, 3])[1:],
    "nan": lambda: pyarrow.array([float("nan"), 1.5]),
    "texts": lambda: pyarrow.array(["a", None], pyarrow.large_string()),
    "bytes": lambda: pyarrow.array([b"\0", None]),
    "nanoseconds": lambda: pyarrow.array([1, 2], pyarrow.timestamp("ns")),
    "nested nanoseconds": lambda: pyarrow.array(
        [[2**40 + 1]], pyarrow.list_(pyarrow.duration("ns"))
    ),
    "spans": lambda: pyarrow.array([pyarrow.MonthDayNano([1, 2, 3])]),
    "nested nan": lambda: pyarrow.array([[float("nan")], None]),
    "union": lambda: pyarrow.UnionArray.from_sparse(
        pyarrow.array([0, 1], pyarrow.int8()), [pyarrow.array([1, 2]), pyarrow.array(["a", "b"])]
    ),
    "durations": lambda: pyarrow.array([1, None], pyarrow.duration("ns")),
    "dates": lambda: pyarrow.array([datetime.date(2020, 1, 1)], pyarrow.date32()),
    "half": lambda: pyarrow.array([0.5, None], pyarrow.float16()),
    "dictionary": lambda: pyarrow.array(["x", "y", "x"]).dictionary_encode(),
    "map": lambda: pyarrow.array([[("a", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int32())),
    "struct": lambda: pyarrow.array([{"x": 1}, None]),
    "nulls": lambda: pyarrow.nulls(3),
    "chunks": chunked,
    "no chunks": lambda: pyarrow.chunked_array([], pyarrow.int8()),
    "batch": lambda: pyarrow.record_batch({"a": [1, 2], "b": ["x", None]}),
    "schema": lambda: SCHEMA,
    "types": lambda: [field.type for field in SCHEMA] + [pyarrow.int64(), pyarrow.null()],
    "scalar": lambda: pyarrow.scalar(0.5),
    "missing scalar": lambda: pyarrow.scalar(None, pyarrow.int8()),
    "large": lambda: pyarrow.table({"a": range(3000)}),
    "tensors": tensors,
    "lists of tensors": lambda: pyarrow.ListArray.from_arrays([0, 2], tensors()),
    "JSON": lambda: pyarrow.array(["{}", None], pyarrow.json_()),
    "buffer": lambda: pyarrow.py_buffer(b"abc"),
}


def check(found: Any, wanted: Any) -> None:
    """Compare as pyarrow does, with metadata."""
    assert type(found) is type(wanted)
    match wanted:
        case pyarrow.Table() | pyarrow.Schema() | pyarrow.RecordBatch():
            assert found.equals(wanted, check_metadata=True)
        case pyarrow.Array() | pyarrow.ChunkedArray():
            assert found.type == wanted.type
            # No NaN is equal to another there.
            assert found.equals(wanted) or str(found) == str(wanted)
        case _:
            assert found == wanted
