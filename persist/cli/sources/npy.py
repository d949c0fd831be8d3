"""An npy file: one array, named as the file is."""

from __future__ import annotations

import numpy

from persist.archive.arrays.npy import read_array, read_header
from persist.cli.sources.source import Listed, Loaded, Source, stem_of
from persist.files import open_regular

__all__ = ["NpySource"]


class NpySource(Source):
    """One array, which stays in its file until it is used."""

    def names(self) -> list[Listed]:
        """Return the stem of the file."""
        with open_regular(self._path, follow=True) as file:
            try:
                read_header(file)
            except ValueError as error:
                return [Listed(stem_of(self._path), str(error))]
        return super().names()

    def load(self, name: str) -> Loaded:
        """Return the array."""
        with open_regular(self._path, follow=True) as file:
            shape, _, dtype = read_header(file)
            if not dtype.itemsize or 0 in shape:
                # There is nothing to map.
                file.seek(0)
                return Loaded(read_array(file))
        # Mapped for changes in memory, so that the array is not a read-only one.
        return Loaded(numpy.asarray(numpy.load(self._path, mmap_mode="c", allow_pickle=False)))
