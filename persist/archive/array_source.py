"""A small numpy array as the call that builds it: digits where they are exact, else its bytes."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.arrays.pieces import is_fortran
from persist.archive.reduction import Attribute, Import, Reduction, dtype_argument

__all__ = ["array_reduction", "without_padding"]

_MAX_DIGITS = 1000
_DIGIT_KINDS = "biufcSUMm"
_EXACT = {"f": 8, "c": 16}
_IMPLIED = {numpy.dtype(float), numpy.dtype(bool), numpy.dtype(complex)}
_PADDED = (numpy.longdouble, numpy.clongdouble)
_ARRAY = Import("numpy", "array")
_NDARRAY = Import("numpy", "ndarray")

# The extended precision of x86 has 10 bytes in a field of 12 or 16.
_LONG_DOUBLE_BYTES = 10 if numpy.finfo(numpy.longdouble).nmant == 63 else 0

_Array = numpy.ndarray[Any, Any]


def array_reduction(array: _Array) -> Reduction:
    """Return the call that builds a writable copy of `array`, which owns its memory.

    Parameters
    ----------
    array : numpy.ndarray
        Of any shape, and any dtype without object fields.
    """
    order = {"order": "F"} if array.flags.fnc else {}
    if array.dtype.names is not None or array.dtype.type in _PADDED:
        array = without_padding(array)
    if array.dtype.kind in "mM" and numpy.datetime_data(array.dtype)[0] == "generic":
        # numpy 2.5 deprecates to make times without a unit, except as a view.
        numbers = array_reduction(array.view(array.dtype.str.replace(array.dtype.kind, "i")))
        return Reduction(Attribute(numbers, "view"), (dtype_argument(array.dtype),))
    if 0 < array.size <= _MAX_DIGITS:
        found = _digits(array, order)
        if found is not None:
            return found
    shape, dtype = list(array.shape), dtype_argument(array.dtype)
    if not array.size or not array.dtype.itemsize:
        kwargs = {} if isinstance(dtype, str) and dtype == "<f8" else {"dtype": dtype}
        return Reduction(Import("numpy", "zeros"), (_shape(shape),), {**kwargs, **order})
    data = array.tobytes("F" if order else "C")
    kwargs = {"shape": _shape(shape), "dtype": dtype, "buffer": data, **order}
    view = Reduction(_NDARRAY, (), kwargs)
    return Reduction(_ARRAY, (view,))


def without_padding(array: _Array) -> _Array:
    """Return `array`, or a copy if it has bytes that belong to no value and so may be anything."""
    dtype = array.dtype
    if dtype.names is None and dtype.type not in _PADDED:
        return array
    clean = numpy.zeros(array.shape, dtype, order="F" if is_fortran(array) else "C")
    if dtype.names is not None:
        for name in dtype.names:
            clean[name] = without_padding(array[name])
    else:
        clean[...] = array
        if _LONG_DOUBLE_BYTES:
            raw = clean.reshape(-1, order="A").view(numpy.uint8)
            raw.reshape(-1, numpy.dtype(numpy.longdouble).itemsize)[:, _LONG_DOUBLE_BYTES:] = 0
    return clean


def _shape(shape: list[int]) -> Any:
    return shape[0] if len(shape) == 1 else tuple(shape)


def _digits(array: _Array, order: dict[str, Any]) -> Reduction | None:
    dtype = array.dtype
    if dtype.fields is not None:
        return _records(array, order)
    if dtype.kind not in _DIGIT_KINDS or dtype.itemsize > _EXACT.get(dtype.kind, 10**9):
        return None
    values = _values(array)
    argument = dtype_argument(dtype)
    if values is None or not _comes_back(array, values, argument, order):
        return None
    kwargs = {} if isinstance(argument, str) and dtype in _IMPLIED else {"dtype": argument}
    return Reduction(_ARRAY, (values,), {**kwargs, **order})


def _values(array: _Array) -> Any:
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and size < 8:
        # The shortest digits of a float32 are not those of the float64 next to it.
        return _nested(array, lambda number: float(str(number)))
    if kind == "M":
        return _nested(array, str)
    if kind == "m":
        return _nested(array, lambda span: "NaT" if numpy.isnat(span) else int(span.view("i8")))
    return array.tolist()


def _nested(array: _Array, convert: Any) -> Any:
    if not array.ndim:
        return convert(array[()])
    return [_nested(numpy.asarray(part), convert) for part in array]


def _records(array: _Array, order: dict[str, Any]) -> Reduction | None:
    # The items of such an array are tuples of numbers and text, which are legible only if flat.
    if any(sub.kind not in "biufcSU" for sub, *_ in (array.dtype.fields or {}).values()):
        return None
    values = array.tolist()
    if not _comes_back(array, values, array.dtype, order):
        return None
    return Reduction(_ARRAY, (values,), {"dtype": array.dtype, **order})


def _comes_back(array: _Array, values: Any, dtype: Any, order: dict[str, Any]) -> bool:
    try:
        found = numpy.array(values, dtype=dtype, **order)
    except (TypeError, ValueError, OverflowError):
        return False
    if found.dtype != array.dtype or found.shape != array.shape:
        return False
    if found.dtype.names is not None:
        found = without_padding(found)
    # In another order, numpy would fill padding with anything.
    return bool(found.tobytes("A") == array.tobytes("A"))
