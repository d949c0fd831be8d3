"""Values of all types that are read without trust, drawn by hypothesis."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import io
import ipaddress
import math
import operator
import pathlib
import random
import re
import types
import uuid
import zoneinfo
from typing import Any

import numpy
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from tests.strategies import ATOMS

__all__ = ["values"]

_ZONES = (
    *(None, datetime.timezone.utc, zoneinfo.ZoneInfo("Europe/Paris")),
    *(datetime.timezone(datetime.timedelta(minutes=-90), "here"), zoneinfo.ZoneInfo("UTC")),
)
_PLAIN_ATOMS = [
    atom
    for atom in ATOMS
    if not isinstance(atom, types.ModuleType)
    and getattr(atom, "__module__", None) != "tests.classes"
    and getattr(type(atom), "__module__", None) != "tests.classes"
]
_DTYPES = [
    *("f8", ">f4", "f2", "g", "G", "c8", "i1", ">i2", "u8", "q", "Q", "?", "S3", "U2", ">U2", "V3"),
    *("M8[ns]", ">M8[D]", "M8[25s]", "M8", "m8[s]", "m8", "O", "(2,)i2"),
    [("a", "i1"), ("b", ">f8", (2,))],
    [("a", "i1"), ("b", [("c", "f8"), ("d", "S2")])],
    [("a", "M8[s]"), ("b", "?"), ("two words", "U1")],
    [("a", "O"), ("b", [("c", "O"), ("d", "i2")])],
    [(("title", "a"), "i4"), ("b", "V0")],
    {"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [8, 0], "itemsize": 20},
    {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 0]},
]


def _one_of(items: Any) -> st.SearchStrategy[Any]:
    """Draw one of some, hidden from hypothesis: some have no hash, or too long a repr."""
    return st.integers(0, len(items) - 1).map(lambda place: items[place])


def numbers() -> st.SearchStrategy[Any]:
    """Draw a number or text of Python."""
    return st.one_of(
        *(st.integers(), st.floats(), st.complex_numbers(), st.booleans(), st.none()),
        *(st.text(max_size=8), st.binary(max_size=8)),
        _one_of(_PLAIN_ATOMS),
    )


def dates() -> st.SearchStrategy[Any]:
    """Draw a date, a time, or a span of time."""
    zone = st.sampled_from(_ZONES)
    return st.one_of(
        *(st.dates(), st.timedeltas()),
        st.builds(
            lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
            *(st.datetimes(), zone, st.integers(0, 1)),
        ),
        st.builds(lambda clock, zone: clock.replace(tzinfo=zone), st.times(), zone),
        st.sampled_from(_ZONES),
    )


def standard() -> st.SearchStrategy[Any]:
    """Draw a value of the standard library."""
    byte = st.binary(max_size=6)
    return st.one_of(
        *(dates(), st.decimals(), st.fractions(), st.uuids(), st.ip_addresses()),
        st.builds(decimal.Context, prec=st.integers(1, 50)),
        st.sampled_from([uuid.SafeUUID.safe, uuid.UUID(int=3, is_safe=uuid.SafeUUID.unsafe)]),
        st.sampled_from(["a/b", "/", ".", "a b/é", "..", "C:\\x"]).flatmap(
            lambda text: _one_of(
                [f(text) for f in (pathlib.Path, pathlib.PurePosixPath, pathlib.PureWindowsPath)]
            )
        ),
        _one_of(
            [
                ipaddress.ip_network("10.0.0.0/8"),
                ipaddress.ip_interface("10.0.0.1/8"),
                ipaddress.ip_network("2001:db8::/32"),
                ipaddress.ip_interface("2001:db8::1/32"),
            ]
        ),
        _one_of(
            [
                re.compile("a[b-z]*", re.IGNORECASE | re.ASCII),
                re.compile(b"\\d+"),
                re.compile("(?x) a # b"),
                re.MULTILINE,
                re.IGNORECASE | re.DOTALL,
                math.sin,
                operator.add,
                len,
                int,
                collections.OrderedDict,
                list[int],
                dict[str, list[int]],
                int | None,
                decimal.ROUND_UP,
                decimal.Inexact,
                datetime.date,
                ValueError,
            ]
        ),
        st.builds(bytearray, byte),
        st.builds(io.BytesIO, byte),
        st.builds(io.StringIO, st.text("ab\n", max_size=4)),
        st.builds(range, st.integers(-5, 5), st.integers(-5, 99), st.sampled_from([1, 2, -3])),
        st.builds(lambda n: array.array("l", [n, -n]), st.integers(0, 2**31)),
        st.builds(lambda x: array.array("d", [x]), st.floats()),
        st.builds(random.Random, st.integers()),
        st.builds(collections.UserString, st.text(max_size=3)),
        st.builds(lambda seed: iter([seed]), st.integers()),
        st.builds(lambda seed: reversed([seed, 1]), st.integers()),
    )


def arrays(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw an array of numpy or something of it."""
    return st.one_of(
        _any_array(parts), _scalars(), st.sampled_from(_DTYPES).map(numpy.dtype), _random(), _odd()
    )


@st.composite
def _any_array(draw: Any, parts: st.SearchStrategy[Any]) -> Any:
    dtype = numpy.dtype(draw(st.sampled_from(_DTYPES) | arrays_of.nested_dtypes()))
    shape = draw(st.sampled_from([(3,), (0,), (), (2, 3), (0, 2), (2, 1, 2), (30,)]))
    made = numpy.zeros(shape, dtype, order=draw(st.sampled_from("CF")))
    _fill(made, draw, parts)
    kind = draw(st.sampled_from(["", "", "", "masked", "record", "matrix", "view", "locked"]))
    if kind == "masked" and not made.dtype.hasobject:
        mask = draw(st.sampled_from([False, True, "some"]))
        if mask == "some":
            mask = numpy.zeros(made.shape, numpy.ma.make_mask_descr(made.dtype))
        made = numpy.ma.MaskedArray(made, mask=mask, hard_mask=draw(st.booleans()))
    elif kind == "record" and made.dtype.names:
        made = made.view(numpy.recarray)
    elif kind == "matrix" and made.ndim == 2 and not made.dtype.names:
        made = made.view(numpy.matrix)
    elif kind == "view" and made.ndim:
        made = {"both": made, "part": made[:1], "turned": made[::-1], "other": made.T}
    elif kind == "locked":
        made.flags.writeable = False
    return made


def _fill(made: Any, draw: Any, parts: st.SearchStrategy[Any]) -> None:
    """Fill an array with anything that fits."""
    if made.dtype.names:
        for name in made.dtype.names:
            _fill(made[name], draw, parts)
    elif made.dtype == object:
        for index in list(numpy.ndindex(made.shape))[:3]:
            made[index] = draw(parts)
    elif made.dtype.kind in "SU":
        made[...] = draw(st.text("ab\u00e9" if made.dtype.kind == "U" else "ab", max_size=3))
    elif made.dtype.kind in "Mm":
        made[...] = numpy.int64(draw(st.integers(-(2**62), 2**62) | st.just(-(2**63)))).view(
            made.dtype.newbyteorder("=")
        )
    elif made.dtype.kind != "V":
        with numpy.errstate(all="ignore"):
            numbers = numpy.arange(made.size).reshape(made.shape) + draw(st.integers(0, 100))
            made[...] = (numbers / draw(st.sampled_from([1, 3, 7]))).astype(made.dtype)


def _scalars() -> st.SearchStrategy[Any]:
    kinds = ("f8", "f4", "f2", "g", "c8", "G", "i1", "u8", "q", "?", "S3", "U2", "M8[ns]", "m8[D]")
    return st.builds(
        lambda kind, number: numpy.array([number]).astype(kind)[0],
        *(st.sampled_from(kinds), st.integers(-128, 127)),
    ) | _one_of(
        [
            *(numpy.float64("nan"), numpy.float32(0.1), numpy.longdouble("0.1"), numpy.void(b"ab")),
            *(numpy.datetime64("NaT", "s"), numpy.int64(3).view("m8"), numpy.str_("\u00e9")),
            numpy.array([(1, 2.5)], [("a", "i1"), ("b", "f8")])[0],
            numpy.array([(1, 2.5)], [("a", "i1"), ("b", "f8")]).view(numpy.recarray)[0],
        ]
    )


def _random() -> st.SearchStrategy[Any]:
    kinds = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
    sources = st.builds(
        lambda kind, seed: getattr(numpy.random, kind)(seed),
        *(st.sampled_from(kinds), st.integers(0, 99)),
    )
    return st.one_of(
        *(sources, sources.map(numpy.random.Generator), sources.map(numpy.random.RandomState)),
        st.builds(numpy.random.SeedSequence, st.integers(0, 2**70)),
        st.builds(numpy.random.RandomState, st.integers(0, 99)),
    )


def _odd() -> st.SearchStrategy[Any]:
    polynomials = ("Polynomial", "Chebyshev", "Hermite", "HermiteE", "Laguerre", "Legendre")
    return _one_of(
        [
            *(numpy.poly1d([1, 2]), numpy.ma.masked, numpy.finfo("f4"), numpy.iinfo("i2")),
            *(getattr(numpy.polynomial, name)([1, 2, 3]) for name in polynomials),
            *(numpy.busdaycalendar("1111100", ["2020-01-01"]), numpy.sin, numpy.float64),
            *(numpy.dtype("i4", metadata={"unit": "m"}), numpy.dtype("i1,f8", align=True)),
            numpy.polynomial.Polynomial([1], domain=[0, 2], window=[0, 1], symbol="t"),
            *_texts(),
            numpy.lib.stride_tricks.as_strided(numpy.arange(6.0), (3, 2), (16, 8)),
            numpy.broadcast_to(numpy.arange(3), (2, 3)),
            numpy.ma.MaskedArray([1, 2], mask=[0, 1], fill_value=7),
        ]
    )


def _texts() -> list[numpy.ndarray]:
    if not hasattr(numpy.dtypes, "StringDType"):  # NumPy 1
        return []
    make = numpy.dtypes.StringDType
    return [
        numpy.array(["a", "long text " * 3], make()),
        numpy.array(["a", None], make(na_object=None)),
        numpy.array([], make(coerce=False)),
    ]


def sparse() -> st.SearchStrategy[Any]:
    """Draw a sparse matrix of scipy."""
    import scipy.sparse

    def build(format: str, kind: str, dtype: str, shape: tuple[int, int], odd: int) -> Any:
        dense = (numpy.arange(math.prod(shape)).reshape(shape) % 3).astype(dtype)
        made = getattr(scipy.sparse, f"{format}_{kind}")(dense)
        if format == "coo" and odd == 1 and made.nnz:
            made = type(made)(
                (numpy.ones(2, dtype), (numpy.zeros(2, "i4"), numpy.zeros(2, "i4"))), shape=shape
            )
        elif format in ("csr", "csc") and odd == 1:
            made.indices = made.indices.astype("i8")
            made.indptr = made.indptr.astype("i8")
        elif format in ("csr", "csc") and odd == 2 and made.nnz > 1:
            made.indices[:2] = made.indices[1::-1]
        if odd == 3:
            made.maxprint = 7
            made.note = "mine"
        return made

    formats = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
    return st.builds(
        build,
        st.sampled_from(formats),
        st.sampled_from(["matrix", "array"]),
        st.sampled_from(["f8", "i2", "c8", "?", "u1"]),
        st.sampled_from([(2, 3), (4, 4), (1, 1), (0, 3), (3, 0)]),
        st.integers(0, 3),
    )


def pandas_values(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a scalar, an index, an array, a series or a frame of pandas."""
    import pandas
    from pandas.tseries import offsets

    moments = pandas.DatetimeIndex(["2020-01-01", "2020-01-02T03:04:05.6", None])
    zoned = pandas.DatetimeIndex(["2020-10-25T00:30", "2020-10-25T01:30"], tz="Europe/Paris")
    columns = [
        *(pandas.array([1, 2, None], dtype=name) for name in ("Int8", "UInt64", "Float32")),
        pandas.array([True, None, False], dtype="boolean"),
        pandas.array(["a", None, "\u00e9"], dtype="string"),
        pandas.array(["a", None, "b"], dtype="str"),
        pandas.Categorical(["a", "b", None]),
        pandas.Categorical([1, 2, 1], categories=[2, 1, 3], ordered=True),
        pandas.Categorical([1.5, None], categories=[1.5, 2.5]),
        pandas.Categorical(pandas.to_datetime(["2020-01-01", "2021-01-01"])),
        pandas.Categorical(pandas.interval_range(0, 3)),
        moments.array,
        moments.tz_localize("UTC").array,
        moments.tz_localize("America/New_York").array,
        moments.as_unit("s").array,
        pandas.to_timedelta(["1 day", "3 s", None]).array,
        pandas.period_range("2020-01", periods=3, freq="M").array,
        pandas.PeriodIndex(["2020Q1", None], freq="Q-NOV").array,
        pandas.interval_range(0.5, 3.5, closed="both").array,
        pandas.interval_range(pandas.Timestamp("2020"), periods=2, freq="D").array,
        pandas.arrays.SparseArray([0, 0, 1]),
        pandas.arrays.SparseArray([1.5, numpy.nan, numpy.nan]),
        pandas.array([1, 2, 3], dtype="int16"),
        pandas.array(numpy.array([1.5, 2]), copy=False),
        zoned.array,
        *(numpy.arange(3).astype(name) for name in ("f4", "i2", "c8", "?", "u1")),
        numpy.array(["a", 1, None, ("x", 2)], object),
    ]
    indexes = [
        *(pandas.RangeIndex(2, 9, 3, name="r"), pandas.Index([1, 2], name=("a", 1))),
        *(pandas.Index(["a", "b"]), pandas.Index([1.5, None]), pandas.Index([], dtype="object")),
        *(pandas.Index(["a", 1], dtype=object), pandas.Index([True, False])),
        pandas.date_range("2020-01-01", periods=3, freq="D", tz="Europe/Paris", name="t"),
        pandas.date_range("2020-01-31", periods=3, freq=offsets.MonthEnd()),
        pandas.timedelta_range("1 day", periods=3, freq="6h"),
        pandas.period_range("2020", periods=2, freq="Y", name="p"),
        pandas.interval_range(0, 3, name="i"),
        pandas.IntervalIndex.from_tuples([(0, 1), (3, 5)], closed="neither"),
        pandas.CategoricalIndex(["a", "b", "a"], ordered=True, name="c"),
        pandas.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", None]),
        pandas.MultiIndex.from_arrays([zoned, pandas.Categorical(["u", "v"])]),
        pandas.MultiIndex(levels=[["a", "b"], [1]], codes=[[1, -1], [0, 0]]),
        *(pandas.Index(column) for column in columns if not isinstance(column, numpy.ndarray)),
        zoned,
    ]
    scalars = [
        *(pandas.NA, pandas.NaT, pandas.Timestamp("2020-01-01T01:02:03.000000004")),
        *(zoned[0], zoned[1], pandas.Timestamp("5000-01-01").as_unit("s")),
        pandas.Timestamp("2020", tz=datetime.timezone(datetime.timedelta(hours=1))),
        *(pandas.Timedelta(5, "ns"), pandas.Timedelta(-1, "s"), pandas.Timedelta("3 days")),
        *(pandas.Period("2020-01", "M"), pandas.Period("2020Q1", "Q-NOV")),
        *(pandas.Interval(0, 1), pandas.Interval(zoned[0], zoned[1], closed="both")),
        *(offsets.MonthEnd(2), offsets.Week(weekday=1, normalize=True), offsets.Day()),
        *(offsets.BusinessHour(start="10:00"), offsets.DateOffset(months=1, days=2)),
        *(offsets.CustomBusinessDay(holidays=["2020-01-01"]), offsets.FY5253(weekday=3)),
        *(offsets.CustomBusinessMonthEnd(), offsets.Easter(), offsets.YearEnd(month=3)),
        *(column.dtype for column in columns),
        *(pandas.Series, pandas.DataFrame, pandas.Timestamp),
    ]

    @st.composite
    def series(draw: Any) -> Any:
        column = draw(_one_of(columns) | parts.map(lambda part: _objects([part, None])))
        made = pandas.Series(column, name=draw(st.sampled_from([None, "a", 1, ("a", 2), 1.5])))
        _with_index(made, draw)
        if draw(st.integers(0, 4)) == 4:
            made.attrs["unit"] = draw(numbers())
        return made

    @st.composite
    def frames(draw: Any) -> Any:
        chosen = draw(st.lists(_one_of(columns), max_size=4))
        rows = min([len(column) for column in chosen], default=0)
        made = pandas.DataFrame({f"c{i}": column[:rows] for i, column in enumerate(chosen)})
        _with_index(made, draw)
        kind = draw(st.integers(0, 7))
        if kind == 1:
            made.columns = (
                pandas.MultiIndex.from_tuples(
                    [("a", i) for i in range(len(chosen))], names=["u", "v"]
                )
                if chosen
                else made.columns
            )
        elif kind == 2:
            made.columns = ["same"] * len(chosen)
        elif kind == 3:
            made.columns = range(len(chosen))
        elif kind == 4:
            made.columns = pandas.Index(list(made.columns), name="columns")
        elif kind == 5:
            made.attrs["of"] = {"a": draw(numbers())}
        elif kind == 6 and made.index.is_unique and made.columns.is_unique:
            made = made.set_flags(allows_duplicate_labels=False)
        elif kind == 7:
            made = made.T
        return made

    def _with_index(made: Any, draw: Any) -> None:
        index = draw(st.none() | _one_of(indexes))
        if index is not None and len(index) >= len(made):
            made.index = index[: len(made)]

    return st.one_of(
        *(series(), frames(), _one_of(indexes), _one_of(scalars)),
        _one_of(columns),
    )


def _objects(parts: list[Any]) -> Any:
    made = numpy.empty(len(parts), object)
    for index, part in enumerate(parts):
        made[index] = part
    return made


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except (TypeError, ValueError):
        return False
    return True


def _containers(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    few = st.lists(parts, max_size=3)
    keys = st.lists(parts.filter(_hashable), max_size=3)
    dicts = st.builds(lambda keys, few: dict(zip(keys, few, strict=False)), keys, few)
    return st.one_of(
        *(few, few.map(tuple), dicts, keys.map(set), keys.map(frozenset)),
        few.map(lambda items: [items, items, {"same": items}]),
        dicts.map(collections.OrderedDict),
        dicts.map(lambda d: collections.defaultdict(list, d)),
        dicts.map(types.MappingProxyType),
        dicts.map(collections.UserDict),
        st.builds(collections.ChainMap, dicts, dicts),
        keys.map(collections.Counter),
        few.map(collections.UserList),
        few.map(collections.deque),
        few.map(lambda items: collections.deque(items, 2)),
        few.map(lambda items: types.SimpleNamespace(a=items)),
        st.builds(slice, parts, parts, parts),
        few.map(lambda items: ValueError(*items)),
        few.map(_objects),
        arrays(parts),
        pandas_values(parts),
    )


def values() -> st.SearchStrategy[Any]:
    """Draw a graph of values that need no trust."""
    leaves = numbers() | standard() | sparse()
    return st.recursive(leaves | arrays(numbers()), _containers, max_leaves=6)
