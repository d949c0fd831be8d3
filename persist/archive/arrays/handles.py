"""Arrays that stay on disk until parts of them are asked for."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
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
        return self._read(index)

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
