"""Atoms: what is compared by value alone."""

from __future__ import annotations

import enum
import re
import struct
import types
from typing import Any

import numpy

_BY_IDENTITY = (
    type,
    enum.Enum,
    types.FunctionType,
    types.ModuleType,
    numpy.ufunc,
    type(None),
    type(Ellipsis),
    type(NotImplemented),
)

# What is known of exact types; builtin functions must be asked one by one.
_SCALARS = dict.fromkeys((int, float, complex, str, bytes, bool, re.Pattern), True)


def is_scalar(obj: Any) -> bool:
    cls = type(obj)
    if cls is types.BuiltinFunctionType:
        return _is_function(obj)
    if cls not in _SCALARS:
        _SCALARS[cls] = issubclass(cls, (*_BY_IDENTITY, numpy.dtype))
    return _SCALARS[cls]


def _is_function(obj: Any) -> bool:
    """Tell whether `obj` is a function, as opposed to a method of an object that is stored."""
    return isinstance(obj.__self__, (types.ModuleType, type(None)))


def values(found: Any, wanted: Any) -> tuple[Any, Any]:
    """Return what must be equal of two atoms of one type."""
    cls = type(found)
    if cls in (float, complex):
        return _bits(found), _bits(wanted)
    if cls is re.Pattern:
        return (found.pattern, found.flags), (wanted.pattern, wanted.flags)
    if isinstance(found, numpy.dtype):
        return dtype_facts(found), dtype_facts(wanted)
    if isinstance(found, (*_BY_IDENTITY, types.BuiltinFunctionType)):
        return Identity(found), Identity(wanted)
    return found, wanted


class Identity:
    """Equal only for the same object, and shown as that object."""

    def __init__(self, obj: Any) -> None:
        self.obj = obj

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.obj is other.obj

    def __hash__(self) -> int:
        return id(self.obj)

    def __repr__(self) -> str:
        return f"{self.obj!r}"


def _bits(number: complex) -> str:
    parts = [number.real, number.imag] if type(number) is complex else [number]
    return f"{number!r} with bits {' '.join(struct.pack('>d', part).hex() for part in parts)}"


def dtype_facts(dtype: numpy.dtype) -> tuple[Any, ...]:
    """Return all of a dtype but its metadata."""
    facts: tuple[Any, ...] = (dtype.str, dtype.type, dtype.itemsize, dtype.isalignedstruct)
    if dtype.subdtype is not None:
        return (*facts, dtype.shape, dtype_facts(dtype.base))
    for name in dtype.names or ():
        inner, *place = dtype.fields[name]
        facts += ((name, dtype_facts(inner), *place),)
    return facts if dtype.names else (*facts, repr(dtype))
