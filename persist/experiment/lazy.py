"""Arrays of trials that are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias, overload

from persist.experiment.trial_arrays import TrialArrays

__all__ = ["LazyArray", "LazyArrays"]

Source: TypeAlias = Callable[[], AbstractContextManager[TrialArrays]]
"""Opens the arrays of a name."""


class LazyArray:
    """The array of one trial, read when it is indexed or made an array.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    """

    def __init__(self, source: Source, name: str, row: int) -> None:
        self._source = source
        self._name = name
        self._row = row
        with source() as arrays:
            self.shape = arrays.shape(row)
            self.dtype = arrays.dtype(row)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without axes has no length")
        return self.shape[0]

    def __getitem__(self, selection: Any) -> Any:
        with self._source() as arrays:
            return arrays.read(self._row, selection)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if copy is False:
            raise ValueError("the array is on disk, and cannot be had without a copy")
        array = self[()]
        return array if dtype is None else array.astype(dtype, copy=False)

    def __repr__(self) -> str:
        return f"<{self._name} of trial {self._row}, shape {self.shape}, dtype {self.dtype}>"


class LazyArrays(Sequence["LazyArray | None"]):
    """The arrays of one name; None stands for a trial without one.

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
