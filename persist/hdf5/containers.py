"""Lists, tuples and sets of numbers or of texts: one dataset ``data``.

A list has the type ``ndarray`` and is marked, so that it comes back as a list. Only items of one
type, exactly, are stored so. Of other lists, tuples and sets, other software gets what numpy makes
of them, beside the source that gives back the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from persist.archive.arrays import Array
from persist.hdf5.arrays import STRINGS
from persist.hdf5.content import Content
from persist.hdf5.datasets import Dataset, Numbers, Texts
from persist.hdf5.marks import marked, member
from persist.hdf5.stored import read_array
from persist.hdf5.texts import are_texts

__all__ = ["LIST", "TAGS", "container_content", "portable_data", "read_container"]

LIST = "list"
TAGS: dict[type, str] = {list: "ndarray", tuple: "tuple", set: "set", frozenset: "frozenset"}

_DTYPES = {int: "<i8", float: "<f8", bool: "?"}
_MAKERS: dict[str, Callable[[Any], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}
_NUMBERS = (bool, int, float, complex, str, numpy.number, numpy.bool_)
_DEEPEST = 32


def container_content(obj: Any) -> Content | None:
    """Return the content for a container, or None if its items are not of one suitable type."""
    cls = type(obj)
    data = _data(obj)
    if data is None:
        return None
    mark = marked(TAGS[cls], LIST if cls is list else None)
    return Content(mark, {"data": data}, dated=cls is list)


def _data(obj: Any) -> Dataset | None:
    kinds = set(map(type, obj))
    if not kinds:
        return Numbers(numpy.zeros(0))
    kind = kinds.pop()
    if kinds or kind not in (str, *_DTYPES):
        return None
    items = sorted(obj) if isinstance(obj, (set, frozenset)) else obj
    if kind is str:
        return Texts(_objects(items), {STRINGS: True}) if are_texts(items) else None
    try:
        return Numbers(numpy.array(items, _DTYPES[kind]))
    except OverflowError:
        return None


def _objects(items: Any) -> Array:
    array = numpy.empty(len(items), object)
    array[:] = items
    return array


def portable_data(obj: Any) -> Dataset | None:
    """Return the dataset that other software reads of any list, tuple or set, or None if none can.

    It is what numpy makes of the items: a table of lists of equal length, one type for all.
    """
    try:
        items = sorted(obj) if isinstance(obj, (set, frozenset)) else obj
        array = numpy.array(items) if _holds_numbers(items) else None
    except (TypeError, ValueError, OverflowError):  # without order, ragged, beyond any type
        return None
    if array is None or array.dtype.kind not in "biufcU":
        return None
    if array.dtype.kind != "U":
        return Numbers(array)
    texts = array.astype(object)
    return Texts(texts, {STRINGS: True}) if are_texts(texts.flat) else None


def _holds_numbers(items: Any) -> bool:
    """Tell whether there is nothing but numbers and texts in lists of lists, none of them twice."""
    level = [items]
    for _ in range(_DEEPEST):
        level = [item for part in level for item in part]
        inner = [item for item in level if type(item) in (list, tuple)]
        if not inner:
            return all(isinstance(item, _NUMBERS) for item in level)
        if len(set(map(id, inner))) < len(level):
            return False
        level = inner
    return False


def read_container(group: Any, tag: str) -> Any:
    """Return the list, tuple or set that a group stands for."""
    items = read_array(member(group, "data")).tolist()
    return items if tag == LIST else _MAKERS[tag](items)
