"""Numbers and text as literals that every supported Python reads back exactly.

A number or text is a value: it is written where it stands, and no name is given to it. The compiler
merges equal constants, so which of two equal ones was meant could not be told afterwards.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
import re
import struct
import unicodedata
import uuid
from collections.abc import Iterator, Sequence
from enum import Enum
from operator import eq
from typing import Any

from persist.archive.reduction import Import, Reduction

__all__ = [
    "ATOMS",
    "LEAVES",
    "are_words",
    "is_constant",
    "is_leaf",
    "is_quiet_nan",
    "literal",
    "numbers_kind",
    "split_text",
]

ATOMS = frozenset(
    [int, float, complex, str, bytes, bool, type(None), type(Ellipsis), type(NotImplemented)]
)
LEAVES: frozenset[type] = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes),
        *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta),
        *(decimal.Decimal, fractions.Fraction, uuid.UUID),
    }
)
"""Types of values that hold no other object."""

_FOLDED = ATOMS - {type(NotImplemented)}

# CPython refuses to parse or print decimal integers of more than 4300 digits; hex has no limit.
_MAX_DECIMAL_BITS = 2000
_MIN_WORDS = 200
_MAX_WORD_BITS = 256
_QUIET_NAN = struct.pack("<d", math.nan)
_MIN_WIDTH = 24


def is_constant(items: tuple[Any, ...], depth: int = 16) -> bool:
    """Return True if the compiler makes one constant of a tuple: a value, as numbers are."""
    for item in items:
        cls = type(item)
        if cls is tuple:
            if not depth or not is_constant(item, depth - 1):
                return False
        elif cls not in _FOLDED or not _has_literal(item):
            return False
    return True


def _has_literal(atom: Any) -> bool:
    if type(atom) is float:
        return math.isfinite(atom)
    return type(atom) is not complex or _is_plain_complex(atom)


def is_leaf(obj: Any) -> bool:
    """Return True if `obj` is a value that holds no object which could lead back to its holder."""
    return type(obj) in LEAVES or isinstance(obj, Enum)


def is_quiet_nan(number: float) -> bool:
    """Return True if a NaN has the bits of `math.nan`."""
    return struct.pack("<d", number) == _QUIET_NAN


def literal(atom: Any) -> str | Reduction | Import:
    r"""Return the literal of `atom`, or what builds it where no literal can.

    The names ``inf`` and ``nan`` may stand in the literal of a float.

    Examples
    --------
    >>> literal(-0.0), literal(float("-inf")), literal("caf\xe9"), literal(...)
    ('-0.0', '-inf', "'café'", '...')
    """
    cls = type(atom)
    if cls is str:
        return repr(atom) if atom.isascii() else _text(atom)
    if cls is float:
        return _float(atom)
    if cls is int:
        return repr(atom) if atom.bit_length() <= _MAX_DECIMAL_BITS else hex(atom)
    if cls is complex:
        if _is_plain_complex(atom):
            return repr(atom)
        return Reduction(Import("builtins", "complex"), (atom.real, atom.imag))
    if atom is Ellipsis:
        return "..."
    if atom is NotImplemented:
        return Import("builtins", "NotImplemented")
    return repr(atom)


def split_text(atom: str | bytes, width: int) -> list[str]:
    """Return literals, of at most `width` columns, that stand side by side for one long text."""
    width = max(width, _MIN_WIDTH)
    if isinstance(atom, bytes):
        step = width - len("b''")
        if len(repr(atom)) > len(atom) + len("b''"):
            step //= len(r"\x00")
        return [repr(atom[i : i + step]) for i in range(0, len(atom), step)]
    parts: list[str] = []
    for line in re.findall(r"[^\n]*\n|[^\n]+", atom):
        parts.extend(map(_text, _split_line(line, width - len("''"))))
    return parts


def numbers_kind(items: Sequence[Any]) -> type | None:
    """Return the type of `items` if all are int or all are float, and None otherwise."""
    kinds = set(map(type, items))
    if len(kinds) == 1:
        kind: type = kinds.pop()
        return kind if kind in (int, float) else None
    return None


def are_words(items: Sequence[Any], kind: type) -> bool:
    """Return True if `items` are many numbers, each of which ``kind(repr(item))`` gives back."""
    if len(items) <= _MIN_WORDS:
        return False
    if kind is int:
        return max(map(int.bit_length, items)) <= _MAX_WORD_BITS
    return all(map(eq, items, items)) or all(is_quiet_nan(item) for item in items if item != item)


def _split_line(line: str, width: int) -> Iterator[str]:
    start = used = 0
    for end, size in enumerate(len(_character(character, "'")) for character in line):
        if used + size > width:
            yield line[start:end]
            start, used = end, 0
        used += size
    yield line[start:]


def _float(number: float) -> str | Reduction:
    if number != number and not is_quiet_nan(number):
        data = struct.pack(">d", number)
        if data == struct.pack(">d", -math.nan):
            return "-nan"
        unpacked = Reduction(Import("struct", "unpack"), (">d", data))
        return Reduction(Import("operator", "getitem"), (unpacked, 0))
    return repr(number)


def _is_plain_complex(number: complex) -> bool:
    # The sum real + imag*1j is exact, except for infinities, NaN and the sign of a zero.
    parts = (number.real, number.imag)
    return all(math.isfinite(part) and math.copysign(1, part) > 0 for part in parts)


def _text(text: str) -> str:
    """Return a literal that shows the characters which every supported Python calls printable."""
    quote = '"' if "'" in text and '"' not in text else "'"
    return quote + "".join(_character(character, quote) for character in text) + quote


def _character(character: str, quote: str) -> str:
    if character in (quote, "\\"):
        return "\\" + character
    if character.isascii() or _is_printable(character):
        return character if character.isprintable() else repr(character)[1:-1]
    code = ord(character)
    if code < 1 << 8:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"


def _is_printable(character: str) -> bool:
    # What is printable differs between Pythons; the Unicode of 2002 is in all of them, unchanged.
    old = unicodedata.ucd_3_2_0.category(character)
    return old[0] in "LNPS" and character.isprintable()
