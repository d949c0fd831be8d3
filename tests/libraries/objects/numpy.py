"""Objects of numpy."""

from __future__ import annotations

from typing import Any

import numpy

__all__ = ["OBJECTS", "check"]


class Signal(numpy.ndarray):
    """An array with an attribute, as numpy's guide to subclasses has it."""

    def __array_finalize__(self, obj: Any) -> None:
        self.rate = getattr(obj, "rate", None)


def signal() -> Any:
    """Return an array of a subclass."""
    array = numpy.arange(4.0).view(Signal)
    array.rate = 250
    return array


def generator(seed: int) -> Any:
    """Return a generator that has been used."""
    random = numpy.random.default_rng(seed)
    random.random(3)
    return random


OBJECTS = {
    "digits": lambda: numpy.array([[0.1, 0.2], [numpy.nan, numpy.inf]]),
    "order": lambda: numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
    "big endian": lambda: numpy.arange(3, dtype=">i4"),
    "records": lambda: numpy.array([(1, 0.5, "a")], [("i", "i4"), ("f", "f8"), ("s", "U3")]),
    "recarray": lambda: numpy.rec.array([(1, 0.5), (2, 1.5)], [("i", "i4"), ("f", "f8")]),
    "times": lambda: numpy.array(["2020-01-01", "NaT"], "M8[D]"),
    "objects": lambda: numpy.array([1, "a", None, [2]], dtype=object),
    "masked": lambda: numpy.ma.array([1.0, 2.0], mask=[True, False], fill_value=-1),
    "subclass": signal,
    "scalars": lambda: [numpy.float32(0.1), numpy.int8(3), numpy.complex128(1j), numpy.str_("a")],
    "dtype": lambda: numpy.dtype([("a", "f4"), ("b", "i2", (3,))], align=True),
    "metadata": lambda: numpy.zeros(2, numpy.dtype("f8", metadata={"unit": "m"})),
    "generator": lambda: generator(1),
    "functions": lambda: [numpy.sin, numpy.add.reduce, numpy.linalg.norm, numpy.fft.fft],
    "polynomial": lambda: numpy.polynomial.Polynomial([1.0, 2.0, 0.5], domain=[0, 1]),
    "poly1d": lambda: numpy.poly1d([1.0, -2.0]),
    "large": lambda: numpy.random.RandomState(0).standard_normal(2000),
}


def check(found: Any, wanted: Any) -> None:
    """Compare as numpy.testing does, and types, dtypes and attributes."""
    assert type(found) is type(wanted)
    if isinstance(wanted, numpy.ndarray):
        numpy.testing.assert_array_equal(found, wanted, strict=True)
        assert found.dtype.metadata == wanted.dtype.metadata
        assert found.flags.f_contiguous == wanted.flags.f_contiguous
        assert getattr(found, "rate", None) == getattr(wanted, "rate", None)
    elif isinstance(wanted, numpy.random.Generator):
        assert found.random(5).tolist() == wanted.random(5).tolist()
    elif isinstance(wanted, list):
        assert list(map(type, found)) == list(map(type, wanted))
        assert found == wanted
    else:
        assert found == wanted
