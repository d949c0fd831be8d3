"""What a column takes, of what Python offers."""

from __future__ import annotations

import functools
import json
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

import numpy

from persist.tracking.columns import ALL_TABLES, Column
from persist.tracking.errors import ArgumentError, ArgumentTypeError, constraint_error

__all__ = ["encode_row", "encode_values"]

_STORED_AS_THEY_ARE = {("DOUBLE", float), ("TIMESTAMP", datetime)}
_LIMITS = {"INTEGER": 31, "BIGINT": 63}  # bits


def encode_row(table: str, values: Iterable[Any]) -> list[Any]:
    """Return a row of a table, given with all columns in order, as it is stored.

    Raises
    ------
    TypeError, ValueError
        If a column does not take its value.
    ConstraintError
        If a value that is required is None.
    """
    row = [*values]
    # This is called for each of many rows, most of which have values of the same types.
    encoded, texts = _plan(table, tuple(map(type, row)))
    for place, column, encoder in encoded:
        row[place] = encoder(column, row[place])
    if not "".join([row[place] for place in texts]).isascii():
        for place in texts:
            _text(ALL_TABLES[table].columns[place], row[place])
    return row


def encode_values(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return some values of a row of a table, by column, as they are stored; see `encode_row`."""
    found = {}
    for name, value in values.items():
        column = ALL_TABLES[table].column(name)
        _check_required(table, column, type(value))
        found[name] = None if value is None else _ENCODERS[column.type](column, value)
    return found


@functools.lru_cache(maxsize=1024)
def _plan(table: str, types: tuple[type, ...]) -> tuple[list[tuple[int, Column, Any]], list[int]]:
    """Return which columns of a row with values of such types to encode, and which hold text."""
    encoded, texts = [], []
    for place, (column, kind) in enumerate(zip(ALL_TABLES[table].columns, types, strict=True)):
        _check_required(table, column, kind)
        if column.type == "VARCHAR" and kind is str:
            texts.append(place)
        elif kind is not type(None) and (column.type, kind) not in _STORED_AS_THEY_ARE:
            encoded.append((place, column, _ENCODERS[column.type]))
    return encoded, texts


def _check_required(table: str, column: Column, kind: type) -> None:
    if column.required and kind is type(None):
        raise constraint_error(f"{table}.{column.name} must not be None")


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


def _named(error: Exception) -> type[Exception]:
    return ArgumentTypeError if isinstance(error, TypeError) else ArgumentError
