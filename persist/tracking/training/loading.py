"""What a user calls a data set, as `Data`: arrays, frames, mappings, files and folders."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy

from persist.names import distinct_names
from persist.tracking import prediction
from persist.tracking.delimited import MISSING
from persist.tracking.errors import DataError, DataNotFoundError, DataTypeError
from persist.tracking.optional import import_optional
from persist.tracking.training.data import Data, check_names, is_frame
from persist.tracking.training.reading import Form, Table, is_column_of_comma_numbers, read_table

__all__ = ["as_array", "collected", "features_of", "load_data"]

Array = Any
_Column = str | int

# As the field names its files: calibration and validation are what others call train and test.
_FILES = {
    "X": ("Xcal", "X_train", "Xtrain", "X"),
    "y": ("Ycal", "y_train", "Ytrain", "Y", "y"),
    "X_test": ("Xval", "X_test", "Xtest"),
    "y_test": ("Yval", "y_test", "Ytest"),
}
_FEATURES_OF = {"y": "X", "y_test": "X_test"}


def load_data(
    dataset: Any,
    target: _Column | Sequence[_Column] | None = None,
    *,
    groups: Any = None,
    sample_weight: Any = None,
    index: _Column | None = None,
    header: bool | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    missing: Sequence[str] = MISSING,
) -> list[Data]:
    """Return the data sets that an argument of `run` stands for, as they will be trained on.

    Parameters
    ----------
    dataset : object
        A tuple (X, y) or (X, y, X_test, y_test); a mapping with these keys and ``name``,
        ``groups``, ``sample_weight``, or with ``data`` and ``target``; a frame, or the path of a
        CSV file; a folder with CSV files such as ``Xcal.csv``, ``Ycal.csv``, ``Xval.csv`` and
        ``Yval.csv``; or a list of any but tuples. X may be a frame or a sparse matrix, and stays
        one.
    target : str, int or list of these, optional
        The columns of a table that are to be predicted, by default the last.
    groups, sample_weight : array or column, optional
        The group and the weight of each sample.
    index : str or int, optional
        The column with the names of the samples.
    header : bool, optional
        Whether the first line of a file has the names of its columns; found out by default, also
        where these are wavelengths.
    separator : str, optional
        What is between the cells of a file, found out by default.
    decimal : {'.', ','}, optional
        The decimal sign of a file, found out by default.
    missing : sequence of str, optional
        The cells of a file that have no value; they become not-a-number.

    Returns
    -------
    list of Data
        Each with a method ``preview``, which shows shapes, names and the first rows.

    Raises
    ------
    TypeError, ValueError
        If it is anything else, or the shapes do not fit.
    FileNotFoundError
        If a file is missing.

    Examples
    --------
    >>> [data] = load_data(([[1.0, 2.0], [3.0, 4.0]], [0, 1]))
    >>> print(data.preview())
    dataset: 2 samples, 2 features (float64)
      target: int64, shape (2,)
      0: 1 2 -> 0
      1: 3 4 -> 1
    """
    form = Form(separator, decimal, header, missing)
    given = {"groups": groups, "sample_weight": sample_weight}
    beside = {what: values for what, values in given.items() if values is not None}
    found = _Loader(form, target, beside, index).load(dataset)
    # Those of one name would be ranked together.
    names = distinct_names([one.name for one in found], 2, {one.name for one in found})
    return [replace(data, name=name) for data, name in zip(found, names, strict=True)]


def features_of(table: Table, names: Sequence[str] | None) -> Any:
    """Return the features of a table to predict from: a frame if model and table have names.

    Columns beside those that the model was trained on, `names`, such as the target, are left out
    where all of these are found. A model of arrays has none, and takes no text.
    """
    # The model tells what is a name, whatever it looks like.
    is_named = names is not None and 2 * len(set(names) & set(table.first)) > len(names)
    if is_named and not table.form.header and not table.was_header_given:
        table = read_table(table.path, replace(table.form, header=True))
    frame = table.frame
    if table.form.header and names is not None:
        if set(names) <= set(frame.columns):
            frame = frame.drop([*(set(frame.columns) - set(names))])
        else:
            frame, _ = _without_sample_names(frame)
        return _handed(frame)
    frame, _ = _without_sample_names(frame)
    found = _numbers(frame)
    if found.dtype.kind == "O":
        raise DataError(f"cannot predict from {table.path}: it has cells that are not numbers")
    return found


@dataclass(frozen=True)
class _Loader:
    """Loads data sets with one set of options."""

    form: Form
    target: Any
    beside: Mapping[str, Any]  # groups and sample_weight, if given: values or columns
    index: Any

    def load(self, dataset: Any) -> list[Data]:
        if isinstance(dataset, Data):
            return [dataset]
        dataset = [*map(collected, dataset)] if isinstance(dataset, list) else dataset
        if isinstance(dataset, list) and dataset and self._are_data_sets(dataset):
            return [data for one in dataset for data in self.load(one)]
        if isinstance(dataset, (str, os.PathLike)):
            path = Path(dataset)
            if path.is_dir():
                return [self._from_folder(path)]
            if not path.exists():
                raise DataNotFoundError(f"cannot load {path}: no data set of this name")
            return [self._from_table(path, path.stem, str(path))]
        if isinstance(dataset, Mapping):
            return [self._from_mapping(dataset)]
        if isinstance(dataset, (tuple, list)) and len(dataset) in (2, 4):
            return [self.from_parts("dataset", *dataset)]
        dataset = collected(dataset)
        if is_frame(dataset):
            return [self.from_frame(dataset, "dataset", None)]
        raise DataTypeError(
            "dataset must be (X, y), (X, y, X_test, y_test), a mapping of these, a frame, a CSV "
            f"file or a folder of them, got {type(dataset).__name__}"
        )

    def _are_data_sets(self, values: list[Any]) -> bool:
        """Return True if a list holds data sets, and not the parts of one."""
        if not all(map(is_frame, values)):
            return not all(map(_is_array_like, values))
        first = list(values[0].columns)
        return self.target is not None or all(list(one.columns) == first for one in values)

    def _from_table(self, file: Path, name: str, path: str) -> Data:
        table = read_table(file, self.form)
        # As pandas writes its index: a column without a name.
        has_index = self.index is None and not table.frame.columns[0]
        loader = replace(self, index="") if has_index else self
        return loader.from_frame(_handed(table.frame), name, path, bool(table.form.header))

    def _from_mapping(self, dataset: Mapping[str, Any]) -> Data:
        keys = ("X", "y") if "X" in dataset else ("data", "target")
        name = str(dataset.get("name", "dataset"))
        if keys[0] not in dataset:
            raise DataError(
                f"A data set must have 'X' and 'y', or 'data' and 'target', got {[*dataset]}"
            )
        features, y = collected(dataset[keys[0]]), dataset.get(keys[1])
        own = {what: dataset.get(what) for what in ("groups", "sample_weight")}
        beside = {**self.beside, **{what: v for what, v in own.items() if v is not None}}
        loader = replace(self, beside=beside)
        if y is None and is_frame(features):
            return loader.from_frame(features, name, None)
        tests = dataset.get("X_test"), dataset.get("y_test")
        return loader.from_parts(name, features, y, *tests, ids=dataset.get("ids"))

    def from_parts(
        self,
        name: str,
        features: Any,
        y: Any,
        X_test: Any = None,  # noqa: N803 - scikit-learn's name
        y_test: Any = None,
        *,
        path: str | None = None,
        ids: Any = None,
        is_named: bool = True,
    ) -> Data:
        if y is None:
            raise DataError(f"cannot train on {name}: it has no target y; give (X, y) or target=")
        features, y = collected(features), collected(y)
        X_test, y_test = collected(X_test), collected(y_test)  # noqa: N806
        _check_paired(name, "X", features, {"y": y, **self.beside})
        _check_paired(name, "X_test", X_test, {"y_test": y_test})
        features, found, beside = self._taken(features)
        tests = None if X_test is None else self._taken(X_test, is_test=True)[0]
        values, names = _targets(y)
        return Data(
            name,
            _features(features, is_named),
            values,
            None if tests is None else _features(tests, is_named),
            None if y_test is None else _targets(y_test)[0],
            path,
            ids=found if ids is None else numpy.asarray(ids),
            ids_test=None if X_test is None else _index_of(X_test),
            target_names=names,
            **{what: _column(values) for what, values in beside.items()},
        )

    def from_frame(self, frame: Any, name: str, path: str | None, is_named: bool = True) -> Data:
        check_names(name, frame)
        _check_paired(name, "the frame", frame, self.beside)
        frame, ids, beside = self._taken(frame)
        columns = list(frame.columns)
        chosen = self._targets_among(columns)
        rest = [column for column in columns if column not in chosen]
        if not rest:
            raise DataError(
                f"cannot train on {name}: it has no column beside {', '.join(map(repr, chosen))} "
                "to predict from"
            )
        loader = replace(self, index=None, beside=beside)
        return loader.from_parts(
            name, frame[rest], frame[chosen], path=path, ids=ids, is_named=is_named
        )

    def _taken(self, features: Any, is_test: bool = False) -> tuple[Any, Any, dict[str, Any]]:
        """Return features without the columns that are none, the names of samples, and the rest."""
        if not is_frame(features):
            for what, values in {} if is_test else self.beside.items():
                if isinstance(values, str):
                    raise DataError(
                        f"cannot use {what}={values!r}: X has no names of columns; "
                        "give an array with one value for each sample"
                    )
            return features, None, dict(self.beside)
        columns = list(features.columns)
        ids, gone, values_of = _index_of(features), [], dict(self.beside)
        if self.index is not None and (not is_test or self.index in columns):
            gone.append(_resolved(self.index, columns))
            ids = numpy.asarray(features[gone[0]])
        for what, given in self.beside.items():
            is_column = isinstance(given, (str, int)) and not isinstance(given, bool)
            if is_column and (not is_test or given in columns):
                gone.append(_resolved(given, columns))
                values_of[what] = features[gone[-1]]
        if gone:
            features = features[[c for c in columns if c not in gone]]
        return features, ids, values_of

    def _from_folder(self, folder: Path) -> Data:
        files = {part: _find(folder, stems) for part, stems in _FILES.items()}
        if files["X"] is None or files["y"] is None:
            paths = sorted(folder.glob("*.csv"))
            if len(paths) != 1:
                raise DataNotFoundError(
                    f"cannot load {folder}: it must have CSV files for features and targets, "
                    "such as Xcal.csv and Ycal.csv"
                )
            return self._from_table(paths[0], folder.name, str(folder))
        tables: dict[str, Table] = {}
        frames: dict[str, Any] = {}
        names: dict[str, Array] = {}  # of the samples
        for part, path in files.items():
            if path is None:
                continue
            tables[part] = self._read_part(path, part, tables)
            known = names.get(_FEATURES_OF.get(part, ""))
            frames[part], found = self._without_index(tables[part].frame, part, known)
            names[part] = found
            # Of another length, they are refused as such.
            are_pairs = known is not None and found is not None and len(known) == len(found)
            if are_pairs and any(known != found):
                raise DataError(
                    f"cannot pair {files[_FEATURES_OF[part]]} and {path}: their samples have "
                    "different names, or the same in another order; sort the rows alike, or leave "
                    "the names out of one file"
                )
        return replace(self, index=None).from_parts(
            folder.name,
            _handed(frames["X"]),
            self._chosen_target(frames["y"]),
            _handed(frames["X_test"]) if "X_test" in frames else None,
            self._chosen_target(frames["y_test"]) if "y_test" in frames else None,
            path=str(folder),
            ids=names["X"],
            is_named=bool(tables["X"].form.header),
        )

    def _without_index(self, frame: Any, part: str, known: Array | None) -> tuple[Any, Array]:
        """Return a table of a folder without the names of its samples, and these.

        The names of the features, if they are `known`, are names beside labels of text, too.
        """
        name = frame.columns[0]
        if self.index is not None and (part == "X" or self.index in frame.columns):
            name = _resolved(self.index, frame.columns)
        elif known is None or frame.width < 2 or set(frame[name].to_list()) != set(known):
            return _without_sample_names(frame)
        return frame.drop(name), frame[name].to_numpy()

    def _read_part(self, path: Path, part: str, known: Mapping[str, Table]) -> Table:
        """Read a file of a folder; the features tell what is open of the targets."""
        form = self.form
        features = known.get(_FEATURES_OF.get(part, ""))
        has_commas = features is not None and features.form.decimal == ","
        if has_commas and form.separator is None and is_column_of_comma_numbers(path):
            form = replace(form, separator=";", decimal=",")
        if part == "X_test" and form.header is None:
            # One instrument has written both.
            form = replace(form, header=known["X"].form.header)
        table = read_table(path, form)
        if features is None or table.was_header_given:
            return table
        is_other = not table.form.header
        if table.frame.height + (-1 if is_other else 1) != features.frame.height:
            return table
        other = read_table(path, replace(form, header=is_other))
        # A number is a name where the features have names, and text above numbers is one always:
        # otherwise a row is missing in one of the files.
        types = [[kind.is_numeric() for kind in one.frame.dtypes] for one in (table, other)]
        is_likely = features.form.header if is_other else types[0] == types[1]
        return other if is_likely else table

    def _chosen_target(self, frame: Any) -> Any:
        return frame if self.target is None else frame[self._targets_among(list(frame.columns))]

    def _targets_among(self, columns: list[Any]) -> list[Any]:
        wanted = self.target if isinstance(self.target, (list, tuple)) else [self.target]
        found = [columns[-1] if one is None else _resolved(one, columns) for one in wanted]
        if not found or len(set(found)) < len(found):
            raise DataError(
                f"cannot predict target={self.target!r:.80}: give one column or more, each once"
            )
        return found


def collected(values: Any) -> Any:
    """Return features or targets with a lazy frame collected, Arrow as a frame, and no masks."""
    # A lazy frame warns where it is asked for its columns.
    if hasattr(values, "collect") and hasattr(values, "lazy"):
        return values.collect()
    if hasattr(values, "column_names") and hasattr(values, "schema"):
        return import_optional("polars").from_arrow(values)
    return prediction.unmasked(values)


def as_array(values: Any, what: str) -> Array:
    """Return values as an array; DataError if they are rows of several lengths."""
    try:
        return numpy.asarray(values)
    except ValueError as error:
        raise DataError(f"cannot use {what}: its rows are of several lengths: {error}") from error


def _is_array_like(value: Any) -> bool:
    return hasattr(value, "shape") or (
        isinstance(value, Sequence) and not isinstance(value, (str, tuple, Mapping))
    )


def _column(values: Any) -> Array:
    """Return one value for each sample, flat."""
    found = as_array(prediction.unmasked(values), "groups or sample_weight")
    return found.ravel() if found.ndim == 2 and found.shape[1] == 1 else found


def _features(values: Any, is_named: bool) -> Any:
    if is_frame(values):
        return values if is_named else _numbers(values)
    return values.tocsr() if hasattr(values, "tocsr") else as_array(values, "X")


def _targets(y: Any) -> tuple[Array, tuple[str, ...]]:
    """Return targets as an array, flat if they are one column of a frame, and their names."""
    if hasattr(y, "toarray"):
        y = y.toarray()
    if is_frame(y):
        names = tuple(map(str, y.columns))
        values = numpy.asarray(y[y.columns[0]]) if len(names) == 1 else y.to_numpy()
        return _plain(values), names
    name = getattr(y, "name", None)
    return _plain(as_array(y, "y")), () if not isinstance(name, str) else (name,)


def _plain(values: Array) -> Array:
    """Return text and numbers of any library as those of numpy, which all estimators take."""
    if values.dtype.kind in "biufcSUmM" or not values.size:
        return values
    flat = values.ravel().tolist()
    is_text = all(isinstance(value, str) for value in flat)
    # Nullable integers and booleans of pandas are objects where none is missing, too.
    if is_text or (len(set(map(type, flat))) == 1 and isinstance(flat[0], (bool, int, float))):
        return numpy.array(flat).reshape(values.shape)
    return values


def _index_of(frame: Any) -> Array:
    """Return the index of a pandas frame if it names the samples; None if it counts them."""
    index = getattr(frame, "index", None)
    if index is None or not hasattr(index, "to_numpy"):
        return None
    values = index.to_numpy()
    is_count = values.dtype.kind in "iu" and numpy.array_equal(values, numpy.arange(len(values)))
    return None if is_count else values


def _check_paired(name: str, whole: str, features: Any, beside: Mapping[str, Any]) -> None:
    """Refuse values for each sample whose index has other labels than that of the features."""
    for what, values in beside.items():
        indexes: list[Any] = [getattr(one, "index", None) for one in (features, values)]
        if not all(hasattr(index, "equals") for index in indexes):
            continue
        index, other = indexes
        # Of another length, they are refused as such.
        if len(index) == len(other) and not index.equals(other):
            is_moved = bool(index.isin(other).all())
            reason = "have the same labels in another order" if is_moved else "differ"
            raise DataError(
                f"cannot pair {whole} and {what} of {name}: their indexes {reason}; give "
                f"{what}.loc[index of {whole}], or {what}.to_numpy() to pair them by position"
            )


def _resolved(wanted: Any, columns: Sequence[Any]) -> Any:
    """Return the name of a column that is given by its name or number."""
    if wanted in columns:
        return wanted
    if isinstance(wanted, int) and not isinstance(wanted, bool) and abs(wanted) < len(columns):
        return columns[wanted]
    raise DataError(
        f"cannot choose a column: no column {wanted!r}; choose one of "
        f"{', '.join(map(str, columns))}"
    )


def _handed(frame: Any) -> Any:
    """Return a table that was read as estimators get it, of pandas where that is installed."""
    return frame.to_pandas() if importlib.util.find_spec("pandas") else frame


def _numbers(frame: Any) -> Array:
    """Return a table without names as an array of numbers, of objects if some are text."""
    values = frame.to_numpy()
    if values.dtype.kind == "O":
        try:
            return values.astype(float)
        except (TypeError, ValueError):
            return values
    return values


def _without_sample_names(frame: Any) -> tuple[Any, Array]:
    """Return a table without a first column of names, each of another sample, and these.

    A column without a name is one in any case, as pandas writes its index.
    """
    polars = import_optional("polars")
    types = list(frame.schema.values())
    names = frame[frame.columns[0]]
    is_text = types[0] == polars.String and all(kind.is_numeric() for kind in types[1:])
    is_named = len(types) > 1 and (not names.name or (is_text and names.n_unique() == frame.height))
    return (frame.drop(names.name), names.to_numpy()) if is_named else (frame, None)


def _find(folder: Path, stems: Sequence[str]) -> Path | None:
    known = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
    for stem in stems:
        for extension in (".csv", ".csv.gz", ".txt", ".tsv"):
            if f"{stem}{extension}".lower() in known:
                return known[f"{stem}{extension}".lower()]
    return None
