"""References in copies: HDF5 makes them null, and dimension scales with them unreadable.

References
----------
HDF5 issue 6200, "H5Ocopy does not copy dimension scales properly"; h5py issue 1556.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import h5py
import numpy

from persist.hdf5.vocabulary import GROUP_WORDS

__all__ = [
    "Link",
    "copy_references",
    "leads_into",
    "path_of",
    "read_links",
    "retargeted",
    "write_links",
]

_DAMAGE = (KeyError, OSError, RuntimeError, TypeError, ValueError)
_PLAIN = frozenset(map(str.encode, GROUP_WORDS))


@dataclass(frozen=True)
class _Target:
    """What a reference leads to: an object by its path, and the encoded selection in it, if any."""

    path: bytes
    region: bytes | None


@dataclass(frozen=True)
class Link:
    """The references in an attribute of the object at `place`, or in the dataset at `place` itself.

    `value` has a `_Target` in place of each reference, and None where one is null.
    """

    place: bytes
    attribute: bytes | None
    value: Any

    def within(self, outer: bytes) -> Link:
        """Return the same link, with its place relative to what holds the group `outer`."""
        path = b"/".join(filter(None, [outer.rstrip(b"/"), self.place]))
        return replace(self, place=path.removesuffix(b"/.") or b".")


def copy_references(source: Any, target: Any) -> None:
    """Point the references in the copy of a group or file at the copies of what they led to.

    A copy is at the same place below `target`; of what is not in the group, at the same path of the
    file. Where there is none, the reference stays null.
    """
    write_links(target, read_links(source), {path_of(source): path_of(target)})


def read_links(source: Any, names: Iterable[bytes] | None = None) -> list[Link]:
    """Return the references in an open object, and in its members of these names, or in all."""
    places = [b"."]
    for name in [b"."] if names is None else names:
        with contextlib.suppress(*_DAMAGE):
            places += _places(source, name)
    found: list[Link] = []
    for place in places:
        # What is damaged was copied as it is, and without references.
        with contextlib.suppress(*_DAMAGE):
            found += _links(source, place)
    return found


def write_links(
    target: Any, links: Iterable[Link], moved: Mapping[bytes, bytes] | None = None
) -> list[str]:
    """Point references in copies at the copies of their targets; return those that find none.

    `moved` has the path that each copy has by that of its original, where they differ.
    """
    lost: list[str] = []
    for link in links:
        try:
            copy = h5py.h5o.open(target.id, link.place)
            if link.attribute is not None:
                copy = h5py.h5a.open(copy, link.attribute)
        except KeyError:
            continue
        # Another object may have come in the place of the copy.
        if isinstance(copy, h5py.h5g.GroupID) or not _has_references(copy):
            continue
        if copy.shape != numpy.shape(link.value):
            continue
        missing: list[bytes] = []
        value = _filled(link.value, target.file, moved or {}, missing)
        if link.attribute is None:
            h5py.Dataset(copy)[...] = value
        else:
            copy.write(value)
        parts = [link.place] if link.attribute is None else [link.place, link.attribute]
        for path in missing:
            names = (name.decode(errors="backslashreplace") for name in [*parts, path])
            lost.append(" -> ".join(names))
    return lost


def leads_into(link: Link, paths: Iterable[bytes]) -> bool:
    """Return True if a reference leads to one of these paths, or to what is in it."""
    found: list[bytes] = []
    _mapped(link.value, _Target, lambda target: found.append(target.path))
    return any(path == each or path.startswith(each + b"/") for path in found for each in paths)


def retargeted(links: Iterable[Link], moved: Mapping[bytes, bytes]) -> list[Link]:
    """Return references to other paths: see `write_links`."""

    def other(target: _Target) -> _Target:
        return _Target(_moved(target.path, moved), target.region)

    return [replace(link, value=_mapped(link.value, _Target, other)) for link in links]


def path_of(group: Any) -> bytes:
    """Return the path of an open object in its file; empty for the root."""
    return bytes(h5py.h5i.get_name(group.id)).rstrip(b"/")


def _places(group: Any, name: bytes) -> list[bytes]:
    """Return the paths of a member, and of what is in it, that may have references."""
    found: list[bytes] = []

    def look(path: bytes, info: Any) -> None:
        # h5py 3.10 does not tell how many attributes there are.
        if getattr(info, "num_attrs", 1) or info.type == h5py.h5o.TYPE_DATASET:
            found.append(path if name == b"." else name + b"/" + path)

    if name != b".":
        if group.id.links.get_info(name).type != h5py.h5l.TYPE_HARD:
            return []
        found.append(name)
    h5py.h5o.visit(group.id, look, obj_name=name, info=True)
    return found


def _links(source: Any, place: bytes) -> Iterator[Link]:
    owner = h5py.h5o.open(source.id, place)
    names: list[bytes] = []
    h5py.h5a.iterate(owner, names.append)

    def named(reference: Any) -> _Target | None:
        # What it leads to may have been deleted.
        with contextlib.suppress(*_DAMAGE):
            if reference and (path := h5py.h5r.get_name(reference, source.file.id)) is not None:
                is_region = isinstance(reference, h5py.RegionReference)
                region = h5py.h5r.get_region(reference, source.file.id) if is_region else None
                return _Target(path, region and region.encode())
        return None

    for name in names:
        if name not in _PLAIN and _has_references(attribute := h5py.h5a.open(owner, name)):
            data = numpy.empty(attribute.shape, attribute.dtype)
            attribute.read(data)
            yield Link(place, name, _mapped(data, h5py.Reference, named))
    if isinstance(owner, h5py.h5d.DatasetID) and _has_references(owner):
        yield Link(place, None, _mapped(h5py.Dataset(owner)[...], h5py.Reference, named))


def _has_references(found: Any) -> bool:
    return found.get_type().detect_class(h5py.h5t.REFERENCE) and found.shape is not None


def _mapped(value: Any, kind: type, function: Any) -> Any:
    """Return a value with what a function returns in place of each object of a kind in it."""
    if isinstance(value, kind):
        return function(value)
    if not isinstance(value, (numpy.ndarray, numpy.void)) or not value.dtype.hasobject:
        return value
    found: Any = numpy.array(value)
    for place in found.dtype.names or numpy.ndindex(found.shape):
        found[place] = _mapped(found[place], kind, function)
    return found


def _filled(value: Any, file: Any, moved: Mapping[bytes, bytes], missing: list[bytes]) -> Any:
    """Return a value with references into an open file, null where the target is missing."""

    def reference(target: _Target) -> Any:
        path = _moved(target.path, moved)
        try:
            if target.region is None:
                return h5py.h5r.create(file.id, path, h5py.h5r.OBJECT)
            region = h5py.h5s.decode(target.region)
            # An array of another shape may have come in its place.
            if h5py.h5d.open(file.id, path).shape == region.shape:
                return h5py.h5r.create(file.id, path, h5py.h5r.DATASET_REGION, region)
        except _DAMAGE:
            pass
        missing.append(path)
        return None

    return _mapped(value, _Target, reference)


def _moved(path: bytes, moved: Mapping[bytes, bytes]) -> bytes:
    head = path
    while head not in moved and head:
        head = head.rpartition(b"/")[0]
    return moved.get(head, head) + path[len(head) :]
