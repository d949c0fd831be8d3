"""An object as a group: looked at as a whole, then written.

Dicts, the arrays and values in them, and the objects of registered classes are groups that other
software reads. Any other object in a dict is the source of an archive. That is exact as long as no
such source refers to what is elsewhere in the item as well. If one does, or a dict leads back to
itself, or dicts nest deeply, the whole item is one source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy

from persist.archive.arrays import Array
from persist.archive.arrays.blocks import Standing, without_blocks
from persist.archive.graph import Graph, is_value
from persist.archive.reduction import Import
from persist.hdf5.arrays import mark_memory, stretches
from persist.hdf5.builtins import TAGS, THRESHOLD, archive_content, portable_data, refusals_of
from persist.hdf5.content import Content, write_content
from persist.hdf5.registry import registry
from persist.hdf5.vocabulary import (
    CREATED_AT,
    TYPE,
    make_group,
    marked,
    set_attribute,
)

_DEEPEST = 50


def summarize(obj: Any) -> dict[str, Any]:
    """Return what the index of a workspace says of an object, all of which JSON holds.

    Returns
    -------
    dict
        ``type`` is the name of the class. An array has ``shape`` and ``dtype``, and objects of
        registered classes what these say of them. Any other has ``shape`` if it is a tuple of
        sizes.

    Examples
    --------
    >>> import numpy
    >>> summarize(numpy.zeros((2, 3)))
    {'type': 'ndarray', 'shape': [2, 3], 'dtype': 'float64'}
    >>> summarize({"a": 1})
    {'type': 'dict'}
    """
    encoding = registry.found[type(obj)]
    if encoding is not None:
        return encoding.summarize(obj)
    summary: dict[str, Any] = {"type": type(obj).__name__}
    try:
        shape = getattr(obj, "shape", None)
    except Exception:  # Of a property of the user's: it may raise anything.
        return summary
    if type(shape) is tuple and shape and all(type(size) is int for size in shape):
        summary["shape"] = list(shape)
    return summary


class _NotNativeError(Exception):
    """The item is to be one source."""


class _Plan:
    """The content of one item, and what has been met so far."""

    def __init__(self) -> None:
        self._known: dict[int, Content] = {}
        self._open: set[int] = set()
        self._arrays: dict[int, tuple[Array, Content]] = {}
        self._archived: list[tuple[Any, list[Standing], str, Content]] = []
        self._alive: list[Any] = []

    def build(self, obj: Any) -> Content:
        content = self._content(obj, "")
        self._check_apart()
        for inner, found, path, empty in self._archived:
            empty.become(_archived(inner, found, path))
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
        encoding = registry.found[type(obj)]
        content = None if encoding is None else encoding.content(obj)
        if content is None:
            # The source is made when it is known that no other refers to the same.
            content = Content({})
            self._archived.append((*without_blocks(obj, THRESHOLD), path, content))
        elif content.array is not None:
            self._arrays[id(content.array)] = content.array, content
        elif content.values:
            if len(self._open) == _DEEPEST:
                raise _NotNativeError
            self._open.add(id(obj))
            for name, value in content.values.items():
                content.groups[name] = self._content(value, f"{path}[{name!r}]")
            self._open.remove(id(obj))
        return content

    def _check_apart(self) -> None:
        """Check that no source refers to what is elsewhere; mark arrays that share memory."""
        owners = dict.fromkeys(self._known, -1)
        owners.update((id(obj), i) for i, (obj, *_) in enumerate(self._archived))
        arrays = [array for array, _ in self._arrays.values()]
        where = dict.fromkeys(map(id, arrays), -1)
        for i, (obj, _, path, _) in enumerate(self._archived):
            if len(self._known) < 2 or is_value(obj):
                continue
            with refusals_of(obj, path):
                graph = Graph([("value", obj)])
            self._alive.append(graph)  # It keeps alive the temporary objects, and so their ids.
            for met in _reached(graph, obj):
                if owners.setdefault(id(met), i) != i:
                    raise _NotNativeError
            arrays += graph.arrays
            where.update((id(array), i) for array in graph.arrays)
        self._mark_memory(arrays, where)

    def _mark_memory(self, arrays: list[Array], where: dict[int, int]) -> None:
        if len(arrays) < 2:
            return
        number = 0
        for buffer, views in stretches(arrays):
            owners = {where[id(array)] for array in views}
            if len(owners) > 1:
                raise _NotNativeError
            if owners == {-1}:
                for array in views:
                    content = self._arrays[id(array)][1]
                    data: Any = content.datasets["data"]
                    data.attributes.update(mark_memory(number, buffer, array))
                    content.attributes.update(marked("ndarray", "ndarray"))
                number += 1


def _reached(graph: Graph, root: Any) -> Iterator[Any]:
    """Yield the objects with an identity that a source of `root` would hold, each once."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        obj = waiting.pop()
        if is_value(obj) or id(obj) in seen:
            continue
        seen.add(id(obj))
        # A dtype or an import path is the same wherever it is met, without being stored once.
        if not (isinstance(obj, (Import, numpy.dtype)) or graph.is_reference(obj)):
            yield obj
        waiting += [part for _, _, part in graph.parts(obj)]


def _archived(obj: Any, found: list[Standing], path: str) -> Content:
    """Return the source of an object; for containers with what other software reads of them."""
    content = archive_content(obj, summarize(obj), path, found)
    cls: Any = type(obj)
    data = portable_data(obj) if cls in TAGS else None
    if data is not None:
        content.attributes[TYPE] = TAGS[cls]
        content.datasets["data"] = data
    return content


@dataclass(frozen=True)
class Item:
    """An object that is ready to be stored; it must not change before that."""

    _content: Content
    _obj: Any  # The content refers to its memory.

    def write_into(self, parent: Any, name: str, *, created_at: float) -> Any:
        """Write the object as a new group of `parent`, and return the group.

        `created_at` is the time of the item, POSIX, in s. ValueError if there is a member of that
        name. If the disk fails, what was written is removed.
        """
        group = make_group(parent, name, ordered=self._content.ordered)
        try:
            set_attribute(group, CREATED_AT, float(created_at), is_new=True)
            write_content(group, self._content, float(created_at))
        except BaseException:
            del parent[name]
            raise
        return group


def prepare(obj: Any) -> Item:
    """Return an object as what is to be written, without writing anything.

    Arrays, numbers, texts, dicts with texts as keys, and lists, tuples and sets of values of one
    type are stored in a form that other software reads, and so are the objects of registered
    classes. Any other object is stored as the source of an archive, with its larger arrays as
    datasets next to it.

    Raises
    ------
    UnsupportedObjectError
        If the object, or one that it leads to, cannot be stored.
    ArchiveError
        If no constructor can close a cycle in it.
    ValueError
        If the format of a registered class cannot hold what an object of it has.
    """
    try:
        content = _Plan().build(obj)
    except _NotNativeError:
        content = _archived(*without_blocks(obj, THRESHOLD), "")
    return Item(content, obj)
