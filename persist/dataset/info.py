"""Infos: as JSON where that holds them exactly, otherwise as source."""

from __future__ import annotations

import math
from typing import Any

from persist.archive import Archive

__all__ = ["info_source", "is_json"]

_DEEPEST = 50
# Further ones would lose digits in other readers of JSON.
_LARGEST = 1 << 53


def info_source(info: Any) -> str | None:
    """Return source that defines ``info``, or None if JSON holds the info exactly.

    Raises
    ------
    ArchiveError
        If it cannot be stored.
    """
    if is_json(info):
        return None
    archive = Archive(scoped=False)
    archive.insert(info=info)
    return str(archive)


def is_json(obj: Any) -> bool:
    """Tell whether JSON gives back `obj` as it is: value, types, and nothing shared.

    Examples
    --------
    >>> is_json({"rate": 250.0, "channels": ["a", None]}), is_json((1, 2)), is_json({1: 2})
    (True, False, False)
    """
    return _is_json(obj, set(), 0)


def _is_json(obj: Any, seen: set[int], depth: int) -> bool:
    cls = type(obj)
    if obj is None or cls is bool or cls is str:
        return True
    if cls is int:
        return bool(-_LARGEST <= obj <= _LARGEST)
    if cls is float:
        return math.isfinite(float(obj))
    if cls not in (list, dict) or depth == _DEEPEST or id(obj) in seen:
        return False
    seen.add(id(obj))
    if cls is list:
        return all(_is_json(item, seen, depth + 1) for item in obj)
    return all(type(key) is str and _is_json(obj[key], seen, depth + 1) for key in obj)
