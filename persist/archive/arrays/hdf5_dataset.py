"""One array as one HDF5 dataset.

What HDF5 holds natively is a dataset of the same type and shape, without attributes. The rest is a
dataset of the same bytes, and two attributes tell what it is:

``memory_order``
    ``F`` for an array in Fortran order, whose dataset has the axes reversed.
``numpy_dtype``
    The dtype, as a literal for ``numpy.dtype``, for records and for types that HDF5 lacks. Of the
    latter, dates and times are stored as 64-bit integers, text as 32-bit code points, and others
    as bytes. If an element takes several of these, they are a last axis of the dataset.
"""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy

from persist.archive.arrays.dtypes import DType, dtype_literal
from persist.archive.arrays.pieces import PIECE, boxes, is_contiguous, is_fortran
from persist.archive.arrays.store import Array, Order

__all__ = ["DTYPE", "ORDER", "map_dataset", "needs_dtype", "read_dataset", "write_dataset"]

ORDER = "memory_order"
DTYPE = "numpy_dtype"
_STORED_KINDS = {"M": "i8", "m": "i8", "U": "u4"}


def write_dataset(file: Any, name: str, array: Array, compression: str | None = None) -> None:
    """Write `array` to an open file or group, in chunks if it is to be compressed."""
    # An empty or single element has no chunks to go through a filter.
    filters = {"compression": compression} if compression and array.nbytes and array.ndim else {}
    stored = _stored_dtype(array.dtype)
    layout = array.T if is_fortran(array) else array
    if is_contiguous(array):
        data = _as_stored(layout, stored)
        dataset = file.create_dataset(name, data=data, track_times=False, **filters)
    else:
        shape = layout.shape + _last_axis(array.dtype, stored)
        dataset = file.create_dataset(name, shape, stored, track_times=False, **filters)
        for box in boxes(layout.shape, max(1, PIECE // array.itemsize)):
            data = _as_stored(numpy.ascontiguousarray(layout[box]), stored)
            dataset.write_direct(data, dest_sel=box)
    if layout is not array:
        dataset.attrs[ORDER] = "F"
    if needs_dtype(array.dtype):
        dataset.attrs[DTYPE] = dtype_literal(array.dtype)


def _stored_dtype(dtype: DType) -> DType:
    if _is_native(dtype):
        return dtype
    kind = _STORED_KINDS.get(dtype.kind, "u1") if dtype.itemsize else "u1"
    return numpy.dtype(kind).newbyteorder(dtype.byteorder)


def needs_dtype(dtype: DType) -> bool:
    """Tell whether the dataset of an array of type `dtype` has the attribute of that name."""
    # HDF5 holds records natively, and h5py spells the types of their fields in its own way.
    return dtype.names is not None or _stored_dtype(dtype) != dtype


def _is_native(dtype: DType) -> bool:
    import h5py

    try:
        native = h5py.h5t.py_create(dtype, logical=True)
        return bool(native.dtype == dtype and native.get_size() == dtype.itemsize)
    except (TypeError, ValueError):
        return False


def _last_axis(dtype: DType, stored: DType) -> tuple[int, ...]:
    return () if dtype.itemsize == stored.itemsize else (dtype.itemsize // stored.itemsize,)


def _as_stored(array: Array, stored: DType) -> Array:
    """Return a C-contiguous array as its dataset holds it, sharing memory."""
    shape = array.shape + _last_axis(array.dtype, stored)
    if array.nbytes == 0:
        return numpy.empty(shape, stored)
    return array.reshape(-1).view(stored).reshape(shape)


def _describe(dataset: Any) -> tuple[tuple[int, ...], Order, DType]:
    """Return shape, memory order and dtype of the array that a dataset stands for."""
    shape, dtype = dataset.shape, _usual(dataset.dtype)
    if DTYPE in dataset.attrs:
        dtype = numpy.dtype(ast.literal_eval(dataset.attrs[DTYPE]))
        shape = shape[: len(shape) - len(_last_axis(dtype, dataset.dtype))]
    return (shape[::-1], "F", dtype) if dataset.attrs.get(ORDER) == "F" else (shape, "C", dtype)


def _usual(dtype: DType) -> DType:
    """Return the same type, with the native byte order spelled as numpy does."""
    return dtype if dtype.names or dtype.hasobject else numpy.dtype(dtype.str)


def read_dataset(dataset: Any) -> Array:
    """Read the array that a dataset stands for into memory of its own."""
    shape, order, dtype = _describe(dataset)
    # Unlike empty, ndarray does not make strings of no width wider.
    array: Array = numpy.ndarray(shape, dtype, order=order)
    if array.nbytes:
        flat = array.reshape(-1, order="A").view(dataset.dtype)
        dataset.read_direct(flat.reshape(dataset.shape))
    return array


def map_dataset(path: str, dataset: Any, mmap_mode: str) -> Array:
    """Return a map of the file where the dataset has its bytes, or what comes nearest.

    Raises
    ------
    ValueError
        If the dataset is not one run of bytes, and was to be changed in place.
    """
    if math.prod(dataset.shape) == 0:
        return read_dataset(dataset)
    if _is_mappable(dataset):
        shape, order, dtype = _describe(dataset)
        offset = dataset.id.get_offset()
        return numpy.memmap(path, dtype, mmap_mode, offset, shape, order)  # type: ignore[call-overload,no-any-return]
    if mmap_mode == "r+":
        raise ValueError(f"{dataset.name} in {path} is not one run of bytes: use mmap_mode='c'")
    if mmap_mode == "c" or dataset.attrs.keys() & {DTYPE, ORDER}:
        return read_dataset(dataset)
    return _reopen(path, dataset.name)  # type: ignore[no-any-return]


def _is_mappable(dataset: Any) -> bool:
    import h5py

    if dataset.id.get_offset() is None or dataset.dtype.hasobject:
        return False
    return bool(h5py.h5t.py_create(dataset.dtype, logical=True) == dataset.id.get_type())


def _reopen(path: str, name: str) -> Any:
    """Return a dataset that keeps its file open for as long as it lives."""
    import h5py

    return h5py.File(path, "r")[name]
