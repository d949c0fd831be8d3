"""A group as the object that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import h5py

from persist.errors import DamagedError
from persist.hdf5.archived import ARCHIVE, archive_summary, read_archive
from persist.hdf5.arrays import MEMORY
from persist.hdf5.containers import LIST, TAGS, read_container
from persist.hdf5.marks import encoding_of, member, tag_of
from persist.hdf5.memory import Memory
from persist.hdf5.registry import encoding_of_tag, tags
from persist.hdf5.scalars import read_none, read_scalar, read_text, scalar_summary
from persist.hdf5.stored import Stored

__all__ = ["Lazy", "read_item", "read_summary"]

Lazy: TypeAlias = Callable[[str, tuple[int, ...], Any], Any]
"""Takes the path of a dataset, the shape and the dtype of the array; returns what stands for it."""

_SCALARS: dict[str, Callable[[Any], Any]] = {
    "scalar": read_scalar,
    "scalar_str": read_text,
    "none": read_none,
}
_CONTAINERS = set(TAGS.values()) - {"ndarray"}


def read_item(group: Any, *, lazy: Lazy | None = None) -> Any:
    """Return the object that a group stands for.

    An object that HDF5 has no form for is kept as the source of an archive, and **reading it runs
    that source**, as does reading what the format of spikelab would lose: read only what you trust.

    Parameters
    ----------
    group : h5py.Group
        What `write_item` wrote, or spikelab.
    lazy : callable, optional
        Called with the path of the dataset, the shape and the dtype for each array of numbers that
        is the item, or stands in a dict; what it returns is used in place of the array, which is
        not read.

    Returns
    -------
    object
        An object of the same type, with the same values and the same sharing.

    Raises
    ------
    ValueError
        If the type of the group, or of one in it, is unknown.
    DamagedError
        If a dataset or an attribute is missing.
    MissingExtraError
        If the class of the object belongs to a package that is not installed.

    Examples
    --------
    >>> from persist.hdf5 import write_item
    >>> with h5py.File("example.h5", "w", driver="core", backing_store=False) as file:
    ...     write_item(file, "item", {"rates": [1.5, 2.5], "unit": "Hz"}, created_at=0.0)
    ...     read_item(file["item"])
    {'rates': [1.5, 2.5], 'unit': 'Hz'}
    """
    return _Reader(lazy).read(group)


class _Reader:
    """The objects of one item that have several names, and the dicts that are still empty."""

    def __init__(self, lazy: Lazy | None) -> None:
        self._lazy = lazy
        self._memory = Memory()
        self._known: dict[Any, Any] = {}
        self._unfilled: list[tuple[Any, dict[str, Any]]] = []

    def read(self, group: Any) -> Any:
        found = self._object(group)
        while self._unfilled:
            inner, mapping = self._unfilled.pop()
            for name in inner:
                mapping[name] = self._object(member(inner, name))
        return found

    def _object(self, group: Any) -> Any:
        info = h5py.h5o.get_info(group.id)
        if info.rc == 1:
            return self._decode(group)
        key = (info.fileno, info.addr)
        if key not in self._known:
            self._known[key] = self._decode(group)
        return self._known[key]

    def _decode(self, group: Any) -> Any:
        tag, encoding = _kind(group)
        if encoding == ARCHIVE:
            return read_archive(group)
        if tag == "dict":
            mapping: dict[str, Any] = {}
            self._unfilled.append((group, mapping))
            return mapping
        if tag == "ndarray" and encoding != LIST:
            return self._array(member(group, "data"))
        if tag in _SCALARS:
            return _SCALARS[tag](group)
        if tag in _CONTAINERS or tag == "ndarray":
            return read_container(group, LIST if tag == "ndarray" else tag)
        return _registered(tag, group).read(group)

    def _array(self, dataset: Any) -> Any:
        stored = Stored(dataset)
        if self._lazy is not None and not stored.is_text:
            return self._lazy(dataset.name, stored.shape, stored.dtype)
        if MEMORY in stored.attributes:
            return stored.fill(self._memory.view(stored))
        return stored.read()


def read_summary(group: Any) -> dict[str, Any]:
    """Return the summary of the object that a group stands for, from attributes and headers.

    It is that of `summarize`, save that the width of many texts is 0 where spikelab wrote them.

    Parameters
    ----------
    group : h5py.Group
        What `write_item` wrote, or spikelab.

    Raises
    ------
    ValueError
        If the type of the group is unknown.
    DamagedError
        If a dataset or an attribute is missing.
    """
    tag, encoding = _kind(group)
    if encoding == ARCHIVE:
        return archive_summary(group)
    if tag == "ndarray" and encoding != LIST:
        return {"type": "ndarray", **Stored(member(group, "data")).summary()}
    if tag in _SCALARS:
        return scalar_summary(group)
    if tag in _CONTAINERS or tag in ("ndarray", "dict"):
        return {"type": LIST if tag == "ndarray" else tag}
    summary: dict[str, Any] = _registered(tag, group).read_summary(group)
    return summary


def _kind(group: Any) -> tuple[str, str]:
    """Return the type and the encoding of a group."""
    if not isinstance(group, h5py.Group):
        raise DamagedError(
            f"{group.name} in {group.file.filename} is a dataset, where a group is to stand"
        )
    return tag_of(group), encoding_of(group)


def _registered(tag: str, group: Any) -> Any:
    encoding = encoding_of_tag(tag)
    if encoding is None:
        known = ["dict", ARCHIVE, "ndarray", *_SCALARS, *sorted(_CONTAINERS), *tags()]
        raise ValueError(
            f"Unknown __type__ '{tag}' in HDF5 group '{group.name}'. Supported: {known}"
        )
    return encoding
