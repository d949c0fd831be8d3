"""Arrays: the dataset ``data``, which other software reads, and what else they need to come back.

These attributes of the dataset are present only where they are needed:

``__string_array__``
    The array is of text, and the dataset of variable-length strings.
``encoding-dtype``
    The dtype, as a literal for ``numpy.dtype``, where that of the dataset is another.
``encoding-order``
    ``F`` for an array in Fortran order. The dataset has the axes of the array all the same.
``encoding-readonly``
    The array is read-only.
``encoding-memory``
    The array shares memory with others of the item: JSON that says where in which memory it lies.
    ``buffer`` is a number for each stretch of memory of the item and ``size`` its length in bytes;
    ``offset`` and ``strides``, in bytes too, are those of the array. The reader makes the
    stretches, and the arrays as views of them. Each array is stored in full all the same.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy

from persist.archive.arrays import Array
from persist.archive.arrays.dtypes import DType, dtype_literal
from persist.archive.arrays.hdf5 import native_dtype, usual_dtype
from persist.archive.arrays.pieces import PIECE, boxes, is_fortran
from persist.archive.rules.numpy_types import same_dtype
from persist.archive.views import shared_buffers
from persist.errors import DamagedError
from persist.hdf5.content import Content, Numbers, Texts
from persist.hdf5.extras import dataset_layout
from persist.hdf5.vocabulary import are_texts, marked, text_of

STRINGS = "__string_array__"
DTYPE = "encoding-dtype"
ORDER = "encoding-order"
READ_ONLY = "encoding-readonly"
MEMORY = "encoding-memory"

ARRAY_WORDS = (STRINGS, DTYPE, ORDER, READ_ONLY, MEMORY)
ARRAY = dataset_layout(*ARRAY_WORDS)

_NUMBER_KINDS = "biufcV"


def array_content(array: Array) -> Content | None:
    """Return the content for an array of exactly that class, or None if HDF5 lacks its type."""
    data = stored_array(array)
    if data is None:
        return None
    own = data.attributes.keys() - {STRINGS}
    attributes = marked("ndarray", "ndarray" if own else None)
    return Content(attributes, {"data": data}, dated=True, array=array)


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
    """Return the type of the dataset of numbers of a type, or None if HDF5 lacks it."""
    if dtype.kind not in _NUMBER_KINDS or dtype.hasobject:
        return None
    found = native_dtype(dtype)
    return None if found is None else usual_dtype(found)


# A summary reads no more texts than these to tell how wide they are.
_FEW_TEXTS = 1000

# A dataset of more bytes is read only if something of it is stored.
_LARGE = 1 << 30

_TEXT: DType = numpy.dtype("U")


class Stored:
    """The array that a dataset represents.

    The dataset has its data in its file: see `persist.hdf5.opening.member`. The width of texts that
    other software wrote is not in its header: it is 0 in `dtype`.
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
        self._check_size()
        order: Any = "F" if text_of(self.attributes.get(ORDER, "C")) == "F" else "C"
        # Unlike empty, ndarray does not make strings of no width wider.
        return self.fill(numpy.ndarray(self.shape, self.dtype, order=order))

    def _check_size(self) -> None:
        """Refuse a dataset of which next to nothing is stored, and that memory may not hold."""
        size = math.prod(self.shape) * self._stored.itemsize
        if size > _LARGE and not self.dataset.id.get_storage_size():
            raise DamagedError(
                f"cannot read {self.dataset.name} in {self.dataset.file.filename}: it has "
                f"{size} bytes, none of which is stored"
            )

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
    """Read the array that a dataset represents into memory of its own."""
    return Stored(dataset).read()


def _is_variable_text(dtype: DType) -> bool:
    found = h5py.check_string_dtype(dtype)
    return found is not None and found.length is None


Stretch = tuple[Array, list[Array]]
"""Memory, as an array, and the arrays that share it."""


def stretches(arrays: Sequence[Array]) -> list[Stretch]:
    """Return the stretches of memory that several of `arrays` share, in the order of these."""
    number = {id(array): index for index, array in enumerate(arrays)}
    found = [
        *_stretches([array for array in arrays if not array.dtype.hasobject]),
        *_stretches([array for array in arrays if array.dtype.hasobject]),
    ]
    return sorted(found, key=lambda stretch: min(number[id(array)] for array in stretch[1]))


def _stretches(arrays: list[Array]) -> Iterator[Stretch]:
    known = set(map(id, arrays))
    for buffer, views in shared_buffers(arrays):
        yield buffer, [*views, buffer] if id(buffer) in known else views


def mark_memory(number: int, buffer: Array, array: Array) -> dict[str, Any]:
    """Return the attribute for an array that lies in a stretch of memory."""
    place = {
        "buffer": number,
        "size": buffer.nbytes,
        "offset": _address(array) - _address(buffer),
        "strides": array.strides,
    }
    return {MEMORY: json.dumps(place)}


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


class Memory:
    """The stretches of memory of an item that is read."""

    def __init__(self) -> None:
        self._buffers: dict[int, Array] = {}

    def view(self, stored: Stored) -> Array:
        """Return the array, still to be filled, that a dataset with that attribute represents.

        Raises
        ------
        DamagedError
            If the array is not within its memory.
        """
        try:
            place = json.loads(text_of(stored.attributes[MEMORY]))
            size = place["size"]
            buffer = self._buffers.setdefault(place["buffer"], numpy.zeros(size, numpy.uint8))
            return numpy.ndarray(
                stored.shape,
                stored.dtype,
                buffer=buffer,
                offset=place["offset"],
                strides=place["strides"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(
                f"{stored.dataset.name} in {stored.dataset.file.filename} is damaged: "
                f"{MEMORY}: {error}"
            ) from error
