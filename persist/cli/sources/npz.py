"""An npz file: a zip of npy files."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property

from persist.archive.arrays.npy import read_array, read_header
from persist.cli.sources.source import Listed, Loaded, Source, SourceError

__all__ = ["NpzSource"]

_SUFFIX = ".npy"


class NpzSource(Source):
    """The arrays of a zip."""

    def names(self) -> list[Listed]:
        """Return the names of the arrays."""
        with _errors(), zipfile.ZipFile(self._path) as archive:
            return [_listed(archive, member) for member in archive.namelist()]

    def load(self, name: str) -> Loaded:
        """Return an array."""
        with _errors(), self._archive.open(name + _SUFFIX) as file:
            array = read_array(file)
            # The zip tells by a checksum whether all was as written, once it is at its end.
            if file.read(1):
                raise SourceError("there is more than the array")
        return Loaded(array)

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        return self._opened.enter_context(zipfile.ZipFile(self._path))


def _listed(archive: zipfile.ZipFile, member: str) -> Listed:
    if not member.endswith(_SUFFIX):
        return Listed(member, "it is not an npy file")
    name = member.removesuffix(_SUFFIX)
    with archive.open(member) as file:
        try:
            read_header(file)
        except ValueError as error:
            return Listed(name, str(error))
    return Listed(name)


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SourceError(f"damaged, or no npz file: {error}") from error
    except RuntimeError as error:
        # It is encrypted, or compressed by a method that this Python lacks.
        raise SourceError(f"it cannot be unpacked: {error}") from error
