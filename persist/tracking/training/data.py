"""Data sets: features and targets, and which samples they are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy

from persist.names import repeated_names
from persist.tracking import prediction
from persist.tracking.errors import DataError
from persist.tracking.training.reading import wavelengths_of

__all__ = ["Data", "check_names", "is_frame", "take"]

Array = Any
_PREVIEW = 5  # rows and columns
_NO_VALUE = ("None", "nan", "NaT", "<NA>")


@dataclass(frozen=True, eq=False)
class Data:
    """Features and targets, as they are handed to estimators.

    Parameters
    ----------
    name : str
        What people call them.
    X : array, sparse matrix or frame, (n_samples, n_features)
        What is predicted from. A frame stays one.
    y : array, (n_samples,) or (n_samples, n_targets)
        What is to be predicted.
    X_test, y_test : optional
        What is kept from training.
    path : str, optional
        The file or folder they come from.
    groups : array, (n_samples,), optional
        Samples of one group are never in training and validation at once.
    sample_weight : array, (n_samples,), optional
        How much each sample counts when a model is fitted.
    ids, ids_test : array, optional
        The names of the samples, as the index of a frame has them.
    target_names : tuple of str, optional
        The names of the targets.
    rows, rows_test : array of int, optional
        Which rows of what the user gave these are; all of them by default.
    n_rows : int, optional
        How many rows for training the user gave, before a test part was held out.
    """

    name: str
    X: Array
    y: Array
    X_test: Array = None
    y_test: Array = None
    path: str | None = None
    groups: Array = None
    sample_weight: Array = None
    ids: Array = None
    ids_test: Array = None
    target_names: tuple[str, ...] = ()
    rows: Array = field(default=None, repr=False)
    rows_test: Array = field(default=None, repr=False)
    n_rows: int | None = None

    def __post_init__(self) -> None:
        _check_shapes(self.name, self.X, self.y)
        count = self.X.shape[0]
        for what in ("groups", "sample_weight", "ids"):
            values = getattr(self, what)
            if values is not None and numpy.shape(values) != (count,):
                shape = numpy.shape(values)
                found = f"{shape[0]} values" if len(shape) == 1 else f"the shape {shape}"
                raise DataError(
                    f"cannot use {what} of {self.name}: it has {found} for {count} samples; "
                    "give one for each row of X"
                )
        if self.sample_weight is not None and self.sample_weight.dtype.kind not in "biufO":
            raise DataError(
                f"cannot use sample_weight of {self.name}: it has no numbers, but "
                f"{self.sample_weight.dtype}"
            )
        if self.rows is None:
            object.__setattr__(self, "rows", numpy.arange(count))
        if self.n_rows is None:
            object.__setattr__(self, "n_rows", count)
        if self.X_test is None:
            return
        if self.y_test is None:
            raise DataError(f"cannot use X_test of {self.name}: y_test is missing; give both")
        _check_shapes(f"{self.name}, test", self.X_test, self.y_test)
        if self.X_test.shape[1] != self.X.shape[1]:
            raise DataError(
                f"cannot use X_test of {self.name}: it has {self.X_test.shape[1]} features and X "
                f"has {self.X.shape[1]}; give the same columns in both"
            )
        mismatch = prediction.name_mismatch(self.feature_names, self.X_test)
        if mismatch is not None:
            raise DataError(
                f"cannot use X_test of {self.name}: its columns are not those of X; "
                f"{mismatch.partition('; ')[2]}"
            )
        if self.rows_test is None:
            object.__setattr__(self, "rows_test", numpy.arange(self.X_test.shape[0]))

    @property
    def feature_names(self) -> list[str] | None:
        """The names of the columns of a frame if all are text; None for an array."""
        if not is_frame(self.X):
            return None
        names = list(self.X.columns)
        return names if all(isinstance(name, str) for name in names) else None

    @property
    def wavelengths(self) -> Array:
        """The numbers that name the columns, in order; None if these are other names."""
        names = self.feature_names
        return None if names is None else wavelengths_of(names)

    def digest(self) -> str:
        """Return the SHA-256 of all names and values."""
        found = hashlib.sha256()
        parts = {
            "X": self.X,
            "y": self.y,
            "X_test": self.X_test,
            "y_test": self.y_test,
            "groups": self.groups,
            "sample_weight": self.sample_weight,
        }
        for part, values in parts.items():
            for piece in () if values is None else _pieces(values):
                found.update(f"{part}:{len(piece)}:".encode())
                found.update(piece)
        return found.hexdigest()

    def check_complete(self) -> None:
        """Make sure that all targets, groups and weights are there.

        Raises
        ------
        DataError
            If one is missing.
        """
        for what in ("y", "y_test", "groups", "sample_weight"):
            values = getattr(self, what)
            gone = [] if values is None else _rows_without_value(values)
            if gone:
                more = " and others" if len(gone) > _PREVIEW else ""
                raise DataError(
                    f"cannot train on {self.name}: {what} has no value in "
                    f"row {', '.join(map(str, gone[:_PREVIEW]))}{more}; leave these samples out"
                )

    def held_out(self, train: Array, test: Array) -> Data:
        """Return the same samples, those of some rows as the test part."""
        kept = ("X", "y", "groups", "sample_weight", "ids", "rows")
        held = ("X", "y", "ids", "rows")
        return replace(
            self,
            **{what: take(getattr(self, what), train) for what in kept},
            **{f"{what}_test": take(getattr(self, what), test) for what in held},
        )

    def preview(self) -> str:
        """Return shapes, names and the first rows, as they were understood, in lines of text."""
        count, width = self.X.shape
        names = self.feature_names
        lines = [f"{self.name}: {count} samples, {width} features ({_kind(self.X)})"]
        if self.wavelengths is not None:
            first, last = self.wavelengths[0], self.wavelengths[-1]
            lines.append(f"  wavelengths: {first:g} to {last:g}")
        elif names is not None:
            more = ", …" if width > 2 * _PREVIEW else ""
            lines.append(f"  columns: {', '.join(names[: 2 * _PREVIEW])}{more}")
        target = f" {', '.join(self.target_names)}" if self.target_names else ""
        lines.append(f"  target{target}: {self.y.dtype}, shape {self.y.shape}")
        if self.X_test is not None:
            lines.append(f"  test part: {self.X_test.shape[0]} samples")
        for what in ("groups", "sample_weight"):
            values = getattr(self, what)
            if values is not None:
                lines.append(f"  {what}: {', '.join(map(str, values[:_PREVIEW]))}, …")
        for row in range(min(count, _PREVIEW)):
            first = take(self.X, numpy.array([row]))
            first = first.toarray() if hasattr(first, "tocsr") else first
            cells = numpy.asarray(first)[0, :_PREVIEW].tolist()
            shown = " ".join(f"{c:.6g}" if type(c) in (int, float) else str(c) for c in cells)
            label = row if self.ids is None else self.ids[row]
            more = " …" if width > _PREVIEW else ""
            lines.append(f"  {label}: {shown}{more} -> {self.y[row]}")
        return "\n".join(lines)


def is_frame(values: Any) -> bool:
    """Return True if `values` is a table with named columns, of pandas or polars."""
    # In this order, as a lazy frame warns where it is asked for its columns.
    return hasattr(values, "to_numpy") and hasattr(values, "columns")


def take(values: Any, rows: Array) -> Any:
    """Return some rows of an array, sparse matrix or frame, in this order; None of None."""
    if values is None:
        return None
    return values.iloc[rows] if hasattr(values, "iloc") else values[rows]


def _rows_without_value(values: Array) -> list[int]:
    if values.dtype.kind in "fcmM":
        is_missing = numpy.isnat(values) if values.dtype.kind in "mM" else numpy.isnan(values)
    elif values.dtype.kind == "O":
        # None, and what other libraries have in its place; such text is a label.
        is_missing = numpy.array(
            [not isinstance(v, str) and str(v) in _NO_VALUE for v in values.ravel()]
        )
    else:
        return []
    rows: list[int] = is_missing.reshape(len(values), -1).any(axis=1).nonzero()[0].tolist()
    return rows


def _pieces(values: Any) -> list[bytes]:
    if is_frame(values):
        columns = [numpy.asarray(values[name]) for name in values.columns]
        return [repr(list(values.columns)).encode(), *(p for c in columns for p in _pieces(c))]
    if hasattr(values, "tocsr"):
        parts = (values.data, values.indices, values.indptr)
        return [repr(values.shape).encode(), *(p for part in parts for p in _pieces(part))]
    plain = values
    if values.dtype.kind == "O" or values.dtype.kind not in "biufcSUmM":
        plain = numpy.asarray([str(value) for value in values.ravel()]).reshape(values.shape)
    head = f"{plain.dtype.str}{plain.shape}".encode()
    return [head, numpy.ascontiguousarray(plain).tobytes()]


def check_names(name: str, values: Any) -> None:
    """Refuse a frame in which more than one column has the same name."""
    if repeated := repeated_names(values.columns):
        raise DataError(
            f"cannot use {name}: more than one column is called {repeated[0]!r}; give each a name "
            "of its own"
        )


def _check_shapes(name: str, features: Array, y: Array) -> None:
    if is_frame(features):
        check_names(name, features)
    shape = features.shape
    if len(shape) != 2 or 0 in shape:
        raise DataError(
            f"cannot use {name}: X must be of shape (n_samples, n_features), with one or more of "
            f"both, got {shape}"
        )
    if y.ndim not in (1, 2) or len(y) != shape[0]:
        raise DataError(
            f"cannot use {name}: y must have {shape[0]} rows, as X has, got shape {y.shape}"
        )


def _kind(values: Any) -> str:
    if is_frame(values):
        return f"{type(values).__module__.partition('.')[0]} frame"
    return f"sparse {values.dtype}" if hasattr(values, "tocsr") else str(values.dtype)
