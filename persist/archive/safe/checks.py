"""Checks of arguments: what is data, how much there is of it, and what it takes."""

from __future__ import annotations

import collections
import datetime
import enum
import pathlib
import re
import sys
import types
import uuid
import zoneinfo
from collections.abc import Iterable
from typing import Any

import numpy

from persist.archive.literals import LEAVES
from persist.archive.safe.budget import Budget
from persist.errors import UntrustedError

__all__ = [
    "MANY",
    "charge_items",
    "check_data",
    "check_hashes",
    "check_keys",
    "expanded",
    "is_atom",
    "is_shape",
    "length_of",
]

_ATOMS = frozenset(
    {
        *(*LEAVES, type(Ellipsis), bytearray, datetime.timezone, zoneinfo.ZoneInfo),
        *(uuid.SafeUUID, re.RegexFlag, range, slice),
        *(pathlib.PurePosixPath, pathlib.PureWindowsPath, type(pathlib.Path())),
    }
)
MANY = 1000
"""How many keys need to be looked at together."""

_MAX_KEY = 1_000_000  # parts
_HASHED = (tuple, frozenset, slice, types.GenericAlias)
_LISTS = (list, tuple)
_DICTS = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
_SETS = (set, frozenset, collections.deque)
_CONTAINERS = frozenset([*_LISTS, *_DICTS, *_SETS])
_ITERABLES = (*_CONTAINERS, str, bytes, bytearray, range, types.MappingProxyType)

_ARRAY_NAMES = frozenset(["__array_interface__", "__array_struct__", "__array__"])
# numpy makes no more dimensions than this.
_MAX_NESTING = 64


def is_atom(value: Any) -> bool:
    """Return True for a value that holds no other object and does nothing by itself."""
    cls = type(value)
    if cls in _ATOMS or isinstance(value, enum.Enum):
        return True
    if isinstance(value, type):
        return value in _ATOMS or value.__module__ in ("builtins", "numpy")
    # Objects of their classes are data.
    return cls.__module__.partition(".")[0] in ("numpy", "pandas", "pyarrow", "pytz")


def check_data(*values: Any, trusted: bool = False) -> None:
    """Refuse what is not data through and through.

    Data are atoms, and lists, tuples, dicts and sets of such, of exactly these types. numpy and
    pandas ask each object that they are given for attributes such as ``__array_interface__``, which
    is an address in memory, so they are given no other objects. With `trusted`, time zones and
    columns of trusted classes pass too.

    What shows data, or asks for its hash, goes through a list as often as it stands in others, and
    is not given data where that takes far longer than to look at each once.
    """
    seen: set[int] = set()
    size, is_shared = 0, False
    # The items of an array of objects may be anything that numpy does not take for an array.
    waiting = [(value, False) for value in values]
    while waiting:
        value, is_item = waiting.pop()
        cls = type(value)
        if cls in _ATOMS:
            continue
        if isinstance(value, numpy.ndarray) and value.dtype.hasobject:
            is_item = True
        elif cls not in _CONTAINERS:
            if is_atom(value) or (trusted and _is_part_of_pandas(value)):
                continue
            if is_item:
                _check_no_array(value)
                continue
            raise UntrustedError(
                f"an object of class {cls.__module__}.{cls.__qualname__} stands where only "
                "numbers, text and the like are read"
            )
        if id(value) not in seen:
            seen.add(id(value))
            parts = _parts_of(value)
            size += len(parts)
            waiting.extend((part, is_item) for part in parts)
        elif not is_item:
            is_shared = True
    if is_shared:
        budget = Budget(size)
        budget.step(expanded(list(values), budget)[0])


def _parts_of(value: Any) -> Any:
    """Return what a container, an array of objects, a slice or a generic type holds."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, numpy.ndarray):
        return value.ravel().tolist()
    if type(value) is slice:
        return (value.start, value.stop, value.step)
    return value.__args__ if type(value) is types.GenericAlias else value


def is_shape(shape: Any) -> bool:
    """Return True for the shape of an array: a tuple of lengths."""
    return type(shape) is tuple and all(type(part) is int and part >= 0 for part in shape)


def _is_part_of_pandas(value: Any) -> bool:
    """Return True for an object that pandas recognises by its class: a time zone, or a column."""
    if isinstance(value, datetime.tzinfo):
        return True
    pandas = sys.modules.get("pandas")
    return (
        pandas is not None
        and isinstance(value, pandas.api.extensions.ExtensionArray)
        and _ARRAY_NAMES.isdisjoint(getattr(value, "__dict__", ()))
    )


def _check_no_array(value: Any) -> None:
    """Refuse an object that numpy would take for an array at some address."""
    for name in sorted(_ARRAY_NAMES):
        try:
            found = getattr(value, name, None)
        except Exception:
            found = None
        if found is not None:
            raise UntrustedError(f"an object with an attribute {name} stands in an array")


def check_keys(keys: Iterable[Any], budget: Budget) -> None:
    """Refuse keys that take long to hash, or that overflow the stack of C.

    A tuple is hashed as often as it stands in others, and in C, level by level.
    """
    for key in keys:
        if type(key) not in _PLAIN_KEYS:
            expanded(key, budget)


def check_hashes(keys: list[Any], budget: Budget) -> None:
    """Do as `check_keys`, and refuse many keys with few hashes, which take the square of the time.

    Integers have their remainder by 2**61 - 1 for a hash, so anybody can make such.
    """
    check_keys(keys, budget)
    if len(keys) > MANY:
        try:
            hashes = set(map(hash, keys))
        except TypeError as error:
            raise UntrustedError(f"a key of a dict or set has no hash: {error}") from error
        if len(hashes) * 8 < len(keys):
            raise UntrustedError(f"{len(keys)} keys of a dict or set have {len(hashes)} hashes")


def charge_items(items: Any, budget: Budget) -> None:
    """Take the memory for the items of a container, which has to be of a builtin type."""
    if type(items) not in _ITERABLES and not isinstance(items, numpy.ndarray):
        raise UntrustedError(f"{type(items).__qualname__} stands where a list is read")
    budget.take(16 * length_of(items))


def length_of(items: Any) -> int:
    """Return the length of a container."""
    try:
        return len(items)
    except (OverflowError, TypeError):
        raise UntrustedError("not enough memory for so many items") from None


def expanded(values: Any, budget: Budget) -> tuple[int, int]:
    """Return how many elements nested containers have when each is written out where it stands.

    The second number is the length of the longest text that numpy makes of one. Refuses what is
    nested deeper than the dimensions that an array can have.
    """
    known: dict[int, tuple[int, int]] = {}

    def count(value: Any, depth: int) -> tuple[int, int]:
        cls = type(value)
        if cls is str or cls is bytes:
            return 1, len(value)
        if isinstance(value, numpy.ndarray) and not value.dtype.hasobject:
            return value.size, value.dtype.itemsize
        if cls is range:
            return length_of(value), 0
        if cls not in _EXPANDED and not isinstance(value, numpy.ndarray):
            return 1, 0
        if id(value) in known:
            return known[id(value)]
        if depth > _MAX_NESTING:
            raise UntrustedError(f"a key, or the content of an array, is nested {depth} deep")
        if isinstance(value, numpy.ndarray):
            budget.take(8 * value.size)
        parts = _parts_of(value)
        budget.step(len(parts))
        total = width = 0
        for item in parts:
            if type(item) is int:
                total, width = total + 1, max(width, item.bit_length() // 3)
            elif type(item) in _NUMBERS:
                total += 1
            else:
                size, item_width = count(item, depth + 1)
                total, width = total + size, max(width, item_width)
        if cls in _SHOWN:
            width = total * (width + _PUNCTUATION)
        known[id(value)] = total, width
        return total, width

    total, width = count(values, 0)
    if total > _MAX_KEY and type(values) in _HASHED:
        raise UntrustedError(f"a key of {total} parts is not read")
    return total, width


# numpy takes a deque for a list, and of others the text; some are hashed with all that they hold.
_SHOWN = frozenset([*_DICTS, set, frozenset])
_EXPANDED = _SHOWN | {list, tuple, collections.deque, slice, types.GenericAlias}
_PUNCTUATION = 32  # characters, those of any float too
_PLAIN_KEYS = frozenset([str, int, float, bool, bytes, complex, type(None)])
_NUMBERS = frozenset([float, bool, complex])
