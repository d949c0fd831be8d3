"""What columns take of what Python offers, and what the arrays of a prediction mean."""

from __future__ import annotations

import json
import math
import operator
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy

from persist.names import is_encodable
from persist.tracking.errors import ArgumentError, ArgumentTypeError, constraint_error
from persist.tracking.schema import ALL_TABLES, Column

__all__ = ["Meaning", "encode_row", "encode_values", "meaning_of", "with_meaning"]

_LIMITS = {"INTEGER": 31, "BIGINT": 63}  # bits


def encode_row(table: str, values: Iterable[Any], columns: Sequence[Column] = ()) -> list[Any]:
    """Return a row of a table, given with all columns in order or with some, as it is stored.

    Raises
    ------
    TypeError, ValueError
        If a column does not take its value.
    ConstraintError
        If a value that is required is None.
    """
    row = []
    for column, value in zip(columns or ALL_TABLES[table].columns, values, strict=True):
        if value is None and column.required:
            raise constraint_error(f"{table}.{column.name} must not be None")
        row.append(None if value is None else _ENCODERS[column.type](column, value))
    return row


def encode_values(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return some values of a row of a table, by column, as they are stored; see `encode_row`."""
    columns = [ALL_TABLES[table].column(name) for name in values]
    return dict(zip(values, encode_row(table, values.values(), columns), strict=True))


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


def _to_json(column: Column, value: Any) -> str:
    """Return JSON, in which null stands for numbers that are not finite, and text for odd keys."""
    if type(value) is dict and not value:
        return "{}"
    try:
        try:
            text = _encode(value)
        except (TypeError, ValueError):
            text = _encode(_finite(value))
    except RecursionError as error:
        raise ArgumentError(
            f"{column.name} must not contain itself, or lists in lists at such a depth"
        ) from error
    if "\\ud" in text and not is_encodable(json.dumps(json.loads(text), ensure_ascii=False)):
        raise ArgumentError(f"{column.name} must hold text that UTF-8 can encode, got {text:.80}")
    return text


def _key(key: Any) -> Any:
    key = key.item() if isinstance(key, numpy.generic) else key
    is_plain = isinstance(key, (str, int, float, type(None))) and _finite(key) is key
    return key if is_plain else str(key)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_key(key): _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    if isinstance(value, (numpy.floating, numpy.ndarray)):
        return _finite(_plain(value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(column: Column, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _named(error)(f"{column.name} must be a number or None, got {value!r:.80}") from error


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
    except (TypeError, ValueError, OverflowError) as error:
        raise _named(error)(f"{column.name} must hold numbers: {error}") from error


_ENCODERS: dict[str, Callable[[Column, Any], Any]] = {
    "VARCHAR": _text,
    "JSON": _to_json,
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


Array = Any
_EXACT = 2**53
_Arrays = dict[str, Array]


class Meaning(NamedTuple):
    """Numbers for arrays of labels, and what tells the labels from the numbers.

    What is numeric is kept, and labels are their places among ``labels`` of the document, which is
    None if the numbers speak for themselves.
    """

    y_true: Array
    y_pred: Array
    document: dict[str, Any] | None


def meaning_of(
    y_true: Any, y_pred: Any, proba_classes: Any, sample_ids: Any, labels: Any = None
) -> Meaning:
    """Return numbers for arrays of numbers or labels, and what they mean.

    The classes are those of the columns of probabilities, a list of arrays for several outputs;
    `sample_ids` are the names of the samples, and `labels` all that may occur.
    """
    document: dict[str, Any] = {}
    if proba_classes is not None:
        several = isinstance(proba_classes, list) and any(
            isinstance(one, (list, tuple, numpy.ndarray)) for one in proba_classes
        )
        document["classes"] = (
            [_listed(one) for one in proba_classes] if several else _listed(proba_classes)
        )
    if sample_ids is not None:
        document["sample_ids"] = _listed(sample_ids)
    arrays = [None if values is None else numpy.asarray(values) for values in (y_true, y_pred)]
    given = [values for values in arrays if values is not None]
    widths = [values.shape[1] for values in given if values.ndim == 2]
    if widths:
        document["n_outputs"] = max(widths)
    elif proba_classes is sample_ids is labels is None:
        # Quickly, as most predictions are numbers.
        return Meaning(arrays[0], arrays[1], None)
    if labels is not None and not all(map(_are_exact_as_floats, given)):
        known = _unique([*(values.ravel() for values in given), numpy.asarray(labels).ravel()])
        places = {label: place for place, label in enumerate(known)}
        document["labels"] = [_label(label) for label in known]
        arrays = [
            None
            if values is None
            else numpy.array([places[v] for v in values.ravel().tolist()], float).reshape(
                values.shape
            )
            for values in arrays
        ]
    elif (
        (labels is not None or proba_classes is not None)
        and given
        and all(v.dtype.kind in "iub" for v in given)
    ):
        document["dtype"] = "bool" if all(v.dtype.kind == "b" for v in given) else "int64"
    if document:
        document["crc"] = _checksum(*arrays)
    return Meaning(arrays[0], arrays[1], document or None)


def with_meaning(arrays: _Arrays, document: Mapping[str, Any] | None) -> _Arrays:
    """Return the arrays of a prediction as what they mean."""
    found = {**arrays, "classes": None, "sample_ids": None}
    # Another program may have replaced the arrays.
    if document is None or document["crc"] != _checksum(arrays["y_true"], arrays["y_pred"]):
        return found
    for name in ("y_true", "y_pred"):
        values = found[name]
        if values is None:
            continue
        if "labels" in document:
            values = _array(document["labels"])[values.astype(int)]
        elif "dtype" in document:
            values = values.astype(document["dtype"])
        if "n_outputs" in document and values.size % document["n_outputs"] == 0:
            values = values.reshape(-1, document["n_outputs"])
        found[name] = values
    classes = document.get("classes")
    if classes is not None:
        is_nested = any(isinstance(one, list) for one in classes)
        found["classes"] = list(map(_array, classes)) if is_nested else _array(classes)
        width = sum(map(len, classes)) if is_nested else len(classes)
        if found["y_proba"] is not None and width and found["y_proba"].size % width == 0:
            found["y_proba"] = found["y_proba"].reshape(-1, width)
    if "sample_ids" in document:
        found["sample_ids"] = _array(document["sample_ids"])
    return found


def _checksum(y_true: Array, y_pred: Array) -> int:
    found = 0
    for values in (y_true, y_pred):
        if values is not None:
            plain = numpy.asarray(values, numpy.float64).ravel()
            found = zlib.crc32(numpy.ascontiguousarray(plain).tobytes(), found)
    return found


def _are_exact_as_floats(values: Array) -> bool:
    """Return True if the column of 64-bit floats tells all of these numbers apart."""
    if values.dtype.kind in "iu" and values.size:
        return int(values.max()) <= _EXACT and int(values.min()) >= -_EXACT
    return values.dtype.kind in "fiub"


def _unique(arrays: list[Array]) -> list[Any]:
    labels = {label for values in arrays for label in values.tolist()}
    try:
        return sorted(labels)
    except TypeError:
        return sorted(labels, key=lambda label: (type(label).__name__, str(label)))


def _listed(values: Any) -> list[Any]:
    found = numpy.asarray(values)
    # As dates, and not as how many nanoseconds they are after another one.
    return [
        _label(one) for one in (found.astype(str) if found.dtype.kind in "mM" else found).tolist()
    ]


def _array(values: list[Any]) -> Array:
    # numpy would make text of numbers that are beside text, and numbers of booleans.
    is_mixed = len({int if type(value) is float else type(value) for value in values}) > 1
    return numpy.array(values, dtype=object if is_mixed else None)


def _label(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool)) else str(value)
