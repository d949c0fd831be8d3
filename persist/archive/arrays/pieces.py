"""Arrays as plain bytes, a piece at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy

from persist.archive.arrays.store import Array, Run

__all__ = [
    "PIECE",
    "address",
    "as_bytes",
    "boxes",
    "byte_pieces",
    "grid_boxes",
    "is_fortran",
    "largest_box",
    "write_region",
]

PIECE = 1 << 19  # bytes; two of them are in memory at a time
_SHORT = 1 << 12  # bytes; many pieces of less are written quicker through a map of the file


def address(array: Array) -> int:
    """Return where in memory the first element of an array is."""
    return int(array.__array_interface__["data"][0])


def is_fortran(array: Array) -> bool:
    """Return True if `array` is in Fortran order and not in C order as well."""
    return array.flags.fnc


def as_bytes(array: Array) -> memoryview:
    """Return the memory of a contiguous array; writing to it changes the array if it may be."""
    # Dates and empty items have no buffer of their own.
    flat = array.reshape(-1, order="A")
    return flat.view(numpy.uint8).data if array.nbytes else memoryview(b"")


def boxes(shape: Sequence[int], limit: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array into boxes of at most `limit` elements, each of them one run in C order.

    Examples
    --------
    >>> list(boxes((2, 3), 3))
    [(slice(0, 1, None), slice(0, 3, None)), (slice(1, 2, None), slice(0, 3, None))]
    """
    return grid_boxes(shape, largest_box(shape, limit))


def largest_box(shape: Sequence[int], limit: int) -> list[int]:
    """Return the shape of the largest box, one run in C order, of at most `limit` elements.

    Examples
    --------
    >>> largest_box((4, 10), 20), largest_box((4, 10), 5), largest_box((0, 3), 5)
    ([2, 10], [1, 5], [1, 3])
    """
    box = [max(1, length) for length in shape]
    for axis, length in enumerate(box):
        box[axis] = min(length, max(1, limit // math.prod(box[axis + 1 :])))
        if box[axis] > 1:
            break
    return box


def grid_boxes(shape: Sequence[int], step: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Cut an array into the boxes of a regular grid; the last ones along an axis may be smaller.

    Examples
    --------
    >>> list(grid_boxes((3,), (2,)))
    [(slice(0, 2, None),), (slice(2, 3, None),)]
    """
    axes = [
        [slice(start, min(start + size, length)) for start in range(0, length, size)]
        for length, size in zip(shape, step, strict=True)
    ]
    return itertools.product(*axes)


def byte_pieces(array: Array) -> Iterator[memoryview]:
    """Yield the bytes of an array, in Fortran order if it is in that order, else in C order."""
    if array.flags.forc:
        memory = as_bytes(array)
        for start in range(0, len(memory), PIECE):
            yield memory[start : start + PIECE]
        return
    for box in boxes(array.shape, max(1, PIECE // max(1, array.itemsize))):
        yield as_bytes(numpy.ascontiguousarray(array[box]))


def write_region(run: Run, region: tuple[slice, ...], block: Array) -> None:
    """Write a block to its place in an array that is one run of a file.

    Any number of threads and processes may do so at the same time, each for regions of its own.

    Raises
    ------
    ValueError
        If the block has another shape than its region.
    """
    lengths = tuple(part.stop - part.start for part in region)
    block = numpy.broadcast_to(block, lengths)
    # Axes that are covered whole belong to one piece, as does a part of the axis before them.
    axis = len(lengths)
    while axis and lengths[axis - 1] == run.shape[axis - 1]:
        axis -= 1
    axis = max(0, axis - 1)
    size = math.prod(lengths[axis:]) * run.dtype.itemsize
    if size < min(_SHORT, block.size * run.dtype.itemsize):
        mapped = numpy.memmap(run.filename, run.dtype, "r+", run.offset, run.shape)
        mapped[region] = block
        # Another machine may read the file.
        mapped.flush()
        return
    memory = as_bytes(numpy.asarray(block, run.dtype, order="C"))
    outer = [range(part.start, part.stop) for part in region[:axis]]
    with open(run.filename, "r+b", buffering=0) as file:
        for index in itertools.product(*outer):
            file.seek(run.place([*(slice(i, i + 1) for i in index), *region[axis:]]))
            piece, memory = memory[:size], memory[size:]
            while piece:
                # A system may write less than it is given: Linux at most 2 GB.
                piece = piece[file.write(piece) :]
