"""Arrays: the dataset ``data``, which other software reads, and what else they need to come back.

These attributes of the dataset are there only where they are needed:

``__string_array__``
    The array is of text, and the dataset of variable-length strings.
``encoding-dtype``
    The dtype, as a literal for ``numpy.dtype``, where that of the dataset is another.
``encoding-order``
    ``F`` for an array in Fortran order. The dataset has the axes of the array all the same.
``encoding-readonly``
    The array cannot be written to.
``encoding-memory``
    The array shares memory with others of the item: see `persist.hdf5.memory`.
"""

from __future__ import annotations

import ast
from typing import Any

import h5py
import numpy

from persist.archive.arrays import Array
from persist.archive.arrays.dtypes import DType, dtype_literal
from persist.archive.arrays.pieces import is_fortran
from persist.archive.rules.numpy_types import same_dtype
from persist.hdf5.content import Content
from persist.hdf5.datasets import Numbers, Texts
from persist.hdf5.marks import marked
from persist.hdf5.texts import are_texts

__all__ = [
    "DTYPE",
    "MEMORY",
    "ORDER",
    "READ_ONLY",
    "STRINGS",
    "array_content",
    "layout_attributes",
    "stored_array",
    "usual_dtype",
]

STRINGS = "__string_array__"
DTYPE = "encoding-dtype"
ORDER = "encoding-order"
READ_ONLY = "encoding-readonly"
MEMORY = "encoding-memory"

_NUMBER_KINDS = "biufcV"


def array_content(array: Array) -> Content | None:
    """Return the content for an array of exactly that class, or None if HDF5 lacks its type."""
    data = stored_array(array)
    if data is None:
        return None
    own = data.attributes.keys() - {STRINGS}
    attributes = marked("ndarray", "ndarray" if own else None)
    return Content(attributes, {"data": data}, dated=True)


def stored_array(array: Array) -> Numbers | Texts | None:
    """Return the dataset for an array, or None if HDF5 lacks its type."""
    dtype = array.dtype
    layout = layout_attributes(array)
    if dtype.kind in "US":
        if not _holds_texts(array):
            return None
        return Texts(array, {STRINGS: True, DTYPE: dtype_literal(dtype), **layout})
    stored = _native(dtype)
    if stored is None:
        return None
    # h5py spells the types of fields in its own way.
    if dtype.names is None and same_dtype(stored, dtype):
        return Numbers(array, attributes=layout)
    # Types of one size and kind, long and long long, differ in their character.
    for literal in (dtype_literal(dtype), repr(dtype.str[0] + dtype.char)):
        if same_dtype(numpy.dtype(ast.literal_eval(literal)), dtype):
            return Numbers(array, attributes={DTYPE: literal, **layout})
    return None


def layout_attributes(array: Array) -> dict[str, Any]:
    """Return the attributes for the memory order and the lock of an array."""
    order = {ORDER: "F"} if is_fortran(array) else {}
    return order if array.flags.writeable else {**order, READ_ONLY: True}


def _holds_texts(array: Array) -> bool:
    texts = array.ravel().tolist()
    if array.dtype.kind == "U":
        return are_texts(texts)
    try:
        return are_texts(text.decode() for text in texts)
    except UnicodeDecodeError:
        return False


def _native(dtype: DType) -> DType | None:
    """Return the type that h5py reads back for `dtype`, or None if its bytes are not the same."""
    if dtype.kind not in _NUMBER_KINDS or dtype.hasobject:
        return None
    try:
        native = h5py.h5t.py_create(dtype, logical=True)
        found = native.dtype
    except (TypeError, ValueError):
        return None
    if found != dtype or native.get_size() != dtype.itemsize:
        return None
    return usual_dtype(found)


def usual_dtype(dtype: DType) -> DType:
    """Return the type of an HDF5 dataset as numpy spells it; h5py adds metadata to some."""
    return dtype if dtype.names or dtype.hasobject else numpy.dtype(dtype.str)
