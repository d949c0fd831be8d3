"""Which subclasses build and pickle themselves as their base does, so that its rule serves them."""

from __future__ import annotations

import copyreg
import datetime
import decimal
import fractions
import uuid
from enum import Enum
from typing import Any

__all__ = ["LEAVES", "attributes_of", "has_same", "is_leaf", "is_plain_subclass"]

_BUILDS = (
    "__new__",
    "__init__",
    "__reduce__",
    "__reduce_ex__",
    "__getnewargs__",
    "__getnewargs_ex__",
    "__getstate__",
    "__setstate__",
    "__setattr__",
)

LEAVES: frozenset[type] = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes),
        *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta),
        *(decimal.Decimal, fractions.Fraction, uuid.UUID),
    }
)
"""Types of values that hold no other object."""


def is_leaf(obj: Any) -> bool:
    """Tell whether `obj` is a value that holds no object which could lead back to its holder."""
    return type(obj) in LEAVES or isinstance(obj, Enum)


def is_plain_subclass(cls: type, base: type, *names: str) -> bool:
    """Tell whether `cls` is `base`, or adds no more than methods and attributes to it.

    Parameters
    ----------
    cls, base : type
        A class and one of its bases.
    *names : str
        Methods besides those that build and pickle which `cls` must have from `base`.
    """
    if cls is base:
        return True
    return (
        type(cls).__call__ is type(base).__call__
        and cls not in copyreg.dispatch_table
        and not any(vars(c).get("__slots__") for c in cls.__mro__[: cls.__mro__.index(base)])
        and has_same(cls, base, *_BUILDS, *names)
    )


def has_same(cls: type, base: type, *names: str) -> bool:
    """Tell whether the methods of `cls` with these names are those of `base`."""
    return all(getattr(cls, name, None) is getattr(base, name, None) for name in names)


def attributes_of(obj: Any) -> dict[str, Any] | None:
    """Return the instance attributes of `obj`, or None if it has none."""
    return dict(getattr(obj, "__dict__", ())) or None
