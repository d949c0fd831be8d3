"""Scalars of numpy: a value in digits where these come back exactly, else one item of an array."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.reduction import Attribute, Expression, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules.numpy_types import same_dtype
from persist.archive.rules.plain import attributes_of, is_plain_subclass
from persist.errors import UnsupportedObjectError

__all__: list[str] = []


@rule(numpy.generic, subclasses=True)
def reduce_scalar(scalar: Any) -> Reduced:
    """Reduce a scalar to a call of its type, or to the item of a 0-d array."""
    cls, base = type(scalar), _base(type(scalar))
    if cls is base:
        args = _arguments(scalar)
        return _item_of_array(scalar) if args is None else Reduction(cls, args)
    args = _arguments(base(scalar))
    if args is None or not is_plain_subclass(cls, base):
        raise UnsupportedObjectError(
            f"a scalar of class {cls.__qualname__} is a subclass of numpy.{base.__name__}, and "
            "numpy pickles it as its base: give its class a get_persistent_rep() method"
        )
    return Reduction(cls, args, attributes=attributes_of(scalar))


def _base(cls: type) -> Any:
    """Return the class of numpy, or of a library that adds scalars, which `cls` extends."""
    return next(c for c in cls.__mro__ if not c.__flags__ & _HEAP or c is numpy.record)


_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: classes that are written in Python have it.


def _arguments(scalar: Any) -> tuple[Any, ...] | None:
    """Return what the type of `scalar` makes it from again, or None if nothing readable does."""
    for kind, arguments in _ARGUMENTS:
        if isinstance(scalar, kind):
            args = arguments(scalar)
            return args if args is not None and _is_exact(scalar, args) else None
    return None


def _is_exact(scalar: Any, args: tuple[Any, ...]) -> bool:
    try:
        made = type(scalar)(*args)
    except (TypeError, ValueError, OverflowError):
        return False
    return (
        type(made) is type(scalar) and same_dtype(made.dtype, scalar.dtype) and _same(made, scalar)
    )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, numpy.longdouble):  # Its padding bytes are arbitrary.
        return bool(numpy.signbit(one) == numpy.signbit(other)) and (
            bool(one == other) or bool(numpy.isnan(one) and numpy.isnan(other))
        )
    return bool(one.tobytes() == other.tobytes())


def _item_of_array(scalar: Any) -> Reduced:
    if scalar.dtype.kind in "mM":
        return Reduction(Attribute(scalar.view("i8"), "view"), (scalar.dtype.str,))
    return Expression.of("array[()]", {"array": numpy.array(scalar)})


def _of_integer(scalar: Any) -> tuple[Any, ...]:
    return (scalar.item(),)


def _of_float(scalar: Any) -> tuple[Any, ...]:
    return (_short(scalar),)


def _short(scalar: Any) -> float:
    """Return the float with the fewest digits that is `scalar` in its own precision."""
    short = float(str(scalar))
    return short if type(scalar)(short) == scalar else float(scalar)


def _of_complex(scalar: Any) -> tuple[Any, ...]:
    return (complex(_short(scalar.real), _short(scalar.imag)),)


def _of_longdouble(scalar: Any) -> tuple[Any, ...]:
    if numpy.isnan(scalar) or numpy.longdouble(float(scalar)) == scalar:
        return (float(scalar),)
    return (str(scalar),)


def _of_datetime(scalar: Any) -> tuple[Any, ...] | None:
    unit = _unit(scalar)
    return (str(scalar), unit) if unit else None


def _of_timedelta(scalar: Any) -> tuple[Any, ...] | None:
    unit = _unit(scalar)
    value = "NaT" if numpy.isnat(scalar) else int(scalar.view("i8"))
    return (value, unit) if unit else None


def _unit(scalar: Any) -> str:
    """Return the unit of a time, or nothing where it has none: numpy warns when it makes such."""
    unit, count = numpy.datetime_data(scalar.dtype)
    if unit == "generic":
        return ""
    return f"{count}{unit}" if count != 1 else unit


def _of_text(scalar: Any) -> tuple[Any, ...]:
    return (str.__str__(scalar),)


def _of_bytes(scalar: Any) -> tuple[Any, ...]:
    return (bytes(scalar),)


def _of_void(scalar: Any) -> tuple[Any, ...] | None:
    plain = scalar.dtype.names is None and not scalar.dtype.metadata and scalar.dtype.itemsize
    return (scalar.tobytes(),) if plain else None


# A timedelta is an integer to numpy, and a longdouble a float: the first that fits is taken.
_ARGUMENTS: tuple[tuple[Any, Any], ...] = (
    (numpy.timedelta64, _of_timedelta),
    (numpy.datetime64, _of_datetime),
    ((numpy.integer, numpy.bool_), _of_integer),
    (numpy.longdouble, _of_longdouble),
    (numpy.floating, _of_float),
    (numpy.complexfloating, _of_complex),
    (numpy.str_, _of_text),
    (numpy.bytes_, _of_bytes),
    (numpy.void, _of_void),
)
