"""Matrices, undefined functions and the constants of sympy."""

from __future__ import annotations

import sys
from typing import Any

from persist.archive.imports import find_import
from persist.archive.protocol import reduce_by_protocol
from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import registry, rule

__all__: list[str] = []


@rule("sympy.core.function.UndefinedFunction", subclasses=True)
def reduce_function(function: Any) -> Reduced:
    """Reduce a function that only has a name to that, and what is assumed of it."""
    if function.__module__ is not None:
        return find_import(function)
    return Reduction(Import("sympy", "Function"), (function.__name__,), function._kwargs)


@rule(
    "sympy.matrices.dense.MutableDenseMatrix",
    "sympy.matrices.immutable.ImmutableDenseMatrix",
    "sympy.matrices.immutable.ImmutableSparseMatrix",
    "sympy.matrices.sparse.MutableSparseMatrix",
)
def reduce_matrix(matrix: Any) -> Reduced:
    """Reduce a matrix to its shape and its entries."""
    return Reduction(type(matrix), (*matrix.shape, list(matrix.flat())))


def _is_singleton(cls: type) -> bool:
    return str(cls.__module__).startswith("sympy.") and type(cls).__name__ == "Singleton"


def reduce_constant(constant: Any) -> Reduced:
    """Reduce a constant to its name: ``S.One``."""
    sympy: Any = sys.modules["sympy"]
    name = type(constant).__name__
    if getattr(sympy.S, name, None) is not constant:
        return reduce_by_protocol(constant)
    return Attribute(Import("sympy", "S"), name)


registry.register_predicate(_is_singleton, reduce_constant)
