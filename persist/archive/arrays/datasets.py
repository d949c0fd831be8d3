"""Arrays as datasets of HDF5, and back, in one of the vocabularies of `vocabulary`.

h5py writes each dataset with more calls than it needs. Datasets of numbers are made here as h5py
makes them, in a third of the time.
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy

from persist.archive.array_source import without_padding
from persist.archive.arrays.blocks import BlockArray
from persist.archive.arrays.dtypes import DType, dtype_literal, same_dtype
from persist.archive.arrays.pieces import PIECE, boxes, is_fortran
from persist.archive.arrays.store import Array
from persist.archive.arrays.vocabulary import (
    ARCHIVE,
    ITEM,
    Vocabulary,
    as_numbers,
    last_axis,
    number_type,
)
from persist.errors import ArchiveError, DamagedError
from persist.names import is_encodable

STRING = h5py.string_dtype()
"""The type of text in any dataset: strings of any length, in UTF-8."""


@dataclass
class Encoded:
    """An array as a dataset has it.

    `dtype` is that of the dataset: the same numbers, or strings; or, if the array is packed,
    numbers of the same bytes. The dataset is in C order, whatever the order in memory. A `mask` is
    a dataset of its own; it has no axes where nothing was ever masked.
    """

    array: Array
    dtype: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)
    is_packed: bool = False
    mask: Encoded | None = None

    def __post_init__(self) -> None:
        self.dtype = self.array.dtype if self.dtype is None else self.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the dataset."""
        inner = last_axis(self.array.dtype, self.dtype) if self.is_packed else ()
        return (*self.array.shape, *inner)

    def data(self, region: Any = ...) -> Array:
        """Return what a region of the dataset holds, in C order."""
        piece: Array = self.array[region]
        if self.is_packed:
            return as_numbers(numpy.asarray(piece, order="C"), self.dtype)
        if self.dtype.hasobject:
            return numpy.asarray(piece, object)
        return numpy.asarray(without_padding(piece), self.dtype, order="C")

    def write(self, group: Any, name: str, **options: Any) -> None:
        """Write the array: as it lies in memory where that will do, else in pieces.

        `options` are those of ``create_dataset``.
        """
        is_whole = self.array.nbytes <= PIECE or self.dtype.hasobject or self._is_as_stored
        data = self.data() if is_whole else None
        if data is not None and not self.is_packed and _is_builtin(self.dtype):
            made = new_dataset(group, name, data.dtype, data.shape)
            if data.size:
                made.write(h5py.h5s.ALL, h5py.h5s.ALL, data)
            if not self.attributes:
                return
            dataset = h5py.Dataset(made)
        else:
            options["track_times"] = False
            dataset = group.create_dataset(name, self.shape, self.dtype, data, **options)
        if data is None:
            for box in boxes(self.array.shape, max(1, PIECE // self.array.itemsize)):
                dataset.write_direct(self.data(box), dest_sel=box)
        dataset.attrs.update(self.attributes)

    @property
    def _is_as_stored(self) -> bool:
        """Whether the memory of the array is what the dataset holds."""
        dtype = self.array.dtype
        has_gaps = dtype.names is not None or dtype.type in (numpy.longdouble, numpy.clongdouble)
        is_same = self.is_packed or (dtype == self.dtype and not has_gaps)
        return self.array.flags.c_contiguous and is_same


def encode(array: Array, words: Vocabulary) -> Encoded | None:
    """Return an array as a dataset has it, or None if the vocabulary has no form for its type."""
    dtype = array.dtype
    if not words.dtype:
        return _as_it_is(array)
    if words.is_packed:
        return packed(array, words)
    layout = layout_attributes(array, words)
    if dtype.kind in "US":
        if not _holds_texts(array):
            return None
        marks = {words.text: True, words.dtype: dtype_literal(dtype)}
        return Encoded(array, STRING, {**marks, **layout})
    native = _native_dtype(dtype) if dtype.kind in "biufcV" else None
    if native is None or dtype.hasobject:
        return None
    if dtype.names is None and same_dtype(_usual_dtype(native), dtype):
        return Encoded(array, attributes=layout)
    # Types of one size and kind, long and long long, differ in their character.
    for literal in (dtype_literal(dtype), repr(dtype.str[0] + dtype.char)):
        if same_dtype(numpy.dtype(ast.literal_eval(literal)), dtype):
            return Encoded(array, attributes={words.dtype: literal, **layout})
    return None


def packed(array: Array, words: Vocabulary = ARCHIVE) -> Encoded:
    """Return an array of any type as a dataset of numbers of the same bytes."""
    dtype = array.dtype
    numbers = number_type(dtype) if _native_dtype(dtype) is None else dtype
    attributes = {words.order: "F"} if is_fortran(array) else {}
    layout = array.T if attributes else array
    # HDF5 holds records natively, and h5py spells the types of their fields in its own way.
    if dtype.names is not None or numbers != dtype:
        attributes[words.dtype] = dtype_literal(dtype)
    return Encoded(layout, numbers, attributes, is_packed=True)


def layout_attributes(array: Array, words: Vocabulary = ITEM) -> dict[str, Any]:
    """Return the attributes for the memory order and the lock of an array."""
    order = {words.order: "F"} if is_fortran(array) else {}
    return order if array.flags.writeable else {**order, words.read_only: True}


def _as_it_is(array: Array) -> Encoded | None:
    """Return an array in C order as a dataset of its very type, or None if HDF5 lacks it."""
    dtype = array.dtype
    if _is_builtin(dtype):
        return Encoded(array)
    if dtype.kind == "O" and dtype.metadata is None:
        kinds = {isinstance(value, bytes) for value in array.flat}
        texts = [v.decode("latin-1") if isinstance(v, bytes) else v for v in array.flat]
        if len(kinds) > 1 or not all(isinstance(text, str) and is_text(text) for text in texts):
            return None
        dtype = h5py.string_dtype("ascii" if kinds == {True} else "utf-8")
    try:
        h5py.h5t.py_create(dtype, logical=True)
    except TypeError:
        return None
    return Encoded(array, dtype)


def _holds_texts(array: Array) -> bool:
    texts = array.ravel().tolist()
    if array.dtype.kind == "U":
        return are_texts(texts)
    try:
        return are_texts(text.decode() for text in texts)
    except UnicodeDecodeError:
        return False


def _is_builtin(dtype: DType) -> bool:
    """Return True for numbers that every HDF5 has: long doubles depend on the system."""
    return dtype.isbuiltin == 1 and dtype.kind in "biufc" and dtype.char not in "gG"


def _native_dtype(dtype: DType) -> DType | None:
    """Return the type that h5py reads back for `dtype`, or None if its bytes are not the same."""
    try:
        native = h5py.h5t.py_create(dtype, logical=True)
        found: DType = native.dtype
    except (TypeError, ValueError):
        return None
    return found if found == dtype and native.get_size() == dtype.itemsize else None


def _usual_dtype(dtype: DType) -> DType:
    """Return the type of a dataset as numpy spells it; h5py adds metadata to some."""
    return dtype if dtype.names or dtype.hasobject else numpy.dtype(dtype.str)


def is_text(text: str) -> bool:
    r"""Return True if a variable-length string of HDF5 gives back the same.

    Examples
    --------
    >>> is_text("é"), is_text("a\0b"), is_text("\ud800")
    (True, False, False)
    """
    # C ends a string at the first NUL; lone surrogates are not UTF-8.
    return "\0" not in text and (text.isascii() or is_encodable(text))


def are_texts(texts: Iterable[str]) -> bool:
    """Return True if `is_text` holds of all `texts`."""
    return all(map(is_text, texts))


def text_of(value: Any) -> str:
    """Return an attribute as text; other software writes bytes.

    Raises
    ------
    DamagedError
        If the bytes are not UTF-8.
    """
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError as error:
        raise DamagedError(f"the text {value!r:.80} is damaged: it is not in UTF-8") from error


TIMELESS = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
"""The properties of datasets that do not say when they were made."""
TIMELESS.set_obj_track_times(False)
UTF8_NAME = h5py.h5p.create(h5py.h5p.LINK_CREATE)
"""The properties of links whose names are UTF-8."""
UTF8_NAME.set_char_encoding(h5py.h5t.CSET_UTF8)
_ONE = h5py.h5s.create(h5py.h5s.SCALAR)


@functools.cache
def _builtin_type(dtype: DType) -> Any:
    return h5py.h5t.py_create(dtype, logical=True)


def new_dataset(
    group: Any,
    name: str,
    dtype: DType,
    shape: tuple[int, ...],
    properties: Any = TIMELESS,
    links: Any = UTF8_NAME,
) -> Any:
    """Make a dataset that is still to be written, and return its identifier."""
    kind = _builtin_type(dtype) if dtype.isbuiltin == 1 else h5py.h5t.py_create(dtype, logical=True)
    space = h5py.h5s.create_simple(shape) if shape else _ONE
    return h5py.h5d.create(group.id, name.encode(), kind, space, properties, lcpl=links)


@dataclass(frozen=True)
class BlockDataset:
    """A dataset of an open file, as archives hold it, to whose regions blocks can be assigned."""

    dataset: Any

    @classmethod
    def create(
        cls, file: Any, name: str, array: BlockArray, compression: str | None = None
    ) -> BlockDataset:
        """Make a dataset with room for all blocks."""
        encoded = packed(array.placeholder())
        options: dict[str, Any] = {"compression": compression}
        if not compression:
            # One run of bytes, which is in its place before any block is.
            options = {"dcpl": h5py.h5p.create(h5py.h5p.DATASET_CREATE)}
            options["dcpl"].set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            options["dcpl"].set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        dataset = file.create_dataset(
            name, encoded.shape, encoded.dtype, track_times=False, **options
        )
        dataset.attrs.update(encoded.attributes)
        return cls(dataset)

    def __setitem__(self, region: Any, block: Any) -> None:
        data = packed(numpy.ascontiguousarray(block)).data()
        self.dataset.write_direct(data, dest_sel=region)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the dataset."""
        found: tuple[int, ...] = self.dataset.shape
        return found


# A summary reads no more texts than these to tell how wide they are.
_FEW_TEXTS = 1000

# A dataset of more bytes, which memory may not hold, is read only if something of it is stored.
_LARGE = 1 << 30


class Stored:
    """The array that a dataset represents.

    The dataset has its data in its file: see `persist.hdf5.opening.member`. The width of texts that
    other software wrote is not in its header: it is 0 in `dtype`.
    """

    def __init__(self, dataset: Any, words: Vocabulary = ITEM) -> None:
        self.dataset = dataset
        # To ask h5py for an attribute that is not there takes as long as to read one.
        self.attributes = dict(dataset.attrs) if len(dataset.attrs) else {}
        self._stored: DType = dataset.dtype
        self._is_packed = words.is_packed
        self._has_dtype = words.dtype in self.attributes
        self._is_locked = bool(self.attributes.get(words.read_only, False))
        is_text = self.attributes.get(words.text, False) or _is_variable_text(self._stored)
        self.is_text = bool(is_text) and not words.is_packed
        self.order: Any = "F" if text_of(self.attributes.get(words.order, "C")) == "F" else "C"
        self.dtype: DType = numpy.dtype("U") if self.is_text else _usual_dtype(self._stored)
        self.shape: tuple[int, ...] = dataset.shape
        if self._has_dtype:
            spec: Any = ast.literal_eval(text_of(self.attributes[words.dtype]))
            self.dtype = numpy.dtype(spec)
        if words.is_packed:
            if self._has_dtype:
                inner = last_axis(self.dtype, self._stored)
                self.shape = self.shape[: len(self.shape) - len(inner)]
            self.shape = self.shape[::-1] if self.order == "F" else self.shape

    def summary(self) -> dict[str, Any]:
        """Return shape and dtype, as JSON holds them."""
        few = self.is_text and not self.dtype.itemsize and self.dataset.size <= _FEW_TEXTS
        dtype = self.read().dtype if few else self.dtype
        return {"shape": list(self.shape), "dtype": str(dtype)}

    def read(self) -> Array:
        """Read the array into memory of its own."""
        if self.is_text and not self._has_dtype:
            return self._texts(numpy.str_)
        size = math.prod(self.shape) * self._stored.itemsize
        is_large = size > _LARGE and not self._is_packed
        if is_large and not self.dataset.id.get_storage_size():
            raise DamagedError(
                f"cannot read {self.dataset.name} in {self.dataset.file.filename}: it has "
                f"{size} bytes, none of which is stored"
            )
        # Unlike empty, ndarray does not make strings of no width wider.
        return self.fill(numpy.ndarray(self.shape, self.dtype, order=self.order))

    def fill(self, array: Array) -> Array:
        """Read into an array of this shape and dtype, and lock it if it was locked."""
        if array.size and array.dtype.itemsize:
            if self._is_packed:
                flat = array.reshape(-1, order="A").view(self._stored)
                self.dataset.read_direct(flat.reshape(self.dataset.shape))
            elif self.is_text:
                array[...] = self._texts(array.dtype)
            elif array.flags.c_contiguous and self._stored == array.dtype:
                self.dataset.read_direct(array.view(self._stored))
            else:
                for box in boxes(array.shape, max(1, PIECE // array.itemsize)):
                    array[box] = self.dataset[box]
        if self._is_locked:
            array.flags.writeable = False
        return array

    def _texts(self, dtype: Any) -> Array:
        found = numpy.asarray(self.dataset[()], object).flat
        as_bytes = numpy.dtype(dtype).kind == "S"
        values = list(found) if as_bytes else [text_of(text) for text in found]
        return numpy.array(values, dtype).reshape(self.shape)

    def map(self, path: str, mmap_mode: str) -> Any:
        """Return a map of the file at `path` where the bytes are, or what comes nearest.

        Raises
        ------
        ValueError
            If the dataset is not one run of bytes, and was to be changed in place.
        """
        if math.prod(self.dataset.shape) == 0:
            return self.read()
        offset, stored = self.dataset.id.get_offset(), self._stored
        if offset is not None and not stored.hasobject:
            is_native = h5py.h5t.py_create(stored, logical=True) == self.dataset.id.get_type()
            if is_native:
                return numpy.memmap(path, self.dtype, mmap_mode, offset, self.shape, self.order)  # type: ignore[call-overload]
        if mmap_mode == "r+":
            raise ArchiveError(
                f"{self.dataset.name} in {path} is not one run of bytes: use mmap_mode='c'"
            )
        if mmap_mode == "c" or self._has_dtype or self.order == "F":
            return self.read()
        # It keeps its file open for as long as it lives.
        return h5py.File(path, "r")[self.dataset.name]


def _is_variable_text(dtype: DType) -> bool:
    found = h5py.check_string_dtype(dtype)
    return found is not None and found.length is None
