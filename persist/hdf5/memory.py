"""Arrays of one item that share memory.

Each is stored in full, so that other software reads it. The attribute ``encoding-memory`` of its
dataset says, as JSON, where in which memory it lies: ``buffer`` is a number for each stretch of
memory of the item and ``size`` its length in bytes; ``offset`` and ``strides``, in bytes too, are
those of the array. The reader makes the stretches, and the arrays as views of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from persist.archive.arrays import Array
from persist.archive.views import shared_buffers
from persist.errors import DamagedError
from persist.hdf5.arrays import MEMORY
from persist.hdf5.marks import text_of
from persist.hdf5.stored import Stored

__all__ = ["Memory", "Stretch", "mark_memory", "stretches"]

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
        """Return the array, still to be filled, that a dataset with that attribute stands for.

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
