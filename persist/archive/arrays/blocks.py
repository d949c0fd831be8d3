"""An array whose blocks are made one after the other: of dask, zarr or HDF5, never whole in memory.

Every source is reduced to a `BlockArray`. A format has room made for it by `Store.begin`, has each
block written by `Store.write_block`, in any order and by any process, and is done after
`Store.finish`.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy

from persist.archive.arrays.dtypes import DType, plain_dtype
from persist.archive.arrays.handles import ArrayHandle
from persist.archive.arrays.pieces import address, grid_boxes, largest_box
from persist.archive.arrays.store import Array
from persist.errors import MissingExtraError, UnsupportedObjectError

__all__ = [
    "BlockArray",
    "Standing",
    "block_array",
    "computing_for",
    "import_dask",
    "named_blocks",
    "without_blocks",
]

_BLOCK = 1 << 26  # bytes, of a source that has no blocks of its own
_AT_ONCE = 1 << 28  # bytes that other processes compute before they are written

Standing: TypeAlias = "tuple[Array, BlockArray]"
"""An array of numpy without memory, and what it stands for."""

_thread = threading.local()


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

    def write_to(self, target: Any) -> None:
        """Write each block to its place in an array that only this process has open.

        Threads of dask compute and write them. Where dask uses other processes, these compute some
        blocks at a time, and this one writes them.

        Parameters
        ----------
        target : object
            Blocks are assigned to its regions, by one thread at a time.
        """
        if not self.is_dask:
            for region in self.regions():
                target[region] = self.source[region]
            return
        dask = import_dask()
        scheduler = dask.base.get_scheduler(collections=[self.source])
        if scheduler is dask.local.get_sync:
            dask.array.store(self.source, target, lock=False, scheduler="sync")
        elif scheduler is dask.threaded.get:
            count = dask.config.get("num_workers", None) or dask.system.CPU_COUNT
            with ThreadPoolExecutor(count, "persist", _compute_for, (computing_for(),)) as pool:
                dask.array.store(self.source, target, lock=True, scheduler="threads", pool=pool)
        else:
            blocks, regions = self.source.to_delayed().ravel(), list(self.regions())
            size = math.prod(self.block) * self.dtype.itemsize
            count = max(1, _AT_ONCE // max(1, size))
            for start in range(0, len(regions), count):
                found = dask.compute(*blocks[start : start + count])
                for region, block in zip(regions[start : start + count], found, strict=True):
                    target[region] = block

    def placeholder(self) -> Array:
        """Return an array that stands for this one, and takes the memory of one element."""
        strides = (0,) * len(self.shape)
        return numpy.ndarray(self.shape, self.dtype, numpy.zeros((), self.dtype), strides=strides)


def computing_for() -> int:
    """Return the thread that waits for the blocks that this one computes, or else this one."""
    return getattr(_thread, "waiting", threading.get_ident())


def _compute_for(thread: int) -> None:
    _thread.waiting = thread


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
        import dask.threaded
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
    elif type(obj) is ArrayHandle and not obj.dtype.hasobject:
        grid = (1,) * len(obj.shape)
    elif _is_of(obj, "h5py", "Dataset") and obj.shape is not None and not obj.dtype.hasobject:
        grid = obj.chunks or (1,) * len(obj.shape)
    else:
        return None
    dtype = _held_dtype(numpy.dtype(obj.dtype))
    shape, limit = tuple(obj.shape), _BLOCK // max(1, dtype.itemsize)
    # Whole chunks of the source, each of which is read once.
    numbers = [-(-length // size) for length, size in zip(shape, grid, strict=True)]
    repeats = largest_box(numbers, max(1, limit // max(1, int(numpy.prod(grid)))))
    block = tuple(
        max(1, min(length, size * repeat))
        for length, size, repeat in zip(shape, grid, repeats, strict=True)
    )
    return BlockArray(obj, shape, dtype, block)


def _is_of(obj: Any, module: str, *names: str) -> bool:
    """Return True if an object is of one of the classes of a module, which may not be loaded."""
    found = (getattr(sys.modules.get(module), name, None) for name in names)
    return isinstance(obj, tuple(filter(None, found)))


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
    dtype = _held_dtype(array.dtype)
    block = tuple(max([1, *sizes]) for sizes in array.chunks)
    regular = array.rechunk(block) if array.size else array
    return BlockArray(regular, tuple(array.shape), dtype, block, is_dask=True)


def _held_dtype(dtype: DType) -> DType:
    """Return the dtype as files hold it, or refuse it."""
    plain = plain_dtype(dtype)
    if plain != dtype or dtype.names is not None:
        raise UnsupportedObjectError(
            f"arrays of dtype {dtype} are not stored block by block; store each field, or "
            "numpy.asarray of the array"
        )
    return plain


def without_blocks(value: Any, threshold: float) -> tuple[Any, list[Standing]]:
    """Return a value in whose place numpy arrays without memory are, and what they stand for.

    Parameters
    ----------
    value : object
        An array of dask, zarr or HDF5, or an object of xarray that has some; anything else is
        returned as it is.
    threshold : float
        Arrays with no more elements are read, and stored as those of numpy are.
    """
    found: list[Standing] = []

    def stand_in(array: Any) -> Any:
        blocks = block_array(array)
        if blocks is None:
            return array
        if math.prod(blocks.shape) <= threshold or not blocks.shape:
            return numpy.asarray(blocks.source)
        found.append((blocks.placeholder(), blocks))
        return found[-1][0]

    if not _is_of(value, "xarray", "DataArray", "Dataset", "Variable"):
        return stand_in(value), found

    def in_memory(variables: Any) -> dict[Any, Any]:
        chunked = {name: array.variable for name, array in variables.items() if array.chunks}
        return {name: v.copy(data=stand_in(v.data)) for name, v in chunked.items()}

    if not _is_of(value, "xarray", "Variable"):
        value = value.assign_coords(new) if (new := in_memory(value.coords)) else value
    if _is_of(value, "xarray", "Dataset"):
        return value.assign(new) if (new := in_memory(value.data_vars)) else value, found
    if not value.chunks:
        return value, found
    # A deep copy would copy the placeholders of coordinates.
    return value.copy(deep=False, data=stand_in(value.data)), found


def named_blocks(arrays: Mapping[str, Array], found: Sequence[Standing]) -> dict[str, BlockArray]:
    """Return what is written in place of those of `arrays` that stand for others, by name.

    Raises
    ------
    UnsupportedObjectError
        If some array is not to be written as it is, say because a library has copied it.
    """
    if not found:
        return {}
    names = {address(array): name for name, array in arrays.items()}
    named = {names.get(address(placeholder)): blocks for placeholder, blocks in found}
    if None in named:
        raise UnsupportedObjectError(
            "it has arrays of dask that are not stored block by block; give its compute()"
        )
    return {name: blocks for name, blocks in named.items() if name is not None}
