"""Objects of pandas reduce to public constructors, in pandas 2 and 3."""

from __future__ import annotations

import datetime
import warnings
import zoneinfo
from typing import Any

import numpy
import pytest

from tests.archive.rules.rebuild import rebuild, rebuilds, source

pandas = pytest.importorskip("pandas")
testing = pytest.importorskip("pandas.testing")
offsets = pytest.importorskip("pandas.tseries.offsets")

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
AUTUMN = pandas.Timestamp("2020-10-25T00:30:00", tz="UTC").tz_convert(PARIS)


def objects(*items: Any) -> Any:
    array = numpy.empty(len(items), dtype=object)
    array[:] = items
    return array


SCALARS = [
    pandas.Timestamp("2020-01-01"),
    pandas.Timestamp("2020-01-01T01:02:03.000000004"),
    pandas.Timestamp("5000-01-01").as_unit("s"),
    pandas.Timestamp("2020-01-01").as_unit("ns"),
    pandas.Timestamp("2020-01-01", tz="UTC"),
    pandas.Timestamp("1890-01-01", tz=PARIS),
    AUTUMN,
    AUTUMN + pandas.Timedelta("1h"),
    pandas.Timestamp("2020-01-01", tz=datetime.timezone(datetime.timedelta(hours=1))),
    pandas.Timedelta("1 days 02:00:00.000000003"),
    pandas.Timedelta(-1, "s"),
    pandas.Timedelta(5, "ns"),
    pandas.Period("2020-01", "M"),
    pandas.Period("2020-01-06", "W"),
    pandas.Period("2020-01-06 03:00", "h"),
    pandas.Period("2020Q1", "Q-NOV"),
    pandas.Interval(0, 1, closed="both"),
    offsets.MonthEnd(2),
    offsets.Day(),
    offsets.Week(weekday=1, normalize=True),
    offsets.BusinessHour(start="10:00"),
    offsets.DateOffset(months=1, days=2),
    offsets.CustomBusinessDay(holidays=["2020-01-01"]),
]


@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
def test_scalar_comes_back(scalar: Any) -> None:
    built = rebuild(scalar)
    assert type(built) is type(scalar)
    assert built == scalar
    assert repr(built) == repr(scalar)
    assert getattr(built, "unit", None) == getattr(scalar, "unit", None)
    assert getattr(built, "tz", None) == getattr(scalar, "tz", None)


def test_missing_values_are_their_names() -> None:
    assert rebuild([pandas.NaT, pandas.NA]) == [pandas.NaT, pandas.NA]
    assert source([pandas.NaT, pandas.NA]) == "[pandas.NaT, pandas.NA]"


DTYPES = [
    pandas.Int64Dtype(),
    pandas.BooleanDtype(),
    pandas.StringDtype("python"),
    pandas.CategoricalDtype(["a", "b"], ordered=True),
    pandas.CategoricalDtype(),
    pandas.PeriodDtype("M"),
    pandas.IntervalDtype("int64", closed="left"),
    pandas.SparseDtype("f4", 0),
    pandas.DatetimeTZDtype("s", PARIS),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtype_comes_back(dtype: Any) -> None:
    built = rebuild(dtype)
    assert built == dtype
    assert repr(built) == repr(dtype)


INDEXES = [
    pandas.RangeIndex(1, 10, 2, name="r"),
    pandas.Index([1, 2], name="n"),
    pandas.Index([1.5, numpy.nan], dtype="f4"),
    pandas.Index(["a", "b"]),
    pandas.Index(["a", "b"], dtype=object, name="n"),
    pandas.Index([(1, 2), (3, 4)], tupleize_cols=False),
    pandas.Index([1, "a", None], dtype=object),
    pandas.Index([], dtype=object),
    pandas.Index([True, False]),
    pandas.Index([1, None], dtype="Int64"),
    pandas.Index(["a", None], dtype="string"),
    pandas.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", None]),
    pandas.MultiIndex.from_arrays([[1, None], pandas.to_datetime(["2020", "2021"])]),
    pandas.MultiIndex.from_arrays([[], []]),
    pandas.date_range("2020-01-01", periods=3, freq="D", name="d"),
    pandas.date_range("2020-10-24", periods=3, freq="D", tz=PARIS, name="d"),
    pandas.DatetimeIndex(["2020-01-01", "NaT"]),
    pandas.date_range("2020-01-31", periods=3, freq=offsets.MonthEnd()),
    pandas.DatetimeIndex(["2020-01-01"]).as_unit("s"),
    pandas.timedelta_range("1h", periods=3, freq="h"),
    pandas.TimedeltaIndex(["1s", None], name="t"),
    pandas.period_range("2020-01", periods=3, freq="M", name="p"),
    pandas.PeriodIndex(["2020-01-01", None], freq="D"),
    pandas.period_range("2020-01", periods=2000, freq="min"),
    pandas.IntervalIndex.from_breaks([0, 1, 2.5], closed="left", name="i"),
    pandas.CategoricalIndex(["a", "b", "a"], ordered=True, name="c"),
]


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: f"{type(index).__name__}-{len(index)}")
def test_index_comes_back(index: Any) -> None:
    for built in rebuilds(index):
        testing.assert_index_equal(built, index, exact=True)
        assert getattr(built, "freq", None) == getattr(index, "freq", None)
        assert getattr(built, "unit", None) == getattr(index, "unit", None)
        assert built.names == index.names


ARRAYS = [
    pandas.array([1, None, 3], dtype="Int64"),
    pandas.array([1, None], dtype="UInt8"),
    pandas.array([1.5, None], dtype="Float32"),
    pandas.array([True, None], dtype="boolean"),
    pandas.array(["a", None, "é"], dtype="string"),
    pandas.array(["a", None], dtype=pandas.StringDtype("python")),
    pandas.Categorical(["b", "a", None], categories=["b", "a", "c"], ordered=True),
    pandas.Categorical([1, 2]),
    pandas.array(pandas.to_datetime(["2020-01-01", None]).tz_localize(PARIS)),
    pandas.to_datetime(["2020-01-01", None]).array,
    pandas.to_timedelta(["1s", None]).array,
    pandas.period_range("2020-01", periods=2, freq="Q").array,
    pandas.interval_range(0, 3).array,
    pandas.arrays.SparseArray([0, 0, 1, 2]),
    pandas.arrays.SparseArray([numpy.nan, 1.0], kind="block"),
    pandas.array([1, 2], dtype="int64"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{type(array).__name__}-{array.dtype}")
def test_array_comes_back(array: Any) -> None:
    built = rebuild(array)
    testing.assert_extension_array_equal(built, array)
    assert repr(built.dtype) == repr(array.dtype)


def test_values_under_a_mask_are_kept() -> None:
    values = pandas.arrays.IntegerArray(numpy.array([1, 7]), numpy.array([False, True]))
    assert rebuild(values)._data.tolist() == [1, 7]


FRAMES = [
    pandas.DataFrame({"a": [1, 2], "b": [0.5, numpy.nan]}),
    pandas.DataFrame({"a": ["x", "y"], "b": [[1], None]}),
    pandas.DataFrame({"a": objects("x", "y"), "b": objects(1, "z")}, dtype=object),
    pandas.DataFrame({"a": objects("x", "y")}, index=[1, 1], dtype=object),
    pandas.DataFrame([[1, 2.0], [3, 4.0]], columns=["a", "a"], index=["x", "y"]),
    pandas.DataFrame([[1, 2], [3, 4]]),
    pandas.DataFrame([[1, 2]], columns=pandas.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
    pandas.DataFrame([[1, 2]], columns=pandas.Index(["a", "b"], name="names")),
    pandas.DataFrame([[1, 2]], columns=pandas.Index(["a", "b"], dtype=object)),
    pandas.DataFrame(index=[1, 2]),
    pandas.DataFrame(columns=["a"]),
    pandas.DataFrame(),
    pandas.DataFrame(
        {
            "t": pandas.date_range("2020", periods=2),
            "z": pandas.date_range("2020", periods=2, tz=PARIS),
            "d": pandas.to_timedelta(["1s", "2s"]),
            "p": pandas.period_range("2020", periods=2, freq="D"),
            "i": pandas.interval_range(0, 2),
            "c": pandas.Categorical(["a", "b"]),
            "n": pandas.array([1, None], dtype="Int64"),
            "b": numpy.array([True, False]),
            "s": pandas.arrays.SparseArray([0, 1]),
            "h": numpy.array([1, 2], "f2"),
            "x": numpy.array([1, 2j]),
            "q": pandas.array(["x", None], dtype="string"),
        },
        index=pandas.date_range("2020", periods=2, freq="D"),
    ),
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: str(frame.shape))
def test_frame_comes_back(frame: Any) -> None:
    for built in rebuilds(frame):
        testing.assert_frame_equal(built, frame, check_freq=True, check_column_type="exact")
        assert list(map(repr, built.dtypes)) == list(map(repr, frame.dtypes))
        assert type(built.index) is type(frame.index)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: str(frame.shape))
def test_columns_come_back(frame: Any) -> None:
    for i in range(frame.shape[1]):
        column = frame.iloc[:, i]
        testing.assert_series_equal(rebuild(column), column, check_freq=True)


def test_labels_of_columns_need_no_hash() -> None:
    frame = pandas.DataFrame([[1, 2], [3, 4]], columns=pandas.Index([[1], {"a": 2}], dtype=object))
    built = rebuild(frame)
    assert list(built.columns) == [[1], {"a": 2}]
    assert built.to_numpy().tolist() == [[1, 2], [3, 4]]


def test_attributes_and_flags_are_kept() -> None:
    frame = pandas.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False)
    frame.attrs["unit"] = {"a": "m"}
    for obj in (frame, frame["a"], pandas.DataFrame(columns=range(0))):
        built = rebuild(obj)
        assert built.attrs == obj.attrs
        assert built.flags.allows_duplicate_labels == obj.flags.allows_duplicate_labels


def test_frame_reads_as_a_person_would_write_it() -> None:
    frame = pandas.DataFrame({"a": [1, 2]}, index=[3, 4])
    assert source(frame) == (
        "pandas.DataFrame({'a': Data([1, 2], <i8)}, index=pandas.Index(Data([3, 4], <i8)))"
    )


def test_restored_data_can_be_written_to() -> None:
    frame, series = rebuild([pandas.DataFrame({"a": [1, 2]}), pandas.Series([1, 2])])
    frame.loc[0, "a"] = 5
    series[0] = 5
    assert (frame.loc[0, "a"], series[0]) == (5, 5)


def test_name_of_any_kind_is_kept() -> None:
    series = pandas.Series([1], name=("a", 1))
    assert rebuild(series).name == ("a", 1)


def test_arrow_arrays_come_back() -> None:
    arrow = pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(
        {
            "a": pandas.array([1, None], dtype=pandas.ArrowDtype(arrow.int64())),
            "l": pandas.array([[1], None], dtype=pandas.ArrowDtype(arrow.list_(arrow.int32()))),
            "s": pandas.array(["x", None], dtype="string[pyarrow]"),
        }
    )
    testing.assert_frame_equal(rebuild(frame), frame)


def test_zones_of_pytz_come_back() -> None:
    pytz = pytest.importorskip("pytz")
    zone = pytz.timezone("Europe/Paris")
    index = pandas.date_range("2020-10-24", periods=3, tz=zone)
    testing.assert_index_equal(rebuild(index), index)
    assert rebuild(index[0]) == index[0]
    assert rebuild(zone) is zone
    assert rebuild(pytz.utc) is pytz.utc


def test_nothing_is_deprecated() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for obj in (*SCALARS, *INDEXES, *ARRAYS, *FRAMES):
            rebuild(obj)


@pytest.mark.parametrize(
    "offset", [offsets.Week(weekday=0), offsets.DateOffset(months=1, days=0, hour=0)]
)
def test_settings_of_an_offset_that_are_zero_are_kept(offset: Any) -> None:
    text = source(offset)
    assert text.startswith("pandas.tseries.offsets.")
    assert rebuild(offset) == offset


def test_settings_of_an_offset_are_in_no_order_of_hashes() -> None:
    text = source(offsets.DateOffset(months=1, day=3, hour=2, weeks=1))
    assert text.index("day=") < text.index("hour=") < text.index("months=") < text.index("weeks=")
