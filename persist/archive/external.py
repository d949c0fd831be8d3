"""Which arrays of an archive are kept outside of its source, and under what names."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy

from persist.archive.array_source import without_padding
from persist.archive.arrays import plain_dtype
from persist.archive.arrays.dtypes import has_gaps
from persist.archive.arrays.pieces import byte_pieces, is_fortran
from persist.archive.reduction import Attribute, Import, Reduction
from persist.archive.writer import Verbatim

__all__ = ["ExternalArrays"]

_Array = numpy.ndarray[Any, Any]


class ExternalArrays:
    """Names the arrays above a threshold; arrays of equal bytes, dtype and shape are kept once.

    Parameters
    ----------
    data : dict of str to numpy.ndarray
        Where the arrays are put. Names that are taken there are passed over.
    data_name : str
        The variable in which the source finds them.
    threshold : float
        Arrays with more elements than this are kept outside of the source.

    Attributes
    ----------
    names : list of str
        What was put into `data`, in order.
    """

    def __init__(self, data: dict[str, _Array], data_name: str, threshold: float) -> None:
        self._data = data
        self._data_name = data_name
        self._threshold = threshold
        self.names: list[str] = []
        self._number = 0
        self._known: dict[tuple[Any, ...], Any] = {}
        self._first: dict[tuple[Any, ...], str] = {}
        self._digests: dict[tuple[Any, ...], dict[bytes, str]] = {}

    def __call__(self, array: _Array) -> Any | None:
        """Return what the source has in place of `array`, or None if it is not kept outside."""
        if array.size <= self._threshold or not array.nbytes:
            return None
        key = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str)
        if key not in self._known:
            self._known[key] = (self._place(array), array)
        return self._known[key][0]

    def _place(self, array: _Array) -> Any:
        plain = plain_dtype(array.dtype)
        clean = without_padding(array)
        stored = clean if plain is array.dtype else clean.view(plain)
        while (name := f"array_{self._number}") in self._data:
            self._number += 1
        alike = self._find_alike(stored, name)
        if alike != name:
            return Reduction(Import("numpy", "array"), (self._reference(alike, array.dtype),))
        self._data[name] = stored
        self.names.append(name)
        return self._reference(name, array.dtype)

    def _find_alike(self, array: _Array, name: str) -> str:
        """Return the name of an array of equal bytes, dtype and shape; `name` if there was none."""
        # One element repeated may stand for an array whose content comes later, block by block.
        if not any(array.strides):
            return name
        kind = (array.shape, array.dtype.str, is_fortran(array))
        first = self._first.setdefault(kind, name)
        # Most arrays are the only one of their kind, and are not read to be told apart.
        if first == name:
            return name
        if kind not in self._digests:
            self._digests[kind] = {_digest(self._data[first]): first}
        return self._digests[kind].setdefault(_digest(array), name)

    def _reference(self, name: str, dtype: numpy.dtype[Any]) -> Any:
        expression = Verbatim(f"{self._data_name}[{name!r}]")
        # numpy before 1.17 makes fields of the gaps when it reads an npy file.
        if plain_dtype(dtype) is dtype and not has_gaps(dtype):
            return expression
        return Reduction(Attribute(expression, "view"), (dtype,))


def _digest(array: _Array) -> bytes:
    """Return a digest of the content of an array, which is read some at a time."""
    digest = hashlib.blake2b(digest_size=32)
    for piece in byte_pieces(array):
        digest.update(piece)
    return digest.digest()
