"""The files that can be packed: one format a module, behind the contract of `Source`."""

from __future__ import annotations

import dbm
import importlib
import os

from persist.cli.errors import CommandError
from persist.cli.sources.source import COMPRESSED, Listed, Loaded, Source
from persist.files import open_regular

__all__ = ["EXTENSIONS", "Listed", "Loaded", "Source", "is_known", "needs_trust", "open_source"]

_HDF5 = ("hdf5", "Hdf5Source")
_DELIMITED = ("delimited", "DelimitedSource")
_PICKLE = ("pickle_file", "PickleSource")
_SHELF = ("shelf", "ShelfSource")
_ARROW = ("arrow", "ArrowSource")
_NETCDF = ("netcdf", "NetcdfSource")

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
    ".jsonl": ("json_file", "JsonSource"),
    ".ndjson": ("json_file", "JsonSource"),
    ".mat": ("mat", "MatSource"),
    ".parquet": _ARROW,
    ".pq": _ARROW,
    ".arrow": _ARROW,
    ".feather": _ARROW,
    ".nc": _NETCDF,
    ".nc4": _NETCDF,
    ".cdf": _NETCDF,
    ".pkl": _PICKLE,
    ".pickle": _PICKLE,
    ".joblib": _PICKLE,
    ".shelf": _SHELF,
    ".shelve": _SHELF,
    ".db": _SHELF,
    ".dir": _SHELF,
}


def open_source(path: str, *, trust_pickle: bool = False) -> Source:
    """Return the source for a file, by the extension of its name.

    The path of a shelf may also be the name that it was opened by. Formats that run code as they
    are read need `trust_pickle`.
    """
    found = _format_of(path)
    if found is None:
        if not os.path.lexists(path):
            raise CommandError(f"cannot pack {path}: there is nothing at that path")
        known = " ".join(EXTENSIONS)
        raise CommandError(
            f"{path}: its extension is not that of a format that can be packed: {known}"
        )
    if found is not _SHELF or not dbm.whichdb(path):
        # The libraries of some formats have messages of their own, which do not name the file.
        open_regular(path, follow=True).close()
    if needs_trust(path) and not trust_pickle:
        raise CommandError(
            f"cannot pack {path}: reading a pickle runs the code that it names; if you trust it, "
            "give --trust-pickle"
        )
    module, name = found
    source: Source = getattr(importlib.import_module(f"{__name__}.{module}"), name)(path)
    return source


def is_known(path: str) -> bool:
    """Return True if a format has the extension of a path, or the file is a shelf."""
    return _format_of(path) is not None


def needs_trust(path: str) -> bool:
    """Return True if reading a file runs what the file says."""
    return _format_of(path) in (_PICKLE, _SHELF)


def _format_of(path: str) -> tuple[str, str] | None:
    stem, extension = os.path.splitext(path.lower())
    if extension in COMPRESSED:
        # Only pickles are read through a compression.
        inner = EXTENSIONS.get(os.path.splitext(stem)[1])
        return _PICKLE if inner is _PICKLE else None
    if extension in EXTENSIONS:
        return EXTENSIONS[extension]
    # gdbm adds no extension, and others are asked for without theirs.
    is_shelf = not extension and not os.path.isdir(path) and bool(dbm.whichdb(path))
    return _SHELF if is_shelf else None
