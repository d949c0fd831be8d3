"""The files that can be packed: one format a module, behind the contract of `Source`."""

from __future__ import annotations

import importlib
import os

from persist.cli.errors import CommandError
from persist.cli.sources.source import Listed, Loaded, Source

__all__ = ["EXTENSIONS", "Listed", "Loaded", "Source", "open_source"]

_HDF5 = ("hdf5", "Hdf5Source")
_DELIMITED = ("delimited", "DelimitedSource")

# By name, because the formats import libraries that no other command needs.
EXTENSIONS = {
    ".npz": ("npz", "NpzSource"),
    ".npy": ("npy", "NpySource"),
    ".h5": _HDF5,
    ".hdf5": _HDF5,
    ".hd5": _HDF5,
    ".hf5": _HDF5,
    ".csv": _DELIMITED,
    ".tsv": _DELIMITED,
    ".json": ("json_file", "JsonSource"),
    ".mat": ("mat", "MatSource"),
}


def open_source(path: str) -> Source:
    """Return the source for a file, by the extension of its name.

    Raises
    ------
    CommandError
        If no format has that extension.
    OSError
        If the file cannot be read.
    """
    extension = os.path.splitext(path)[1].lower()
    if extension not in EXTENSIONS:
        known = " ".join(EXTENSIONS)
        raise CommandError(f"{path}: the extension tells no format that can be packed: {known}")
    # The libraries of some formats have messages of their own, which do not name the file.
    with open(path, "rb"):
        pass
    module, name = EXTENSIONS[extension]
    source: Source = getattr(importlib.import_module(f"{__name__}.{module}"), name)(path)
    return source
