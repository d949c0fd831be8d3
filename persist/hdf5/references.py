"""References in copies: HDF5 makes them null, and dimension scales with them unreadable.

References
----------
HDF5 issue 6200, "H5Ocopy does not copy dimension scales properly"; h5py issue 1556.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import h5py
import numpy

from persist.hdf5.vocabulary import GROUP_WORDS

__all__ = ["copy_references"]

_DAMAGE = (KeyError, OSError, RuntimeError, TypeError, ValueError)
_PLAIN = frozenset(map(str.encode, GROUP_WORDS))


def copy_references(source: Any, target: Any, names: Iterable[bytes] | None = None) -> None:
    """Let references in the copy of a group or file lead to the copies of what they led to.

    A copy is at the same place below `target`; of what is not in the group, at the same path of the
    file. Where there is none, the reference stays null. `names` are the members that were copied,
    by default all.
    """
    places = [b"."]
    for name in [b"."] if names is None else names:
        with contextlib.suppress(*_DAMAGE):
            places += _places(source, name)
    for place in places:
        found: list[tuple[bytes | None, Any]] = []
        # What is damaged was copied as it is, and without references.
        with contextlib.suppress(*_DAMAGE):
            found += _references(source, target, place)
        for attribute, data in found:
            try:
                copy = h5py.h5o.open(target.id, place)
                if attribute is not None:
                    copy = h5py.h5a.open(copy, attribute)
            except KeyError:
                continue
            # Another object may have come in the place of the copy.
            if isinstance(copy, h5py.h5g.GroupID) or not _has_references(copy):
                continue
            if attribute is not None and copy.shape == numpy.shape(data):
                copy.write(data)
            elif attribute is None and copy.shape == data.shape:
                h5py.Dataset(copy)[...] = data


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


def _references(source: Any, target: Any, place: bytes) -> Iterator[tuple[bytes | None, Any]]:
    """Yield attributes with references, and the data of a dataset with some, for the copy."""
    owner = h5py.h5o.open(source.id, place)
    names: list[bytes] = []
    h5py.h5a.iterate(owner, names.append)
    for name in names:
        if name not in _PLAIN and _has_references(attribute := h5py.h5a.open(owner, name)):
            data = numpy.empty(attribute.shape, attribute.dtype)
            attribute.read(data)
            yield name, _mapped(data, source, target)
    if isinstance(owner, h5py.h5d.DatasetID) and _has_references(owner):
        yield None, _mapped(h5py.Dataset(owner)[...], source, target)


def _has_references(found: Any) -> bool:
    return found.get_type().detect_class(h5py.h5t.REFERENCE) and found.shape is not None


def _mapped(value: Any, source: Any, target: Any) -> Any:
    """Return a value with references to the copies in place of those in it."""
    if isinstance(value, h5py.Reference):
        path = h5py.h5r.get_name(value, source.file.id) if value else None
        return type(value)() if path is None else _reference(value, path, source, target)
    if not isinstance(value, (numpy.ndarray, numpy.void)) or not value.dtype.hasobject:
        return value
    found: Any = numpy.array(value)
    for place in found.dtype.names or numpy.ndindex(found.shape):
        found[place] = _mapped(found[place], source, target)
    return found


def _reference(value: Any, path: bytes, source: Any, target: Any) -> Any:
    old, new = (group.name.rstrip("/").encode() for group in (source, target))
    if path == old or path.startswith(old + b"/"):
        path = new + path[len(old) :]
    if path not in target.file:
        return type(value)()
    if not isinstance(value, h5py.RegionReference):
        return h5py.h5r.create(target.file.id, path, h5py.h5r.OBJECT)
    region = h5py.h5r.get_region(value, source.file.id)
    return h5py.h5r.create(target.file.id, path, h5py.h5r.DATASET_REGION, region)
