"""Any object in a few words: one line, and never a `repr` that could be long or slow."""

from __future__ import annotations

import datetime
import decimal
import fractions
import functools
import types
from collections.abc import Iterable
from enum import Enum
from typing import Any

import numpy

from persist.archive.literals import ATOMS
from persist.dataset.comparison.steps import NOTHING

__all__ = ["describe", "describe_element", "describe_key", "is_shown", "shorten"]

_WIDTH = 60
_KEY_WIDTH = 200
_DEPTH = 3
_MAX_DECIMAL_BITS = 2000

_SHOWN = frozenset(
    [
        decimal.Decimal,
        fractions.Fraction,
        datetime.date,
        datetime.timedelta,
        datetime.timezone,
    ]
)
_BRACKETS: dict[Any, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    **dict.fromkeys((dict, set, frozenset), ("{", "}")),
}
_NAMED = (type, types.FunctionType, types.BuiltinFunctionType, numpy.ufunc)


def describe(obj: Any, width: int = _WIDTH, depth: int = _DEPTH) -> str:
    """Return a short text for any object, or `NOTHING`, of at most `width` characters.

    Numbers, texts and containers, down to a depth, are shown as they are written, an array as its
    dtype and shape, an object of another class by the name of the class.

    Examples
    --------
    >>> describe([1, "a", {"b": None}]), describe(numpy.zeros((3, 4)))
    ("[1, 'a', {'b': None}]", 'float64 (3, 4)')
    >>> describe("x" * 1000, 20)
    "'xxxxxxx...xxxxxxxx'"
    """
    cls = type(obj)
    if obj is NOTHING:
        return str(NOTHING.value)
    if cls in ATOMS:
        return _atom(obj, width)
    if cls in _BRACKETS:
        return _container(obj, width, depth)
    return shorten(_named(obj), width)


def describe_key(key: Any) -> str:
    """Return the text of a key in a path, whole if it is a number or a text of sensible length."""
    return describe(key, _KEY_WIDTH)


def describe_element(element: Any) -> str:
    """Return a short text for an element of an array."""
    if isinstance(element, numpy.generic) and element.dtype.kind in "biufcmM":
        return shorten(str(element), _WIDTH)
    return describe(element.item() if isinstance(element, numpy.generic) else element)


def shorten(text: str, width: int = _WIDTH) -> str:
    """Return `text` on one line, without its middle if it is too long."""
    if not text.isprintable():
        text = repr(text)[1:-1]
    if len(text) <= width:
        return text
    head = (width - 3) // 2
    return f"{text[:head]}...{text[len(text) - (width - 3 - head) :]}"


def is_shown(obj: Any) -> bool:
    """Return True if `repr` says all about an object, shortly: a date, a decimal number."""
    if type(obj) in (datetime.datetime, datetime.time):
        return obj.tzinfo is None
    return type(obj) in _SHOWN


def _atom(atom: Any, width: int) -> str:
    if type(atom) is int and atom.bit_length() > _MAX_DECIMAL_BITS:
        # CPython refuses to print more than 4300 digits.
        return shorten(hex(atom), width)
    if type(atom) in (str, bytes) and len(atom) > width:
        # Only the ends are seen, so only these are escaped.
        atom = atom[:width] + atom[-width:]
        return shorten(repr(atom), width)
    return shorten(repr(atom), width)


def _container(obj: Any, width: int, depth: int) -> str:
    left, right = _BRACKETS[type(obj)]
    text = functools.partial(describe, width=width // 2, depth=depth - 1)
    if not obj or depth == 0:
        inner = "..." if obj else ""
    elif type(obj) in (set, frozenset):
        # Those of a large set have no first few.
        is_large = len(obj) > width // 3
        inner = f"{len(obj)} members" if is_large else _join(sorted(map(text, obj)), width)
    elif type(obj) is dict:
        inner = _join((f"{text(key)}: {text(value)}" for key, value in obj.items()), width)
    else:
        inner = _join(map(text, obj), width)
    if type(obj) is tuple and len(obj) == 1:
        inner += ","
    whole = f"{left}{inner}{right}"
    if type(obj) is frozenset or (type(obj) is set and not obj):
        whole = f"{type(obj).__name__}({whole if obj else ''})"
    return shorten(whole, width)


def _join(texts: Iterable[str], width: int) -> str:
    parts: list[str] = []
    for text in texts:
        if sum(map(len, parts)) + 2 * len(parts) > width:
            parts.append("...")
            break
        parts.append(text)
    return ", ".join(parts)


def _named(obj: Any) -> str:
    cls = type(obj)
    if isinstance(obj, Enum):
        return f"{_name_of(cls)}.{obj.name or describe(obj.value)}"
    if isinstance(obj, types.ModuleType):
        return f"module {obj.__name__}"
    if isinstance(obj, _NAMED):
        return _name_of(obj)
    if isinstance(obj, numpy.dtype):
        return f"dtype {obj}"
    if cls in (numpy.ndarray, numpy.memmap):
        return f"{obj.dtype} {obj.shape}"
    if is_shown(obj):
        return repr(obj)
    if cls.__module__ == "numpy" and isinstance(obj, numpy.generic):
        return f"numpy.{cls.__name__}({describe_element(obj)})"
    return _name_of(cls)


def _name_of(obj: Any) -> str:
    """Return the dotted name of a class or function."""
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", "")
    module = getattr(obj, "__module__", None)
    return f"{name}" if module in (None, "builtins") else f"{module}.{name}"
