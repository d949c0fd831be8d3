"""What a pipeline is trained on: arrays, frames, CSV files."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from persist.tracking.optional import import_polars

__all__ = ["Data", "csv_form", "load_data"]

Array = Any

# As the field names its files: calibration and validation are what others call train and test.
_FILES = {
    "X": ("Xcal", "X_train", "Xtrain", "X"),
    "y": ("Ycal", "y_train", "Ytrain", "Y", "y"),
    "X_test": ("Xval", "X_test", "Xtest"),
    "y_test": ("Yval", "y_test", "Ytest"),
}


@dataclass(frozen=True)
class Data:
    """Features and targets.

    Parameters
    ----------
    name : str
        What people call them.
    X : array, (n_samples, n_features)
        What is predicted from.
    y : array, (n_samples,) or (n_samples, n_targets)
        What is to be predicted.
    X_test, y_test : array, optional
        What is kept from training.
    path : str, optional
        Whence they come.
    """

    name: str
    X: Array
    y: Array
    X_test: Array = None
    y_test: Array = None
    path: str | None = None

    def __post_init__(self) -> None:
        _check_shapes(self.name, self.X, self.y)
        if self.X_test is not None:
            _check_shapes(f"{self.name}, test", self.X_test, self.y_test)

    def digest(self) -> str:
        """Return the SHA-256 of all values."""
        found = hashlib.sha256()
        for array in (self.X, self.y, self.X_test, self.y_test):
            if array is not None:
                plain = array.astype(str) if array.dtype.kind == "O" else array
                found.update(f"{plain.dtype.str}{plain.shape}".encode())
                found.update(numpy.ascontiguousarray(plain).tobytes())
        return found.hexdigest()


def load_data(dataset: Any, target: str | None = None) -> list[Data]:
    """Return the data sets that an argument stands for.

    Parameters
    ----------
    dataset : object
        A tuple (X, y) or (X, y, X_test, y_test); a mapping with these keys and ``name``, or with
        ``data`` and ``target``; a frame, or the path of a CSV file; a folder with CSV files such as
        ``Xcal.csv``, ``Ycal.csv``, ``Xval.csv`` and ``Yval.csv``; or a list of any but tuples.
    target : str, optional
        The column of a frame that is to be predicted, by default the last.

    Raises
    ------
    TypeError, ValueError
        If it is anything else, or the shapes do not fit.
    FileNotFoundError
        If a file is missing.
    """
    if isinstance(dataset, list) and dataset and not _is_array_like(dataset[0]):
        return [data for one in dataset for data in load_data(one, target)]
    if isinstance(dataset, (str, os.PathLike)):
        path = Path(dataset)
        if path.is_dir():
            return [_from_folder(path)]
        if not path.exists():
            raise FileNotFoundError(f"There is no data set {path}")
        return [_from_frame(_read_csv(path), target, path.stem, str(path))]
    if isinstance(dataset, Mapping):
        return [_from_mapping(dataset, target)]
    if isinstance(dataset, (tuple, list)) and len(dataset) in (2, 4):
        return [Data("dataset", *map(_array, dataset))]
    if hasattr(dataset, "columns"):
        return [_from_frame(dataset, target, "dataset", None)]
    raise TypeError(
        f"dataset must be (X, y), (X, y, X_test, y_test), a mapping of these, a frame, a CSV file "
        f"or a folder of them, got {type(dataset).__name__}"
    )


def _is_array_like(value: Any) -> bool:
    return hasattr(value, "shape") or (
        isinstance(value, Sequence) and not isinstance(value, (str, tuple, Mapping))
    )


def _array(value: Any) -> Array:
    return None if value is None else numpy.asarray(value)


def _from_mapping(dataset: Mapping[str, Any], target: str | None) -> Data:
    keys = ("X", "y") if "X" in dataset else ("data", "target")
    name = str(dataset.get("name", "dataset"))
    if keys[0] not in dataset:
        raise ValueError(f"A data set must have 'X' and 'y', or 'data' and 'target': {[*dataset]}")
    features, y = dataset[keys[0]], dataset.get(keys[1])
    if y is None and hasattr(features, "columns"):
        return _from_frame(features, target, name, None)
    return Data(
        name,
        _array(features),
        _array(y),
        _array(dataset.get("X_test")),
        _array(dataset.get("y_test")),
    )


def _from_frame(frame: Any, target: str | None, name: str, path: str | None) -> Data:
    columns = list(frame.columns)
    chosen = columns[-1] if target is None else target
    if chosen not in columns:
        raise ValueError(f"There is no column {chosen!r}: choose one of {columns}")
    rest = [column for column in columns if column != chosen]
    if not rest:
        raise ValueError(f"{name} has no column beside {chosen!r} to predict from")
    return Data(name, frame[rest].to_numpy(), frame[chosen].to_numpy(), path=path)


def _from_folder(folder: Path) -> Data:
    files = {part: _find(folder, stems) for part, stems in _FILES.items()}
    if files["X"] is None or files["y"] is None:
        tables = sorted(folder.glob("*.csv"))
        if len(tables) == 1:
            return _from_frame(_read_csv(tables[0]), None, folder.name, str(folder))
        raise FileNotFoundError(
            f"{folder} must have CSV files for features and targets, such as Xcal.csv and Ycal.csv"
        )
    arrays = {part: None if path is None else _read_csv(path) for part, path in files.items()}
    values = {
        part: None if frame is None else _squeezed(frame.to_numpy(), part)
        for part, frame in arrays.items()
    }
    return Data(folder.name, **values, path=str(folder))


def _find(folder: Path, stems: Sequence[str]) -> Path | None:
    known = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
    for stem in stems:
        for extension in (".csv", ".csv.gz", ".txt"):
            if f"{stem}{extension}".lower() in known:
                return known[f"{stem}{extension}".lower()]
    return None


def _squeezed(values: Array, part: str) -> Array:
    return values[:, 0] if part.startswith("y") and values.shape[1] == 1 else values


def _read_csv(path: Path) -> Any:
    """Return a frame; the separator, and whether there is a line of names, are found out."""
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig") as file:
        separator, is_headed = csv_form(file.readline())
    return import_polars().read_csv(
        path, separator=separator, has_header=is_headed, infer_schema_length=None
    )


def csv_form(first: str) -> tuple[str, bool]:
    """Return the separator of a CSV file, and whether its first line has names, from that line."""
    separator = max(";,\t", key=first.count)
    return separator, not all(_is_number(cell) for cell in first.strip().split(separator))


def _is_number(text: str) -> bool:
    try:
        float(text.strip().strip('"'))
    except ValueError:
        return False
    return True


def _check_shapes(name: str, features: Array, y: Array) -> None:
    if y is None:
        raise ValueError(f"{name} has no target y")
    shape = features.shape
    if len(shape) != 2 or not shape[0]:
        raise ValueError(f"X of {name} must be of shape (n_samples, n_features), got {shape}")
    if y.ndim not in (1, 2) or len(y) != shape[0]:
        raise ValueError(f"y of {name} must have {shape[0]} rows, as X has, got shape {y.shape}")
