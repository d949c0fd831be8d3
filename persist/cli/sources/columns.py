"""What the cells of a column mean: numbers, truth values, or text; never with a loss."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy

__all__ = ["column"]

_INTEGER = re.compile(r"[+-]?[1-9][0-9]*|\+?0", re.ASCII)
# No leading zeros: 007 is a name, not a number.
_FLOAT = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.ASCII | re.IGNORECASE
)
_NO_FINITE = re.compile(r"nan|[+-]?inf(?:inity)?", re.IGNORECASE)
_TRUTH = {"true": True, "false": False}
_LONGEST_NUMBER = 300  # characters; int refuses some thousands


def column(cells: list[str]) -> Any:
    """Return the cells of a column as what all of them can be.

    int64, if all are integers; float64, if all are numbers or empty, which is not a number; bool,
    if all are true or false; else text as it stands. Integers that such numbers cannot hold are a
    list, of int and None for empty cells.

    Examples
    --------
    >>> column(["1", "2"]), column(["1", ""]), column(["007", "1"])
    (array([1, 2]), array([ 1., nan]), array(['007', '1'], dtype='<U3'))
    """
    stripped = [cell.strip() for cell in cells]
    kinds = {_kind(cell) for cell in stripped}
    if kinds == {"truth"}:
        return numpy.array([_TRUTH[cell.lower()] for cell in stripped])
    if kinds == {"integer"}:
        return _integers(stripped)
    if kinds <= {"integer", "float", "infinite", "empty"}:
        numbers = _numbers(stripped, kinds)
        if numbers is not None:
            return numbers
    return _text(cells)


def _kind(cell: str) -> str:
    if not cell:
        return "empty"
    if len(cell) > _LONGEST_NUMBER:
        return "text"
    if _INTEGER.fullmatch(cell):
        return "integer"
    if _FLOAT.fullmatch(cell):
        return "float"
    if _NO_FINITE.fullmatch(cell):
        return "infinite"
    return "truth" if cell.lower() in _TRUTH else "text"


def _integers(cells: list[str]) -> Any:
    values = [int(cell) for cell in cells]
    limits = numpy.iinfo(numpy.int64)
    fits = limits.min <= min(values) and max(values) <= limits.max
    return numpy.array(values, numpy.int64) if fits else values


def _numbers(cells: list[str], kinds: set[str]) -> Any:
    """Return numbers, or None if float64 does not hold what the cells say."""
    values = [float(cell) if cell else math.nan for cell in cells]
    if all(_holds(value, cell) for value, cell in zip(values, cells, strict=True)):
        return numpy.array(values, numpy.float64)
    if kinds == {"integer", "empty"}:
        return [int(cell) if cell else None for cell in cells]
    return None


def _holds(value: float, cell: str) -> bool:
    """Return True if `value` is the integer that a cell says, or near the fraction it says."""
    if _INTEGER.fullmatch(cell):
        return value == int(cell)
    return not math.isinf(value) or _NO_FINITE.fullmatch(cell) is not None


def _text(cells: list[str]) -> Any:
    # Arrays of text do not tell zeros at the end from padding.
    has_zeros = any(cell.endswith("\0") for cell in cells)
    return cells if has_zeros else numpy.array(cells, dtype=numpy.str_)
