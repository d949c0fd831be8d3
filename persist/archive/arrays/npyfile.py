"""The npy file: a header, then the bytes of one array.

References
----------
numpy.lib.format, "Format Version 1.0", "2.0", "3.0".
"""

from __future__ import annotations

import ast
import struct
from typing import IO, Any

import numpy

from persist.archive.arrays.dtypes import DType, npy_descr
from persist.archive.arrays.pieces import PIECE, as_bytes, byte_pieces, is_fortran
from persist.archive.arrays.store import Array, Order

__all__ = ["npy_header", "read_array", "read_header", "write_array"]

_ALIGNMENT = 64  # bytes, so that mapped arrays are aligned


def npy_header(array: Array) -> bytes:
    """Return the header of `array`.

    It depends on nothing but the array: headers of numpy have been padded in several ways.
    """
    text = (
        f"{{'descr': {npy_descr(array.dtype)!r}, "
        f"'fortran_order': {is_fortran(array)!r}, 'shape': {array.shape!r}, }}"
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
        If this is no npy file, or it holds Python objects.
    """
    version = numpy.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = numpy.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = numpy.lib.format.read_array_header_2_0(file)
    else:
        shape, fortran, dtype = _read_header_3_0(file)
    if dtype.hasobject:
        raise ValueError("The file holds a pickle of Python objects, which persist does not read")
    return shape, "F" if fortran else "C", dtype


def read_array(file: IO[bytes]) -> Array:
    """Read an npy file into memory of its own.

    Raises
    ------
    ValueError
        If this is no npy file, it holds Python objects, or it ends early.
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
            raise ValueError("The file ends before the array does: it was not fully written")
        filled += count


def _read_header_3_0(file: IO[bytes]) -> tuple[tuple[int, ...], bool, DType]:
    (length,) = struct.unpack("<I", file.read(4))
    header = ast.literal_eval(file.read(length).decode())
    dtype = numpy.lib.format.descr_to_dtype(header["descr"])
    return header["shape"], header["fortran_order"], dtype
