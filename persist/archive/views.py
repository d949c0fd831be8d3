"""Arrays that share memory: the buffer once, each array as offset, shape and strides of it."""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Iterator, Sequence
from itertools import chain, combinations, pairwise
from typing import Any

import numpy

from persist.archive.arrays.pieces import address, is_fortran
from persist.archive.reduction import Attribute, Expression, Import, Reduction, dtype_argument

__all__ = ["shared_buffers", "view_of"]

_Array = numpy.ndarray[Any, Any]

# Whether two strided arrays meet is a hard problem; beyond this effort they are taken to.
_MAX_WORK = 10_000
_MAX_EXACT = 64

# One object, as there may be many views.
_NDARRAY = Import("numpy", "ndarray")


def shared_buffers(arrays: Sequence[_Array]) -> Iterator[tuple[_Array, list[_Array]]]:
    """Yield each buffer that several of `arrays` share, with those that are views of it.

    The buffer is one of the arrays where one spans the memory of the others; it is then not among
    the views. Otherwise it is a new array over the memory that they span.
    """
    arrays = [array for array in arrays if array.nbytes]
    if len(arrays) < 2:
        return
    spans = numpy.fromiter(chain.from_iterable(map(_span, arrays)), "i8").reshape(-1, 2)
    order = numpy.lexsort(spans.T[::-1])
    starts, ends = spans[order].T
    cuts = numpy.flatnonzero(starts[1:] >= numpy.maximum.accumulate(ends)[:-1]) + 1
    bounds = [0, *cuts.tolist(), len(arrays)]
    for first, end in pairwise(bounds):
        if end > first + 1:
            cluster = [arrays[i] for i in sorted(order[first:end].tolist())]
            for group in _components(cluster):
                if len(group) > 1 and (buffer := _buffer(group)) is not None:
                    yield buffer, [array for array in group if array is not buffer]


def view_of(array: _Array, buffer: _Array) -> Reduction:
    """Return what builds `array` upon the memory of `buffer`, which is contiguous."""
    view = _object_view if array.dtype.hasobject else _plain_view
    found = view(array, buffer, address(array) - _span(buffer)[0])
    if buffer.flags.writeable and not array.flags.writeable:
        setter = Import("numpy", "ndarray.setflags")
        return dataclasses.replace(found, state=False, setter=setter)
    return found


def _plain_view(array: _Array, buffer: _Array, offset: int) -> Reduction:
    kwargs: dict[str, Any] = {
        "shape": array.shape[0] if array.ndim == 1 else array.shape,
        "dtype": dtype_argument(array.dtype),
        "buffer": _memory(buffer),
    }
    if offset:
        kwargs["offset"] = offset
    if not array.flags.c_contiguous:
        kwargs["strides"] = array.strides
    return Reduction(_NDARRAY, (), kwargs)


def _memory(buffer: _Array) -> Any:
    """Return the buffer for views of an array; numpy before 1.20 exports no memory of dates."""
    memory = Attribute(buffer, "T") if is_fortran(buffer) else buffer
    if buffer.dtype.kind in "mM":
        return Reduction(Attribute(memory, "view"), ("i8",))
    if buffer.ndim and _has_dates(buffer.dtype):
        return Reduction(Attribute(memory, "view"), ("u1",))
    return memory


def _has_dates(dtype: numpy.dtype[Any]) -> bool:
    parts = [field[0] for field in (dtype.fields or {}).values()]
    return dtype.base.kind in "mM" or any(map(_has_dates, parts))


def _object_view(array: _Array, buffer: _Array, offset: int) -> Reduction:
    # numpy.ndarray takes no buffer of objects.
    flat = Reduction(Import("numpy", "ravel"), (buffer, "K"))
    start = {"flat": flat, "start": offset // buffer.itemsize}
    part = Expression.of("flat[start:]", start) if offset else flat
    as_strided = Import("numpy.lib.stride_tricks", "as_strided")
    return Reduction(as_strided, (part, array.shape, array.strides))


def _span(array: _Array) -> tuple[int, int]:
    """Return the addresses of the first byte of an array and of the one after its last."""
    low = high = address(array)
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            low += (length - 1) * stride
        else:
            high += (length - 1) * stride
    return low, high + array.itemsize


def _components(arrays: list[_Array]) -> list[list[_Array]]:
    """Part arrays whose spans meet into those that have bytes in common."""
    if len(arrays) > _MAX_EXACT:
        return [arrays]
    groups = {i: [array] for i, array in enumerate(arrays)}
    for one, other in combinations(range(len(arrays)), 2):
        if groups[one] is not groups[other] and _meet(arrays[one], arrays[other]):
            groups[one].extend(groups[other])
            merged = groups[one]
            for i, group in groups.items():
                if any(array is arrays[i] for array in merged) and group is not merged:
                    groups[i] = merged
    return list({id(group): group for group in groups.values()}.values())


def _meet(one: _Array, other: _Array) -> bool:
    try:
        return bool(numpy.shares_memory(one, other, max_work=_MAX_WORK))  # type: ignore[arg-type]
    except numpy.exceptions.TooHardError:
        return True


def _buffer(group: list[_Array]) -> _Array | None:
    """Return a contiguous array over the memory of all arrays of a group."""
    spans = list(map(_span, group))
    low, high = min(start for start, _ in spans), max(end for _, end in spans)
    writeable = any(array.flags.writeable for array in group)
    for array, span in zip(group, spans, strict=True):
        if span == (low, high) and array.flags.forc and array.flags.writeable == writeable:
            return array
    if group[0].dtype.hasobject:
        return _owner(group[0])
    memory: Any = (ctypes.c_ubyte * (high - low)).from_address(low)
    buffer: _Array = numpy.frombuffer(memory, dtype=_common_dtype(group, low, high))
    return buffer


def _owner(array: _Array) -> _Array | None:
    """Return the array that owns the objects, if they are one run of memory."""
    while isinstance(array.base, numpy.ndarray):
        array = array.base
    return array if type(array) is numpy.ndarray and array.flags.forc else None


def _common_dtype(group: list[_Array], low: int, high: int) -> Any:
    dtype = group[0].dtype
    whole = all(
        array.dtype == dtype and (address(array) - low) % dtype.itemsize == 0 for array in group
    )
    return dtype if whole and (high - low) % dtype.itemsize == 0 else numpy.uint8
