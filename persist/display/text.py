"""Text for terminals: escaping, sizes, cells, aligned columns, and Python values of any size."""

from __future__ import annotations

import pprint
import re
import reprlib
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

__all__ = [
    "aligned",
    "cell",
    "counted",
    "dtype_text",
    "first_lines",
    "harmless",
    "human_size",
    "is_long",
    "shape_text",
    "short_repr",
    "short_type",
    "shown",
    "summary",
]

_WIDTH = 48  # characters of a cell
_LINE_WIDTH = 160

# Unicode Standard Annex 9: the last two ranges are those that embed, override and isolate.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


_TYPESTRING = re.compile(r"[<|]([fiucb])(\d{1,2})")


def harmless(text: str) -> str:
    r"""Return text in which characters that control a terminal are escaped.

    These are the control characters except line ends and tabs, and those that change the direction
    of the text.

    Examples
    --------
    >>> print(harmless("a\x1b[2Jb\u202ec"))
    a\x1b[2Jb\u202ec
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in the plural, unless it is one.

    Examples
    --------
    >>> counted(1, "key"), counted(0, "key")
    ('1 key', '0 keys')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def human_size(count: int) -> str:
    """Return a number of bytes with a binary unit.

    Examples
    --------
    >>> human_size(0), human_size(1023), human_size(1536), human_size(3 * 2**40)
    ('0 B', '1023 B', '1.5 KiB', '3.0 TiB')
    """
    if count < 1024:
        return f"{count} B"
    size, units = float(count), iter(["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
    unit = ""
    while size >= 1023.95 or not unit:
        size, unit = size / 1024, next(units)
    return f"{size:.1f} {unit}"


def shape_text(shape: Sequence[int] | None) -> str:
    """Return a shape as Python writes a tuple; nothing for None.

    Examples
    --------
    >>> shape_text([3]), shape_text((2, 3)), shape_text(None)
    ('(3,)', '(2, 3)', '')
    """
    return "" if shape is None else str(tuple(shape))


def dtype_text(dtype: str | None) -> str:
    """Return the name of a dtype that is given as a typestring of native byte order.

    Examples
    --------
    >>> dtype_text("<f8"), dtype_text("|b1"), dtype_text(">f8"), dtype_text(None)
    ('float64', 'bool', '>f8', '')
    """
    found = _TYPESTRING.fullmatch(dtype or "")
    if found is None:
        return dtype or ""
    kind = {"f": "float", "i": "int", "u": "uint", "c": "complex", "b": "bool"}[found[1]]
    return kind if kind == "bool" else f"{kind}{8 * int(found[2])}"


def short_type(name: str | None) -> str:
    """Return the import path of a class, without ``builtins``; nothing for None."""
    return (name or "").removeprefix("builtins.")


def cell(value: Any, width: int = _WIDTH) -> str:
    r"""Return a value as one cell: floats with six digits, times to the second, text on one line.

    Characters that cannot be printed are replaced, and what is longer than `width` is cut.

    Examples
    --------
    >>> cell(1 / 3), cell(None), cell("a\nb"), cell("x" * 9, width=4)
    ('0.333333', '', 'a�b', 'xxx…')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if hasattr(value, "strftime"):
        return str(value.strftime("%Y-%m-%d %H:%M:%S"))
    text = str(value)[:1000]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def first_lines(text: str, count: int) -> str:
    r"""Return the first lines of source, cut at 160 characters, and how many follow.

    Examples
    --------
    >>> print(first_lines("x = 1\ny = 2\nz = 3", 2))
    x = 1
    y = 2
    … 1 more lines
    """
    found = text.expandtabs().splitlines()
    shown = [cell(line, _LINE_WIDTH + 1) for line in found[:count]]
    if len(found) > count:
        shown.append(f"… {len(found) - count} more lines")
    return "\n".join(shown)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines, with their cells below each other.

    Examples
    --------
    >>> print(aligned([["key", "size"], ["x", "8 B"]]))
    key  size
    x    8 B
    """
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


_ITEMS = 50  # of each container
_DEPTH = 6
_CHARACTERS = 1000  # of each value that is no container
_VALUE_WIDTH = 88

# CPython refuses to print integers of more than 4300 digits; hex has no limit.
_MAX_BITS = 14_000


class _Repr(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        if not is_long(x):
            return super().repr_int(x, level)
        text = hex(x)
        return f"{text[:100]}...{text[-97:]}"


_REPR = _Repr()
_REPR.maxstring = _REPR.maxother = _CHARACTERS
_REPR.maxlong = 200


class _Written(str):
    """Text that stands in a structure as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def is_long(value: Any) -> bool:
    """Return True if `value` is an integer that Python does not print in digits."""
    return isinstance(value, int) and value.bit_length() > _MAX_BITS


def short_repr(value: Any) -> str:
    """Return the repr of `value`, cut in the middle if it is long; it never fails.

    Examples
    --------
    >>> short_repr(list(range(1000)))
    '[0, 1, 2, 3, 4, 5, ...]'
    """
    return _leaf(value, _REPR.maxlevel)


def summary(info: Any, width: int = 40) -> str:
    """Return one line about an info; nothing for None.

    Examples
    --------
    >>> summary({"unit": "mV", "rate": 250})
    "unit='mV', rate=250"
    """
    if info is None:
        return ""
    if type(info) is dict:
        text = ", ".join(f"{key}={short_repr(item)}" for key, item in islice(info.items(), _ITEMS))
    else:
        text = info[:_CHARACTERS] if isinstance(info, str) else short_repr(info)
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def shown(value: Any) -> str:
    """Return `value` over several lines: the first items of containers, some levels deep.

    Examples
    --------
    >>> print(shown({"rate": 250, "blocks": list(range(52))})[-13:])
    49, 2 more…]}
    """
    return pprint.pformat(
        _bounded(value, _DEPTH), width=_VALUE_WIDTH, compact=True, sort_dicts=False
    )


def _bounded(value: Any, depth: int) -> Any:
    if type(value) is dict and depth:
        kept = {
            _Written(short_repr(key)): _bounded(item, depth - 1)
            for key, item in islice(value.items(), _ITEMS)
        }
        return kept | {_Written("…"): rest for rest in _rest(len(value))}
    if type(value) in (list, tuple) and depth:
        items = [_bounded(item, depth - 1) for item in islice(value, _ITEMS)]
        return type(value)([*items, *_rest(len(value))])
    if type(value) in (dict, list, tuple):
        return _Written(short_repr(value))
    return _Written(_leaf(value, 2))


def _leaf(value: Any, depth: int) -> str:
    try:
        return _REPR.repr1(value, depth)
    except Exception:
        # The repr of a class of the user may fail, and no value is to be the end of a listing.
        return object.__repr__(value)


def _rest(length: int) -> Iterable[_Written]:
    return [_Written(f"{length - _ITEMS} more…")] if length > _ITEMS else []
