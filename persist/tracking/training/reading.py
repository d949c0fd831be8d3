"""Tables in text files: separator, decimal sign, header, missing cells."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from persist.files import open_regular
from persist.names import repeated_names
from persist.tracking.delimited import MISSING, decoded, find_form, is_monotonic, split_lines
from persist.tracking.errors import DataError
from persist.tracking.optional import import_optional

__all__ = [
    "Form",
    "Table",
    "is_column_of_comma_numbers",
    "read_table",
    "wavelengths_of",
]

_SAMPLE = 50  # lines that are looked at to find the form of a file
_ONE_COMMA_NUMBER = re.compile(r'"?[+-]?\d+,\d+"?')
_WAVELENGTH = re.compile(r"\D{0,4}?([+-]?\d+(?:[.,]\d+)?)\s*(?:nm|cm-1|cm\^-1|1/cm)?")


@dataclass(frozen=True)
class Form:
    """How a file holds a table; what is None is found out."""

    separator: str | None = None  # a space stands for any run of blanks
    decimal: str | None = None
    header: bool | None = None  # whether the first line has the names of the columns
    missing: Sequence[str] = MISSING  # cells that have no value

    def __post_init__(self) -> None:
        mark, missing = self.separator, self.missing
        is_mark = isinstance(mark, str) and len(mark) == 1 and mark.isascii() and mark != '"'
        is_list = isinstance(missing, (list, tuple))
        for what, is_allowed, allowed in (
            (
                "separator",
                mark is None or (is_mark and (mark == "\t" or mark.isprintable())),
                "one character of ASCII, such as ';' or a tab, but no quote",
            ),
            ("decimal", self.decimal in (None, ".", ","), "'.' or ','"),
            ("header", self.header in (None, True, False), "True or False"),
            (
                "missing",
                is_list and all(isinstance(cell, str) for cell in missing),
                "a list of str",
            ),
        ):
            if not is_allowed:
                raise DataError(
                    f"cannot read files with {what}={getattr(self, what)!r:.80}: give {allowed}"
                )


@dataclass(frozen=True)
class Table:
    """A table that was read."""

    path: Path
    frame: Any  # of polars; without a header, columns are called column_1…
    form: Form  # with nothing left open
    first: list[str]  # the cells of the first line, a header or not
    was_header_given: bool  # by the caller


def read_table(path: Path, form: Form) -> Table:
    """Read a text file, plain or compressed by gzip.

    Raises
    ------
    DataError
        If it holds no table.
    """
    lines = _lines(path)
    if not lines:
        raise DataError(f"cannot read {path}: it holds no table; it is empty")
    separator, decimal, header = find_form(
        lines, form.separator, form.decimal, form.header, form.missing
    )
    found = Form(separator, decimal, header, form.missing)
    if found.separator == " ":
        lines = [" ".join(line.split()) for line in lines]
    if found.header:
        # numpy.savetxt marks its header as a comment.
        lines[0] = lines[0].removeprefix("#").lstrip(" ")
    _check_lengths(path, lines, found.separator)
    first = split_lines(lines[:1], found.separator)[0]
    if found.header and (repeated := repeated_names(first)):
        raise DataError(
            f"cannot read {path}: more than one column is called {repeated[0]!r}; give each a name "
            "of its own, or header=False if the first line is a sample"
        )
    polars = import_optional("polars")
    try:
        frame = polars.read_csv(
            io.BytesIO("\n".join(lines).encode()),
            separator=found.separator,
            has_header=bool(found.header),
            # Between commas, numbers with one are quoted, and text for polars.
            decimal_comma=found.decimal == "," != found.separator,
            null_values=list(found.missing),
            infer_schema_length=None,
        )
    except polars.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"cannot read {path}: it holds no table of rows of one length ({reason}); "
            "give separator, decimal or header if they were not recognised"
        ) from error
    if not frame.height:
        raise DataError(f"cannot read {path}: it holds no samples, only a line of names")
    frame = frame.rename({name: name.strip() for name in frame.columns})
    changed = []
    for name, kind in frame.schema.items():
        if str(kind) == "Int128":
            # Neither numpy nor pandas has such numbers.
            changed.append(frame[name].cast(polars.Float64))
        if kind != polars.String:
            continue
        # Blanks around numbers make them text for polars, and blank cells too.
        column = frame[name].str.strip_chars()
        column = column.set(column.is_in(list(found.missing)), None)
        text = column.str.replace(",", ".", literal=True) if found.decimal == "," else column
        numbers = text.cast(polars.Float64, strict=False)
        is_text = numbers.null_count() > column.null_count()
        changed.append((column if is_text else numbers).alias(name))
    return Table(path, frame.with_columns(changed), found, first, form.header is not None)


def wavelengths_of(names: Sequence[Any]) -> Any:
    """Return the numbers in the names of columns; None if one has none, or they only count.

    Examples
    --------
    >>> wavelengths_of(["1100", "1102.5 nm"])
    array([1100. , 1102.5])
    """
    matches = [_WAVELENGTH.fullmatch(str(name).strip()) for name in names]
    if len(matches) < 2 or not all(matches):
        return None
    values = numpy.array([float(match[1].replace(",", ".")) for match in matches if match])
    # Columns that are only counted, as x0, x1 and x2.
    is_count = values[0] in (0, 1) and bool((numpy.diff(values) == 1).all())
    return values if is_monotonic(values.tolist()) and not is_count else None


def _check_lengths(path: Path, lines: Sequence[str], separator: str | None) -> None:
    """Refuse rows of several lengths, which polars would fill."""
    mark = separator or ","
    count = lines[0].count(mark)
    for number, line in enumerate(lines, start=1):
        if line.count(mark) != count:
            # Each by itself, as a quote that is not closed reaches over lines.
            first, row = (next(csv.reader([one], delimiter=mark)) for one in (lines[0], line))
            if len(first) != len(row):
                raise DataError(
                    f"cannot read {path}: row {number} has {len(row)} cells and the first has "
                    f"{len(first)}; give separator or decimal if they were not recognised"
                )


def is_column_of_comma_numbers(path: Path) -> bool:
    """Return True if each line of a file may be one number with a decimal comma."""
    lines = [line.strip() for line in _lines(path)[:_SAMPLE]]
    return all(map(_ONE_COMMA_NUMBER.fullmatch, lines[1:] or lines))


def _lines(path: Path) -> list[str]:
    with open_regular(path, follow=True) as file:
        data: bytes = file.read()
    try:
        lines: list[str] = decoded(data)
    except ValueError as error:
        raise DataError(
            f"cannot read {path}: {error}; give a CSV file, or the frame that another library reads"
        ) from error
    return lines
