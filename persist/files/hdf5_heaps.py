"""Damage to the heaps of an HDF5 file that would make the HDF5 library loop for ever.

Strings of variable length are in collections of objects (global heaps). When the library loads a
collection it steps from object to object, and never gets past one that is said to take no room:
index 0 with size 0, or a size that makes the step overflow. HDF5 2.0.0 does so where the step is 0,
and 1.14.2 also where it leads back; all other damage to a collection ends in an error.

Raw data may hold the same bytes, and so may freed space. A file is therefore refused only if HDF5
was seen to load the collection, from a copy in which its version is wrong.

References
----------
HDF5 File Format Specification 3.0, section III.E, "Disk Format: Level 1E - Global Heap".
"""

from __future__ import annotations

import math
import mmap
import os
import re
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any

import numpy

from persist.errors import DamagedError

__all__ = ["check_heaps"]

_LARGEST = 16 << 20  # bytes of a file that is checked
_STEPS = 1 << 20  # objects that are stepped over in all, more than valid collections can hold
_SECONDS = 5.0  # to look for what uses a collection
_AT_ONCE = 1 << 28  # bytes of strings that are read at once

_SIGNATURE = re.compile(rb"GCOL\x01")
_LOADED = "wrong version number in global heap"
_HEADER = struct.Struct("<H6xQ")  # index, count of references and reserved bytes, size
_SMALLEST = 4096  # bytes of a collection

_sound: set[tuple[int, ...]] = set()


def check_heaps(path: str, file: IO[bytes] | None = None) -> None:
    """Raise DamagedError if HDF5 would loop for ever in a heap of a file.

    Files larger than 16 MiB are not checked, and a file that has not changed is not checked again.
    No writer has the file open; `file` is the same, open for reading.
    """
    if file is None:
        with open(path, "rb") as opened:
            check_heaps(path, opened)
        return
    found = os.fstat(file.fileno())
    identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    if not 0 < found.st_size <= _LARGEST or identity in _sound:
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        endless = _endless(data)
        if endless and _is_used(endless, data):
            raise DamagedError(
                f"cannot read {path}: it is damaged, and the HDF5 library would read the strings "
                f"at byte {endless[0]} for ever; restore the file from a copy"
            )
    if len(_sound) >= 1000:
        _sound.clear()
    _sound.add(identity)


def _endless(data: mmap.mmap) -> list[int]:
    """Return where there are what may be collections, in which HDF5 would loop."""
    found = []
    left = _STEPS
    for match in _SIGNATURE.finditer(data):
        start = match.start()
        size = int.from_bytes(data[start + 8 : start + 16], "little")
        end = start + size
        if size < _SMALLEST or end > len(data):
            continue  # HDF5 refuses it.
        at = start + _HEADER.size
        while at + _HEADER.size <= end and left:
            left -= 1
            index, size = _HEADER.unpack_from(data, at)
            if index:
                size = (_HEADER.size + (size + 7) // 8 * 8) % 2**64
            if not size or size >= 2**63:
                found.append(start)
                break
            at += size
    return found


def _is_used(heaps: list[int], data: mmap.mmap) -> bool:
    """Return True if HDF5 loads one of some collections when it reads what hard links lead to."""
    import h5py

    image = bytearray(data)
    for start in heaps:
        image[start + 4] = 0
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fapl_core(backing_store=False)
    access.set_file_image(bytes(image))
    # HDF5 takes two files in memory of one name for the same.
    name = f"persist-{uuid.uuid4()}".encode()
    with h5py.File(h5py.h5f.open(name, h5py.h5f.ACC_RDONLY, fapl=access)) as file:
        deadline = time.monotonic() + _SECONDS
        at_once = max(1, _AT_ONCE // len(image))
        reads = _reads(file, at_once)
        while time.monotonic() < deadline:
            try:
                next(reads)()
            except StopIteration:
                break
            except Exception as error:  # of any kind, as the file is damaged
                if _LOADED in str(error):
                    return True
    return False


def _reads(file: Any, at_once: int) -> Iterator[Callable[[], object]]:
    """Yield functions that read what may be in collections, a few values at a time."""
    import h5py

    ahead = [file]
    seen = set()

    def enter(group: Any, name: str) -> None:
        # Other links may lead out of the file.
        if "/" not in name and isinstance(group.get(name, getlink=True), h5py.HardLink):
            ahead.append(group[name])

    while ahead:
        node = ahead.pop()
        about = h5py.h5o.get_info(node.id)
        if (about.fileno, about.addr) in seen:
            continue
        seen.add((about.fileno, about.addr))
        for name in node.attrs:
            if math.prod(node.attrs.get_id(name).shape) <= at_once:
                yield partial(node.attrs.__getitem__, name)
        if isinstance(node, h5py.Group):
            yield from (partial(enter, node, name) for name in node)
        elif isinstance(node, h5py.Dataset) and node.dtype.hasobject and node.shape is not None:
            if node.external or node.is_virtual:
                continue  # Reading it would open other files.
            places: Any = [()] if node.size <= at_once else numpy.ndindex(node.shape)
            yield from (partial(node.__getitem__, place) for place in places)
