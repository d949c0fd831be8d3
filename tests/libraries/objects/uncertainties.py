"""Numbers of uncertainties, with what ties them together."""

from __future__ import annotations

from typing import Any

import uncertainties
from uncertainties import covariance_matrix, ufloat, umath, unumpy

__all__ = ["OBJECTS", "check"]


def correlated() -> Any:
    """Return two numbers, and others that depend on them."""
    x, y = ufloat(1.0, 0.1, "x"), ufloat(2.0, 0.3)
    return [x, y, x * y, x - x, umath.sin(x) + y, 2 * (x + y)]


OBJECTS = {
    "variable": lambda: ufloat(1.5, 0.25),
    "tag": lambda: ufloat(1.5, 0.25, "length"),
    "correlated": correlated,
    "only the result": lambda: correlated()[4],
    "array": lambda: unumpy.uarray([1.0, 2.0], [0.1, 0.2]),
    "exact": lambda: ufloat(2, 0),
    "nan": lambda: ufloat(float("nan"), 0.5),
    "from a covariance": lambda: list(
        uncertainties.correlated_values([1.0, 2.0], [[0.25, 0.125], [0.125, 0.5]])
    ),
}


def check(found: Any, wanted: Any) -> None:
    """Compare the values, and the covariances of what was stored together."""
    assert type(found) is type(wanted)
    one, other = ([obj] if hasattr(obj, "nominal_value") else list(obj) for obj in (found, wanted))
    assert list(map(repr, one)) == list(map(repr, other))
    assert list(map(type, one)) == list(map(type, other))
    assert [getattr(n, "tag", None) for n in one] == [getattr(n, "tag", None) for n in other]
    assert repr(covariance_matrix(one)) == repr(covariance_matrix(other))
    assert [n.std_dev for n in one] == [n.std_dev for n in other] or "nan" in repr(other)
