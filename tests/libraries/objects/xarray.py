"""Objects of xarray."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
import xarray
from xarray import testing

__all__ = ["OBJECTS", "check"]

TIMES = pandas.date_range("2020-01-01", periods=2, freq="D")


def array(**kwargs: Any) -> Any:
    """Return an array with coordinates of several kinds."""
    coords = {"x": [1, 2], "y": ["a", "b"], "z": ("x", [0.5, 1.5], {"unit": "m"}), "s": 3}
    values = numpy.arange(4.0).reshape(2, 2)
    return xarray.DataArray(values, coords, ("x", "y"), "n", {"unit": "m"}, **kwargs)


def without_index() -> Any:
    """Return an array whose dimension has a coordinate that is no index."""
    return array().drop_indexes("x")


def stacked() -> Any:
    """Return an array with an index of two levels."""
    return array().stack(k=("x", "y"))


def encoded() -> Any:
    """Return a data set that says how it is to be stored in a file."""
    made = xarray.Dataset({"a": array()})
    made.a.encoding["scale_factor"] = 0.5
    made.encoding["source"] = "file.nc"
    return made


def levels() -> Any:
    """Return an index of two levels."""
    return pandas.MultiIndex.from_product([["a", "b"], [1, 2]], names=["letter", "number"])


OBJECTS = {
    "array": array,
    "scalar": lambda: xarray.DataArray(3.5),
    "times": lambda: xarray.DataArray([1, 2], coords={"t": TIMES}, dims="t"),
    "zoned times": lambda: xarray.DataArray(
        [1, 2], coords={"t": ("x", TIMES.tz_localize("UTC"))}, dims="x"
    ),
    "without index": without_index,
    "data set without index": lambda: xarray.Dataset({"a": without_index()}),
    "stacked": stacked,
    "data set of stacked": lambda: xarray.Dataset({"a": stacked()}),
    "levels": lambda: xarray.Dataset(
        {"a": ("k", [1, 2, 3, 4])}, xarray.Coordinates.from_pandas_multiindex(levels(), "k")
    ),
    "index on another name": lambda: array().set_xindex("z"),
    "data set": lambda: xarray.Dataset({"a": array(), "b": ("x", [1, 2])}, attrs={"title": "t"}),
    "encoding": encoded,
    "empty": xarray.Dataset,
    "strings": lambda: xarray.DataArray(["a", "b"], dims="x"),
    "objects": lambda: xarray.DataArray(numpy.array([1, "a"], dtype=object), dims="x"),
    "categories": lambda: xarray.DataArray(
        [1, 2], coords={"c": ("x", pandas.Categorical(["a", "b"]))}, dims="x"
    ),
    "variable": lambda: xarray.Variable(("x", "y"), numpy.ones((1, 2)), {"unit": "m"}),
    "index variable": lambda: xarray.IndexVariable("x", [1, 2], {"unit": "m"}),
    "tree": lambda: xarray.DataTree.from_dict(
        {"/": xarray.Dataset({"a": 1}), "/run": xarray.Dataset({"b": ("x", [1, 2])})}
    ),
}


def check(found: Any, wanted: Any) -> None:
    """Compare as xarray.testing does, and the indexes."""
    assert type(found) is type(wanted)
    testing.assert_identical(found, wanted)
    assert found.encoding == wanted.encoding
    if isinstance(wanted, xarray.DataTree):
        return
    for name, variable in getattr(wanted, "coords", {}).items():
        assert found[name].dtype == variable.dtype
        assert type(found[name].variable) is type(variable.variable)
    if hasattr(wanted, "xindexes"):
        assert list(found.xindexes) == list(wanted.xindexes)
        for name, index in wanted.xindexes.items():
            assert type(found.xindexes[name]) is type(index)
            assert found.xindexes[name].equals(index)
        for name, index in wanted.indexes.items():
            assert getattr(found.indexes[name], "freq", 0) == getattr(index, "freq", 0)
