"""Any object: the source of an archive, and its larger arrays as datasets next to it.

The dataset ``source`` defines the variable ``value``, and finds the arrays of the group ``arrays``
in the dictionary ``_arrays``. The attribute ``encoding-summary`` is the summary of the object as
JSON, so that a listing runs no source.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from persist.archive import Archive, restore
from persist.archive.arrays import Array
from persist.archive.arrays.hdf5_dataset import read_dataset
from persist.errors import DamagedError, UnsupportedObjectError
from persist.hdf5.content import Content
from persist.hdf5.datasets import External, Text
from persist.hdf5.marks import attribute, marked, member, text_of

__all__ = ["ARCHIVE", "archive_content", "archive_summary", "read_archive", "refusals_of"]

ARCHIVE = "archive"
SUMMARY = "encoding-summary"

_NAME = "value"
_SOURCE = "source"
_ARRAYS = "arrays"

# Arrays of fewer elements are read more easily among the source.
_THRESHOLD = 20


def archive_content(obj: Any, summary: dict[str, Any], path: str = "") -> Content:
    """Return the content for any object.

    Parameters
    ----------
    obj : object
        The object.
    summary : dict of str to object
        Its summary.
    path : str
        What leads from the item to the object, for errors: ``['a']['b']``.

    Raises
    ------
    UnsupportedObjectError
        If an archive cannot store it.
    """
    archive = Archive(scoped=False, array_threshold=_THRESHOLD)
    archive.insert_items({_NAME: obj})
    with refusals_of(obj, path):
        source = str(archive)
    attributes = {**marked(ARCHIVE, ARCHIVE), SUMMARY: json.dumps(summary)}
    content = Content(attributes, {_SOURCE: Text(source)}, dated=True)
    if archive.data:
        arrays = {name: External(array) for name, array in archive.data.items()}
        content.groups[_ARRAYS] = Content({}, {**arrays})
    return content


@contextmanager
def refusals_of(obj: Any, path: str) -> Iterator[None]:
    """Let the error for an object within an item, which is called ``value``, say where it is."""
    try:
        yield
    except UnsupportedObjectError as error:
        where = _NAME + path + error.path.removeprefix(_NAME)
        raise UnsupportedObjectError(
            f"Cannot serialise object of type '{type(obj).__name__}' to HDF5. "
            f"{where}: {error.reason}"
        ) from error


def read_archive(group: Any) -> Any:
    """Run the source that a group holds, and return the object."""
    source = text_of(member(group, _SOURCE)[()])
    arrays = _Arrays(group)
    found = restore(source, {Archive.data_name: arrays})
    if _NAME not in found:
        raise DamagedError(f"{group.name} is damaged: its {_SOURCE} defines no {_NAME!r}")
    return found[_NAME]


class _Arrays(dict[str, Array]):
    """The arrays of a group, each read when the source asks for it, and kept."""

    def __init__(self, group: Any) -> None:
        self._group = group

    def __missing__(self, name: str) -> Array:
        array = self[name] = read_dataset(member(member(self._group, _ARRAYS), name))
        return array


def archive_summary(group: Any) -> dict[str, Any]:
    """Return the summary of the object that a group holds."""
    text = text_of(attribute(group, SUMMARY))
    try:
        summary: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise DamagedError(f"{group.name} is damaged: {SUMMARY} is not JSON: {error}") from error
    return summary
