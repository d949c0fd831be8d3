"""A group as the object that it represents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import h5py

from persist.archive.arrays.datasets import Stored
from persist.archive.arrays.vocabulary import ITEM
from persist.errors import DamagedError
from persist.hdf5.arrays import ARRAY, Memory
from persist.hdf5.builtins import (
    ARCHIVE,
    LIST,
    ArrayEncoding,
    DictEncoding,
    archive_layout,
    archive_summary,
    read_archive,
)
from persist.hdf5.extras import SEEN, Extra, extras_of, group_layout
from persist.hdf5.opening import damage_in, member
from persist.hdf5.registry import Encoding, by_tag
from persist.hdf5.vocabulary import encoding_of, tag_of

Lazy: TypeAlias = Callable[[str, tuple[int, ...], Any], Any]
"""Takes the path of a dataset, the shape and the dtype of the array; returns a handle of it."""


_ARRAY_GROUP = group_layout(members={"data": SEEN})


def read_item(group: Any, *, lazy: Lazy | None = None, extras: list[Extra] | None = None) -> Any:
    """Return the object that a group represents.

    An object that HDF5 has no form for is kept as the source of an archive, and **reading it runs
    that source**, as does reading what the format of spikelab would lose: read only what you trust.

    Parameters
    ----------
    group : h5py.Group
        What `prepare` wrote, or spikelab.
    lazy : callable, optional
        Called with the path of the dataset, the shape and the dtype for each array of numbers that
        is the item, or a value in a dict; what it returns is used in place of the array, which is
        not read.
    extras : list, optional
        To which is added what the group holds that no encoding reads.

    Returns
    -------
    object
        An object of the same type, with the same values and the same sharing.

    Raises
    ------
    ValueError
        If the type of the group, or of one in it, is unknown.
    DamagedError
        If a dataset or an attribute is missing, or is not what the type has.
    MissingExtraError
        If the class of the object belongs to a package that is not installed.

    Examples
    --------
    >>> from persist.hdf5 import prepare
    >>> with h5py.File("example.h5", "w", driver="core", backing_store=False) as file:
    ...     item = prepare({"rates": [1.5, 2.5], "unit": "Hz"})
    ...     group = item.write_into(file, "item", created_at=0.0)
    ...     read_item(group)
    {'rates': [1.5, 2.5], 'unit': 'Hz'}
    """
    return _Reader(lazy, extras).read(group)


class _Reader:
    """The objects of one item that have several names, and the dicts that are still empty."""

    def __init__(self, lazy: Lazy | None, extras: list[Extra] | None) -> None:
        self._lazy = lazy
        self._extras = extras
        self._memory = Memory()
        self._known: dict[Any, Any] = {}
        # With each dict that is still empty, the groups that it is in and that have several names.
        self._unfilled: list[tuple[Any, dict[str, Any], frozenset[Any]]] = []
        self._above: frozenset[Any] = frozenset()

    def read(self, group: Any) -> Any:
        found = self._object(group)
        while self._unfilled:
            inner, mapping, self._above = self._unfilled.pop()
            for name in inner:
                mapping[name] = self._object(member(inner, name))
        return found

    def _object(self, group: Any) -> Any:
        info = h5py.h5o.get_info(group.id)
        if info.rc == 1:
            return self._decode(group)
        key = (info.fileno, info.addr)
        if key in self._above:
            raise DamagedError(
                f"cannot read {group.name} in {group.file.filename}: the group is in itself"
            )
        if key not in self._known:
            above, self._above = self._above, self._above | {key}
            self._known[key] = self._decode(group)
            self._above = above
        return self._known[key]

    def _decode(self, group: Any) -> Any:
        tag, mark = _kind(group)
        if mark == ARCHIVE:
            found = read_archive(group)
            if self._extras is not None:
                self._extras += extras_of(group, archive_layout(group))
            return found
        encoding = _encoding(tag, group)
        is_array = isinstance(encoding, ArrayEncoding) and mark != LIST
        with damage_in(group):
            # Encodings of other packages may have no layout, and then all is theirs.
            known = _ARRAY_GROUP if is_array else getattr(encoding, "layout", None)
            if self._extras is not None and known is not None:
                self._extras += extras_of(group, known)
            if is_array:
                return self._array(member(group, "data"))
            found = encoding.read(group)
        if isinstance(encoding, DictEncoding):
            self._unfilled.append((group, found, self._above))
        return found

    def _array(self, dataset: Any) -> Any:
        stored = Stored(dataset)
        if self._extras is not None and stored.attributes:
            self._extras += extras_of(dataset, ARRAY)
        if self._lazy is not None and not stored.is_text:
            return self._lazy(dataset.name, stored.shape, stored.dtype)
        if ITEM.memory in stored.attributes:
            return stored.fill(self._memory.view(stored))
        return stored.read()


def read_summary(group: Any) -> dict[str, Any]:
    """Return the summary of the object that a group represents, from attributes and headers.

    It is that of `summarize`, save that the width of many texts is 0 where spikelab wrote them.

    Parameters
    ----------
    group : h5py.Group
        What `prepare` wrote, or spikelab.

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
    return _encoding(tag, group).read_summary(group)


def _kind(group: Any) -> tuple[str, str]:
    """Return the type and the encoding of a group."""
    if not isinstance(group, h5py.Group):
        raise DamagedError(
            f"{group.name} in {group.file.filename} is a dataset, where a group is to stand"
        )
    return tag_of(group), encoding_of(group)


def _encoding(tag: str, group: Any) -> Encoding:
    encoding = by_tag.get(tag)
    if encoding is None:
        known = [*by_tag, ARCHIVE]
        raise DamagedError(
            f"Unknown __type__ '{tag}' in HDF5 group '{group.name}'. Supported: {known}"
        )
    return encoding
