"""An array whose blocks are made one after the other: of dask, zarr or HDF5, never whole in memory.

Every source is reduced to a `BlockArray`. A format has room made for it by `Store.begin`, has each
block written by `Store.write_block`, in any order and by any process, and is done after
`Store.finish`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy

from persist.archive.arrays.dtypes import DType, plain_dtype
from persist.archive.arrays.pieces import grid_boxes, largest_box
from persist.archive.arrays.store import Array
from persist.errors import MissingExtraError, UnsupportedObjectError

__all__ = ["BlockArray", "block_array", "import_dask"]

_BLOCK = 1 << 26  # bytes, of a source that has no blocks of its own


@dataclass(frozen=True)
class BlockArray:
    """An array that is written block by block.

    Parameters
    ----------
    source : dask.array.Array, zarr.Array or h5py.Dataset
        What gives the blocks. One of dask has chunks that are blocks.
    shape : tuple of int
        Its shape.
    dtype : numpy.dtype
        Its type.
    block : tuple of int
        The shape of its blocks; the last ones along an axis may be smaller.
    is_dask : bool
        Whether dask makes the blocks.
    """

    source: Any
    shape: tuple[int, ...]
    dtype: DType
    block: tuple[int, ...]
    is_dask: bool = False

    def regions(self) -> Iterator[tuple[slice, ...]]:
        """Yield the place of each block."""
        return grid_boxes(self.shape, self.block)

    def as_dask(self) -> Any:
        """Return an array of dask with these blocks."""
        if self.is_dask:
            return self.source
        return import_dask().array.from_array(self.source, chunks=self.block, lock=True)

    def placeholder(self) -> Array:
        """Return an array that stands for this one, and takes the memory of one element."""
        strides = (0,) * len(self.shape)
        return numpy.ndarray(self.shape, self.dtype, numpy.zeros((), self.dtype), strides=strides)


def import_dask() -> Any:
    """Return the module `dask`, with ``dask.array``.

    Raises
    ------
    MissingExtraError
        If dask is not installed.
    """
    try:
        import dask
        import dask.array
    except ImportError as error:
        raise MissingExtraError("dask", "cloud") from error
    return dask


def block_array(obj: Any) -> BlockArray | None:
    """Return an array of another library as one of blocks; None if it is anything else.

    Raises
    ------
    UnsupportedObjectError
        If it is such an array and cannot be stored block by block, with the reason.
    """
    if _is_of(obj, "dask.array", "Array"):
        return _of_dask(obj)
    if _is_of(obj, "zarr", "Array"):
        grid = getattr(obj, "shards", None) or obj.chunks
    elif _is_of(obj, "h5py", "Dataset") and obj.shape is not None and not obj.dtype.hasobject:
        grid = obj.chunks or (1,) * len(obj.shape)
    else:
        return None
    dtype = numpy.dtype(obj.dtype)
    _check_dtype(dtype)
    shape, limit = tuple(obj.shape), _BLOCK // max(1, dtype.itemsize)
    # Whole chunks of the source, each of which is read once.
    numbers = [-(-length // size) for length, size in zip(shape, grid, strict=True)]
    repeats = largest_box(numbers, max(1, limit // max(1, int(numpy.prod(grid)))))
    block = tuple(
        max(1, min(length, size * repeat))
        for length, size, repeat in zip(shape, grid, repeats, strict=True)
    )
    return BlockArray(obj, shape, dtype, block)


def _is_of(obj: Any, module: str, name: str) -> bool:
    found = getattr(sys.modules.get(module), name, None)
    return found is not None and isinstance(obj, found)


def _of_dask(array: Any) -> BlockArray:
    if any(numpy.isnan(length) for length in array.shape):
        raise UnsupportedObjectError(
            "the chunks of the dask array have unknown sizes; call its compute_chunk_sizes() first"
        )
    utils: Any = sys.modules["dask.array.utils"]
    inner = type(utils.meta_from_array(array))
    if inner is not numpy.ndarray:
        kind = f"{inner.__module__}.{inner.__qualname__}"
        raise UnsupportedObjectError(
            f"the blocks of the dask array are {kind}, and array files hold numpy.ndarray; "
            "give map_blocks(numpy.asarray) of it if what that adds can be lost"
        )
    _check_dtype(array.dtype)
    block = tuple(max([1, *sizes]) for sizes in array.chunks)
    regular = array.rechunk(block) if array.size else array
    return BlockArray(regular, tuple(array.shape), array.dtype, block, is_dask=True)


def _check_dtype(dtype: DType) -> None:
    if plain_dtype(dtype) is not dtype or dtype.names is not None:
        raise UnsupportedObjectError(
            f"arrays of dtype {dtype} are not stored block by block; store each field, or "
            "numpy.asarray of the array"
        )
