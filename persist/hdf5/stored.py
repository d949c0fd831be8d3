"""Datasets as arrays: what `persist.hdf5.arrays` writes, and what spikelab does."""

from __future__ import annotations

import ast
from typing import Any

import h5py
import numpy

from persist.archive.arrays import Array
from persist.archive.arrays.dtypes import DType
from persist.archive.arrays.pieces import PIECE, boxes
from persist.hdf5.arrays import DTYPE, ORDER, READ_ONLY, STRINGS, usual_dtype
from persist.hdf5.marks import text_of

__all__ = ["Stored", "read_array"]

# A summary reads no more texts than these to tell how wide they are.
_FEW_TEXTS = 1000

_TEXT: DType = numpy.dtype("U")


class Stored:
    """The array that a dataset stands for.

    Parameters
    ----------
    dataset : h5py.Dataset
        An open dataset.

    Attributes
    ----------
    attributes : dict of str to object
        The attributes of the dataset.
    shape : tuple of int
        The shape of the array, which is that of the dataset.
    is_text : bool
        Whether the array is of text.
    dtype : numpy.dtype
        The dtype of the array. The width of texts that other software wrote is not in the header:
        it is 0.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        # To ask h5py for an attribute that is not there takes as long as to read one.
        self.attributes = dict(dataset.attrs) if len(dataset.attrs) else {}
        self.shape: tuple[int, ...] = dataset.shape
        self._stored: DType = dataset.dtype
        self.is_text = self.attributes.get(STRINGS, False) or _is_variable_text(self._stored)
        self.dtype = self._dtype()

    def _dtype(self) -> DType:
        if DTYPE in self.attributes:
            spec: Any = ast.literal_eval(text_of(self.attributes[DTYPE]))
            dtype: DType = numpy.dtype(spec)
            return dtype
        return _TEXT if self.is_text else usual_dtype(self._stored)

    def summary(self) -> dict[str, Any]:
        """Return shape and dtype, as JSON holds them."""
        few = self.is_text and not self.dtype.itemsize and self.dataset.size <= _FEW_TEXTS
        dtype = self.read().dtype if few else self.dtype
        return {"shape": list(self.shape), "dtype": str(dtype)}

    def read(self) -> Array:
        """Read the array into memory of its own."""
        if self.is_text and DTYPE not in self.attributes:
            return self._texts(numpy.str_)
        order: Any = "F" if text_of(self.attributes.get(ORDER, "C")) == "F" else "C"
        # Unlike empty, ndarray does not make strings of no width wider.
        return self.fill(numpy.ndarray(self.shape, self.dtype, order=order))

    def fill(self, array: Array) -> Array:
        """Read into an array of this shape and dtype, and lock it if it was locked."""
        if array.size and array.dtype.itemsize:
            if self.is_text:
                array[...] = self._texts(array.dtype)
            elif array.flags.c_contiguous and self._stored == array.dtype:
                self.dataset.read_direct(array.view(self._stored))
            else:
                for box in boxes(array.shape, max(1, PIECE // array.itemsize)):
                    array[box] = self.dataset[box]
        if self.attributes.get(READ_ONLY, False):
            array.flags.writeable = False
        return array

    def _texts(self, dtype: Any) -> Array:
        found = numpy.asarray(self.dataset[()], object).flat
        as_bytes = numpy.dtype(dtype).kind == "S"
        values = list(found) if as_bytes else [text_of(text) for text in found]
        return numpy.array(values, dtype).reshape(self.shape)


def read_array(dataset: Any) -> Array:
    """Read the array that a dataset stands for into memory of its own."""
    return Stored(dataset).read()


def _is_variable_text(dtype: DType) -> bool:
    found = h5py.check_string_dtype(dtype)
    return found is not None and found.length is None
