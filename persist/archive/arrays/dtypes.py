"""Which dtypes array files hold, and how to name one as a literal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy

from persist.errors import UnsupportedObjectError

__all__ = [
    "DType",
    "dtype_literal",
    "fields_of",
    "has_gaps",
    "plain_dtype",
    "same_dtype",
    "same_layout",
    "struct_spec",
]

DType: TypeAlias = "numpy.dtype[Any]"

# numpy.load refuses headers of npy files beyond 10000 characters; shapes need the rest.
_LONGEST_DESCR = 8000


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
    if plain is None or plain != dtype:
        return numpy.dtype(f"V{dtype.itemsize}")
    return dtype if same_dtype(plain, dtype) else plain


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
        descr: Any = dtype.str if dtype.names is None else dtype.descr
        short = len(repr(descr).encode()) < _LONGEST_DESCR
        return numpy.lib.format.descr_to_dtype(descr) if short else None
    except ValueError:  # neither has a form for the metadata of a field
        return None


def same_dtype(one: DType, other: DType) -> bool:
    """Return True if two dtypes are the same in everything, metadata and alignment too."""
    return (
        dict(one.metadata or {}) == dict(other.metadata or {})
        and one.type is other.type
        and same_layout(one, other)
    )


def same_layout(one: DType, other: DType) -> bool:
    """Return True if two dtypes are the same but for their metadata and scalar type."""
    if (one.num, one.str, one.shape) != (other.num, other.str, other.shape):
        return False
    if one.subdtype is not None and other.subdtype is not None:
        return same_dtype(one.base, other.base)
    if (one.names, one.isalignedstruct) != (other.names, other.isalignedstruct):
        return False
    return one.names is None or (
        one.alignment == other.alignment
        and all(
            mine[0] == theirs[0] and mine[2] == theirs[2] and same_dtype(mine[1], theirs[1])
            for mine, theirs in zip(fields_of(one), fields_of(other), strict=True)
        )
    )


def fields_of(dtype: DType) -> list[tuple[Any, DType, int]]:
    """Return the name, or title and name, the dtype and the offset of each field."""
    assert dtype.fields is not None
    assert dtype.names is not None
    fields = []
    for name in dtype.names:
        inner, offset, *title = dtype.fields[name]
        fields.append(((title[0], name) if title else name, inner, offset))
    return fields


def has_gaps(dtype: DType) -> bool:
    """Return True if some bytes of a record belong to no field."""
    if dtype.names is None:
        return dtype.subdtype is not None and has_gaps(dtype.base)
    end = 0
    for _, inner, offset in fields_of(dtype):
        if offset != end or has_gaps(inner):
            return True
        end += inner.itemsize
    return end != dtype.itemsize


def struct_spec(dtype: DType, describe: Callable[[DType], Any]) -> dict[str, Any]:
    """Return the dict from which numpy builds a structured dtype, its fields by `describe`."""
    fields = fields_of(dtype)
    spec: dict[str, Any] = {
        "names": list(dtype.names or ()),
        "formats": [describe(inner) for _, inner, _ in fields],
        "offsets": [offset for _, _, offset in fields],
        "itemsize": dtype.itemsize,
    }
    titles = [name[0] if isinstance(name, tuple) else None for name, _, _ in fields]
    return {**spec, "titles": titles} if any(titles) else spec


def _spec(dtype: DType) -> Any:
    if dtype.subdtype is not None:
        return _spec(dtype.base), dtype.shape
    return dtype.str if dtype.names is None else struct_spec(dtype, _spec)
