"""Arrays as the dataset ``data``, which other software reads, and the memory that they share.

An array that shares memory with others of its item has the attribute ``encoding-memory``: JSON that
says where in which memory it lies. ``buffer`` is a number for each stretch of memory of the item
and ``size`` its length in bytes; ``offset`` and ``strides``, in bytes too, are those of the array.
The reader makes the stretches, and the arrays as views of them. Each array is stored in full all
the same. For the other attributes see `persist.archive.arrays.vocabulary`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from persist.archive.arrays import Array
from persist.archive.arrays.datasets import Stored, encode, text_of
from persist.archive.arrays.pieces import address
from persist.archive.arrays.vocabulary import ITEM
from persist.archive.views import shared_buffers
from persist.errors import DamagedError
from persist.hdf5.content import Content
from persist.hdf5.extras import dataset_layout
from persist.hdf5.vocabulary import marked

ARRAY = dataset_layout(*ITEM.names)


def array_content(array: Array) -> Content | None:
    """Return the content for an array of exactly that class, or None if HDF5 lacks its type."""
    data = encode(array, ITEM)
    if data is None:
        return None
    own = data.attributes.keys() - {ITEM.text}
    attributes = marked("ndarray", "ndarray" if own else None)
    return Content(attributes, {"data": data}, dated=True, array=array)


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
        "offset": address(array) - address(buffer),
        "strides": array.strides,
    }
    return {ITEM.memory: json.dumps(place)}


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
            place = json.loads(text_of(stored.attributes[ITEM.memory]))
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
                f"{ITEM.memory}: {error}"
            ) from error
