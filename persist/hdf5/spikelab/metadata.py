"""Metadata: a dictionary as JSON in an attribute.

An array is an object with ``__ndarray__``, its dtype, its shape and its values as nested lists.
"""

from __future__ import annotations

import json
from typing import Any

import numpy

from persist.archive.literals import is_quiet_nan
from persist.archive.rules.numpy_types import same_dtype
from persist.hdf5.marks import text_of

__all__ = ["is_exact_metadata", "metadata_json", "read_metadata"]

METADATA = "__metadata__"
_ARRAY = "__ndarray__"
_EXACT_DTYPES = "biufU"


def metadata_json(metadata: Any) -> dict[str, str]:
    """Return the attribute for metadata.

    Raises
    ------
    ValueError
        If it holds what JSON cannot.
    """
    try:
        return {METADATA: json.dumps(metadata, default=_plain)}
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            "metadata contains non-JSON-serialisable values and cannot be saved to HDF5: "
            f"{error or type(error).__name__}. Store what JSON cannot hold as an item of its own"
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, numpy.ndarray):
        if value.dtype.kind == "V":
            raise TypeError(f"an array of dtype {value.dtype} has no form in JSON")
        array = {"dtype": str(value.dtype), "shape": list(value.shape), "values": value.tolist()}
        return {_ARRAY: True, **array}
    if isinstance(value, (numpy.integer, numpy.floating, numpy.bool_, numpy.str_)):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def read_metadata(group: Any) -> dict[str, Any]:
    """Return the metadata of a group, empty if it has none."""
    text = text_of(group.attrs.get(METADATA, "{}"))
    found: dict[str, Any] = json.loads(text, object_hook=_restored)
    return found


def _restored(found: dict[str, Any]) -> Any:
    if found.get(_ARRAY) is not True:
        return found
    return numpy.asarray(found["values"], found["dtype"]).reshape(found["shape"])


def is_exact_metadata(metadata: Any) -> bool:
    """Tell whether metadata comes back from JSON with all types, and shares nothing."""
    met: set[int] = set()
    level = [metadata]
    while level:
        containers = [part for part in level if type(part) in (dict, list)]
        shared = [part for part in level if type(part) in (dict, list, numpy.ndarray)]
        if not all(map(_is_exact, level)) or not _are_new(shared, met):
            return False
        level = [
            part
            for container in containers
            for part in (container.values() if type(container) is dict else container)
        ]
    return True


def _are_new(objects: list[Any], met: set[int]) -> bool:
    before = len(met)
    met.update(map(id, objects))
    return len(met) == before + len(objects)


def _is_exact(part: Any) -> bool:
    cls = type(part)
    if cls is dict:
        return all(type(key) is str for key in part) and _ARRAY not in part
    if cls is float:
        return part == part or is_quiet_nan(part)
    if cls is numpy.ndarray:
        dtype = part.dtype
        plain = part.flags.c_contiguous and part.flags.writeable and bool(part.size)
        # Digits lose the bits of a NaN, and long doubles.
        return (
            plain
            and dtype.kind in _EXACT_DTYPES
            and (dtype.kind != "f" or (dtype.itemsize <= 8 and not numpy.isnan(part).any()))
            and same_dtype(numpy.dtype(str(dtype)), dtype)
        )
    return cls in (list, str, int, bool, type(None))
