"""Which dtypes array files hold, and how to name one as a literal."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy

from persist.errors import UnsupportedObjectError

__all__ = ["DType", "dtype_literal", "npy_descr", "plain_dtype"]

DType: TypeAlias = "numpy.dtype[Any]"

# numpy.load refuses headers of npy files beyond 10000 characters; shapes need the rest.
_LONGEST_DESCR = 8000


def npy_descr(dtype: DType) -> Any:
    """Return `dtype` as the header of an npy file names it.

    Raises
    ------
    ValueError
        If fields overlap or are out of order.
    """
    return dtype.str if dtype.names is None else dtype.descr


def plain_dtype(dtype: DType) -> DType:
    """Return the type that every array file holds, to view an array of type `dtype` as.

    Parameters
    ----------
    dtype : numpy.dtype
        Of any array without Python objects.

    Returns
    -------
    numpy.dtype
        `dtype` itself where an npy file gives back the very same. Else a type of the same size:
        the same fields without their alignment, metadata and record class, or raw bytes. Such an
        array is stored as ``array.view(plain)`` and restored by ``loaded.view(dtype)``.

    Raises
    ------
    UnsupportedObjectError
        If the type holds Python objects, or variable-width strings.

    Examples
    --------
    >>> import numpy
    >>> plain_dtype(numpy.dtype(">f8"))
    dtype('>f8')
    >>> plain_dtype(numpy.dtype("i1,f8", align=True)).isalignedstruct
    False
    """
    if dtype.hasobject:
        raise UnsupportedObjectError(f"array files hold no Python objects, and dtype {dtype} does")
    plain = _without_extras(dtype)
    if plain != dtype:
        return numpy.dtype(f"V{dtype.itemsize}")
    return plain if _has_extras(dtype) else dtype


def dtype_literal(dtype: DType) -> str:
    """Return a literal from which ``numpy.dtype`` builds `dtype`, offsets and titles included.

    Examples
    --------
    >>> import numpy
    >>> dtype_literal(numpy.dtype("M8[ns]"))
    "'<M8[ns]'"
    """
    return repr(_spec(dtype))


def _without_extras(dtype: DType) -> DType | None:
    try:
        descr = npy_descr(dtype)
    except ValueError:
        return None
    short = len(repr(descr).encode()) < _LONGEST_DESCR
    return numpy.lib.format.descr_to_dtype(descr) if short else None


def _has_extras(dtype: DType) -> bool:
    """Tell whether `dtype` has something that no comparison of dtypes looks at."""
    if dtype.subdtype is not None:
        return _has_extras(dtype.base)
    if dtype.metadata or dtype.isalignedstruct or (dtype.names and dtype.type is not numpy.void):
        return True
    # Types of one size and kind, long and long long, differ in their character.
    if dtype.names is None and numpy.dtype(dtype.str).char != dtype.char:
        return True
    return any(_has_extras(field[0]) for field in (dtype.fields or {}).values())


def _spec(dtype: DType) -> Any:
    if dtype.subdtype is not None:
        return _spec(dtype.base), dtype.shape
    if dtype.names is None:
        return dtype.str
    fields = [dtype.fields[name] for name in dtype.names]  # type: ignore[index]
    spec = {
        "names": list(dtype.names),
        "formats": [_spec(field[0]) for field in fields],
        "offsets": [field[1] for field in fields],
        "itemsize": dtype.itemsize,
    }
    titles = [field[2] if len(field) > 2 else None for field in fields]  # type: ignore[misc]
    return {**spec, "titles": titles} if any(titles) else spec
