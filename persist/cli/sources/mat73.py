"""A MAT file of version 7.3, which is HDF5: its variables, as MATLAB means them.

References
----------
MathWorks, "MAT-File Versions": version 7.3 is HDF5. The attributes that name the class of each
variable are those that MATLAB writes.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import h5py
import numpy

from persist.cli.sources.hdf5 import check_file
from persist.cli.sources.source import Listed, Loaded, Source, SourceError, imported
from persist.errors import DamagedError
from persist.hdf5.opening import check_contained, open_hdf5

__all__ = ["Mat73Source"]

# What MATLAB refers to by cells, and the workspaces of functions and objects.
_OWN = ("#refs#", "#subsystem#")
_READ = frozenset(
    [
        *("double", "single", "logical", "char", "cell", "struct"),
        *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    ]
)
_COMPLEX = {"double": "c16", "single": "c8"}
_DEEPEST = 100  # cells in cells; a file may refer to itself


class Mat73Source(Source):
    """The variables of a file.

    A struct is a dict, an array of structs and a cell array are lists, nested by axes where they
    have more than one row and column, and characters are text. All else is an array, of two axes or
    more as in MATLAB, or a sparse array.
    """

    def names(self) -> list[Listed]:
        """Return the names of the variables."""
        check_file(self._path)
        with open_hdf5(self._path) as file:
            return [
                Listed(name, _refusal(file[name]))
                for name in file
                if name not in _OWN and isinstance(file.get(name, getlink=True), h5py.HardLink)
            ]

    def load(self, name: str) -> Loaded:
        """Return a variable."""
        return Loaded(_value(self._file[name], 0))

    @cached_property
    def _file(self) -> Any:
        return self._opened.enter_context(open_hdf5(self._path))


def _class_of(item: Any) -> str:
    name = item.attrs.get("MATLAB_class", b"")
    text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    if not text and isinstance(item, h5py.Group):
        return "struct"
    return text


def _refusal(item: Any) -> str:
    kind = _class_of(item)
    if kind in _READ and "MATLAB_object_decode" not in item.attrs:
        return ""
    return f"persist does not read the class {kind or 'that it has'}"


def _value(item: Any, depth: int) -> Any:
    kind = _class_of(item)
    if refusal := _refusal(item):
        raise SourceError(f"{item.name}: {refusal}")
    if depth > _DEEPEST:
        raise DamagedError(f"{item.name} holds itself, or more than {_DEEPEST} cells in cells")
    if "MATLAB_sparse" in item.attrs:
        return _sparse(item, kind)
    if isinstance(item, h5py.Group):
        return _struct(item, depth)
    check_contained(item)
    if item.attrs.get("MATLAB_empty"):
        return _empty(tuple(int(length) for length in item[()].ravel()), kind)
    if kind == "cell":
        return _listed(_cells(item, depth))
    # HDF5 has the axes in the order of C, and MATLAB in that of Fortran.
    array = numpy.asarray(item[()]).T
    if kind == "char":
        return _text(array)
    if kind == "logical":
        return array.astype(bool)
    if array.dtype.names == ("real", "imag"):
        whole = numpy.empty(array.shape, _COMPLEX.get(kind, "c16"))
        whole.real, whole.imag = array["real"], array["imag"]
        return whole
    return numpy.ascontiguousarray(array)


def _struct(group: Any, depth: int) -> Any:
    """Return a struct as a dict; an array of them is stored field by field, each of references."""
    found: dict[str, Any] = {}
    cells: dict[str, Any] = {}
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise DamagedError(f"{name!r} of {group.name} is a link")
        field = group[name]
        if "MATLAB_class" not in field.attrs and _holds_references(field):
            cells[name] = _cells(field, depth)
        else:
            found[name] = _value(field, depth + 1)
    if not cells:
        return found
    shapes = {column.shape for column in cells.values()}
    if found or len(shapes) > 1:
        raise DamagedError(f"the fields of {group.name} have various lengths")
    structs = numpy.empty(shapes.pop(), object)
    for index in numpy.ndindex(structs.shape):
        structs[index] = {name: column[index] for name, column in cells.items()}
    return _listed(structs)


def _holds_references(item: Any) -> bool:
    return isinstance(item, h5py.Dataset) and h5py.check_ref_dtype(item.dtype) is not None


def _cells(dataset: Any, depth: int) -> Any:
    """Return what the references of a dataset lead to, as an array of objects."""
    if not _holds_references(dataset):
        raise DamagedError(f"{dataset.name} holds no references to its cells")
    references = numpy.atleast_1d(dataset[()]).T
    found = numpy.empty(references.shape, object)
    for index in numpy.ndindex(references.shape):
        try:
            target = dataset.file[references[index]]
        except ValueError as error:
            raise DamagedError(f"a cell of {dataset.name} refers to nothing") from error
        found[index] = _value(target, depth + 1)
    return found


def _listed(cells: Any) -> list[Any]:
    """Return an array of objects as a list, of lists of rows if it has several."""
    is_vector = cells.ndim == 2 and 1 in cells.shape
    found: list[Any] = (cells.ravel() if is_vector else cells).tolist()
    return found


def _empty(shape: tuple[int, ...], kind: str) -> Any:
    if kind == "char":
        return ""
    if kind in ("cell", "struct"):
        return []
    if shape and 0 not in shape:
        raise DamagedError("an array that is said to be empty is not")
    return numpy.zeros(shape, {"logical": "bool", "single": "f4", "double": "f8"}.get(kind, kind))


def _text(array: Any) -> Any:
    """Return characters, which are units of UTF-16, as a str; several rows as an array."""
    rows = [
        numpy.ascontiguousarray(row).astype("<u2").tobytes().decode("utf-16-le", "surrogatepass")
        for row in numpy.atleast_2d(array)
    ]
    return rows[0] if len(rows) == 1 else numpy.array(rows)


def _sparse(group: Any, kind: str) -> Any:
    sparse = imported("scipy.sparse", "mat")
    columns = numpy.asarray(group["jc"][()]).ravel().astype(numpy.int64)
    shape = (int(group.attrs["MATLAB_sparse"]), len(columns) - 1)
    indices = numpy.zeros(0, numpy.int64)
    values = numpy.zeros(0, "bool" if kind == "logical" else "f8")
    if "data" in group:
        indices = numpy.asarray(group["ir"][()]).ravel().astype(numpy.int64)
        values = numpy.asarray(group["data"][()]).ravel()
        if values.dtype.names == ("real", "imag"):
            values = values["real"] + 1j * values["imag"]
        values = values.astype(bool) if kind == "logical" else values
    matrix = sparse.csc_array((values, indices, columns), shape=shape)
    # Not of the constructor: it takes indices that lead out of the array.
    matrix.check_format(full_check=True)
    return matrix
