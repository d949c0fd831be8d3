"""What the group of an item is to hold.

Dicts, the arrays and values in them, and the objects of registered classes are groups that other
software reads. Any other object in a dict is the source of an archive. That is exact as long as no
such source refers to what stands elsewhere in the item as well. If one does, or a dict leads back
to itself, or dicts nest deeply, the whole item is one source.
"""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive import reduce
from persist.archive.arrays import Array
from persist.archive.graph import is_value
from persist.archive.reach import Reach
from persist.hdf5.archived import archive_content, refusals_of
from persist.hdf5.arrays import array_content
from persist.hdf5.containers import TAGS, container_content, portable_data
from persist.hdf5.content import Content
from persist.hdf5.marks import TYPE, marked
from persist.hdf5.memory import mark_memory, stretches
from persist.hdf5.registry import encoding_for
from persist.hdf5.scalars import scalar_content
from persist.hdf5.summary import summarize
from persist.hdf5.texts import is_name

__all__ = ["plan"]

_DEEPEST = 50


def plan(obj: Any) -> Content:
    """Return what the group of an object is to hold.

    Raises
    ------
    UnsupportedObjectError
        If the object, or one that it leads to, cannot be stored.
    """
    try:
        return _Plan().build(obj)
    except _NotNativeError:
        return _archived(obj, "")


class _NotNativeError(Exception):
    """The item is to be one source."""


class _Plan:
    """The content of one item, and what has been met so far."""

    def __init__(self) -> None:
        self._known: dict[int, Content] = {}
        self._open: set[int] = set()
        self._arrays: dict[int, Array] = {}
        self._archived: list[tuple[Any, str, Content]] = []
        self._alive: list[Any] = []

    def build(self, obj: Any) -> Content:
        content = self._content(obj, "")
        self._check_apart()
        for inner, path, empty in self._archived:
            empty.become(_archived(inner, path))
        return content

    def _content(self, obj: Any, path: str) -> Content:
        if is_value(obj):
            return self._new(obj, path)
        key = id(obj)
        if key in self._open:
            raise _NotNativeError
        if key not in self._known:
            self._known[key] = self._new(obj, path)
        return self._known[key]

    def _new(self, obj: Any, path: str) -> Content:
        found = self._native(obj, path)
        if found is not None:
            return found
        # The source is made when it is known that no other refers to the same.
        empty = Content({})
        self._archived.append((obj, path, empty))
        return empty

    def _native(self, obj: Any, path: str) -> Content | None:
        cls = type(obj)
        if cls is dict:
            return self._dict(obj, path) if all(map(is_name, obj)) else None
        if cls is numpy.ndarray:
            return self._array(obj)
        if cls is numpy.memmap:
            return self._mapped(obj)
        if cls in TAGS:
            return container_content(obj)
        encoding = encoding_for(cls)
        return scalar_content(obj) if encoding is None else encoding.content(obj)

    def _dict(self, mapping: dict[str, Any], path: str) -> Content:
        if len(self._open) == _DEEPEST:
            raise _NotNativeError
        self._open.add(id(mapping))
        content = Content(marked("dict"), dated=True, ordered=True)
        for name, value in mapping.items():
            content.groups[name] = self._content(value, f"{path}[{name!r}]")
        self._open.remove(id(mapping))
        return content

    def _array(self, array: Array) -> Content | None:
        content = array_content(array)
        if content is not None:
            self._arrays[id(array)] = array
        return content

    def _mapped(self, mapped: Any) -> Content | None:
        reduced: Any = reduce(mapped)  # warns that it comes back as a plain array
        array = reduced.array
        self._alive.append(array)
        content = self._array(array)
        if content is not None:
            self._known[id(array)] = content
        return content

    def _check_apart(self) -> None:
        """Check that no source refers to what stands elsewhere; mark arrays that share memory."""
        owners = dict.fromkeys(self._known, -1)
        owners.update((id(obj), i) for i, (obj, *_) in enumerate(self._archived))
        arrays: list[Array] = list(self._arrays.values())
        where = dict.fromkeys(map(id, arrays), -1)
        for i, (obj, path, _) in enumerate(self._archived):
            if len(self._known) < 2 or is_value(obj):
                continue
            with refusals_of(obj, path):
                reach = Reach(obj)
            self._alive.append(reach)
            for key, met in reach.met.items():
                if not _is_anywhere(met, reach) and owners.setdefault(key, i) != i:
                    raise _NotNativeError
            arrays += reach.arrays
            where.update((id(array), i) for array in reach.arrays)
        self._mark_memory(arrays, where)

    def _mark_memory(self, arrays: list[Array], where: dict[int, int]) -> None:
        number = 0
        for buffer, views in stretches(arrays):
            owners = {where[id(array)] for array in views}
            if len(owners) > 1:
                raise _NotNativeError
            if owners == {-1}:
                for array in views:
                    content = self._known[id(array)]
                    data: Any = content.datasets["data"]
                    data.attributes.update(mark_memory(number, buffer, array))
                    content.attributes.update(marked("ndarray", "ndarray"))
                number += 1


def _is_anywhere(obj: Any, reach: Reach) -> bool:
    """Tell whether `obj` is the same wherever it is met, without being stored once."""
    return isinstance(obj, numpy.dtype) or reach.is_reference(obj)


def _archived(obj: Any, path: str) -> Content:
    """Return the source of an object; for containers with what other software reads of them."""
    content = archive_content(obj, summarize(obj), path)
    cls: Any = type(obj)
    data = portable_data(obj) if cls in TAGS else None
    if data is not None:
        content.attributes[TYPE] = TAGS[cls]
        content.datasets["data"] = data
    return content
