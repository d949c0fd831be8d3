"""Trial attributes as CSV and back, quotes remembered (RFC 4180).

Text is in quotes and nothing else is, so that text that looks like a number stays text. A field
with nothing in it is a missing value.
"""

from __future__ import annotations

import codecs
import datetime
import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy

from persist.errors import DamagedError

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
    r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf(inity)?", re.IGNORECASE
)


class Field(NamedTuple):
    """A field as it is in a file."""

    text: str
    is_quoted: bool


_EMPTY = Field("", False)


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
    ['True', '7', '0.1', '"007"', '', 'NaN']
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
        # A masked array without axes, numpy.ma.masked among them, is missing where it is masked.
        value = None if numpy.ma.getmaskarray(value) else value[()]
    if value is None:
        return None
    if isinstance(value, (bool, numpy.bool_)):
        return bool(value)
    if isinstance(value, (int, numpy.integer)) and not isinstance(value, numpy.timedelta64):
        return int(value)
    if isinstance(value, (float, numpy.floating)):
        plain = float(value)
        # A longer type may hold what a float of 64 bits does not.
        return plain if plain == value or math.isnan(plain) else str(value)
    if _is_missing(value):
        return None
    return str.__str__(value) if isinstance(value, str) else _text(value)


def quoted(text: str) -> str:
    """Return text in quotes."""
    return '"' + text.replace('"', '""') + '"'


_TEXTS: dict[type, Callable[[Any], str]] = {
    bool: repr,
    int: str,
    # polars takes any other spelling for text.
    float: lambda value: repr(value) if value == value else "NaN",
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


_FIELD = re.compile(r'"([^"]*(?:""[^"]*)*)"([^,\r\n]*)|([^,\r\n]*)')
_QUOTED = rb'"[^"]*(?:""[^"]*)*"[^,\r\n]*'
# A line in which there is something; those that are empty are no rows.
_LINE = re.compile(
    rb"((?=[^\r\n])(?:%b|[^,\r\n]*)(?:,(?:%b|[^,\r\n]*))*)(\r\n|\n|\r)" % (_QUOTED, _QUOTED)
)
_MARKS = re.compile(r'[;\t"]+')
_SEPARATOR = re.compile("sep=.?", re.IGNORECASE)
_SPECIAL = re.compile(r'[,"\r\n]|\A\s|\s\Z|\A[Ss][Ee][Pp]=')
_OF_TASKS = {"block", "trial"}


class CSV(NamedTuple):
    """What a file holds.

    Short rows are filled up with empty fields. `end` is where the last whole line ends, in bytes,
    and `rest` what follows it: a row that was not written to its end. Rows of commas alone at the
    end of a task are neither.
    """

    columns: list[str]
    rows: list[list[Field]]
    end: int
    rest: str


def parse_csv(data: bytes) -> CSV:
    """Return the content of a CSV file in UTF-8.

    Raises
    ------
    ValueError
        If it is not one: a row has more fields than there are columns, or it is not UTF-8; or if
        a spreadsheet has put semicolons or tabs between the columns of a task, or ``sep=`` first;
        or if it holds NUL bytes in place of its first line.
    """
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    try:
        text = _decoded(data[start:])
    except UnicodeDecodeError as error:
        raise DamagedError(
            f"it is not in UTF-8 ({error.reason} at byte {start + error.start}); save it as CSV in "
            "UTF-8"
        ) from error
    lines, ends = _parse(text)
    if lines and {field.text for field in lines[0]} >= _OF_TASKS:
        # A spreadsheet writes them for rows that were cleared; `row_line` never does.
        while len(lines) > 1 and all(field == _EMPTY for field in lines[-1]):
            lines.pop()
            ends.pop()
    text_end = start + len(text[: ends[-1]].encode())
    rest = data[text_end:].decode(errors="replace")
    if not rest.strip(",\r\n"):
        rest = ""
    if not lines:
        if "\0" in rest:
            raise DamagedError("it holds NUL bytes, and no table; restore it from a copy")
        return CSV([], [], start, rest)
    columns = [field.text for field in lines[0]]
    if len(columns) == 1 and set(_MARKS.split(columns[0])) >= _OF_TASKS:
        # Each task has these: a spreadsheet wrote it where numbers have commas.
        raise DamagedError("its columns are separated by semicolons or tabs; save it with commas")
    if _SEPARATOR.fullmatch(columns[0]) and not lines[0][0].is_quoted:
        raise DamagedError("its first line names the separator, for Excel alone; remove the line")
    rows = lines[1:]
    for number, row in enumerate(rows):
        if len(row) > len(columns):
            raise DamagedError(f"row {number} has {len(row)} fields, for {len(columns)} columns")
        row += [_EMPTY] * (len(columns) - len(row))
    return CSV(columns, rows, text_end, rest)


def header_line(columns: Iterable[str]) -> str:
    """Return the first line of a file."""
    return _line(quoted(name) if _SPECIAL.search(name) else name for name in columns)


def row_line(fields: Iterable[str]) -> str:
    """Return the line of a row, of fields as `field_text` makes them."""
    line = _line(fields)
    # Readers skip lines in which there is nothing.
    return line if line.strip(",\n") else f"NA{line}"


def widened(data: bytes, names: bytes) -> bytes:
    """Return a file with more columns, in which no row has a value yet.

    `data` is whole lines, the first of which names the columns; for a new file nothing, or empty
    lines. `names` is what is added to the first line, as it is in a file.
    """
    if not data.removeprefix(codecs.BOM_UTF8).strip(b"\r\n"):
        return data + names + b"\n"
    if not data.endswith((b"\n", b"\r")):
        data += b"\n"
    added = b"," * len(parse_csv(b"x," + names + b"\n").columns[1:])
    # The byte order mark is no part of a line, which may be empty.
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    header = _LINE.search(data, start)
    assert header is not None
    head, rows = data[: header.end(1)] + b"," + names + header[2], data[header.end() :]
    if _is_line_by_line(rows):
        return head + rows.replace(b"\n", added + b"\n")
    return head + _LINE.sub(rb"\1" + added + rb"\2", rows)


def _is_line_by_line(rows: bytes) -> bool:
    """Return True if each line end, and nothing else, ends a row."""
    if b"\r" in rows or b"\n\n" in rows or rows.startswith(b"\n"):
        return False
    letters = numpy.frombuffer(rows, "u1")
    quotes = numpy.flatnonzero(letters == ord('"'))
    before = letters[quotes[::2] - 1]
    # A quote within a field that does not begin with one is a letter.
    if quotes[:1].tolist() == [0]:
        before[0] = ord(",")
    if not numpy.isin(before, list(b',\n"')).all():
        return False
    ends = numpy.flatnonzero(letters == ord("\n"))
    return not (numpy.searchsorted(quotes, ends) % 2).any()


def _line(fields: Iterable[str]) -> str:
    return ",".join(fields) + "\n"


def _decoded(data: bytes) -> str:
    """Return the text of a file whose last line may end within a character."""
    lines_end = data.rfind(b"\n") + 1
    text = data[:lines_end].decode()
    try:
        return text + data[lines_end:].decode()
    except UnicodeDecodeError:
        return text


def _parse(text: str) -> tuple[list[list[Field]], list[int]]:
    """Return the lines that are whole, and where the first begins and each ends.

    Empty lines are none, and belong to what is before them.
    """
    lines: list[list[Field]] = []
    ends = [0]
    line: list[Field] = []
    position = 0
    match_field = _FIELD.match
    while position < len(text):
        match = match_field(text, position)
        assert match is not None
        if match[1] is None and text.startswith('"', position):
            # A quote that is not closed.
            return lines, ends
        line.append(_field(match))
        position = match.end()
        if text.startswith(",", position):
            position += 1
            continue
        if position == len(text) and not (lines and len(line) == len(lines[0])):
            # Without the end of the line, a row is whole if it has all fields.
            return lines, ends
        position += 2 if text.startswith("\r\n", position) else 1
        if line != [_EMPTY]:
            lines.append(line)
            ends.append(0)
        line, ends[-1] = [], min(position, len(text))
    return lines, ends


def _field(match: re.Match[str]) -> Field:
    inner, tail, plain = match.groups()
    return Field(plain, False) if inner is None else Field(inner.replace('""', '"') + tail, True)
