"""Sparse matrices and arrays of scipy, in every format."""

from __future__ import annotations

from typing import Any

import numpy

from persist.archive.reduction import Import, Reduced, Reduction
from persist.archive.registry import registry

__all__: list[str] = []

_ARRAYS = {
    "bsr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "csr": ("data", "indices", "indptr"),
    "dia": ("data", "offsets"),
}
_CACHES = frozenset({"_has_canonical_format", "_has_sorted_indices"})


def _reduce_arrays(matrix: Any) -> Reduced:
    """Reduce a matrix to the arrays that it is made of, and its shape."""
    names = _ARRAYS[matrix.format]
    arrays = tuple(getattr(matrix, name) for name in names)
    made = type(matrix)(arrays, shape=matrix.shape)
    # The constructor takes the smallest type of indices that is large enough.
    slots = {
        name: array
        for name, array in zip(names, arrays, strict=True)
        if getattr(made, name).dtype != array.dtype
    }
    return _call(matrix, (arrays,), slots=slots, made=made)


def _reduce_coordinates(matrix: Any) -> Reduced:
    """Reduce a matrix to its values and their coordinates."""
    coords = getattr(matrix, "coords", None) or (matrix.row, matrix.col)
    made = type(matrix)((matrix.data, coords), shape=matrix.shape)
    slots: dict[str, Any] = {}
    if getattr(made, "coords", coords)[0].dtype != coords[0].dtype:
        slots = (
            {"coords": coords} if hasattr(made, "coords") else {"row": coords[0], "col": coords[1]}
        )
    if matrix.has_canonical_format:
        slots["has_canonical_format"] = True
    return _call(matrix, ((matrix.data, coords),), slots=slots, made=made)


def _reduce_items(matrix: Any) -> Reduced:
    """Reduce a matrix of single items to one of coordinates, in the order of these."""
    coordinates = matrix.tocoo()
    coords = getattr(coordinates, "coords", None) or (coordinates.row, coordinates.col)
    order = numpy.lexsort(coords[::-1])
    kind = "matrix" if type(matrix).__name__.endswith("matrix") else "array"
    inner = Reduction(
        Import("scipy.sparse", f"coo_{kind}"),
        ((coordinates.data[order], tuple(coord[order] for coord in coords)),),
        {"shape": matrix.shape},
    )
    return _call(matrix, (inner,), shape=False, made=type(matrix)(coordinates))


def _call(
    matrix: Any,
    args: tuple[Any, ...],
    *,
    made: Any,
    slots: dict[str, Any] | None = None,
    shape: bool = True,
) -> Reduced:
    """Return the call of the constructor, and the attributes that it does not set."""
    own = {
        name: value
        for name, value in vars(matrix).items()
        if name not in vars(made) and name not in _CACHES
    }
    if getattr(matrix, "maxprint", 50) != getattr(made, "maxprint", 50):
        own["maxprint"] = matrix.maxprint
    return Reduction(
        Import("scipy.sparse", type(matrix).__name__),
        args,
        {"shape": matrix.shape} if shape else {},
        slots=slots or None,
        attributes=own or None,
    )


_RULES = {
    **dict.fromkeys(_ARRAYS, _reduce_arrays),
    "coo": _reduce_coordinates,
    "dok": _reduce_items,
    "lil": _reduce_items,
}

for _format, _rule in _RULES.items():
    for _kind in ("matrix", "array"):
        _name = f"{_format}_{_kind}"
        # Modules begin with an underscore since scipy 1.8.
        for _module in (f"_{_format}", _format):
            registry.register(f"scipy.sparse.{_module}.{_name}", _rule)
