"""Where two arrays differ: dtype, shape, layout, then the elements, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy

from persist.archive.arrays.pieces import PIECE, boxes, is_fortran
from persist.archive.rules.numpy_types import same_dtype
from persist.dataset.comparison.descriptions import describe, describe_element, shorten
from persist.dataset.comparison.steps import Fact, Step
from persist.dataset.comparison.tolerance import Tolerance

__all__ = ["array_steps", "dtype_facts", "scalar_steps"]

Array: TypeAlias = "numpy.ndarray[Any, Any]"

# What two dtypes may differ in, the likely things first.
_DTYPE_TEXTS: tuple[Callable[[Any], str], ...] = (
    str,
    repr,
    lambda dtype: f"{dtype} {dtype.char!r}",
    lambda dtype: f"{dtype} with {describe(dict(dtype.metadata or {}))}",
)
_FEW = 3
_MOST_ELEMENTS = 1 << 16  # in a piece: bytes take eight times as much as numbers
_OF_ANOTHER_LIBRARY = 2


def array_steps(old: Array, new: Array, tolerance: Tolerance) -> Iterator[Step | Fact]:
    """Yield where two arrays differ, and the objects that they hold side by side.

    Elements are compared where dtype and shape agree: the first three that differ are yielded, then
    how many do. An array in Fortran order is read in that order. Of memory maps a piece is copied
    at a time; whether one is writable says how its file was opened, and is not compared.
    """
    same = list(dtype_facts(".dtype", old.dtype, new.dtype))
    yield from same
    if old.shape != new.shape:
        yield Fact(".shape", describe(old.shape), describe(new.shape))
    else:
        orders = _order(old), _order(new)
        if orders[0] != orders[1] and "" not in orders:
            yield Fact(".flags", *orders)
    writable = [str(array.flags.writeable) for array in (old, new)]
    mapped = any(type(array) is numpy.memmap for array in (old, new))
    if writable[0] != writable[1] and not mapped:
        yield Fact(".flags.writeable", *writable)
    if not same and old.shape == new.shape and old is not new:
        plain = (old.view(numpy.ndarray), new.view(numpy.ndarray))
        yield from _element_steps("", *plain, tolerance)


def scalar_steps(old: Any, new: Any, tolerance: Tolerance) -> Iterator[Step | Fact]:
    """Yield where two scalars of numpy differ, and the objects that they hold side by side."""
    if isinstance(old, str | bytes):
        same = old == new
    elif different := list(dtype_facts(".dtype", old.dtype, new.dtype)):
        yield from different
        return
    elif old.dtype.names is not None or old.dtype.hasobject:
        yield from _element_steps("", numpy.asarray(old), numpy.asarray(new), tolerance)
        return
    else:
        same = not differing(numpy.asarray(old), numpy.asarray(new), tolerance).any()
    if not same:
        yield Fact("", describe(old), describe(new))


def dtype_facts(label: str, old: Any, new: Any) -> Iterator[Fact]:
    """Yield the one difference of two dtypes, if they differ in anything, metadata included."""
    if old is new or _are_same(old, new):
        return
    texts = ["", ""]
    for text in _DTYPE_TEXTS:
        texts = [shorten(text(dtype)) for dtype in (old, new)]
        if texts[0] != texts[1]:
            break
    yield Fact(label, *texts)


def _are_same(old: Any, new: Any) -> bool:
    if not getattr(type(old), "_legacy", True):
        return type(old) is type(new) and bool(old == new)
    try:
        return same_dtype(old, new)
    except ValueError:  # Metadata that hold arrays are neither equal nor unequal.
        return False


def _order(array: Array) -> str:
    """Return the order of memory; a view that has none may come back in any."""
    if array.flags.c_contiguous:
        return "C order"
    return "F order" if array.flags.f_contiguous else ""


def _element_steps(
    label: str, old: Array, new: Array, tolerance: Tolerance
) -> Iterator[Step | Fact]:
    if old.dtype.names is not None:
        for name in old.dtype.names:
            yield from _element_steps(f"{label}[{name!r}]", old[name], new[name], tolerance)
    elif old.dtype.hasobject or not getattr(type(old.dtype), "_legacy", True):
        for index, ours, theirs in zip(numpy.ndindex(old.shape), old.flat, new.flat, strict=True):
            yield Step(f"{label}{_subscript(index)}", ours, theirs)
    else:
        yield from _plain_facts(label, old, new, tolerance)


def _plain_facts(label: str, old: Array, new: Array, tolerance: Tolerance) -> Iterator[Fact]:
    """Yield the first elements that differ, then how many do and by how much."""
    flipped = is_fortran(old) and is_fortran(new)
    if flipped:
        old, new = old.T, new.T
    count, gaps = 0, []
    limit = min(_MOST_ELEMENTS, PIECE // max(1, old.itemsize))
    for box in boxes(old.shape, max(1, limit)):
        ours, theirs = numpy.asarray(old[box]), numpy.asarray(new[box])
        mask = differing(ours, theirs, tolerance)
        for index in _indices(mask, box, _FEW - count):
            texts = [describe_element(array[index]) for array in (old, new)]
            yield Fact(label + _subscript(index[::-1] if flipped else index), *texts)
        if mask.any():
            count += int(mask.sum())
            gaps.append(largest_difference(ours[mask], theirs[mask]))
    if count:
        shape = old.shape[::-1] if flipped else old.shape
        largest = max((gap for gap in gaps if gap is not None), default=None)
        most = "" if largest is None else f", by at most {largest}"
        differ = f"{count} of {old.size} elements differ{most}"
        yield Fact(label, shorten(f"{old.dtype} {shape}"), differ)


def _indices(mask: Array, box: tuple[slice, ...], most: int) -> Iterator[tuple[int, ...]]:
    """Yield the indices, in the whole array, of the first elements that a mask of a box marks."""
    for place in numpy.flatnonzero(mask)[: max(0, most)]:
        inner = numpy.unravel_index(place, mask.shape) if mask.ndim else ()
        yield tuple(int(part.start + i) for part, i in zip(box, inner, strict=True))


def _subscript(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index)) or '()'}]"


def differing(old: Array, new: Array, tolerance: Tolerance) -> Array:
    """Return where two arrays of one shape and dtype differ, as an array of bool of that shape.

    They have no fields and hold no objects. NaN is the same as NaN, NaT as NaT.
    """
    kind = old.dtype.kind
    if old.dtype.isbuiltin == _OF_ANOTHER_LIBRARY or kind not in "biufcSUmM":
        if not old.dtype.itemsize:
            return numpy.zeros(old.shape, bool)
        raw = [numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8) for array in (old, new)]
        same = (raw[0] == raw[1]).reshape(*old.shape, old.dtype.itemsize)
        return numpy.asarray(~same.all(axis=-1))
    if kind in "mM":
        # As numbers, since NaT is not equal to itself.
        old, new = (array.view(f"{array.dtype.str[0]}i8") for array in (old, new))
    if kind not in "fc":
        return numpy.asarray(old != new)
    with numpy.errstate(all="ignore"):
        apart = numpy.asarray(_parts_differ(old.real, new.real, tolerance))
        if kind == "c":
            apart = apart | _parts_differ(old.imag, new.imag, tolerance)
        if tolerance.is_exact or not apart.any():
            return apart
        old, new = _widened(old), _widened(new)
        near = abs(old - new) <= tolerance.atol + tolerance.rtol * abs(new)
        return numpy.asarray(apart & ~(near & numpy.isfinite(old) & numpy.isfinite(new)))


def largest_difference(old: Array, new: Array) -> Any:
    """Return the largest absolute difference of elements, or None if they are not numbers."""
    kind = old.dtype.kind
    if old.dtype.isbuiltin == _OF_ANOTHER_LIBRARY or kind not in "iufc":
        return None
    if kind in "iu":
        # An unsigned type holds the differences of all integers.
        high, low = (pick(old, new).astype(numpy.uint64) for pick in (numpy.maximum, numpy.minimum))
        return (high - low).max()
    with numpy.errstate(all="ignore"):
        gaps = abs(_widened(old) - _widened(new))
    gaps = gaps[~numpy.isnan(gaps)]
    return gaps.max() if gaps.size else None


def _parts_differ(old: Array, new: Array, tolerance: Tolerance) -> Any:
    apart = (old != new) & ~(numpy.isnan(old) & numpy.isnan(new))
    if tolerance.is_exact:
        apart |= (numpy.signbit(old) != numpy.signbit(new)) & (old == new)
    return apart


def _widened(array: Array) -> Array:
    """Return the numbers in double precision or better, in which a tolerance is meant."""
    return array.astype(numpy.promote_types(array.dtype, numpy.float64), copy=False)
