"""Values as text or JSON; of arrays, which may have any size, only the edges are read."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

from persist.cli.errors import CommandError, one_line
from persist.cli.output import is_json, is_plain, jsonable, print_document, print_text
from persist.display import shown

__all__ = ["is_array", "print_value", "shown_array"]

_WHOLE = 200  # elements; larger arrays are shown by their edges
_EDGE = 3
_WIDTH = 88


def print_value(
    description: str,
    document: dict[str, Any],
    load: Callable[[], Any],
    most: float = math.inf,
) -> None:
    """Print a description and a value; or `document` as JSON, with the value if that holds it.

    A value of which the JSON has more than `most` characters is left out.
    """
    if not is_json():
        # The description helps even where the value cannot be loaded.
        print_text(description)
    try:
        value = load()
    except Exception as error:
        # Loading runs code of the classes of the value, which may raise anything.
        raise CommandError(
            f"the value cannot be loaded: {type(error).__name__}: {one_line(error)}"
        ) from error
    if not is_json():
        print_text(f"\n{shown_array(value) if is_array(value) else shown(value)}")
    elif is_plain(value) and len(json.dumps(jsonable(value))) <= most:
        print_document({**document, "value": value})
    else:
        print_document(document)


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
