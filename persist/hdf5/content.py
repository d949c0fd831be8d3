"""What a group is to hold, and the writing of it.

An object is first turned into content as a whole, so that whatever cannot be stored is found before
anything is written. Content refers to the arrays of the object, and copies none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from persist.hdf5.datasets import Dataset
from persist.hdf5.making import make_group, set_attribute
from persist.hdf5.marks import CREATED_AT

__all__ = ["Content", "write_content"]


@dataclass
class Content:
    """The attributes and members of one group.

    Parameters
    ----------
    attributes : dict of str to object
        Its attributes.
    datasets : dict of str to Dataset
        Its datasets.
    groups : dict of str to Content
        The groups within it. Content that stands in several places is one group with several
        names (hard links).
    dated : bool
        Within another, the group has the time of the item.
    ordered : bool
        The group keeps the order of its members.
    """

    attributes: dict[str, Any]
    datasets: dict[str, Dataset] = field(default_factory=dict)
    groups: dict[str, Content] = field(default_factory=dict)
    dated: bool = False
    ordered: bool = False

    def become(self, other: Content) -> None:
        """Take over what another holds: the place is known before what stands there is."""
        vars(self).update(vars(other))


def write_content(group: Any, content: Content, created_at: float) -> None:
    """Fill a group that is empty.

    Parameters
    ----------
    group : h5py.Group
        Made with ``track_order=True`` if the content is ordered.
    content : Content
        What it is to hold.
    created_at : float
        The time of the item, POSIX, in s.
    """
    made: dict[int, str] = {}
    work = [(group, content)]
    _fill(group, content)
    while work:
        group, content = work.pop()
        for name, inner in content.groups.items():
            if id(inner) in made:
                group[name] = group.file[made[id(inner)]]
                continue
            part = make_group(group, name, ordered=inner.ordered)
            made[id(inner)] = part.name
            if inner.dated:
                set_attribute(part, CREATED_AT, created_at)
            _fill(part, inner)
            if inner.groups:
                work.append((part, inner))


def _fill(group: Any, content: Content) -> None:
    for name, value in content.attributes.items():
        set_attribute(group, name, value)
    for name, dataset in content.datasets.items():
        dataset.write(group, name)
