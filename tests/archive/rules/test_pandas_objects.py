"""Columns, indexes and categories of objects stay objects, whatever pandas would make of them."""

from __future__ import annotations

import datetime
import decimal
import fractions
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from persist.archive import Archive, restore

pandas = pytest.importorskip("pandas")
testing = pytest.importorskip("pandas.testing")

DAY = datetime.datetime(2020, 1, 1)
ZONED = DAY.replace(tzinfo=datetime.timezone.utc)
VALUES: dict[str, list[Any]] = {
    "datetimes": [DAY, None],
    "datetimes alone": [DAY, DAY + datetime.timedelta(microseconds=1)],
    "zoned datetimes": [ZONED, ZONED + datetime.timedelta(days=1)],
    "dates": [DAY.date(), DAY.date() + datetime.timedelta(days=1)],
    "times": [DAY.time(), datetime.time(1)],
    "spans": [datetime.timedelta(1), datetime.timedelta(2)],
    "Timestamps": [pandas.Timestamp(DAY), pandas.Timestamp("2021-01-01")],
    "Timestamps and NaT": [pandas.Timestamp(DAY), pandas.NaT],
    "zoned Timestamps": [pandas.Timestamp(ZONED), pandas.Timestamp("2021-01-01", tz="UTC")],
    "Timedeltas": [pandas.Timedelta("1D"), pandas.NaT],
    "Periods": [pandas.Period("2020-01"), pandas.Period("2020-02")],
    "Intervals": [pandas.Interval(0, 1), pandas.Interval(1, 2)],
    "datetime64": [numpy.datetime64("2020-01-01"), numpy.datetime64("2020-01-02")],
    "timedelta64": [numpy.timedelta64(1, "s"), numpy.timedelta64(2, "s")],
    "strings": ["a", "b"],
    "strings and None": ["a", None],
    "strings and NaN": ["a", float("nan")],
    "None": [None, None],
    "NaN": [float("nan"), 1.5],
    "NA": [pandas.NA, 1],
    "integers": [1, 2],
    "large integers": [2**70, -1],
    "booleans": [True, False],
    "booleans and None": [True, None],
    "Decimals": [decimal.Decimal("0.10"), decimal.Decimal(2)],
    "Fractions": [fractions.Fraction(1, 3), fractions.Fraction(1)],
    "bytes": [b"a", b"b"],
    "complex": [1j, 2],
    "numpy scalars": [numpy.float32(0.1), numpy.int8(2)],
    "mixed": [1, "a"],
    "mixed times": [DAY, "a"],
    "offsets": [pandas.offsets.MonthEnd(2), pandas.offsets.Day()],
    "tuples": [(1, 2), (3, 4)],
}
UNHASHABLE: dict[str, list[Any]] = {
    "lists": [[1, 2], [3]],
    "dicts": [{"a": 1}, {}],
    "arrays": [numpy.arange(2), numpy.arange(3)],
    "series": [pandas.Series([DAY], dtype=object), None],
}


def objects(items: list[Any]) -> Any:
    array = numpy.empty(len(items), dtype=object)
    array[:] = items
    return array


def index(items: list[Any]) -> Any:
    return pandas.Index(objects(items), dtype=object, tupleize_cols=False, name="i")


def categories(items: list[Any]) -> Any:
    return pandas.Categorical.from_codes([0, 1, -1], index(items).rename(None))


def is_refused_by_pandas(container: str, values: str) -> bool:
    """Return True if a category would be missing, or a level have the same value twice."""
    if container == "levels":
        return values == "None"
    return "categor" in container and any(pandas.isna(v) is True for v in VALUES[values])


CONTAINERS: dict[str, Callable[[list[Any]], Any]] = {
    "series": lambda items: pandas.Series(objects(items), dtype=object, name="s"),
    "frame": lambda items: pandas.DataFrame({"a": pandas.Series(objects(items), dtype=object)}),
    "frame with an index": lambda items: pandas.DataFrame(
        {"a": pandas.Series(objects(items), index=[5, 5], dtype=object), "b": [1, 2]}
    ),
    "frame of frames": lambda items: pandas.Series(
        objects([CONTAINERS["frame"](items), None]), dtype=object
    ),
    "frame without names": lambda items: pandas.DataFrame(
        numpy.stack([objects(items)] * 2).T, dtype=object
    ),
    "array": lambda items: pandas.Series(objects(items), dtype=object).array,
}
HASHED: dict[str, Callable[[list[Any]], Any]] = {
    "index": index,
    "index of a series": lambda items: pandas.Series([1, 2], index=index(items)),
    "columns": lambda items: pandas.DataFrame([[1, 2]], columns=index(items)),
    "levels": lambda items: pandas.MultiIndex(
        levels=[index(items), index([1, 2])], codes=[[0, 1, -1], [1, 0, 1]], names=["x", "y"]
    ),
    "categories": categories,
    "column of categories": lambda items: pandas.DataFrame({"a": categories(items)}),
    "index of categories": lambda items: pandas.CategoricalIndex(categories(items)),
    "dtype of categories": lambda items: categories(items).dtype,
}
CASES = [(c, v) for c in CONTAINERS for v in VALUES | UNHASHABLE]
CASES += [(c, v) for c in HASHED for v in VALUES if not is_refused_by_pandas(c, v)]


def parts(obj: Any) -> list[Any]:
    """Return all objects in a container of pandas, and the dtypes that hold them."""
    if isinstance(obj, pandas.DataFrame):
        found = [*parts(obj.columns), *parts(obj.index)]
        return found + [part for i in range(obj.shape[1]) for part in parts(obj.iloc[:, i])]
    if isinstance(obj, pandas.Series):
        return [*parts(obj.index), obj.dtype, *(p for value in obj for p in parts(value))]
    if isinstance(obj, pandas.MultiIndex):
        return [part for level in obj.levels for part in parts(level)]
    if isinstance(obj, (pandas.Categorical, pandas.CategoricalDtype, pandas.CategoricalIndex)):
        return parts(obj.categories)
    if isinstance(obj, (pandas.Index, pandas.api.extensions.ExtensionArray)):
        return [obj.dtype, *obj]
    return [obj]


def assert_same(found: Any, wanted: Any) -> None:
    assert type(found) is type(wanted)
    for one, other in zip(parts(found), parts(wanted), strict=True):
        assert type(one) is type(other)
        assert repr(one) == repr(other)
    match wanted:
        case pandas.DataFrame():
            testing.assert_frame_equal(found, wanted)
        case pandas.Series() if not isinstance(wanted.iloc[0], pandas.DataFrame):
            testing.assert_series_equal(found, wanted)
        case pandas.Index():
            testing.assert_index_equal(found, wanted, exact=True)


@pytest.mark.parametrize("scoped", [False, True])
@pytest.mark.parametrize(("container", "values"), CASES)
def test_objects_stay_what_they_are(container: str, values: str, scoped: bool) -> None:
    wanted = (CONTAINERS | HASHED)[container]((VALUES | UNHASHABLE)[values])
    archive = Archive(scoped=scoped)
    archive.insert(x=wanted)
    assert_same(restore(str(archive))["x"], wanted)
