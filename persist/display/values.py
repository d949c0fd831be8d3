"""Python values as text of a length that people read."""

from __future__ import annotations

import pprint
import reprlib
from collections.abc import Iterable
from itertools import islice
from typing import Any

__all__ = ["is_long", "short_repr", "shown", "summary"]

_ITEMS = 50  # of each container
_DEPTH = 6
_CHARACTERS = 1000  # of each value that is no container
_WIDTH = 88

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
    return pprint.pformat(_bounded(value, _DEPTH), width=_WIDTH, compact=True, sort_dicts=False)


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
