"""A netCDF file: the Dataset that xarray makes of it, named as the file is.

Groups of netCDF 4 come under their paths, each with its own Dataset.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from persist.cli.sources.hdf5 import check_file
from persist.cli.sources.source import Listed, Loaded, Source, SourceError, imported, stem_of
from persist.errors import MissingExtraError
from persist.files import open_regular

__all__ = ["NetcdfSource"]

_HDF5 = b"\x89HDF\r\n\x1a\n"


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Context manager for the errors of whichever library reads the file."""
    try:
        yield
    except (TypeError, RuntimeError, AttributeError, IndexError) as error:
        raise SourceError(f"it is damaged, or not netCDF: {error}") from error


class NetcdfSource(Source):
    """The groups of a file, with coordinates, attributes and times as xarray decodes them."""

    @_errors()
    def names(self) -> list[Listed]:
        """Return the stem of the file, and the paths of the groups inside it."""
        stem = stem_of(self._path)
        with _groups(self._path) as groups:
            return [
                Listed(stem if path == "/" else path.strip("/"))
                for path, dataset in groups.items()
                if dataset.variables or dataset.attrs or len(groups) == 1
            ]

    @_errors()
    def load(self, name: str) -> Loaded:
        """Return a dataset, read into memory."""
        is_root = name == stem_of(self._path) and f"/{name}" not in self._groups
        return Loaded(self._groups["/" if is_root else f"/{name}"].load().copy())

    @cached_property
    def _groups(self) -> dict[str, Any]:
        return self._opened.enter_context(_groups(self._path))


@contextlib.contextmanager
def _groups(path: str) -> Iterator[dict[str, Any]]:
    """Context manager that opens the groups of a file, by path."""
    xarray = imported("xarray")
    with open_regular(path, follow=True) as file:
        is_hdf5 = file.read(len(_HDF5)) == _HDF5
    if is_hdf5:
        check_file(path)
    if is_hdf5 and hasattr(xarray, "open_groups"):
        groups = dict(xarray.open_groups(path, engine=_engine("h5netcdf")))
    else:
        engine = _engine("h5netcdf" if is_hdf5 else "scipy")
        groups = {"/": xarray.open_dataset(path, engine=engine)}
    try:
        yield groups
    finally:
        for dataset in groups.values():
            dataset.close()


def _engine(wanted: str) -> str:
    """Return an engine of xarray that is installed."""
    for module in (wanted, "netCDF4"):
        if importlib.util.find_spec(module) is not None:
            return module.lower()
    raise MissingExtraError(wanted, "import")
