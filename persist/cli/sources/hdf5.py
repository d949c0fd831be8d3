"""An HDF5 file: its datasets, named by their paths.

A dataset that has several names is packed once, and links in the file are not followed: what they
lead to has a name of its own.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import h5py
import numpy

from persist.archive.arrays.hdf5_dataset import DTYPE, ORDER, map_dataset
from persist.cli.sources.hdf5_attributes import plain_attributes
from persist.cli.sources.source import Listed, Loaded

__all__ = ["Hdf5Source"]


class Hdf5Source:
    """The datasets of a file, in all groups."""

    def __init__(self, path: str) -> None:
        self._path = path

    def names(self) -> list[Listed]:
        """Return the paths of the datasets, without the slash of the root."""
        with h5py.File(self._path, "r") as file:
            return list(_listed(file, "", set()))

    def load(self, names: Iterable[str]) -> Generator[Loaded, None, None]:
        """Yield datasets: text, a plain number, or an array."""
        with h5py.File(self._path, "r") as file:
            for name in names:
                dataset = file[name]
                yield Loaded(_value(self._path, dataset), _attributes(dataset))


def _listed(group: Any, prefix: str, seen: set[Any]) -> Iterator[Listed]:
    for name in group:
        path = f"{prefix}{name}"
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            yield Listed(path, f"it leads to {os.path.basename(link.filename)}: pack that file")
        if not isinstance(link, h5py.HardLink):
            continue
        item = group[name]
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            continue
        seen.add(address)
        if isinstance(item, h5py.Group):
            yield from _listed(item, f"{path}/", seen)
        elif isinstance(item, h5py.Dataset):
            yield Listed(path, _refusal(item))


def _refusal(dataset: Any) -> str:
    try:
        dtype = dataset.dtype
    except TypeError as error:
        return f"numpy has no such type: {error}"
    if not dtype.hasobject or h5py.check_string_dtype(dtype) is not None:
        return ""
    if h5py.check_ref_dtype(dtype) is not None:
        return "it holds references to other objects of the file"
    if h5py.check_vlen_dtype(dtype) is not None:
        return "it holds sequences of various lengths"
    return "it holds records with references, or with fields of various lengths"


def _value(path: str, dataset: Any) -> Any:
    if dataset.shape is None:
        return None
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return _text(dataset.asstr()[()])
    if _is_ours(dataset):
        return numpy.asarray(map_dataset(path, dataset, "c"))
    value = dataset[()]
    is_number = isinstance(value, (numpy.number, numpy.bool_))
    return value.item() if is_number else numpy.asarray(value)


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else numpy.asarray(value).astype(numpy.str_)


def _is_ours(dataset: Any) -> bool:
    """Tell whether the attributes of a dataset are those of an array that persist stored."""
    attributes = dataset.attrs
    if DTYPE in attributes:
        try:
            numpy.dtype(ast.literal_eval(attributes[DTYPE]))
        except (ValueError, SyntaxError, TypeError):
            return False
        return True
    order = attributes.get(ORDER)
    return isinstance(order, str) and order == "F"


def _attributes(dataset: Any) -> dict[str, Any]:
    attributes = plain_attributes(dataset)
    if _is_ours(dataset):
        attributes.pop(DTYPE, None)
        attributes.pop(ORDER, None)
    return attributes
