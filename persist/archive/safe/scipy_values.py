"""Sparse matrices of scipy, checked: their compiled code trusts the indices that it is given."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.safe.checks import check_data, is_shape
from persist.archive.safe.table import SETTERS, Handler, Load, data_setter, entry
from persist.errors import UntrustedError

__all__: list[str] = []

_COMPRESSED = ("csr", "csc", "bsr")


def _sparse(name: str) -> Handler:
    kind = name.partition("_")[0]

    def handler(load: Load, content: Any, /, *, shape: Any = None) -> Any:
        import scipy.sparse

        if not (shape is None or is_shape(shape)):
            raise UntrustedError("a shape is a tuple of lengths")
        if kind in ("dok", "lil"):
            if not (scipy.sparse.issparse(content) and content.format == "coo"):
                raise UntrustedError(f"a {name} is made of a matrix of coordinates")
            load.budget.take(500 * content.nnz + 100 * content.shape[0])
        else:
            _check_parts(kind, content, shape)
            # Rows cost memory although nothing is in them.
            load.budget.take(16 * sum(shape or ()))
        return getattr(scipy.sparse, name)(content, shape=shape)

    return handler


def _check_parts(kind: str, content: Any, shape: Any) -> None:
    """Refuse indices that lead out of a matrix."""
    if type(content) is not tuple or type(shape) is not tuple:
        raise UntrustedError("a sparse matrix is made of a tuple of arrays, and a shape")
    check_data(content)
    if kind in _COMPRESSED:
        data, indices, indptr = content
        _check_compressed(kind, data, indices, indptr, shape)
    elif kind == "coo":
        data, coords = content
        if len(coords) != len(shape):
            raise UntrustedError("the coordinates of a sparse matrix have its dimensions")
        for coordinate, length in zip(coords, shape, strict=True):
            _check_indices(coordinate, length, len(data))
    else:
        _, offsets = content
        _check_kind(offsets)


def _check_compressed(kind: str, data: Any, indices: Any, indptr: Any, shape: Any) -> None:
    if len(shape) == 1:
        rows, columns = 1, shape[0]
    else:
        rows, columns = shape if kind != "csc" else shape[::-1]
    if kind == "bsr":
        height, width = data.shape[1:]
        rows, columns = rows // height, columns // width
    _check_kind(indptr)
    if indptr.shape != (rows + 1,) or indptr[0] != 0 or numpy.any(numpy.diff(indptr) < 0):
        raise UntrustedError("the pointers of a sparse matrix run from 0 upwards")
    if indptr[-1] > len(indices) or len(indices) != len(data):
        raise UntrustedError("the pointers of a sparse matrix lead behind its values")
    _check_indices(indices, columns, len(data))


def _check_kind(array: Any) -> None:
    if type(array) is not numpy.ndarray or array.dtype.kind not in "iu" or array.ndim != 1:
        raise UntrustedError("the indices of a sparse matrix are an array of integers")


def _check_indices(indices: Any, length: int, count: int) -> None:
    _check_kind(indices)
    if len(indices) != count or (count and (indices.min() < 0 or indices.max() >= length)):
        raise UntrustedError("the indices of a sparse matrix lead out of it")


def _set_indices(name: str) -> Any:
    """Return the setter of an array of indices, which may change its dtype only."""

    def setter(matrix: Any, value: Any) -> None:
        old = getattr(matrix, name)
        olds, news = (old, value) if type(old) is tuple else ((old,), (value,))
        if type(news) is not type(olds) or len(news) != len(olds):
            raise UntrustedError("the indices of a sparse matrix stay what they are")
        for before, after in zip(olds, news, strict=True):
            _check_kind(after)
            if not numpy.array_equal(before, after):
                raise UntrustedError("the indices of a sparse matrix stay what they are")
        setattr(matrix, name, value)

    return setter


def _set_canonical(matrix: Any, value: Any) -> None:
    """Say that the coordinates of a matrix are sorted and that none is there twice."""
    if type(value) is not bool:
        raise UntrustedError("has_canonical_format is True or False")
    if value and len(matrix.data):
        coords = getattr(matrix, "coords", None) or (matrix.row, matrix.col)
        flat = numpy.ravel_multi_index(coords, matrix.shape)
        if len(numpy.unique(flat)) != len(flat):
            raise UntrustedError("the coordinates of a sparse matrix are not in canonical format")
    matrix.has_canonical_format = value


for _kind in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil"):
    for _shape in ("matrix", "array"):
        _name = f"{_kind}_{_shape}"
        entry(f"scipy.sparse.{_name}")(_sparse(_name))
        _class = f"scipy.sparse._{_kind}.{_name}"
        for _attribute in ("indices", "indptr", "offsets", "coords", "row", "col"):
            SETTERS[_class, _attribute] = _set_indices(_attribute)
        SETTERS[_class, "maxprint"] = data_setter("maxprint")
        if _kind == "coo":
            SETTERS[_class, "has_canonical_format"] = _set_canonical
