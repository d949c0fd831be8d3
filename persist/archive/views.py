"""Arrays that share memory: the buffer once, each array as offset, shape and strides of it."""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from typing import Any

import numpy

from persist.archive.arrays.pieces import address, is_fortran
from persist.archive.reduction import Attribute, Expression, Import, Reduction, dtype_argument

__all__ = ["Views", "shared_buffers"]

_Array = numpy.ndarray[Any, Any]

# Whether two strided arrays meet is a hard problem; beyond this effort they are taken to.
_MAX_WORK = 10_000
_MAX_EXACT = 64

_NDARRAY = Import("numpy", "ndarray")
_SETFLAGS = Import("numpy", "ndarray.setflags")


def shared_buffers(arrays: Sequence[_Array]) -> Iterator[tuple[_Array, list[_Array]]]:
    """Yield each buffer that several of `arrays` share, with those that are views of it.

    The buffer is one of the arrays where one spans the memory of the others; it is then not among
    the views. Otherwise it is a new array over the memory that they span.
    """
    arrays = [array for array in arrays if array.nbytes]
    if len(arrays) < 2:
        return
    spans = _spans(arrays)
    order = numpy.lexsort(spans.T[::-1])
    starts, ends = spans[order].T
    cuts = numpy.flatnonzero(starts[1:] >= numpy.maximum.accumulate(ends)[:-1]) + 1
    bounds = numpy.concatenate(([0], cuts, [len(arrays)]))
    for i in numpy.flatnonzero(numpy.diff(bounds) > 1):
        cluster = [arrays[j] for j in sorted(order[bounds[i] : bounds[i + 1]].tolist())]
        for group in _components(cluster):
            if len(group) > 1 and (buffer := _buffer(group)) is not None:
                yield buffer, [array for array in group if array is not buffer]


class Views:
    """The memory of a buffer, which is contiguous, and what builds arrays upon it.

    There may be many: what their reductions have in common is one object, so that these can be made
    anew whenever one is asked for.
    """

    def __init__(self, buffer: _Array) -> None:
        self._buffer = buffer
        self._start = _span(buffer)[0]
        self._memory = _memory(buffer)

    def reduce(self, array: _Array) -> Reduction:
        """Return what builds `array`."""
        offset = address(array) - self._start
        if array.dtype.hasobject:
            found = self._of_objects(array, offset)
        else:
            found = Reduction(_NDARRAY, (), self._arguments(array, offset))
        if self._buffer.flags.writeable and not array.flags.writeable:
            return dataclasses.replace(found, state=False, setter=_SETFLAGS)
        return found

    def _arguments(self, array: _Array, offset: int) -> dict[str, Any]:
        kwargs: dict[str, Any] = {
            "shape": array.shape[0] if array.ndim == 1 else array.shape,
            "dtype": dtype_argument(array.dtype),
            "buffer": self._memory,
        }
        if offset:
            kwargs["offset"] = offset
        if not array.flags.c_contiguous:
            kwargs["strides"] = array.strides
        return kwargs

    def _of_objects(self, array: _Array, offset: int) -> Reduction:
        # numpy.ndarray takes no buffer of objects.
        flat = Reduction(Import("numpy", "ravel"), (self._buffer, "K"))
        start = {"flat": flat, "start": offset // self._buffer.itemsize}
        part = Expression.of("flat[start:]", start) if offset else flat
        as_strided = Import("numpy.lib.stride_tricks", "as_strided")
        return Reduction(as_strided, (part, array.shape, array.strides))


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


def _spans(arrays: Sequence[_Array]) -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.int64]]:
    return numpy.fromiter(chain.from_iterable(map(_span, arrays)), "i8").reshape(-1, 2)


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
    spans = _spans(group)
    low, high = int(spans[:, 0].min()), int(spans[:, 1].max())
    writeable = any(array.flags.writeable for array in group)
    for index in numpy.flatnonzero((spans == (low, high)).all(axis=1)):
        array = group[index]
        if array.flags.forc and array.flags.writeable == writeable:
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
