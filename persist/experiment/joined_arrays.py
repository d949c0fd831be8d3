"""The arrays of all trials as one dataset, with an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from persist.experiment.trial_arrays import RESULT

__all__ = ["JoinedArrays", "can_join", "is_joined", "write_joined"]

_LAYOUT = "layout"
_JOINED = "joined"
_AXIS = "axis"
_INDEX = "index"
_SHAPES = "shapes"
_FLAT = -1


def is_joined(group: Any) -> bool:
    """Tell whether a group holds arrays of trials as one dataset."""
    return bool(group.attrs.get(_LAYOUT) == _JOINED)


def can_join(datasets: Sequence[Any]) -> bool:
    """Tell whether datasets are the same again after they were joined.

    They must have one type and as many axes, no attributes and no filters.
    """
    first = datasets[0]
    return all(
        dataset.dtype == first.dtype
        and not dataset.dtype.hasobject
        and dataset.dtype.metadata == first.dtype.metadata
        and dataset.ndim == first.ndim
        and dataset.shape is not None
        and dataset.chunks is None
        and not len(dataset.attrs)
        for dataset in datasets
    )


def write_joined(group: Any, rows: Sequence[int], datasets: Sequence[Any]) -> None:
    """Write datasets for which `can_join` holds into an empty group, one at a time.

    The dataset ``data`` has them end to end along the axis in the attribute ``axis``: the first, or
    the one in which trials differ. If they differ in several, each is written flat, and ``axis`` is
    -1. The columns of ``index`` are the row of a trial, and where its part begins and ends.
    """
    shapes = [dataset.shape for dataset in datasets]
    axis = _axis(shapes)
    lengths = [_length(shape, axis) for shape in shapes]
    stops = numpy.cumsum(lengths, dtype="int64")
    index = numpy.stack([numpy.array(rows, "int64"), stops - lengths, stops], axis=1)
    shape = list(shapes[0]) if axis != _FLAT else [0]
    shape[max(axis, 0)] = int(stops[-1])
    whole = group.create_dataset(RESULT, tuple(shape), datasets[0].dtype, track_times=False)
    for dataset, (_, start, stop) in zip(datasets, index.tolist(), strict=True):
        if start < stop and whole.size:
            part = dataset[()]
            whole[_place(axis, start, stop)] = part.reshape(-1) if axis == _FLAT else part
    group.create_dataset(_INDEX, data=index, track_times=False)
    group[_INDEX].attrs["columns"] = ["row", "start", "stop"]
    if axis == _FLAT:
        group.create_dataset(_SHAPES, data=numpy.array(shapes, "int64"), track_times=False)
    group.attrs[_LAYOUT] = _JOINED
    group.attrs[_AXIS] = axis


class JoinedArrays:
    """Arrays that are parts of one dataset.

    Parameters
    ----------
    group : h5py.Group
        What `write_joined` wrote.
    """

    def __init__(self, group: Any) -> None:
        self._data = group[RESULT]
        self._axis = int(group.attrs[_AXIS])
        self._parts = {
            row: (number, start, stop)
            for number, (row, start, stop) in enumerate(group[_INDEX][...].tolist())
        }
        self._shapes = group[_SHAPES][...].tolist() if self._axis == _FLAT else []

    def rows(self) -> list[int]:
        """Return the rows that have an array, in order."""
        return sorted(self._parts)

    def shape(self, row: int) -> tuple[int, ...]:
        """Return the shape of one."""
        number, start, stop = self._parts[row]
        if self._axis == _FLAT:
            return tuple(self._shapes[number])
        shape = list(self._data.shape)
        shape[self._axis] = stop - start
        return tuple(shape)

    def dtype(self, row: int) -> Any:
        """Return the type of one."""
        return self._data.dtype

    def read(self, row: int, selection: Any = ()) -> Any:
        """Return one, or what an index selects of it."""
        _, start, stop = self._parts[row]
        lazy_axis = self._axis == 0 and _is_slice(selection)
        if lazy_axis:
            begin, end, _ = selection.indices(stop - start)
            return self._data[start + begin : start + max(begin, end)]
        part = self._data[_place(self._axis, start, stop)]
        return part.reshape(self.shape(row))[selection]

    def result(self) -> Any:
        """Return None: there is no array of the task as a whole here."""
        return None


def _is_slice(selection: Any) -> bool:
    return isinstance(selection, slice) and selection.step in (None, 1)


def _axis(shapes: Sequence[tuple[int, ...]]) -> int:
    """Return the only axis in which shapes differ, the first if none does, or -1."""
    ndim = len(shapes[0])
    differing = [axis for axis in range(ndim) if len({shape[axis] for shape in shapes}) > 1]
    if not ndim or len(differing) > 1:
        return _FLAT
    return differing[0] if differing else 0


def _length(shape: tuple[int, ...], axis: int) -> int:
    return int(numpy.prod(shape, dtype="int64")) if axis == _FLAT else shape[axis]


def _place(axis: int, start: int, stop: int) -> tuple[slice, ...]:
    return (*[slice(None)] * max(axis, 0), slice(start, stop))
