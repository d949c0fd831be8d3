"""A MAT file of MATLAB: its variables, as scipy reads them; of version 7.3, as h5py does."""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import Any

import h5py
import numpy

from persist.cli.sources.mat73 import Mat73Source
from persist.cli.sources.source import Listed, Loaded, Source, SourceError, imported

__all__ = ["MatSource", "source_of"]

# Where scipy puts the functions that a file holds beside its variables.
_WORKSPACE = "__function_workspace__"
_REFUSED = {"function", "opaque", "object", "unknown"}
_NAMES = {"double": "float64", "single": "float32", "logical": "bool"}


def source_of(path: str) -> Source:
    """Return the source for a file, by its version."""
    return (Mat73Source if h5py.is_hdf5(path) else MatSource)(path)


class MatSource(Source):
    """The variables of a file before version 7.3.

    A struct is a dict, a cell array a list or an array of objects, and one row of characters is
    text. All else is an array, of two axes or more as in MATLAB, or a sparse array
    (of older scipy, a sparse matrix).
    """

    def names(self) -> list[Listed]:
        """Return the names of the variables."""
        return [
            Listed(name, f"persist does not read the class {kind}" if kind in _REFUSED else "")
            for name, kind in self._kinds.items()
        ]

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {name: kind for name, _, kind in self._call("whosmat") if name != _WORKSPACE}

    def load(self, name: str) -> Loaded:
        """Return a variable."""
        kind = self._kinds[name]
        options = {"simplify_cells": kind in ("struct", "cell")}
        parameters = inspect.signature(imported("scipy.io.matlab", "mat").loadmat).parameters
        if "spmatrix" in parameters:
            # Where scipy has a choice, sparse arrays.
            options["spmatrix"] = False
        value = self._call("loadmat", variable_names=[name], **options)[name]
        if kind == "char":
            return Loaded(_text(value))
        return Loaded(_numbers(value, kind) if type(value) is numpy.ndarray else value)

    def _call(self, function: str, **options: Any) -> Any:
        matlab = imported("scipy.io.matlab", "mat")
        try:
            return getattr(matlab, function)(self._path, appendmat=False, **options)
        except NotImplementedError as error:
            raise SourceError(
                "a damaged MAT file of version 7.3, or one of an unknown version: save it again "
                "with save -v7"
            ) from error
        except MemoryError:
            raise
        except Exception as error:
            # scipy raises what its decompressor, numpy and its own code do: zlib.error, KeyError…
            reason = f"{type(error).__name__}: {error}"
            raise SourceError(f"it is damaged, or not a MAT file ({reason})") from error


def _text(value: Any) -> Any:
    """Return characters as text: one row as a str, several as an array."""
    rows = numpy.asarray(value)
    if rows.size == 0:
        return ""
    return str(rows.item()) if rows.size == 1 else rows


def _numbers(value: Any, kind: str) -> Any:
    """Return numbers in the type of their class: a file has them in the smallest that will do."""
    name = _NAMES.get(kind, kind)
    if value.dtype.kind == "c":
        name = {"float64": "complex128", "float32": "complex64"}.get(name, value.dtype.name)
    is_number = kind in _NAMES or kind.removeprefix("u").startswith("int")
    return value.astype(name, copy=False) if is_number else value
