"""An HDF5 file: its datasets, named by their paths, and the attributes of its groups.

The attributes of a dataset go into its info. Those of a group are a value, a dict: under the name
of the group with ``_attributes`` behind it, and under ``attributes`` for those of the file.

A dataset that has several names is packed once, and links in the file are not followed: what they
lead to has a name of its own.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import h5py
import numpy

from persist.archive.arrays.datasets import Stored
from persist.archive.arrays.vocabulary import ARCHIVE
from persist.cli.sources.source import Listed, Loaded, Source, SourceError, decoded
from persist.errors import DamagedError
from persist.hdf5.opening import check_contained, open_hdf5

__all__ = ["Hdf5Source", "check_file"]

# Behind the path of a group: no member has a name with an empty part.
_OF_GROUP = "//attributes"


class Hdf5Source(Source):
    """The datasets of a file and the attributes of its groups."""

    def names(self) -> list[Listed]:
        """Return the paths of the datasets, and of groups with attributes, without the root."""
        with open_hdf5(self._path) as file:
            return [listed for listed, _ in _walk(file)]

    def load(self, name: str) -> Loaded:
        """Return a dataset as text, a plain number or an array, or attributes of a group."""
        if name.endswith(_OF_GROUP):
            return Loaded(_plain_attributes(self._file[name.removesuffix(_OF_GROUP) or "/"]))
        dataset = self._file[name]
        return Loaded(_value(self._path, dataset), _attributes(dataset))

    @cached_property
    def _file(self) -> Any:
        return self._opened.enter_context(open_hdf5(self._path))


def check_file(path: str) -> None:
    """Refuse an HDF5 file that another library would follow to other files."""
    with open_hdf5(path) as file:
        for listed, found in _walk(file):
            if found is None:
                raise DamagedError(f"{listed.name!r} is refused: {listed.refusal}")
            if isinstance(found, h5py.Dataset):
                check_contained(found)


def _walk(file: Any) -> Iterator[tuple[Listed, Any]]:
    """Yield what hard links of a file lead to, each once; None for what is in another file."""
    waiting = [("", file)]
    seen = {h5py.h5o.get_info(file.id).addr}
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, h5py.Dataset):
            yield Listed(path, _refusal(item)), item
        if not isinstance(item, h5py.Group):
            continue
        if len(item.attrs):
            yield Listed(f"{path}{_OF_GROUP}", key=f"{path}/attributes".lstrip("/")), item
        inside = []
        for name in item:
            inner = f"{path}/{name}".lstrip("/")
            link = item.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                leads_to = os.path.basename(link.filename)
                yield Listed(inner, f"it leads to {leads_to}: pack that file"), None
            if not isinstance(link, h5py.HardLink):
                continue
            found = item[name]
            address = h5py.h5o.get_info(found.id).addr
            if address not in seen:
                seen.add(address)
                inside.append((inner, found))
        waiting += reversed(inside)


def _refusal(dataset: Any) -> str:
    try:
        check_contained(dataset)
    except DamagedError as error:
        return str(error)
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
        text = dataset.asstr()[()]
        return text if isinstance(text, str) else numpy.asarray(text).astype(numpy.str_)
    if _is_ours(dataset):
        return numpy.asarray(Stored(dataset, ARCHIVE).map(path, "c"))
    value = dataset[()]
    is_number = isinstance(value, (numpy.number, numpy.bool_))
    return value.item() if is_number else numpy.asarray(value)


def _is_ours(dataset: Any) -> bool:
    """Return True if the attributes of a dataset are those of an array that persist stored."""
    attributes = dataset.attrs
    if ARCHIVE.dtype in attributes:
        try:
            numpy.dtype(ast.literal_eval(attributes[ARCHIVE.dtype]))
        except (ValueError, SyntaxError, TypeError):
            return False
        return True
    order = attributes.get(ARCHIVE.order)
    return isinstance(order, str) and order == "F"


def _attributes(dataset: Any) -> dict[str, Any]:
    attributes = _plain_attributes(dataset)
    if _is_ours(dataset):
        attributes.pop(ARCHIVE.dtype, None)
        attributes.pop(ARCHIVE.order, None)
    if names := h5py.check_enum_dtype(dataset.dtype):
        # numpy has the numbers only.
        attributes.setdefault("enum", {name: int(number) for name, number in names.items()})
    return attributes


def _plain_attributes(dataset: Any) -> dict[str, Any]:
    """Return the attributes of a dataset: numbers, text, and lists of them.

    A reference is the path that it leads to, and an attribute without a value is None.
    """
    found = {}
    for name in dataset.attrs:
        try:
            found[name] = _plain(dataset.attrs[name], dataset.file)
        except (TypeError, OSError, ValueError) as error:
            raise SourceError(f"its attribute {name!r} cannot be read: {error}") from error
    return found


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
    return decoded(value) if isinstance(value, bytes) else value
