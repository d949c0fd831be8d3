"""The arrays of one name, trial by trial, in an open HDF5 file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import h5py
import numpy

__all__ = ["RESULT", "SeparateArrays", "TrialArrays", "row_names", "stacked"]

RESULT = "data"
"""The dataset of what belongs to no single trial."""


class TrialArrays(Protocol):
    """Arrays by the number of the row of their trial."""

    def rows(self) -> list[int]:
        """Return the rows that have one, in order."""
        ...

    def shape(self, row: int) -> tuple[int, ...]:
        """Return the shape of one."""
        ...

    def dtype(self, row: int) -> Any:
        """Return the type of one."""
        ...

    def read(self, row: int, selection: Any = ()) -> Any:
        """Return one, or what an index selects of it."""
        ...

    def result(self) -> Any:
        """Return what belongs to no single trial; None if there is nothing."""
        ...


class SeparateArrays:
    """Arrays that are a dataset each.

    Parameters
    ----------
    group : h5py.Group
        The datasets, each called by the number of its row.
    """

    def __init__(self, group: Any) -> None:
        self._group = group

    def rows(self) -> list[int]:
        """Return the rows that have an array, in order."""
        return row_names(self._group)

    def shape(self, row: int) -> tuple[int, ...]:
        """Return the shape of one."""
        return tuple(self._group[str(row)].shape)

    def dtype(self, row: int) -> Any:
        """Return the type of one."""
        return self._group[str(row)].dtype

    def read(self, row: int, selection: Any = ()) -> Any:
        """Return one, or what an index selects of it."""
        return self._group[str(row)][selection]

    def result(self) -> Any:
        """Return what belongs to no single trial; None if there is nothing."""
        found = self._group.get(RESULT)
        return found[()] if isinstance(found, h5py.Dataset) else None


def row_names(group: Any) -> list[int]:
    """Return the members of a group that are called by numbers of rows, in order."""
    return sorted(int(name) for name in group if name.isdecimal() and str(int(name)) == name)


def stacked(arrays: TrialArrays, rows: Sequence[int]) -> Any:
    """Return the arrays of rows, one below the other along the first axis.

    Those of one axis are rows. Where trials differ in their other axes, the result is a masked
    array, in which what a trial lacks is masked.

    Raises
    ------
    ValueError
        If there is nothing to stack, or the numbers of axes differ.
    """
    if not rows:
        raise ValueError("there is no trial to stack")
    shapes = [_as_rows(arrays.shape(row)) for row in rows]
    dtype = numpy.result_type(*{arrays.dtype(row) for row in rows})
    if len(set(map(len, shapes))) > 1:
        raise ValueError(f"trials have different numbers of axes: shapes {sorted(set(shapes))}")
    tails = {shape[1:] for shape in shapes}
    height = sum(shape[0] for shape in shapes)
    whole: Any = numpy.empty((height, *map(max, zip(*tails, strict=True))), dtype)
    is_ragged = len(tails) > 1
    mask = numpy.ones(whole.shape, bool) if is_ragged else None
    if is_ragged:
        whole[...] = numpy.zeros((), dtype)
    start = 0
    for row, shape in zip(rows, shapes, strict=True):
        place = (slice(start, start + shape[0]), *map(slice, shape[1:]))
        whole[place] = numpy.reshape(arrays.read(row), shape)
        if mask is not None:
            mask[place] = False
        start += shape[0]
    return whole if mask is None else numpy.ma.MaskedArray(whole, mask)


def _as_rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape with at least two axes, as `numpy.vstack` takes it."""
    return (1, *(shape or (1,))) if len(shape) < 2 else shape
