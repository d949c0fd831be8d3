"""One HDF5 file, with a dataset at its root for each array: see `persist.archive.arrays.datasets`.

h5py, which that needs, is imported with the first file.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from persist.archive.arrays.blocks import BlockArray
from persist.archive.arrays.pieces import is_fortran, write_region
from persist.archive.arrays.store import Array, Loader, Run, Store, check_mode, choose_keys
from persist.archive.arrays.vocabulary import ARCHIVE
from persist.files import remove_path
from persist.files.regular import check_regular

__all__ = ["Hdf5Store"]

# Threads take turns without polling for the lock that processes share.
_writing = threading.Lock()

_SIMPLE_BODY = """\
with h5py.File(opened(path), 'r') as file:
    return {name: file[name][...] for name in names}
"""
_DTYPE_BODY = f"""\
    # A type that HDF5 lacks is stored as numbers.
    if '{ARCHIVE.dtype}' in dataset.attrs:
        dtype = numpy.dtype(ast.literal_eval(dataset.attrs['{ARCHIVE.dtype}']))
        if dtype.itemsize != dataset.dtype.itemsize:
            shape = shape[:-1]
"""
_ORDER_BODY = f"""\
    # An array in Fortran order is stored with its axes reversed.
    if dataset.attrs.get('{ARCHIVE.order}') == 'F':
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
class Hdf5Store(Store):
    """Arrays in one HDF5 file.

    Parameters
    ----------
    compression : {None, 'gzip', 'lzf'}
        The filter that chunks of the arrays go through. Without one, an array is one run of bytes,
        which can be mapped into memory.
    """

    compression: str | None = None

    data_format = "hdf5"
    extension = ".hd5"
    extensions = (".hd5", ".hf5", ".hdf5", ".h5")

    def write_file(self, filename: str, arrays: Mapping[str, Array]) -> None:
        """Write all arrays; the bytes depend on nothing else but the version of HDF5."""
        self.begin(filename, arrays, {})

    def load(
        self, path: str, keys: Iterable[str] | None = None, mmap_mode: str | None = None
    ) -> dict[str, Array]:
        """Return arrays of the file.

        With a mode, each is a map of the file if its dataset is one run of bytes. If it is not,
        mode ``r`` gives an open ``h5py.Dataset``, and mode ``c`` a copy in memory.
        """
        import h5py

        from persist.archive.arrays.datasets import Stored

        check_mode(mmap_mode)
        check_regular(path)
        with h5py.File(path, "r") as file:
            found = [name for name, item in file.items() if isinstance(item, h5py.Dataset)]
            stored = {key: Stored(file[key], ARCHIVE) for key in choose_keys(keys, found, path)}
            if mmap_mode is None:
                return {key: each.read() for key, each in stored.items()}
            return {key: each.map(path, mmap_mode) for key, each in stored.items()}

    def loader(self, arrays: Mapping[str, Array]) -> Loader:
        """Return source that reads the file ``path``, with no more decoding than `arrays` need."""
        from persist.archive.arrays.datasets import packed

        encoded = any(ARCHIVE.dtype in packed(array).attributes for array in arrays.values())
        fortran = any(map(is_fortran, arrays.values()))
        # What h5py gives by itself then owns its memory and has the usual byte order.
        simple = (a.ndim and a.size and a.dtype.isnative for a in arrays.values())
        if not (encoded or fortran) and all(simple):
            return Loader((), ("h5py",), _SIMPLE_BODY)
        parts = _DTYPE_BODY * encoded + _ORDER_BODY * fortran
        standard = ("ast",) if encoded else ()
        return Loader(standard, ("h5py", "numpy"), _BODY.format(parts=parts))

    def begin(
        self, path: str, arrays: Mapping[str, Array], blocks: Mapping[str, BlockArray]
    ) -> None:
        """Write each array, or an empty dataset for its blocks."""
        from persist.archive.arrays.datasets import BlockDataset, packed
        from persist.files.unbuffered import disk_errors, open_unbuffered

        with disk_errors(path), open_unbuffered(path) as file:
            for name, array in arrays.items():
                if name in blocks:
                    BlockDataset.create(file, name, blocks[name], self.compression)
                    continue
                # An empty or single element has no chunks to go through a filter.
                has_chunks = self.compression and array.nbytes and array.ndim
                options = {"compression": self.compression} if has_chunks else {}
                packed(array).write(file, name, **options)

    def write_block(self, path: str, name: str, region: tuple[slice, ...], block: Array) -> None:
        """Write a block to its run of bytes; through filters, one writer does so at a time."""
        from filelock import FileLock

        from persist.archive.arrays.datasets import BlockDataset
        from persist.files.unbuffered import disk_errors, open_unbuffered

        if run := self.run(path, name):
            write_region(run, region, block)
            return
        with (
            _writing,
            FileLock(f"{path}.lock"),
            disk_errors(path),
            open_unbuffered(path, "r+") as file,
        ):
            BlockDataset(file[name])[region] = block

    def run(self, path: str, name: str) -> Run | None:
        """Return where the bytes of an array are in the file, unless they are compressed."""
        if self.compression:
            return None
        import h5py

        from persist.archive.arrays.datasets import Stored

        with h5py.File(path, "r") as file:
            stored = Stored(file[name], ARCHIVE)
            return Run(path, stored.dataset.id.get_offset(), stored.shape, stored.dtype)

    def finish(self, path: str) -> None:
        """Remove the lock that the writers of blocks have taken."""
        remove_path(f"{path}.lock")
