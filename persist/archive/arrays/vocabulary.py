"""The attributes with which the formats of persist say what a dataset does not.

A dataset of HDF5, or an array of zarr, has a shape and a type. What else an array needs to come
back is in attributes, for which each format has its own names, and its own way with types that HDF5
lacks:

============== ======================== ======================= ==========================
                `ARCHIVE`                `ITEM`                  `TRIAL`
============== ======================== ======================= ==========================
of             files of archives        objects of workspaces   arrays of experiments
dtype          ``numpy_dtype``          ``encoding-dtype``      that of the dataset
Fortran order  ``memory_order``, axes   ``encoding-order``,     C order
               reversed                 axes as they are
read-only      in the source            ``encoding-readonly``   writable
shared memory  in the source            ``encoding-memory``     memory of its own
text           numbers                  ``__string_array__``    refused
text objects   in the source            in the source           strings
masks          in the source            in the source           ``mask``, ``fill_value``
other types    numbers                  in the source           refused
============== ======================== ======================= ==========================

An attribute is there only where it is needed. The dtype is a literal for ``numpy.dtype``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from persist.archive.arrays.dtypes import DType
from persist.archive.arrays.store import Array

__all__ = ["ARCHIVE", "ITEM", "TRIAL", "Vocabulary", "as_numbers", "last_axis", "number_type"]


@dataclass(frozen=True)
class Vocabulary:
    """The names of the attributes of one format; empty for those that it does not have.

    `is_packed` says that arrays of types that HDF5 lacks are numbers of the same bytes: dates and
    times 64-bit integers, text 32-bit code points, and others single bytes. If an element takes
    several of these, they are a last axis. The axes of an array in Fortran order are reversed.
    """

    dtype: str = ""
    order: str = ""
    read_only: str = ""
    memory: str = ""
    text: str = ""
    mask: str = ""
    fill_value: str = ""
    is_packed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All that a dataset may have."""
        found = (self.text, self.dtype, self.order, self.read_only, self.memory)
        return tuple(filter(None, (*found, self.mask, self.fill_value)))


ARCHIVE = Vocabulary(dtype="numpy_dtype", order="memory_order", is_packed=True)
ITEM = Vocabulary(
    dtype="encoding-dtype",
    order="encoding-order",
    read_only="encoding-readonly",
    memory="encoding-memory",
    text="__string_array__",
)
TRIAL = Vocabulary(mask="mask", fill_value="fill_value")

_NUMBERS = {"M": "i8", "m": "i8", "U": "u4"}


def number_type(dtype: DType) -> DType:
    """Return the type of the numbers that stand for elements of a type, in its byte order."""
    kind = _NUMBERS.get(dtype.kind, "u1") if dtype.itemsize else "u1"
    return numpy.dtype(kind).newbyteorder(dtype.byteorder)


def last_axis(dtype: DType, numbers: DType) -> tuple[int, ...]:
    """Return the length of the axis that is added where an element takes several numbers."""
    return () if dtype.itemsize == numbers.itemsize else (dtype.itemsize // numbers.itemsize,)


def as_numbers(array: Array, numbers: DType) -> Array:
    """Return a C-contiguous array as numbers of a type, sharing memory."""
    shape = array.shape + last_axis(array.dtype, numbers)
    if array.nbytes == 0:
        return numpy.empty(shape, numbers)
    return array.reshape(-1).view(numbers).reshape(shape)
