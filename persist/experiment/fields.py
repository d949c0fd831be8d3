"""One value as a field of CSV, and back.

Text is in quotes and nothing else is, so that text that looks like a number stays text. A field
with nothing in it is a missing value.
"""

from __future__ import annotations

import datetime
import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy

__all__ = ["Field", "Value", "field_text", "plain_value", "quoted", "values_of"]

Value = bool | int | float | str | None

_INTEGER = re.compile(r"[+-]?[0-9]+")
# More digits than Python turns into a number by default.
_LONGEST = 4000
# What pandas.read_csv takes for missing, apart from those that are numbers.
_MISSING = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "None", "n/a", "null"]
)
_NAN = frozenset(["nan", "NaN", "-nan", "-NaN", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"])
_BOOLS = {
    **dict.fromkeys(["True", "TRUE", "true"], True),
    **dict.fromkeys(["False", "FALSE", "false"], False),
}
_FLOAT = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf(inity)?", re.IGNORECASE
)


class Field(NamedTuple):
    """A field as it stands in a file.

    Parameters
    ----------
    text : str
        Its text, without quotes.
    is_quoted : bool
        Whether it was in quotes.
    """

    text: str
    is_quoted: bool


def field_text(value: Any) -> str:
    r"""Return the field for a value.

    Parameters
    ----------
    value : object
        A truth value, a number, text or a missing value; of another object, its text.

    Raises
    ------
    ValueError
        If its text cannot be kept in UTF-8, or holds a NUL.

    Examples
    --------
    >>> [field_text(value) for value in (True, 7, 0.1, "007", None, math.nan)]
    ['True', '7', '0.1', '"007"', '', 'nan']
    """
    if type(value) not in _TEXTS:
        value = plain_value(value)
    return _TEXTS[type(value)](value)


def plain_value(value: Any) -> Value:
    """Return a value as the built-in object that is kept for it: see `field_text`."""
    kind = type(value)
    if kind in (bool, float, str) or value is None:
        return value  # type: ignore[no-any-return]
    if isinstance(value, numpy.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, numpy.bool_)):
        return bool(value)
    if isinstance(value, (int, numpy.integer)) and not isinstance(value, numpy.timedelta64):
        return int(value)
    if isinstance(value, (float, numpy.floating)):
        return _plain_float(value)
    if _is_missing(value):
        return None
    return str.__str__(value) if isinstance(value, str) else _text(value)


def quoted(text: str) -> str:
    """Return text in quotes."""
    return '"' + text.replace('"', '""') + '"'


_TEXTS: dict[type, Callable[[Any], str]] = {
    bool: repr,
    int: str,
    float: repr,
    str: quoted,
    type(None): lambda value: "",
}


def values_of(fields: Sequence[Field]) -> list[Value]:
    """Return the values of a column.

    Text without quotes is what other software writes. Where there is some, all that is without
    quotes is text, as it is for `pandas.read_csv`.
    """
    # Most columns hold few different fields, or many of one kind.
    known: dict[Field, Value] = {}
    found = []
    for field in fields:
        if field not in known:
            known[field] = _value(field)
        found.append(known[field])
    if any(isinstance(value, str) and not field.is_quoted for field, value in known.items()):
        return [_text_or_missing(field) for field in fields]
    return found


def _value(field: Field) -> Value:
    text, is_quoted = field
    if is_quoted:
        return text
    if text in _MISSING:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if text in _NAN:
        return math.nan
    if _INTEGER.fullmatch(text) and len(text) <= _LONGEST:
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _text_or_missing(field: Field) -> Value:
    is_missing = not field.is_quoted and (field.text in _MISSING or field.text in _NAN)
    return None if is_missing else field.text


def _plain_float(value: Any) -> Value:
    plain = float(value)
    # A longer type may hold what a float of 64 bits does not.
    return plain if plain == value or math.isnan(plain) else str(value)


def _is_missing(value: Any) -> bool:
    if isinstance(value, (numpy.datetime64, numpy.timedelta64)):
        return bool(numpy.isnat(value))
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)


def _text(value: Any) -> str:
    if isinstance(value, numpy.ndarray):
        return numpy.array2string(value, threshold=sys.maxsize, separator=", ")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)
