"""A zip of a group of zarr v3, with an array for each array; ``zarr.storage.ZipStore`` opens it.

Each array is sharded, and its chunks are compressed by zstd. Numbers are held natively, in the byte
order of the machine. As in HDF5, the attributes ``memory_order`` and ``numpy_dtype`` tell the rest:
see `persist.archive.arrays.vocabulary`.

zarr runs on Python 3.11 or later, so this is the one format that no older Python reads.

References
----------
The Zarr core specification, version 3; "Sharding codec", version 1.0.
"""

from __future__ import annotations

import ast
import math
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import numpy

from persist.archive.arrays.blocks import BlockArray
from persist.archive.arrays.dtypes import DType, dtype_literal
from persist.archive.arrays.npz import zip_member
from persist.archive.arrays.pieces import grid_boxes, is_fortran, largest_box
from persist.archive.arrays.store import (
    Array,
    Loader,
    Store,
    check_unchanged_mode,
    choose_keys,
)
from persist.archive.arrays.vocabulary import ARCHIVE, as_numbers, last_axis, number_type
from persist.errors import DamagedError, MissingExtraError
from persist.files import remove_path
from persist.files.regular import check_regular

__all__ = ["ZarrStore", "decode_shard", "is_number", "read_grid", "unpacked"]

_CHUNK = 1 << 20  # bytes of what is compressed, and read, at once
_SHARD = 1 << 23  # bytes of what is written at once, where no blocks are given
_PARTS = ".parts"
_NUMBERS = "biufc"
_WIDEST = {"f": 8, "c": 16}

# What becomes of each chunk, as the metadata of an array say it.
_LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
_ZSTD = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
_INDEX = 16  # bytes for each chunk: where it begins, and how long it is
_CHECK = 4  # bytes
_ABSENT = -1  # in that index, for a chunk that is wholly outside of the array


def _zarr() -> ModuleType:
    try:
        import zarr
        import zarr.codecs
        import zarr.storage
    except ImportError as error:
        raise MissingExtraError("zarr", "cloud") from error
    return zarr


def is_number(dtype: DType) -> bool:
    """Return True if zarr holds a type natively."""
    return dtype.kind in _NUMBERS and dtype.itemsize <= _WIDEST.get(dtype.kind, 8)


def _numbers(dtype: DType) -> DType:
    """Return the numbers that stand for elements of a type, in its byte order."""
    return dtype if is_number(dtype) else number_type(dtype)


def _create(group: Any, name: str, array: Array, block: Sequence[int] | None = None) -> Any:
    """Create an array in an open group, for the elements of `array`, or for blocks of a shape."""
    zarr, fortran = _zarr(), is_fortran(array)
    numbers = _numbers(array.dtype)
    inner = last_axis(array.dtype, numbers)
    shape = (array.shape[::-1] if fortran else array.shape) + inner
    shard, chunk = _shard_and_chunk(shape, numbers.itemsize, block and (*block, *inner))
    attributes = {ARCHIVE.order: "F"} if fortran else {}
    if not (is_number(array.dtype) and array.dtype.isnative):
        attributes[ARCHIVE.dtype] = dtype_literal(array.dtype)
    return group.create_array(
        name,
        shape=shape,
        dtype=numbers.newbyteorder("="),
        shards=shard or None,
        chunks=chunk,
        compressors=zarr.codecs.ZstdCodec(level=0, checksum=False),
        fill_value=0,
        attributes=attributes,
        # Otherwise a chunk of zeros, some of them negative, would not be there to tell.
        config={"write_empty_chunks": True},
    )


def _shard_and_chunk(
    shape: Sequence[int], itemsize: int, block: Sequence[int] | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of shards and of chunks; a chunk divides a shard.

    With blocks, each is one shard: two writers of one shard would undo what the other has written.
    """
    chunk = largest_box(block or shape, _CHUNK // itemsize)
    shard = list(block or largest_box(shape, _SHARD // itemsize))
    for axis, (length, size) in enumerate(zip(shape, shard, strict=True)):
        if size >= length:
            # The only shard along an axis may be longer than the array.
            shard[axis] = math.ceil(max(1, length) / chunk[axis]) * chunk[axis]
        elif block is None:
            shard[axis] = size // chunk[axis] * chunk[axis]
        else:
            chunk[axis] = _divisor_near(size, chunk[axis])
    return tuple(shard), tuple(chunk)


def _divisor_near(number: int, wanted: int) -> int:
    """Return the divisor of a number whose ratio to another one is nearest to 1."""
    small = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    return min([*small, *(number // n for n in small)], key=lambda n: abs(math.log(n / wanted)))


def _put(target: Any, region: tuple[slice, ...], block: Array) -> None:
    """Write a block, in C order, to the part of an open array that has its place."""
    numbers = as_numbers(numpy.asarray(block, order="C"), _numbers(block.dtype))
    if len(region) < target.ndim:
        region = (*region, slice(None))
    target[region] = numbers.astype(numbers.dtype.newbyteorder("="), copy=False)


def _put_all(target: Any, array: Array) -> Iterator[None]:
    """Write an array, and yield after each of its shards."""
    layout = array.T if is_fortran(array) else array
    shard = (target.shards or target.shape)[: layout.ndim]
    for region in grid_boxes(layout.shape, shard):
        # With an ellipsis, since a scalar forgets the width of its text.
        part: tuple[Any, ...] = (*region, ...)
        _put(target, region, layout[part])
        yield


def unpacked(
    shape: tuple[int, ...],
    numbers: DType,
    attributes: Mapping[str, Any],
    pieces: Iterable[tuple[Any, Array]],
) -> Array:
    """Return the array that an array of zarr stands for, in memory of its own.

    Parameters
    ----------
    shape, numbers, attributes
        What the metadata of the array of zarr say.
    pieces : iterable of (tuple of slice, ndarray)
        Regions of it with what they hold, which together are all of it.

    Raises
    ------
    DamagedError
        If the array would have another amount of memory than its numbers.
    """
    dtype, held = numpy.dtype(numbers.str), shape
    if ARCHIVE.dtype in attributes:
        dtype = numpy.dtype(ast.literal_eval(attributes[ARCHIVE.dtype]))
        shape = shape if dtype.itemsize == numbers.itemsize else shape[:-1]
    if math.prod(shape) * dtype.itemsize != math.prod(held) * numbers.itemsize:
        raise DamagedError(f"an array of {numbers} of shape {held} cannot be one of {dtype}")
    order: Any = attributes.get(ARCHIVE.order, "C")
    # Unlike empty, ndarray does not make strings of no width wider.
    array: Array = numpy.ndarray(shape[::-1] if order == "F" else shape, dtype, order=order)
    if array.nbytes:
        flat = array.reshape(-1, order="A").view(numbers.newbyteorder(dtype.byteorder))
        for region, piece in pieces:
            flat.reshape(held)[region] = piece
    return array


_LOADER = """\
def read(found):
    dtype, shape, order = numpy.dtype(found.dtype.str), found.shape, 'C'
    # A type that zarr lacks is stored as numbers.
    if 'numpy_dtype' in found.attrs:
        dtype = numpy.dtype(ast.literal_eval(found.attrs['numpy_dtype']))
        if dtype.itemsize != found.dtype.itemsize:
            shape = shape[:-1]
    # An array in Fortran order is stored with its axes reversed.
    if found.attrs.get('memory_order') == 'F':
        shape, order = shape[::-1], 'F'
    array = numpy.ndarray(shape, dtype, order=order)
    if array.nbytes:
        flat = array.reshape(-1, order='A').view(found.dtype.newbyteorder(dtype.byteorder))
        flat.reshape(found.shape)[...] = found[...]
    return array

def store():
    source = opened(path)
    if isinstance(source, str):
        return zarr.storage.ZipStore(source, mode='r')
    # A zip in a zip: ZipStore opens paths only.
    held = zarr.buffer.cpu.Buffer.from_bytes
    with zipfile.ZipFile(source) as file:
        members = {name: held(file.read(name)) for name in file.namelist()}
    return zarr.storage.MemoryStore(members, read_only=True)

with store() as file:
    group = zarr.open_group(file, mode='r')
    return {name: read(group[name]) for name in names}
"""


def read_grid(about: Mapping[str, Any], numbers: DType) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of shards and chunks that the metadata of an array say.

    Raises
    ------
    DamagedError
        If the array is not stored as persist stores one.
    """
    (codec,) = about["codecs"][-1:]
    if about["shape"]:
        shard, inner = about["chunk_grid"]["configuration"]["chunk_shape"], codec["configuration"]
        chunk, codecs = inner["chunk_shape"], inner["codecs"]
        sharding = {
            "chunk_shape": chunk,
            "codecs": codecs,
            "index_codecs": [_LITTLE, {"name": "crc32c"}],
            "index_location": "end",
        }
        is_known = about["codecs"] == [{"name": "sharding_indexed", "configuration": sharding}]
    else:
        shard, chunk, codecs, is_known = [], [], about["codecs"], True
    is_known = is_known and codecs in (
        [_LITTLE, _ZSTD],
        # What has single bytes has no order of them.
        *([[{"name": "bytes"}, _ZSTD]] if numbers.itemsize == 1 else []),
    )
    is_known = is_known and (about["zarr_format"], about["node_type"]) == (3, "array")
    is_known = is_known and not about.get("storage_transformers")
    is_known = is_known and about["chunk_key_encoding"] == {
        "name": "default",
        "configuration": {"separator": "/"},
    }
    sizes = (*shard, *chunk)
    is_known = is_known and len(shard) == len(chunk) == len(about["shape"])
    if not (
        is_known
        and all(type(size) is int and size > 0 for size in sizes)
        and all(size % part == 0 for size, part in zip(shard, chunk, strict=True))
    ):
        raise DamagedError("an array of zarr is stored in another way than that of persist")
    return tuple(shard), tuple(chunk)


def decode_shard(
    data: bytes, shard: tuple[int, ...], chunk: tuple[int, ...], numbers: DType
) -> Array:
    """Return the content of a shard, without zarr and whatever may be registered with it.

    Raises
    ------
    DamagedError
        If it does not hold its chunks.
    """
    from numcodecs import zstd

    array: Array = numpy.zeros(shard, numbers)
    boxes = list(grid_boxes(shard, chunk))
    index = numpy.array([[0, len(data)]])
    if shard:
        end = len(data) - _CHECK
        index = numpy.frombuffer(data, "<u8", 2 * len(boxes), end - _INDEX * len(boxes))
        index = index.reshape(-1, 2).astype(int)
    for box, (start, length) in zip(boxes, index.tolist(), strict=True):
        if start == length == _ABSENT:
            continue
        if not 0 <= start <= start + length <= len(data):
            raise DamagedError("a shard of zarr does not hold a chunk that it lists")
        held: Array = numpy.zeros(chunk, numbers)
        # It fills no more memory than it is given.
        zstd.decompress(data[start : start + length], held)
        array[box] = held
    return array


class ZarrStore(Store):
    """Arrays in one zip, sharded and compressed."""

    data_format = "zarr"
    extension = ".zarr.zip"
    extensions = (".zarr.zip", ".zip")

    def write_file(self, filename: str, arrays: Mapping[str, Array]) -> None:
        """Write all arrays; the bytes depend on nothing else but the version of zarr."""
        zarr = _zarr()
        made: dict[str, Any] = {}
        group = zarr.create_group(zarr.storage.MemoryStore(made))
        with open(filename, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                target = _create(group, name, array)
                for _ in _put_all(target, array):
                    for key in [key for key in made if not key.endswith("zarr.json")]:
                        _add(archive, key, [made.pop(key).as_numpy_array().data])
            for key in sorted(made):
                _add(archive, key, [made[key].to_bytes()])

    def begin(
        self, path: str, arrays: Mapping[str, Array], blocks: Mapping[str, BlockArray]
    ) -> None:
        """Write what has no blocks, and make room for what has, in a folder beside `path`."""
        zarr = _zarr()
        group = zarr.create_group(zarr.storage.LocalStore(path + _PARTS))
        for name, array in arrays.items():
            target = _create(group, name, array, blocks[name].block if name in blocks else None)
            for _ in () if name in blocks else _put_all(target, array):
                pass

    def write_block(self, path: str, name: str, region: tuple[slice, ...], block: Array) -> None:
        """Write one block, which is one shard, and so one file."""
        zarr = _zarr()
        target = zarr.open_array(path + _PARTS, path=name, mode="r+", zarr_format=3)
        target = target.with_config({"write_empty_chunks": True})
        _put(target, region, block)

    def finish(self, path: str) -> None:
        """Move the files of all shards into one zip."""
        parts = path + _PARTS
        found = [
            os.path.join(folder, name) for folder, _, names in os.walk(parts) for name in names
        ]
        keys = {os.path.relpath(file, parts).replace(os.sep, "/"): file for file in found}
        with zipfile.ZipFile(path, "w") as archive:
            for key in sorted(keys, key=lambda key: (key.endswith("zarr.json"), key)):
                with open(keys[key], "rb") as file:
                    _add(archive, key, iter(partial(file.read, _CHUNK), b""))
                os.unlink(keys[key])
        remove_path(parts)

    def load(
        self, path: str, keys: Iterable[str] | None = None, mmap_mode: str | None = None
    ) -> dict[str, Array]:
        """Return arrays of the zip.

        They cannot be mapped: mode ``r`` gives an open ``zarr.Array`` where numbers are stored as
        they are, and otherwise, as mode ``c`` does, a copy in memory.
        """
        check_unchanged_mode(path, mmap_mode)
        check_regular(path)
        zarr = _zarr()
        # zarr cannot close a zip that it could not open.
        zipfile.ZipFile(path).close()
        file = zarr.storage.ZipStore(path, mode="r")
        is_kept = False
        try:
            group = zarr.open_group(file, mode="r")
            arrays = dict(group.arrays())
            arrays = {key: arrays[key] for key in choose_keys(keys, arrays, path)}
            for key, found in arrays.items():
                is_plain = not found.attrs.keys() & set(ARCHIVE.names)
                if mmap_mode == "r" and is_plain and found.size:
                    is_kept = True
                else:
                    # A chunk at a time.
                    boxes = grid_boxes(found.shape, found.chunks)
                    pieces = ((box, found[box]) for box in boxes)
                    arrays[key] = unpacked(found.shape, found.dtype, found.attrs, pieces)
        finally:
            if not is_kept:
                file.close()
        return arrays

    def loader(self, arrays: Mapping[str, Array]) -> Loader:
        """Return source that reads the zip ``path``."""
        others = ("numpy", "zarr", "zarr.buffer", "zarr.storage")
        return Loader(("ast", "zipfile"), others, _LOADER)


def _add(archive: zipfile.ZipFile, key: str, pieces: Iterable[Any]) -> None:
    with archive.open(zip_member(key), "w", force_zip64=True) as member:
        for piece in pieces:
            member.write(piece)
