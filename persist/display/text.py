"""Text for terminals: escaping, sizes, cells and aligned columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

__all__ = [
    "aligned",
    "cell",
    "counted",
    "dtype_text",
    "first_lines",
    "harmless",
    "human_size",
    "shape_text",
    "short_type",
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
