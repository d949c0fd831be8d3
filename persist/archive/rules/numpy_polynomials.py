"""Polynomials of numpy."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules.numpy_types import same_dtype

__all__: list[str] = []


@rule("numpy.polynomial._polybase.ABCPolyBase", subclasses=True)
def reduce_series(series: Any) -> Reduced:
    """Reduce a series of polynomials to its coefficients, and to what is not the default."""
    cls = type(series)
    kwargs = {
        name: getattr(series, name)
        for name in ("domain", "window")
        if not _same(getattr(series, name), getattr(cls, name))
    }
    if getattr(series, "symbol", "x") != "x":
        kwargs["symbol"] = series.symbol
    return _checked(series, (series.coef,), kwargs)


@rule(numpy.poly1d)
def reduce_poly1d(polynomial: Any) -> Reduced:
    """Reduce a polynomial to its coefficients and its variable."""
    kwargs = {} if polynomial.variable == "x" else {"variable": polynomial.variable}
    return _checked(polynomial, (polynomial.coeffs,), kwargs)


def _checked(obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reduced:
    made = type(obj)(*args, **kwargs)
    same = vars(made).keys() == vars(obj).keys() and all(
        _same(value, vars(obj)[name]) for name, value in vars(made).items()
    )
    return Reduction(type(obj), args, kwargs) if same else reduce_by_protocol(obj)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, numpy.ndarray) and isinstance(other, numpy.ndarray):
        return same_dtype(one.dtype, other.dtype) and one.tobytes() == other.tobytes()
    return bool(one == other)
