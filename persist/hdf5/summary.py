"""What the index of a workspace says of an item: its class, and its shape if it has one."""

from __future__ import annotations

from typing import Any

import numpy

from persist.hdf5.registry import encoding_for

__all__ = ["summarize"]


def summarize(obj: Any) -> dict[str, Any]:
    """Return the summary of an object, all of which JSON holds.

    Returns
    -------
    dict
        ``type`` is the name of the class. An array has ``shape`` and ``dtype``, and objects of
        registered classes what these say of them. Any other has ``shape`` if it is a tuple of
        sizes.

    Examples
    --------
    >>> summarize(numpy.zeros((2, 3)))
    {'type': 'ndarray', 'shape': [2, 3], 'dtype': 'float64'}
    >>> summarize({"a": 1})
    {'type': 'dict'}
    """
    cls = type(obj)
    if cls in (numpy.ndarray, numpy.memmap):
        return {"type": "ndarray", "shape": list(obj.shape), "dtype": str(obj.dtype)}
    encoding = encoding_for(cls)
    if encoding is not None:
        return encoding.summarize(obj)
    return {"type": cls.__name__, **_shape(obj)}


def _shape(obj: Any) -> dict[str, Any]:
    try:
        shape = getattr(obj, "shape", None)
    except Exception:  # Of a property of the user's: it may raise anything.
        return {}
    if type(shape) is tuple and shape and all(type(size) is int for size in shape):
        return {"shape": list(shape)}
    return {}
