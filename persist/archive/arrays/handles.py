"""Arrays that stay on disk until parts of them are asked for."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from persist.errors import ArgumentError, ArgumentTypeError


class ArrayHandle:
    """An array in a file; an index reads that part of it.

    `read` returns the part for an index. Pickle makes an array in memory of it.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: numpy.dtype[Any], read: Callable[[Any], Any]
    ) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self._read = read

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The size of the elements, in bytes."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentTypeError("len() of an array without axes")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        is_mask = isinstance(index, numpy.ndarray) and index.dtype == bool and index.ndim > 1
        if is_mask or all(map(_is_forward, parts)):
            return self._read(index)
        read, taken = _in_two_steps(parts, self.shape)
        return self._read(read)[taken]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if copy is False:
            raise ArgumentError("an array that is on disk cannot be had without a copy")
        return numpy.asarray(self[...], dtype=dtype)

    def __reduce__(self) -> Any:
        # Elsewhere, the file is not there.
        return numpy.asanyarray, (self[...],)

    def __dask_tokenize__(self) -> str:
        # Otherwise dask pickles it, with the whole workspace that it is of, to tell it from others.
        return uuid.uuid4().hex

    def __repr__(self) -> str:
        return f"<array on disk: shape {self.shape}, dtype {self.dtype}>"


def _is_forward(part: Any) -> bool:
    """Return True if h5py takes a part of an index as numpy does, whatever the others are."""
    if isinstance(part, slice):
        return part.step is None or part.step > 0
    return part is ... or (part is not None and numpy.ndim(part) == 0)


def _in_two_steps(parts: Sequence[Any], shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return an index that h5py takes, and one that takes from its result what numpy would."""
    read: list[Any] = []
    taken: list[Any] = []
    rest = len(shape) - sum(part is not None and part is not ... for part in parts)
    for part in parts:
        count = shape[len(read)] if len(read) < len(shape) else 0
        if part is None:
            taken.append(None)
        elif part is ...:
            read += [slice(None)] * rest
            taken += [slice(None)] * rest
        elif isinstance(part, slice):
            there = range(count)[part]
            run = there[::-1] if there.step < 0 else there
            read.append(slice(run.start, run.stop, run.step) if run else slice(0))
            taken.append(slice(None, None, -1 if there.step < 0 else None))
        else:
            # numpy checks the numbers, without an array of that size.
            numpy.broadcast_to(False, count)[part]
            rows = numpy.asarray(part)
            rows = numpy.flatnonzero(rows) if rows.dtype == bool else rows.astype("int64") % count
            wanted, places = numpy.unique(rows, return_inverse=True)
            is_first = not any(isinstance(other, numpy.ndarray) for other in read)
            if rows.ndim and is_first:  # One list is all that h5py takes.
                read.append(wanted)
                taken.append(places.reshape(rows.shape))
            else:
                read.append(slice(wanted[0], wanted[-1] + 1) if wanted.size else slice(0))
                taken.append(rows - wanted[:1].sum())
    return tuple(read), tuple(taken)
