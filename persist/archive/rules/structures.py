"""Expressions of sympy, graphs of networkx and figures of matplotlib, images of Pillow."""

from __future__ import annotations

import itertools
import sys
from functools import cached_property
from typing import Any

from persist.archive.imports import find_import
from persist.archive.protocol import reduce_by_protocol, user_attributes
from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import registry, rule
from persist.archive.rules import state_rule

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
    args = (*matrix.shape, list(matrix.flat()))
    return Reduction(type(matrix), args, attributes=user_attributes(matrix, "rows", "cols"))


def reduce_constant(constant: Any) -> Reduced:
    """Reduce a constant to its name: ``S.One``."""
    sympy: Any = sys.modules["sympy"]
    name = type(constant).__name__
    if getattr(sympy.S, name, None) is not constant:
        return reduce_by_protocol(constant)
    return Attribute(Import("sympy", "S"), name)


registry.register_predicate(
    lambda cls: str(cls.__module__).startswith("sympy.") and type(cls).__name__ == "Singleton",
    reduce_constant,
)


@state_rule("networkx.classes.graph.Graph", subclasses=True)
def graph_state(graph: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Leave out the views of a graph that were looked at, which are made again."""
    views = {n for n in state if isinstance(getattr(type(graph), n, None), cached_property)}
    return {name: value for name, value in state.items() if name not in views}


@state_rule("matplotlib.transforms.TransformNode", subclasses=True)
def transform_state(transform: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Give numbers to the transforms that depend on this one.

    matplotlib keeps them by address. Any key serves, as long as no object can have that address.
    """
    parents = state.get("_parents")
    if not isinstance(parents, dict):
        return state
    alive = [parent for parent in parents.values() if parent is not None]
    return {**state, "_parents": dict(enumerate(alive))}


@state_rule("matplotlib.cbook.CallbackRegistry")
def callbacks_state(callbacks: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Set the counter of callbacks back that matplotlib advances for their state.

    The number comes last, as it does in callbacks that were restored.
    """
    number = state.get("_cid_gen")
    if type(number) is not int:  # Older releases give the counter itself.
        return state
    vars(callbacks)["_cid_gen"] = itertools.count(state.pop("_cid_gen"))
    return {**state, "_cid_gen": number}


@rule("matplotlib.colors.Normalize", "matplotlib.colors.LogNorm")
def reduce_norm(norm: Any) -> Reduced:
    """Reduce the scale of a range of colours to its ends, if nothing waits for it to change."""
    kwargs = {"clip": True} if norm.clip else {}
    ends = (norm.vmin, norm.vmax)
    has_more = vars(norm).keys() != vars(type(norm)(*ends, **kwargs)).keys()
    if norm.callbacks.callbacks or has_more:
        return reduce_by_protocol(norm)
    return Reduction(Import("matplotlib.colors", type(norm).__name__), ends, kwargs)


_PLAIN_MODES = frozenset(["1", "L", "I", "I;16", "F", "RGB", "RGBA"])


@rule("PIL.Image.Image")
def reduce_image(image: Any) -> Reduced:
    """Reduce an image to the array of its pixels, and to what is known of it."""
    import numpy
    from PIL import Image

    if image.mode not in _PLAIN_MODES or not all(image.size):
        return reduce_by_protocol(image)
    pixels = numpy.array(image)
    made = Image.fromarray(pixels)
    if made.mode != image.mode or made.tobytes() != image.tobytes():
        return reduce_by_protocol(image)
    # An image made of an array is a view of it.
    copy = Attribute(Reduction(Import("PIL.Image", "fromarray"), (pixels,)), "copy")
    return Reduction(copy, slots={"info": image.info} if image.info else None)
