"""What a column takes, of what Python offers."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import numpy

from persist.tracking.columns import ALL_TABLES, Column
from persist.tracking.errors import ArgumentError, ArgumentTypeError, constraint_error

__all__ = ["encode_row"]

_LIMITS = {"INTEGER": 31, "BIGINT": 63}  # bits


def encode_row(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a table as it is stored.

    Raises
    ------
    TypeError, ValueError
        If a column does not take its value.
    ConstraintError
        If a value that is required is None.
    """
    columns = _COLUMNS[table]
    row = {**values}
    for name, value in values.items():
        column, encoder, plain = columns[name]
        if value is None:
            if column.required:
                raise constraint_error(f"{table}.{name} must not be None")
        # Most values: this is called for each of many rows.
        elif type(value) is not plain or (plain is str and not value.isascii()):
            row[name] = encoder(column, value)
    return row


def _text(column: Column, value: Any) -> str:
    text = value if type(value) is str else str(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(
            f"{column.name} must be text that UTF-8 can encode, got {text!r}"
        ) from error
    return text


def _plain(value: Any) -> Any:
    # What numpy has becomes numbers, not the text of numbers.
    if isinstance(value, (numpy.integer, numpy.floating, numpy.bool_)):
        return value.item()
    if isinstance(value, numpy.ndarray):
        return value.tolist()
    return str(value)


_encode = json.JSONEncoder(default=_plain, allow_nan=False).encode


def _to_json(value: Any) -> str:
    """Return JSON, in which null stands for numbers that are not finite."""
    if type(value) is dict and not value:
        return "{}"
    try:
        return _encode(value)
    except ValueError as error:
        if "Out of range float" not in str(error):
            raise
    return _encode(_finite(value))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    if isinstance(value, (numpy.floating, numpy.ndarray)):
        return _finite(_plain(value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(column: Column, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise _named(error)(f"{column.name} must be a number or None, got {value!r}") from error


def _integer(column: Column, value: Any) -> int:
    if type(value) is int and -0x80000000 <= value < 0x80000000:
        return value
    if isinstance(value, (float, numpy.floating)) and math.isfinite(value):
        value = round(float(value))
    try:
        number = operator.index(value)
    except TypeError as error:
        raise ArgumentTypeError(
            f"{column.name} must be an integer or None, got {value!r}"
        ) from error
    limit = 1 << _LIMITS[column.type]
    if not -limit <= number < limit:
        raise ArgumentError(f"{column.name} must be below {limit} in size, got {number}")
    return number


def _time(column: Column, value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise ArgumentTypeError(f"{column.name} must be a datetime, got {value!r}")


def _integers(column: Column, value: Any) -> numpy.ndarray[Any, Any]:
    numbers = _flat(column, value, numpy.int64)
    limit = 1 << 31
    if numbers.size and not (-limit <= numbers.min() and numbers.max() < limit):
        raise ArgumentError(f"{column.name} must be below {limit} in size")
    return numbers.astype(numpy.int32)


def _flat(column: Column, value: Any, dtype: type) -> numpy.ndarray[Any, Any]:
    """Return a copy, flat in C order: the caller may go on with the array."""
    try:
        copied: numpy.ndarray[Any, Any] = numpy.array(value, dtype=dtype)
        return copied if copied.ndim == 1 else copied.ravel()
    except (TypeError, ValueError) as error:
        raise _named(error)(f"{column.name} must hold numbers: {error}") from error


_ENCODERS: dict[str, Callable[[Column, Any], Any]] = {
    "VARCHAR": _text,
    "JSON": lambda column, value: _to_json(value),
    "DOUBLE": _number,
    "INTEGER": _integer,
    "BIGINT": _integer,
    "BOOLEAN": lambda column, value: bool(value),
    "TIMESTAMP": _time,
    "DOUBLE[]": lambda column, value: _flat(column, value, numpy.float64),
    "INTEGER[]": _integers,
}

# What most values are, and are stored as.
_PLAIN = {"VARCHAR": str, "DOUBLE": float}
_COLUMNS: dict[str, dict[str, tuple[Column, Callable[[Column, Any], Any], Any]]] = {
    table.name: {
        column.name: (column, _ENCODERS[column.type], _PLAIN.get(column.type))
        for column in table.columns
    }
    for table in ALL_TABLES.values()
}


def _named(error: Exception) -> type[Exception]:
    return ArgumentTypeError if isinstance(error, TypeError) else ArgumentError
