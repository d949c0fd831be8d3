"""A folder of npy files, one for each array."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy

from persist.archive.arrays.npyfile import npy_header, read_array, write_array
from persist.archive.arrays.pieces import byte_pieces, is_contiguous
from persist.archive.arrays.store import Array, Loader, check_mode, choose_keys

__all__ = ["NpyStore"]

_LOADER = Loader(
    standard=(),
    others=("numpy",),
    body="""
def read(name):
    # What numpy.load reads would be a view of other memory; this array owns its own.
    filename = os.path.join(path, name + '.npy')
    source = opened(filename)
    if source is not filename:
        return numpy.array(numpy.load(source, allow_pickle=False))
    mapped = numpy.load(filename, mmap_mode='r', allow_pickle=False)
    array = numpy.empty_like(mapped, subok=False)
    if array.nbytes:
        with open(filename, 'rb') as file:
            file.seek(mapped.offset)
            file.readinto(array.reshape(-1, order='A').view('u1'))
    return array

return {name: read(name) for name in names}
""",
)


class NpyStore:
    """Arrays in a folder, as ``<name>.npy``; ``numpy.load`` opens each of them."""

    data_format = "npy"
    extension = ""
    extensions: tuple[str, ...] = ()
    is_folder = True

    def files(self, path: str, arrays: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
        """Return one file for each array."""
        return {_filename(path, name): {name: array} for name, array in arrays.items()}

    def write_file(self, filename: str, arrays: Mapping[str, Array]) -> None:
        """Write one array."""
        (array,) = arrays.values()
        with open(filename, "wb") as file:
            if is_contiguous(array):
                # tofile has the system reserve the space first, which is twice as fast.
                file.write(npy_header(array))
                array.reshape(-1, order="A").tofile(file)
            else:
                write_array(file, array)

    def content(self, arrays: Mapping[str, Array]) -> Iterator[bytes | memoryview]:
        """Yield what `write_file` writes."""
        (array,) = arrays.values()
        yield npy_header(array)
        yield from byte_pieces(array)

    def load(
        self, path: str, keys: Iterable[str] | None = None, mmap_mode: str | None = None
    ) -> dict[str, Array]:
        """Return arrays of the folder."""
        check_mode(mmap_mode)
        stems = {stem for stem, ext in map(os.path.splitext, os.listdir(path)) if ext == ".npy"}
        return {
            key: _load(_filename(path, key), mmap_mode) for key in choose_keys(keys, stems, path)
        }

    def loader(self, arrays: Mapping[str, Array]) -> Loader:
        """Return source that reads the folder ``path``."""
        return _LOADER


def _filename(path: str, name: str) -> str:
    return os.path.join(path, f"{name}.npy")


def _load(filename: str, mmap_mode: str | None) -> Array:
    if mmap_mode is not None:
        mode: Any = mmap_mode
        mapped: Array = numpy.load(filename, mmap_mode=mode, allow_pickle=False)
        return mapped
    with open(filename, "rb") as file:
        return read_array(file)
