"""How a text file holds a table: separator, decimal sign, header.

This text is part of every script that is exported, too: it runs on any Python since 3.6.
"""

import csv
import gzip
import math
import re
import zlib
from typing import Any

__all__ = ["MISSING", "cell_number", "decoded", "find_form", "is_monotonic", "split_lines"]

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "?")
_SAMPLE = 50  # lines that are looked at to find the form of a file
_NUMBER = re.compile(r"[+-]?\d*[.,]?\d+(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")


def decoded(data: Any) -> Any:
    """Return the lines of a file that are not blank, without a separator that ends all of them.

    The file may be compressed by gzip. ValueError if it is not text.
    """
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError("it is damaged: %s" % error) from error  # noqa: UP031 - Python 3.6
    try:
        # Excel calls it Unicode text.
        is_wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        # Instruments write the degree sign and the micro sign in the code page of their system.
        text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise ValueError("it is not a text file")
    # Not by splitlines, for which more characters end a line that may stand in a cell.
    lines = [line for line in re.split("\r\n?|\n", text) if line.strip()]
    if lines and re.fullmatch('"?sep=."?', lines[0]):
        # As Excel takes it, for itself.
        del lines[0]
    for mark in ",;\t":
        if all(line.endswith(mark) for line in lines):
            return [line[:-1] for line in lines]
    return lines


def find_form(lines: Any, separator: Any, decimal: Any, header: Any, missing: Any) -> Any:
    """Return separator, decimal sign, and whether the first line is a header, found where None.

    A separator that is a space stands for any run of blanks.
    """
    if separator is None:
        separator = next((mark for mark in ";\t" if mark in lines[0]), None)
    if separator is None:
        # The last line looked at, as the first may have names.
        cells = lines[: min(len(lines), _SAMPLE)][-1].split()
        others = [cell for cell in cells if not _NUMBER.fullmatch(cell)]
        # Labels and missing cells may be among numbers; "1.0, 2.0" is no number and one.
        is_blank = 1 < len(cells) > 2 * len(others) and not any("," in cell for cell in others)
        separator = " " if is_blank else ";" if decimal == "," else ","
    sample = split_lines(lines[:_SAMPLE], separator)
    if decimal is None:
        cells = [cell for row in sample[1:] or sample for cell in row]
        numbers = [cell for cell in cells if _COMMA_NUMBER.fullmatch(cell)]
        # Between commas, a number with one is quoted, as thousands are: "1,234".
        is_decimal = separator != "," or not all(map(_THOUSANDS.fullmatch, numbers))
        decimal = "," if numbers and is_decimal else "."
    if header is None:
        header = _is_header(lines[:_SAMPLE], sample, decimal, missing)
    return separator, decimal, header


def split_lines(lines: Any, separator: Any) -> Any:
    """Return the cells of lines, without the blanks around them."""
    if separator == " ":
        lines = [" ".join(line.split()) for line in lines]
    return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]


def cell_number(cell: Any, decimal: Any, missing: Any) -> Any:
    """Return the number in a cell, not-a-number if it is missing, None if it is text."""
    cell = cell.strip()
    if cell in missing:
        return math.nan
    try:
        return float(cell.replace(",", ".") if decimal == "," else cell)
    except ValueError:
        return None


def is_monotonic(values: Any) -> Any:
    """Return True if numbers rise, or fall, each from the one before."""
    steps = _steps(values)
    return all(step > 0 for step in steps) or all(step < 0 for step in steps)


def _steps(values: Any) -> Any:
    return [values[n] - values[n - 1] for n in range(1, len(values))]


def _is_header(lines: Any, sample: Any, decimal: Any, missing: Any) -> Any:
    """Return True if the first line names columns.

    It does if it has text above numbers, or quoted cells above lines without quotes; and if its
    numbers are those of an axis, as the wavelengths of spectra: they rise or fall, evenly or out of
    the range of all other numbers, which the rows below do not do. Text beside an axis must not
    occur below, as labels do; a blank cell is that of the names of samples.
    """
    names = sample[0]
    body = [row for row in sample[1:] if len(row) == len(names)]
    found = [cell_number(name.lstrip("# "), decimal, missing) for name in names]
    if not body:
        return None in found
    below = [[cell_number(row[n], decimal, missing) for row in body] for n in range(len(names))]
    texts = [n for n, number in enumerate(found) if number is None]
    if any(cell is not None and not math.isnan(cell) for n in texts for cell in below[n]):
        return True
    if any(names[n] in {row[n] for row in body} for n in texts):
        return False
    if len(texts) + (not names[0]) == len(names):
        return True
    if lines[0].count('"') >= 2 * len(names) and not any('"' in line for line in lines[1:]):
        return True
    # An unnamed first column holds names, or numbers, of samples.
    columns = [n for n in range(not names[0], len(names)) if n not in texts]
    axis = [found[n] for n in columns]
    if len(axis) < 3 or any(map(math.isnan, axis)) or not is_monotonic(axis):
        return False
    rows = [
        [math.nan if cell is None else cell for cell in (below[n][r] for n in columns)]
        for r in range(len(body))
    ]
    if 2 * sum(map(is_monotonic, rows)) > len(rows):
        return False
    steps = _steps(axis)
    mean = abs(sum(steps) / len(steps))
    is_even = len(axis) > 3 and max(steps) - min(steps) <= 0.02 * mean
    values = [abs(cell) for row in rows for cell in row if not math.isnan(cell)]
    return is_even or (bool(values) and min(axis) > max(values))
