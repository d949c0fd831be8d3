"""The attributes of HDF5 as plain Python values."""

from __future__ import annotations

from typing import Any

import h5py
import numpy

from persist.cli.sources.source import SourceError

__all__ = ["plain_attributes"]


def plain_attributes(dataset: Any) -> dict[str, Any]:
    """Return the attributes of a dataset: numbers, text, and lists of them.

    A reference is the path that it leads to, and an attribute without a value is None.

    Raises
    ------
    ValueError
        If an attribute cannot be read.
    """
    return {name: _attribute(dataset, name) for name in dataset.attrs}


def _attribute(dataset: Any, name: str) -> Any:
    try:
        return _plain(dataset.attrs[name], dataset.file)
    except (TypeError, OSError, ValueError) as error:
        raise SourceError(f"its attribute {name!r} cannot be read: {error}") from error


def _plain(value: Any, file: Any) -> Any:
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, (h5py.Reference, h5py.RegionReference)):
        return file[value].name if value else None
    if isinstance(value, numpy.ndarray):
        return _plain(value.tolist(), file)
    if isinstance(value, numpy.generic):
        item = value.item()
        # Python has no numbers as long as some of numpy.
        return item if isinstance(item, numpy.generic) else _plain(item, file)
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item, file) for item in value)
    return _decoded(value) if isinstance(value, bytes) else value


def _decoded(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
