"""Groups and datasets that are to be written.

An object is first turned into content as a whole, so that whatever cannot be stored is found before
anything is written. Content refers to the arrays of the object, and copies none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy

from persist.archive.arrays import Array
from persist.archive.arrays.blocks import BlockArray
from persist.archive.arrays.datasets import BlockDataset
from persist.archive.arrays.pieces import PIECE
from persist.hdf5.vocabulary import CREATED_AT, make_group, set_attribute


class Dataset(Protocol):
    """What can be written as one dataset: an `Encoded` array, and what is here."""

    def write(self, group: Any, name: str) -> None:
        """Write it as `name` into an open group."""
        ...


@dataclass
class Joined:
    """Arrays of one axis, one after the other, as 64-bit floats."""

    parts: Sequence[Array]
    attributes: dict[str, Any] = field(default_factory=dict)

    def write(self, group: Any, name: str) -> None:
        """Write the arrays, of which some at a time are joined in memory."""
        total = sum(map(len, self.parts))
        dataset = group.create_dataset(name, (total,), "<f8", track_times=False)
        start = 0
        for block in self._blocks():
            dataset.write_direct(block, dest_sel=slice(start, start + len(block)))
            start += len(block)
        dataset.attrs.update(self.attributes)

    def _blocks(self) -> Iterator[Array]:
        held: list[Array] = []
        size = 0
        for part in filter(len, self.parts):
            held.append(part)
            size += len(part) * 8
            if size > PIECE:
                yield numpy.concatenate(held, dtype="<f8", casting="unsafe")
                held, size = [], 0
        if held:
            yield numpy.concatenate(held, dtype="<f8", casting="unsafe")


@dataclass
class Blocks:
    """An array that is written block by block, as the HDF5 files of archives hold it."""

    array: BlockArray
    attributes: dict[str, Any] = field(default_factory=dict)

    def write(self, group: Any, name: str) -> None:
        """Write all blocks."""
        target = BlockDataset.create(group, name, self.array)
        self.array.write_to(target)
        target.dataset.attrs.update(self.attributes)


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
        The groups within it. Content that is in several places is one group with several
        names (hard links).
    dated : bool
        Within another, the group has the time of the item.
    ordered : bool
        The group keeps the order of its members.
    values : dict of str to object
        Objects within, each of which `persist.hdf5.writing` makes one of `groups`.
    array : numpy.ndarray, optional
        The array in the dataset ``data``, which may share memory with others of the item.
    """

    attributes: dict[str, Any]
    datasets: dict[str, Dataset] = field(default_factory=dict)
    groups: dict[str, Content] = field(default_factory=dict)
    dated: bool = False
    ordered: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    array: Array | None = None

    def become(self, other: Content) -> None:
        """Take over what another holds: a place is known before its content."""
        vars(self).update(vars(other))


def write_content(group: Any, content: Content, created_at: float) -> None:
    """Fill a group that is empty.

    It was made with ``track_order=True`` if the content is ordered. `created_at` is POSIX, in s.
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
                set_attribute(part, CREATED_AT, created_at, is_new=True)
            _fill(part, inner)
            if inner.groups:
                work.append((part, inner))


def _fill(group: Any, content: Content) -> None:
    for name, value in content.attributes.items():
        set_attribute(group, name, value, is_new=True)
    for name, dataset in content.datasets.items():
        dataset.write(group, name)
