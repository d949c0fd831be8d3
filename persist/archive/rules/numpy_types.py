"""Data types of numpy, and what describes them."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Import, Reduced, Reduction
from persist.archive.registry import rule

__all__ = ["same_dtype"]

_DTYPE = Import("numpy", "dtype")


@rule(numpy.dtype, subclasses=True)
def reduce_dtype(dtype: numpy.dtype[Any]) -> Reduced:
    """Reduce a dtype to what numpy makes it from: a string, a list of fields, a dict."""
    if not getattr(type(dtype), "_legacy", True):
        return _reduce_new_dtype(dtype)
    kwargs: dict[str, Any] = {"metadata": dict(dtype.metadata)} if dtype.metadata else {}
    if dtype.isalignedstruct:
        kwargs["align"] = True
    return Reduction(_DTYPE, (_spec(dtype),), kwargs)


def _reduce_new_dtype(dtype: Any) -> Reduced:
    if type(dtype).__name__ != "StringDType":
        return reduce_by_protocol(dtype)
    kwargs = {"na_object": dtype.na_object} if hasattr(dtype, "na_object") else {}
    if not dtype.coerce:
        kwargs["coerce"] = False
    return Reduction(Import("numpy.dtypes", "StringDType"), (), kwargs)


def _spec(dtype: numpy.dtype[Any]) -> Any:
    """Return a description of `dtype` without its metadata and alignment."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return (_nested(base), shape)
    if dtype.names is not None:
        return _struct_spec(dtype)
    if dtype.isbuiltin == 2:  # Of another library, which registers its scalar type.
        return dtype.type
    # Types of one size and kind, long and long long, differ in their character.
    distinct = numpy.dtype(dtype.str).num != dtype.num
    text = dtype.str[0] + dtype.char if distinct else dtype.str
    return text.lstrip("|")


def _nested(dtype: numpy.dtype[Any]) -> Any:
    """Return what stands for `dtype` within another: plain text and lists, or the dtype itself."""
    spec = _spec(dtype)
    return spec if same_dtype(numpy.dtype(spec), dtype) else dtype


def _struct_spec(dtype: numpy.dtype[Any]) -> Any:
    spec: Any = _list_of_fields(dtype)
    if not _same_layout(numpy.dtype(spec, align=dtype.isalignedstruct), dtype):
        spec = _dict_of_fields(dtype)
    return spec if dtype.type is numpy.void else (dtype.type, spec)


def _fields(dtype: numpy.dtype[Any]) -> list[tuple[Any, Any, int]]:
    assert dtype.fields is not None
    assert dtype.names is not None
    fields = []
    for name in dtype.names:
        inner, offset, *title = dtype.fields[name]
        fields.append(((title[0], name) if title else name, inner, offset))
    return fields


def _list_of_fields(dtype: numpy.dtype[Any]) -> list[Any]:
    spec: list[Any] = []
    for name, inner, _ in _fields(dtype):
        if inner.subdtype is None:
            spec.append((name, _nested(inner)))
        else:
            base, shape = inner.subdtype
            spec.append((name, _nested(base), shape))
    return spec


def _dict_of_fields(dtype: numpy.dtype[Any]) -> dict[str, Any]:
    fields = _fields(dtype)
    spec: dict[str, Any] = {
        "names": list(dtype.names or ()),
        "formats": [_nested(inner) for _, inner, _ in fields],
        "offsets": [offset for _, _, offset in fields],
        "itemsize": dtype.itemsize,
    }
    titles = [name[0] if isinstance(name, tuple) else None for name, _, _ in fields]
    return {**spec, "titles": titles} if any(titles) else spec


def same_dtype(one: numpy.dtype[Any], other: numpy.dtype[Any]) -> bool:
    """Tell whether two dtypes are the same in everything, metadata and alignment too."""
    return (
        dict(one.metadata or {}) == dict(other.metadata or {})
        and one.type is other.type
        and _same_layout(one, other)
    )


def _same_layout(one: numpy.dtype[Any], other: numpy.dtype[Any]) -> bool:
    if (one.num, one.str, one.shape) != (other.num, other.str, other.shape):
        return False
    if one.subdtype is not None and other.subdtype is not None:
        return same_dtype(one.base, other.base)
    if (one.names, one.isalignedstruct) != (other.names, other.isalignedstruct):
        return False
    return one.names is None or (
        one.alignment == other.alignment
        and all(
            mine[0] == theirs[0] and mine[2] == theirs[2] and same_dtype(mine[1], theirs[1])
            for mine, theirs in zip(_fields(one), _fields(other), strict=True)
        )
    )


@rule(numpy.finfo, numpy.iinfo)
def reduce_info(info: Any) -> Reduced:
    """Reduce the limits of a type to the type."""
    return Reduction(type(info), (numpy.dtype(info.dtype),))


@rule(numpy.busdaycalendar)
def reduce_calendar(calendar: Any) -> Reduced:
    """Reduce a calendar of business days to its week and its holidays."""
    kwargs = {"weekmask": calendar.weekmask.tolist(), "holidays": calendar.holidays}
    return Reduction(numpy.busdaycalendar, (), kwargs)
