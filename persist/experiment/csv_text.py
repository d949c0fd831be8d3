"""CSV as text and back, quotes remembered (RFC 4180)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from typing import NamedTuple

from persist.experiment.fields import Field, quoted

__all__ = ["CSV", "header_line", "parse_csv", "row_line"]

_FIELD = re.compile(r'"([^"]*(?:""[^"]*)*)"([^,\r\n]*)|([^,\r\n]*)')
_SPECIAL = re.compile(r'[,"\r\n]|\A\s|\s\Z')


class CSV(NamedTuple):
    """What a file holds.

    Parameters
    ----------
    columns : list of str
        The names of the columns.
    rows : list of list of Field
        The rows; short ones are filled up with empty fields.
    end : int
        Where the last whole line ends, in bytes.
    rest : str
        What stands behind it: a row that was not written to its end.
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
        If it is not one: a row has more fields than there are columns, or it is no UTF-8.
    """
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    text = _decoded(data[start:])
    lines, end = _parse(text)
    text_end = start + len(text[:end].encode())
    rest = data[text_end:].decode(errors="replace")
    if not lines:
        return CSV([], [], start, rest)
    columns = [field.text for field in lines[0]]
    rows = [line for line in lines[1:] if line != [Field("", False)]]
    for number, row in enumerate(rows):
        if len(row) > len(columns):
            raise ValueError(f"row {number} has {len(row)} fields, for {len(columns)} columns")
        row += [Field("", False)] * (len(columns) - len(row))
    return CSV(columns, rows, text_end, rest)


def header_line(columns: Iterable[str]) -> str:
    """Return the first line of a file."""
    return _line(quoted(name) if _SPECIAL.search(name) else name for name in columns)


def row_line(fields: Iterable[str]) -> str:
    """Return the line of a row, of fields as `field_text` makes them."""
    line = _line(fields)
    # Readers skip lines in which there is nothing.
    return line if line != "\n" else "NA\n"


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


def _parse(text: str) -> tuple[list[list[Field]], int]:
    """Return the lines that are whole, and where the last of them ends."""
    lines: list[list[Field]] = []
    line: list[Field] = []
    position = end = 0
    match_field = _FIELD.match
    while position < len(text):
        match = match_field(text, position)
        assert match is not None
        if match[1] is None and text.startswith('"', position):
            # A quote that is not closed.
            return lines, end
        line.append(_field(match))
        position = match.end()
        if text.startswith(",", position):
            position += 1
            continue
        if position == len(text) and not (lines and len(line) == len(lines[0])):
            # Without the end of the line, a row is whole if it has all fields.
            return lines, end
        position += 2 if text.startswith("\r\n", position) else 1
        lines.append(line)
        line, end = [], min(position, len(text))
    return lines, end


def _field(match: re.Match[str]) -> Field:
    inner, tail, plain = match.groups()
    return Field(plain, False) if inner is None else Field(inner.replace('""', '"') + tail, True)
