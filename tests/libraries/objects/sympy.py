"""Expressions of sympy."""

from __future__ import annotations

from typing import Any

import sympy

__all__ = ["OBJECTS", "check"]

X = sympy.Symbol("x", positive=True)
F = sympy.Function("f")

OBJECTS = {
    "expression": lambda: X**2 + sympy.pi / 2 - sympy.sin(X) * sympy.I,
    "integral": lambda: sympy.Integral(X, (X, 0, 1)),
    "number": lambda: sympy.Float("1.5", 30),
    "rational": lambda: sympy.Rational(1, 3),
    "equation": lambda: sympy.Eq(F(X), 1),
    "derivative": lambda: F(X).diff(X),
    "pieces": lambda: sympy.Piecewise((X, X > 1), (0, True)),
    "infinity": lambda: [sympy.oo, -sympy.oo, sympy.nan, sympy.zoo],
    "function": lambda: F,
    "matrix": lambda: sympy.Matrix([[1, X], [0, 2]]),
    "immutable matrix": lambda: sympy.ImmutableMatrix([[1, X]]),
    "set": lambda: sympy.FiniteSet(1, 2, X),
    "interval": lambda: sympy.Interval(0, 1, True),
    "polynomial": lambda: sympy.Poly(X**2 + 1, X),
    "lambda": lambda: sympy.Lambda(X, X**2),
    "tuple": lambda: sympy.Tuple(1, X),
    "logic": lambda: sympy.And(sympy.Symbol("a"), sympy.Symbol("b")),
    "dummy": lambda: sympy.Symbol("n", integer=True) + 1,
    "sum": lambda: sympy.Sum(X, (X, 1, 3)),
    "large": lambda: sympy.Integer(10) ** 50,
}


def check(found: Any, wanted: Any) -> None:
    """Compare structurally."""
    assert type(found) is type(wanted)
    assert found == wanted
    assert sympy.srepr(found) == sympy.srepr(wanted)
