"""Which objects are values: whether two of them are one object means nothing."""

from __future__ import annotations

import datetime
import types
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy

from persist.archive.literals import ATOMS
from persist.archive.rules.plain import LEAVES
from persist.dataset.comparison.reductions import REDUCED

__all__ = ["SCALARS", "has_identity"]

SCALARS: frozenset[type] = frozenset(numpy.sctypeDict.values())
"""The types of the scalars of numpy, without those derived from them."""

# Methods are made anew each time they are asked for; the others are found by their name.
_NAMED = (
    type,
    Enum,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    datetime.tzinfo,
    numpy.dtype,
    numpy.ufunc,
)
_DEPTH = 8

_VALUES = ATOMS | LEAVES | SCALARS | REDUCED


def has_identity(obj: Any, depth: int = _DEPTH) -> bool:
    """Tell whether it matters if two references lead to `obj`, or to two that are equal.

    It does not for numbers, texts, dates, functions, classes, methods, and tuples and frozensets of
    such.
    """
    cls: Any = type(obj)
    if cls in (tuple, frozenset):
        return not depth or any(has_identity(part, depth - 1) for part in obj)
    return not (cls in _VALUES or _is_named(cls))


@lru_cache(maxsize=1024)
def _is_named(cls: Any) -> bool:
    return issubclass(cls, _NAMED)
