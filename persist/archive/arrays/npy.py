"""A folder of npy files, one for each array: a header, then the bytes of the array.

References
----------
numpy.lib.format, "Format Version 1.0", "2.0", "3.0".
"""

from __future__ import annotations

import ast
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from tokenize import TokenError
from typing import IO, Any

import numpy

from persist.archive.arrays.blocks import BlockArray
from persist.archive.arrays.dtypes import DType
from persist.archive.arrays.pieces import (
    PIECE,
    as_bytes,
    byte_pieces,
    write_region,
)
from persist.archive.arrays.store import (
    Array,
    Loader,
    Order,
    Run,
    Store,
    check_mode,
    choose_keys,
)
from persist.errors import DamagedError
from persist.files import open_regular
from persist.files.regular import check_regular

__all__ = ["NpyStore", "npy_header", "read_array", "read_header", "write_array"]

_ALIGNMENT = 64  # bytes, so that mapped arrays are aligned


def npy_header(array: Array) -> bytes:
    """Return the header of `array`.

    It depends on nothing but the array: headers of numpy have been padded in several ways.
    """
    dtype = array.dtype
    descr = dtype.str if dtype.names is None else dtype.descr
    text = (
        f"{{'descr': {descr!r}, 'fortran_order': {array.flags.fnc!r}, 'shape': {array.shape!r}, }}"
    )
    try:
        version, coded = (1, 0), text.encode("latin1")
    except UnicodeEncodeError:
        version, coded = (3, 0), text.encode()
    prefix = numpy.lib.format.magic(*version)
    length_format = "<H" if version == (1, 0) else "<I"
    start = len(prefix) + struct.calcsize(length_format)
    coded += b" " * (-(start + len(coded) + 1) % _ALIGNMENT) + b"\n"
    return prefix + struct.pack(length_format, len(coded)) + coded


def write_array(file: IO[bytes], array: Array) -> None:
    """Write `array` as an npy file to an open file of any kind."""
    file.write(npy_header(array))
    for piece in byte_pieces(array):
        file.write(piece)


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], Order, DType]:
    """Return the shape, the memory order and the dtype, and leave the file at the first element.

    Raises
    ------
    ValueError
        If the file is not an npy file, or it holds Python objects.
    """
    try:
        version = numpy.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = numpy.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = numpy.lib.format.read_array_header_2_0(file)
        else:
            shape, fortran, dtype = _read_header_3_0(file)
    except (SyntaxError, TypeError, LookupError, struct.error, TokenError) as error:
        raise DamagedError(f"The header of the npy file is damaged: {error}") from error
    if dtype.hasobject:
        raise DamagedError("The file holds a pickle of Python objects, which persist does not read")
    return shape, "F" if fortran else "C", dtype


def read_array(file: IO[bytes]) -> Array:
    """Read an npy file into memory of its own.

    Raises
    ------
    ValueError
        If the file is not an npy file, it holds Python objects, or it ends early.
    """
    shape, order, dtype = read_header(file)
    # Unlike empty, ndarray does not make strings of no width wider.
    array: Array = numpy.ndarray(shape, dtype, order=order)
    memory = as_bytes(array)
    for start in range(0, len(memory), PIECE):
        _read_into(file, memory[start : start + PIECE])
    return array


def _read_into(file: Any, memory: memoryview) -> None:
    filled = 0
    while filled < len(memory):
        count = file.readinto(memory[filled:])
        if not count:
            raise DamagedError("The file ends before the array does: it was not fully written")
        filled += count


def _read_header_3_0(file: IO[bytes]) -> tuple[tuple[int, ...], bool, DType]:
    (length,) = struct.unpack("<I", file.read(4))
    header = ast.literal_eval(file.read(length).decode())
    dtype = numpy.lib.format.descr_to_dtype(header["descr"])
    return header["shape"], header["fortran_order"], dtype


_LOADER = Loader(
    standard=(),
    others=("numpy",),
    body="""
def read(name):
    # What numpy.load reads would be a view of other memory; this array owns its own.
    filename = os.path.join(path, name + '.npy')
    source = opened(filename)
    if source is not filename:
        return numpy.array(numpy.load(source, allow_pickle=False))
    mapped = numpy.load(filename, mmap_mode='r', allow_pickle=False)
    array = numpy.empty_like(mapped, subok=False)
    if array.nbytes:
        with open(filename, 'rb') as file:
            file.seek(mapped.offset)
            file.readinto(array.reshape(-1, order='A').view('u1'))
    return array

return {name: read(name) for name in names}
""",
)


class NpyStore(Store):
    """Arrays in a folder, as ``<name>.npy``; ``numpy.load`` opens each of them."""

    data_format = "npy"
    extension = ""
    extensions = ()
    is_folder = True

    def files(self, path: str, arrays: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
        """Return one file for each array."""
        found = {}
        for name, array in arrays.items():
            found[os.path.join(path, f"{name}.npy")] = {name: array}
        return found

    def write_file(self, filename: str, arrays: Mapping[str, Array]) -> None:
        """Write one array."""
        (array,) = arrays.values()
        with open(filename, "wb") as file:
            if array.flags.forc:
                # tofile has the system reserve the space first, which is twice as fast.
                file.write(npy_header(array))
                array.reshape(-1, order="A").tofile(file)
            else:
                write_array(file, array)

    def content(self, arrays: Mapping[str, Array]) -> Iterator[bytes | memoryview]:
        """Yield what `write_file` writes."""
        (array,) = arrays.values()
        yield npy_header(array)
        if array.nbytes <= PIECE:
            yield array.tobytes("A")
        else:
            yield from byte_pieces(array)

    def load(
        self, path: str, keys: Iterable[str] | None = None, mmap_mode: str | None = None
    ) -> dict[str, Array]:
        """Return arrays of the folder."""
        check_mode(mmap_mode)
        stems = {stem for stem, ext in map(os.path.splitext, os.listdir(path)) if ext == ".npy"}
        return {
            key: _load(os.path.join(path, f"{key}.npy"), mmap_mode)
            for key in choose_keys(keys, stems, path)
        }

    def loader(self, arrays: Mapping[str, Array]) -> Loader:
        """Return source that reads the folder ``path``."""
        return _LOADER

    def begin(
        self, path: str, arrays: Mapping[str, Array], blocks: Mapping[str, BlockArray]
    ) -> None:
        """Write each array, or the header of its file and room for its blocks."""
        os.mkdir(path)
        for filename, held in self.files(path, arrays).items():
            ((name, array),) = held.items()
            if name not in blocks:
                self.write_file(filename, held)
                continue
            with open(filename, "wb") as file:
                file.write(npy_header(array))
                file.truncate(file.tell() + array.nbytes)

    def write_block(self, path: str, name: str, region: tuple[slice, ...], block: Array) -> None:
        """Write a block to its file."""
        write_region(self.run(path, name), region, block)

    def run(self, path: str, name: str) -> Run:
        """Return the file of an array behind its header."""
        filename = os.path.join(path, f"{name}.npy")
        with open(filename, "rb") as file:
            shape, _, dtype = read_header(file)
            return Run(filename, file.tell(), shape, dtype)


def _load(filename: str, mmap_mode: str | None) -> Array:
    if mmap_mode is not None:
        check_regular(filename)
        mode: Any = mmap_mode
        mapped: Array = numpy.load(filename, mmap_mode=mode, allow_pickle=False)
        return mapped
    with open_regular(filename, follow=True) as file:
        return read_array(file)
