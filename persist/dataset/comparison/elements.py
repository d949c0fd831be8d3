"""Which elements of two pieces of arrays differ, and by how much."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy

from persist.dataset.comparison.tolerance import Tolerance

__all__ = ["Array", "differing", "largest_difference"]

Array: TypeAlias = "numpy.ndarray[Any, Any]"

_OF_ANOTHER_LIBRARY = 2


def differing(old: Array, new: Array, tolerance: Tolerance) -> Array:
    """Return where two arrays of one shape and dtype differ.

    Parameters
    ----------
    old, new : numpy.ndarray
        Without fields or objects.
    tolerance : Tolerance
        For floats and complex numbers; NaN is the same as NaN, NaT as NaT.

    Returns
    -------
    numpy.ndarray
        Of bool, of the same shape.
    """
    kind = old.dtype.kind
    if old.dtype.isbuiltin == _OF_ANOTHER_LIBRARY or kind not in "biufcSUmM":
        return _differing_bytes(old, new)
    if kind in "mM":
        # As numbers, since NaT is not equal to itself.
        old, new = (array.view(f"{array.dtype.str[0]}i8") for array in (old, new))
    if kind not in "fc":
        return numpy.asarray(old != new)
    with numpy.errstate(all="ignore"):
        return _differing_numbers(old, new, tolerance)


def largest_difference(old: Array, new: Array) -> Any:
    """Return the largest absolute difference of elements, None where there is no such thing."""
    kind = old.dtype.kind
    if old.dtype.isbuiltin == _OF_ANOTHER_LIBRARY or kind not in "iufc":
        return None
    if kind in "iu":
        return _gaps(old, new).max()
    with numpy.errstate(all="ignore"):
        gaps = abs(_widened(old) - _widened(new))
    gaps = gaps[~numpy.isnan(gaps)]
    return gaps.max() if gaps.size else None


def _differing_numbers(old: Array, new: Array, tolerance: Tolerance) -> Array:
    apart = numpy.asarray(_parts_differ(old.real, new.real, tolerance))
    if old.dtype.kind == "c":
        apart = apart | _parts_differ(old.imag, new.imag, tolerance)
    if tolerance.is_exact or not apart.any():
        return apart
    old, new = _widened(old), _widened(new)
    near = abs(old - new) <= tolerance.atol + tolerance.rtol * abs(new)
    return numpy.asarray(apart & ~(near & numpy.isfinite(old) & numpy.isfinite(new)))


def _parts_differ(old: Array, new: Array, tolerance: Tolerance) -> Any:
    apart = (old != new) & ~(numpy.isnan(old) & numpy.isnan(new))
    if tolerance.is_exact:
        apart |= (numpy.signbit(old) != numpy.signbit(new)) & (old == new)
    return apart


def _widened(array: Array) -> Array:
    """Return the numbers in double precision or better, in which a tolerance is meant."""
    return array.astype(numpy.promote_types(array.dtype, numpy.float64), copy=False)


def _gaps(old: Array, new: Array) -> Array:
    """Return absolute differences of integers, which an unsigned type always holds."""
    high, low = numpy.maximum(old, new), numpy.minimum(old, new)
    return numpy.asarray(high.astype(numpy.uint64) - low.astype(numpy.uint64))


def _differing_bytes(old: Array, new: Array) -> Array:
    if not old.dtype.itemsize:
        return numpy.zeros(old.shape, bool)
    return numpy.asarray((_raw(old) != _raw(new)).any(axis=-1))


def _raw(array: Array) -> Array:
    plain = numpy.ascontiguousarray(array).reshape(-1)
    return plain.view(numpy.uint8).reshape(*array.shape, array.dtype.itemsize)
