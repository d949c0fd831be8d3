"""A netCDF file: the Dataset that xarray makes of it, named as the file is.

Groups of netCDF 4 come under their paths, each with its own Dataset.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from persist.cli.sources.hdf5 import check_file
from persist.cli.sources.source import Listed, Loaded, SourceError, stem_of
from persist.errors import MissingExtraError, PersistError
from persist.files import open_regular

__all__ = ["NetcdfSource"]

_HDF5 = b"\x89HDF\r\n\x1a\n"


class NetcdfSource:
    """The groups of a file, with coordinates, attributes and times as xarray decodes them."""

    def __init__(self, path: str) -> None:
        self._path = path

    def names(self) -> list[Listed]:
        """Return the stem of the file, and the paths of the groups inside it."""
        stem = stem_of(self._path)
        with _groups(self._path) as groups:
            return [
                Listed(stem if path == "/" else path.strip("/"))
                for path, dataset in groups.items()
                if dataset.variables or dataset.attrs or len(groups) == 1
            ]

    def load(self, names: Iterable[str]) -> Generator[Loaded, None, None]:
        """Yield datasets, read into memory."""
        stem = stem_of(self._path)
        with _groups(self._path) as groups:
            for name in names:
                path = "/" if name == stem and f"/{stem}" not in groups else f"/{name}"
                yield Loaded(groups[path].load().copy())


@contextlib.contextmanager
def _groups(path: str) -> Iterator[dict[str, Any]]:
    """Context manager that opens the groups of a file, by path."""
    try:
        import xarray
    except ImportError as error:
        raise MissingExtraError("xarray", "import") from error
    with open_regular(path, follow=True) as file:
        is_hdf5 = file.read(len(_HDF5)) == _HDF5
    if is_hdf5:
        check_file(path)
    groups: dict[str, Any] = {}
    try:
        if is_hdf5 and hasattr(xarray, "open_groups"):
            groups = dict(xarray.open_groups(path, engine=_engine()))
        elif is_hdf5:
            groups = {"/": xarray.open_dataset(path, engine=_engine())}
        else:
            groups = {"/": xarray.open_dataset(path, engine=_first(("scipy", "netCDF4"), "scipy"))}
        yield groups
    except PersistError:
        raise
    except (ValueError, OSError, KeyError):
        raise
    except (TypeError, RuntimeError, AttributeError, IndexError) as error:
        # Of whichever library reads the file.
        raise SourceError(f"it is damaged, or not netCDF: {error}") from error
    finally:
        for dataset in groups.values():
            dataset.close()


def _engine() -> str:
    return _first(("h5netcdf", "netCDF4"), "h5netcdf")


def _first(modules: tuple[str, ...], wanted: str) -> str:
    """Return the engine of xarray of the first library that is installed."""
    import importlib.util

    for module in modules:
        if importlib.util.find_spec(module) is not None:
            return module.lower()
    raise MissingExtraError(wanted, "import")
