"""The fields that data classes of spikelab share: numbers, labels, metadata, and what is lost.

Most numbers are 64-bit floats. Metadata is a dictionary as JSON in an attribute, in which an array
is an object with ``__ndarray__``, its dtype, its shape and its values as nested lists.

What the format loses of an object is kept beside it, as the source of an archive of a dictionary:
attributes of the object by name. It is the attribute ``encoding-exact`` of the group, or if there
are large arrays, a group of that name. Spikelab looks at neither.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import numpy

from persist.archive.arrays import Array
from persist.archive.arrays.datasets import (
    STRING,
    Encoded,
    Stored,
    are_texts,
    layout_attributes,
    text_of,
)
from persist.archive.arrays.dtypes import dtype_literal
from persist.archive.arrays.vocabulary import ITEM
from persist.archive.literals import is_quiet_nan
from persist.archive.rules.numpy_types import same_dtype
from persist.archive.safe.policy import restore_as_trusted
from persist.errors import UnsupportedObjectError
from persist.hdf5.builtins import archive_content, read_archive
from persist.hdf5.content import Content, Dataset
from persist.hdf5.opening import member
from persist.hdf5.registry import load_class


def spikelab_class(name: str) -> Any:
    """Return a class of spikelab.

    Raises
    ------
    MissingExtraError
        If spikelab is not installed.
    """
    return load_class("spikelab", name, extra="spikelab")


EXACT = "encoding-exact"


def keep_others(obj: Any, known: Collection[str]) -> dict[str, Any]:
    """Return the attributes of an object that the format has no place for."""
    return {name: value for name, value in vars(obj).items() if name not in known}


def keep_exact(content: Content, lost: dict[str, Any]) -> None:
    """Add to the content of an object what would be lost."""
    if not lost:
        return
    archived = archive_content(lost, {"type": "dict"})
    source: Any = archived.datasets["source"]
    if archived.groups:
        content.groups[EXACT] = archived
    else:
        content.attributes[EXACT] = source.array[()]


def set_exact(obj: Any, group: Any) -> Any:
    """Give an object that was read what the format had lost; return the object."""
    if EXACT in group.attrs:
        vars(obj).update(restore_as_trusted(text_of(group.attrs[EXACT]))["value"])
    elif EXACT in group:
        vars(obj).update(read_archive(member(group, EXACT)))
    return obj


_FLOAT = numpy.dtype("<f8")
_LARGEST = 2**53  # beyond it, not every integer is a float


def floats(value: Any) -> tuple[Encoded, bool]:
    """Return the dataset for an array of numbers, and whether it comes back the same."""
    array = numpy.asarray(value)
    if type(value) is not numpy.ndarray or not exact_as_float(array):
        return Encoded(array.astype(_FLOAT)), False
    literal = {} if array.dtype == _FLOAT else {ITEM.dtype: dtype_literal(array.dtype)}
    return Encoded(array, _FLOAT, {**literal, **layout_attributes(array)}), True


def exact_as_float(array: Array) -> bool:
    """Return True if the numbers of an array are the same as 64-bit floats."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if not same_dtype(numpy.dtype(array.dtype.str), array.dtype):
        return False  # A long long would come back as a long.
    if kind in "iu" and size == 8 and array.size:
        return int(array.min()) >= -_LARGEST and int(array.max()) <= _LARGEST
    return kind in "biu" or (kind == "f" and size <= 8)


def times(windows: Any) -> tuple[Encoded, bool]:
    """Return the dataset for a list of pairs of times, and whether it comes back the same."""
    exact = type(windows) is list and all(
        type(pair) is tuple and len(pair) == 2 and type(pair[0]) is type(pair[1]) is float
        for pair in windows
    )
    return Encoded(numpy.array(windows, _FLOAT)), exact


def read_times(group: Any) -> list[tuple[float, float]] | None:
    """Return the list of pairs of times that a group holds, or None."""
    if "times" not in group:
        return None
    pairs = member(group, "times")[()].tolist()
    return [(float(start), float(end)) for start, end in pairs]


def labels_dataset(labels: Any) -> tuple[Dataset | None, bool]:
    """Return the dataset for labels, if there are any, and whether they come back the same.

    Raises
    ------
    UnsupportedObjectError
        If they are neither texts nor numbers.
    """
    if labels is None:
        return None, True
    if all(label is None for label in labels):
        return None, False
    kinds = set(map(type, labels))
    if any(isinstance(label, str) for label in labels):
        texts = list(map(str, labels))
        if not are_texts(texts):
            raise UnsupportedObjectError("labels with NUL characters have no form in HDF5")
        return Encoded(numpy.array(texts, object), STRING), type(labels) is list and kinds == {str}
    array = numpy.array(labels)
    if array.dtype.kind not in "biufc":
        raise UnsupportedObjectError(
            f"labels must be numbers or texts, got {sorted(kind.__name__ for kind in kinds)}"
        )
    alike = len(kinds) == 1 and kinds <= {bool, int, float} and array.dtype.kind in "bif"
    return Encoded(array), type(labels) is list and alike


def read_labels(group: Any) -> list[Any] | None:
    """Return the labels that a group holds, or None."""
    if "labels" not in group:
        return None
    labels: list[Any] = Stored(member(group, "labels")).read().tolist()
    return labels


METADATA_NAME = "__metadata__"
_ARRAY = "__ndarray__"
_EXACT_DTYPES = "biufU"


def metadata_json(metadata: Any) -> dict[str, str]:
    """Return the attribute for metadata.

    Raises
    ------
    ValueError
        If it holds what JSON cannot.
    """
    try:
        return {METADATA_NAME: json.dumps(metadata, default=_plain)}
    except (TypeError, ValueError, RecursionError) as error:
        raise UnsupportedObjectError(
            "metadata contains non-JSON-serialisable values and cannot be saved to HDF5: "
            f"{error or type(error).__name__}. Store what JSON cannot hold as an item of its own"
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, numpy.ndarray):
        if value.dtype.kind == "V":
            raise UnsupportedObjectError(f"an array of dtype {value.dtype} has no form in JSON")
        array = {"dtype": str(value.dtype), "shape": list(value.shape), "values": value.tolist()}
        return {_ARRAY: True, **array}
    if isinstance(value, (numpy.integer, numpy.floating, numpy.bool_, numpy.str_)):
        return value.item()
    raise UnsupportedObjectError(f"{type(value).__name__} has no form in JSON")


def read_metadata(group: Any) -> dict[str, Any]:
    """Return the metadata of a group, empty if it has none."""
    text = text_of(group.attrs.get(METADATA_NAME, "{}"))
    found: dict[str, Any] = json.loads(text, object_hook=_restored)
    return found


def _restored(found: dict[str, Any]) -> Any:
    # Metadata of the user may have the mark, too.
    if found.get(_ARRAY) is not True or found.keys() != {_ARRAY, "dtype", "shape", "values"}:
        return found
    return numpy.asarray(found["values"], found["dtype"]).reshape(found["shape"])


def is_exact_metadata(metadata: Any) -> bool:
    """Return True if metadata comes back from JSON with all types, and shares nothing."""
    met: set[int] = set()
    level = [metadata]
    while level:
        containers = [part for part in level if type(part) in (dict, list)]
        shared = [part for part in level if type(part) in (dict, list, numpy.ndarray)]
        if not all(map(_is_exact_part, level)) or not _are_new(shared, met):
            return False
        level = [
            part
            for container in containers
            for part in (container.values() if type(container) is dict else container)
        ]
    return True


def _are_new(objects: list[Any], met: set[int]) -> bool:
    before = len(met)
    met.update(map(id, objects))
    return len(met) == before + len(objects)


def _is_exact_part(part: Any) -> bool:
    cls = type(part)
    if cls is dict:
        return all(type(key) is str for key in part) and _ARRAY not in part
    if cls is float:
        return part == part or is_quiet_nan(part)
    if cls is numpy.ndarray:
        dtype = part.dtype
        plain = part.flags.c_contiguous and part.flags.writeable and bool(part.size)
        # Digits lose the bits of a NaN, and long doubles.
        return (
            plain
            and dtype.kind in _EXACT_DTYPES
            and (dtype.kind != "f" or (dtype.itemsize <= 8 and not numpy.isnan(part).any()))
            and same_dtype(numpy.dtype(str(dtype)), dtype)
        )
    return cls in (list, str, int, bool, type(None))
