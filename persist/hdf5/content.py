"""Groups and datasets that are to be written.

An object is first turned into content as a whole, so that whatever cannot be stored is found before
anything is written. Content refers to the arrays of the object, and copies none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import h5py
import numpy

from persist.archive.array_source import without_padding
from persist.archive.arrays import Array
from persist.archive.arrays.blocks import BlockArray
from persist.archive.arrays.dtypes import DType
from persist.archive.arrays.hdf5 import BlockDataset, write_dataset
from persist.archive.arrays.pieces import PIECE, boxes
from persist.hdf5.vocabulary import CREATED_AT, make_dataset, make_group, set_attribute


class Dataset(Protocol):
    """What can be written as one dataset."""

    def write(self, group: Any, name: str) -> None:
        """Write it as `name` into an open group."""
        ...


@dataclass
class Numbers:
    """An array of a type that HDF5 has, in C order whatever its order in memory."""

    array: Array
    dtype: DType | None = None
    attributes: dict[str, Any] = field(default_factory=dict)

    def write(self, group: Any, name: str) -> None:
        """Write the array: as it lies in memory where that will do, else in pieces."""
        array, dtype = self.array, self.array.dtype if self.dtype is None else self.dtype
        if array.nbytes <= PIECE or self._is_as_stored(dtype):
            data = numpy.asarray(without_padding(array), dtype, order="C")
            if dtype.isbuiltin == 1 and dtype.kind in "biufc" and dtype.char not in "gG":
                made = make_dataset(group, name, data)
                if not self.attributes:
                    return
                dataset = h5py.Dataset(made)
            else:
                dataset = group.create_dataset(name, data=data, track_times=False)
        else:
            dataset = group.create_dataset(name, array.shape, dtype, track_times=False)
            for box in boxes(array.shape, max(1, PIECE // array.itemsize)):
                piece = numpy.asarray(without_padding(array[box]), dtype, order="C")
                dataset.write_direct(piece, dest_sel=box)
        if self.attributes:
            dataset.attrs.update(self.attributes)

    def _is_as_stored(self, dtype: DType) -> bool:
        gaps = dtype.names is not None or dtype.type in (numpy.longdouble, numpy.clongdouble)
        return self.array.flags.c_contiguous and dtype == self.array.dtype and not gaps


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
class Texts:
    """Texts of any number of axes, as variable-length UTF-8.

    The array is of type U or S, or of str objects.
    """

    array: Array
    attributes: dict[str, Any] = field(default_factory=dict)

    def write(self, group: Any, name: str) -> None:
        """Write the texts."""
        texts = self.array.astype(object)
        dtype = h5py.string_dtype()
        dataset = group.create_dataset(name, data=texts, dtype=dtype, track_times=False)
        dataset.attrs.update(self.attributes)


@dataclass(frozen=True)
class Text:
    """One text, as variable-length UTF-8."""

    text: str

    def write(self, group: Any, name: str) -> None:
        """Write the text."""
        group.create_dataset(name, data=self.text, dtype=h5py.string_dtype(), track_times=False)


@dataclass(frozen=True)
class External:
    """An external array of an archive, as the HDF5 files of archives hold it."""

    array: Array

    def write(self, group: Any, name: str) -> None:
        """Write the array."""
        write_dataset(group, name, self.array)


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
