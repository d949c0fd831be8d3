"""Objects of pandas, and subclasses of its frames."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy
import pandas
from pandas import testing

__all__ = ["OBJECTS", "check"]


class LabelledSeries(pandas.Series):
    """A column of a `LabelledFrame`."""

    _metadata = ["label"]

    @property
    def _constructor(self) -> Any:
        return LabelledSeries

    @property
    def _constructor_expanddim(self) -> Any:
        return LabelledFrame


class LabelledFrame(pandas.DataFrame):
    """A frame with metadata, as pandas' guide to subclasses has it."""

    _metadata = ["label", "history"]

    @property
    def _constructor(self) -> Any:
        return LabelledFrame

    @property
    def _constructor_sliced(self) -> Any:
        return LabelledSeries


class Bare(pandas.DataFrame):
    """A subclass that only adds a method."""

    def total(self) -> Any:
        """Return the sum of everything."""
        return self.to_numpy().sum()


class Strict(pandas.DataFrame):
    """A subclass whose constructor has arguments of its own."""

    _metadata = ["unit"]

    def __init__(self, data: Any, unit: str = "m") -> None:
        super().__init__(data)
        self.unit = unit


def labelled(cls: Any, *args: Any, **kwargs: Any) -> Any:
    """Return a frame or series of a subclass, with its metadata and attributes."""
    obj = cls(*args, **kwargs)
    obj.label = "control"
    obj.attrs["source"] = "lab"
    return obj


def frame() -> Any:
    """Return a frame with a column of every common kind."""
    return pandas.DataFrame(
        {
            "i": [1, 2],
            "f": [0.1, numpy.nan],
            "s": ["a", None],
            "t": pandas.to_datetime(["2020-01-01", None]),
            "z": pandas.to_datetime(["2020-01-01", "2020-07-01"]).tz_localize("Europe/Paris"),
            "c": pandas.Categorical(["x", "y"], ["y", "x"], ordered=True),
            "n": pandas.array([1, None], dtype="Int64"),
            "b": [True, False],
            "o": pandas.Series([datetime.datetime(2020, 1, 1), None], dtype=object),
            "d": pandas.Series([decimal.Decimal("0.10"), None], dtype=object),
        },
        index=pandas.Index(["r1", "r2"], name="row"),
    )


def with_levels() -> Any:
    """Return a frame with levels in rows and columns."""
    rows = pandas.MultiIndex.from_product([["a", "b"], [1, 2]], names=["letter", "number"])
    columns = pandas.MultiIndex.from_tuples([("x", "m"), ("x", "s")])
    return pandas.DataFrame(numpy.arange(8.0).reshape(4, 2), rows, columns)


OBJECTS = {
    "frame": frame,
    "levels": with_levels,
    "empty": pandas.DataFrame,
    "no columns": lambda: pandas.DataFrame(index=[1, 2]),
    "series": lambda: pandas.Series([0.5, 1.5], index=[2, 1], name="s"),
    "times": lambda: pandas.Series(1, pandas.date_range("2020", periods=3, freq="MS")),
    "periods": lambda: pandas.period_range("2020-01", periods=3, freq="M", name="p"),
    "intervals": lambda: pandas.interval_range(0, 3),
    "sparse": lambda: pandas.arrays.SparseArray([0.0, 0.0, 1.0]),
    "scalars": lambda: [pandas.NA, pandas.Timestamp("2020", tz="UTC"), pandas.Timedelta("1h")],
    "subclass": lambda: labelled(LabelledFrame, {"a": [1, 2]}),
    "subclass with an index": lambda: labelled(LabelledFrame, {"a": ["x", None]}, index=[3, 3]),
    "column of a subclass": lambda: labelled(LabelledSeries, [1.5, 2.5], name="a"),
    "bare subclass": lambda: Bare({"a": [1, 2], "b": [0.5, 1.5]}),
    "subclass with a constructor": lambda: Strict({"a": [1, 2]}, unit="s"),
    "arrow": lambda: pandas.Series([1, None], dtype="int64[pyarrow]"),
    "flags": lambda: pandas.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
    "grouper": lambda: pandas.Grouper(freq="MS"),
}


def check(found: Any, wanted: Any) -> None:
    """Compare as pandas.testing does, and the metadata of subclasses."""
    assert type(found) is type(wanted)
    match wanted:
        case pandas.DataFrame():
            testing.assert_frame_equal(found, wanted, check_freq=True, check_flags=True)
            assert found.attrs == wanted.attrs
        case pandas.Series():
            testing.assert_series_equal(found, wanted, check_freq=True, check_flags=True)
            assert found.attrs == wanted.attrs
        case pandas.Index():
            testing.assert_index_equal(found, wanted, exact=True)
        case pandas.api.extensions.ExtensionArray():
            testing.assert_extension_array_equal(found, wanted)
        case list():
            assert repr(found) == repr(wanted)
        case _:
            assert repr(found) == repr(wanted)
    for name in getattr(wanted, "_metadata", ()):
        assert getattr(found, name, None) == getattr(wanted, name, None)
