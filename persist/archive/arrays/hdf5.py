"""One HDF5 file, a dataset at its root for each array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from persist.archive.arrays.hdf5_dataset import (
    DTYPE,
    ORDER,
    map_dataset,
    needs_dtype,
    read_dataset,
    write_dataset,
)
from persist.archive.arrays.pieces import is_fortran
from persist.archive.arrays.store import Array, Loader, check_mode, choose_keys

__all__ = ["Hdf5Store"]

_SIMPLE_BODY = """\
with h5py.File(opened(path), 'r') as file:
    return {name: file[name][...] for name in names}
"""
_DTYPE_BODY = f"""\
    # A type that HDF5 lacks is stored as numbers.
    if '{DTYPE}' in dataset.attrs:
        dtype = numpy.dtype(ast.literal_eval(dataset.attrs['{DTYPE}']))
        if dtype.itemsize != dataset.dtype.itemsize:
            shape = shape[:-1]
"""
_ORDER_BODY = f"""\
    # An array in Fortran order is stored with its axes reversed.
    if dataset.attrs.get('{ORDER}') == 'F':
        shape, order = shape[::-1], 'F'
"""
_BODY = """
def read(dataset):
    dtype, shape, order = numpy.dtype(dataset.dtype.str), dataset.shape, 'C'
{parts}    array = numpy.ndarray(shape, dtype, order=order)
    if array.nbytes:
        flat = array.reshape(-1, order='A').view(dataset.dtype)
        dataset.read_direct(flat.reshape(dataset.shape))
    return array

with h5py.File(opened(path), 'r') as file:
    return {{name: read(file[name]) for name in names}}
"""


@dataclass(frozen=True)
class Hdf5Store:
    """Arrays in one HDF5 file.

    Parameters
    ----------
    compression : {None, 'gzip', 'lzf'}
        The filter that chunks of the arrays go through. Without one, an array is one run of bytes,
        which can be mapped into memory.
    """

    compression: str | None = None

    data_format: ClassVar[str] = "hdf5"
    extension: ClassVar[str] = ".hd5"
    extensions: ClassVar[tuple[str, ...]] = (".hd5", ".hf5", ".hdf5", ".h5")
    is_folder: ClassVar[bool] = False

    def files(self, path: str, arrays: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
        """Return the one file."""
        return {path: dict(arrays)}

    def write_file(self, filename: str, arrays: Mapping[str, Array]) -> None:
        """Write all arrays; the bytes depend on nothing else but the version of HDF5."""
        import h5py

        with h5py.File(filename, "w") as file:
            for name, array in arrays.items():
                write_dataset(file, name, array, self.compression)

    def content(self, arrays: Mapping[str, Array]) -> None:
        """Return None: an HDF5 file is known when it is written."""

    def load(
        self, path: str, keys: Iterable[str] | None = None, mmap_mode: str | None = None
    ) -> dict[str, Array]:
        """Return arrays of the file.

        With a mode, each is a map of the file if its dataset is one run of bytes. If it is not,
        mode ``r`` gives an open ``h5py.Dataset``, and mode ``c`` a copy in memory.
        """
        import h5py

        check_mode(mmap_mode)
        with h5py.File(path, "r") as file:
            found = [name for name, item in file.items() if isinstance(item, h5py.Dataset)]
            chosen = choose_keys(keys, found, path)
            if mmap_mode is None:
                return {key: read_dataset(file[key]) for key in chosen}
            return {key: map_dataset(path, file[key], mmap_mode) for key in chosen}

    def loader(self, arrays: Mapping[str, Array]) -> Loader:
        """Return source that reads the file ``path``, with no more decoding than `arrays` need."""
        encoded = any(needs_dtype(array.dtype) for array in arrays.values())
        fortran = any(map(is_fortran, arrays.values()))
        if not (encoded or fortran) and all(map(_is_simple, arrays.values())):
            return Loader((), ("h5py",), _SIMPLE_BODY)
        parts = _DTYPE_BODY * encoded + _ORDER_BODY * fortran
        standard = ("ast",) if encoded else ()
        return Loader(standard, ("h5py", "numpy"), _BODY.format(parts=parts))


def _is_simple(array: Array) -> bool:
    """Tell whether h5py gives an array that owns its memory and has the usual byte order."""
    return array.ndim > 0 and array.size > 0 and array.dtype.isnative
