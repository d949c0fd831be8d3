"""What other software has put into the group of an object, and no encoding reads.

Each encoding has a `Layout`, which names all that it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import h5py
import numpy

from persist.errors import DamagedError
from persist.hdf5.opening import member
from persist.hdf5.references import Link, path_of, read_links, write_links
from persist.hdf5.vocabulary import GROUP_WORDS

__all__ = [
    "SEEN",
    "Extra",
    "Layout",
    "attributes_but",
    "dataset_layout",
    "extras_of",
    "group_layout",
    "members_of",
]


class Layout(NamedTuple):
    """The names that are read of a group or dataset."""

    attributes: frozenset[bytes] = frozenset()
    members: Mapping[bytes, Layout] = MappingProxyType({})
    rest: Layout | None = None
    """That of all other members; None where there should be none."""


SEEN = Layout()
"""The layout of a member whose extras are found elsewhere."""


def dataset_layout(*attributes: str) -> Layout:
    """Return the layout of a dataset that has these attributes, or some of them."""
    return Layout(frozenset(map(str.encode, attributes)))


def group_layout(
    attributes: Iterable[str] = (),
    members: Mapping[str, Layout] | None = None,
    rest: Layout | None = None,
) -> Layout:
    """Return the layout of a group that has the attributes of each group, and these."""
    names = frozenset(map(str.encode, [*GROUP_WORDS, *attributes]))
    inner = {name.encode(): part for name, part in (members or {}).items()}
    return Layout(names, inner, rest)


class Extra(NamedTuple):
    """The names of what is in an open group or dataset, and was not read."""

    owner: Any
    attributes: list[bytes]
    members: list[bytes]

    def copy_to(self, target: Any) -> list[str]:
        """Copy all of it to another group or dataset, which keeps what it has of these names.

        Returns which references in it are null in the copy, for what they lead to has none yet, or
        is not at the same path. See `links`.

        Raises
        ------
        DamagedError
            If HDF5 cannot copy it.
        """
        for name in self.attributes:
            if not h5py.h5a.exists(target.id, name):
                _copy_attribute(self.owner, target, name)
        for name in self.members:
            _copy_member(self.owner, target, name)
        return write_links(target, self.links(), {path_of(self.owner): path_of(target)})

    def links(self) -> list[Link]:
        """Return the references in it, by their place in the owner."""
        found = read_links(self.owner, self.members)
        own = set(self.attributes)
        return [link for link in found if link.place != b"." or link.attribute in own]


def attributes_but(owner: Any, known: frozenset[bytes]) -> list[bytes]:
    """Return the names of the attributes of an open object that are not known."""
    names: list[bytes] = []
    if h5py.h5a.get_num_attrs(owner.id):
        h5py.h5a.iterate(owner.id, names.append)
    return [name for name in names if name not in known]


def extras_of(owner: Any, known: Layout) -> list[Extra]:
    """Return what an open object, and the members that its layout names, hold besides."""
    attributes = attributes_but(owner, known.attributes)
    if not isinstance(owner, h5py.Group):
        return [Extra(owner, attributes, [])] if attributes else []
    foreign: list[bytes] = []
    found: list[Extra] = []
    for name in _names_to_check(owner, known):
        inner = known.members.get(name, known.rest)
        try:
            part = None if inner is None else member(owner, name.decode())
        except (DamagedError, UnicodeDecodeError):
            part = None
        if inner is None or part is None:
            foreign.append(name)
        else:
            found += extras_of(part, inner)
    if attributes or foreign:
        found.append(Extra(owner, attributes, foreign))
    return found


def members_of(group: Any) -> list[bytes]:
    """Return the names of the members of a group."""
    names: list[bytes] = []
    group.id.links.iterate(names.append)
    return names


def _names_to_check(group: Any, known: Layout) -> list[bytes]:
    """Return the names of the members of a group that are not marked as seen."""
    if known.rest is SEEN:
        return []
    links = group.id.links
    seen = {name for name, part in known.members.items() if part is SEEN and links.exists(name)}
    # To count is faster than to list.
    names = members_of(group) if group.id.get_num_objs() > len(seen) else []
    return [name for name in names if name not in seen]


def _copy_attribute(source: Any, target: Any, name: bytes) -> None:
    """Copy an attribute of an open object to another, as it is."""
    found = h5py.h5a.open(source.id, name)
    made = h5py.h5a.create(target.id, name, found.get_type(), found.get_space())
    # References are addresses in their file, and become null in another, as with H5Ocopy.
    if found.shape is None or found.get_type().detect_class(h5py.h5t.REFERENCE):
        return
    data = numpy.empty(found.shape, found.dtype)
    found.read(data)
    made.write(data)


def _copy_member(source: Any, target: Any, name: bytes) -> None:
    """Copy a member of a group, or the link that it is, unless the other has one of its name.

    Raises
    ------
    DamagedError
        If HDF5 cannot copy it.
    """
    if name in target:
        return
    kind = source.id.links.get_info(name).type
    try:
        if kind == h5py.h5l.TYPE_HARD:
            h5py.h5o.copy(source.id, name, target.id, name)
        elif kind == h5py.h5l.TYPE_SOFT:
            target.id.links.create_soft(name, source.id.links.get_val(name))
        else:
            file, path = source.id.links.get_val(name)
            target.id.links.create_external(name, file, path)
    except (KeyError, RuntimeError) as error:
        raise DamagedError(
            f"cannot copy {name.decode(errors='backslashreplace')!r} of {source.name} in "
            f"{source.file.filename}: {error}"
        ) from error
