"""Data sets for any Python: of the standard library, and of arrays of each kind."""

from __future__ import annotations

import collections
import datetime
import fractions
import warnings
from pathlib import Path
from typing import Any

import numpy

import persist


def plain_values() -> dict[str, Any]:
    """Return values of the standard library."""
    part: list[Any] = [1, 2]
    loop: list[Any] = [1]
    loop.append({"loop": loop})
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    return {
        "x": [1, 2.5, "text", -0.0, 10**30],
        "shared": [part, {"part": part}, part],
        "loop": loop,
        "deep": deep,
        "text": "é ☃ \0 ' \\ \n",
        "octets": bytes(range(256)),
        "when": datetime.datetime(2020, 2, 29, 1, 2, 3, 4, datetime.timezone.utc),
        "counts": collections.Counter("abca"),
        "members": {frozenset("ab"), 1, "a"},
        "third": fractions.Fraction(1, 3),
        "größe": 1.75,
        "данные": ["д"],
        "nothing": None,
    }


INFOS = {
    "x": "A list",
    "shared": {"rate": 250.0, "channels": ["a", None, True], "é": "☃\t\n"},
    "loop": (1, ("two", 3)),
    "text": {1: "one", (2, 3): {4}},
    "when": datetime.date(2020, 2, 29),
    "third": float("inf"),
    "only": [1, {"there is": "no value"}],
    "only_tuple": (1, "no value"),
}


def make_plain(folder: Path, **options: Any) -> persist.DataSet:
    """Make a data set of values and infos of the standard library, with others inside."""
    with warnings.catch_warnings():
        ds = persist.DataSet("results", "w", folder, durable=False, **options)
        ds._update(plain_values(), INFOS)
    inner = ds._namespace("D0")
    inner.x = ["inner"]
    inner["x"] = ("info", "inner")
    inner._namespace("E").x = ["innermost"]
    ds._namespace("D1").y = 1
    return ds


ARRAYS = {
    "plain": "numpy.arange(24.).reshape(4, 6) / 7",
    "fortran": "numpy.asfortranarray(numpy.arange(24.).reshape(4, 6))",
    "cube": "numpy.asfortranarray(numpy.arange(24, dtype='i2').reshape(2, 3, 4))",
    "row": "numpy.asfortranarray(numpy.arange(4.).reshape(1, 4))",
    "big": "numpy.arange(10, dtype='>i4')",
    "bigfloat": "numpy.asfortranarray(numpy.arange(6, dtype='>f8').reshape(2, 3))",
    "small": "numpy.array([0.1, numpy.nan, -0.0, numpy.inf], 'f2')",
    "logical": "numpy.array([[True, False], [False, False]])",
    "complex": "numpy.array([1 + 2j, -0.0j], '<c8')",
    "table": "numpy.array([(1, 2.5, b'ab'), (2, 0.5, b'')],"
    " [('n', '<i4'), ('x', '>f8'), ('s', 'S3')])",
    "aligned": "numpy.zeros(3, numpy.dtype([('a', 'i1'), ('b', '<f8')], align=True))",
    "grid": "numpy.ones((2, 2), [('a', '<i2', (3,)), ('b', [('c', '>u4')])])",
    "times": "numpy.array(['2020-01-01T00:00', 'NaT'], 'M8[m]')",
    "spans": "numpy.array([1, -5], 'm8[3D]')",
    "texts": "numpy.array([['a', 'two'], ['', u'\\xe9\\u2603']])",
    "labelled": "numpy.array([(u'\\xe9', 1)], [('name', 'U5'), ('when', 'M8[D]')])",
    "octets": "numpy.array([b'a', b'', b'a\\0b'])",
    "raw": "numpy.array([b'ab', b'cd'], 'V2')",
    "empty": "numpy.zeros((0, 3), '<f4')",
    "nowhere": "numpy.zeros((2, 0), 'M8[s]')",
    "scalar": "numpy.array(1.5)",
    "moment": "numpy.array('2020-01-01', 'M8[D]')",
    "word": "numpy.array(u'\\xe9')",
    "nameless": "numpy.zeros(3, 'S0')",
}


def make_arrays(folder: Path, data_format: str, **options: Any) -> persist.DataSet:
    """Make a data set of arrays that all stand in files."""
    ds = persist.DataSet(
        "results",
        "w",
        folder,
        array_threshold=-1,
        data_format=data_format,
        durable=False,
        **options,
    )
    values = {key: eval(expression) for key, expression in ARRAYS.items()}
    ds._update(values)
    base = numpy.arange(20.0)
    ds.several = {"base": base, "again": [base, base], "other": numpy.arange(5), "text": "é"}
    ds._namespace("D0")._namespace("E").x = numpy.arange(30)
    return ds


CHECK_ALL = f"""
import numpy, results
ARRAYS = {ARRAYS!r}
def check_all(package):
    for key in ARRAYS:
        array, wanted = package._load(key), eval(ARRAYS[key])
        try:
            assert type(array) is numpy.ndarray and array.flags.writeable
            check(array, wanted)
        except AssertionError as error:
            raise AssertionError(key) from error
    several = package._load('several')
    assert several['base'] is several['again'][0] is several['again'][1]
    check(several['base'], numpy.arange(20.0))
    check(several['other'], numpy.arange(5))
"""
