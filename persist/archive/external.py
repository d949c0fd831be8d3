"""Which arrays of an archive are kept outside of its source, and under what names."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.arrays import plain_dtype
from persist.archive.array_source import is_fortran, without_padding
from persist.archive.reduction import Attribute, Import, Reduction
from persist.archive.writer import Verbatim

__all__ = ["ExternalArrays"]

_Array = numpy.ndarray[Any, Any]
_COMPARED = 1 << 20  # bytes


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
    """

    def __init__(self, data: dict[str, _Array], data_name: str, threshold: float) -> None:
        self._data = data
        self._data_name = data_name
        self._threshold = threshold
        self._known: dict[tuple[Any, ...], Any] = {}
        self._alike: dict[tuple[Any, ...], list[str]] = {}

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
        alike = self._alike.setdefault((stored.shape, stored.dtype.str, is_fortran(stored)), [])
        for name in alike:
            if _same_bytes(self._data[name], stored):
                return Reduction(Import("numpy", "array"), (self._reference(name, array.dtype),))
        name = self._free_name()
        self._data[name] = stored
        alike.append(name)
        return self._reference(name, array.dtype)

    def _reference(self, name: str, dtype: numpy.dtype[Any]) -> Any:
        expression = Verbatim(f"{self._data_name}[{name!r}]")
        if plain_dtype(dtype) is dtype:
            return expression
        return Reduction(Attribute(expression, "view"), (dtype,))

    def _free_name(self) -> str:
        number = 0
        while f"array_{number}" in self._data:
            number += 1
        return f"array_{number}"


def _same_bytes(one: _Array, other: _Array) -> bool:
    """Compare arrays of one shape and dtype, some at a time."""
    if one is other:
        return True
    flat, flat_other = one.ravel("K"), other.ravel("K")
    step = max(1, _COMPARED // one.itemsize)
    return all(
        flat[i : i + step].tobytes() == flat_other[i : i + step].tobytes()
        for i in range(0, one.size, step)
    )
