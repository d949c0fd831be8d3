"""The arrays of one name, trial by trial, in an open HDF5 file.

Each is a dataset called by the number of its row, or part of one dataset with an index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias, overload

import h5py
import numpy

from persist.archive.arrays.handles import ArrayHandle
from persist.errors import ArgumentError, UnknownKeyError
from persist.hdf5.extras import Layout, dataset_layout
from persist.hdf5.masked import read_prepared
from persist.hdf5.opening import damage_in, dataset_in, member

RESULT = "data"
"""The dataset of what belongs to no single trial."""


class SeparateArrays:
    """Arrays that are a dataset each."""

    def __init__(self, group: Any) -> None:
        self._group = group

    def rows(self) -> list[int]:
        """Return the rows that have an array, in order."""
        return row_names(self._group)

    def shape(self, row: int) -> tuple[int, ...]:
        """Return the shape of one."""
        shape = dataset_in(self._group, str(row)).shape
        return (0,) if shape is None else tuple(shape)

    def dtype(self, row: int) -> Any:
        """Return the type of one."""
        return dataset_in(self._group, str(row)).dtype

    def read(self, row: int, selection: Any = ()) -> Any:
        """Return one, or what an index selects of it."""
        return read_prepared(self._group, str(row), selection)

    def result(self) -> Any:
        """Return what belongs to no single trial; None if there is nothing."""
        if not isinstance(self._group.get(RESULT, getlink=True), h5py.HardLink):
            return None
        is_array = isinstance(member(self._group, RESULT), h5py.Dataset)
        return read_prepared(self._group, RESULT) if is_array else None


def row_names(group: Any) -> list[int]:
    """Return the members of a group that are called by numbers of rows, in order."""
    return sorted(int(name) for name in group if name.isdecimal() and str(int(name)) == name)


def stacked(arrays: TrialArrays, rows: Sequence[int]) -> Any:
    """Return the arrays of rows, one below the other along the first axis.

    Those of one axis are rows. Where trials differ in their other axes, the result is a masked
    array, in which what a trial lacks is masked; so it is where an array of a trial is masked.

    Raises
    ------
    ValueError
        If there is nothing to stack, the numbers of axes differ, or no type holds the values of all
        trials.
    """
    if not rows:
        raise ArgumentError("cannot stack arrays: no trial was selected")
    shapes = [_as_rows(arrays.shape(row)) for row in rows]
    if len(set(map(len, shapes))) > 1:
        raise ArgumentError(f"trials have different numbers of axes: shapes {sorted(set(shapes))}")
    dtype = _common_dtype(arrays, rows)
    tails = {shape[1:] for shape in shapes}
    height = sum(shape[0] for shape in shapes)
    whole: Any = numpy.empty((height, *map(max, zip(*tails, strict=True))), dtype)
    is_ragged = len(tails) > 1
    mask: Any = None
    if is_ragged:
        whole[...] = numpy.zeros((), dtype)
        mask = numpy.ones(whole.shape, numpy.ma.make_mask_descr(dtype))
    start = 0
    for row, shape in zip(rows, shapes, strict=True):
        place = (slice(start, start + shape[0]), *map(slice, shape[1:]))
        part = arrays.read(row)
        whole[place] = numpy.reshape(numpy.ma.getdata(part), shape)
        if isinstance(part, numpy.ma.MaskedArray) and mask is None:
            mask = numpy.zeros(whole.shape, numpy.ma.make_mask_descr(dtype))
        if mask is not None:
            mask[place] = numpy.reshape(numpy.ma.getmaskarray(part), shape)
        start += shape[0]
    return whole if mask is None else numpy.ma.MaskedArray(whole, mask)


def _common_dtype(arrays: TrialArrays, rows: Sequence[int]) -> Any:
    """Return a type that holds the values of all trials as they are."""
    dtypes = {row: arrays.dtype(row) for row in rows}
    common = numpy.result_type(*set(dtypes.values()))
    # Integers of 64 bits are the only numbers for which numpy takes a type that loses digits.
    wide = [row for row, dtype in dtypes.items() if dtype.kind in "iu" and dtype.itemsize == 8]
    if common.kind not in "fc" or not wide:
        return common
    is_integer = all(dtype.kind in "iu" for dtype in dtypes.values())
    parts = [numpy.ma.compressed(arrays.read(row)) for row in (rows if is_integer else wide)]
    low = min((int(part.min()) for part in parts if part.size), default=0)
    high = max((int(part.max()) for part in parts if part.size), default=0)
    if is_integer and high < 1 << 63:
        return numpy.dtype("int64")
    if is_integer and low >= 0:
        return numpy.dtype("uint64")
    exact = 1 << (numpy.finfo(common).nmant + 1)
    if not is_integer and -exact <= low and high <= exact:
        return common
    found = ", ".join(sorted(map(str, set(dtypes.values()))))
    raise ArgumentError(
        f"trials are of types {found}, and no type holds all of their values: read them one by one "
        "(iterarray)"
    )


def _as_rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape with at least two axes, as `numpy.vstack` takes it."""
    return (1, *(shape or (1,))) if len(shape) < 2 else shape


_LAYOUT = "layout"
_JOINED = "joined"
_AXIS = "axis"
_INDEX = "index"
_SHAPES = "shapes"
_FLAT = -1
_PARTS = {RESULT: Layout(), _INDEX: dataset_layout("columns"), _SHAPES: Layout()}
JOINED = Layout(
    frozenset([_LAYOUT.encode(), _AXIS.encode()]),
    {name.encode(): part for name, part in _PARTS.items()},
)
"""What is read of a group of joined arrays."""


def is_joined(group: Any) -> bool:
    """Return True if a group holds arrays of trials as one dataset."""
    return bool(group.attrs.get(_LAYOUT) == _JOINED)


def can_join(datasets: Sequence[Any]) -> bool:
    """Return True if datasets are the same again after they were joined.

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
    """Arrays that are parts of one dataset."""

    def __init__(self, group: Any) -> None:
        self._data = dataset_in(group, RESULT)
        with damage_in(group):
            self._axis = int(group.attrs[_AXIS])
            index = member(group, _INDEX)[...]
            order = numpy.argsort(index[:, 0], kind="stable")
            self._rows, self._starts, self._stops = index[order].T
            self._shapes = member(group, _SHAPES)[...][order] if self._axis == _FLAT else []

    def rows(self) -> list[int]:
        """Return the rows that have an array, in order."""
        rows: list[int] = self._rows.tolist()
        return rows

    def shape(self, row: int) -> tuple[int, ...]:
        """Return the shape of one."""
        number = self._number(row)
        if self._axis == _FLAT:
            return tuple(self._shapes[number].tolist())
        shape = list(self._data.shape)
        shape[self._axis] = int(self._stops[number] - self._starts[number])
        return tuple(shape)

    def dtype(self, row: int) -> Any:
        """Return the type of one."""
        return self._data.dtype

    def read(self, row: int, selection: Any = ()) -> Any:
        """Return one, or what an index selects of it."""
        number = self._number(row)
        start, stop = int(self._starts[number]), int(self._stops[number])
        if self._axis == 0 and isinstance(selection, slice) and selection.step in (None, 1):
            begin, end, _ = selection.indices(stop - start)
            return self._data[start + begin : start + max(begin, end)]
        with damage_in(self._data):
            part = self._data[_place(self._axis, start, stop)].reshape(self.shape(row))
        return part[selection]

    def result(self) -> Any:
        """Return None: a joined array is not one of the task as a whole."""
        return None

    def _number(self, row: int) -> int:
        number = int(numpy.searchsorted(self._rows, row))
        if self._rows[number : number + 1].tolist() != [row]:
            raise UnknownKeyError(str(row), f"{self._data.parent.name}/{_INDEX}")
        return number


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


TrialArrays: TypeAlias = SeparateArrays | JoinedArrays
"""Arrays by the number of the row of their trial."""

Source: TypeAlias = Callable[[], AbstractContextManager[TrialArrays]]
"""Opens the arrays of a name."""


class LazyArray(ArrayHandle):
    """The array of one trial, read when it is indexed or made an array."""

    def __init__(self, source: Source, name: str, row: int) -> None:
        def read(selection: Any) -> Any:
            with source() as arrays:
                return arrays.read(row, selection)

        with source() as arrays:
            super().__init__(arrays.shape(row), arrays.dtype(row), read)
        self._name = name
        self._row = row

    def __repr__(self) -> str:
        return f"<{self._name} of trial {self._row}, shape {self.shape}, dtype {self.dtype}>"


class LazyArrays(Sequence["LazyArray | None"]):
    """The arrays of one name; None for a trial without one.

    Examples
    --------
    ``task.lazy("emg")[3][:, :200]`` reads 200 samples of the fourth trial.
    """

    def __init__(self, source: Source, name: str, rows: frozenset[int], count: int) -> None:
        self._source = source
        self._name = name
        self._rows = rows
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> LazyArray | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[LazyArray | None]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[row] for row in range(self._count)[index]]
        row = range(self._count)[index]
        return LazyArray(self._source, self._name, row) if row in self._rows else None
