"""Numbers, texts and None: groups that hold nothing but attributes.

A scalar of numpy is marked, so that it comes back as one: ``encoding-value`` is the number in its
own type.
"""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.array_source import without_padding
from persist.archive.rules.numpy_types import same_dtype
from persist.hdf5.content import Content
from persist.hdf5.marks import attribute, encoding_of, marked, text_of
from persist.hdf5.texts import is_text

__all__ = ["read_none", "read_scalar", "read_text", "scalar_content", "scalar_summary"]

VALUE = "__scalar_value__"
KIND = "__scalar_kind__"
OWN_VALUE = "encoding-value"
NUMPY = "numpy-scalar"

_INT64 = numpy.iinfo(numpy.int64)


def scalar_content(obj: Any) -> Content | None:
    """Return the content for a number, a text or None, or None if they have no encoding."""
    cls = type(obj)
    if obj is None:
        return Content(marked("none"))
    if cls is str or cls is numpy.str_:
        mark = marked("scalar_str", None if cls is str else NUMPY)
        return Content({**mark, VALUE: str(obj)}) if is_text(obj) else None
    if cls in (bool, int, float):
        value = _portable(obj)
        return None if value is None else Content({**marked("scalar"), **_marks(obj, value)})
    return _numpy_content(obj) if isinstance(obj, numpy.generic) else None


def _numpy_content(scalar: Any) -> Content | None:
    dtype = scalar.dtype
    if dtype.kind not in "biuf" or type(scalar) is not dtype.type:
        return None
    value = _portable(scalar.item() if dtype.kind != "f" else float(scalar))
    # Types of one size and kind, long and long long, are one type to HDF5.
    if value is None or not same_dtype(numpy.dtype(dtype.str), dtype):
        return None
    own = without_padding(numpy.array(scalar))
    return Content({**marked("scalar", NUMPY), **_marks(scalar, value), OWN_VALUE: own})


def _portable(number: Any) -> Any:
    """Return a number as every file has it: bool, int64 or float64; None if it does not fit."""
    if type(number) is int:
        return numpy.int64(number) if _INT64.min <= number <= _INT64.max else None
    return number


def _marks(obj: Any, value: Any) -> dict[str, Any]:
    return {VALUE: value, KIND: type(obj).__name__}


def read_scalar(group: Any) -> Any:
    """Return the number that a group of type ``scalar`` stands for."""
    if encoding_of(group) == NUMPY:
        return attribute(group, OWN_VALUE)
    value = attribute(group, VALUE)
    return _python_type(group)(value)


def _python_type(group: Any) -> type:
    kind = text_of(group.attrs.get(KIND, "float"))
    if "int" in kind:
        return int
    return bool if kind in ("bool", "bool_") else float


def read_text(group: Any) -> str:
    """Return the text that a group of type ``scalar_str`` stands for."""
    text = text_of(attribute(group, VALUE))
    return numpy.str_(text) if encoding_of(group) == NUMPY else text


def read_none(group: Any) -> None:
    """Return what a group of type ``none`` stands for."""


def scalar_summary(group: Any) -> dict[str, Any]:
    """Return the summary of a group of one of these types."""
    tag = text_of(group.attrs["__type__"])
    if encoding_of(group) == NUMPY:
        name = type(read_scalar(group)).__name__ if tag == "scalar" else numpy.str_.__name__
    elif tag == "scalar":
        name = _python_type(group).__name__
    else:
        name = "str" if tag == "scalar_str" else "NoneType"
    return {"type": name}
