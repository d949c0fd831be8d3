"""An npy file: one array, named as the file is."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable

import numpy

from persist.archive.arrays.npy import read_array, read_header
from persist.archive.arrays.store import Array
from persist.cli.sources.source import Listed, Loaded
from persist.files import open_regular

__all__ = ["NpySource"]


class NpySource:
    """One array, which stays in its file until it is used."""

    def __init__(self, path: str) -> None:
        self._path = path

    def names(self) -> list[Listed]:
        """Return the stem of the file."""
        stem = os.path.splitext(os.path.basename(self._path))[0]
        with open_regular(self._path, follow=True) as file:
            try:
                read_header(file)
            except ValueError as error:
                return [Listed(stem, str(error))]
        return [Listed(stem)]

    def load(self, names: Iterable[str]) -> Generator[Loaded, None, None]:
        """Yield the array."""
        for _ in names:
            yield Loaded(_mapped(self._path))


def _mapped(path: str) -> Array:
    with open_regular(path, follow=True) as file:
        shape, _, dtype = read_header(file)
        if not dtype.itemsize or 0 in shape:
            # There is nothing to map.
            file.seek(0)
            return read_array(file)
    # Mapped for changes in memory, so that the array is no read-only one.
    return numpy.asarray(numpy.load(path, mmap_mode="c", allow_pickle=False))
