"""One HDF5 file, with a dataset at its root for each array.

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
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy

from persist.archive.arrays.blocks import BlockArray
from persist.archive.arrays.dtypes import DType, dtype_literal
from persist.archive.arrays.pieces import PIECE, boxes, is_contiguous, is_fortran, write_region
from persist.archive.arrays.store import (
    Array,
    Loader,
    Order,
    Run,
    Store,
    check_mode,
    choose_keys,
)
from persist.errors import ArchiveError
from persist.files import remove_path
from persist.files.regular import check_regular

__all__ = [
    "DTYPE",
    "ORDER",
    "STORED_KINDS",
    "BlockDataset",
    "Hdf5Store",
    "as_stored",
    "last_axis",
    "map_dataset",
    "native_dtype",
    "needs_dtype",
    "read_dataset",
    "usual_dtype",
    "write_dataset",
]

ORDER = "memory_order"
DTYPE = "numpy_dtype"
# Threads take turns without polling for the lock that processes share.
_writing = threading.Lock()
STORED_KINDS = {"M": "i8", "m": "i8", "U": "u4"}


def write_dataset(file: Any, name: str, array: Array, compression: str | None = None) -> None:
    """Write `array` to an open file or group, in chunks if it is to be compressed."""
    # An empty or single element has no chunks to go through a filter.
    filters = {"compression": compression} if compression and array.nbytes and array.ndim else {}
    stored = _stored_dtype(array.dtype)
    layout = array.T if is_fortran(array) else array
    if is_contiguous(array):
        data = as_stored(layout, stored)
        dataset = file.create_dataset(name, data=data, track_times=False, **filters)
    else:
        shape = layout.shape + last_axis(array.dtype, stored)
        dataset = file.create_dataset(name, shape, stored, track_times=False, **filters)
        for box in boxes(layout.shape, max(1, PIECE // array.itemsize)):
            data = as_stored(numpy.ascontiguousarray(layout[box]), stored)
            dataset.write_direct(data, dest_sel=box)
    if layout is not array:
        dataset.attrs[ORDER] = "F"
    if needs_dtype(array.dtype):
        dataset.attrs[DTYPE] = dtype_literal(array.dtype)


@dataclass(frozen=True)
class BlockDataset:
    """A dataset of an open file, to whose regions blocks can be assigned.

    Parameters
    ----------
    dataset : h5py.Dataset
        The dataset.
    """

    dataset: Any

    @classmethod
    def create(
        cls, file: Any, name: str, array: BlockArray, compression: str | None = None
    ) -> BlockDataset:
        """Make a dataset with room for all blocks."""
        import h5py

        stored = _stored_dtype(array.dtype)
        shape = array.shape + last_axis(array.dtype, stored)
        options: dict[str, Any] = {"compression": compression}
        if not compression:
            # One run of bytes, which is in its place before any block is.
            options = {"dcpl": h5py.h5p.create(h5py.h5p.DATASET_CREATE)}
            options["dcpl"].set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            options["dcpl"].set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        dataset = file.create_dataset(name, shape, stored, track_times=False, **options)
        if needs_dtype(array.dtype):
            dataset.attrs[DTYPE] = dtype_literal(array.dtype)
        return cls(dataset)

    def __setitem__(self, region: Any, block: Any) -> None:
        block = numpy.ascontiguousarray(block)
        self.dataset.write_direct(as_stored(block, _stored_dtype(block.dtype)), dest_sel=region)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the dataset."""
        found: tuple[int, ...] = self.dataset.shape
        return found


def _stored_dtype(dtype: DType) -> DType:
    if native_dtype(dtype) is not None:
        return dtype
    kind = STORED_KINDS.get(dtype.kind, "u1") if dtype.itemsize else "u1"
    return numpy.dtype(kind).newbyteorder(dtype.byteorder)


def needs_dtype(dtype: DType) -> bool:
    """Return True if the dataset of an array of type `dtype` needs the attribute `numpy_dtype`."""
    # HDF5 holds records natively, and h5py spells the types of their fields in its own way.
    return dtype.names is not None or _stored_dtype(dtype) != dtype


def native_dtype(dtype: DType) -> DType | None:
    """Return the type that h5py reads back for `dtype`, or None if its bytes are not the same."""
    import h5py

    try:
        native = h5py.h5t.py_create(dtype, logical=True)
        found: DType = native.dtype
    except (TypeError, ValueError):
        return None
    return found if found == dtype and native.get_size() == dtype.itemsize else None


def last_axis(dtype: DType, stored: DType) -> tuple[int, ...]:
    """Return the length of the axis that is added where an element takes several numbers."""
    return () if dtype.itemsize == stored.itemsize else (dtype.itemsize // stored.itemsize,)


def as_stored(array: Array, stored: DType) -> Array:
    """Return a C-contiguous array as numbers of type `stored`, sharing memory."""
    shape = array.shape + last_axis(array.dtype, stored)
    if array.nbytes == 0:
        return numpy.empty(shape, stored)
    return array.reshape(-1).view(stored).reshape(shape)


def _describe(dataset: Any) -> tuple[tuple[int, ...], Order, DType]:
    """Return shape, memory order and dtype of the array that a dataset stands for."""
    shape, dtype = dataset.shape, usual_dtype(dataset.dtype)
    if DTYPE in dataset.attrs:
        dtype = numpy.dtype(ast.literal_eval(dataset.attrs[DTYPE]))
        shape = shape[: len(shape) - len(last_axis(dtype, dataset.dtype))]
    return (shape[::-1], "F", dtype) if dataset.attrs.get(ORDER) == "F" else (shape, "C", dtype)


def usual_dtype(dtype: DType) -> DType:
    """Return the type of a dataset as numpy spells it; h5py adds metadata to some."""
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
        raise ArchiveError(f"{dataset.name} in {path} is not one run of bytes: use mmap_mode='c'")
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


_SIMPLE_BODY = """\
with h5py.File(opened(path), 'r') as file:
    return {name: file[name][...] for name in names}
"""
_DTYPE_BODY = f"""\
    # A type that HDF5 lacks is stored as numbers.
    if '{DTYPE}' in dataset.attrs:
        dtype = numpy.dtype(ast.literal_eval(dataset.attrs['{DTYPE}']))
        if dtype.itemsize != dataset.dtype.itemsize:
            shape = shape[:-1]
"""
_ORDER_BODY = f"""\
    # An array in Fortran order is stored with its axes reversed.
    if dataset.attrs.get('{ORDER}') == 'F':
        shape, order = shape[::-1], 'F'
"""
_BODY = """
def read(dataset):
    dtype, shape, order = numpy.dtype(dataset.dtype.str), dataset.shape, 'C'
{parts}    array = numpy.ndarray(shape, dtype, order=order)
    if array.nbytes:
        flat = array.reshape(-1, order='A').view(dataset.dtype)
        dataset.read_direct(flat.reshape(dataset.shape))
    return array

with h5py.File(opened(path), 'r') as file:
    return {{name: read(file[name]) for name in names}}
"""


@dataclass(frozen=True)
class Hdf5Store(Store):
    """Arrays in one HDF5 file.

    Parameters
    ----------
    compression : {None, 'gzip', 'lzf'}
        The filter that chunks of the arrays go through. Without one, an array is one run of bytes,
        which can be mapped into memory.
    """

    compression: str | None = None

    data_format = "hdf5"
    extension = ".hd5"
    extensions = (".hd5", ".hf5", ".hdf5", ".h5")

    def write_file(self, filename: str, arrays: Mapping[str, Array]) -> None:
        """Write all arrays; the bytes depend on nothing else but the version of HDF5."""
        import h5py

        with h5py.File(filename, "w") as file:
            for name, array in arrays.items():
                write_dataset(file, name, array, self.compression)

    def load(
        self, path: str, keys: Iterable[str] | None = None, mmap_mode: str | None = None
    ) -> dict[str, Array]:
        """Return arrays of the file.

        With a mode, each is a map of the file if its dataset is one run of bytes. If it is not,
        mode ``r`` gives an open ``h5py.Dataset``, and mode ``c`` a copy in memory.
        """
        import h5py

        check_mode(mmap_mode)
        check_regular(path)
        with h5py.File(path, "r") as file:
            found = [name for name, item in file.items() if isinstance(item, h5py.Dataset)]
            chosen = choose_keys(keys, found, path)
            if mmap_mode is None:
                return {key: read_dataset(file[key]) for key in chosen}
            return {key: map_dataset(path, file[key], mmap_mode) for key in chosen}

    def loader(self, arrays: Mapping[str, Array]) -> Loader:
        """Return source that reads the file ``path``, with no more decoding than `arrays` need."""
        encoded = any(needs_dtype(array.dtype) for array in arrays.values())
        fortran = any(map(is_fortran, arrays.values()))
        # What h5py gives by itself then owns its memory and has the usual byte order.
        simple = (a.ndim and a.size and a.dtype.isnative for a in arrays.values())
        if not (encoded or fortran) and all(simple):
            return Loader((), ("h5py",), _SIMPLE_BODY)
        parts = _DTYPE_BODY * encoded + _ORDER_BODY * fortran
        standard = ("ast",) if encoded else ()
        return Loader(standard, ("h5py", "numpy"), _BODY.format(parts=parts))

    def begin(
        self, path: str, arrays: Mapping[str, Array], blocks: Mapping[str, BlockArray]
    ) -> None:
        """Write each array, or an empty dataset for its blocks."""
        import h5py

        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                if name not in blocks:
                    write_dataset(file, name, array, self.compression)
                    continue
                BlockDataset.create(file, name, blocks[name], self.compression)

    def write_block(self, path: str, name: str, region: tuple[slice, ...], block: Array) -> None:
        """Write a block to its run of bytes; through filters, one writer does so at a time."""
        import h5py
        from filelock import FileLock

        if run := self.run(path, name):
            write_region(run, region, block)
            return
        with _writing, FileLock(f"{path}.lock"), h5py.File(path, "r+") as file:
            BlockDataset(file[name])[region] = block

    def run(self, path: str, name: str) -> Run | None:
        """Return where the bytes of an array are in the file, unless they are compressed."""
        if self.compression:
            return None
        import h5py

        with h5py.File(path, "r") as file:
            shape, _, dtype = _describe(file[name])
            return Run(path, file[name].id.get_offset(), shape, dtype)

    def finish(self, path: str) -> None:
        """Remove the lock that the writers of blocks have taken."""
        remove_path(f"{path}.lock")
