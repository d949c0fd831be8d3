"""Arrays of any size as text, of which only the edges are read."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["is_array", "shown_array"]

_WHOLE = 200  # elements; larger arrays are shown by their edges
_EDGE = 3
_WIDTH = 88


def is_array(value: Any) -> bool:
    """Return True if `value` is an array in memory, in a file that is mapped, or in HDF5."""
    numpy, h5py = sys.modules.get("numpy"), sys.modules.get("h5py")
    handles = sys.modules.get("persist.archive.arrays.handles")
    if h5py is not None and isinstance(value, h5py.Dataset):
        return True
    if handles is not None and isinstance(value, handles.ArrayHandle):
        return True
    # Other kinds of arrays show more than their elements.
    return numpy is not None and type(value) in (numpy.ndarray, numpy.memmap)


def shown_array(array: Any) -> str:
    """Return the elements of an array, or those at its edges."""
    import numpy

    is_large = array.size > _WHOLE
    return numpy.array2string(
        _edges(array, ()) if is_large else numpy.asarray(array[()]),
        threshold=0 if is_large else _WHOLE,
        edgeitems=_EDGE,
        max_line_width=_WIDTH,
        separator=", ",
    )


def _edges(array: Any, index: tuple[slice, ...]) -> Any:
    """Return the edges, and of each cut axis one place more, which is shown as dots."""
    import numpy

    axis = len(index)
    if axis == array.ndim:
        return numpy.asarray(array[index])
    length = array.shape[axis]
    if length <= 2 * _EDGE:
        return _edges(array, (*index, slice(None)))
    parts = [slice(0, _EDGE + 1), slice(length - _EDGE, length)]
    return numpy.concatenate([_edges(array, (*index, part)) for part in parts], axis)
