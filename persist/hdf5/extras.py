"""What other software has put into the group of an object, and no encoding reads.

Each encoding has a `Layout`, which names all that it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import h5py

from persist.errors import DamagedError
from persist.hdf5.opening import member
from persist.hdf5.vocabulary import GROUP_WORDS

__all__ = [
    "SEEN",
    "Extra",
    "Layout",
    "attributes_but",
    "dataset_layout",
    "extras_of",
    "group_layout",
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


def _names_to_check(group: Any, known: Layout) -> list[bytes]:
    """Return the names of the members of a group that are not marked as seen."""
    if known.rest is SEEN:
        return []
    links = group.id.links
    seen = [name for name, part in known.members.items() if part is SEEN and links.exists(name)]
    names: list[bytes] = []
    # To count is faster than to list.
    if group.id.get_num_objs() > len(seen):
        links.iterate(names.append)
    return [name for name in names if name not in seen]
