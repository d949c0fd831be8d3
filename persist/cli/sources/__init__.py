"""Readers of the file formats that can be packed, one per module; see `Source`."""

from __future__ import annotations

import dbm
import importlib
import os

from persist.cli.errors import CommandError
from persist.cli.sources.source import COMPRESSED, Listed, Loaded, Source
from persist.exchange.kinds import why_refused
from persist.files import open_regular

__all__ = ["EXTENSIONS", "Listed", "Loaded", "Source", "is_known", "open_source"]

# By name, because the formats import libraries that no other command needs.
_FORMATS = {
    "npz.NpzSource": ".npz",
    "npy.NpySource": ".npy",
    "hdf5.Hdf5Source": ".h5 .hdf5 .hd5 .hf5",
    "delimited.DelimitedSource": ".csv .tsv",
    "json_file.JsonSource": ".json .jsonl .ndjson",
    "mat.source_of": ".mat",
    "arrow.ArrowSource": ".parquet .pq .arrow .feather",
    "netcdf.NetcdfSource": ".nc .nc4 .cdf",
    (_PICKLE := "pickle_file.PickleSource"): ".pkl .pickle .joblib",
    (_SHELF := "shelf.ShelfSource"): ".shelf .shelve .db .dir",
}
EXTENSIONS = {extension: name for name, all in _FORMATS.items() for extension in all.split()}


def open_source(path: str, *, trust_pickle: bool = False) -> Source:
    """Return the source for a file, by the extension of its name.

    The path of a shelf may also be the name that it was opened by. Formats that run code as they
    are read need `trust_pickle`.
    """
    found = _format_of(path)
    if found is None:
        if not os.path.exists(path):
            raise CommandError(f"cannot pack {path}: {why_refused(path)}")
        known = " ".join(EXTENSIONS)
        raise CommandError(
            f"{path}: its extension is not that of a format that can be packed: {known}"
        )
    if found != _SHELF or not dbm.whichdb(path):
        # The libraries of some formats have messages of their own, which do not name the file.
        open_regular(path, follow=True).close()
    if found in (_PICKLE, _SHELF) and not trust_pickle:
        raise CommandError(
            f"cannot pack {path}: reading a pickle runs the code that it names; if you trust it, "
            "give --trust-pickle"
        )
    module, _, name = found.partition(".")
    source: Source = getattr(importlib.import_module(f"{__name__}.{module}"), name)(path)
    return source


def is_known(path: str) -> bool:
    """Return True if a format has the extension of a path, or the file is a shelf."""
    return _format_of(path) is not None


def _format_of(path: str) -> str | None:
    stem, extension = os.path.splitext(path.lower())
    if extension in COMPRESSED:
        # Only pickles are read through a compression.
        inner = EXTENSIONS.get(os.path.splitext(stem)[1])
        return _PICKLE if inner == _PICKLE else None
    if extension in EXTENSIONS:
        return EXTENSIONS[extension]
    # gdbm adds no extension, and others are asked for without theirs.
    # To open a pipe would wait for a writer.
    may_be_shelf = not extension and (os.path.isfile(path) or not os.path.exists(path))
    is_shelf = may_be_shelf and bool(dbm.whichdb(path))
    return _SHELF if is_shelf else None
