"""Numbers as 64-bit floats, which is how spikelab stores most of them."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.arrays import Array
from persist.archive.arrays.dtypes import dtype_literal
from persist.archive.rules.numpy_types import same_dtype
from persist.hdf5.arrays import DTYPE, layout_attributes
from persist.hdf5.datasets import Numbers
from persist.hdf5.marks import member

__all__ = ["exact_as_float", "floats", "read_times", "times"]

_FLOAT = numpy.dtype("<f8")
_LARGEST = 2**53  # beyond it, not every integer is a float


def floats(value: Any) -> tuple[Numbers, bool]:
    """Return the dataset for an array of numbers, and whether it comes back the same."""
    array = numpy.asarray(value)
    if type(value) is not numpy.ndarray or not exact_as_float(array):
        return Numbers(array.astype(_FLOAT)), False
    literal = {} if array.dtype == _FLOAT else {DTYPE: dtype_literal(array.dtype)}
    return Numbers(array, _FLOAT, {**literal, **layout_attributes(array)}), True


def exact_as_float(array: Array) -> bool:
    """Tell whether the numbers of an array are the same as 64-bit floats."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if not same_dtype(numpy.dtype(array.dtype.str), array.dtype):
        return False  # A long long would come back as a long.
    if kind in "iu" and size == 8 and array.size:
        return int(array.min()) >= -_LARGEST and int(array.max()) <= _LARGEST
    return kind in "biu" or (kind == "f" and size <= 8)


def times(windows: Any) -> tuple[Numbers, bool]:
    """Return the dataset for a list of pairs of times, and whether it comes back the same."""
    exact = type(windows) is list and all(
        type(pair) is tuple and len(pair) == 2 and type(pair[0]) is type(pair[1]) is float
        for pair in windows
    )
    return Numbers(numpy.array(windows, _FLOAT)), exact


def read_times(group: Any) -> list[tuple[float, float]] | None:
    """Return the list of pairs of times that a group holds, or None."""
    if "times" not in group:
        return None
    pairs = member(group, "times")[()].tolist()
    return [(float(start), float(end)) for start, end in pairs]
